//! Images in files.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command::{Run, build, image_tool, sha256, static_command, wasm};
use crate::registry::skopeo;

#[test]
fn the_same_filter_is_the_same_image_anywhere() {
    let (one, two) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let below = two.path().join("further/down");
    build(one.path());
    build(&below);
    let difference = Run::of(Command::new("diff").arg("-r").arg(one.path()).arg(&below));
    assert_eq!(difference.stdout(), "");
}

#[test]
fn build_tells_the_digests() {
    let out = tempfile::tempdir().unwrap();
    let printed = build(out.path());
    let lines: Vec<Vec<&str>> = printed
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(lines.len(), 3, "{printed}");
    let of_filter = format!("sha256:{}", sha256(&wasm()));
    assert_eq!(lines[0][..2], ["filter", &of_filter]);
    for (line, form) in lines[1..].iter().zip(["compat", "artifact"]) {
        let path = out.path().join(form);
        let manifest = skopeo(&["inspect", "--raw", &format!("oci:{}", path.display())]);
        let file = out.path().join("manifest");
        fs::write(&file, manifest).unwrap();
        assert_eq!(line[..2], [form, &format!("sha256:{}", sha256(&file))]);
    }
}

#[test]
fn the_tar_is_the_same_image() {
    let out = tempfile::tempdir().unwrap();
    build(out.path());
    for form in ["compat", "artifact"] {
        let path = out.path().join(form).display().to_string();
        assert_eq!(
            skopeo(&["inspect", "--raw", &format!("oci:{path}")]),
            skopeo(&["inspect", "--raw", &format!("oci-archive:{path}.tar")])
        );
    }
}

#[test]
fn of_an_earlier_build_nothing_is_left() {
    let out = tempfile::tempdir().unwrap();
    let wasm = out.path().join("other.wasm");
    fs::write(&wasm, b"\0asm\x01\0\0\0").unwrap();
    let mut command = image_tool();
    command.arg("build").arg("--wasm").arg(&wasm);
    Run::of(command.arg("--out").arg(out.path())).stdout();
    build(out.path());
    let blobs = |form: &str| fs::read_dir(out.path().join(form).join("blobs/sha256"));
    assert_eq!(blobs("compat").unwrap().count(), 3);
    assert_eq!(blobs("artifact").unwrap().count(), 3);
}

#[test]
fn what_would_not_run_is_refused() {
    let out = tempfile::tempdir().unwrap();
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let manifest = manifest.to_str().unwrap();
    let dynamic = env!("CARGO_BIN_EXE_waypoint-l4-image");
    for (arguments, words) in [
        (
            ["build", "--wasm", manifest],
            ["Cargo.toml", "expected a WebAssembly module"],
        ),
        (
            ["build", "--wasm", "/nonexistent"],
            ["/nonexistent", "No such file"],
        ),
        (
            ["build-cli", "--binary", manifest],
            ["Cargo.toml", "expected an ELF executable"],
        ),
        (
            ["build-cli", "--binary", dynamic],
            [
                "waypoint-l4-image",
                "expected a statically linked executable",
            ],
        ),
    ] {
        let mut command = image_tool();
        command.args(arguments).arg("--out").arg(out.path());
        Run::of(&mut command).assert_failed(&words);
    }
    assert_eq!(fs::read_dir(out.path()).unwrap().count(), 0);
}

#[test]
fn the_command_runs_alone_in_its_image() {
    let out = tempfile::tempdir().unwrap();
    let mut command = image_tool();
    command
        .arg("build-cli")
        .arg("--binary")
        .arg(static_command());
    Run::of(command.arg("--out").arg(out.path())).stdout();
    let layout = format!("oci:{}", out.path().join("cli").display());
    let config = skopeo(&["inspect", "--config", &layout]);
    let config: serde_json::Value = serde_json::from_str(&config).unwrap();
    assert_eq!(config["config"]["Entrypoint"][0], "/waypoint-l4");

    let pulled = out.path().join("pulled");
    skopeo(&[
        "copy",
        "--quiet",
        &layout,
        &format!("dir:{}", pulled.display()),
    ]);
    let inspected = skopeo(&["inspect", "--format", "{{index .Layers 0}}", &layout]);
    let layer = pulled.join(inspected.trim().trim_start_matches("sha256:"));
    let root = out.path().join("root");
    fs::create_dir(&root).unwrap();
    let mut tar = Command::new("tar");
    Run::of(tar.arg("-xzf").arg(&layer).arg("-C").arg(&root)).stdout();
    assert_eq!(fs::read_dir(&root).unwrap().count(), 1);
    let version = Run::of(
        Command::new(root.join("waypoint-l4"))
            .arg("--version")
            .env_clear(),
    );
    let prefix = format!("waypoint-l4 {} (", env!("CARGO_PKG_VERSION"));
    assert!(version.stdout().starts_with(&prefix));
}
