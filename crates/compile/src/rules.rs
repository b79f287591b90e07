//! From all routes to the rules of each Service port: which there are, and in which order.
//!
//! Consumer routes come first: for clients of its namespace such a route wins over those of the
//! Service's. Of each, TLSRoutes come before TCPRoutes and both before VirtualServices. Among routes of
//! the Gateway API, rules with conditions come before those without, which would leave them nothing;
//! then server names go from the closest to the widest; then routes go by precedence. Among
//! VirtualServices, rules for TLS come before those for TCP, and then the objects go by precedence. What
//! an earlier rule takes whole is no rule.

use std::collections::{BTreeMap, BTreeSet};

use waypoint_l4_config::{Match, Otherwise, Time};

use crate::Objects;
use crate::annotation::{FAILOVER, path};
use crate::claim::{Claim, claims_of};
use crate::conditions::{covers, sni_overlap};
use crate::hosts::Hosts;
use crate::note::{Notes, Remark};
use crate::object::ObjectId;
use crate::parent::{Frontend, FrontendPort, Parent, http_frontends, parents};
use crate::port_wide::{drain, otherwise};
use crate::route::{HttpRoute, Parents, Route, RouteKind};

/// All that is asked for.
pub(crate) struct Routings<'o> {
    pub(crate) ports: BTreeMap<Frontend, Routing<'o>>,
    /// What came of the parents of each route.
    pub(crate) parents: BTreeMap<&'o ObjectId, Vec<Parent<'o>>>,
    /// Where a route gets nothing, and which other has everything.
    pub(crate) losers: Losers,
}

pub(crate) type Losers = BTreeMap<(ObjectId, Frontend), ObjectId>;

/// What becomes of the connections to a Service port.
pub(crate) struct Routing<'o> {
    /// In order: the first that matches decides.
    pub(crate) claims: Vec<Claim<'o>>,
    pub(crate) otherwise: Otherwise,
    pub(crate) drain: Option<Time>,
}

pub(crate) fn routings<'o>(
    objects: &'o Objects,
    hosts: &Hosts<'o>,
    notes: &mut Notes,
) -> Routings<'o> {
    let mut routings = Routings {
        ports: BTreeMap::new(),
        parents: BTreeMap::new(),
        losers: Losers::new(),
    };
    let mut claims = BTreeMap::<Frontend, Vec<Claim<'_>>>::new();
    for route in objects.routes.values() {
        let parents = parents(route, objects, hosts);
        let frontends = frontends(route, &parents, notes);
        let asked = claims_of(route, frontends, notes);
        if !asked.is_empty() {
            remark(route, asked.keys().copied(), notes);
        }
        for (frontend, asked) in asked {
            claims.entry(frontend.clone()).or_default().extend(asked);
        }
        routings.parents.insert(&route.id, parents);
    }
    let http = http_routes(objects, hosts);
    for (frontend, claims) in claims {
        let competing = http.get(&frontend).map_or(&[][..], Vec::as_slice);
        let claims = without_http(claims, &frontend, competing, &mut routings.losers, notes);
        let claims = effective(claims, &frontend, &mut routings.losers, notes);
        if claims.is_empty() {
            continue;
        }
        let routing = Routing {
            otherwise: otherwise(&claims, &frontend, notes),
            drain: drain(&claims, &frontend, notes),
            claims,
        };
        routings.ports.insert(frontend, routing);
    }
    routings
}

/// The ports that a route's parents give, each once.
fn frontends<'p, 'o>(
    route: &Route,
    parents: &'p [Parent<'o>],
    notes: &mut Notes,
) -> BTreeMap<&'p Frontend, &'p FrontendPort<'o>> {
    let mut note = |remark| notes.add(Some(route.id.clone()), remark);
    for path in &route.not_honoured {
        let path = Some(path.clone());
        note(Remark::NotHonoured { path });
    }
    if matches!(&route.parents, Parents::References(references) if references.is_empty()) {
        note(Remark::NoParents);
    }
    if let Some(uses) = &route.other_uses {
        note(Remark::OtherUses { uses: uses.clone() });
    }
    let mut conditions = route
        .effective_rules()
        .iter()
        .flat_map(|rule| &rule.conditions);
    let by_name = !route.annotations.matches.sni.is_empty()
        || conditions.all(|one| !one.matches.sni.is_empty());
    let mut frontends = BTreeMap::new();
    for parent in parents {
        match &parent.outcome {
            Ok(found) => {
                let remarks = found.remarks.iter();
                // Server names take a port that is declared, which is told of besides.
                let remarks =
                    remarks.filter(|one| !(by_name && matches!(one, Remark::DetectedPort { .. })));
                remarks.cloned().for_each(&mut note);
                // Two parentRefs may mean the same port.
                frontends.extend(found.frontends.iter().map(|port| (&port.frontend, port)));
            }
            Err(failed) => note((*failed.remark).clone()),
        }
    }
    strange_ports(route, parents).for_each(note);
    frontends
}

/// The ports that conditions name and no host of a VirtualService has.
fn strange_ports<'o>(
    route: &'o Route,
    parents: &'o [Parent<'_>],
) -> impl Iterator<Item = Remark> + use<'o> {
    let found = parents
        .iter()
        .filter_map(|parent| parent.outcome.as_ref().ok());
    let known: BTreeSet<_> = found
        .flat_map(|found| {
            let http = found.remarks.iter().filter_map(|remark| match remark {
                Remark::HttpPort { port, .. } => Some(*port),
                _ => None,
            });
            let tcp = found.frontends.iter().map(|port| port.frontend.port);
            tcp.chain(http)
        })
        .collect();
    let none = !parents.iter().any(|parent| parent.outcome.is_ok());
    let conditions = route
        .effective_rules()
        .iter()
        .flat_map(|rule| &rule.conditions);
    let conditions = conditions.filter(move |one| !none && one.impossible.is_none());
    conditions.filter_map(move |one| {
        let port = one.port.filter(|port| !known.contains(port))?;
        let path = format!("{}.port", one.path);
        Some(Remark::NoSuchPort { path, port })
    })
}

