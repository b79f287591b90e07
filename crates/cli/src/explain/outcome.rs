//! What a connection comes to.

use std::collections::BTreeSet;

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
    /// In percent of the connections, of which backends that are refused have a share.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refused_share: Option<f64>,
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
    /// No chain that the filter is in gets it.
    Unseen,
}

impl Outcome {
    pub(crate) fn without_listener() -> Self {
        Self::of(Kind::Default, "no rule of this filter is for this chain")
    }

    pub(crate) fn unseen(because: &str) -> Self {
        Self::of(Kind::Unseen, because)
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
                    _ if !is_certain => Self::by_share(rule, &because),
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

    fn by_share(rule: Option<&Rule>, because: &str) -> Self {
        let backends = rule.map_or(&[][..], |rule| &rule.backends);
        let weighty = || backends.iter().filter(|backend| backend.weight > 0);
        let reasons: BTreeSet<_> = weighty().filter_map(|one| one.refuse.as_deref()).collect();
        let reasons: Vec<_> = reasons.into_iter().collect();
        if weighty().all(|backend| backend.refuse.is_some()) {
            return Self {
                reason: Some(reasons.join(", ")),
                ..Self::of(Kind::Refused, "every backend with a weight above 0 refuses")
            };
        }
        let refused = weighty().filter(|backend| backend.refuse.is_some());
        Self {
            refused_share: (!reasons.is_empty()).then(|| refused.map(|one| one.share).sum()),
            ..Self::of(Kind::ByShare, because)
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
            refused_share: None,
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
