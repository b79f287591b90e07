//! `waypoint-l4-image`, and what it leaves behind.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The .wasm that `make wasm` makes.
pub fn wasm() -> PathBuf {
    built("target/waypoint-l4.wasm", "make wasm")
}

/// The command that `make static` makes.
pub fn static_command() -> PathBuf {
    built("target/static/waypoint-l4", "make static")
}

fn built(name: &str, by: &str) -> PathBuf {
    let path = root().join(name);
    assert!(path.is_file(), "{} is missing: run `{by}`", path.display());
    path
}

pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Nobody's credentials, and no proxy between it and loopback.
pub fn image_tool() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waypoint-l4-image"));
    command
        .env("DOCKER_CONFIG", "/nonexistent")
        .env("NO_PROXY", "*");
    command
}

/// What a program wrote and how it ended.
#[derive(Debug)]
pub struct Run {
    pub code: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Run {
    pub fn of(command: &mut Command) -> Self {
        let Output {
            status,
            stdout,
            stderr,
        } = command
            .output()
            .unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self {
            code: status.code(),
            stdout: String::from_utf8(stdout).unwrap(),
            stderr: String::from_utf8(stderr).unwrap(),
        }
    }

    /// What it wrote to standard output, if all was well.
    pub fn stdout(self) -> String {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""), "{self:?}");
        self.stdout
    }

    /// One line about an error that has all of these words; no claim that anything was done.
    pub fn assert_failed(&self, words: &[&str]) {
        assert_eq!((self.code, self.stdout.as_str()), (Some(1), ""), "{self:?}");
        assert!(self.stderr.starts_with("error: "), "{self:?}");
        assert_eq!(self.stderr.lines().count(), 1, "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "{word:?} is not in {self:?}");
        }
    }
}

/// Builds the filter's images into the folder.
pub fn build(out: &Path) -> String {
    let mut command = image_tool();
    command.arg("build").arg("--wasm").arg(wasm());
    Run::of(command.arg("--out").arg(out)).stdout()
}

/// `sha256sum` of coreutils.
pub fn sha256(path: &Path) -> String {
    let sum = Run::of(Command::new("sha256sum").arg("--binary").arg(path)).stdout();
    sum.split(' ').next().unwrap().to_owned()
}
