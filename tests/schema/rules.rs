//! The rules of a schema, `x-kubernetes-validations`, in the language CEL.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use cel::extractors::This;
use cel::{Context, DeclarationError, Env, Program, Value as Cel, extensions};
use fluent_uri::Uri;
use serde_json::Value;

use super::structural::field_schema;

/// Checks the rules of a schema and of all below it. One that cannot be asked is a fault too, so that
/// none is passed over unseen.
pub fn check(path: &str, schema: &Value, value: &Value, faults: &mut Vec<String>) {
    let rules = schema["x-kubernetes-validations"].as_array();
    for rule in rules.into_iter().flatten() {
        let text = rule["rule"].as_str().unwrap_or_default();
        match holds(text, cel_value(schema, value)) {
            Ok(true) => {}
            Ok(false) => {
                let message = rule["message"].as_str().unwrap_or(text);
                faults.push(format!("{path}: {message}"));
            }
            Err(error) => faults.push(format!("{path}: {text}: {error}")),
        }
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        if let Some(schema) = field_schema(schema, name) {
            check(&format!("{path}.{name}"), schema, field, faults);
        }
    }
    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
        check(&format!("{path}[{index}]"), &schema["items"], item, faults);
    }
}

fn holds(rule: &str, value: Cel) -> Result<bool, String> {
    let program = program(rule)?;
    let mut context = Context::with_env(ENV.clone());
    add_functions(&mut context).map_err(|error| error.to_string())?;
    context.add_variable_from_value("self", value);
    match program.execute(&context) {
        Ok(Cel::Bool(holds)) => Ok(holds),
        Ok(other) => Err(format!("{other:?} is neither true nor false")),
        Err(error) => Err(error.to_string()),
    }
}

static ENV: LazyLock<Arc<Env>> = LazyLock::new(|| {
    let mut env = Env::stdlib();
    // Registering fails for a name that is there twice only.
    let _ = extensions::strings(&mut env);
    Arc::new(env)
});

pub fn program(rule: &str) -> Result<Arc<Program>, String> {
    static PROGRAMS: LazyLock<Mutex<BTreeMap<String, Arc<Program>>>> =
        LazyLock::new(Mutex::default);
    let mut programs = PROGRAMS.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = programs.get(rule) {
        return Ok(known.clone());
    }
    let program = ENV.compile(rule).map_err(|error| error.to_string())?;
    let program = Arc::new(program);
    programs.insert(rule.to_owned(), program.clone());
    Ok(program)
}

/// What Kubernetes has beyond the language, as far as the schemas here ask for it. A URL is its text.
fn add_functions(context: &mut Context<'_, '_>) -> Result<(), DeclarationError> {
    context.add_function("isIP", |text: Arc<String>| text.parse::<IpAddr>().is_ok())?;
    // An absolute path is a URL to Go.
    context.add_function("isURL", |text: Arc<String>| {
        text.starts_with('/') || Uri::parse(text.as_str()).is_ok()
    })?;
    context.add_function("url", |text: Arc<String>| text)?;
    context.add_function("getScheme", |This(url): This<Arc<String>>| {
        let url = Uri::parse(url.as_str());
        url.map_or_else(|_| String::new(), |url| url.scheme().as_str().to_owned())
    })
}

/// A value as rules see it, where the names of fields that are words of CEL stand between
/// underscores.
fn cel_value(schema: &Value, value: &Value) -> Cel {
    match value {
        Value::Null => Cel::Null,
        Value::Bool(bool) => Cel::Bool(*bool),
        Value::Number(number) => match number.as_i64() {
            Some(integer) => Cel::Int(integer),
            None => Cel::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Value::String(text) => text.as_str().into(),
        Value::Array(items) => {
            let items = items.iter().map(|item| cel_value(&schema["items"], item));
            items.collect::<Vec<_>>().into()
        }
        Value::Object(fields) => {
            let fields = fields.iter().map(|(name, field)| {
                let is_field = schema["properties"].get(name).is_some();
                let escaped = if is_field && name == "namespace" {
                    format!("__{name}__")
                } else {
                    name.clone()
                };
                let schema = field_schema(schema, name).unwrap_or(&Value::Null);
                (escaped, cel_value(schema, field))
            });
            fields.collect::<HashMap<_, _>>().into()
        }
    }
}
