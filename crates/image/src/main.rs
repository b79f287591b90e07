//! The OCI images of the filter and of the command: built without a container engine, and pushed.
//!
//! What was made goes to standard output, errors to standard error. The exit code is 0, or 1 where
//! something failed, and then nothing is on standard output, or 2 where the arguments were wrong.

mod annotations;
mod binary;
mod credentials;
mod image;
mod layer;
mod layout;
mod push;

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::image::{Image, digest};
use crate::push::Target;

/// The OCI images of waypoint-l4.
#[derive(Parser)]
#[command(name = "waypoint-l4-image", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Build the filter's image in both forms that Istio fetches, each as an OCI layout, that is a
    /// folder, and as a tar of it
    Build {
        /// The filter
        #[arg(long, value_name = "FILE", default_value = "target/waypoint-l4.wasm")]
        wasm: PathBuf,

        /// The folder to write to
        #[arg(long, value_name = "FOLDER", default_value = "target/image")]
        out: PathBuf,
    },
    /// Build an image that holds the command and nothing else
    BuildCli {
        /// The command, statically linked
        #[arg(long, value_name = "FILE")]
        binary: PathBuf,

        /// The folder to write to
        #[arg(long, value_name = "FOLDER", default_value = "target/image")]
        out: PathBuf,
    },
    /// Push an image and print what a WasmPlugin says of it
    ///
    /// Credentials are those of `docker login`.
    Push {
        /// An OCI layout, such as target/image/compat
        layout: PathBuf,

        /// Where to: host/repository or host/repository:tag, by default with the version as the tag
        registry: Target,

        /// Speak plain HTTP with the registry
        #[arg(long)]
        insecure: bool,
    },
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Build { wasm, out } => build(&wasm, &out),
        Command::BuildCli { binary, out } => build_cli(&binary, &out),
        Command::Push {
            layout,
            registry,
            insecure,
        } => push::run(&layout, &registry, insecure),
    };
    match done.and_then(|text| print(&text)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Unlike `eprintln!` it does not panic where nobody can be told.
            let _ = writeln!(io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn build(wasm: &Path, out: &Path) -> Result<String> {
    let filter = binary::Wasm::parse(read(wasm)?)
        .with_context(|| format!("{} is not the filter", wasm.display()))?;
    let lines = [
        // What a WasmPlugin needs that has the module itself by http.
        format!("filter    {}  {}\n", digest(&filter), wasm.display()),
        write(&Image::compat(&filter)?, out, "compat")?,
        write(&Image::artifact(&filter)?, out, "artifact")?,
    ];
    Ok(lines.concat())
}

fn build_cli(binary: &Path, out: &Path) -> Result<String> {
    let executable = binary::Executable::parse(read(binary)?)
        .with_context(|| format!("{} does not run in an empty image", binary.display()))?;
    write(&Image::cli(&executable)?, out, "cli")
}

fn write(image: &Image, out: &Path, name: &str) -> Result<String> {
    let (folder, tar) = (out.join(name), out.join(format!("{name}.tar")));
    layout::write(image, &folder, &tar)?;
    let digest = image.digest();
    let (folder, tar) = (folder.display(), tar.display());
    Ok(format!("{name:9} {digest}  {folder}  {tar}\n"))
}

fn read(file: &Path) -> Result<Vec<u8>> {
    fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}

fn print(text: &str) -> Result<()> {
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes());
    written
        .and_then(|()| stdout.flush())
        .context("cannot write to standard output")
}
