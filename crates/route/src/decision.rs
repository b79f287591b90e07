use alloc::format;
use alloc::string::String;
use core::fmt;
use core::time::Duration;

use waypoint_l4_config::Target;

use crate::{Backend, Rule};

/// What happens to one connection. Its `Display` is the line that logs show.
#[derive(Debug)]
#[non_exhaustive]
pub enum Decision<'a, P> {
    /// It stays with tcp_proxy's own cluster.
    Default { prepared: &'a P },
    /// A rule picked a backend, which may be one that refuses.
    Backend {
        rule: &'a Rule<P>,
        backend: &'a Backend<P>,
    },
    /// There is no backend to pick.
    Refuse {
        rule: Option<&'a Rule<P>>,
        refusal: Refusal,
        prepared: &'a P,
    },
}

impl<'a, P> Decision<'a, P> {
    /// What the host prepared to carry the decision out.
    pub fn prepared(&self) -> &'a P {
        match self {
            Self::Default { prepared } | Self::Refuse { prepared, .. } => prepared,
            Self::Backend { backend, .. } => &backend.prepared,
        }
    }

    /// Whether the connection is to be closed.
    pub fn refuses(&self) -> bool {
        match self {
            Self::Default { .. } => false,
            Self::Backend { backend, .. } => matches!(backend.target, Target::Refuse(_)),
            Self::Refuse { .. } => true,
        }
    }
}

impl<P> fmt::Display for Decision<'_, P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default { .. } => f.write_str("default"),
            Self::Backend { rule, backend } => {
                write!(f, "rule {} backend {}: ", rule.name(), backend.name)?;
                match &backend.target {
                    Target::Cluster(cluster) => write!(f, "cluster {cluster}"),
                    Target::Refuse(reason) => write!(f, "refused, {}", reason.as_str()),
                }
            }
            Self::Refuse { rule, refusal, .. } => {
                if let Some(rule) = rule {
                    write!(f, "rule {}: ", rule.name())?;
                }
                write!(f, "refused, {}", refusal.reason())
            }
        }
    }
}

/// Why a connection is refused that no backend was picked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Every backend of the rule has weight zero.
    NoWeight,
    /// No rule matched, and the listener refuses what no rule takes.
    NoRule,
}

impl Refusal {
    /// One word, in the manner of a Gateway API condition reason.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NoWeight => "NoWeight",
            Self::NoRule => "NoRule",
        }
    }
}

/// What a connection can come to, told to the host beforehand.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    pub chain: &'a str,
    /// None where no rule decides.
    pub rule: Option<&'a str>,
    /// None where there is no backend to pick.
    pub backend: Option<&'a str>,
    /// The cluster to name; none to leave tcp_proxy its own.
    pub cluster: Option<&'a str>,
    pub refuses: bool,
    /// How long the connection may go on after its backend has left the route; none for ever.
    pub drain: Option<Duration>,
}

/// A cluster that cannot exist, so that Envoy closes the connection without opening an upstream:
/// istiod's names have three bars and begin with a direction.
pub(crate) fn refusal_cluster(reason: &str) -> String {
    format!("waypoint-l4|refused|{reason}")
}
