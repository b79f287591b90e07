//! The user's side: the manifests of the task, edited as the weights change, and compiled by the
//! real command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// A copy of the manifests that may be edited.
pub(crate) struct Manifests {
    directory: TempDir,
}

impl Manifests {
    pub(crate) fn copy() -> Result<Self> {
        let directory = tempfile::tempdir()?;
        let origin = root().join("testdata/manifests/tcp-traffic-shifting");
        for entry in fs::read_dir(&origin).with_context(|| origin.display().to_string())? {
            let path = entry?.path();
            let name = path.file_name().context("a manifest without a name")?;
            fs::copy(&path, directory.path().join(name))?;
        }
        Ok(Self { directory })
    }

    /// Sets the weights of the two backends, as `kubectl edit tcproute` would.
    pub(crate) fn set_weights(&self, weights: [u32; 2]) -> Result<()> {
        let path = self.directory.path().join("tcproute.yaml");
        let text = fs::read_to_string(&path)?;
        let mut weights = weights.into_iter();
        let lines = text.lines().map(|line| match line.split_once("weight:") {
            Some((before, _)) => {
                let weight = weights.next().context("more than two backends")?;
                Ok(format!("{before}weight: {weight}\n"))
            }
            None => Ok(format!("{line}\n")),
        });
        let edited = lines.collect::<Result<String>>()?;
        ensure!(
            weights.next().is_none(),
            "fewer than two weights in {}",
            path.display()
        );
        fs::write(&path, edited)?;
        Ok(())
    }

    /// `waypoint-l4 compile --output config`: what istiod passes on to Envoy.
    pub(crate) fn compile(&self) -> Result<String> {
        let command = root().join("target/release/waypoint-l4");
        let output = Command::new(&command)
            .args(["compile", "--output", "config", "-f"])
            .arg(self.directory.path())
            .output()
            .with_context(|| format!("cannot run {}: run `make build`", command.display()))?;
        ensure!(
            output.status.success(),
            "waypoint-l4 compile: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        Ok(String::from_utf8(output.stdout)?)
    }
}

/// The filter that `make build` makes.
pub(crate) fn wasm() -> Result<PathBuf> {
    let path = root().join("target/waypoint-l4.wasm");
    ensure!(
        path.is_file(),
        "{} is missing: run `make build`",
        path.display()
    );
    Ok(path)
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
