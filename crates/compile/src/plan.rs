//! What each waypoint has to do, in the words of the Gateway API.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::fmt;
use std::num::NonZeroU16;

use waypoint_l4_config::Weight;

use crate::Objects;
use crate::backend::backends;
use crate::cluster::{ClusterDomain, inbound_vip};
use crate::note::{Note, Notes, Remark};
use crate::object::{ObjectId, ObjectName};
use crate::parent::{Frontend, frontends};
use crate::protocol::Protocol;
use crate::route::Route;

#[derive(Clone, Debug)]
pub struct Plan {
    /// By Gateway; one without listeners is served too, and leaves all connections alone.
    pub waypoints: BTreeMap<ObjectName, Vec<Listener>>,
    pub notes: Vec<Note>,
}

/// A Service port whose connections are routed.
#[derive(Clone, Debug)]
pub struct Listener {
    pub service: ObjectName,
    pub port: NonZeroU16,
    /// The filter chain that gets its connections.
    pub chain: String,
    /// In order: the first that matches decides.
    pub rules: Vec<Rule>,
}

/// The rule of a route. It matches every connection: the routes that are honoured are producer
/// routes, which hold for clients of any namespace.
#[derive(Clone, Debug)]
pub struct Rule {
    pub route: ObjectName,
    pub backends: Vec<Backend>,
}

#[derive(Clone, Debug)]
pub struct Backend {
    pub name: String,
    pub target: Target,
    pub weight: Weight,
}

#[derive(Clone, Debug)]
pub enum Target {
    Cluster(String),
    Refuse(Refusal),
}

/// Why a backend is invalid: a condition reason of the Gateway API. It keeps its share of the
/// connections, and they are refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    BackendNotFound,
    InvalidKind,
    UnsupportedProtocol,
    UnsupportedValue,
}

impl Refusal {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BackendNotFound => "BackendNotFound",
            Self::InvalidKind => "InvalidKind",
            Self::UnsupportedProtocol => "UnsupportedProtocol",
            Self::UnsupportedValue => "UnsupportedValue",
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Plan {
    pub fn new(objects: &Objects, domain: &ClusterDomain) -> Self {
        let mut notes = objects.notes.clone();
        let mut waypoints = waypoints(objects, &mut notes);
        for (frontend, route) in winners(objects, &mut notes) {
            let Frontend {
                waypoint,
                service,
                port,
            } = frontend;
            if !objects.gateways.contains_key(&waypoint) {
                let id = ObjectId::new("Gateway", &waypoint);
                notes.add(Some(id), Remark::AssumedWaypoint);
            }
            // Rules of a TCPRoute have no matches, so the first takes every connection.
            let rules = route.rules.first().map(|rule| Rule {
                route: route.name.clone(),
                backends: backends(route, rule, &waypoint, objects, domain, &mut notes),
            });
            let listener = Listener {
                chain: inbound_vip(&service, port, Protocol::Tcp, domain),
                service,
                port,
                rules: rules.into_iter().collect(),
            };
            waypoints.entry(waypoint).or_default().push(listener);
        }
        if waypoints.is_empty() {
            notes.add(None, Remark::NoWaypoints);
        }
        Self {
            waypoints,
            notes: notes.sorted(),
        }
    }
}

/// Every waypoint gets a plugin, also without routes: the first one that is installed, and the one
/// that is left when the last route goes.
fn waypoints(objects: &Objects, notes: &mut Notes) -> BTreeMap<ObjectName, Vec<Listener>> {
    let mut waypoints = BTreeMap::new();
    for gateway in objects.gateways.values().filter(|g| g.is_waypoint()) {
        match gateway.other_traffic() {
            Some(traffic) => {
                let id = ObjectId::new("Gateway", &gateway.name);
                let traffic = traffic.to_owned();
                notes.add(Some(id), Remark::NotForServices { traffic });
            }
            None => {
                waypoints.insert(gateway.name.clone(), Vec::new());
            }
        }
    }
    waypoints
}

/// The one route that gets the connections of each port.
fn winners<'o>(objects: &'o Objects, notes: &mut Notes) -> BTreeMap<Frontend, &'o Route> {
    let mut routes: Vec<_> = objects.routes.values().collect();
    routes.sort_by(|a, b| a.precedence().cmp(&b.precedence()));
    let mut winners = BTreeMap::<Frontend, &Route>::new();
    for route in routes {
        let id = ObjectId::new("TCPRoute", &route.name);
        let frontends = frontends(route, objects, notes);
        let mut note = |remark| notes.add(Some(id.clone()), remark);
        if frontends.is_empty() {
            continue;
        }
        // Also true of a route that loses below: istiod does not know that it does.
        if !route.hidden_from_istiod {
            note(Remark::ReadByIstiod);
        }
        let further = route.rules.len().saturating_sub(1);
        if further > 0 {
            note(Remark::FurtherRules { count: further });
        }
        for frontend in frontends {
            match winners.entry(frontend) {
                Entry::Vacant(free) => {
                    free.insert(route);
                }
                // Two parentRefs of one route may mean the same port.
                Entry::Occupied(taken) if taken.get().name == route.name => {}
                Entry::Occupied(taken) => note(Remark::Outranked {
                    service: taken.key().service.clone(),
                    port: taken.key().port,
                    winner: taken.get().name.clone(),
                }),
            }
        }
    }
    winners
}
