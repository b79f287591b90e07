//! What cannot be verified.

use serde_json::{Value, json};

use crate::verify::{dump, verify};
use crate::{CASES, case, run};

#[test]
fn the_dump_is_of_one_waypoint() {
    let several = case("several-waypoints");
    let verify = |further: &[&str]| {
        let dump = dump("1.31/plain");
        let arguments = ["verify", "-f", &several, "--config-dump", &dump];
        run(&[&arguments[..], further].concat())
    };
    let refused = verify(&[]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    let expected =
        "expected one waypoint, found demo/waypoint, zoo/waypoint: choose with --waypoint";
    assert!(
        refused
            .stderr
            .ends_with(&format!("error: {several}: {expected}\n"))
    );
    let zoo = verify(&["--waypoint", "zoo/waypoint"]);
    assert_eq!(zoo.code, 1);
    assert!(
        zoo.stdout
            .starts_with("finding: waypoint zoo/waypoint: PluginMissing: ")
    );
    assert!(
        zoo.stdout
            .contains("db.zoo.svc.cluster.local: ChainMissing: ")
    );
    let unknown = verify(&["--waypoint", "demo/none"]);
    assert!(
        unknown
            .stderr
            .contains("found no demo/none; there is demo/waypoint, zoo/waypoint")
    );

    let none = case("no-waypoint");
    let refused = run(&["verify", "-f", &none, "--config-dump", &dump("1.31/plain")]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    let expected = format!("error: {none}: expected a waypoint among the manifests, found none\n");
    assert!(refused.stderr.ends_with(&expected), "{}", refused.stderr);
}

#[test]
fn a_wrong_route_of_another_waypoint_is_no_reason_to_refuse() {
    let (input, dump) = (case("others-are-left-out"), dump("1.31/plain"));
    let verify = ["verify", "-f", &input, "--config-dump", &dump];
    let waypoint = ["--waypoint", "demo/waypoint"];
    assert!(run(&verify).stderr.starts_with("error: "));
    let verified = run(&[&verify[..], &waypoint].concat());
    assert_eq!((verified.code, verified.stderr.as_str()), (1, ""));
    assert!(
        verified.stdout.contains(": PluginMissing: "),
        "{}",
        verified.stdout
    );
}

#[test]
fn what_cannot_be_read_is_told_of_both_sides() {
    let manifests = format!("{CASES}/refused/not-yaml/input.yaml");
    let missing = dump("missing");
    let refused = run(&["verify", "-f", &manifests, "--config-dump", &missing]);
    assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
    let lines: Vec<_> = refused.stderr.lines().collect();
    assert!(lines[0].starts_with(&format!("error: {manifests}: line 3, column 10: ")));
    assert!(lines[1].starts_with(&format!("error: {missing}: cannot be read: No such file")));
    assert_eq!(lines.len(), 2);

    let arguments = ["verify", "-f", &manifests, "--config-dump", &missing];
    let refused = run(&[&arguments[..], &["--format", "json"]].concat());
    assert_eq!((refused.code, refused.stderr.as_str()), (1, ""));
    let report: Value = serde_json::from_str(&refused.stdout).unwrap();
    let errors = lines
        .iter()
        .map(|line| line.strip_prefix("error: ").unwrap());
    let errors: Vec<_> = errors.collect();
    assert_eq!(report, json!({"findings": [], "errors": errors}));
}

#[test]
fn what_is_no_dump_of_a_waypoint_is_refused() {
    let listeners = r#"{"@type": "type.googleapis.com/envoy.admin.v3.ListenersConfigDump", "#;
    for (text, expected) in [
        ("", "EOF while parsing a value at line 1 column 0"),
        ("configs:", "expected value at line 1 column 1"),
        ("[]", "it has no list `configs`"),
        ("{}", "it has no list `configs`"),
        (r#"{"configs": []}"#, "it has no ListenersConfigDump"),
        (
            &format!(r#"{{"configs": [{listeners} "dynamic_listeners": []}}]}}"#),
            "it has no ClustersConfigDump",
        ),
        (
            &format!(
                r#"{{"configs": [{listeners} "dynamic_listeners": [{{"active_state": 1}}]}}]}}"#
            ),
            "ListenersConfigDump: dynamicListeners[0].activeState: invalid type: integer `1`",
        ),
    ] {
        let refused = verify("-", text, &[]);
        assert_eq!((refused.code, refused.stdout.as_str()), (1, ""));
        let expected = format!(
            "error: stdin: expected the config dump of a waypoint, as `istioctl proxy-config all -o \
             json` prints it: {expected}"
        );
        assert!(refused.stderr.starts_with(&expected), "{}", refused.stderr);
        assert_eq!(refused.stderr.lines().count(), 1);
    }
}
