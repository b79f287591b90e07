//! What must be among the manifests besides a route: without it the route would be left out, and the
//! empty plugin that remains would replace the good one of an earlier run.

use std::collections::BTreeSet;

use crate::error::Fault;
use crate::object::{ObjectId, ObjectName};
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
        let id = ObjectId::new("TCPRoute", &route.name);
        let mut served = false;
        for (path, name) in service_parents(route) {
            let Some(service) = objects.services.get(name) else {
                if !seen(&ObjectId::new("Service", name)) {
                    let service = name.clone();
                    let fault = Fault::NoParentService { path, service };
                    absences.push((id.clone(), fault));
                }
                continue;
            };
            // The others have no waypoint anyhow.
            if service.addressing != Addressing::VirtualIp {
                continue;
            }
            match owner(service, objects) {
                Err(NoWaypoint::NamespaceUnknown(namespace))
                    if !seen(&ObjectId::namespace(&namespace)) =>
                {
                    let service = name.clone();
                    let fault = Fault::NoNamespace {
                        path,
                        namespace,
                        service,
                    };
                    absences.push((id.clone(), fault));
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
            // Taken for one that the waypoint does not serve, all its connections would be refused.
            if let Err(NoWaypoint::NamespaceUnknown(namespace)) = owner(service, objects)
                && !seen(&ObjectId::namespace(&namespace))
                && told.insert(namespace.clone())
            {
                let service = service.name.clone();
                let fault = Fault::NoNamespace {
                    path,
                    namespace,
                    service,
                };
                absences.push((id.clone(), fault));
            }
        }
    }
    absences
}

fn service_parents(route: &Route) -> impl Iterator<Item = (String, &ObjectName)> {
    let parents = route.parents.iter().enumerate();
    parents
        .filter(|(_, parent)| parent.is_service())
        .map(|(index, parent)| (format!("spec.parentRefs[{index}]"), &parent.name))
}

/// The Services among the backends of the rule that has an effect.
fn backend_services<'a>(
    route: &'a Route,
    objects: &'a Objects,
) -> impl Iterator<Item = (String, &'a Service)> {
    let backends = route.rules.first().map(|rule| rule.backends.iter());
    backends
        .into_iter()
        .flatten()
        .enumerate()
        .filter(|(_, backend)| backend.group.is_empty() && backend.kind == "Service")
        .filter_map(|(index, backend)| {
            let path = format!("spec.rules[0].backendRefs[{index}]");
            Some((path, objects.services.get(&backend.name)?))
        })
        .filter(|(_, service)| service.addressing == Addressing::VirtualIp)
}

/// The object whose label names the waypoint of a Service.
fn labelled_object(service: &Service) -> ObjectId {
    match service.use_waypoint {
        Some(_) => ObjectId::new("Service", &service.name),
        None => ObjectId::namespace(&service.name.namespace),
    }
}
