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
