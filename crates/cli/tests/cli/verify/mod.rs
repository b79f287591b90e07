//! `waypoint-l4 verify` on what istiod sent to a waypoint.

mod compiled;
mod doctored;
mod refused;

use std::fs;

use serde_json::{Value, json};

use crate::{Run, run_with};

const ISTIO: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/istio");
const CHAIN: &str = "inbound-vip|9000|tcp|tcp-echo.demo.svc.cluster.local";
const WELL: &str = "waypoint demo/waypoint: all is well, filter chains: 1\n";
const INERT: &str = "Inert: istiod routes it natively and the plugin has no effect, as tcp_proxy has \
    weighted_clusters: 90 inbound-vip|9000|tcp|tcp-echo-v1.demo.svc.cluster.local, \
    10 inbound-vip|9000|tcp|tcp-echo-v2.demo.svc.cluster.local";

fn dump(name: &str) -> String {
    format!("{ISTIO}/verify/{name}.json")
}

/// With the manifests that were in force when the dumps were taken.
fn verify(config_dump: &str, stdin: &str, further: &[&str]) -> Run {
    let (mesh, route) = (
        format!("{ISTIO}/manifests/00-mesh.yaml"),
        format!("{ISTIO}/manifests/tcproute.yaml"),
    );
    let arguments = [
        "verify",
        "-f",
        &mesh,
        "-f",
        &route,
        "--config-dump",
        config_dump,
    ];
    run_with(&[&arguments[..], further].concat(), stdin.as_bytes())
}

/// The same with the label on the route.
fn verify_labelled(config_dump: &str) -> Run {
    verify_route(config_dump, &labelled())
}

fn labelled() -> String {
    let route = fs::read_to_string(format!("{ISTIO}/manifests/tcproute.yaml")).unwrap();
    let labelled = route.replace(
        "namespace: demo}",
        "namespace: demo, labels: {istio.io/rev: waypoint-l4}}",
    );
    assert_ne!(route, labelled);
    labelled
}

/// With these routes instead.
fn verify_route(config_dump: &str, route: &str) -> Run {
    let mesh = format!("{ISTIO}/manifests/00-mesh.yaml");
    let arguments = [
        "verify",
        "-f",
        &mesh,
        "-f",
        "-",
        "--config-dump",
        config_dump,
    ];
    run_with(&arguments, route.as_bytes())
}

fn assert_well(run: &Run) {
    assert_eq!((run.code, run.stdout.as_str()), (0, WELL), "{run:?}");
    assert_eq!(run.stderr, "");
}

/// The findings without `finding: `, and no notes.
fn findings(run: &Run) -> Vec<&str> {
    assert_eq!((run.code, run.stderr.as_str()), (1, ""), "{run:?}");
    let lines = run.stdout.lines();
    lines
        .map(|line| line.strip_prefix("finding: ").unwrap())
        .collect()
}

#[test]
fn a_route_that_istiod_reads_makes_the_plugin_inert() {
    let expected = format!(
        "{CHAIN}: {INERT}; put the label istio.io/rev: waypoint-l4 on TCPRoute demo/tcp-echo, at a \
         quiet time and when the plugin has its configuration"
    );
    for version in ["1.26", "1.28", "1.31", "1.31-multinetwork"] {
        let found = verify(&dump(&format!("{version}/tcproute")), "", &[]);
        assert_eq!(findings(&found), [&expected], "{version}");
    }
}

#[test]
fn a_label_that_is_only_in_the_manifests_is_not_enough() {
    let found = verify_labelled(&dump("1.31/tcproute"));
    let expected = format!(
        "{CHAIN}: {INERT}; TCPRoute demo/tcp-echo has the label istio.io/rev: waypoint-l4 in the \
         manifests, and istiod has not taken that up: apply it; if that is done, find another \
         TCPRoute, TLSRoute or VirtualService of this Service that istiod reads, and label that"
    );
    assert_eq!(findings(&found), [expected]);
}

/// What loses here may win at istiod, which does not see the labelled one.
#[test]
fn a_route_that_has_no_effect_here_can_be_the_one_to_label() {
    let second = fs::read_to_string(format!("{ISTIO}/manifests/tcproute.yaml")).unwrap();
    let second = second.replace(
        "{name: tcp-echo, namespace",
        "{name: tcp-echo-two, namespace",
    );
    let routes = format!("{}---\n{second}", labelled());
    let found = verify_route(&dump("1.31/tcproute"), &routes);
    let expected = format!(
        "{CHAIN}: {INERT}; put the label istio.io/rev: waypoint-l4 on TCPRoute demo/tcp-echo-two, at \
         a quiet time and when the plugin has its configuration"
    );
    assert_eq!(findings(&found), [expected]);
}

#[test]
fn with_the_label_all_is_well_on_every_version() {
    for version in ["1.24", "1.26", "1.28", "1.31", "1.31-multinetwork"] {
        assert_well(&verify_labelled(&dump(&format!(
            "{version}/tcproute-labelled"
        ))));
    }
}

#[test]
fn a_dump_is_read_with_all_that_is_in_it() {
    for name in ["1.24/plugin", "1.31/tcproute-labelled"] {
        assert_well(&verify_labelled(&format!("{ISTIO}/{name}.json")));
    }
}

#[test]
fn istio_1_24_needs_no_label() {
    assert_well(&verify(&dump("1.24/tcproute"), "", &[]));
}

#[test]
fn a_plugin_that_is_not_installed_is_found() {
    let missing = "waypoint demo/waypoint: PluginMissing: no filter chain has the plugin; apply what \
                   `waypoint-l4 compile` prints";
    assert_eq!(findings(&verify(&dump("1.31/plain"), "", &[])), [missing]);
    // istiod routes instead, which is the next thing to put right.
    let dump = format!("{ISTIO}/1.31/tcproute-without-plugin.json");
    let found = verify(&dump, "", &[]);
    let found = findings(&found);
    assert_eq!(found[0], missing);
    assert!(found[1].starts_with(&format!("{CHAIN}: Inert: ")));
    assert_eq!(found.len(), 2);
}

#[test]
fn programs_read_json() {
    let found = verify(&dump("1.31/tcproute"), "", &["--format", "json"]);
    assert_eq!((found.code, found.stderr.as_str()), (1, ""));
    let report: Value = serde_json::from_str(&found.stdout).unwrap();
    let remedy = "put the label istio.io/rev: waypoint-l4 on TCPRoute demo/tcp-echo, at a quiet time \
                  and when the plugin has its configuration";
    let expected = json!({
        "waypoint": "demo/waypoint",
        "chains": [CHAIN],
        "findings": [{
            "code": "Inert",
            "chain": CHAIN,
            "objects": [{"kind": "TCPRoute", "namespace": "demo", "name": "tcp-echo"}],
            "message": INERT.strip_prefix("Inert: ").unwrap(),
            "remedy": remedy,
        }],
        "notes": [],
    });
    assert_eq!(report, expected);

    let missing = verify(&dump("1.31/plain"), "", &["--format", "json"]);
    let report: Value = serde_json::from_str(&missing.stdout).unwrap();
    let plugin = json!({"kind": "WasmPlugin", "namespace": "demo", "name": "waypoint-l4"});
    assert_eq!(report["findings"][0]["objects"], json!([plugin]));
    assert_eq!(report["findings"][0]["chain"], Value::Null);

    let well = verify(&dump("1.24/tcproute"), "", &["--format", "json"]);
    assert_eq!(well.code, 0);
    let report: Value = serde_json::from_str(&well.stdout).unwrap();
    assert_eq!(report["findings"], json!([]));
}
