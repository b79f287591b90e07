//! `waypoint-l4 completion`.

use std::process::ExitCode;

use clap::{Args, Command};
use clap_complete::{Shell, generate};

use crate::output::print;

/// Print what makes a shell complete the command's words.
///
/// For bash, put `source <(waypoint-l4 completion bash)` into ~/.bashrc; for zsh, write it to a file
/// _waypoint-l4 in a folder of $fpath; for fish, to ~/.config/fish/completions/waypoint-l4.fish.
#[derive(Args)]
pub(crate) struct Arguments {
    #[arg(value_enum)]
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments, mut command: Command) -> ExitCode {
    let name = command.get_name().to_owned();
    // Into memory first: it would panic where the script cannot be written.
    let mut script = Vec::new();
    generate(arguments.shell, &mut command, name, &mut script);
    print(&String::from_utf8_lossy(&script), ExitCode::SUCCESS)
}
