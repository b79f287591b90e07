//! Which waypoint serves a Service: Gateways, and the labels that ask for them.
//!
//! The label `istio.io/use-waypoint` of the Service or ServiceEntry decides, without it that of its
//! Namespace. The Gateway it names must be of class `istio-waypoint`, serve Services, and admit the
//! namespace. With `istio.io/use-waypoint-canary` there is a second one beside it.

use std::collections::BTreeMap;

use gateway_api::gateways::{
    GatewayListenersAllowedRoutesNamespacesFrom as From,
    GatewayListenersAllowedRoutesNamespacesSelector as Selector, GatewaySpec,
};
use k8s_openapi::api::core::v1::NamespaceSpec;

use crate::error::{Fault, list};
use crate::object::{Object, ObjectName, label, subdomain};
use crate::{Objects, Service};

#[derive(Clone, Debug)]
pub struct Gateway {
    pub(crate) name: ObjectName,
    class: String,
    /// The label `istio.io/waypoint-for`.
    traffic: String,
    admits: Admits,
}

/// Which namespaces a waypoint admits: what its HBONE listener says in `allowedRoutes`.
#[derive(Clone, Debug)]
enum Admits {
    Same,
    All,
    Matching(Selector),
}

impl Gateway {
    pub(crate) fn parse(
        name: ObjectName,
        mut object: Object<GatewaySpec>,
    ) -> Result<Self, Vec<Fault>> {
        let spec = object.take_spec().map_err(|fault| vec![fault])?;
        let hbone = spec
            .listeners
            .into_iter()
            .find(|listener| listener.protocol == "HBONE" && listener.port == 15008);
        let namespaces = hbone
            .and_then(|listener| listener.allowed_routes)
            .and_then(|routes| routes.namespaces)
            .unwrap_or_default();
        Ok(Self {
            name,
            class: spec.gateway_class_name,
            traffic: object
                .label("istio.io/waypoint-for")
                .unwrap_or("service")
                .to_owned(),
            admits: match namespaces.from {
                Some(From::All) => Admits::All,
                Some(From::Selector) => Admits::Matching(namespaces.selector.unwrap_or_default()),
                Some(From::Same) | None => Admits::Same,
            },
        })
    }

    /// Whether Istio runs a waypoint for it.
    pub(crate) fn is_waypoint(&self) -> bool {
        self.class == "istio-waypoint"
    }

    /// What it serves, where that is not Services.
    pub(crate) fn other_traffic(&self) -> Option<&str> {
        match self.traffic.as_str() {
            "service" | "all" => None,
            other => Some(other),
        }
    }

    /// Absent where it takes the labels of the Namespace to know.
    fn admits(&self, namespace: &str, labels: Option<&BTreeMap<String, String>>) -> Option<bool> {
        match &self.admits {
            Admits::Same => Some(self.name.namespace == namespace),
            Admits::All => Some(true),
            Admits::Matching(selector) => {
                if labels.is_none() && !by_name_only(selector) {
                    return None;
                }
                let mut labels = labels.cloned().unwrap_or_default();
                // Kubernetes sets it on every Namespace, so manifests do not.
                labels.insert(NAMESPACE_NAME.to_owned(), namespace.to_owned());
                Some(selects(selector, &labels))
            }
        }
    }
}

const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

fn by_name_only(selector: &Selector) -> bool {
    let labels = selector.match_labels.iter().flatten().map(|(key, _)| key);
    let expressions = selector.match_expressions.iter().flatten();
    let mut keys = labels.chain(expressions.map(|expression| &expression.key));
    keys.all(|key| key == NAMESPACE_NAME)
}

fn selects(selector: &Selector, labels: &BTreeMap<String, String>) -> bool {
    let equal = |(key, value): (&String, &String)| labels.get(key) == Some(value);
    let expressions = selector.match_expressions.iter().flatten();
    selector.match_labels.iter().flatten().all(equal)
        && expressions.into_iter().all(|expression| {
            let label = labels.get(&expression.key);
            let listed = || {
                let mut values = expression.values.iter().flatten();
                label.is_some_and(|label| values.any(|value| value == label))
            };
            match expression.operator.as_str() {
                "In" => listed(),
                "NotIn" => !listed(),
                "Exists" => label.is_some(),
                "DoesNotExist" => label.is_none(),
                _ => false,
            }
        })
}

