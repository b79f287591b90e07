//! The check against the schemas of `testdata/crds` is as strict as an API server, which the golden
//! tests rely on.

#![allow(
    clippy::indexing_slicing,
    reason = "clippy.toml exempts test functions, not what they call"
)]

mod schema;

use std::fs;
use std::path::Path;

use serde_json::Value;

#[test]
fn every_rule_is_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata/crds");
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .extension()
            .is_some_and(|extension| extension == "json")
        {
            let definition = fs::read_to_string(path).unwrap();
            collect_rules(&serde_json::from_str(&definition).unwrap(), &mut all);
        }
    }
    assert!(!all.is_empty());
    for rule in all {
        if let Err(error) = schema::rules::program(&rule) {
            panic!("{rule}: {error}");
        }
    }
}

/// The rules in whatever part of a schema.
fn collect_rules(value: &Value, rules: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            let rule = fields.get("rule").and_then(Value::as_str);
            rules.extend(rule.map(str::to_owned));
            fields
                .values()
                .for_each(|field| collect_rules(field, rules));
        }
        Value::Array(items) => items.iter().for_each(|item| collect_rules(item, rules)),
        _ => {}
    }
}

/// Each object with one thing wrong, and what is said of it.
const WRONG: &[(&str, &str, &str)] = &[
    (
        "gateway-api-1.6.1-experimental-TCPRoute.json",
        "
        apiVersion: gateway.networking.k8s.io/v1
        kind: TCPRoute
        spec: {rules: [{backendRefs: [{name: a}]}]}",
        ".spec.rules[0].backendRefs[0]: Must have port for Service reference",
    ),
    (
        "gateway-api-1.6.1-experimental-TCPRoute.json",
        "
        apiVersion: gateway.networking.k8s.io/v1
        kind: TCPRoute
        spec: {parentRefs: [{name: a}, {name: a}], rules: [{backendRefs: [{name: a, port: 1}]}]}",
        ".spec.parentRefs: sectionName or port must be unique",
    ),
    (
        "gateway-api-1.6.1-experimental-TCPRoute.json",
        "
        apiVersion: gateway.networking.k8s.io/v1
        kind: TCPRoute
        spec: {rules: [{backendRefs: [{name: a, port: 1, wieght: 2}]}]}",
        "/spec/rules/0/backendRefs/0: Additional properties are not allowed ('wieght'",
    ),
    (
        "gateway-api-1.6.1-experimental-TCPRoute.json",
        "
        apiVersion: gateway.networking.k8s.io/v1
        kind: TCPRoute
        spec: {rules: [{backendRefs: [{name: a, kind: '-', port: 1}]}]}",
        "/spec/rules/0/backendRefs/0/kind: \"-\" does not match",
    ),
    (
        "gateway-api-1.6.1-experimental-TLSRoute.json",
        "
        apiVersion: gateway.networking.k8s.io/v1
        kind: TLSRoute
        spec: {hostnames: [10.0.0.1], rules: [{backendRefs: [{name: a, port: 1}]}]}",
        ".spec.hostnames: Hostnames cannot contain an IP",
    ),
    (
        "gateway-api-1.6.1-experimental-TLSRoute.json",
        "
        apiVersion: gateway.networking.k8s.io/v1
        kind: TLSRoute
        spec: {hostnames: ['a.*.example.com'], rules: [{backendRefs: [{name: a, port: 1}]}]}",
        "/spec/hostnames/0: \"a.*.example.com\" does not match",
    ),
    (
        "istio-1.31-ServiceEntry.json",
        "
        apiVersion: networking.istio.io/v1
        kind: ServiceEntry
        spec: {hosts: [a.example.com], endpoints: [{address: 10.0.0.1}]}",
        ".spec: NONE mode cannot set endpoints",
    ),
    (
        "istio-1.31-DestinationRule.json",
        "
        apiVersion: networking.istio.io/v1
        kind: DestinationRule
        spec: {host: a, trafficPolicy: {connectionPool: {tcp: {connectTimeout: 1us}}}}",
        "connectTimeout: must be a valid duration greater than 1ms",
    ),
    (
        "istio-1.31-WasmPlugin.json",
        "
        apiVersion: extensions.istio.io/v1alpha1
        kind: WasmPlugin
        spec:
          url: file:///a.wasm
          selector: {matchLabels: {a: b}}
          targetRefs: [{kind: Gateway, name: a}]",
        ".spec: only one of targetRefs or selector can be set",
    ),
    (
        "istio-1.31-WasmPlugin.json",
        "
        apiVersion: extensions.istio.io/v1alpha1
        kind: WasmPlugin
        spec: {url: 'ftp://example.com/a.wasm'}",
        ".spec.url: url must have schema one of",
    ),
];

#[test]
fn what_is_wrong_is_found() {
    for (file, object, expected) in WRONG {
        let object: Value = serde_saphyr::from_str(object).unwrap();
        let error = schema::check(file, &object).unwrap_err();
        assert!(
            error.contains(expected),
            "{error}\n  instead of\n{expected}"
        );
        let faults = error.split("; ").count();
        assert_eq!(faults, 1, "{error}");
    }
}
