//! Checks objects as an API server does, by the schemas of their CustomResourceDefinitions: types,
//! patterns, formats, bounds, unknown fields and the CEL rules.
//!
//! What JSON Schema says is left to `jsonschema`, and the language of the rules to `cel`. What
//! Kubernetes adds to them is here: fields that no schema names are unknown, defaults are filled in
//! before the rules are asked, and rules have some functions more. Not checked: rules for metadata,
//! and that the keys of a list of type `map` are unique, which the Gateway API says in CEL as well.

pub mod rules;
mod structural;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use jsonschema::{PatternOptions, Validator};
use serde_json::Value;

/// Checks an object against a file of `testdata/crds`.
pub fn check(file: &str, object: &Value) -> Result<(), String> {
    let api_version = object["apiVersion"].as_str().unwrap_or_default();
    let version = version(file, api_version)?;
    let mut faults: Vec<_> = version
        .validator
        .iter_errors(object)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    // As the API server does, which asks the rules only of what has the right form.
    if faults.is_empty() {
        let mut object = object.clone();
        structural::fill_in_defaults(&version.schema, &mut object);
        rules::check("", &version.schema, &object, &mut faults);
    }
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

/// A version of a kind.
struct Version {
    schema: Value,
    validator: Validator,
}

type Versions = BTreeMap<(String, String), Arc<Version>>;

fn version(file: &str, api_version: &str) -> Result<Arc<Version>, String> {
    static VERSIONS: LazyLock<Mutex<Versions>> = LazyLock::new(Mutex::default);
    let key = (file.to_owned(), api_version.to_owned());
    let mut versions = VERSIONS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = versions.get(&key) {
        return Ok(known.clone());
    }
    let version = Arc::new(read(file, api_version)?);
    versions.insert(key, version.clone());
    Ok(version)
}

fn read(file: &str, api_version: &str) -> Result<Version, String> {
    let definition = definition(file)?;
    let group = definition["group"].as_str().unwrap_or_default();
    let versions = definition["versions"].as_array().into_iter().flatten();
    let version = versions.into_iter().find(|version| {
        let name = version["name"].as_str().unwrap_or_default();
        format!("{group}/{name}") == api_version
    });
    let Some(version) = version else {
        return Err(format!("{file} has no {api_version}"));
    };
    let mut schema = version["schema"].clone();
    for field in ["apiVersion", "kind", "metadata"] {
        schema["properties"][field] = structural::anything();
    }
    let validator = jsonschema::options()
        // Nearest to the expressions of Go.
        .with_pattern_options(PatternOptions::regex())
        .should_validate_formats(true)
        .should_ignore_unknown_formats(true)
        .build(&structural::json_schema(&schema))
        .map_err(|error| format!("{file}: {error}"))?;
    Ok(Version { schema, validator })
}

fn definition(file: &str) -> Result<Value, String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/crds")
        .join(file);
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))
}
