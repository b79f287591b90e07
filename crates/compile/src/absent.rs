//! What must be among the manifests besides a route: without it the route would be left out, and the
//! empty plugin that remains would replace the good one of an earlier run.

use std::collections::BTreeSet;

use crate::cluster::service_of_host;
use crate::error::Fault;
use crate::object::{ObjectId, ObjectName};
use crate::route::{BackendRef, Parents, Reference};
use crate::service::{Addressing, Service};
use crate::waypoint::{NoWaypoint, USE_WAYPOINT, owner};
use crate::{Objects, Route};

/// What is absent, with the object that asks for it. `seen` tells of an object that is there but
/// wrong, which is reported as such.
pub(crate) fn absences(
    objects: &Objects,
    seen: impl Fn(&ObjectId) -> bool,
) -> Vec<(ObjectId, Fault)> {
    let mut absences = Vec::new();
    let mut labelled = BTreeSet::new();
    for route in objects.routes.values() {
        let mut served = false;
        for (path, parent) in parents(route, objects) {
            let service = match parent {
                Ok(service) => service,
                Err(parent) => {
                    if !seen(&parent) {
                        let fault = Fault::NoParentService { path, parent };
                        absences.push((route.id.clone(), fault));
                    }
                    continue;
                }
            };
            // The others have no waypoint anyhow.
            if service.addressing != Addressing::VirtualIp {
                continue;
            }
            match owner(service, objects) {
                Err(NoWaypoint::NamespaceUnknown(namespace))
                    if !seen(&ObjectId::namespace(&namespace)) =>
                {
                    let service = service.id.clone();
                    let fault = Fault::NoNamespace {
                        path,
                        namespace,
                        service,
                    };
                    absences.push((route.id.clone(), fault));
                }
                // The mistake is in the label, which many routes may depend on.
                Err(NoWaypoint::GatewayUnknown { gateway, others })
                    if !seen(&ObjectId::new("Gateway", &gateway))
                        && labelled.insert(labelled_object(service)) =>
                {
                    let fault = Fault::NoGateway {
                        path: format!("metadata.labels[{USE_WAYPOINT}]"),
                        gateway,
                        others,
                    };
                    absences.push((labelled_object(service), fault));
                }
                outcome => served |= outcome.is_ok(),
            }
        }
        if !served {
            continue;
        }
        let mut told = BTreeSet::new();
        for (path, service) in backend_services(route, objects) {
            // Whether the waypoint serves it decides which cluster it has.
            if let Err(NoWaypoint::NamespaceUnknown(namespace)) = owner(service, objects)
                && !seen(&ObjectId::namespace(&namespace))
                && told.insert(namespace.clone())
            {
                let service = service.id.clone();
                let fault = Fault::NoNamespace {
                    path,
                    namespace,
                    service,
                };
                absences.push((route.id.clone(), fault));
            }
        }
    }
    absences
}

/// Each parent that must be there, or which object that is, with its path.
fn parents<'o>(
    route: &'o Route,
    objects: &'o Objects,
) -> Vec<(String, Result<&'o Service, ObjectId>)> {
    let mut found = Vec::new();
    match &route.parents {
        Parents::References(parents) => {
            for (index, parent) in parents.iter().enumerate() {
                let path = format!("spec.parentRefs[{index}]");
                let name = &parent.name;
                if parent.is_service() {
                    let service = objects.services.get(name);
                    let service = service.ok_or_else(|| ObjectId::new("Service", name));
                    found.push((path, service));
                } else if parent.is_service_entry() {
                    match objects.entries.get(name) {
                        None => found.push((path, Err(ObjectId::new("ServiceEntry", name)))),
                        Some(hosts) => {
                            found.extend(hosts.iter().map(|host| (path.clone(), Ok(host))));
                        }
                    }
                }
            }
        }
        Parents::Hosts(hosts) => {
            for (path, host) in hosts {
                let Some(name) = service_of_host(host, Some(&route.name.namespace)) else {
                    continue;
                };
                match objects.services.get(&name) {
                    Some(service) => found.push((path.clone(), Ok(service))),
                    // Nothing keeps a VirtualService from outliving its Service, and of a whole
                    // cluster's one such is not to keep all others from being compiled.
                    None if has_services(&name.namespace, objects) => {}
                    None => found.push((path.clone(), Err(ObjectId::new("Service", &name)))),
                }
            }
        }
    }
    found
}

/// Whether there are Services of a namespace, so that there are probably all of them.
fn has_services(namespace: &str, objects: &Objects) -> bool {
    let mut services = objects.services.keys();
    services.any(|name| name.namespace == namespace)
}

/// The Services among the backends of the rules that have an effect.
fn backend_services<'a>(
    route: &'a Route,
    objects: &'a Objects,
) -> impl Iterator<Item = (String, &'a Service)> {
    let backends = route.effective_rules().iter().flat_map(|rule| {
        let backends = rule.backends.iter().enumerate();
        backends.map(|(index, backend)| (format!("{}[{index}]", rule.backends_path), backend))
    });
    backends
        .filter_map(|(path, backend)| Some((path, objects.services.get(&service_name(backend)?)?)))
        .filter(|(_, service)| service.addressing == Addressing::VirtualIp)
}

/// The Service that a backend names, if it is one.
fn service_name(backend: &BackendRef) -> Option<ObjectName> {
    match &backend.target {
        Reference::Object { group, kind, name } => {
            (group.is_empty() && kind == "Service").then(|| name.clone())
        }
        Reference::Host { host, namespace } => service_of_host(host, namespace.as_deref()),
    }
}

/// The object whose label names the waypoint of a Service.
fn labelled_object(service: &Service) -> ObjectId {
    match service.waypoints.main {
        Some(_) => service.id.clone(),
        None => ObjectId::namespace(&service.name.namespace),
    }
}
