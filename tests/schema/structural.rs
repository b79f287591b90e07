//! What a structural schema of Kubernetes means beyond JSON Schema.

use serde_json::{Map, Value, json};

const UNKNOWN_FIELDS: &str = "x-kubernetes-preserve-unknown-fields";

/// The schema of what is not checked.
pub fn anything() -> Value {
    json!({ UNKNOWN_FIELDS: true })
}

/// The JSON Schema that says the same. An object has no fields but those that are named, which holds
/// for the structure only: below `oneOf` and the like stands what is said of it besides.
pub fn json_schema(schema: &Value) -> Value {
    let Some(schema) = schema.as_object() else {
        return schema.clone();
    };
    let mut converted = Map::new();
    for (keyword, value) in schema {
        let value = match keyword.as_str() {
            "properties" => {
                let fields = value.as_object().into_iter().flatten();
                let fields = fields.map(|(name, field)| (name.clone(), json_schema(field)));
                Value::Object(fields.collect())
            }
            "items" | "additionalProperties" => json_schema(value),
            "type" if schema.get("nullable") == Some(&Value::Bool(true)) => json!([value, "null"]),
            _ => value.clone(),
        };
        converted.insert(keyword.clone(), value);
    }
    let is_open = schema.contains_key("additionalProperties")
        || schema.get(UNKNOWN_FIELDS) == Some(&Value::Bool(true));
    if schema.get("type").is_some_and(|name| name == "object") && !is_open {
        converted.insert(String::from("additionalProperties"), Value::Bool(false));
    }
    Value::Object(converted)
}

/// Adds the fields that have a default and are not there.
pub fn fill_in_defaults(schema: &Value, value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
                if let (None, Some(default)) = (fields.get(name), schema.get("default")) {
                    fields.insert(name.clone(), default.clone());
                }
            }
            for (name, field) in fields {
                if let Some(schema) = field_schema(schema, name) {
                    fill_in_defaults(schema, field);
                }
            }
        }
        Value::Array(items) => {
            for item in items {
                fill_in_defaults(&schema["items"], item);
            }
        }
        _ => {}
    }
}

/// The schema of a field, be it one of an object or an entry of a map.
pub fn field_schema<'s>(schema: &'s Value, name: &str) -> Option<&'s Value> {
    let named = schema["properties"].get(name);
    named.or_else(|| schema.get("additionalProperties"))
}
