//! What is not the same about one filter chain in two plugin configurations.

use serde_json::Value;
use waypoint_l4_config::Listener;

/// More would hide the first.
const SHOWN: usize = 3;

/// In words; both have been parsed, so that defaults do not count.
pub(crate) fn difference(manifests: &Listener, dump: &Listener) -> String {
    let [manifests, dump] = [manifests, dump].map(|side| serde_json::to_value(side).ok());
    let mut differences = Vec::new();
    compare("", manifests.as_ref(), dump.as_ref(), &mut differences);
    let more = differences.len().saturating_sub(SHOWN);
    differences.truncate(SHOWN);
    let mut text = differences.join(", ");
    if more > 0 {
        text += &format!(", and {more} more");
    }
    text
}

fn compare(
    path: &str,
    manifests: Option<&Value>,
    dump: Option<&Value>,
    differences: &mut Vec<String>,
) {
    match (manifests, dump) {
        (Some(Value::Object(left)), Some(Value::Object(right))) => {
            let only_right = right.keys().filter(|name| !left.contains_key(*name));
            for name in left.keys().chain(only_right) {
                let separator = if path.is_empty() { "" } else { "." };
                let path = format!("{path}{separator}{name}");
                compare(&path, left.get(name), right.get(name), differences);
            }
        }
        (Some(Value::Array(left)), Some(Value::Array(right))) => {
            for index in 0..left.len().max(right.len()) {
                let path = format!("{path}[{index}]");
                compare(&path, left.get(index), right.get(index), differences);
            }
        }
        (left, right) if left == right => {}
        (left, right) => {
            // A default is not written.
            let is_item = path.ends_with(']');
            let absent = if is_item {
                "nothing"
            } else {
                "unset or default"
            };
            let show = |side: Option<&Value>| side.map_or_else(|| absent.to_owned(), show);
            let (left, right) = (show(left), show(right));
            differences.push(format!(
                "{path}: {left} in the manifests, {right} in the dump"
            ));
        }
    }
}

/// Rules and backends by their names.
fn show(value: &Value) -> String {
    value.get("name").unwrap_or(value).to_string()
}
