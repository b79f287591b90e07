//! `testdata/connections.json`: who goes where, the same table that the filter is held to in Envoy.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use serde::Deserialize;
use wasm_bindgen_test::wasm_bindgen_test;
use waypoint_l4_config::{Config, Target};

use super::Connection;
use crate::{Condition, Decision, Table, Unmet};

#[derive(Deserialize)]
struct Connections {
    config: Config,
    connections: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    why: String,
    to: String,
    sni: Option<String>,
    principal: Option<String>,
    source: Option<String>,
    expect: String,
    #[serde(rename = "only")]
    _only: Option<String>,
}

#[wasm_bindgen_test(unsupported = test)]
fn each_goes_where_the_table_says() {
    let text = include_str!("../../../../testdata/connections.json").replace("NET.", "10.20.30.");
    let Connections {
        config,
        connections,
    } = serde_json::from_str(&text).unwrap();
    let chains = ["db", "v1"].map(|to| {
        let host = if to == "db" { "|db." } else { "|tcp-echo-v1." };
        let mut chains = config.listeners.iter().map(|listener| &listener.chain);
        (
            to,
            chains.find(|chain| chain.contains(host)).unwrap().clone(),
        )
    });
    let mut table = Table::new(config, |_| (), || 0);
    assert!(connections.len() >= 40);
    for row in connections {
        let (_, chain) = chains.iter().find(|(to, _)| *to == row.to).unwrap();
        let facts = Connection {
            // Port 9000 has no TLS inspector.
            server_name: row.sni.clone().filter(|_| row.to == "db"),
            source_principal: row.principal.clone(),
            source_address: row.source.as_deref().map(with_port),
            ..Connection::default()
        };
        let listener = table.listener(chain).unwrap();
        let decision = listener.decide(&facts, || 0);
        let decided_by = match &decision {
            Decision::Backend { rule, .. } => Some(rule.name().to_string()),
            _ => None,
        };
        let seen = match &decision {
            Decision::Default { .. } => "default",
            Decision::Backend { backend, .. } => match backend.target {
                Target::Cluster(_) => &backend.name,
                Target::Refuse(_) => "refused",
            },
            Decision::Refuse { .. } => "refused",
        };
        assert_eq!(seen, row.expect, "{}: {decision}", row.why);
        let mut asked = facts.asked.borrow().clone();
        asked.sort_unstable();
        asked.dedup();
        assert_eq!(
            asked.len(),
            facts.asked.borrow().len(),
            "{}: asked twice",
            row.why
        );
        let unmet = listener.unmet(&facts);
        let lacks_nothing = unmet.iter().position(Vec::is_empty);
        let expected = lacks_nothing.map(|rule| listener.rules()[rule].name().to_string());
        assert_eq!(decided_by, expected, "{}: {unmet:?}", row.why);
    }
}

#[wasm_bindgen_test(unsupported = test)]
fn what_a_rule_lacks_can_be_told() {
    let mut table = super::table(
        r#"{"chain":"a","rules":[
            {"name":"r","match":{"sni":["a.b"],"sourceNamespaces":["x","z"],"sourceServiceAccounts":["x/z"],
             "sourceCidrs":["10.0.0.0/8"]},"backends":[{"name":"b","cluster":"c"}]},
            {"name":"s","backends":[{"name":"b","cluster":"c"}]}]}"#,
    );
    let facts = Connection {
        source_address: Some("11.1.2.3:4".to_string()),
        source_principal: Some("spiffe://td/ns/x/sa/y".to_string()),
        ..Connection::default()
    };
    let unmet = |condition, known| Unmet { condition, known };
    let first = [
        unmet(Condition::Sni, false),
        unmet(Condition::SourceServiceAccounts, true),
        unmet(Condition::SourceCidrs, true),
    ];
    let listener = table.listener("a").unwrap();
    assert_eq!(listener.unmet(&facts), [first.as_slice(), &[]]);
}

/// What no rule needs is not asked for, and what the first condition settles neither.
#[wasm_bindgen_test(unsupported = test)]
fn only_what_a_rule_needs_is_asked_for() {
    let rule = |fields: &str| {
        format!(r#"{{"name":"r",{fields}"backends":[{{"name":"b","cluster":"c"}}]}}"#)
    };
    let cases: [(String, &[&str]); 5] = [
        (rule(""), &[]),
        (rule(r#""pick":{"exact":{}},"#), &[]),
        (
            rule(r#""pick":{"sticky":{"by":"sourcePrincipal"}},"#),
            &["source_principal"],
        ),
        (
            rule(r#""match":{"sni":["a.b"],"sourceCidrs":["::/0"]},"#) + "," + &rule(""),
            &["server_name"],
        ),
        (
            rule(r#""match":{"sourceNamespaces":["a"]},"#)
                + ","
                + &rule(r#""match":{"sourceServiceAccounts":["a/b"]},"#)
                + ","
                + &rule(
                    r#""match":{"sourceCidrs":["10.0.0.0/8"]},"pick":{"sticky":{"by":"sourceAddress"}},"#,
                ),
            &["source_principal", "source_address"],
        ),
    ];
    for (rules, expected) in cases {
        let mut table = super::table(&format!(r#"{{"chain":"a","rules":[{rules}]}}"#));
        let facts = Connection {
            source_address: Some("10.1.2.3:4".to_string()),
            source_principal: Some("spiffe://td/ns/x/sa/y".to_string()),
            ..Connection::default()
        };
        table.listener("a").unwrap().decide(&facts, || 0);
        assert_eq!(*facts.asked.borrow(), expected, "{rules}");
    }
}

fn with_port(ip: &str) -> String {
    if ip.contains(':') {
        format!("[{ip}]:41234")
    } else {
        format!("{ip}:41234")
    }
}
