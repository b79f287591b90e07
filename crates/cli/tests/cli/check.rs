//! `check`: what does not do what one thinks, release by release.

use serde_json::Value;

use crate::{Run, run_with};

/// A mesh with one waypoint, in which the objects of a test are put.
const MESH: &str = r#"
apiVersion: v1
kind: Namespace
metadata: {name: demo, labels: {istio.io/use-waypoint: waypoint}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: waypoint, namespace: demo}
spec:
  gatewayClassName: istio-waypoint
  listeners: [{name: mesh, port: 15008, protocol: HBONE}]
---
apiVersion: v1
kind: Service
metadata: {name: db, namespace: demo}
spec: {ports: [{name: tcp, port: 5432}, {name: tls, port: 5433}, {name: http, port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: db-v1, namespace: demo}
spec: {ports: [{name: tcp, port: 5432}]}
---
"#;

fn check(version: &str, more: &[&str], objects: &str) -> Run {
    let mut arguments = vec!["check", "-f", "-", "--istio-version", version];
    arguments.extend(more);
    run_with(&arguments, format!("{MESH}{objects}").as_bytes())
}

/// The codes that are found, in order.
fn codes(version: &str, more: &[&str], objects: &str) -> Vec<String> {
    let mut arguments = vec!["--format", "json"];
    arguments.extend(more);
    let found = check(version, &arguments, objects);
    let report: Value = serde_json::from_str(&found.stdout).unwrap();
    assert_eq!(report.get("errors"), None, "{report}");
    let findings = report.get("findings").and_then(Value::as_array).unwrap();
    let code = i32::from(!findings.is_empty());
    assert_eq!((found.code, found.stderr.as_str()), (code, ""));
    let codes = findings
        .iter()
        .map(|finding| finding.get("code").and_then(Value::as_str));
    codes.map(|code| code.unwrap().to_owned()).collect()
}

fn tcp_route(version: &str, metadata: &str, parents: &str) -> String {
    format!(
        "apiVersion: gateway.networking.k8s.io/{version}\n\
         kind: TCPRoute\n\
         metadata: {{name: db, namespace: demo{metadata}}}\n\
         spec:\n\
         \x20 parentRefs: [{parents}]\n\
         \x20 rules: [{{backendRefs: [{{name: db-v1, port: 5432}}]}}]\n"
    )
}

const LABELLED: &str = ", labels: {istio.io/rev: waypoint-l4}";
const SERVICE: &str = r#"{group: "", kind: Service, name: db, port: 5432}"#;

#[test]
fn a_labelled_route_is_clean_on_every_release() {
    for version in ["1.24", "1.26", "1.28.3", "1.31"] {
        let found = check(version, &[], &tcp_route("v1", LABELLED, SERVICE));
        let clean = Run {
            code: 0,
            stdout: String::new(),
            stderr: String::new(),
        };
        assert_eq!(found, clean, "{version}");
    }
}

#[test]
fn a_route_that_istiod_reads_needs_the_label() {
    let route = tcp_route("v1", "", SERVICE);
    for (version, more, found) in [
        ("1.24", &["--istio-alpha"][..], vec![]),
        ("1.28", &[], vec![]),
        ("1.28", &["--istio-alpha"], vec!["RoutedByIstiod"]),
        ("1.31", &[], vec!["RoutedByIstiod"]),
    ] {
        assert_eq!(codes(version, more, &route), found, "{version} {more:?}");
    }
    let told = check("1.31", &[], &route);
    assert_eq!(told.code, 1);
    assert_eq!(
        told.stdout,
        "finding: TCPRoute demo/db: Istio 1.31 routes it natively and the plugin has no effect: \
         add the label istio.io/rev: waypoint-l4\n"
    );
}

#[test]
fn a_label_for_another_revision_hides_the_route_from_the_rest_only() {
    let route = tcp_route("v1", ", labels: {istio.io/rev: waypointl4}", SERVICE);
    let told = check("1.31", &[], &route);
    assert_eq!(told.code, 1);
    assert_eq!(
        told.stdout,
        "finding: TCPRoute demo/db: Istio 1.31 routes it natively and the plugin has no effect, where \
         the revision is waypointl4: the label istio.io/rev: waypointl4 hides it only from istiods of \
         other revisions; istio.io/rev: waypoint-l4 hides it from all\n"
    );
}

#[test]
fn an_object_with_other_uses_must_be_split_before_it_is_hidden() {
    let parents = format!("{SERVICE}, {{name: ingress}}");
    let route = tcp_route("v1", LABELLED, &parents);
    assert!(codes("1.31", &[], &route).contains(&String::from("SplitNeeded")));
    let virtual_service = "apiVersion: networking.istio.io/v1\n\
         kind: VirtualService\n\
         metadata: {name: db, namespace: demo}\n\
         spec:\n\
         \x20 hosts: [db]\n\
         \x20 gateways: [mesh, ingress]\n\
         \x20 tcp: [{match: [{port: 5432}], route: [{destination: {host: db-v1}}]}]\n";
    assert_eq!(
        codes("1.26", &[], virtual_service),
        ["SplitNeeded", "RoutedByIstiod"]
    );
    // Nothing has to be hidden from an istiod that does not look.
    assert_eq!(codes("1.25", &[], virtual_service), [""; 0]);
}

#[test]
fn a_version_of_the_api_may_be_served_no_more() {
    let route = tcp_route("v1alpha2", LABELLED, SERVICE);
    assert_eq!(codes("1.30", &[], &route), [""; 0]);
    assert_eq!(codes("1.31", &[], &route), ["ApiVersionNotServed"]);
}

#[test]
fn a_server_name_is_known_on_tls_ports_only() {
    let metadata = ", labels: {istio.io/rev: waypoint-l4}, \
         annotations: {waypoint-l4.io/sni: db.example.com}";
    let on = |port: &str| {
        let parent = format!(r#"{{group: "", kind: Service, name: db, sectionName: {port}}}"#);
        codes("1.31", &[], &tcp_route("v1", metadata, &parent))
    };
    assert_eq!(on("tls"), [""; 0]);
    assert_eq!(on("tcp"), ["NoServerName"]);
    assert_eq!(on("http"), ["HttpPort"]);
}

#[test]
fn plugins_must_be_where_the_release_looks_for_them() {
    let plugin = |kind: &str, target: &str| {
        format!(
            "apiVersion: extensions.istio.io/v1alpha1\n\
             kind: {kind}\n\
             metadata: {{name: l4, namespace: demo}}\n\
             spec: {{{target}type: NETWORK, url: 'file:///x.wasm'}}\n"
        )
    };
    let of_service = "targetRefs: [{group: '', kind: Service, name: db}], ";
    let of_gateway = "targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: x}], ";
    for (version, plugin, found) in [
        ("1.24", plugin("WasmPlugin", of_gateway), &[][..]),
        (
            "1.28",
            plugin("WasmPlugin", of_service),
            &["TargetRefUnsupported"],
        ),
        ("1.30", plugin("WasmPlugin", of_service), &[]),
        (
            "1.31",
            plugin("WasmPlugin", "selector: {}, "),
            &["NoTargetRef"],
        ),
        (
            "1.28",
            plugin("TrafficExtension", of_gateway),
            &["TrafficExtensionUnknown"],
        ),
        ("1.30", plugin("TrafficExtension", of_gateway), &[]),
    ] {
        assert_eq!(codes(version, &[], &plugin), found, "{version} {plugin}");
    }
    let asked = codes("1.29", &["--output", "trafficextension"], "");
    assert_eq!(asked, ["TrafficExtensionUnknown"]);
}

#[test]
fn a_canary_waypoint_is_read_from_1_31_on() {
    let service = "apiVersion: v1\n\
         kind: Service\n\
         metadata: {name: mq, namespace: demo, labels: {istio.io/use-waypoint-canary: next}}\n\
         spec: {ports: [{name: tcp, port: 5672}]}\n";
    assert_eq!(codes("1.30", &[], service), ["CanaryUnknown"]);
    assert_eq!(codes("1.31", &[], service), [""; 0]);
}

#[test]
fn what_cannot_be_compiled_is_told_in_either_format() {
    let route = tcp_route("v1", "", r#"{group: "", kind: Service, name: nowhere}"#);
    let error = "TCPRoute demo/db: spec.parentRefs[0]: expected a Service among the manifests, \
                 found no Service demo/nowhere";
    let text = check("1.31", &[], &route);
    assert_eq!((text.code, text.stdout.as_str()), (1, ""));
    assert_eq!(text.stderr, format!("error: stdin: document 5: {error}\n"));
    let json = check("1.31", &["--format", "json"], &route);
    assert_eq!((json.code, json.stderr.as_str()), (1, ""));
    let report: Value = serde_json::from_str(&json.stdout).unwrap();
    assert_eq!(report["errors"][0], format!("stdin: document 5: {error}"));
}

#[test]
fn a_version_must_be_one() {
    let wrong = check("latest", &[], "");
    assert_eq!(wrong.code, 2);
    assert!(
        wrong
            .stderr
            .contains("expected a version of Istio such as 1.28"),
        "{}",
        wrong.stderr
    );
}
