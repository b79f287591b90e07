//! The dashboard and the documentation ask for metrics and labels that the filter has.

#![allow(
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test may panic, in its helpers too"
)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

const DASHBOARD: &str = "deploy/grafana/waypoint-l4.json";
const DOCUMENTATION: &str = "docs/OBSERVABILITY.md";

#[test]
fn the_dashboard_asks_for_what_the_filter_has() {
    let mut expressions = Vec::new();
    expressions_of(&dashboard(), &mut expressions);
    assert!(expressions.len() > 10, "{expressions:#?}");
    for expression in expressions {
        are_the_filters(&expression, &names(&expression));
    }
}

#[test]
fn the_documentation_asks_for_what_the_filter_has() {
    let text = read(DOCUMENTATION);
    // Each second part stands between fences.
    let blocks: Vec<_> = text.split("```").skip(1).step_by(2).collect();
    let queries = blocks.iter().filter(|block| {
        block.starts_with("promql") || block.lines().any(|line| line.contains("expr:"))
    });
    let mut asked = BTreeSet::new();
    for query in queries {
        let names = names(query);
        are_the_filters(query, &names);
        asked.extend(names);
    }
    assert_eq!(asked, of_the_filter(), "not each has an example");
    for name in of_the_filter() {
        assert!(text.contains(&format!("`{name}`")), "{name} is not told of");
    }
}

/// Without a tag a label would be a part of the metric's name.
#[test]
fn each_label_is_a_tag_of_envoy() {
    let labels = labels();
    assert_eq!(labels.len(), 4, "{labels:?}");
    for file in ["envoy/bootstrap.yaml", DOCUMENTATION] {
        let text = read(file);
        for label in &labels {
            let tag = format!(r"{{tagName: {label}, regex: '({label}=\.=(.*?);\.;)'}}");
            assert!(text.contains(&tag), "{file} lacks {tag}");
        }
    }
}

#[test]
fn panels_have_titles_and_ids_of_their_own() {
    let dashboard = dashboard();
    let panels = dashboard["panels"].as_array().unwrap();
    assert!(!panels.is_empty());
    let mut ids = BTreeSet::new();
    for panel in panels {
        let title = panel["title"].as_str().unwrap_or_default();
        assert!(!title.is_empty(), "{panel}");
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: its id");
        assert!(
            panel["targets"].is_array() || panel["type"] == "text",
            "{title}: it asks for nothing"
        );
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&read(DASHBOARD)).unwrap()
}

/// Whatever is sent to Prometheus: queries of panels and annotations, and those of variables.
fn expressions_of(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match value {
                    Value::String(text) if ["expr", "query", "definition"].contains(&&**name) => {
                        found.push(text.clone());
                    }
                    value => expressions_of(value, found),
                }
            }
        }
        Value::Array(values) => {
            for value in values {
                expressions_of(value, found);
            }
        }
        _ => {}
    }
}

fn are_the_filters(query: &str, names: &BTreeSet<String>) {
    let known = of_the_filter();
    let unknown: Vec<_> = names.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}: {query}");
    for part in query.split("l4_result").skip(1) {
        let Some((operator, values)) = part.split_once('"') else {
            continue;
        };
        if ["=", "!=", "=~", "!~"].contains(&operator) {
            let values = values.split('"').next().unwrap();
            for value in values.split('|') {
                assert!(results().contains(value), "{value}: {query}");
            }
        }
    }
}

/// Names that begin as the filter's metrics and labels do.
fn names(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("waypoint_l4_") || word.starts_with("l4_"))
        .map(Into::into)
        .collect()
}

fn of_the_filter() -> BTreeSet<String> {
    literals().flat_map(|literal| names(&literal)).collect()
}

fn labels() -> BTreeSet<String> {
    let mut names = of_the_filter();
    names.retain(|name| name.starts_with("l4_"));
    names
}

/// What `l4_result` may be: the results that the code chooses from.
fn results() -> BTreeSet<String> {
    literals()
        .filter(|literal| ["refused", "chosen", "default"].contains(&&**literal))
        .collect()
}

/// The strings in the code that names the metrics.
fn literals() -> impl Iterator<Item = String> {
    let text = read("src/metrics.rs");
    let literals: Vec<_> = text.split('"').skip(1).step_by(2).map(Into::into).collect();
    literals.into_iter()
}

fn read(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
