//! What each waypoint has to do, in the words of the Gateway API.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;

use waypoint_l4_config::{Config, Match, Otherwise, Pick, Time, Weight};

use crate::backend::backends;
use crate::cluster::{ClusterDomain, inbound_vip};
use crate::error::InvalidOutput;
use crate::note::{Note, Notes, Remark};
use crate::object::{ObjectId, ObjectName};
use crate::parent::Frontend;
use crate::protocol::Protocol;
use crate::rules::{Claim, routings};
use crate::{Objects, plugin};

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
    /// What becomes of connections that no rule matches.
    pub otherwise: Otherwise,
    /// How long connections of a removed backend may go on; none for ever.
    pub drain: Option<Time>,
    /// In order: the first that matches decides.
    pub rules: Vec<Rule>,
}

/// The rule of a route.
#[derive(Clone, Debug)]
pub struct Rule {
    /// The route's own name in logs and metrics.
    pub name: String,
    /// The object it comes from.
    pub origin: ObjectId,
    pub matches: Match,
    pub pick: Pick,
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
        for (frontend, routing) in routings(objects, &mut notes) {
            let Frontend {
                waypoint,
                service,
                port,
            } = frontend;
            if !objects.gateways.contains_key(&waypoint) {
                let id = ObjectId::new("Gateway", &waypoint);
                notes.add(Some(id), Remark::AssumedWaypoint);
            }
            let rules = routing
                .claims
                .into_iter()
                .filter_map(|Claim { route, matches }| {
                    // Rules of a TCPRoute have no matches, so the first takes what the route gets.
                    let rule = route.rules.first()?;
                    Some(Rule {
                        name: route.name.to_string(),
                        origin: ObjectId::new("TCPRoute", &route.name),
                        matches,
                        pick: route.annotations.pick.clone(),
                        backends: backends(route, rule, &waypoint, objects, domain, &mut notes),
                    })
                });
            let rules = rules.collect();
            let listener = Listener {
                chain: inbound_vip(&service, port, Protocol::Tcp, domain),
                service,
                port,
                otherwise: routing.otherwise,
                drain: routing.drain,
                rules,
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

    /// The plugin configuration of a waypoint; none if it is not one of the plan.
    pub fn config(
        &self,
        waypoint: &ObjectName,
        annotate: bool,
    ) -> Option<Result<Config, InvalidOutput>> {
        let listeners = self.waypoints.get(waypoint)?;
        Some(plugin::config(listeners, annotate))
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
