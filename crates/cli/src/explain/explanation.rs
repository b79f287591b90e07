//! What becomes of a connection, and why: what `--format json` prints.

use std::num::NonZeroU32;

use fastrand::Rng;
use serde::Serialize;
use waypoint_l4_config::Config;
use waypoint_l4_route::{Outcome as Prepared, Table};

use super::connection::Connection;
use super::outcome::Outcome;
use super::place::Place;
use super::rule::{Rule, Verdict};
use super::simulation::Simulation;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    /// None where it is not known, or could be any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) waypoint: Option<String>,
    /// None where no filter sees the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) chain: Option<String>,
    /// The chain that the listener for it names, which may be `*`; none if there is no listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) listener: Option<String>,
    /// What there are listeners for, where there is none for this chain.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) chains: Vec<String>,
    pub(crate) connection: Connection,
    /// In order.
    pub(crate) rules: Vec<Rule>,
    pub(crate) outcome: Outcome,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) simulation: Option<Simulation>,
}

impl Explanation {
    /// Has the core decide, as the filter does, and many times if `connections` says so; chance begins
    /// with the seed.
    pub(crate) fn new(
        place: &Place<'_>,
        connection: Connection,
        connections: Option<NonZeroU32>,
        seed: u64,
    ) -> Self {
        let waypoint = place.waypoint;
        let name = waypoint.and_then(|waypoint| waypoint.name.as_ref());
        let mut explanation = Self {
            waypoint: name.map(ToString::to_string),
            chain: place.chain.clone().ok(),
            listener: None,
            chains: Vec::new(),
            connection,
            rules: Vec::new(),
            outcome: Outcome::without_listener(),
            simulation: None,
        };
        let asked = match &place.chain {
            Ok(chain) => chain,
            Err(because) => {
                explanation.outcome = Outcome::unseen(because);
                return explanation;
            }
        };
        let connection = &explanation.connection;
        let config = waypoint.map_or_else(Config::default, |waypoint| waypoint.config.clone());
        let mut random = Rng::with_seed(seed);
        let mut draw = || random.u64(..);
        let chain_of = |outcome: Prepared<'_>| outcome.chain.to_owned();
        let mut table = Table::new(config.clone(), chain_of, &mut draw);
        let Some(listener) = table.listener(asked) else {
            explanation.chains = place.others.clone();
            return explanation;
        };

        // Exact picks remember what they decided, so the simulation gets a listener that has not.
        let mut unused = listener.clone();
        let unmet = listener.unmet(connection);
        let mut is_drawn = false;
        let decision = listener.decide(connection, || {
            is_drawn = true;
            draw()
        });
        let chain = decision.prepared();
        let mut listeners = config.listeners.iter();
        let configured = listeners.find(|listener| listener.chain == *chain);
        let decider = unmet.iter().position(Vec::is_empty);
        let rules = configured.into_iter().flat_map(|listener| &listener.rules);
        let rules = rules.zip(&unmet).enumerate().map(|(index, (rule, unmet))| {
            let origin = waypoint.and_then(|waypoint| waypoint.origin(chain, index));
            let verdict = match decider {
                Some(decider) if index == decider => Verdict::Decides,
                Some(decider) if index > decider => Verdict::NotAsked,
                _ => Verdict::DoesNotMatch,
            };
            Rule::new(rule, origin, verdict, unmet, connection)
        });
        let rules: Vec<_> = rules.collect();
        let rule = decider.and_then(|index| rules.get(index));
        explanation.outcome = Outcome::new(&decision, rule, is_drawn, connection);
        explanation.listener = Some(chain.clone());
        explanation.simulation = connections.map(|connections| {
            let backends = rule.map_or(&[][..], |rule| &rule.backends);
            Simulation::new(&mut unused, backends, connection, connections, seed, draw)
        });
        explanation.rules = rules;
        explanation
    }
}
