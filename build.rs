//! Tells the filter and the command which commit they were built from, so that a report of a user can
//! be told from another. Both packages build with this.

use std::path::Path;
use std::process::Command;

fn main() {
    let commit = git(&["rev-parse", "--short=12", "HEAD"]);
    let commit = commit.unwrap_or_else(|| String::from("unknown"));
    println!("cargo::rustc-env=WAYPOINT_L4_COMMIT={commit}");

    // HEAD changes with the branch; the branch's own file with each commit, or comes into being with
    // it where git has packed it away.
    track("HEAD");
    track("packed-refs");
    if let Some(branch) = git(&["symbolic-ref", "--quiet", "HEAD"]) {
        track(&branch);
    }
}

/// A file that does not exist would rebuild each time; its directory stands for it, but not the
/// whole of `.git`.
fn track(name: &str) {
    let Some(path) = git(&["rev-parse", "--git-path", name]) else {
        return;
    };
    let path = Path::new(&path);
    let existing = path.ancestors().find(|path| path.exists());
    let tracked = existing.filter(|existing| *existing == path || name.starts_with("refs/"));
    if let Some(tracked) = tracked {
        println!("cargo::rerun-if-changed={}", tracked.display());
    }
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let text = text.trim();
    (output.status.success() && !text.is_empty()).then(|| text.to_owned())
}
