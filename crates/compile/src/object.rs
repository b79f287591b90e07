//! What all Kubernetes objects have in common: names, metadata, and typed reading with the place
//! of what does not fit.

use std::fmt;
use std::str::FromStr;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use serde_path_to_error::{Segment, Track};

use crate::error::Fault;

/// The name of a namespaced object; `namespace/name` when shown.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ObjectName {
    pub namespace: String,
    pub name: String,
}

impl fmt::Display for ObjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.namespace, self.name)
    }
}

impl FromStr for ObjectName {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.split_once('/') {
            Some((namespace, name)) if is_label(namespace) && is_subdomain(name) => Ok(Self {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            }),
            _ => Err(InvalidName),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected NAMESPACE/NAME, such as demo/waypoint")]
pub struct InvalidName;

/// An object of any kind, as notes and errors show it: `TCPRoute demo/tcp-echo`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct ObjectId {
    pub kind: String,
    /// Absent for kinds without namespaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    pub name: String,
}

impl ObjectId {
    pub(crate) fn new(kind: &str, name: &ObjectName) -> Self {
        Self {
            kind: kind.to_owned(),
            namespace: Some(name.namespace.clone()),
            name: name.name.clone(),
        }
    }

    pub(crate) fn namespace(name: &str) -> Self {
        Self {
            kind: String::from("Namespace"),
            namespace: None,
            name: name.to_owned(),
        }
    }
}

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{} {namespace}/{}", self.kind, self.name),
            None => write!(f, "{} {}", self.kind, self.name),
        }
    }
}

/// The part of an object that is read. The status is not: what some controller wrote there must
/// not keep the spec from being read.
#[derive(Deserialize)]
pub(crate) struct Object<S> {
    #[serde(default)]
    pub(crate) metadata: ObjectMeta,
    pub(crate) spec: Option<S>,
}

impl<S> Object<S> {
    pub(crate) fn label(&self, key: &str) -> Option<&str> {
        let labels = self.metadata.labels.as_ref()?;
        labels.get(key).map(String::as_str)
    }

    pub(crate) fn take_spec(&mut self) -> Result<S, Fault> {
        let spec = self.spec.take();
        spec.ok_or_else(|| missing("spec", "an object"))
    }
}

/// The namespace and name of an object, not yet checked; `default` without a namespace, as kubectl
/// has it.
pub(crate) fn name(kind: &str, content: &Map<String, Value>) -> Result<ObjectName, Fault> {
    let metadata = content.get("metadata");
    let field = |name: &str, default: Option<&str>| {
        let path = format!("metadata.{name}");
        let expected = format!("the {kind}'s {name}");
        match (metadata.and_then(|metadata| metadata.get(name)), default) {
            (Some(Value::String(text)), _) if !text.is_empty() => Ok(text.clone()),
            (None | Some(Value::Null), Some(default)) => Ok(default.to_owned()),
            (None | Some(Value::Null), None) => Err(missing(&path, &expected)),
            (Some(other), _) => Err(Fault::Field {
                path,
                expected,
                found: describe(other),
            }),
        }
    };
    Ok(ObjectName {
        namespace: field("namespace", Some("default"))?,
        name: field("name", None)?,
    })
}

/// An object in its type, and what of it the type could not take.
pub(crate) struct Typed<S> {
    pub(crate) object: Object<S>,
    /// The paths of fields that the type does not have.
    pub(crate) unknown: Vec<String>,
    faults: Vec<Fault>,
}

impl<S: DeserializeOwned> Typed<S> {
    /// Reads an object. serde stops at the first value that does not fit; a number that does not is
    /// put right and the reading goes on, as who quotes one weight quotes them all.
    pub(crate) fn read(content: &Map<String, Value>) -> Result<Self, Vec<Fault>> {
        let mut content = content.clone();
        let mut faults = Vec::new();
        loop {
            let mut track = Track::new();
            let mut unknown = Vec::new();
            let deserializer = serde_path_to_error::Deserializer::new(&content, &mut track);
            let object = serde_ignored::deserialize(deserializer, |path| {
                let path = ignored(&path);
                if !["apiVersion", "kind", "status"].contains(&path.as_str()) {
                    unknown.push(path);
                }
            });
            let error: serde_json::Error = match object {
                Ok(object) => {
                    return Ok(Self {
                        object,
                        unknown,
                        faults,
                    });
                }
                Err(error) => error,
            };
            let path = track.path();
            let fault = unfit(&path, &mut content, &error);
            let number = matches!(&fault, Fault::Field { expected, .. } if expected == WEIGHT || expected == PORT);
            faults.push(fault);
            match found_mut(&path, &mut content) {
                Some(value) if number && *value != 1 => *value = Value::from(1),
                _ => return Err(faults),
            }
        }
    }

    /// Makes faults of the unknown fields below `part`.
    pub(crate) fn refuse_unknown(&mut self, part: &str, expected: &str) {
        let is_below = |path: &str| {
            let rest = path.strip_prefix(part);
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        for path in self.unknown.extract_if(.., |path| is_below(path)) {
            self.faults.push(Fault::Field {
                path,
                expected: expected.to_owned(),
                found: String::from("an unknown one"),
            });
        }
    }

    /// Goes on to what the object means, whose faults are added to those of its form.
    pub(crate) fn parse<T>(
        self,
        parse: impl FnOnce(Object<S>) -> Result<T, Vec<Fault>>,
    ) -> Result<T, Vec<Fault>> {
        let mut faults = self.faults;
        match parse(self.object) {
            Ok(parsed) if faults.is_empty() => Ok(parsed),
            Ok(_) => Err(faults),
            Err(more) => {
                faults.extend(more);
                Err(faults)
            }
        }
    }
}

fn ignored(path: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match path {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}[{index}]", ignored(parent)),
        Path::Map { parent, key } => match ignored(parent) {
            parent if parent.is_empty() => key.clone(),
            parent => format!("{parent}.{key}"),
        },
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => ignored(parent),
    }
}

