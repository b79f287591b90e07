//! From the backends of a rule to clusters, or to refusals where a backend is invalid.

use std::num::NonZeroU16;

use crate::anchor::AnchorDestination;
use crate::cluster::{inbound_vip, outbound, service_of_host};
use crate::hosts::Hosts;
use crate::note::{Notes, Remark};
use crate::parent::Frontend;
use crate::plan::{Backend, Refusal, Target};
use crate::protocol::Protocol;
use crate::route::{BackendRef, ISTIO_NETWORKING, Reference, Route, RouteRule};
use crate::service::{Addressing, Service};
use crate::waypoint::is_owner;
use crate::{Objects, anchor};

/// The backends of a rule, seen from a waypoint.
pub(crate) fn backends(
    route: &Route,
    rule: &RouteRule,
    frontend: &Frontend,
    objects: &Objects,
    hosts: &Hosts<'_>,
    notes: &mut Notes,
) -> (Vec<Backend>, Vec<AnchorDestination>) {
    let mut note = |remark| notes.add(Some(route.id.clone()), remark);
    if rule
        .backends
        .iter()
        .all(|backend| backend.weight.value() == 0)
    {
        let path = rule.path.clone();
        note(Remark::NoShare { path });
    }
    let names = names(&rule.backends);
    let mut backends = Vec::new();
    let mut outside = Vec::new();
    for (index, (backend, name)) in rule.backends.iter().zip(names).enumerate() {
        let target = match resolve(backend, Some(frontend), objects, hosts) {
            Ok(destination) if is_owner(&frontend.waypoint, destination.service, objects) => {
                Target::Cluster(destination.inbound_vip())
            }
            Ok(destination) => {
                let waypoint = &frontend.waypoint;
                note(Remark::Anchored {
                    path: format!("{}[{index}]", rule.backends_path),
                    service: destination.service.id.clone(),
                    waypoint: waypoint.clone(),
                    anchor: anchor::name(waypoint),
                });
                let cluster = destination.outbound();
                // Also at weight 0: when that is raised, the cluster is to be there already.
                outside.push(AnchorDestination {
                    host: destination.host,
                    port: destination.port,
                    subset: destination.subset.map(str::to_owned),
                });
                Target::Cluster(cluster)
            }
            Err((reason, cause)) => {
                note(Remark::InvalidBackend {
                    path: format!("{}[{index}]", rule.backends_path),
                    reason,
                    cause,
                });
                Target::Refuse(reason)
            }
        };
        backends.push(Backend {
            name,
            target,
            weight: backend.weight,
        });
    }
    (backends, outside)
}

/// Where the connections of a backend go.
pub(crate) struct Destination<'o> {
    pub(crate) service: &'o Service,
    host: String,
    pub(crate) port: NonZeroU16,
    protocol: Protocol,
    subset: Option<&'o str>,
}

impl Destination<'_> {
    fn inbound_vip(&self) -> String {
        inbound_vip(&self.host, self.port, self.protocol, self.subset)
    }

    fn outbound(&self) -> String {
        outbound(&self.host, self.port, self.subset)
    }
}

/// What a backend means, or why its connections are refused.
pub(crate) fn resolve<'o>(
    backend: &'o BackendRef,
    frontend: Option<&Frontend>,
    objects: &'o Objects,
    hosts: &Hosts<'o>,
) -> Result<Destination<'o>, (Refusal, String)> {
    let service = service(&backend.target, objects, hosts)?;
    let id = &service.id;
    // The reference resolves and its kind is right, so none of the reasons of ResolvedRefs is true
    // of it; what is wrong is the Service's type, a value that is not supported. Envoy would send
    // connections for a headless Service back to the parent's own IP.
    if service.addressing != Addressing::VirtualIp {
        let cause = format!("{id} is {}", service.addressing);
        return Err((Refusal::UnsupportedValue, cause));
    }
    // A VirtualService need not say it.
    let number = match (backend.port, service.ports.as_slice(), frontend) {
        (Some(number), ..) => number,
        (None, [only], _) => only.number,
        (None, _, Some(frontend)) => frontend.port,
        (None, _, None) => {
            let cause = format!("{id} has several ports: name one");
            return Err((Refusal::BackendNotFound, cause));
        }
    };
    let mut ports = service.ports.iter().filter(|port| port.number == number);
    // A number can be there twice, for TCP and for UDP.
    let port = match ports.clone().find(|port| port.protocol != Protocol::NotTcp) {
        Some(port) => port,
        None if ports.next().is_some() => {
            let cause = format!("port {number} of {id} is not TCP");
            return Err((Refusal::UnsupportedProtocol, cause));
        }
        None => {
            let cause = format!("{id} has no port {number}");
            return Err((Refusal::BackendNotFound, cause));
        }
    };
    if let Some(subset) = &backend.subset {
        let waypoint = frontend.map(|frontend| &frontend.waypoint);
        let rules = hosts.rules(service, waypoint);
        if !rules.iter().any(|rule| rule.subsets.contains(subset)) {
            let cause =
                format!("no DestinationRule for {id} that the waypoint sees has a subset {subset}");
            return Err((Refusal::BackendNotFound, cause));
        }
    }
    Ok(Destination {
        service,
        host: hosts.of(service),
        port: number,
        protocol: port.protocol,
        subset: backend.subset.as_deref(),
    })
}

