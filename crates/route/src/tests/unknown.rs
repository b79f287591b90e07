//! Facts that are not known, or not to be read: no condition on them holds, and where one is the key of
//! a sticky pick, chance decides.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use wasm_bindgen_test::wasm_bindgen_test;

use super::{Connection, table};

const CONNECTIONS: usize = 10_000;

#[wasm_bindgen_test(unsupported = test)]
fn without_its_key_a_sticky_pick_is_by_chance() {
    let addresses = ["", "somewhere", "10.1.2.3", "[fd00::1]", "/var/run/socket"];
    let principals = [
        "",
        "shop/web",
        "spiffe://cluster.local/vm/shop/web",
        "spiffe://cluster.local/ns/shop/sa/",
    ];
    let known = || Connection {
        source_address: Some("10.1.2.3:4".to_string()),
        source_principal: Some("spiffe://cluster.local/ns/shop/sa/web".to_string()),
        ..Connection::default()
    };
    for source_address in none_and(&addresses) {
        let facts = Connection {
            source_address,
            ..known()
        };
        is_by_chance("sourceAddress", &facts);
    }
    for source_principal in none_and(&principals) {
        let facts = Connection {
            source_principal,
            ..known()
        };
        is_by_chance("sourcePrincipal", &facts);
    }
    for by in ["sourceAddress", "sourcePrincipal"] {
        let mut picked = picks(by, &known());
        picked.dedup();
        assert_eq!(picked.len(), 1, "{by}");
    }
}

fn none_and(texts: &[&str]) -> Vec<Option<String>> {
    let texts = texts.iter().map(|text| Some(text.to_string()));
    core::iter::once(None).chain(texts).collect()
}

fn is_by_chance(by: &str, facts: &Connection) {
    let (address, principal) = (&facts.source_address, &facts.source_principal);
    let seen = format!("{by} {address:?} {principal:?}");
    let picked = picks(by, facts);
    let count = |cluster: &str| picked.iter().filter(|picked| *picked == cluster).count();
    let (one, two) = (count("one"), count("two"));
    // By the exact binomial distribution at one false alarm in a million.
    assert!((2777..=3226).contains(&one), "{seen}: {one} to one");
    assert_eq!(
        picked.len(),
        one.saturating_add(two),
        "{seen}: the rest to two"
    );
}

/// Where connections go: 30 % to backend one, 70 % to two.
fn picks(by: &str, facts: &Connection) -> Vec<String> {
    let mut table = table(&format!(
        r#"{{"chain":"a","rules":[{{"name":"r","pick":{{"sticky":{{"by":"{by}"}}}},"backends":[
            {{"name":"1","cluster":"one","weight":30}},{{"name":"2","cluster":"two","weight":70}}]}}]}}"#
    ));
    let listener = table.listener("a").unwrap();
    let mut random = fastrand::Rng::with_seed(11);
    (0..CONNECTIONS)
        .map(|_| listener.decide(facts, || random.u64(..)).prepared().clone())
        .collect()
}

#[cfg(not(target_arch = "wasm32"))]
mod properties {
    use alloc::vec;

    use proptest::prelude::*;
    use proptest::sample::{Index, select, subsequence};
    use serde_json::{Value, json};

    use super::{Connection, String, ToString, Vec, format, table};

    /// A condition that the connection below meets, beside some that it does not.
    fn condition(met: &'static str, others: &'static [&'static str]) -> BoxedStrategy<Vec<String>> {
        (prop::collection::vec(select(others), 0..4), any::<Index>())
            .prop_map(move |(mut items, place)| {
                items.insert(place.index(items.len().saturating_add(1)), met);
                items.iter().map(ToString::to_string).collect()
            })
            .boxed()
    }

    fn conditions() -> impl Strategy<Value = Vec<(&'static str, Vec<String>)>> {
        let all = (
            prop_oneof![
                condition("db.example.com", &["*.org", "a.b", "example.com"]),
                condition("*.example.com", &["*.org", "a.b"]),
            ],
            condition("shop", &["bank", "a", "web"]),
            condition("shop/web", &["shop/other", "web/shop"]),
            prop_oneof![
                condition("10.0.0.0/8", &["fd00::/8", "11.0.0.0/8"]),
                condition("0.0.0.0/0", &["::/0"]),
                condition("10.1.2.3/32", &["10.1.2.2/32"]),
            ],
        );
        let all = all.prop_map(|(sni, namespaces, accounts, networks)| {
            vec![
                ("sni", sni),
                ("sourceNamespaces", namespaces),
                ("sourceServiceAccounts", accounts),
                ("sourceCidrs", networks),
            ]
        });
        all.prop_flat_map(|all| subsequence(all, 1..=4))
    }

    fn connection() -> Connection {
        Connection {
            server_name: Some("db.example.com".to_string()),
            source_address: Some("10.1.2.3:41234".to_string()),
            source_principal: Some("spiffe://cluster.local/ns/shop/sa/web".to_string()),
            ..Connection::default()
        }
    }

    /// What is no server name, address or identity of the kind that is asked for, though it may look so.
    fn garbled(condition: &str) -> BoxedStrategy<Option<String>> {
        let texts: &'static [&'static str] = match condition {
            "sni" => &["", ".", "db.example.com.", ".example.com", "*", "db"],
            "sourceCidrs" => &[
                "",
                "10.1.2.3",
                "10.1.2:4",
                "10.1.2.3:99999",
                ":1",
                "[10.1.2.3]:4",
            ],
            _ => &[
                "",
                "spiffe://",
                "spiffe://cluster.local/ns/shop/sa/web/",
                "spiffe://cluster.local/ns/shop/sa",
                "spiffe://cluster.local/ns//sa/web",
                "spiffe:///ns/shop/sa/web",
                "SPIFFE://cluster.local/ns/shop/sa/web",
                "cluster.local/ns/shop/sa/web",
            ],
        };
        // Nor is anything that begins with a space.
        let noise = " [ -~]{0,20}".prop_map(Some);
        let texts = select(texts).prop_map(|text| Some(text.to_string()));
        prop_oneof![Just(None), texts, noise].boxed()
    }

    proptest! {
        /// A rule that takes the connection does not take it any more once one fact it asks for is
        /// missing or not to be read.
        #[test]
        fn no_condition_holds_on_a_fact_that_is_not_known(
            (conditions, condition, fact) in conditions().prop_flat_map(|conditions| {
                let condition = select(conditions.iter().map(|(name, _)| *name).collect::<Vec<_>>());
                (Just(conditions), condition)
            }).prop_flat_map(|(conditions, condition)| {
                (Just(conditions), Just(condition), garbled(condition))
            }),
        ) {
            let matches: serde_json::Map<String, Value> = conditions
                .iter()
                .map(|(name, items)| (name.to_string(), json!(items)))
                .collect();
            let rule = json!({"name": "r", "match": matches, "backends": [{"name": "b", "cluster": "c"}]});
            let mut table = table(&json!({"chain": "a", "rules": [rule]}).to_string());
            let listener = table.listener("a").unwrap();
            let mut facts = connection();
            prop_assert_eq!(listener.decide(&facts, || 0).prepared(), "c");
            let place = match condition {
                "sni" => &mut facts.server_name,
                "sourceCidrs" => &mut facts.source_address,
                _ => &mut facts.source_principal,
            };
            *place = fact.clone();
            let decision = format!("{}", listener.decide(&facts, || 0));
            prop_assert_eq!(decision, "default", "{} {:?}", condition, fact);
        }
    }
}
