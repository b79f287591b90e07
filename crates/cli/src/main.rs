//! The command line, a module for each command.
//!
//! What was asked for goes to standard output, notes and errors to standard error. The exit code is 0,
//! or 1 where the input was refused or something was found, or 2 where the arguments were wrong.

mod bundle;
mod check;
mod compile;
mod completion;
mod explain;
mod files;
mod manifests;
mod output;
mod verify;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

/// L4 traffic management for Istio ambient waypoints.
#[derive(Parser)]
#[command(name = "waypoint-l4", version = VERSION, propagate_version = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    Compile(compile::Arguments),
    Bundle(bundle::Arguments),
    Check(check::Arguments),
    Verify(verify::Arguments),
    Explain(explain::Arguments),
    Completion(completion::Arguments),
}

const VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    " (",
    env!("WAYPOINT_L4_COMMIT"),
    ")"
);

fn main() -> ExitCode {
    match Arguments::parse().command {
        Command::Compile(arguments) => compile::run(&arguments),
        Command::Bundle(arguments) => bundle::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Completion(arguments) => completion::run(&arguments, Arguments::command()),
    }
}
