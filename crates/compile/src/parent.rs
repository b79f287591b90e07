//! From the parentRefs of a route to the Service ports whose connections it gets.

use std::collections::BTreeSet;
use std::num::NonZeroU16;

use crate::Objects;
use crate::note::{Notes, Remark};
use crate::object::{ObjectId, ObjectName};
use crate::protocol::Protocol;
use crate::route::{ParentRef, Route};
use crate::service::{Addressing, Service, ServicePort};
use crate::waypoint::owner;

/// A port of a Service that a route asks for, with the waypoint that sees its connections.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Frontend {
    pub(crate) waypoint: ObjectName,
    pub(crate) service: ObjectName,
    pub(crate) port: NonZeroU16,
}

impl Frontend {
    /// Whether the route is for clients of its own namespace only, as a route for somebody else's
    /// Service is.
    pub(crate) fn is_consumed_by(&self, route: &Route) -> bool {
        self.service.namespace != route.name.namespace
    }

    /// Whether istiod looks at the route for this port: routes of third namespaces it passes over.
    pub(crate) fn is_read_by_istiod(&self, route: &Route) -> bool {
        [&self.service.namespace, &self.waypoint.namespace].contains(&&route.name.namespace)
    }
}

pub(crate) fn frontends(route: &Route, objects: &Objects, notes: &mut Notes) -> BTreeSet<Frontend> {
    let id = ObjectId::new("TCPRoute", &route.name);
    let mut note = |remark| notes.add(Some(id.clone()), remark);
    if route.uses_default_gateways {
        note(Remark::NotHonoured {
            path: Some(String::from("spec.useDefaultGateways")),
        });
    }
    if route.parents.is_empty() {
        note(Remark::NoParents);
    }
    let (services, others) = route
        .parents
        .iter()
        .partition::<Vec<_>, _>(|p| p.is_service());
    if !services.is_empty() && !others.is_empty() {
        note(Remark::MixedParents);
    }
    let mut frontends = BTreeSet::new();
    for (index, parent) in route.parents.iter().enumerate() {
        let path = format!("spec.parentRefs[{index}]");
        match service_ports(&path, parent, objects) {
            Ok(Served {
                waypoint,
                service,
                ports,
            }) => {
                for port in ports {
                    let (service, port, protocol) = (&service.name, port.number, port.protocol);
                    match protocol {
                        Protocol::Http => {
                            let service = service.clone();
                            note(Remark::HttpPort { service, port });
                            continue;
                        }
                        Protocol::Detected => {
                            let service = service.clone();
                            note(Remark::DetectedPort { service, port });
                        }
                        Protocol::Tcp | Protocol::Tls | Protocol::NotTcp => {}
                    }
                    let sni = &route.annotations.matches.sni;
                    if !sni.is_empty() && protocol != Protocol::Tls {
                        let service = service.clone();
                        note(Remark::NoServerName { service, port });
                    }
                    // Two parentRefs may mean the same port.
                    frontends.insert(Frontend {
                        waypoint: waypoint.clone(),
                        service: service.clone(),
                        port,
                    });
                }
            }
            Err(remark) => note(*remark),
        }
    }
    frontends
}

struct Served<'o> {
    waypoint: ObjectName,
    service: &'o Service,
    /// Those that the parentRef means, without UDP and SCTP.
    ports: Vec<&'o ServicePort>,
}

fn service_ports<'o>(
    path: &str,
    parent: &ParentRef,
    objects: &'o Objects,
) -> Result<Served<'o>, Box<Remark>> {
    let path = path.to_owned();
    if !parent.is_service() {
        return Err(Box::new(Remark::ForeignParent {
            path,
            parent: ObjectId::new(&parent.kind, &parent.name),
        }));
    }
    let no_matching_parent = |path| {
        Box::new(Remark::NoMatchingParent {
            path,
            service: parent.name.clone(),
            port: parent.port,
            section: parent.section.clone(),
        })
    };
    let Some(service) = objects.services.get(&parent.name) else {
        return Err(no_matching_parent(path));
    };
    if service.addressing != Addressing::VirtualIp {
        return Err(Box::new(Remark::UnsupportedParent {
            path,
            service: parent.name.clone(),
            addressing: service.addressing,
        }));
    }
    let meant = |port: &&ServicePort| {
        parent.port.is_none_or(|number| number == port.number)
            && (parent.section.is_none() || parent.section == port.name)
    };
    let mut ports: Vec<_> = service.ports.iter().filter(meant).collect();
    if ports.is_empty() {
        return Err(no_matching_parent(path));
    }
    ports.retain(|port| port.protocol != Protocol::NotTcp);
    if ports.is_empty() {
        return Err(Box::new(Remark::NoTcpPort {
            path,
            service: parent.name.clone(),
        }));
    }
    match owner(service, objects) {
        Ok(waypoint) => Ok(Served {
            waypoint,
            service,
            ports,
        }),
        Err(cause) => Err(Box::new(Remark::NoWaypoint {
            path,
            service: parent.name.clone(),
            cause,
        })),
    }
}