fn service<'o>(
    target: &Reference,
    objects: &'o Objects,
    hosts: &Hosts<'o>,
) -> Result<&'o Service, (Refusal, String)> {
    let absent = |what: String| {
        let cause = format!("{what} is not among the manifests");
        (Refusal::BackendNotFound, cause)
    };
    match target {
        Reference::Host { host, namespace } => {
            let host = match namespace {
                Some(namespace) => hosts.whole(host, namespace),
                None => host.clone(),
            };
            hosts
                .service(&host)
                .ok_or_else(|| absent(format!("a Service or ServiceEntry of host {host}")))
        }
        Reference::Object { group, kind, name } => match (group.as_str(), kind.as_str()) {
            ("", "Service") => {
                let service = objects.services.get(name);
                service.ok_or_else(|| absent(format!("Service {name}")))
            }
            (ISTIO_NETWORKING, "ServiceEntry") => {
                match objects.entries.get(name).map(Vec::as_slice) {
                    Some([only]) => Ok(only),
                    Some(_) => {
                        let cause = format!(
                            "ServiceEntry {name} has several hosts: name one, as a backend of kind Hostname"
                        );
                        Err((Refusal::UnsupportedValue, cause))
                    }
                    None => Err(absent(format!("ServiceEntry {name}"))),
                }
            }
            (group, kind) => {
                let separator = if group.is_empty() { "" } else { "/" };
                let cause = match kind {
                    "Hostname" if group == ISTIO_NETWORKING => {
                        format!("Hostname {} takes no namespace", name.name)
                    }
                    "Service" => {
                        format!("{group}/Service {name} is not a core Service: set group: \"\"")
                    }
                    _ => format!(
                        "{group}{separator}{kind} {name} is none of Service, ServiceEntry and Hostname"
                    ),
                };
                Err((Refusal::InvalidKind, cause))
            }
        },
    }
}

/// The names that people see: the Service's, with as much more as it takes to tell the backends of
/// a rule apart. No two of a rule are equal.
///
/// `sticky` knows a backend by its name: another name for the same backend moves its clients, so how
/// names are made must not change.
fn names(backends: &[BackendRef]) -> Vec<String> {
    let subset = |backend: &BackendRef| {
        let subset = backend.subset.as_ref();
        subset.map_or_else(String::new, |subset| format!("/{subset}"))
    };
    let port = |backend: &BackendRef| {
        backend
            .port
            .map_or_else(String::new, |port| format!(":{port}"))
    };
    let name = |backend: &BackendRef| {
        let name = match &backend.target {
            Reference::Object { name, .. } => name.name.clone(),
            Reference::Host { host, namespace } => service_of_host(host, namespace.as_deref())
                .map_or_else(|| host.clone(), |service| service.name),
        };
        format!("{name}{}", subset(backend))
    };
    let with_port = |backend: &BackendRef| format!("{}{}", name(backend), port(backend));
    let whole = |backend: &BackendRef| {
        let name = match &backend.target {
            Reference::Object { name, .. } => name.to_string(),
            Reference::Host { host, namespace } => service_of_host(host, namespace.as_deref())
                .map_or_else(|| host.clone(), |service| service.to_string()),
        };
        format!("{name}{}{}", subset(backend), port(backend))
    };
    let forms: [&dyn Fn(&BackendRef) -> String; 3] = [&name, &with_port, &whole];
    let unique = |form: &dyn Fn(&BackendRef) -> String, of: &BackendRef| {
        backends
            .iter()
            .filter(|other| form(other) == form(of))
            .count()
            == 1
    };
    let named = (1..).zip(backends).map(|(number, backend)| {
        match forms.iter().find(|form| unique(form, backend)) {
            Some(form) => form(backend),
            // The very same backend twice, which the Gateway API does not forbid.
            None => format!("{}#{number}", whole(backend)),
        }
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use waypoint_l4_config::Weight;

    use super::*;
    use crate::object::ObjectName;

    fn names_of(references: &[(&str, &str, u16)]) -> Vec<String> {
        let backends = references.iter().map(|(namespace, name, port)| BackendRef {
            target: Reference::Object {
                group: String::new(),
                kind: String::from("Service"),
                name: ObjectName {
                    namespace: (*namespace).to_owned(),
                    name: (*name).to_owned(),
                },
            },
            subset: None,
            port: NonZeroU16::new(*port),
            weight: Weight::default(),
        });
        names(&backends.collect::<Vec<_>>())
    }

    #[test]
    fn a_name_is_as_short_as_it_can_be() {
        assert_eq!(
            names_of(&[("demo", "v1", 1), ("demo", "v2", 1)]),
            ["v1", "v2"]
        );
        assert_eq!(
            names_of(&[("demo", "v1", 1), ("demo", "v1", 2), ("demo", "v2", 1)]),
            ["v1:1", "v1:2", "v2"]
        );
        assert_eq!(
            names_of(&[("demo", "v1", 1), ("shop", "v1", 1)]),
            ["demo/v1:1", "shop/v1:1"]
        );
        assert_eq!(
            names_of(&[("demo", "v1", 1), ("demo", "v1", 1)]),
            ["demo/v1:1#1", "demo/v1:1#2"]
        );
    }
}
