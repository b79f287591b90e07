//! What happened, for Envoy's `/stats`. Names and labels come from the configuration, never from
//! traffic, since Envoy keeps a metric for as long as a VM has it.
//!
//! A label is a part `name=.=value;.;` of a metric's name, as Istio's own Wasm metrics have it; tags of
//! Envoy's `stats_config`, or Istio's `extraStatTags`, make labels of these parts.

use std::cell::RefCell;

use proxy_wasm::hostcalls;
use proxy_wasm::types::MetricType;
use waypoint_l4_config::Config;
use waypoint_l4_route::Outcome;

use crate::host::{self, Clock, Shared};

/// Counts connections.
pub(crate) struct Counter(Option<u32>);

impl Counter {
    /// Of those that come to the outcome.
    pub(crate) fn new(outcome: &Outcome<'_>) -> Self {
        let result = match (outcome.refuses, outcome.cluster) {
            (true, _) => "refused",
            (false, Some(_)) => "chosen",
            (false, None) => "default",
        };
        Self::named(
            outcome,
            &format!("l4_result=.={result};.;waypoint_l4_connections_total"),
        )
    }

    /// Of those that came to the outcome, and were closed when it was none any more.
    pub(crate) fn drained(outcome: &Outcome<'_>) -> Self {
        Self::named(outcome, "waypoint_l4_connections_drained_total")
    }

    fn named(outcome: &Outcome<'_>, name: &str) -> Self {
        let mut labels = labels(
            outcome.chain,
            outcome.rule.unwrap_or("none"),
            outcome.backend.unwrap_or("none"),
        );
        labels.push_str(name);
        Self(metric(MetricType::Counter, &labels))
    }

    pub(crate) fn increment(&self) {
        if let Some(id) = self.0 {
            // Fails only for an id that this VM does not know.
            let _ = hostcalls::increment_metric(id, 1);
        }
    }
}

/// What is shown of a configuration.
pub(crate) struct Gauges {
    revision: u64,
    /// Where the names of the gauges before are.
    shared: Shared,
    /// By the name of the gauge.
    weights: Vec<(String, u64)>,
}

impl Gauges {
    pub(crate) fn new(config: &Config) -> Self {
        let mut weights = Vec::new();
        for listener in &config.listeners {
            for rule in &listener.rules {
                for backend in &rule.backends {
                    let labels = labels(&listener.chain, &rule.name, &backend.name);
                    let weight = backend.weight.value().into();
                    weights.push((format!("{labels}waypoint_l4_weight"), weight));
                }
            }
        }
        let revision = config.revision.as_deref().and_then(number);
        Self {
            revision: revision.unwrap_or(0),
            shared: Shared::new("weights"),
            weights,
        }
    }

    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    /// Tells which configuration is in force, since when, and which split it asks for. Backends of the
    /// configuration before, whose gauges Envoy keeps, have weight 0 now.
    pub(crate) fn show(&self) {
        gauge("waypoint_l4_config_revision", self.revision);
        if let Some(now) = host::now(Clock::Wall) {
            gauge("waypoint_l4_config_last_update_seconds", now / 1000);
        }
        let names: Vec<_> = self.weights.iter().map(|(name, _)| name.as_str()).collect();
        let names = names.join("\n");
        let (before, _) = self.shared.read().unwrap_or_default();
        // Of the VMs that take a configuration up, one is the first.
        if before != names.as_bytes() {
            self.shared.write(names.as_bytes());
            let before = String::from_utf8(before).unwrap_or_default();
            before.lines().for_each(|name| gauge(name, 0));
        }
        for (name, weight) in &self.weights {
            gauge(name, *weight);
        }
    }
}

fn labels(chain: &str, rule: &str, backend: &str) -> String {
    format!("l4_chain=.={chain};.;l4_rule=.={rule};.;l4_backend=.={backend};.;")
}

/// The revision's hexadecimal digits as the number they are: a label would leave a metric behind with
/// each update. Twelve digits, which `compile` writes, are exact in Prometheus' doubles.
fn number(revision: &str) -> Option<u64> {
    u64::from_str_radix(revision, 16).ok()
}

fn gauge(name: &str, value: u64) {
    if let Some(id) = metric(MetricType::Gauge, name) {
        let _ = hostcalls::record_metric(id, value);
    }
}

/// The id of a metric. A VM outlives configurations, and each definition of one metric takes up an
/// entry of its own in Envoy, so those of this VM are kept.
fn metric(kind: MetricType, name: &str) -> Option<u32> {
    thread_local! {
        /// Sorted by name.
        static IDS: RefCell<Vec<(String, u32)>> = const { RefCell::new(Vec::new()) };
    }
    IDS.with(|ids| {
        let mut ids = ids.try_borrow_mut().ok()?;
        match ids.binary_search_by(|(known, _)| known.as_str().cmp(name)) {
            Ok(place) => ids.get(place).map(|(_, id)| *id),
            Err(place) => {
                let id = host::define_metric(kind, name)?;
                ids.insert(place, (name.to_string(), id));
                Some(id)
            }
        }
    })
}
