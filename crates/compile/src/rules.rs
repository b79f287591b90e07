//! From all routes to the rules of each Service port: which there are, and in which order.
//!
//! Consumer routes come first: for clients of its namespace such a route wins over those of the
//! Service's. Of each, routes with conditions come before the one without, else it would leave them
//! nothing; among themselves they go by precedence. What an earlier route takes whole is no rule.

use std::collections::{BTreeMap, BTreeSet};

use waypoint_l4_config::{Cidr, Match, Namespace, Otherwise, ServiceAccount, SniPattern, Time};

use crate::Objects;
use crate::annotation::{
    DRAIN, FAILOVER, OTHERWISE, SOURCE_NAMESPACES, SOURCE_SERVICE_ACCOUNTS, path,
};
use crate::note::{Notes, Remark};
use crate::object::ObjectId;
use crate::parent::{Frontend, frontends};
use crate::route::Route;

/// What becomes of the connections to a Service port.
pub(crate) struct Routing<'o> {
    /// In order: the first that matches decides.
    pub(crate) claims: Vec<Claim<'o>>,
    pub(crate) otherwise: Otherwise,
    pub(crate) drain: Option<Time>,
}

/// A route at a port that it asks for, and for which connections it does.
pub(crate) struct Claim<'o> {
    pub(crate) route: &'o Route,
    pub(crate) matches: Match,
}

impl Claim<'_> {
    /// Whether the route takes every connection of the clients that it is for.
    fn takes_all(&self, frontend: &Frontend) -> bool {
        let mut matches = self.matches.clone();
        if frontend.is_consumed_by(self.route) {
            matches.source_namespaces.clear();
        }
        matches.is_default()
    }
}

pub(crate) fn routings<'o>(
    objects: &'o Objects,
    notes: &mut Notes,
) -> BTreeMap<Frontend, Routing<'o>> {
    let mut claims = BTreeMap::<Frontend, Vec<Claim<'_>>>::new();
    for route in objects.routes.values() {
        let frontends = frontends(route, objects, notes);
        if frontends.is_empty() {
            continue;
        }
        remark(route, &frontends, notes);
        for frontend in frontends {
            if let Some(matches) = conditions(route, &frontend, notes) {
                let claim = Claim { route, matches };
                claims.entry(frontend).or_default().push(claim);
            }
        }
    }
    let routings = claims.into_iter().map(|(frontend, claims)| {
        let claims = effective(claims, &frontend, notes);
        let otherwise = otherwise(&claims, &frontend, notes);
        let drain = drain(&claims, &frontend, notes);
        let routing = Routing {
            claims,
            otherwise,
            drain,
        };
        (frontend, routing)
    });
    routings.collect()
}

/// What there is to say of a route whatever becomes of it at a port.
fn remark(route: &Route, frontends: &BTreeSet<Frontend>, notes: &mut Notes) {
    let id = ObjectId::new("TCPRoute", &route.name);
    let mut note = |remark| notes.add(Some(id.clone()), remark);
    // Also true of a route that loses to another: istiod does not know that it does.
    let read = frontends.iter().any(|one| one.is_read_by_istiod(route));
    if read && !route.hidden_from_istiod {
        note(Remark::ReadByIstiod);
    }
    let further = route.rules.len().saturating_sub(1);
    if further > 0 {
        note(Remark::FurtherRules { count: further });
    }
    if route.annotations.failover {
        note(Remark::NotHonoured {
            path: Some(path(FAILOVER)),
        });
    }
}

/// The conditions of a route at a port; none if no client could ever meet them.
fn conditions(route: &Route, frontend: &Frontend, notes: &mut Notes) -> Option<Match> {
    let mut matches = route.annotations.matches.clone();
    let mut within = Within {
        route,
        frontend,
        notes,
    };
    if frontend.is_consumed_by(route) {
        let own = vec![route.namespace.clone()];
        let named = std::mem::replace(&mut matches.source_namespaces, own.clone());
        within.keep(SOURCE_NAMESPACES, named, |name| name, &own)?;
    }
    let namespaces = &matches.source_namespaces;
    if !namespaces.is_empty() {
        let accounts = matches.source_service_accounts;
        matches.source_service_accounts = within.keep(
            SOURCE_SERVICE_ACCOUNTS,
            accounts,
            |account| &account.namespace,
            namespaces,
        )?;
    }
    Some(matches)
}