#[derive(Clone, Debug)]
pub struct Namespace {
    labels: BTreeMap<String, String>,
    waypoints: Waypoints,
}

impl Namespace {
    pub(crate) fn waypoints(&self) -> &Waypoints {
        &self.waypoints
    }

    pub(crate) fn parse(name: &str, object: &Object<NamespaceSpec>) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        faults.extend(label("metadata.name", name).err());
        match Waypoints::parse(object, name) {
            Ok(waypoints) if faults.is_empty() => {
                return Ok(Self {
                    labels: object.metadata.labels.clone().unwrap_or_default(),
                    waypoints,
                });
            }
            Ok(_) => {}
            Err(found) => faults.extend(found),
        }
        Err(faults)
    }
}

/// The label that names a waypoint.
pub(crate) const USE_WAYPOINT: &str = "istio.io/use-waypoint";

/// The label that names another, which gets some of the connections (Istio 1.31+).
pub(crate) const USE_WAYPOINT_CANARY: &str = "istio.io/use-waypoint-canary";

/// The waypoints that an object's labels ask for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waypoints {
    pub(crate) main: Option<UseWaypoint>,
    canary: Option<UseWaypoint>,
}

/// What a label such as `istio.io/use-waypoint` asks for.
#[derive(Clone, Debug)]
pub(crate) enum UseWaypoint {
    None,
    Named(ObjectName),
}

impl Waypoints {
    /// Whether one of the labels names a waypoint.
    pub(crate) fn ask_for(&self, waypoint: &ObjectName) -> bool {
        let labels = [&self.main, &self.canary];
        let mut labels = labels.into_iter().flatten();
        labels.any(|label| matches!(label, UseWaypoint::Named(name) if name == waypoint))
    }

    pub(crate) fn has_canary(&self) -> bool {
        matches!(self.canary, Some(UseWaypoint::Named(_)))
    }

    pub(crate) fn none() -> Self {
        Self {
            main: Some(UseWaypoint::None),
            canary: Some(UseWaypoint::None),
        }
    }

    pub(crate) fn parse<S>(object: &Object<S>, own_namespace: &str) -> Result<Self, Vec<Fault>> {
        let main = UseWaypoint::parse(object, USE_WAYPOINT, own_namespace);
        let canary = UseWaypoint::parse(object, USE_WAYPOINT_CANARY, own_namespace);
        match (main, canary) {
            (Ok(main), Ok(canary)) => Ok(Self { main, canary }),
            (main, canary) => Err([main.err(), canary.err()].into_iter().flatten().collect()),
        }
    }
}

impl UseWaypoint {
    fn parse<S>(object: &Object<S>, key: &str, own_namespace: &str) -> Result<Option<Self>, Fault> {
        let Some(name) = object.label(key) else {
            return Ok(None);
        };
        if name == "none" {
            return Ok(Some(Self::None));
        }
        let namespace_key = format!("{key}-namespace");
        let namespace = object.label(&namespace_key).unwrap_or(own_namespace);
        subdomain(&format!("metadata.labels[{key}]"), name)?;
        label(&format!("metadata.labels[{namespace_key}]"), namespace)?;
        Ok(Some(Self::Named(ObjectName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })))
    }
}

/// The waypoints that serve a Service: the one that its labels ask for, and the canary if there is
/// one. One that cannot be had is told of, and is no reason to do without the first.
pub(crate) fn owners(
    service: &Service,
    objects: &Objects,
) -> (
    Result<ObjectName, NoWaypoint>,
    Option<Result<ObjectName, NoWaypoint>>,
) {
    let namespace = objects.namespaces.get(&service.name.namespace);
    let canary = service.waypoints.canary.as_ref();
    let canary = canary.or_else(|| namespace?.waypoints.canary.as_ref());
    let canary = match canary {
        Some(UseWaypoint::Named(name)) => Some(serves(name, service, objects)),
        Some(UseWaypoint::None) | None => None,
    };
    (owner(service, objects), canary)
}

