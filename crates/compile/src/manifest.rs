//! Reading of files: YAML or JSON in, one manifest for each object out, with its place.

use std::fmt;

use serde_json::{Map, Value};

use crate::error::Fault;
use crate::kind::is_stray;
use crate::object::describe;

/// A file, or standard input: the name to show for it, and its bytes or why there are none.
#[derive(Clone, Debug)]
pub struct Source {
    pub name: String,
    pub content: Result<Vec<u8>, String>,
}

/// Where a manifest stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    file: String,
    /// Counted from 1, without empty documents; absent for the file as a whole.
    document: Option<usize>,
    /// As `items[3]`, for an object of a List.
    item: String,
}

impl Place {
    pub(crate) fn file(name: &str) -> Self {
        Self {
            file: name.to_owned(),
            document: None,
            item: String::new(),
        }
    }

    fn document(&self, number: usize) -> Self {
        Self {
            document: Some(number),
            ..self.clone()
        }
    }

    fn item(&self, index: usize) -> Self {
        let separator = if self.item.is_empty() { "" } else { "." };
        Self {
            item: format!("{}{separator}items[{index}]", self.item),
            ..self.clone()
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(document) = self.document {
            write!(f, ": document {document}")?;
        }
        if !self.item.is_empty() {
            write!(f, ": {}", self.item)?;
        }
        Ok(())
    }
}

/// An object as it was written, not yet typed.
pub(crate) struct Manifest {
    pub(crate) api_version: String,
    pub(crate) kind: String,
    pub(crate) content: Map<String, Value>,
}

/// What a document lacks to be an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    api_version: bool,
    kind: bool,
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match (self.api_version, self.kind) {
            (true, false) => "apiVersion",
            (false, true) => "kind",
            _ => "apiVersion and kind",
        })
    }
}

/// The manifests of a source in their order, those of Lists one by one.
pub(crate) fn manifests(source: &Source) -> Vec<(Place, Result<Manifest, Fault>)> {
    let file = Place::file(&source.name);
    let documents = match documents(source) {
        Ok(documents) => documents,
        Err(fault) => return vec![(file, Err(fault))],
    };
    let mut found = Vec::new();
    for (number, document) in (1..).zip(documents) {
        unfold(file.document(number), document, None, &mut found);
    }
    found
}

fn documents(source: &Source) -> Result<Vec<Value>, Fault> {
    let bytes = source
        .content
        .as_ref()
        .map_err(|cause| Fault::Unreadable(cause.clone()))?;
    let text = str::from_utf8(bytes).map_err(|error| Fault::NotUtf8 {
        offset: error.valid_up_to(),
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Not all JSON is YAML to a YAML parser (tabs, escapes, one document after another), and not
    // all that starts with a brace is JSON.
    if text.trim_start().starts_with(['{', '[']) {
        match json(text) {
            Err(fault) if source.name.ends_with(".json") => return Err(fault),
            Err(_) => {}
            documents => return documents,
        }
    }
    yaml(text)
}

fn json(text: &str) -> Result<Vec<Value>, Fault> {
    let documents = serde_json::Deserializer::from_str(text).into_iter();
    documents.collect::<Result<_, _>>().map_err(|error| {
        let message = error.to_string();
        let place = format!(" at line {} column {}", error.line(), error.column());
        Fault::Syntax {
            line: u64::try_from(error.line()).unwrap_or(u64::MAX),
            column: u64::try_from(error.column()).unwrap_or(u64::MAX),
            message: message.trim_end_matches(&place).to_owned(),
        }
    })
}

fn yaml(text: &str) -> Result<Vec<Value>, Fault> {
    let options = serde_saphyr::options! {
        // The whole of a big cluster in one file is fine; what aliases unfold to stays bounded.
        budget: serde_saphyr::budget! {
            max_depth: 128,
            max_documents: usize::MAX,
            max_events: usize::MAX,
            max_nodes: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
        },
        // `010` is 8 to kubectl.
        legacy_octal_numbers: true,
        with_snippet: false,
    };
    serde_saphyr::from_multiple_with_options(text, options).map_err(|error| {
        let (line, column) = error
            .location()
            .map_or((1, 1), |place| (place.line(), place.column()));
        let message = error.render_with_formatter(&serde_saphyr::UserMessageFormatter);
        let place = format!(" at line {line}, column {column}");
        Fault::Syntax {
            line,
            column,
            message: message.trim_end_matches(&place).to_owned(),
        }
    })
}

/// `element` is what the items of a typed List are when they do not say it themselves, as in raw
/// answers of the API server.
fn unfold(
    place: Place,
    document: Value,
    element: Option<(&str, &str)>,
    found: &mut Vec<(Place, Result<Manifest, Fault>)>,
) {
    let Value::Object(mut content) = document else {
        let fault = Fault::Field {
            path: String::new(),
            expected: String::from("a Kubernetes object"),
            found: describe(&document),
        };
        return found.push((place, Err(fault)));
    };
    let api_version = word(&content, "apiVersion", element.map(|(version, _)| version));
    let kind = word(&content, "kind", element.map(|(_, kind)| kind));
    let (api_version, kind) = match (api_version, kind) {
        (Ok(Some(api_version)), Ok(Some(kind))) => (api_version, kind),
        (Ok(api_version), Ok(kind)) => {
            let fault = Fault::NoKind {
                missing: Missing {
                    api_version: api_version.is_none(),
                    kind: kind.is_none(),
                },
                // What is in a List is meant for Kubernetes.
                ignorable: place.item.is_empty()
                    && is_stray(api_version.as_deref(), kind.as_deref()),
            };
            return found.push((place, Err(fault)));
        }
        (api_version, kind) => {
            let faults = [api_version.err(), kind.err()].into_iter().flatten();
            return found.extend(faults.map(|fault| (place.clone(), Err(fault))));
        }
    };
    if let Some(element) = kind.strip_suffix("List")
        && let Some(items) = content.get_mut("items")
    {
        let items = match items.take() {
            Value::Array(items) => items,
            Value::Null => Vec::new(),
            other => {
                let fault = Fault::Field {
                    path: String::from("items"),
                    expected: String::from("a list"),
                    found: describe(&other),
                };
                return found.push((place, Err(fault)));
            }
        };
        let element = (!element.is_empty()).then_some((api_version.as_str(), element));
        for (index, item) in items.into_iter().enumerate() {
            unfold(place.item(index), item, element, found);
        }
        return;
    }
    let manifest = Manifest {
        api_version,
        kind,
        content,
    };
    found.push((place, Ok(manifest)));
}

fn word(
    content: &Map<String, Value>,
    field: &str,
    default: Option<&str>,
) -> Result<Option<String>, Fault> {
    match (content.get(field), default) {
        (Some(Value::String(word)), _) if !word.is_empty() => Ok(Some(word.clone())),
        (None, default) => Ok(default.map(str::to_owned)),
        (Some(Value::Null), _) => Ok(None),
        (Some(other), _) => Err(Fault::Field {
            path: field.to_owned(),
            expected: format!("the object's {field}"),
            found: describe(other),
        }),
    }
}
