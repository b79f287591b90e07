//! Istio's DestinationRule: subsets of a host, and whether its clients are to stay where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use serde::Deserialize;

use crate::error::Fault;
use crate::object::{Object, ObjectName};

#[derive(Clone, Debug)]
pub(crate) struct DestinationRule {
    pub(crate) name: ObjectName,
    /// As written: short, whole, or a pattern.
    pub(crate) host: String,
    pub(crate) subsets: BTreeSet<String>,
    /// Namespaces whose proxies see it; none if all do.
    exported_to: Option<BTreeSet<String>>,
    /// The labels of the only workloads that it is for, if it is not for all.
    workloads: Option<BTreeMap<String, String>>,
    sticky: bool,
    sticky_by_port: BTreeMap<NonZeroU16, bool>,
}

/// What is read of the spec; the rest is about how Envoy treats the endpoints of a cluster, which
/// stays Istio's business.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DestinationRuleSpec {
    host: String,
    #[serde(default)]
    subsets: Vec<SubsetSpec>,
    traffic_policy: Option<TrafficPolicy>,
    #[serde(default)]
    export_to: Vec<String>,
    workload_selector: Option<WorkloadSelector>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WorkloadSelector {
    #[serde(default)]
    match_labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct SubsetSpec {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct TrafficPolicy {
    load_balancer: Option<LoadBalancer>,
    port_level_settings: Vec<PortPolicy>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PortPolicy {
    port: Option<PortSelector>,
    load_balancer: Option<LoadBalancer>,
}

#[derive(Deserialize)]
struct PortSelector {
    number: Option<u16>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct LoadBalancer {
    consistent_hash: Option<ConsistentHash>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ConsistentHash {
    use_source_ip: bool,
}

impl LoadBalancer {
    fn is_sticky(&self) -> bool {
        self.consistent_hash
            .as_ref()
            .is_some_and(|hash| hash.use_source_ip)
    }
}

const GATEWAY_NAME: &str = "gateway.networking.k8s.io/gateway-name";

impl DestinationRule {
    pub(crate) fn parse(
        name: ObjectName,
        mut object: Object<DestinationRuleSpec>,
    ) -> Result<Self, Vec<Fault>> {
        let spec = object.take_spec().map_err(|fault| vec![fault])?;
        let policy = spec.traffic_policy.unwrap_or_default();
        let by_port = policy.port_level_settings.iter().filter_map(|setting| {
            let port = NonZeroU16::new(setting.port.as_ref()?.number?)?;
            // A port with settings of its own has none of the others.
            let sticky = setting.load_balancer.as_ref();
            Some((port, sticky.is_some_and(LoadBalancer::is_sticky)))
        });
        let everywhere = spec.export_to.is_empty() || spec.export_to.iter().any(|to| to == "*");
        let exported_to = spec.export_to.into_iter().map(|to| match to.as_str() {
            "." => name.namespace.clone(),
            _ => to,
        });
        Ok(Self {
            exported_to: (!everywhere).then(|| exported_to.collect()),
            workloads: spec.workload_selector.map(|selector| selector.match_labels),
            name,
            host: spec.host,
            subsets: spec.subsets.into_iter().map(|subset| subset.name).collect(),
            sticky: policy.load_balancer.is_some_and(|lb| lb.is_sticky()),
            sticky_by_port: by_port.collect(),
        })
    }

    /// Whether a waypoint sees it.
    pub(crate) fn is_for(&self, waypoint: &ObjectName) -> bool {
        let exported = self.exported_to.as_ref();
        let exported = exported.is_none_or(|to| to.contains(&waypoint.namespace));
        // Of the labels of its pods one is known.
        let is_its_own =
            |(key, value): (&String, &String)| key == GATEWAY_NAME && *value == waypoint.name;
        let selected = self.workloads.as_ref().is_none_or(|labels| {
            waypoint.namespace == self.name.namespace && labels.iter().all(is_its_own)
        });
        exported && selected
    }

    /// Whether a client is to come to the same place each time, told by its address.
    pub(crate) fn is_sticky(&self, port: NonZeroU16) -> bool {
        let own = self.sticky_by_port.get(&port);
        own.copied().unwrap_or(self.sticky)
    }
}
