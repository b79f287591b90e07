//! Which Service a host name means, and which DestinationRule is for it.

use std::collections::BTreeMap;

use crate::cluster::ClusterDomain;
use crate::destination_rule::DestinationRule;
use crate::object::ObjectName;
use crate::{Objects, Service};

/// The hosts of all Services and ServiceEntries.
pub(crate) struct Hosts<'o> {
    services: BTreeMap<String, &'o Service>,
    /// By their hosts, whole.
    rules: BTreeMap<String, Vec<&'o DestinationRule>>,
    domain: &'o ClusterDomain,
}

/// Where Istio looks for what holds for a whole mesh.
const ROOT_NAMESPACE: &str = "istio-system";

impl<'o> Hosts<'o> {
    pub(crate) fn new(objects: &'o Objects, domain: &'o ClusterDomain) -> Self {
        let mut hosts = Self {
            services: BTreeMap::new(),
            rules: BTreeMap::new(),
            domain,
        };
        // A Service comes before a ServiceEntry of its host, and the first of those before others.
        let entries = objects.entries.values().flatten();
        for service in objects.services.values().chain(entries) {
            let host = hosts.of(service);
            hosts.services.entry(host).or_insert(service);
        }
        for rule in objects.destination_rules.values() {
            let host = hosts.whole(&rule.host, &rule.name.namespace);
            hosts.rules.entry(host).or_default().push(rule);
        }
        hosts
    }

    /// The host of a Service.
    pub(crate) fn of(&self, service: &Service) -> String {
        let ObjectName { namespace, name } = &service.name;
        match &service.host {
            Some(host) => host.clone(),
            None => format!("{name}.{namespace}.svc.{}", self.domain),
        }
    }

    /// A host as Istio's objects name it: one without a dot is of the object's namespace.
    pub(crate) fn whole(&self, host: &str, namespace: &str) -> String {
        if host.contains('.') || host.starts_with('*') {
            host.to_owned()
        } else {
            format!("{host}.{namespace}.svc.{}", self.domain)
        }
    }

    pub(crate) fn service(&self, host: &str) -> Option<&'o Service> {
        self.services.get(host).copied()
    }

    /// The Services that a host means, which may be a pattern such as `*.demo.svc.cluster.local`.
    pub(crate) fn matching(&self, host: &str) -> Vec<&'o Service> {
        match host.strip_prefix('*') {
            None => self.service(host).into_iter().collect(),
            Some(suffix) => {
                let services = self.services.iter();
                let fitting = services.filter(|(host, _)| host.ends_with(suffix));
                fitting.map(|(_, service)| *service).collect()
            }
        }
    }

    /// The DestinationRules for a Service as a waypoint sees them: those of the waypoint's namespace,
    /// else those of the Service's, else those of the whole mesh; of each, those of the closest host.
    /// One that is not exported to the waypoint, or is for other workloads, it does not see.
    pub(crate) fn rules(
        &self,
        service: &Service,
        waypoint: Option<&ObjectName>,
    ) -> Vec<&'o DestinationRule> {
        let host = self.of(service);
        let own = waypoint.map(|waypoint| waypoint.namespace.as_str());
        let others = [service.name.namespace.as_str(), ROOT_NAMESPACE];
        for namespace in own.into_iter().chain(others) {
            for pattern in patterns(&host) {
                let rules = self.rules.get(&pattern).into_iter().flatten();
                let rules = rules.filter(|rule| {
                    rule.name.namespace == namespace
                        && waypoint.is_none_or(|waypoint| rule.is_for(waypoint))
                });
                let rules: Vec<_> = rules.copied().collect();
                if !rules.is_empty() {
                    return rules;
                }
            }
        }
        Vec::new()
    }
}

/// A host, and the patterns that it fits, the closest first.
fn patterns(host: &str) -> impl Iterator<Item = String> {
    let dots = host.match_indices('.');
    let suffixes = dots.filter_map(|(place, _)| host.get(place..));
    std::iter::once(host.to_owned())
        .chain(suffixes.map(|suffix| format!("*{suffix}")))
        .chain([String::from("*")])
}