/// Leaves out what a route asks for outside of the namespaces that it is for.
struct Within<'a> {
    route: &'a Route,
    frontend: &'a Frontend,
    notes: &'a mut Notes,
}

impl Within<'_> {
    /// The items in the namespaces; none if there were items and no one is left.
    fn keep<T>(
        &mut self,
        annotation: &'static str,
        items: Vec<T>,
        namespace: impl Fn(&T) -> &Namespace,
        namespaces: &[Namespace],
    ) -> Option<Vec<T>>
    where
        String: From<T>,
    {
        let (inside, outside) = items
            .into_iter()
            .partition::<Vec<_>, _>(|item| namespaces.contains(namespace(item)));
        if outside.is_empty() {
            return Some(inside);
        }
        let outside = outside.into_iter().map(String::from).collect::<Vec<_>>();
        let namespaces = namespaces.iter().map(Namespace::as_str);
        let remark = Remark::OutsideNamespaces {
            annotation,
            items: outside.join(", "),
            namespaces: namespaces.collect::<Vec<_>>().join(" or "),
            left_out_of: inside.is_empty().then(|| self.frontend.service.clone()),
        };
        let id = ObjectId::new("TCPRoute", &self.route.name);
        self.notes.add(Some(id), remark);
        (!inside.is_empty()).then_some(inside)
    }
}

/// The claims in order, without those that have nothing left for them.
fn effective<'o>(
    mut claims: Vec<Claim<'o>>,
    frontend: &Frontend,
    notes: &mut Notes,
) -> Vec<Claim<'o>> {
    claims.sort_by_cached_key(|claim| {
        let is_producer = !frontend.is_consumed_by(claim.route);
        let is_last = claim.takes_all(frontend);
        (is_producer, is_last, claim.route.precedence())
    });
    let mut effective = Vec::<Claim<'_>>::new();
    for claim in claims {
        let mut earlier = effective.iter();
        let Some(winner) = earlier.find(|earlier| covers(&earlier.matches, &claim.matches)) else {
            effective.push(claim);
            continue;
        };
        let (service, port) = (frontend.service.clone(), frontend.port);
        // A consumer and a producer route may be equal, and it is not their age that decides.
        let equal =
            winner.matches == claim.matches && winner.route.namespace == claim.route.namespace;
        let winner = winner.route.name.clone();
        let remark = if equal {
            Remark::Outranked {
                service,
                port,
                winner,
            }
        } else {
            Remark::Covered {
                service,
                port,
                winner,
            }
        };
        notes.add(Some(ObjectId::new("TCPRoute", &claim.route.name)), remark);
    }
    effective
}