/// Whether a waypoint is one of those that serve a Service.
pub(crate) fn is_owner(waypoint: &ObjectName, service: &Service, objects: &Objects) -> bool {
    let (main, canary) = owners(service, objects);
    [Some(main), canary]
        .into_iter()
        .flatten()
        .any(|owner| owner.is_ok_and(|owner| owner == *waypoint))
}

/// The waypoint that the label `istio.io/use-waypoint` gives a Service.
pub(crate) fn owner(service: &Service, objects: &Objects) -> Result<ObjectName, NoWaypoint> {
    let namespace = objects.namespaces.get(&service.name.namespace);
    let asked = service.waypoints.main.as_ref();
    match asked.or_else(|| namespace?.waypoints.main.as_ref()) {
        Some(UseWaypoint::Named(name)) => serves(name, service, objects),
        Some(UseWaypoint::None) => Err(NoWaypoint::Declined),
        None if namespace.is_some() => Err(NoWaypoint::NotAsked),
        None => Err(NoWaypoint::NamespaceUnknown(service.name.namespace.clone())),
    }
}

/// The waypoint of a name, if it serves a Service that asks for it. A Gateway that is not among the
/// objects counts as one, as they need not be the whole cluster; but where other Gateways of its
/// namespace are, its name is likelier a misspelt one.
fn serves(
    name: &ObjectName,
    service: &Service,
    objects: &Objects,
) -> Result<ObjectName, NoWaypoint> {
    let namespace = objects.namespaces.get(&service.name.namespace);
    let Some(gateway) = objects.gateways.get(name) else {
        // Gateways of other classes say nothing of whether the waypoints are all there.
        let waypoints = objects
            .gateways
            .iter()
            .filter(|(_, other)| other.is_waypoint());
        let others: Vec<_> = waypoints
            .map(|(other, _)| other)
            .filter(|other| other.namespace == name.namespace)
            .cloned()
            .collect();
        if others.is_empty() {
            return Ok(name.clone());
        }
        let gateway = name.clone();
        return Err(NoWaypoint::GatewayUnknown { gateway, others });
    };
    if !gateway.is_waypoint() {
        return Err(NoWaypoint::OtherClass {
            gateway: name.clone(),
            class: gateway.class.clone(),
        });
    }
    if let Some(traffic) = gateway.other_traffic() {
        return Err(NoWaypoint::OtherTraffic {
            gateway: name.clone(),
            traffic: traffic.to_owned(),
        });
    }
    let admitted = gateway.admits(&service.name.namespace, namespace.map(|n| &n.labels));
    match admitted {
        Some(true) => Ok(name.clone()),
        Some(false) => Err(NoWaypoint::NotAdmitted {
            gateway: name.clone(),
            namespace: service.name.namespace.clone(),
        }),
        None => Err(NoWaypoint::NamespaceUnknown(service.name.namespace.clone())),
    }
}

/// Why no waypoint serves a Service.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoWaypoint {
    #[error("neither it nor its Namespace has the label istio.io/use-waypoint")]
    NotAsked,
    #[error("Namespace {0}, whose labels tell, is not among the manifests")]
    NamespaceUnknown(String),
    #[error(
        "Gateway {gateway} is not among the manifests; there is {}",
        list(others)
    )]
    GatewayUnknown {
        gateway: ObjectName,
        /// The waypoints of its namespace.
        others: Vec<ObjectName>,
    },
    #[error("the label istio.io/use-waypoint says none")]
    Declined,
    #[error("Gateway {gateway} is of class {class}, not istio-waypoint")]
    OtherClass { gateway: ObjectName, class: String },
    #[error("Gateway {gateway} does not serve Services (istio.io/waypoint-for: {traffic})")]
    OtherTraffic {
        gateway: ObjectName,
        traffic: String,
    },
    #[error(
        "Gateway {gateway} does not admit namespace {namespace} (allowedRoutes of its listener)"
    )]
    NotAdmitted {
        gateway: ObjectName,
        namespace: String,
    },
}
