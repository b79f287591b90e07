//! From the backends of a rule to clusters, or to refusals where a backend is invalid.

use std::collections::BTreeMap;
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
    let names = names(&rule.backends, route, frontend);
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

/// The names that people see. No two of a rule are equal.
///
/// `sticky` knows a backend by its name, and another name for the same backend moves its clients. So a
/// name is made of the backend alone, whatever others there are beside it: what goes without saying, the
/// route's own namespace and the port that the client has asked for, is left out.
fn names(backends: &[BackendRef], route: &Route, frontend: &Frontend) -> Vec<String> {
    let mut taken = BTreeMap::<String, u32>::new();
    let named = backends.iter().map(|backend| {
        let name = name(backend, &route.name.namespace, frontend.port);
        let times = taken.entry(name.clone()).or_default();
        *times = times.saturating_add(1);
        match *times {
            1 => name,
            // The very same backend once more, which the Gateway API does not forbid.
            times => format!("{name}#{times}"),
        }
    });
    named.collect()
}

fn name(backend: &BackendRef, own_namespace: &str, asked: NonZeroU16) -> String {
    let object = match &backend.target {
        Reference::Object { name, .. } => Ok(name.clone()),
        Reference::Host { host, namespace } => {
            service_of_host(host, namespace.as_deref()).ok_or_else(|| host.clone())
        }
    };
    let mut name = match object {
        Ok(object) if object.namespace == own_namespace => object.name,
        Ok(object) => object.to_string(),
        Err(host) => host,
    };
    if let Some(subset) = &backend.subset {
        name.push('/');
        name.push_str(subset);
    }
    match backend.port {
        Some(port) if port != asked => format!("{name}:{port}"),
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU16;

    use waypoint_l4_config::Weight;

    use super::*;
    use crate::object::ObjectName;

    fn name_of(namespace: &str, subset: Option<&str>, port: Option<u16>) -> String {
        let backend = BackendRef {
            target: Reference::Object {
                group: String::new(),
                kind: String::from("Service"),
                name: ObjectName {
                    namespace: namespace.to_owned(),
                    name: String::from("v1"),
                },
            },
            subset: subset.map(str::to_owned),
            port: port.and_then(NonZeroU16::new),
            weight: Weight::default(),
        };
        name(&backend, "demo", NonZeroU16::MIN)
    }

    #[test]
    fn a_name_leaves_out_what_goes_without_saying() {
        assert_eq!(name_of("demo", None, Some(1)), "v1");
        assert_eq!(name_of("demo", None, None), "v1");
        assert_eq!(name_of("demo", None, Some(2)), "v1:2");
        assert_eq!(name_of("shop", None, Some(1)), "shop/v1");
        assert_eq!(name_of("demo", Some("x"), Some(1)), "v1/x");
        assert_eq!(name_of("shop", Some("x"), Some(2)), "shop/v1/x:2");
    }
}
