//! Standard output and standard error.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

use clap::ValueEnum;
use serde::Serialize;

/// How to tell what was found: a line for each finding, or JSON for programs.
#[derive(Clone, Copy, Default, ValueEnum)]
pub(crate) enum Format {
    #[default]
    Text,
    Json,
}

/// Prints what was asked for; the exit code is the given one if that went well.
pub(crate) fn print(text: &str, code: ExitCode) -> ExitCode {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes());
    match written.and_then(|()| stdout.flush()) {
        // Who reads it has seen enough, like `head`.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => code,
        Err(error) => {
            report(&format!("error: standard output: {error}"));
            ExitCode::FAILURE
        }
        Ok(()) => code,
    }
}

/// The same with JSON.
pub(crate) fn print_json(found: &impl Serialize, code: ExitCode) -> ExitCode {
    match serde_json::to_string_pretty(found) {
        Ok(json) => print(&format!("{json}\n"), code),
        Err(error) => {
            report(&format!("error: {error}"));
            ExitCode::FAILURE
        }
    }
}

/// Unlike `eprintln!` it does not panic where nobody can be told.
pub(crate) fn report(line: &str) {
    let _ = writeln!(io::stderr(), "{line}");
}
