use alloc::string::String;
use alloc::vec::Vec;

use waypoint_l4_config::{self as config, Otherwise, Target};

use crate::decision::{Decision, Refusal, refusal_cluster};
use crate::facts::{Facts, Known};
use crate::matches::Conditions;
use crate::pick::Pick;

/// What is decided for the connections of one filter chain.
#[derive(Clone, Debug)]
pub struct Listener<P> {
    rules: Vec<Rule<P>>,
    /// What no rule took: refused with this, or left to tcp_proxy's own cluster.
    otherwise: Option<P>,
}

impl<P> Listener<P> {
    pub(crate) fn new(
        listener: config::Listener,
        prepare: &mut impl FnMut(&str) -> P,
        draw: &mut dyn FnMut() -> u64,
    ) -> Self {
        let rules = listener.rules.into_iter();
        Self {
            rules: rules.map(|rule| Rule::new(rule, prepare, draw)).collect(),
            otherwise: match listener.otherwise {
                Otherwise::Default => None,
                Otherwise::Refuse => Some(refuse(Refusal::NoRule, prepare)),
            },
        }
    }

    pub fn rules(&self) -> &[Rule<P>] {
        &self.rules
    }

    /// Decides one connection: by the first rule whose conditions hold. `draw` gives a number that
    /// is uniform over all of u64.
    pub fn decide(&mut self, facts: &impl Facts, mut draw: impl FnMut() -> u64) -> Decision<'_, P> {
        let known = Known::new(facts);
        let rule = self
            .rules
            .iter_mut()
            .find(|rule| rule.conditions.hold(&known));
        match (rule, &self.otherwise) {
            (Some(rule), _) => rule.decide(&known, &mut draw),
            (None, Some(prepared)) => Decision::Refuse {
                rule: None,
                refusal: Refusal::NoRule,
                prepared,
            },
            (None, None) => Decision::Default,
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
        rule: config::Rule,
        prepare: &mut impl FnMut(&str) -> P,
        draw: &mut dyn FnMut() -> u64,
    ) -> Self {
        Self {
            name: rule.name,
            conditions: Conditions::new(rule.matches),
            pick: Pick::new(&rule.pick, &rule.backends, draw),
            backends: rule
                .backends
                .into_iter()
                .map(|backend| Backend {
                    prepared: match &backend.target {
                        Target::Cluster(cluster) => prepare(cluster),
                        Target::Refuse(reason) => prepare(&refusal_cluster(reason.as_str())),
                    },
                    name: backend.name,
                    target: backend.target,
                })
                .collect(),
            no_weight: refuse(Refusal::NoWeight, prepare),
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

fn refuse<P>(refusal: Refusal, prepare: &mut impl FnMut(&str) -> P) -> P {
    prepare(&refusal_cluster(refusal.reason()))
}
