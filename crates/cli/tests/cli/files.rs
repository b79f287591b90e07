//! Files, directories and standard input.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{CASES, IMAGE, MANIFESTS, case, run, run_with};

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

/// As it is, with its kustomization.
#[test]
fn reads_the_folder_of_the_example() {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../deploy/examples/tcp-echo"
    );
    let compiled = run(&["compile", "-f", folder]);
    let plugin = fs::read_to_string(format!("{folder}/wasmplugin.yaml")).unwrap();
    assert_eq!((compiled.code, compiled.stdout), (0, plugin));
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
    fs::create_dir(root.join("docs")).unwrap();
    fs::write(root.join("docs/README.md"), "no manifest").unwrap();
    let root = root.to_str().unwrap();
    let flat = run(&["compile", "-f", root, "--image", IMAGE]);
    assert_eq!((flat.code, flat.stdout.contains("listeners:")), (0, false));
    let unread = format!(
        "note: {root}: manifests in its sub-directories are not read (in below): -R reads them"
    );
    let no_route = "note: Gateway istio-io-tcp-traffic-shifting/waypoint: no route: its plugin leaves \
                    every connection alone";
    assert_eq!(flat.stderr, format!("{unread}\n{no_route}\n"));
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
fn a_folder_may_hold_what_is_no_manifest() {
    let root = directory("kustomize");
    for name in ["namespace", "gateway", "services", "tcproute"] {
        let file = format!("{name}.yaml");
        fs::copy(Path::new(MANIFESTS).join(&file), root.join(&file)).unwrap();
    }
    fs::write(
        root.join("kustomization.yaml"),
        "resources: [tcproute.yaml]\n",
    )
    .unwrap();
    fs::write(root.join("Chart.yaml"), "apiVersion: v2\nname: echo\n").unwrap();
    let path = root.to_str().unwrap();
    let refused = run(&["compile", "-f", path]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    assert_eq!(refused.stderr.matches("--ignore-unknown-kinds").count(), 2);
    let ignore = "--ignore-unknown-kinds";
    let compiled = run(&["compile", "-f", path, ignore, "--image", IMAGE]);
    let bare = run(&["compile", "-f", MANIFESTS, "--image", IMAGE]);
    assert_eq!(compiled.stdout, bare.stdout);
    let note = |file: &str, missing: &str| {
        let left_out = "document 1: left out: it lacks";
        format!("note: {path}/{file}: {left_out} {missing}\n")
    };
    let chart = note("Chart.yaml", "kind");
    let kustomization = note("kustomization.yaml", "apiVersion and kind");
    assert_eq!(compiled.stderr, format!("{chart}{kustomization}"));

    // Half a route is a mistake, whatever else may be left out.
    let half = case("refused/no-kind");
    let refused = run(&["compile", "-f", &half, "--ignore-unknown-kinds"]);
    assert_eq!((refused.code, refused.stderr.lines().count()), (1, 3));
}

#[test]
fn an_error_of_no_manifest_names_the_only_source() {
    let refused = run_with(&["compile", "-f", "-"], b"");
    let expected = "expected at least one manifest, found none";
    assert_eq!(refused.code, 1);
    assert_eq!(refused.stderr, format!("error: stdin: {expected}\n"));
    let empty = case("refused/empty-file");
    let refused = run(&["compile", "-f", &empty]);
    assert_eq!(refused.stderr, format!("error: {empty}: {expected}\n"));
    let refused = run(&["compile", "-f", &empty, "-f", &case("refused/no-manifests")]);
    assert_eq!(refused.stderr, format!("error: {expected}\n"));
    let refused = run(&["compile", "-f", MANIFESTS, "--waypoint", "demo/none"]);
    let prefix = format!("error: {MANIFESTS}: expected a waypoint ");
    assert!(refused.stderr.starts_with(&prefix), "{}", refused.stderr);
}

/// An empty directory of this test's own.
fn directory(name: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    path
}