/// What there is to say of a route whatever becomes of it at a port.
fn remark<'p>(route: &Route, mut frontends: impl Iterator<Item = &'p Frontend>, notes: &mut Notes) {
    let mut note = |remark| notes.add(Some(route.id.clone()), remark);
    // Also true of a route that loses to another: istiod does not know that it does.
    let read = frontends.any(|one| one.is_read_by_istiod(route));
    if read && !route.is_hidden_from_istiod() {
        note(Remark::ReadByIstiod {
            kind: route.kind,
            revision: route.revision.clone(),
        });
    }
    let further = route
        .rules
        .len()
        .saturating_sub(route.effective_rules().len());
    if further > 0 {
        let kind = route.id.kind.clone();
        note(Remark::FurtherRules {
            kind,
            count: further,
        });
    }
    if route.annotations.failover {
        note(Remark::NotHonoured {
            path: Some(path(FAILOVER)),
        });
    }
}

/// The routes of HTTP at each port.
fn http_routes<'o>(
    objects: &'o Objects,
    hosts: &Hosts<'o>,
) -> BTreeMap<Frontend, Vec<&'o HttpRoute>> {
    let mut routes = BTreeMap::<_, Vec<_>>::new();
    for route in &objects.http_routes {
        for frontend in http_frontends(route, objects, hosts) {
            routes.entry(frontend).or_default().push(route);
        }
    }
    routes
}

/// The claims that no route of HTTP outranks: one for the clients of its own namespace leaves alone
/// those for all, and the other way round.
fn without_http<'o>(
    mut claims: Vec<Claim<'o>>,
    frontend: &Frontend,
    http: &[&HttpRoute],
    losers: &mut Losers,
    notes: &mut Notes,
) -> Vec<Claim<'o>> {
    claims.retain(|claim| {
        let route = claim.route;
        let is_consumer = frontend.is_consumed_by(route);
        let winner = http.iter().find(|http| match is_consumer {
            true => http.name.namespace == route.name.namespace,
            false => frontend.is_owned_by(&http.name.namespace),
        });
        let Some(winner) = winner.filter(|_| route.kind != RouteKind::VirtualService) else {
            return true;
        };
        let remark = Remark::Outranked {
            part: String::new(),
            service: frontend.service.clone(),
            port: frontend.port,
            winner: winner.id.clone(),
        };
        notes.add(Some(route.id.clone()), remark);
        losers.insert((route.id.clone(), frontend.clone()), winner.id.clone());
        false
    });
    claims
}

/// The claims in order, without those that have nothing left for them.
fn effective<'o>(
    mut claims: Vec<Claim<'o>>,
    frontend: &Frontend,
    losers: &mut Losers,
    notes: &mut Notes,
) -> Vec<Claim<'o>> {
    claims.sort_by(|one, other| one.order(other, frontend));
    let mut effective = Vec::<Claim<'_>>::new();
    for claim in claims {
        let winner = effective
            .iter()
            .find(|earlier| covers(&earlier.matches, &claim.matches));
        let Some(winner) = winner else {
            effective.push(claim);
            continue;
        };
        let key = (claim.route.id.clone(), frontend.clone());
        losers.insert(key, winner.route.id.clone());
        // A consumer and a producer route may be equal, and it is not their age that decides.
        let equal = winner.matches == claim.matches
            && winner.route.kind == claim.route.kind
            && winner.rule.for_tls == claim.rule.for_tls
            && frontend.is_consumed_by(winner.route) == frontend.is_consumed_by(claim.route);
        let (part, service, port) = (claim.part, frontend.service.clone(), frontend.port);
        let winner = winner.route.id.clone();
        let remark = match equal {
            true => Remark::Outranked {
                part,
                service,
                port,
                winner,
            },
            false => Remark::Covered {
                part,
                service,
                port,
                winner,
            },
        };
        notes.add(Some(claim.route.id.clone()), remark);
    }
    for claim in &effective {
        losers.remove(&(claim.route.id.clone(), frontend.clone()));
    }
    merged(effective)
}

/// Puts the server names of a rule together again where no other rule comes between, so that `exact`
/// counts them as one.
fn merged(claims: Vec<Claim<'_>>) -> Vec<Claim<'_>> {
    let mut merged = Vec::<Claim<'_>>::new();
    for mut claim in claims {
        let sni = std::mem::take(&mut claim.matches.sni);
        let twin = merged.iter().rposition(|earlier| {
            let without_names = Match {
                sni: Vec::new(),
                ..earlier.matches.clone()
            };
            earlier.is_of(&claim) && without_names == claim.matches && !sni.is_empty()
        });
        let between = twin.and_then(|place| merged.get(place.saturating_add(1)..));
        let free = between.is_some_and(|between| {
            let mut between = between.iter();
            !between.any(|other| sni_overlap(&other.matches.sni, &sni))
        });
        match twin.and_then(|place| merged.get_mut(place)) {
            Some(twin) if free && !twin.matches.sni.is_empty() => {
                twin.matches.sni.extend(sni);
                twin.matches.sni.sort();
            }
            _ => {
                claim.matches.sni = sni;
                merged.push(claim);
            }
        }
    }
    merged
}
