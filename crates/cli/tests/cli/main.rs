//! The command as a user meets it: exit codes, standard output and standard error apart, arguments.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml exempts test functions, not what they call"
)]

mod bundle;
mod check;
mod completion;
mod docs;
mod explain;
mod files;
mod verify;

use std::io::Write;
use std::process::{Command, Stdio};

const MANIFESTS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../testdata/manifests/tcp-traffic-shifting"
);
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/compile");

/// Without one there is a note.
const IMAGE: &str = "file:///etc/waypoint-l4/waypoint-l4.wasm";

#[derive(Debug, PartialEq, Eq)]
struct Run {
    code: i32,
    stdout: String,
    stderr: String,
}

fn run(arguments: &[&str]) -> Run {
    run_with(arguments, b"")
}

fn run_with(arguments: &[&str], stdin: &[u8]) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_waypoint-l4"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It need not read it.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    let output = child.wait_with_output().unwrap();
    Run {
        code: output.status.code().unwrap(),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn case(name: &str) -> String {
    format!("{CASES}/{name}/input.yaml")
}

#[test]
fn compiles_a_directory_without_a_word() {
    let compiled = run(&["compile", "-f", MANIFESTS, "--image", IMAGE]);
    assert_eq!((compiled.code, compiled.stderr.as_str()), (0, ""));
    assert!(
        compiled
            .stdout
            .starts_with("apiVersion: extensions.istio.io/v1alpha1\n")
    );
    assert!(compiled.stdout.contains("failStrategy: FAIL_OPEN\n"));
}

#[test]
fn an_image_that_is_not_published_is_told_of() {
    let url = concat!(
        "oci://ghcr.io/waypoint-l4/waypoint-l4:",
        env!("CARGO_PKG_VERSION")
    );
    for output in ["wasmplugin", "trafficextension"] {
        let compiled = run(&["compile", "-f", MANIFESTS, "--output", output]);
        assert!(compiled.stdout.contains(&format!(" url: {url}\n")));
        assert_eq!(
            (compiled.code, compiled.stderr),
            (
                0,
                format!(
                    "note: {url} is not published yet, so the plugin cannot be loaded from there: \
                     tell with --image where the filter is\n"
                )
            )
        );
    }
    // There is none in what is printed.
    for output in ["config", "status"] {
        let compiled = run(&["compile", "-f", MANIFESTS, "--output", output]);
        assert_eq!((compiled.code, compiled.stderr.as_str()), (0, ""));
    }
}

#[test]
fn notes_go_to_standard_error() {
    let compiled = run(&[
        "compile",
        "-f",
        &case("no-backend-service"),
        "--image",
        IMAGE,
    ]);
    assert_eq!(compiled.code, 0);
    assert!(compiled.stdout.contains("refuse: BackendNotFound\n"));
    assert!(
        compiled
            .stderr
            .starts_with("note: TCPRoute demo/tcp-echo: ")
    );
    assert_eq!(compiled.stderr.lines().count(), 1);
}

#[test]
fn a_refusal_prints_every_error_and_nothing_else() {
    let refused = run(&["compile", "-f", &format!("{CASES}/refused/every-error")]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert!(refused.stderr.lines().count() > 2);
    assert!(
        refused
            .stderr
            .lines()
            .all(|line| line.starts_with("error: "))
    );
}

#[test]
fn no_waypoint_is_no_output_and_no_error() {
    for output in ["wasmplugin", "config"] {
        let compiled = run(&["compile", "-f", &case("no-waypoint"), "--output", output]);
        assert_eq!((compiled.code, compiled.stdout.as_str()), (0, ""));
        assert!(
            compiled.stderr.ends_with("nothing to write\n"),
            "{}",
            compiled.stderr
        );
    }
}

#[test]
fn the_config_is_of_one_waypoint() {
    let several = case("several-waypoints");
    let refused = run(&["compile", "-f", &several, "--output", "config"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    let expected =
        "expected one waypoint, found demo/waypoint, zoo/waypoint: choose with --waypoint";
    assert_eq!(refused.stderr, format!("error: {several}: {expected}\n"));

    let zoo = ["compile", "-f", &several, "--waypoint", "zoo/waypoint"];
    let config = run(&[&zoo[..], &["--output", "config"]].concat());
    assert_eq!(config.code, 0);
    assert!(
        config
            .stdout
            .starts_with("{\n  \"version\": 1,\n  \"revision\": \"")
    );
    assert!(config.stdout.ends_with("}\n"));
    assert!(
        config
            .stdout
            .contains("\"inbound-vip|9000|tcp|db.zoo.svc.cluster.local\"")
    );

    let plugin = run(&zoo);
    assert_eq!(plugin.stdout.matches("kind: WasmPlugin\n").count(), 1);
    let revision = |text: &str| {
        let text = text.split("revision").nth(1).unwrap();
        text.chars()
            .filter(char::is_ascii_hexdigit)
            .take(12)
            .collect::<String>()
    };
    assert_eq!(revision(&plugin.stdout), revision(&config.stdout));

    let unknown = run(&["compile", "-f", &several, "--waypoint", "demo/none"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (1, ""));
    assert!(
        unknown
            .stderr
            .contains("found no demo/none; there is demo/waypoint, zoo/waypoint")
    );
}

#[test]
fn options_reach_the_output() {
    let compiled = run(&[
        "compile",
        "-f",
        MANIFESTS,
        "--image",
        IMAGE,
        "--fail-strategy",
        "FAIL_CLOSE",
        "--cluster-domain",
        "mesh.example.com",
    ]);
    assert_eq!(compiled.code, 0);
    assert!(
        compiled
            .stdout
            .contains("  url: file:///etc/waypoint-l4/waypoint-l4.wasm\n")
    );
    assert!(compiled.stdout.contains("  failStrategy: FAIL_CLOSE\n"));
    assert!(compiled.stdout.contains("svc.mesh.example.com\n"));
    assert!(!compiled.stdout.contains("cluster.local"));

    let annotated = run(&["compile", "-f", &case("two-ports"), "--annotate"]);
    assert!(
        annotated.stdout.contains("\n    annotate: true\n"),
        "{}",
        annotated.stdout
    );
}

/// The URL that `make push` prints; the digest in it is the checksum.
#[test]
fn an_image_is_named_by_its_digest() {
    let url = format!("oci://ghcr.io/acme/waypoint-l4@sha256:{}", "0a".repeat(32));
    let compiled = run(&["compile", "-f", MANIFESTS, "--image", &url]);
    assert_eq!((compiled.code, compiled.stderr.as_str()), (0, ""));
    let line = format!("  url: {url}\n");
    assert_eq!(compiled.stdout.matches(&line).count(), 1);
    assert!(!compiled.stdout.contains("  sha256:"));
}

#[test]
fn unknown_kinds_can_be_left_out() {
    let unknown = case("refused/unknown-kind");
    assert_eq!(run(&["compile", "-f", &unknown]).code, 1);
    let compiled = run(&["compile", "-f", &unknown, "--ignore-unknown-kinds"]);
    assert_eq!(compiled.code, 0);
    let note = "note: Rollout tcp-echo: left out: unknown kind argoproj.io/v1alpha1 Rollout\n";
    assert!(compiled.stderr.contains(note), "{}", compiled.stderr);
    for misspelt in ["misspelt-kind", "wrong-version"] {
        let input = case(&format!("refused/{misspelt}"));
        assert_eq!(
            run(&["compile", "-f", &input, "--ignore-unknown-kinds"]).code,
            1
        );
    }
}

#[test]
fn nothing_is_noted_of_a_waypoint_that_is_not_printed() {
    let input = case("assumed-waypoint-of-namespace");
    let no_route = |waypoint: &str| {
        let run = run(&["compile", "-f", &input, "--waypoint", waypoint]);
        assert_eq!(run.code, 0);
        run.stderr.contains("no route")
    };
    assert!(!no_route("demo/waypoint"));
    assert!(no_route("shop/waypoint"));
}

#[test]
fn wrong_arguments_are_usage_errors() {
    for arguments in [
        &[][..],
        &["compile"],
        &["compile", "-f"],
        &["compile", "-f", "-", "-f", "-"],
        &["compile", "-f", MANIFESTS, "--image", "ghcr.io/waypoint-l4"],
        &["compile", "-f", MANIFESTS, "--image", "oci://"],
        &["compile", "-f", MANIFESTS, "--image", "oci://ghcr.io/a b"],
        &[
            "compile",
            "-f",
            MANIFESTS,
            "--image",
            "oci://ghcr.io/Acme/l4",
        ],
        &["compile", "-f", MANIFESTS, "--image", "file://l4.wasm"],
        &["compile", "-f", MANIFESTS, "--fail-strategy", "FAIL_RELOAD"],
        &["compile", "-f", MANIFESTS, "--waypoint", "waypoint"],
        &["compile", "-f", MANIFESTS, "--cluster-domain", "a|b"],
        &["compile", "-f", MANIFESTS, "--output", "json"],
        &["compile", "-f", MANIFESTS, "--no-such-option"],
        &["completion"],
        &["completion", "csh"],
        &["verify", "-f", MANIFESTS],
        &["verify", "--config-dump", "dump.json"],
        &["verify", "-f", "-", "--config-dump", "-"],
        &[
            "verify",
            "-f",
            MANIFESTS,
            "--config-dump",
            "-",
            "--format",
            "yaml",
        ],
    ] {
        let refused = run(arguments);
        assert_eq!(
            (refused.code, refused.stdout.as_str()),
            (2, ""),
            "{arguments:?}"
        );
        assert!(
            refused.stderr.contains("--help"),
            "{arguments:?}\n{}",
            refused.stderr
        );
    }
}

#[test]
fn the_version_names_the_commit() {
    let version = run(&["--version"]);
    assert_eq!(version.code, 0);
    let prefix = format!("waypoint-l4 {} (", env!("CARGO_PKG_VERSION"));
    let commit = version
        .stdout
        .strip_prefix(&prefix)
        .unwrap()
        .strip_suffix(")\n")
        .unwrap();
    assert!(commit == "unknown" || commit.len() >= 12, "{commit}");
    assert!(
        commit.chars().all(|c| c.is_ascii_alphanumeric()),
        "{commit}"
    );
}
