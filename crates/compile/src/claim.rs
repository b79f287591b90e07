//! What a route claims of a port: its rules there, each with what a connection must meet.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use waypoint_l4_config::{Match, Namespace, SniPattern};

use crate::annotation::{SNI, SOURCE_NAMESPACES, SOURCE_SERVICE_ACCOUNTS, path};
use crate::conditions::{both, covers};
use crate::note::{Notes, Remark};
use crate::parent::{Frontend, FrontendPort};
use crate::protocol::Protocol;
use crate::route::{Conditions, Impossible, Route, RouteKind, RouteRule};

/// A rule at a port that its route asks for, and for which connections it does.
#[derive(Clone)]
pub(crate) struct Claim<'o> {
    pub(crate) route: &'o Route,
    pub(crate) rule: &'o RouteRule,
    pub(crate) matches: Match,
    /// Which part of the object it stands for; empty for all of it.
    pub(crate) part: String,
}

impl Claim<'_> {
    /// Whether it takes every connection of the clients that it is for.
    fn takes_all(&self, frontend: &Frontend) -> bool {
        let mut matches = self.matches.clone();
        if frontend.is_consumed_by(self.route) {
            matches.source_namespaces.clear();
        }
        matches.is_default()
    }

    pub(crate) fn is_of(&self, other: &Self) -> bool {
        self.route.id == other.route.id && self.rule.path == other.rule.path
    }

    /// Orders by the closest server name: exact ones, then the longest patterns.
    fn closeness(&self) -> (bool, Reverse<usize>) {
        let pattern = self.matches.sni.first().map(SniPattern::as_str);
        match pattern.filter(|name| name.starts_with('*')) {
            Some(pattern) if self.route.kind == RouteKind::TlsRoute => {
                (true, Reverse(pattern.len()))
            }
            _ => (false, Reverse(0)),
        }
    }

    pub(crate) fn order(&self, other: &Self, frontend: &Frontend) -> Ordering {
        let key = |claim: &Self| {
            let is_producer = !frontend.is_consumed_by(claim.route);
            let is_last = match claim.route.kind {
                RouteKind::TlsRoute | RouteKind::TcpRoute => claim.takes_all(frontend),
                // Istio asks the rules for TLS of all VirtualServices, then those for TCP, and takes
                // the first that matches, whether or not it has conditions.
                RouteKind::VirtualService => !claim.rule.for_tls,
            };
            (is_producer, claim.route.kind, is_last, claim.closeness())
        };
        let by_key = key(self).cmp(&key(other));
        by_key.then_with(|| self.route.precedence(other.route))
    }
}

/// The claims of a route at each port where it has any.
pub(crate) fn claims_of<'p, 'o>(
    route: &'o Route,
    frontends: BTreeMap<&'p Frontend, &'p FrontendPort<'o>>,
    notes: &mut Notes,
) -> BTreeMap<&'p Frontend, Vec<Claim<'o>>> {
    let claims = frontends.into_iter().map(|(frontend, port)| {
        let claims = route_claims(route, port, notes);
        (frontend, claims)
    });
    claims.filter(|(_, claims)| !claims.is_empty()).collect()
}

/// The claims of a route at a port, in the order that it gives them.
fn route_claims<'o>(
    route: &'o Route,
    port: &FrontendPort<'o>,
    notes: &mut Notes,
) -> Vec<Claim<'o>> {
    let mut claims = Vec::<Claim<'_>>::new();
    for rule in route.effective_rules() {
        for conditions in &rule.conditions {
            let Some(matches) = conditions_at(route, conditions, port, notes) else {
                continue;
            };
            let mut claim = Claim {
                route,
                rule,
                matches,
                part: match route.kind {
                    RouteKind::VirtualService => rule.path.clone(),
                    RouteKind::TcpRoute | RouteKind::TlsRoute => String::new(),
                },
            };
            if claims
                .iter()
                .any(|earlier| covers(&earlier.matches, &claim.matches))
            {
                let path = conditions.path.clone();
                notes.add(Some(route.id.clone()), Remark::Shadowed { path });
                continue;
            }
            if route.kind != RouteKind::TlsRoute || claim.matches.sni.len() < 2 {
                claims.push(claim);
                continue;
            }
            // The names of a TLSRoute compete with those of others, each for itself.
            for name in std::mem::take(&mut claim.matches.sni) {
                let mut one = claim.clone();
                one.part = format!("spec.hostnames: {}", name.as_str());
                one.matches.sni = vec![name];
                claims.push(one);
            }
        }
    }
    claims
}