/// Puts serde's message into the words of a Kubernetes user.
fn unfit(
    path: &serde_path_to_error::Path,
    content: &mut Map<String, Value>,
    error: &serde_json::Error,
) -> Fault {
    let message = error.to_string();
    let place = shown(path);
    if let Some(field) = message
        .strip_prefix("missing field `")
        .and_then(|rest| rest.split('`').next())
    {
        let separator = if place.is_empty() { "" } else { "." };
        let place = format!("{place}{separator}{field}");
        return missing(&place, expectation(field, "").unwrap_or("a value"));
    }
    let expected = message
        .rsplit_once(", expected ")
        .map(|(_, expected)| expected);
    let last = path.iter().rev().find_map(|segment| match segment {
        Segment::Map { key } => Some(key.as_str()),
        _ => None,
    });
    let expected = match expectation(last.unwrap_or_default(), expected.unwrap_or_default()) {
        Some(expected) => expected.to_owned(),
        None => expected.unwrap_or("another value").to_owned(),
    };
    Fault::Field {
        path: place,
        expected,
        found: found_mut(path, content).map_or(message, |value| describe(value)),
    }
}

/// A path with keys such as `waypoint-l4.io/pick` in brackets, as their dots are none of the path's.
fn shown(path: &serde_path_to_error::Path) -> String {
    let mut shown = String::new();
    for segment in path {
        match segment {
            Segment::Map { key } if key.contains('.') => shown += &format!("[{key}]"),
            Segment::Map { key } if shown.is_empty() => shown += key,
            Segment::Map { key } => shown += &format!(".{key}"),
            Segment::Seq { index } => shown += &format!("[{index}]"),
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    shown
}

/// What a field must be, by its name or by the type that serde wanted.
fn expectation(field: &str, wanted: &str) -> Option<&'static str> {
    let by_name = match field {
        "weight" => Some(WEIGHT),
        "port" => Some(PORT),
        "creationTimestamp" => Some("a time such as 2026-01-31T12:00:00Z"),
        "rules" | "backendRefs" | "listeners" => Some("a list"),
        "name" => Some("a name"),
        _ => None,
    };
    by_name.or_else(|| {
        let by_type = match wanted {
            "i32" | "i64" | "u16" | "u32" => "an integer",
            "a boolean" => "true or false",
            "a sequence" => "a list",
            "a map" => "an object",
            // A Rust type by its name: only structs are left by now.
            name if name.starts_with("struct ") => "an object",
            name if name.starts_with(|c: char| c.is_ascii_uppercase()) => "an object",
            _ => return None,
        };
        Some(by_type)
    })
}

pub(crate) const WEIGHT: &str = "an integer from 0 to 1000000";
pub(crate) const PORT: &str = "an integer from 1 to 65535";

fn found_mut<'c>(
    path: &serde_path_to_error::Path,
    content: &'c mut Map<String, Value>,
) -> Option<&'c mut Value> {
    let mut segments = path.iter();
    let mut value = match segments.next()? {
        Segment::Map { key } => content.get_mut(key)?,
        _ => return None,
    };
    for segment in segments {
        value = match segment {
            Segment::Map { key } => value.get_mut(key)?,
            Segment::Seq { index } => value.get_mut(index)?,
            _ => return None,
        };
    }
    Some(value)
}

/// A value, as errors show what was found.
pub(crate) fn describe(value: &Value) -> String {
    match value {
        Value::Null => String::from("null"),
        Value::Bool(bool) => bool.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(_) => format!("string {value}"),
        Value::Array(_) => String::from("a list"),
        Value::Object(_) => String::from("an object"),
    }
}

pub(crate) fn missing(path: &str, expected: &str) -> Fault {
    Fault::Field {
        path: path.to_owned(),
        expected: expected.to_owned(),
        found: String::from("none"),
    }
}

/// Checks a name that becomes one label of a host name.
pub(crate) fn label(path: &str, name: &str) -> Result<(), Fault> {
    if is_label(name) {
        return Ok(());
    }
    Err(Fault::Field {
        path: path.to_owned(),
        expected: String::from(
            "a DNS label (1 to 63 lower-case letters, digits and inner hyphens)",
        ),
        found: format!("{name:?}"),
    })
}

/// Checks a name that is a host name.
pub(crate) fn subdomain(path: &str, name: &str) -> Result<(), Fault> {
    if is_subdomain(name) {
        return Ok(());
    }
    Err(Fault::Field {
        path: path.to_owned(),
        expected: String::from(
            "a DNS name (labels of lower-case letters, digits and inner hyphens)",
        ),
        found: format!("{name:?}"),
    })
}

pub(crate) fn is_subdomain(name: &str) -> bool {
    name.len() <= 253 && name.split('.').all(is_label)
}

fn is_label(label: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    (1..=63).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}
