//! A rule, held against a connection.

use serde::Serialize;
use waypoint_l4_compile::ObjectId;
use waypoint_l4_config::{self as config, Match, Pick, Target};
use waypoint_l4_route::{Condition, Unmet};

use super::connection::Connection;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Rule {
    pub(crate) name: String,
    /// Of the object that it comes from, if that is known: `TCPRoute`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) kind: Option<String>,
    pub(crate) verdict: Verdict,
    pub(crate) conditions: Vec<Asked>,
    pub(crate) pick: Pick,
    pub(crate) backends: Vec<Backend>,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Verdict {
    Decides,
    DoesNotMatch,
    /// An earlier one decides.
    NotAsked,
}

/// A condition, and what it was held against.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Asked {
    /// As in the configuration: `sni`.
    pub(crate) field: &'static str,
    pub(crate) any_of: Vec<String>,
    pub(crate) holds: bool,
    pub(crate) because: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Backend {
    pub(crate) name: String,
    pub(crate) weight: u32,
    /// In percent of the connections that the rule gets.
    pub(crate) share: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cluster: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) refuse: Option<String>,
}

impl Rule {
    pub(crate) fn new(
        rule: &config::Rule,
        origin: Option<&ObjectId>,
        verdict: Verdict,
        unmet: &[Unmet],
        connection: &Connection,
    ) -> Self {
        let weights = rule.backends.iter().map(|backend| backend.weight.value());
        let sum = weights.map(f64::from).sum::<f64>();
        Self {
            name: rule.name.clone(),
            kind: origin.map(|origin| origin.kind.clone()),
            verdict,
            conditions: Condition::ALL
                .into_iter()
                .filter_map(|condition| Asked::new(condition, &rule.matches, unmet, connection))
                .collect(),
            pick: rule.pick.clone(),
            backends: rule
                .backends
                .iter()
                .map(|backend| Backend::new(backend, sum))
                .collect(),
        }
    }
}

impl Asked {
    /// None if the rule does not ask it.
    fn new(
        condition: Condition,
        matches: &Match,
        unmet: &[Unmet],
        connection: &Connection,
    ) -> Option<Self> {
        let (field, any_of) = match condition {
            Condition::Sni => ("sni", texts(&matches.sni)),
            Condition::SourceNamespaces => ("sourceNamespaces", texts(&matches.source_namespaces)),
            Condition::SourceServiceAccounts => (
                "sourceServiceAccounts",
                texts(&matches.source_service_accounts),
            ),
            Condition::SourceCidrs => ("sourceCidrs", texts(&matches.source_cidrs)),
        };
        let lack = unmet.iter().find(|unmet| unmet.condition == condition);
        (!any_of.is_empty()).then(|| Self {
            field,
            any_of,
            holds: lack.is_none(),
            because: connection.fact(condition, lack.is_none_or(|lack| lack.known)),
        })
    }
}

fn texts<T: Clone + Into<String>>(items: &[T]) -> Vec<String> {
    items.iter().cloned().map(Into::into).collect()
}

impl Backend {
    fn new(backend: &config::Backend, sum: f64) -> Self {
        let weight = backend.weight.value();
        let (cluster, refuse) = match &backend.target {
            Target::Cluster(cluster) => (Some(cluster.clone()), None),
            Target::Refuse(reason) => (None, Some(reason.as_str().to_owned())),
        };
        Self {
            name: backend.name.clone(),
            weight,
            share: match weight {
                0 => 0.0,
                weight => f64::from(weight) * 100.0 / sum,
            },
            cluster,
            refuse,
        }
    }
}
