use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;

use wasm_bindgen_test::wasm_bindgen_test;
use waypoint_l4_config::parse;

use crate::Live;

#[wasm_bindgen_test(unsupported = test)]
fn clusters_with_a_weight_are_live() {
    let config = br#"{"version":1,"listeners":[
        {"chain":"a","rules":[
            {"name":"r","backends":[{"name":"1","cluster":"c1","weight":9},{"name":"2","cluster":"c2","weight":0},{"name":"5","cluster":"c5","weight":0}]},
            {"name":"s","backends":[{"name":"3","cluster":"c3"},{"name":"4","refuse":"BackendNotFound"},{"name":"5","cluster":"c5"}]}]},
        {"chain":"empty"},
        {"chain":"*","rules":[{"name":"r","backends":[{"name":"2","cluster":"c2"}]}]}]}"#;
    let live = Live::new(&parse(config).unwrap());
    let cases = [
        ("a", "c1", true),
        ("a", "c2", false),
        ("a", "c3", true),
        ("a", "c4", false),
        // One rule with a weight is enough.
        ("a", "c5", true),
        // Only chains that are not named are any chain's.
        ("empty", "c2", false),
        ("b", "c2", true),
        ("b", "c1", false),
    ];
    for (chain, cluster, expected) in cases {
        assert_eq!(live.holds(chain, cluster), expected, "{chain} {cluster}");
    }
    assert_eq!(Live::from_bytes(&live.to_bytes()), live);
    assert!(!Live::default().holds("a", "c1"));
}

/// What no rule takes stays with tcp_proxy's own cluster, whose name is the chain's.
#[wasm_bindgen_test(unsupported = test)]
fn the_chains_own_cluster_is_live_where_a_connection_may_be_left_to_it() {
    let backends = r#""backends":[{"name":"b","cluster":"c"}]"#;
    let all = format!(r#"{{"name":"all",{backends}}}"#);
    let some = format!(r#"{{"name":"some","match":{{"sni":["a.b"]}},{backends}}}"#);
    let none = r#"{"name":"none","backends":[{"name":"b","cluster":"a","weight":0}]}"#.to_string();
    let to_itself = r#"{"name":"self","backends":[{"name":"b","cluster":"a"}]}"#.to_string();
    let refuse = r#""otherwise":"refuse""#;
    let default = r#""otherwise":"default""#;
    let chain = |chain: &str, otherwise: &str, rules: &[&String]| {
        let rules = rules.iter().map(|rule| rule.as_str()).collect::<Vec<_>>();
        let rules = rules.join(",");
        format!(r#"{{"chain":"{chain}",{otherwise},"rules":[{rules}]}}"#)
    };
    let cases = [
        (vec![], true),
        (vec![chain("other", refuse, &[&all])], true),
        (vec![chain("a", default, &[])], true),
        (vec![chain("a", default, &[&some])], true),
        (vec![chain("a", default, &[&some, &all])], false),
        (vec![chain("a", default, &[&none])], false),
        (vec![chain("a", refuse, &[])], false),
        (vec![chain("a", refuse, &[&some])], false),
        (vec![chain("a", refuse, &[&some, &to_itself])], true),
        (vec![chain("*", default, &[])], true),
        (vec![chain("*", default, &[&some])], true),
        (vec![chain("*", default, &[&all])], false),
        (vec![chain("*", refuse, &[&some])], false),
        // What is named is not any chain's.
        (
            vec![chain("a", default, &[]), chain("*", refuse, &[&all])],
            true,
        ),
        (
            vec![chain("a", refuse, &[&some]), chain("*", default, &[])],
            false,
        ),
    ];
    for (listeners, expected) in cases {
        let listeners = listeners.join(",");
        let json = format!(r#"{{"version":1,"listeners":[{listeners}]}}"#);
        let live = Live::new(&parse(json.as_bytes()).unwrap());
        let live = Live::from_bytes(&live.to_bytes());
        assert_eq!(live.holds("a", "a"), expected, "{listeners}");
        assert!(!live.holds("a", "gone"), "{listeners}");
    }
}