/// What becomes of connections that no claim matches: the first that says it decides.
fn otherwise(claims: &[Claim<'_>], frontend: &Frontend, notes: &mut Notes) -> Otherwise {
    let taker = claims.iter().find(|claim| claim.matches.is_default());
    let mut decided = None::<(&Route, Otherwise)>;
    for Claim { route, .. } in claims {
        let Some(otherwise) = route.annotations.otherwise else {
            continue;
        };
        let (service, port) = (frontend.service.clone(), frontend.port);
        let remark = match (taker, decided) {
            _ if frontend.is_consumed_by(route) => Some(Remark::OthersConnections {
                annotation: OTHERWISE,
                service,
            }),
            (Some(taker), _) => (otherwise == Otherwise::Refuse).then(|| Remark::NothingLeftOver {
                service,
                port,
                taker: taker.route.name.clone(),
            }),
            (None, None) => {
                decided = Some((route, otherwise));
                None
            }
            (None, Some((winner, decided))) => (decided != otherwise).then(|| Remark::Overruled {
                annotation: OTHERWISE,
                service,
                port,
                winner: winner.name.clone(),
            }),
        };
        if let Some(remark) = remark {
            notes.add(Some(ObjectId::new("TCPRoute", &route.name)), remark);
        }
    }
    decided.map_or_else(Otherwise::default, |(_, otherwise)| otherwise)
}

/// How long connections of a removed backend may go on: the first claim that says it decides.
fn drain(claims: &[Claim<'_>], frontend: &Frontend, notes: &mut Notes) -> Option<Time> {
    let annotation = DRAIN;
    let mut decided = None::<(&Route, Time)>;
    for Claim { route, .. } in claims {
        let Some(time) = route.annotations.drain else {
            continue;
        };
        let (service, port) = (frontend.service.clone(), frontend.port);
        let remark = match decided {
            _ if frontend.is_consumed_by(route) => Remark::OthersConnections {
                annotation,
                service,
            },
            Some((winner, decided)) if decided != time => Remark::Overruled {
                annotation,
                service,
                port,
                winner: winner.name.clone(),
            },
            Some(_) => continue,
            None => {
                decided = Some((route, time));
                continue;
            }
        };
        notes.add(Some(ObjectId::new("TCPRoute", &route.name)), remark);
    }
    decided.map(|(_, time)| time)
}

/// Whether every connection that meets the second match meets the first.
fn covers(first: &Match, second: &Match) -> bool {
    all_within(&first.sni, &second.sni, sni_within)
        && all_within(&first.source_namespaces, &namespaces(second), Namespace::eq)
        && all_within(
            &first.source_service_accounts,
            &second.source_service_accounts,
            ServiceAccount::eq,
        )
        && all_within(
            &first.source_cidrs,
            &second.source_cidrs,
            |first: &Cidr, second| first.0.contains(&second.0),
        )
}

/// Whether one of the first is enough for each of the second; an empty list is no condition.
fn all_within<T>(first: &[T], second: &[T], within: impl Fn(&T, &T) -> bool) -> bool {
    let enough = |item: &T| first.iter().any(|first| within(first, item));
    first.is_empty() || (!second.is_empty() && second.iter().all(enough))
}

fn sni_within(first: &SniPattern, second: &SniPattern) -> bool {
    let suffix = first.as_str().strip_prefix('*');
    first == second || suffix.is_some_and(|suffix| second.as_str().ends_with(suffix))
}

/// The namespaces that clients have to be of, be it by their service accounts.
fn namespaces(matches: &Match) -> Vec<Namespace> {
    if !matches.source_namespaces.is_empty() {
        return matches.source_namespaces.clone();
    }
    let accounts = matches.source_service_accounts.iter();
    accounts.map(|account| account.namespace.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(json: &str) -> Match {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_match_covers_what_it_leaves_nothing_of() {
        for (first, second) in [
            ("{}", r#"{"sni": ["a.example"]}"#),
            (
                r#"{"sni": ["*.example", "b"]}"#,
                r#"{"sni": ["*.a.example", "b"]}"#,
            ),
            (
                r#"{"sourceCidrs": ["10.1.2.3/8"]}"#,
                r#"{"sourceCidrs": ["10.0.0.0/8", "10.1.0.0/16"]}"#,
            ),
            (
                r#"{"sourceNamespaces": ["a", "b"]}"#,
                r#"{"sourceServiceAccounts": ["a/x", "b/x"]}"#,
            ),
            (
                r#"{"sourceNamespaces": ["a"]}"#,
                r#"{"sourceNamespaces": ["a"], "sni": ["x"]}"#,
            ),
        ] {
            let (first, second) = (matches(first), matches(second));
            assert!(covers(&first, &second), "{first:?} {second:?}");
        }
    }

    #[test]
    fn a_match_does_not_cover_what_it_leaves_a_part_of() {
        for (first, second) in [
            (r#"{"sni": ["*.example"]}"#, "{}"),
            (r#"{"sni": ["*.example"]}"#, r#"{"sni": ["example"]}"#),
            (
                r#"{"sni": ["*.example"]}"#,
                r#"{"sni": ["a.example", "b"]}"#,
            ),
            (
                r#"{"sourceCidrs": ["10.0.0.0/16"]}"#,
                r#"{"sourceCidrs": ["10.0.0.0/8"]}"#,
            ),
            (r#"{"sourceCidrs": ["10.0.0.0/8"]}"#, r#"{"sni": ["a"]}"#),
            (
                r#"{"sourceServiceAccounts": ["a/x"]}"#,
                r#"{"sourceNamespaces": ["a"]}"#,
            ),
            (
                r#"{"sourceNamespaces": ["a"], "sni": ["x"]}"#,
                r#"{"sourceNamespaces": ["a"]}"#,
            ),
        ] {
            let (first, second) = (matches(first), matches(second));
            assert!(!covers(&first, &second), "{first:?} {second:?}");
        }
    }
}
