//! What a connection comes to.

use serde::Serialize;
use waypoint_l4_config::{Pick, StickyKey, Target};
use waypoint_l4_route::{Condition, Decision, Refusal};

use super::connection::Connection;
use super::rule::Rule;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Outcome {
    pub(crate) kind: Kind,
    pub(crate) because: String,
    /// None if no rule decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<String>,
    /// None if none is picked, or none for sure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) backend: Option<String>,
    /// The one that is named to tcp_proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<String>,
    /// Why it is refused, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) reason: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    /// It stays with tcp_proxy's own cluster.
    Default,
    Cluster,
    Refused,
    /// It goes to one of the rule's backends, by their shares.
    ByShare,
}

impl Outcome {
    pub(crate) fn without_listener() -> Self {
        Self::of(Kind::Default, "no listener is for this chain")
    }

    /// `rule` is the one that decides; `is_drawn` says whether the decision took a random number.
    pub(crate) fn new<P>(
        decision: &Decision<'_, P>,
        rule: Option<&Rule>,
        is_drawn: bool,
        connection: &Connection,
    ) -> Self {
        let outcome = match decision {
            Decision::Backend { backend, .. } => {
                let (is_certain, because) = certainty(rule, is_drawn, connection);
                let picked = Self {
                    backend: Some(backend.name.clone()),
                    ..Self::of(Kind::Cluster, &because)
                };
                match &backend.target {
                    _ if !is_certain => Self::of(Kind::ByShare, &because),
                    Target::Cluster(cluster) => Self {
                        cluster: Some(cluster.clone()),
                        ..picked
                    },
                    Target::Refuse(reason) => Self {
                        kind: Kind::Refused,
                        reason: Some(reason.as_str().to_owned()),
                        ..picked
                    },
                }
            }
            Decision::Refuse { refusal, .. } => Self {
                reason: Some(refusal.reason().to_owned()),
                ..Self::of(
                    Kind::Refused,
                    match refusal {
                        Refusal::NoWeight => "every backend of the rule has weight 0",
                        _ => "no rule matches, and the listener says `otherwise: refuse`",
                    },
                )
            },
            _ => Self::of(Kind::Default, "no rule matches"),
        };
        Self {
            rule: rule.map(|rule| rule.name.clone()),
            ..outcome
        }
    }

    fn of(kind: Kind, because: &str) -> Self {
        Self {
            kind,
            because: because.to_owned(),
            rule: None,
            backend: None,
            cluster: None,
            reason: None,
        }
    }
}

/// Whether every such connection comes to the same backend, and why or why not.
fn certainty(rule: Option<&Rule>, is_drawn: bool, connection: &Connection) -> (bool, String) {
    let Some(Rule { pick, backends, .. }) = rule else {
        return (false, String::new());
    };
    let mut weighty = backends.iter().filter(|backend| backend.weight > 0);
    if let (Some(_), None) = (weighty.next(), weighty.next()) {
        let because = "it is the only backend with a weight above 0";
        return (true, String::from(because));
    }
    match pick {
        Pick::Random => (false, String::from("each connection by chance")),
        Pick::Exact => (false, String::from("in turn, on each worker for itself")),
        Pick::Sticky { by } => {
            let key = match by {
                StickyKey::SourceAddress => Condition::SourceCidrs,
                StickyKey::SourcePrincipal => Condition::SourceNamespaces,
            };
            let fact = connection.fact(key, !is_drawn);
            if is_drawn {
                (false, format!("by chance, not sticky: {fact}"))
            } else {
                (true, format!("sticky: {fact}"))
            }
        }
    }
}
