//! From the parents of a route to the Service ports whose connections it gets.

use std::num::NonZeroU16;

use crate::Objects;
use crate::hosts::Hosts;
use crate::note::Remark;
use crate::object::{ObjectId, ObjectName};
use crate::protocol::Protocol;
use crate::route::{HttpRoute, ParentRef, Parents, Route, RouteKind, RouteRule};
use crate::service::{Addressing, Service, ServicePort};
use crate::waypoint::owners;

/// A port of a Service that a route asks for, with the waypoint that sees its connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Frontend {
    pub(crate) waypoint: ObjectName,
    pub(crate) service: ObjectId,
    pub(crate) host: String,
    pub(crate) port: NonZeroU16,
    namespace: String,
}

impl Frontend {
    /// Whether the route is for clients of its own namespace only, as a route for somebody else's
    /// Service is. Istio takes a VirtualService of the waypoint's namespace to be for all.
    pub(crate) fn is_consumed_by(&self, route: &Route) -> bool {
        match route.kind {
            RouteKind::TlsRoute | RouteKind::TcpRoute => self.namespace != route.name.namespace,
            RouteKind::VirtualService => !self.is_read_by_istiod(route),
        }
    }

    /// Whether a namespace is the Service's own.
    pub(crate) fn is_owned_by(&self, namespace: &str) -> bool {
        self.namespace == namespace
    }

    /// Whether istiod looks at the route for this port: routes of third namespaces it passes over.
    pub(crate) fn is_read_by_istiod(&self, route: &Route) -> bool {
        [&self.namespace, &self.waypoint.namespace].contains(&&route.name.namespace)
    }
}

/// What came of one parent of a route.
pub(crate) struct Parent<'o> {
    /// As written; none for a host.
    pub(crate) reference: Option<&'o ParentRef>,
    pub(crate) outcome: Result<Found<'o>, NoParent>,
}

/// Ports of a Service, none if all of them are HTTP.
pub(crate) struct Found<'o> {
    pub(crate) frontends: Vec<FrontendPort<'o>>,
    pub(crate) remarks: Vec<Remark>,
}

pub(crate) struct FrontendPort<'o> {
    pub(crate) frontend: Frontend,
    pub(crate) service: &'o Service,
    pub(crate) protocol: Protocol,
}

/// Why a parent gives no connections.
pub(crate) struct NoParent {
    pub(crate) cause: Cause,
    pub(crate) remark: Box<Remark>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cause {
    /// It is not for this program to judge.
    NotOurs,
    NoMatchingParent,
    /// Its ports do not speak TCP.
    NotAllowed,
    Unsupported,
}

impl<'o> Parent<'o> {
    fn new(reference: Option<&'o ParentRef>, outcome: Result<Found<'o>, NoParent>) -> Self {
        Self { reference, outcome }
    }
}

fn no_parent<T>(cause: Cause, remark: Remark) -> Result<T, NoParent> {
    let remark = Box::new(remark);
    Err(NoParent { cause, remark })
}

/// The parents of a route, in their order; a host that means several Services counts as several.
pub(crate) fn parents<'o>(
    route: &'o Route,
    objects: &'o Objects,
    hosts: &Hosts<'o>,
) -> Vec<Parent<'o>> {
    match &route.parents {
        Parents::References(references) => {
            let references = references.iter().enumerate();
            let parents = references.map(|(index, reference)| {
                let path = format!("spec.parentRefs[{index}]");
                let outcome = referenced(&path, reference, objects, hosts);
                Parent::new(Some(reference), outcome)
            });
            parents.collect()
        }
        Parents::Hosts(named) => {
            let parents = named.iter().flat_map(|(path, host)| {
                let whole = hosts.whole(host, &route.name.namespace);
                let services = hosts.matching(&whole);
                if services.is_empty() {
                    let path = path.clone();
                    let remark = Remark::NoSuchHost { path, host: whole };
                    let outcome = no_parent(Cause::NoMatchingParent, remark);
                    return vec![Parent::new(None, outcome)];
                }
                let each = services.into_iter().map(|service| {
                    let selector = Selector {
                        rules: Some(&route.rules),
                        ..Selector::default()
                    };
                    let outcome = served(path, service, selector, objects, hosts);
                    Parent::new(None, outcome)
                });
                each.collect()
            });
            parents.collect()
        }
    }
}

/// The Service ports whose requests a route of HTTP asks for by name. One that names no port is for
/// those that speak HTTP.
pub(crate) fn http_frontends(
    route: &HttpRoute,
    objects: &Objects,
    hosts: &Hosts<'_>,
) -> Vec<Frontend> {
    let mut frontends = Vec::new();
    for parent in &route.parents {
        let Ok(Found {
            frontends: ports, ..
        }) = referenced("", parent, objects, hosts)
        else {
            continue;
        };
        let named = parent.port.is_some() || parent.section.is_some();
        let ports = ports.into_iter();
        let ports = ports.filter(|port| named || port.protocol == Protocol::Detected);
        frontends.extend(ports.map(|port| port.frontend));
    }
    frontends
}

