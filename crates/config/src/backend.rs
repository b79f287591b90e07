use alloc::string::String;
use core::fmt;

use serde::{Deserialize, Serialize};

use crate::Weight;
use crate::object::objects;

/// One destination of a rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Wire", into = "Wire")]
#[cfg_attr(
    feature = "schema",
    derive(schemars::JsonSchema),
    schemars(with = "Wire")
)]
pub struct Backend {
    /// The name people see: in logs, metrics and `explain`.
    pub name: String,
    pub target: Target,
    pub weight: Weight,
}

/// Where a chosen connection goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// To this Envoy cluster.
    Cluster(String),
    /// Nowhere: the backend is invalid and keeps its share as refused connections, as the Gateway
    /// API demands.
    Refuse(Reason),
}

/// Why connections are refused: a Gateway API condition reason such as `BackendNotFound`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reason(String);

impl Reason {
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Reason {
    type Error = InvalidReason;

    /// A reason becomes part of a cluster name and of a metric's label, so its alphabet is narrow.
    fn try_from(reason: String) -> Result<Self, InvalidReason> {
        let wellformed = reason.chars().all(|c| c.is_ascii_alphanumeric());
        if reason.is_empty() || reason.len() > 64 || !wellformed {
            return Err(InvalidReason);
        }
        Ok(Self(reason))
    }
}

/// The reason is not one word of 1 to 64 ASCII letters and digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidReason;

impl fmt::Display for InvalidReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected one word of 1 to 64 letters and digits, such as BackendNotFound")
    }
}

impl core::error::Error for InvalidReason {}

/// The wire has two optional fields where the type has one choice: JSON's tagged forms would need
/// a buffered second pass, and would report errors without their place.
#[derive(Serialize, Deserialize)]
#[serde(remote = "Self", deny_unknown_fields)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
struct Wire {
    /// The name people see: in logs, metrics and `explain`. No two of a rule are equal where `compile`
    /// has written them; `sticky` knows a backend by it.
    name: String,
    /// The Envoy cluster that its connections go to. Either this or `refuse` is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cluster: Option<String>,
    /// Why its connections are refused, at its share: a reason such as `BackendNotFound`, one word of 1
    /// to 64 letters and digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    refuse: Option<String>,
    /// 1 if absent.
    #[serde(default, skip_serializing_if = "Weight::is_default")]
    weight: Weight,
}

objects!(Wire);

impl TryFrom<Wire> for Backend {
    type Error = InvalidBackend;

    fn try_from(wire: Wire) -> Result<Self, InvalidBackend> {
        let target = match (wire.cluster, wire.refuse) {
            (Some(cluster), None) if cluster.is_empty() => return Err(InvalidBackend::NoCluster),
            (Some(cluster), None) => Target::Cluster(cluster),
            (None, Some(reason)) => {
                Target::Refuse(Reason::try_from(reason).map_err(InvalidBackend::Reason)?)
            }
            (Some(_), Some(_)) => return Err(InvalidBackend::Both),
            (None, None) => return Err(InvalidBackend::Neither),
        };
        if wire.name.is_empty() {
            return Err(InvalidBackend::NoName);
        }
        Ok(Self {
            name: wire.name,
            target,
            weight: wire.weight,
        })
    }
}

impl From<Backend> for Wire {
    fn from(backend: Backend) -> Self {
        let (cluster, refuse) = match backend.target {
            Target::Cluster(cluster) => (Some(cluster), None),
            Target::Refuse(reason) => (None, Some(reason.0)),
        };
        Self {
            name: backend.name,
            cluster,
            refuse,
            weight: backend.weight,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InvalidBackend {
    Both,
    Neither,
    NoCluster,
    NoName,
    Reason(InvalidReason),
}

impl fmt::Display for InvalidBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Both => f.write_str("expected one of `cluster` and `refuse`, found both"),
            Self::Neither => f.write_str("expected one of `cluster` and `refuse`, found neither"),
            Self::NoCluster => f.write_str("cluster: expected a cluster name, found an empty one"),
            Self::NoName => f.write_str("name: expected a name, found an empty one"),
            Self::Reason(invalid) => write!(f, "refuse: {invalid}"),
        }
    }
}
