//! What each waypoint has to do, in the words of the Gateway API.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU16;

use waypoint_l4_config::{Config, Match, Otherwise, Pick, StickyKey, Time, Weight};

use crate::anchor::{self, Anchor};
use crate::backend::{backends, resolve};
use crate::claim::Claim;
use crate::cluster::{ClusterDomain, inbound_vip};
use crate::concern::bears_on;
use crate::error::InvalidOutput;
use crate::hosts::Hosts;
use crate::note::{Note, Notes, Remark};
use crate::object::{ObjectId, ObjectName};
use crate::parent::Frontend;
use crate::protocol::Protocol;
use crate::route::{Route, RouteRule};
use crate::rules::routings;
use crate::status::{RouteStatus, statuses};
use crate::{Objects, output};

#[derive(Clone, Debug)]
pub struct Plan {
    /// By Gateway; one without listeners is served too, and leaves all connections alone.
    pub waypoints: BTreeMap<ObjectName, Vec<Listener>>,
    /// By Gateway: what is needed besides, for the backends that it does not serve.
    pub anchors: BTreeMap<ObjectName, Anchor>,
    /// Of the routes of the Gateway API.
    pub statuses: Vec<RouteStatus>,
    pub notes: Vec<Note>,
}

/// A Service port whose connections are routed.
#[derive(Clone, Debug)]
pub struct Listener {
    /// A Service or ServiceEntry.
    pub service: ObjectId,
    pub host: String,
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
        let hosts = Hosts::new(objects, domain);
        let routings = routings(objects, &hosts, &mut notes);
        let statuses = statuses(&routings, objects, &hosts);
        let mut wanted = anchor::Wanted::default();
        for (frontend, routing) in routings.ports {
            if !objects.gateways.contains_key(&frontend.waypoint) {
                let id = ObjectId::new("Gateway", &frontend.waypoint);
                notes.add(Some(id), Remark::AssumedWaypoint);
            }
            let mut rules = Vec::new();
            for Claim {
                route,
                rule,
                matches,
                ..
            } in routing.claims
            {
                let (backends, outside) =
                    backends(route, rule, &frontend, objects, &hosts, &mut notes);
                wanted.add(&frontend, outside);
                rules.push(Rule {
                    name: route.rule_name(rule),
                    origin: route.id.clone(),
                    matches,
                    pick: pick(route, rule, &frontend, objects, &hosts),
                    backends,
                });
            }
            let Frontend {
                waypoint,
                service,
                host,
                port,
                ..
            } = frontend;
            let listener = Listener {
                chain: inbound_vip(&host, port, Protocol::Tcp, None),
                service,
                host,
                port,
                otherwise: routing.otherwise,
                drain: routing.drain,
                rules,
            };
            waypoints.entry(waypoint).or_default().push(listener);
        }
        let anchors = wanted.anchors(objects, &hosts, &mut notes);
        if waypoints.is_empty() {
            notes.add(None, Remark::NoWaypoints);
        }
        let mut notes = notes.sorted();
        notes.retain(|note| bears_on(note, objects));
        Self {
            waypoints,
            anchors,
            statuses,
            notes,
        }
    }

    /// The plugin configuration of a waypoint; none if it is not one of the plan.
    pub fn config(
        &self,
        waypoint: &ObjectName,
        annotate: bool,
    ) -> Option<Result<Config, InvalidOutput>> {
        let listeners = self.waypoints.get(waypoint)?;
        Some(output::config(listeners, annotate))
    }
}

/// How a rule chooses: as the route's annotation says, else as a DestinationRule does, be it for the
/// host that the client asked for or, as Istio has it, for the first destination.
fn pick(
    route: &Route,
    rule: &RouteRule,
    frontend: &Frontend,
    objects: &Objects,
    hosts: &Hosts<'_>,
) -> Pick {
    if let Some(pick) = &route.annotations.pick {
        return pick.clone();
    }
    let parent = hosts.service(&frontend.host);
    let parent = parent.map(|service| (service, frontend.port));
    let first = rule.backends.first();
    let first = first.and_then(|first| resolve(first, Some(frontend), objects, hosts).ok());
    let first = first.map(|first| (first.service, first.port));
    let sticky = [parent, first]
        .into_iter()
        .flatten()
        .any(|(service, port)| {
            let rules = hosts.rules(service, Some(&frontend.waypoint));
            rules.iter().any(|rule| rule.is_sticky(port))
        });
    match sticky {
        true => Pick::Sticky {
            by: StickyKey::SourceAddress,
        },
        false => Pick::default(),
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