/// What a connection to a port must meet; none if no connection there ever could.
fn conditions_at(
    route: &Route,
    conditions: &Conditions,
    port: &FrontendPort<'_>,
    notes: &mut Notes,
) -> Option<Match> {
    let FrontendPort {
        frontend,
        service,
        protocol,
    } = port;
    if conditions.port.is_some_and(|port| port != frontend.port) {
        return None;
    }
    let mut note = |remark| notes.add(Some(route.id.clone()), remark);
    let at = conditions.path.clone();
    match conditions.impossible {
        Some(Impossible::SourceLabels) => {
            note(Remark::SourceLabels { path: at });
            return None;
        }
        // It is meant for others.
        Some(Impossible::OtherGateways) => return None,
        None => {}
    }
    if !conditions.destinations.is_empty() {
        if service.addresses.is_empty() {
            let service = service.id.clone();
            note(Remark::UnknownAddress { path: at, service });
            return None;
        }
        let mut networks = conditions.destinations.iter();
        if !networks.any(|network| service.addresses.iter().any(|ip| network.contains(ip))) {
            return None;
        }
    }
    let Some(mut matches) = both(&conditions.matches, &route.annotations.matches) else {
        note(Remark::NobodyLeft { path: at });
        return None;
    };
    if !matches.sni.is_empty() && *protocol != Protocol::Tls {
        let names = if conditions.matches.sni.is_empty() {
            path(SNI)
        } else {
            at
        };
        note(Remark::NoServerName {
            path: names,
            service: frontend.service.clone(),
            port: frontend.port,
        });
    }
    let mut within = Within {
        route,
        frontend,
        notes,
    };
    let own = [route.namespace.clone()];
    let allowed = match (&route.exported_to, frontend.is_consumed_by(route)) {
        (Some(exported), true) if !exported.contains(&route.namespace) => {
            let service = frontend.service.clone();
            let remark = Remark::NotExported { service };
            notes.add(Some(route.id.clone()), remark);
            return None;
        }
        (_, true) => Some(own.as_slice()),
        (Some(exported), false) => Some(exported.as_slice()),
        (None, false) => None,
    };
    if let Some(allowed) = allowed {
        let named = std::mem::replace(&mut matches.source_namespaces, allowed.to_vec());
        let at = match route.annotations.matches.source_namespaces.as_slice() {
            [] => format!("{}.sourceNamespace", conditions.path),
            _ => path(SOURCE_NAMESPACES),
        };
        let kept = within.keep(at, named, |name| name, allowed)?;
        if !kept.is_empty() {
            matches.source_namespaces = kept;
        }
    }
    let namespaces = &matches.source_namespaces;
    if !namespaces.is_empty() {
        let accounts = matches.source_service_accounts;
        matches.source_service_accounts = within.keep(
            path(SOURCE_SERVICE_ACCOUNTS),
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
        path: String,
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
            path,
            items: outside.join(", "),
            namespaces: namespaces.collect::<Vec<_>>().join(" or "),
            left_out_of: inside.is_empty().then(|| self.frontend.service.clone()),
        };
        self.notes.add(Some(self.route.id.clone()), remark);
        (!inside.is_empty()).then_some(inside)
    }
}
