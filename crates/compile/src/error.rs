use std::fmt;

use waypoint_l4_config::{InvalidConfig, InvalidMatch, InvalidReason};

use crate::manifest::Missing;
use crate::{ObjectId, ObjectName, Place};

/// Everything that is wrong with the input, never empty. Nothing is compiled from input of which a
/// part is wrong: what would be left out could be what keeps traffic on the right backends.
#[derive(Debug)]
pub struct Refused(pub Vec<InvalidManifest>);

impl From<InvalidManifest> for Refused {
    fn from(invalid: InvalidManifest) -> Self {
        Self(vec![invalid])
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, invalid) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "\n" };
            write!(f, "{separator}{invalid}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

/// One fault, with the place and the object it was found in as far as they are known.
#[derive(Debug)]
pub struct InvalidManifest {
    pub place: Option<Place>,
    pub object: Option<ObjectId>,
    pub fault: Fault,
}

impl InvalidManifest {
    /// Of no manifest in particular.
    pub(crate) fn of_all(fault: Fault) -> Self {
        Self {
            place: None,
            object: None,
            fault,
        }
    }
}

impl fmt::Display for InvalidManifest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(place) = &self.place {
            write!(f, "{place}: ")?;
        }
        if let Some(object) = &self.object {
            write!(f, "{object}: ")?;
        }
        self.fault.fmt(f)
    }
}

impl std::error::Error for InvalidManifest {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.fault)
    }
}

/// What is wrong.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    #[error("cannot be read: {0}")]
    Unreadable(String),

    #[error("expected UTF-8, found other bytes at offset {offset}")]
    NotUtf8 { offset: usize },

    #[error("line {line}, column {column}: {message}")]
    Syntax {
        line: u64,
        column: u64,
        message: String,
    },

    #[error("{}expected {expected}, found {found}", prefix(path))]
    Field {
        /// As `spec.rules[0].backendRefs[1].weight`; empty for the document itself.
        path: String,
        expected: String,
        found: String,
    },

    /// What a rule cannot match on, such as an item of an annotation's list.
    #[error("{path}: {}", quoted(cause))]
    Condition { path: String, cause: InvalidMatch },

    #[error(
        "expected {expected}, found apiVersion {api_version}, kind {kind}{}",
        hint(*.ignorable)
    )]
    UnknownKind {
        api_version: String,
        kind: String,
        expected: String,
        /// Whether `--ignore-unknown-kinds` helps: it does not where a misspelt name is likelier
        /// than a kind of somebody else.
        ignorable: bool,
    },

    #[error("expected a Kubernetes object, found one without {missing}{}", hint(*.ignorable))]
    NoKind {
        missing: Missing,
        /// As for an unknown kind.
        ignorable: bool,
    },

    /// The default group of a parentRef is that of the Gateway, and nobody means a Service of it.
    #[error("{path}: {group}/Service is not a core Service: set group: \"\"")]
    NotCoreService { path: String, group: String },

    #[error("expected one object of each name, found another with different content at {first}")]
    Duplicate { first: Place },

    #[error("{path}: expected a {} among the manifests, found no {parent}", parent.kind)]
    NoParentService { path: String, parent: ObjectId },

    #[error(
        "{path}: expected Namespace {namespace} among the manifests (its labels tell the waypoint \
         of {service}), found none"
    )]
    NoNamespace {
        path: String,
        namespace: String,
        service: ObjectId,
    },

    #[error(
        "{path}: expected a Gateway among the manifests, found no Gateway {gateway}; there is {}",
        list(others)
    )]
    NoGateway {
        path: String,
        gateway: ObjectName,
        others: Vec<ObjectName>,
    },

    #[error("expected at least one manifest, found none")]
    NoManifests,

    #[error(
        "expected a waypoint among the manifests, found no {wanted}; there is {}",
        list(known)
    )]
    NoSuchWaypoint {
        wanted: ObjectName,
        known: Vec<ObjectName>,
    },

    #[error("expected one waypoint, found {}: choose with --waypoint", list(known))]
    SeveralWaypoints { known: Vec<ObjectName> },

    /// A fault of this program, found before it could do harm: the filter would have refused the
    /// output.
    #[error("{what} is not what it should be: {cause}")]
    InvalidOutput { what: String, cause: InvalidOutput },

    #[error(
        "the plugin of waypoint {waypoint} has {bytes} bytes, more than the 1572864 that Kubernetes \
         takes; the largest are {contributors}: give some Services another waypoint"
    )]
    TooLarge {
        waypoint: ObjectName,
        bytes: usize,
        contributors: String,
    },

    #[error(
        "a plain Envoy loads the filter from a file: expected --image file:///..., found another"
    )]
    NoImageFile,
}

/// Why the output is not fit to be printed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidOutput {
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    #[error(transparent)]
    Reason(#[from] InvalidReason),
    #[error(transparent)]
    Json(#[from] serde_json::Error),
    #[error("{0}")]
    Yaml(String),
    #[error("it does not read back as what was written")]
    Differs,
}

fn prefix(path: &str) -> String {
    if path.is_empty() {
        String::new()
    } else {
        format!("{path}: ")
    }
}

/// With what was found in the quotes that it has in all other errors.
fn quoted(cause: &InvalidMatch) -> String {
    cause.to_string().replace('`', "\"")
}

fn hint(ignorable: bool) -> &'static str {
    if ignorable {
        " (--ignore-unknown-kinds leaves it out with a note)"
    } else {
        ""
    }
}

pub(crate) fn list(names: &[ObjectName]) -> String {
    if names.is_empty() {
        return String::from("none");
    }
    let names: Vec<_> = names.iter().map(ToString::to_string).collect();
    names.join(", ")
}