/// Which ports of a Service are meant.
#[derive(Clone, Copy, Default)]
struct Selector<'a> {
    port: Option<NonZeroU16>,
    section: Option<&'a str>,
    /// Those whose conditions say it, where it is not the parent that does.
    rules: Option<&'a [RouteRule]>,
}

impl Selector<'_> {
    fn is_asked_for(self, port: &ServicePort) -> bool {
        let Some(rules) = self.rules else {
            return true;
        };
        let mut conditions = rules.iter().flat_map(|rule| &rule.conditions);
        conditions.any(|one| one.port.is_none_or(|asked| asked == port.number))
    }

    fn selects(self, port: &ServicePort) -> bool {
        self.port.is_none_or(|number| number == port.number)
            && (self.section.is_none() || self.section == port.name.as_deref())
    }
}

fn referenced<'o>(
    path: &str,
    reference: &ParentRef,
    objects: &'o Objects,
    hosts: &Hosts<'o>,
) -> Result<Found<'o>, NoParent> {
    let ParentRef { kind, name, .. } = reference;
    let id = ObjectId::new(kind, name);
    let services: Vec<_> = if reference.is_service() {
        objects.services.get(name).into_iter().collect()
    } else if reference.is_service_entry() {
        objects.entries.get(name).into_iter().flatten().collect()
    } else {
        let path = path.to_owned();
        return no_parent(Cause::NotOurs, Remark::ForeignParent { path, parent: id });
    };
    let selector = Selector {
        port: reference.port,
        section: reference.section.as_deref(),
        rules: None,
    };
    let mut found = None::<Found<'_>>;
    let mut failed = None;
    for service in services {
        match (served(path, service, selector, objects, hosts), &mut found) {
            (Ok(one), None) => found = Some(one),
            (Ok(one), Some(found)) => {
                found.frontends.extend(one.frontends);
                found.remarks.extend(one.remarks);
            }
            (Err(cause), _) => failed = Some(cause),
        }
    }
    match (found, failed) {
        (Some(mut found), failed) => {
            found.remarks.extend(failed.map(|failed| *failed.remark));
            Ok(found)
        }
        (None, Some(failed)) => Err(failed),
        (None, None) => no_parent(Cause::NoMatchingParent, no_such_port(path, &id, selector)),
    }
}

fn no_such_port(path: &str, service: &ObjectId, selector: Selector<'_>) -> Remark {
    Remark::NoMatchingParent {
        path: path.to_owned(),
        service: service.clone(),
        port: selector.port,
        section: selector.section.map(str::to_owned),
    }
}

/// The ports of a Service, seen from each of its waypoints.
fn served<'o>(
    path: &str,
    service: &'o Service,
    selector: Selector<'_>,
    objects: &Objects,
    hosts: &Hosts<'o>,
) -> Result<Found<'o>, NoParent> {
    let path = path.to_owned();
    let id = service.id.clone();
    if service.addressing != Addressing::VirtualIp {
        let addressing = service.addressing;
        let remark = Remark::UnsupportedParent {
            path,
            service: id,
            addressing,
        };
        return no_parent(Cause::Unsupported, remark);
    }
    let ports = service.ports.iter().filter(|port| selector.selects(port));
    let mut ports: Vec<_> = ports.collect();
    if ports.is_empty() {
        return no_parent(Cause::NoMatchingParent, no_such_port(&path, &id, selector));
    }
    ports.retain(|port| port.protocol != Protocol::NotTcp);
    if ports.is_empty() {
        let remark = Remark::NoTcpPort { path, service: id };
        return no_parent(Cause::NotAllowed, remark);
    }
    ports.retain(|port| selector.is_asked_for(port));
    let (main, canary) = owners(service, objects);
    let mut waypoints = match main {
        Ok(waypoint) => vec![waypoint],
        Err(cause) => {
            let remark = Remark::NoWaypoint {
                path,
                service: id,
                cause,
            };
            return no_parent(Cause::NotOurs, remark);
        }
    };
    let mut remarks = Vec::new();
    match canary {
        Some(Ok(canary)) if !waypoints.contains(&canary) => waypoints.push(canary),
        Some(Err(cause)) => remarks.push(Remark::NoCanary {
            service: id.clone(),
            cause,
        }),
        Some(Ok(_)) | None => {}
    }
    let mut frontends = Vec::new();
    for port in ports {
        let (number, protocol) = (port.number, port.protocol);
        match protocol {
            Protocol::Http => {
                remarks.push(Remark::HttpPort {
                    service: id.clone(),
                    port: number,
                });
                continue;
            }
            Protocol::Detected => remarks.push(Remark::DetectedPort {
                service: id.clone(),
                port: number,
            }),
            Protocol::Tcp | Protocol::Tls | Protocol::NotTcp => {}
        }
        for waypoint in &waypoints {
            let frontend = Frontend {
                waypoint: waypoint.clone(),
                service: id.clone(),
                host: hosts.of(service),
                port: number,
                namespace: service.name.namespace.clone(),
            };
            frontends.push(FrontendPort {
                frontend,
                service,
                protocol,
            });
        }
    }
    Ok(Found { frontends, remarks })
}
