//! Which Service a host name means, and which DestinationRule is for it.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use crate::cluster::{ClusterDomain, inbound_vip};
use crate::destination_rule::DestinationRule;
use crate::object::{ObjectId, ObjectName};
use crate::protocol::Protocol;
use crate::service::{Addressing, ServicePort};
use crate::waypoint::{NoWaypoint, owners};
use crate::{Objects, Service};

/// What clients can connect to.
#[derive(Clone, Debug)]
pub struct Host {
    /// Whole: `tcp-echo.demo.svc.cluster.local`. That of a ServiceEntry may be a pattern.
    pub name: String,
    /// The Service or ServiceEntry.
    pub object: ObjectId,
    pub addressing: Addressing,
    pub ports: Vec<HostPort>,
    /// Those that serve it, never none: the canary behind the one that its label names.
    pub waypoints: Result<Vec<ObjectName>, NoWaypoint>,
}

#[derive(Clone, Debug)]
pub struct HostPort {
    pub number: NonZeroU16,
    pub protocol: Protocol,
    /// The filter chain of its connections, in a waypoint that serves the host.
    pub chain: String,
}

impl Objects {
    /// The hosts of all Services, and then of all ServiceEntries, of which some may be the same.
    pub fn hosts(&self, domain: &ClusterDomain) -> Vec<Host> {
        let hosts = Hosts::new(self, domain);
        let entries = self.entries.values().flatten();
        let all = self.services.values().chain(entries);
        let all = all.map(|service| {
            let name = hosts.of(service);
            let port = |port: &ServicePort| HostPort {
                number: port.number,
                protocol: port.protocol,
                chain: inbound_vip(&name, port.number, port.protocol, None),
            };
            let (main, canary) = owners(service, self);
            Host {
                object: service.id.clone(),
                addressing: service.addressing,
                ports: service.ports.iter().map(port).collect(),
                waypoints: main.map(|main| {
                    let canary = canary.and_then(Result::ok);
                    let canary = canary.filter(|canary| *canary != main);
                    [main].into_iter().chain(canary).collect()
                }),
                name,
            }
        });
        all.collect()
    }
}

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
