//! Checks objects against the schemas of their CustomResourceDefinitions, as far as the schemas
//! here go: types, required and unknown fields, enumerations, bounds. Patterns and CEL rules are
//! not checked.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

/// Checks an object against a file of `testdata/crds`.
pub fn check(file: &str, object: &Value) -> Result<(), String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/crds")
        .join(file);
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let definition: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let versions = definition["versions"].as_array().into_iter().flatten();
    let version = versions.into_iter().find(|version| {
        let group = definition["group"].as_str().unwrap_or_default();
        let name = version["name"].as_str().unwrap_or_default();
        object["apiVersion"] == format!("{group}/{name}")
    });
    let Some(version) = version else {
        return Err(format!("{file} has no {}", object["apiVersion"]));
    };
    let mut schema = version["schema"].clone();
    for field in ["apiVersion", "kind", "metadata"] {
        let anything = Map::from_iter([(UNKNOWN_FIELDS.to_owned(), Value::Bool(true))]);
        schema["properties"][field] = Value::Object(anything);
    }
    let mut faults = Vec::new();
    visit("", &schema, object, &mut faults);
    if faults.is_empty() {
        return Ok(());
    }
    Err(format!(
        "{} {}: {}",
        object["kind"],
        object["metadata"]["name"],
        faults.join("; ")
    ))
}

const UNKNOWN_FIELDS: &str = "x-kubernetes-preserve-unknown-fields";

fn visit(path: &str, schema: &Value, value: &Value, faults: &mut Vec<String>) {
    let mut fault = |text: &str| faults.push(format!("{path}: {text}"));
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        _ => true,
    };
    if !fits {
        return fault(&format!("{value} is no {}", schema["type"]));
    }
    if let Some(allowed) = schema["enum"].as_array()
        && !allowed.contains(value)
    {
        fault(&format!("{value} is none of {allowed:?}"));
    }
    let size = match value {
        Value::Number(number) => number.as_i64().map(|n| (n, "minimum", "maximum")),
        Value::String(text) => i64::try_from(text.len())
            .ok()
            .map(|n| (n, "minLength", "maxLength")),
        Value::Array(items) => i64::try_from(items.len())
            .ok()
            .map(|n| (n, "minItems", "maxItems")),
        _ => None,
    };
    if let Some((size, least, most)) = size {
        if schema[least].as_i64().is_some_and(|least| size < least) {
            fault(&format!("{size} is below {least}"));
        }
        if schema[most].as_i64().is_some_and(|most| size > most) {
            fault(&format!("{size} is above {most}"));
        }
    }
    for required in schema["required"].as_array().into_iter().flatten() {
        if value.get(required.as_str().unwrap_or_default()).is_none() {
            fault(&format!("{required} is missing"));
        }
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        match (
            schema["properties"].get(name),
            schema.get("additionalProperties"),
        ) {
            (Some(schema), _) | (None, Some(schema)) => visit(&path, schema, field, faults),
            (None, None) if schema[UNKNOWN_FIELDS] == true => {}
            (None, None) => faults.push(format!("{path}: unknown field")),
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        visit(&format!("{path}[{index}]"), &schema["items"], item, faults);
    }
}
