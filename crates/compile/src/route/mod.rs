//! What routes connections, whichever kind of object says so.

mod gateway_api;
mod virtual_service;

use std::cmp::Ordering;
use std::num::NonZeroU16;

use ipnet::IpNet;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use waypoint_l4_config::{Match, Namespace, Weight};

use crate::annotation::Annotations;
use crate::error::Fault;
use crate::kind::RouteVersion;
use crate::object::{ObjectId, ObjectName};

pub(crate) use gateway_api::{GatewayRouteSpec, HttpRoute, HttpRouteSpec};
pub(crate) use virtual_service::VirtualServiceSpec;

/// A TCPRoute, a TLSRoute, or the L4 part of a VirtualService.
#[derive(Clone, Debug)]
pub struct Route {
    pub(crate) id: ObjectId,
    pub(crate) kind: RouteKind,
    /// Of the Gateway API; none for a VirtualService.
    pub(crate) version: Option<RouteVersion>,
    pub(crate) name: ObjectName,
    /// That of the name, as a condition on clients.
    pub(crate) namespace: Namespace,
    pub(crate) created: Option<Time>,
    pub(crate) generation: Option<i64>,
    /// The label `istio.io/rev`: which istiods are to read the route.
    pub(crate) revision: Option<String>,
    pub(crate) annotations: Annotations,
    pub(crate) parents: Parents,
    /// For clients of which namespaces it is, if not of all.
    pub(crate) exported_to: Option<Vec<Namespace>>,
    /// Never empty.
    pub(crate) rules: Vec<RouteRule>,
    /// Paths of fields that have no effect.
    pub(crate) not_honoured: Vec<String>,
    /// What else the object does, which istiod does not see either once the object is hidden.
    pub(crate) other_uses: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum RouteKind {
    // In order of precedence. Istio calls a mixture with VirtualServices undefined, so they come last.
    TlsRoute,
    TcpRoute,
    VirtualService,
}

/// Whose connections a route asks for.
#[derive(Clone, Debug)]
pub(crate) enum Parents {
    References(Vec<ParentRef>),
    /// By host, with the path of each.
    Hosts(Vec<(String, String)>),
}

#[derive(Clone, Debug)]
pub(crate) struct ParentRef {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) name: ObjectName,
    /// Whether the namespace is written, and not just the route's own.
    pub(crate) names_namespace: bool,
    pub(crate) port: Option<NonZeroU16>,
    pub(crate) section: Option<String>,
}

impl ParentRef {
    pub(crate) fn is_service(&self) -> bool {
        self.group.is_empty() && self.kind == "Service"
    }

    pub(crate) fn is_service_entry(&self) -> bool {
        self.group == ISTIO_NETWORKING && self.kind == "ServiceEntry"
    }
}

pub(crate) const ISTIO_NETWORKING: &str = "networking.istio.io";

#[derive(Clone, Debug)]
pub(crate) struct RouteRule {
    /// As `spec.rules[0]` or `spec.tcp[1]`.
    pub(crate) path: String,
    /// Whether it is one of `spec.tls`.
    pub(crate) for_tls: bool,
    /// Tells the rules of one object apart; empty where it has but one.
    pub(crate) suffix: String,
    /// Any of these is enough. Never empty.
    pub(crate) conditions: Vec<Conditions>,
    /// Never empty.
    pub(crate) backends: Vec<BackendRef>,
    /// The path of the list of backends.
    pub(crate) backends_path: String,
}

/// What a connection must meet, all of it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Conditions {
    pub(crate) path: String,
    pub(crate) port: Option<NonZeroU16>,
    /// Networks of the address that the client has asked for; none for any.
    pub(crate) destinations: Vec<IpNet>,
    /// Why no connection through a waypoint meets them, whatever it is.
    pub(crate) impossible: Option<Impossible>,
    pub(crate) matches: Match,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Impossible {
    SourceLabels,
    OtherGateways,
}

#[derive(Clone, Debug)]
pub(crate) struct BackendRef {
    pub(crate) target: Reference,
    pub(crate) subset: Option<String>,
    /// Present where a Gateway API route's backend is a Service or a host.
    pub(crate) port: Option<NonZeroU16>,
    pub(crate) weight: Weight,
}

#[derive(Clone, Debug)]
pub(crate) enum Reference {
    Object {
        group: String,
        kind: String,
        name: ObjectName,
    },
    /// By host, which may be short for one of the namespace if there is one.
    Host {
        host: String,
        namespace: Option<String>,
    },
}

impl Route {
    /// Whether every istiod is told to leave the route to this program: none has this revision.
    pub(crate) fn is_hidden_from_istiod(&self) -> bool {
        self.revision.as_deref() == Some("waypoint-l4")
    }

    /// Orders routes of a kind by precedence: the older first, then by namespace and name, of which
    /// Istio takes the name first. A route without a timestamp is not in a cluster yet, so it will be
    /// the newest there.
    pub(crate) fn precedence(&self, other: &Self) -> Ordering {
        let key = |route: &Self| (route.created.is_none(), route.created.clone());
        let by_age = key(self).cmp(&key(other));
        let (name, other_name) = (&self.name, &other.name);
        by_age.then_with(|| match self.kind {
            RouteKind::TlsRoute | RouteKind::TcpRoute => name.cmp(other_name),
            RouteKind::VirtualService => {
                let by_name = name.name.cmp(&other_name.name);
                by_name.then_with(|| name.cmp(other_name))
            }
        })
    }

    /// The rules that can decide: those of a Gateway API route all match the same, so the first does.
    pub(crate) fn effective_rules(&self) -> &[RouteRule] {
        match self.kind {
            RouteKind::TlsRoute | RouteKind::TcpRoute => self.rules.get(..1).unwrap_or_default(),
            RouteKind::VirtualService => &self.rules,
        }
    }

    /// The name of a rule in logs and metrics.
    pub(crate) fn rule_name(&self, rule: &RouteRule) -> String {
        let name = &self.name;
        match self.kind {
            RouteKind::TcpRoute => name.to_string(),
            RouteKind::TlsRoute | RouteKind::VirtualService => {
                format!("{}{}", self.id, rule.suffix)
            }
        }
    }
}

/// Checks the length of a list.
fn length(
    path: &str,
    item: &str,
    bounds: &std::ops::RangeInclusive<usize>,
    length: usize,
) -> Result<(), Fault> {
    if bounds.contains(&length) {
        return Ok(());
    }
    let expected = match (bounds.start(), bounds.end()) {
        (least, most) if least == most => format!("exactly {least} {item}"),
        (least, most) => format!("{least} to {most} {item}s"),
    };
    Err(Fault::Field {
        path: path.to_owned(),
        expected,
        found: length.to_string(),
    })
}

/// Parses each item, and adds the faults of all.
fn collect<S, T>(
    specs: &[S],
    faults: &mut Vec<Fault>,
    parse: impl Fn(usize, &S) -> Result<T, Vec<Fault>>,
) -> Vec<T> {
    let mut parsed = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        match parse(index, spec) {
            Ok(item) => parsed.push(item),
            Err(found) => faults.extend(found),
        }
    }
    parsed
}
