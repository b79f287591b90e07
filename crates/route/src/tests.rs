//! Each test runs natively and, through `wasm_bindgen_test`, on wasm32: usize is 32 bits wide there.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec;

use wasm_bindgen_test::wasm_bindgen_test;
use waypoint_l4_config::{Weight, parse};

use crate::{Decision, Share, Table};

#[wasm_bindgen_test(unsupported = test)]
fn chances_follow_the_weights() {
    // 200,000 draws; a share may be off by 5 sigma of its binomial distribution, at most 0.56 %.
    let weights = [90, 10, 0, 25, 1];
    let share = share(&weights);
    let mut random = fastrand::Rng::with_seed(7);
    let mut counts = [0_u32; 5];
    for _ in 0..200_000 {
        counts[share.pick(random.u64(..)).unwrap()] += 1;
    }
    let total = f64::from(weights.iter().sum::<u32>());
    for (weight, count) in weights.into_iter().zip(counts) {
        let p = f64::from(weight) / total;
        let sigma = (p * (1.0 - p) / 200_000.0).sqrt();
        let seen = f64::from(count) / 200_000.0;
        assert!(
            (seen - p).abs() <= 5.0 * sigma,
            "weight {weight}: {counts:?}"
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn weight_zero_is_never_picked() {
    let mut random = fastrand::Rng::with_seed(7);
    let edges = [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX];
    for weights in [vec![0, 1], vec![1, 0], vec![0, 0, 3, 0, 5, 0, 0]] {
        let share = share(&weights);
        for draw in edges.into_iter().chain((0..10_000).map(|_| random.u64(..))) {
            assert_ne!(weights[share.pick(draw).unwrap()], 0, "{weights:?} {draw}");
        }
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn all_zero_picks_nothing() {
    for weights in [vec![], vec![0], vec![0, 0, 0]] {
        for draw in [0, u64::MAX] {
            assert_eq!(share(&weights).pick(draw), None, "{weights:?}");
        }
    }
}

/// 16 backends of the greatest weight are what one route may hold; the sum passes 2^23 and, in
/// 32-bit arithmetic, the product with a draw would not fit.
#[wasm_bindgen_test(unsupported = test)]
fn sixteen_of_the_greatest_weight_share_evenly() {
    let share = share(&[Weight::MAX.value(); 16]);
    for backend in 0..16_u64 {
        let lowest = (u64::MAX / 16 + 1) * backend;
        assert_eq!(share.pick(lowest), Some(usize::try_from(backend).unwrap()));
        assert_eq!(
            share.pick(lowest + u64::MAX / 16),
            Some(usize::try_from(backend).unwrap())
        );
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn chains_are_told_apart() {
    let named =
        table(r#"{"chain":"a","rules":[{"name":"r","backends":[{"name":"v1","cluster":"c1"}]}]}"#);
    assert!(named.listener("a").is_some());
    assert!(named.listener("direct-tcp").is_none());
    let any = table(
        r#"{"chain":"a","otherwise":"refuse"},{"chain":"*","rules":[{"name":"any","backends":[{"name":"v2","cluster":"c2"}]}]}"#,
    );
    assert_eq!(decide(&any, "b"), "rule any backend v2: cluster c2");
    assert_eq!(decide(&any, "a"), "refused, NoRule");
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
        let table = rule(backends);
        let decision = table.listener("a").unwrap().decide(1 << 40);
        assert_eq!(decision.to_string(), line);
        assert_eq!(decision.prepared(), Some(&cluster.to_string()));
        assert_eq!(decision.refuses(), line.contains("refused"));
    }
    let left_alone = table(r#"{"chain":"a"}"#);
    assert_eq!(decide(&left_alone, "a"), "default");
    let decision = left_alone.listener("a").unwrap().decide(0);
    assert!(matches!(decision, Decision::Default) && decision.prepared().is_none());
}

/// An invalid backend keeps its share, as refusals.
#[wasm_bindgen_test(unsupported = test)]
fn an_invalid_backend_keeps_its_share() {
    let table = table(
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
        let decision = table.listener("a").unwrap().decide(draw).to_string();
        assert!(decision.contains(backend), "{draw}: {decision}");
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_is_not_honoured_is_refused_by_name() {
    let cases = [
        (r#""match":{"sni":["a.b"]}"#, "match.sni"),
        (
            r#""match":{"sourceNamespaces":["a"]}"#,
            "match.sourceNamespaces",
        ),
        (
            r#""match":{"sourceServiceAccounts":["a/b"]}"#,
            "match.sourceServiceAccounts",
        ),
        (r#""match":{"sourceCidrs":["::/0"]}"#, "match.sourceCidrs"),
        (r#""pick":{"exact":{}}"#, "pick.exact"),
        (r#""pick":{"sticky":{"by":"sourceAddress"}}"#, "pick.sticky"),
    ];
    for (field, name) in cases {
        let json = config(&format!(
            r#"{{"chain":"a","rules":[{{"name":"r","backends":[{{"name":"b","cluster":"c"}}]}},
                {{"name":"s",{field},"backends":[{{"name":"b","cluster":"c"}}]}}]}}"#
        ));
        let error = Table::new(parse(json.as_bytes()).unwrap(), |_| ()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("listeners[0].rules[1].{name}: not honoured by this version")
        );
    }
}

#[cfg(not(target_arch = "wasm32"))]
#[expect(clippy::arithmetic_side_effects, reason = "bounded by the strategies")]
mod properties {
    use proptest::prelude::*;

    use super::share;

    proptest! {
        /// The widths of the ranges of draws are the weights: a draw at k / total falls on the item
        /// that holds the k-th unit of weight.
        #[test]
        fn each_unit_of_weight_has_the_same_width(
            weights in prop::collection::vec(prop_oneof![Just(0), 0..50_u32, Just(1_000_000)], 1..17),
            unit in any::<prop::sample::Index>(),
        ) {
            let total = weights.iter().map(|weight| u64::from(*weight)).sum::<u64>();
            prop_assume!(total > 0);
            let unit = u64::try_from(unit.index(usize::try_from(total).unwrap())).unwrap();
            let mut upto = 0;
            let expected = weights.iter().position(|weight| {
                upto += u64::from(*weight);
                unit < upto
            });
            // The middle of the unit's range: its edges are rounded to a whole draw.
            let draw = (u128::from(unit) * 2 + 1) * (1 << 63) / u128::from(total);
            prop_assert_eq!(share(&weights).pick(u64::try_from(draw).unwrap()), expected);
        }
    }
}

fn share(weights: &[u32]) -> Share {
    Share::new(
        weights
            .iter()
            .map(|weight| Weight::try_from(*weight).unwrap()),
    )
}

fn config(listeners: &str) -> String {
    format!(r#"{{"version":1,"listeners":[{listeners}]}}"#)
}

fn table(listeners: &str) -> Table<String> {
    let config = parse(config(listeners).as_bytes()).unwrap();
    Table::new(config, ToString::to_string).unwrap()
}

fn decide(table: &Table<String>, chain: &str) -> String {
    table.listener(chain).unwrap().decide(0).to_string()
}
