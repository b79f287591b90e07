use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use waypoint_l4_config::{self as config, Otherwise, Target};

use crate::decision::{Decision, Outcome, Refusal, refusal_cluster};
use crate::facts::{Facts, Known};
use crate::matches::{Conditions, Unmet};
use crate::pick::Pick;

/// What is decided for the connections of one filter chain.
#[derive(Clone, Debug)]
pub struct Listener<P> {
    rules: Vec<Rule<P>>,
    /// What becomes of connections that no rule takes.
    otherwise: Otherwise,
    prepared: P,
}

impl<P> Listener<P> {
    pub(crate) fn new(
        listener: config::Listener,
        prepare: &mut impl FnMut(Outcome<'_>) -> P,
        draw: &mut dyn FnMut() -> u64,
    ) -> Self {
        let chain = listener.chain.as_str();
        let drain = listener.drain.map(|drain| drain.on_removal.duration());
        let rules = listener.rules.into_iter();
        let refuses = listener.otherwise == Otherwise::Refuse;
        let refusal = refusal_cluster(Refusal::NoRule.reason());
        Self {
            rules: rules
                .map(|rule| Rule::new(chain, drain, rule, prepare, draw))
                .collect(),
            otherwise: listener.otherwise,
            prepared: prepare(Outcome {
                chain,
                rule: None,
                backend: None,
                cluster: refuses.then_some(&refusal),
                refuses,
                drain: None,
            }),
        }
    }

    pub fn rules(&self) -> &[Rule<P>] {
        &self.rules
    }

    /// What each rule lacks of a connection, for those who ask why: the first that lacks nothing decides.
    pub fn unmet(&self, facts: &impl Facts) -> Vec<Vec<Unmet>> {
        let known = Known::new(facts);
        let rules = self.rules.iter();
        rules.map(|rule| rule.conditions.unmet(&known)).collect()
    }

    /// Decides one connection: by the first rule whose conditions hold. `draw` gives a number that
    /// is uniform over all of u64.
    pub fn decide(&mut self, facts: &impl Facts, mut draw: impl FnMut() -> u64) -> Decision<'_, P> {
        let known = Known::new(facts);
        let rule = self
            .rules
            .iter_mut()
            .find(|rule| rule.conditions.hold(&known));
        let prepared = &self.prepared;
        match (rule, self.otherwise) {
            (Some(rule), _) => rule.decide(&known, &mut draw),
            (None, Otherwise::Default) => Decision::Default { prepared },
            (None, Otherwise::Refuse) => Decision::Refuse {
                rule: None,
                refusal: Refusal::NoRule,
                prepared,
            },
        }
    }
}

/// A rule and its backends.
#[derive(Clone, Debug)]
pub struct Rule<P> {
    name: String,
    conditions: Conditions,
    pick: Pick,
    backends: Vec<Backend<P>>,
    no_weight: P,
}

impl<P> Rule<P> {
    fn new(
        chain: &str,
        drain: Option<Duration>,
        rule: config::Rule,
        prepare: &mut impl FnMut(Outcome<'_>) -> P,
        draw: &mut dyn FnMut() -> u64,
    ) -> Self {
        let outcome = Outcome {
            chain,
            rule: Some(&rule.name),
            backend: None,
            cluster: None,
            refuses: true,
            drain: None,
        };
        let no_weight = refusal_cluster(Refusal::NoWeight.reason());
        Self {
            conditions: Conditions::new(rule.matches),
            pick: Pick::new(&rule.pick, &rule.backends, draw),
            no_weight: prepare(Outcome {
                cluster: Some(&no_weight),
                ..outcome
            }),
            backends: rule
                .backends
                .into_iter()
                .map(|backend| Backend::new(backend, Outcome { drain, ..outcome }, prepare))
                .collect(),
            name: rule.name,
        }
    }

    /// Where the rule comes from, `namespace/route`.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn backends(&self) -> &[Backend<P>] {
        &self.backends
    }

    fn decide(
        &mut self,
        known: &Known<'_, impl Facts>,
        draw: &mut dyn FnMut() -> u64,
    ) -> Decision<'_, P> {
        let picked = self.pick.pick(known, draw);
        match picked.and_then(|index| self.backends.get(index)) {
            Some(backend) => Decision::Backend {
                rule: self,
                backend,
            },
            None => Decision::Refuse {
                rule: Some(self),
                refusal: Refusal::NoWeight,
                prepared: &self.no_weight,
            },
        }
    }
}

/// One destination of a rule.
#[derive(Clone, Debug)]
pub struct Backend<P> {
    pub name: String,
    pub target: Target,
    pub prepared: P,
}

impl<P> Backend<P> {
    fn new(
        backend: config::Backend,
        outcome: Outcome<'_>,
        prepare: &mut impl FnMut(Outcome<'_>) -> P,
    ) -> Self {
        let refusal = match &backend.target {
            Target::Cluster(_) => None,
            Target::Refuse(reason) => Some(refusal_cluster(reason.as_str())),
        };
        let cluster = match &backend.target {
            Target::Cluster(cluster) => Some(cluster),
            Target::Refuse(_) => refusal.as_ref(),
        };
        let prepared = prepare(Outcome {
            backend: Some(&backend.name),
            cluster: cluster.map(String::as_str),
            refuses: refusal.is_some(),
            ..outcome
        });
        Self {
            name: backend.name,
            target: backend.target,
            prepared,
        }
    }
}
