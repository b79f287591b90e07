//! The command as a user meets it: exit codes, standard output and standard error apart, files,
//! directories and standard input.

#![expect(
    clippy::unwrap_used,
    reason = "clippy.toml exempts test functions, not what they call"
)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const MANIFESTS: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../testdata/manifests/tcp-traffic-shifting"
);
const CASES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/compile");

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

/// An empty directory of this test's own.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}

#[test]
fn compiles_a_directory_without_a_word() {
    let compiled = run(&["compile", "-f", MANIFESTS]);
    assert_eq!((compiled.code, compiled.stderr.as_str()), (0, ""));
    assert!(
        compiled
            .stdout
            .starts_with("apiVersion: extensions.istio.io/v1alpha1\n")
    );
    assert!(compiled.stdout.contains("failStrategy: FAIL_OPEN\n"));
    let version = env!("CARGO_PKG_VERSION");
    let url = format!("  url: oci://ghcr.io/waypoint-l4/waypoint-l4:{version}\n");
    assert!(compiled.stdout.contains(&url));
}

#[test]
fn files_a_directory_and_standard_input_are_all_the_same() {
    let whole = run(&["compile", "-f", MANIFESTS]);
    let file = |name: &str| format!("{MANIFESTS}/{name}.yaml");
    let (gateway, namespace) = (file("gateway"), file("namespace"));
    let (services, route) = (file("services"), file("tcproute"));
    let files = run(&[
        "compile", "-f", &route, "-f", &services, "-f", &namespace, "-f", &gateway,
    ]);
    assert_eq!(files, whole);
    let stdin = fs::read(&services).unwrap();
    let mixed = run_with(
        &[
            "compile", "-f", &route, "-f", "-", "-f", &namespace, "-f", &gateway,
        ],
        &stdin,
    );
    assert_eq!(mixed, whole);
}

#[test]
fn reads_json_from_standard_input() {
    for name in ["json-input", "json-documents"] {
        let json = fs::read(format!("{CASES}/{name}/input.json")).unwrap();
        let expected = fs::read_to_string(format!("{CASES}/{name}/output.yaml")).unwrap();
        let compiled = run_with(&["compile", "-f", "-"], &json);
        assert_eq!(
            (compiled.code, compiled.stdout),
            (0, expected),
            "{}",
            compiled.stderr
        );
    }
}

#[test]
fn notes_go_to_standard_error() {
    let compiled = run(&["compile", "-f", &case("no-backend-service")]);
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
fn what_cannot_be_read_is_reported_together() {
    let empty = directory("empty");
    let missing = empty.join("missing.yaml");
    let (empty, missing) = (empty.to_str().unwrap(), missing.to_str().unwrap());
    let broken = case("refused/not-yaml");
    let refused = run(&["compile", "-f", missing, "-f", empty, "-f", &broken]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    let lines: Vec<_> = refused.stderr.lines().collect();
    assert!(lines[0].starts_with(&format!("error: {missing}: cannot be read: No such file")));
    assert_eq!(
        lines[1],
        format!(
            "error: {empty}: cannot be read: a directory without *.yaml, *.yml or *.json files"
        )
    );
    assert!(lines[2].starts_with(&format!("error: {broken}: line 3, column 10: ")));
    assert_eq!(lines.len(), 3);
}

#[test]
fn a_directory_is_read_to_the_bottom_only_when_asked() {
    let root = directory("recursive");
    let below = root.join("below");
    fs::create_dir(&below).unwrap();
    for name in ["namespace", "gateway", "services", "tcproute"] {
        let to = if name == "tcproute" { &below } else { &root };
        let file = format!("{name}.yaml");
        fs::copy(Path::new(MANIFESTS).join(&file), to.join(&file)).unwrap();
    }
    fs::write(root.join("README.md"), "no manifest").unwrap();
    let root = root.to_str().unwrap();
    let flat = run(&["compile", "-f", root]);
    assert_eq!((flat.code, flat.stdout.contains("listeners:")), (0, false));
    assert_eq!(
        run(&["compile", "-R", "-f", root]),
        run(&["compile", "-f", MANIFESTS])
    );
}

#[test]
fn bytes_that_are_no_text_are_refused() {
    let refused = run_with(&["compile", "-f", "-"], b"kind: \xff\xfe\0");
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert_eq!(
        refused.stderr,
        "error: stdin: expected UTF-8, found other bytes at offset 6\n"
    );
}

#[test]
fn nonsense_is_refused_and_nothing_worse() {
    let deep = "[".repeat(100_000);
    let aliases = format!("a: &a [x]\nb: [{}]\n", "*a,".repeat(10_000));
    for stdin in [
        "\0", "{", "}", "\"", "&a [*a]", "!!x ?", "\u{feff}", "- - -", &deep, &aliases,
    ] {
        let refused = run_with(&["compile", "-f", "-"], stdin.as_bytes());
        assert_eq!(refused.code, 1, "{refused:?}");
        assert!(refused.stderr.starts_with("error: "), "{refused:?}");
        assert_eq!(refused.stdout, "");
    }
}

#[test]
fn a_big_cluster_fits_into_one_file() {
    let services = (0..20_000).map(|number| {
        format!(
            "---\napiVersion: v1\nkind: Service\nmetadata: {{name: s{number}, namespace: demo}}\n\
             spec: {{ports: [{{name: tcp, port: 9000}}]}}\n"
        )
    });
    let compiled = run_with(
        &["compile", "-f", MANIFESTS, "-f", "-"],
        services.collect::<String>().as_bytes(),
    );
    assert_eq!(compiled, run(&["compile", "-f", MANIFESTS]));
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
        "error: expected one waypoint, found demo/waypoint, zoo/waypoint: choose with --waypoint\n";
    assert_eq!(refused.stderr, expected);

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
        "file:///etc/waypoint-l4/waypoint-l4.wasm",
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
}

#[test]
fn unknown_kinds_can_be_left_out() {
    let unknown = case("refused/unknown-kind");
    assert_eq!(run(&["compile", "-f", &unknown]).code, 1);
    let compiled = run(&["compile", "-f", &unknown, "--ignore-unknown-kinds"]);
    assert_eq!(compiled.code, 0);
    let note = "note: Rollout tcp-echo: left out: argoproj.io/v1alpha1 has no kind that this version knows\n";
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
fn wrong_arguments_are_usage_errors() {
    for arguments in [
        &[][..],
        &["compile"],
        &["compile", "-f"],
        &["compile", "-f", "-", "-f", "-"],
        &["compile", "-f", MANIFESTS, "--image", "ghcr.io/waypoint-l4"],
        &["compile", "-f", MANIFESTS, "--image", "oci://"],
        &["compile", "-f", MANIFESTS, "--fail-strategy", "FAIL_RELOAD"],
        &["compile", "-f", MANIFESTS, "--waypoint", "waypoint"],
        &["compile", "-f", MANIFESTS, "--cluster-domain", "a|b"],
        &["compile", "-f", MANIFESTS, "--output", "json"],
        &["compile", "-f", MANIFESTS, "--no-such-option"],
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
