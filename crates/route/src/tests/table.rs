use alloc::format;
use alloc::string::{String, ToString};

use wasm_bindgen_test::wasm_bindgen_test;

use super::{Connection, table};
use crate::{Decision, Table};

#[wasm_bindgen_test(unsupported = test)]
fn chains_are_told_apart() {
    let mut named =
        table(r#"{"chain":"a","rules":[{"name":"r","backends":[{"name":"v1","cluster":"c1"}]}]}"#);
    assert!(named.listener("a").is_some());
    assert!(named.listener("direct-tcp").is_none());
    let mut any = table(
        r#"{"chain":"a","otherwise":"refuse"},{"chain":"*","rules":[{"name":"any","backends":[{"name":"v2","cluster":"c2"}]}]}"#,
    );
    assert_eq!(decide(&mut any, "b"), "rule any backend v2: cluster c2");
    assert_eq!(decide(&mut any, "a"), "refused, NoRule");
    assert_eq!((any.len(), any.rules()), (2, 1));
    assert!(table("").is_empty());
}

#[wasm_bindgen_test(unsupported = test)]
fn decisions_say_where_a_connection_goes() {
    let rule = |backends: &str| {
        table(&format!(
            r#"{{"chain":"a","rules":[{{"name":"demo/r","backends":[{backends}]}}]}}"#
        ))
    };
    let cases = [
        (
            r#"{"name":"v1","cluster":"c1"}"#,
            "rule demo/r backend v1: cluster c1",
            "c1",
        ),
        (
            r#"{"name":"v3","refuse":"BackendNotFound"}"#,
            "rule demo/r backend v3: refused, BackendNotFound",
            "waypoint-l4|refused|BackendNotFound",
        ),
        (
            r#"{"name":"v1","cluster":"c1","weight":0}"#,
            "rule demo/r: refused, NoWeight",
            "waypoint-l4|refused|NoWeight",
        ),
    ];
    for (backends, line, cluster) in cases {
        let mut table = rule(backends);
        let decision = table
            .listener("a")
            .unwrap()
            .decide(&Connection::default(), || 1 << 40);
        assert_eq!(decision.to_string(), line);
        assert_eq!(decision.prepared(), cluster);
        assert_eq!(decision.refuses(), line.contains("refused"));
    }
    let mut left_alone = table(r#"{"chain":"a"}"#);
    assert_eq!(decide(&mut left_alone, "a"), "default");
    let decision = left_alone
        .listener("a")
        .unwrap()
        .decide(&Connection::default(), || 0);
    assert!(matches!(decision, Decision::Default { .. }) && decision.prepared() == "-");
}

/// An invalid backend keeps its share, as refusals.
#[wasm_bindgen_test(unsupported = test)]
fn an_invalid_backend_keeps_its_share() {
    let mut table = table(
        r#"{"chain":"a","rules":[{"name":"r","backends":[
            {"name":"v1","cluster":"c1","weight":3},{"name":"v3","refuse":"BackendNotFound","weight":1}]}]}"#,
    );
    let quarter = u64::MAX / 4;
    for (draw, backend) in [
        (0, "v1"),
        (3 * quarter - 1, "v1"),
        (3 * quarter + 9, "v3"),
        (u64::MAX, "v3"),
    ] {
        let decision = table
            .listener("a")
            .unwrap()
            .decide(&Connection::default(), || draw)
            .to_string();
        assert!(decision.contains(backend), "{draw}: {decision}");
    }
}

fn decide(table: &mut Table<String>, chain: &str) -> String {
    let listener = table.listener(chain).unwrap();
    listener.decide(&Connection::default(), || 0).to_string()
}
