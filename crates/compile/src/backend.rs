//! From the backendRefs of a rule to clusters, or to refusals where a backend is invalid.

use crate::Objects;
use crate::cluster::{ClusterDomain, inbound_vip};
use crate::note::{Notes, Remark};
use crate::object::{ObjectId, ObjectName};
use crate::plan::{Backend, Refusal, Target};
use crate::protocol::Protocol;
use crate::route::{BackendRef, Route, RouteRule};
use crate::service::Addressing;
use crate::waypoint::owner;

/// The backends of a rule, seen from a waypoint.
pub(crate) fn backends(
    route: &Route,
    rule: &RouteRule,
    waypoint: &ObjectName,
    objects: &Objects,
    domain: &ClusterDomain,
    notes: &mut Notes,
) -> Vec<Backend> {
    let id = ObjectId::new("TCPRoute", &route.name);
    let mut note = |remark| notes.add(Some(id.clone()), remark);
    if rule
        .backends
        .iter()
        .all(|backend| backend.weight.value() == 0)
    {
        note(Remark::NoShare);
    }
    let names = names(&rule.backends);
    let mut backends = Vec::new();
    for (index, (backend, name)) in rule.backends.iter().zip(names).enumerate() {
        let path = format!("spec.rules[0].backendRefs[{index}]");
        let target = match resolve(backend, waypoint, objects, domain) {
            Ok(cluster) => Target::Cluster(cluster),
            Err((reason, cause)) => {
                note(Remark::InvalidBackend {
                    path,
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
    backends
}

/// The cluster of a backend, or why its connections are refused.
fn resolve(
    backend: &BackendRef,
    waypoint: &ObjectName,
    objects: &Objects,
    domain: &ClusterDomain,
) -> Result<String, (Refusal, String)> {
    let BackendRef {
        group, kind, name, ..
    } = backend;
    let (true, "Service", Some(number)) = (group.is_empty(), kind.as_str(), backend.port) else {
        let separator = if group.is_empty() { "" } else { "/" };
        let hint = match kind.as_str() {
            "Service" => " (group: \"\" expected)",
            _ => "",
        };
        let cause = format!("{group}{separator}{kind} {name} is not a core Service{hint}");
        return Err((Refusal::InvalidKind, cause));
    };
    let Some(service) = objects.services.get(name) else {
        let cause = format!("Service {name} is not among the manifests");
        return Err((Refusal::BackendNotFound, cause));
    };
    // The reference resolves and its kind is right, so none of the reasons of ResolvedRefs is true
    // of it; what is wrong is the Service's type, a value that is not supported. Envoy would send
    // connections for a headless Service back to the parent's own IP.
    if service.addressing != Addressing::VirtualIp {
        let cause = format!("Service {name} is {}", service.addressing);
        return Err((Refusal::UnsupportedValue, cause));
    }
    let mut ports = service.ports.iter().filter(|port| port.number == number);
    // A number can be there twice, for TCP and for UDP.
    let port = match ports.clone().find(|port| port.protocol != Protocol::NotTcp) {
        Some(port) => port,
        None if ports.next().is_some() => {
            let cause = format!("port {number} of Service {name} is not TCP");
            return Err((Refusal::UnsupportedProtocol, cause));
        }
        None => {
            let cause = format!("Service {name} has no port {number}");
            return Err((Refusal::BackendNotFound, cause));
        }
    };
    // A waypoint has clusters for the Services that it serves. To name one that is not there refuses
    // the connection too, but along with every other that waits to be established just then.
    match owner(service, objects) {
        Ok(owner) if owner == *waypoint => Ok(inbound_vip(name, number, port.protocol, domain)),
        Ok(_) | Err(_) => {
            let cause = format!("waypoint {waypoint} does not serve Service {name}");
            Err((Refusal::UnsupportedValue, cause))
        }
    }
}

/// The names that people see: the Service's, with as much more as it takes to tell the backends of
/// a rule apart. No two of a rule are equal.
///
/// `sticky` knows a backend by its name: another name for the same backend moves its clients, so how
/// names are made must not change.
fn names(backends: &[BackendRef]) -> Vec<String> {
    let name = |backend: &BackendRef| backend.name.name.clone();
    let port = |backend: &BackendRef| {
        backend
            .port
            .map_or_else(String::new, |port| format!(":{port}"))
    };
    let with_port = |backend: &BackendRef| format!("{}{}", name(backend), port(backend));
    let whole = |backend: &BackendRef| format!("{}{}", backend.name, port(backend));
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

    fn names_of(references: &[(&str, &str, u16)]) -> Vec<String> {
        let backends = references.iter().map(|(namespace, name, port)| BackendRef {
            group: String::new(),
            kind: String::from("Service"),
            name: ObjectName {
                namespace: (*namespace).to_owned(),
                name: (*name).to_owned(),
            },
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
