//! Which waypoint serves a Service: Gateways, and the labels that ask for them.
//!
//! The label `istio.io/use-waypoint` of the Service decides, without it that of its Namespace. The
//! Gateway it names must be of class `istio-waypoint`, serve Services, and admit the namespace.

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
    use_waypoint: Option<UseWaypoint>,
}

impl Namespace {
    pub(crate) fn parse(name: &str, object: &Object<NamespaceSpec>) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        faults.extend(label("metadata.name", name).err());
        match UseWaypoint::parse(object, name) {
            Ok(use_waypoint) if faults.is_empty() => {
                return Ok(Self {
                    labels: object.metadata.labels.clone().unwrap_or_default(),
                    use_waypoint,
                });
            }
            Ok(_) => {}
            Err(fault) => faults.push(fault),
        }
        Err(faults)
    }
}

/// The label that names a waypoint.
pub(crate) const USE_WAYPOINT: &str = "istio.io/use-waypoint";

/// What the label `istio.io/use-waypoint` asks for.
#[derive(Clone, Debug)]
pub(crate) enum UseWaypoint {
    None,
    Named(ObjectName),
}

impl UseWaypoint {
    pub(crate) fn parse<S>(object: &Object<S>, own_namespace: &str) -> Result<Option<Self>, Fault> {
        const NAMESPACE: &str = "istio.io/use-waypoint-namespace";
        let Some(name) = object.label(USE_WAYPOINT) else {
            return Ok(None);
        };
        if name == "none" {
            return Ok(Some(Self::None));
        }
        let namespace = object.label(NAMESPACE).unwrap_or(own_namespace);
        subdomain(&format!("metadata.labels[{USE_WAYPOINT}]"), name)?;
        label(&format!("metadata.labels[{NAMESPACE}]"), namespace)?;
        Ok(Some(Self::Named(ObjectName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        })))
    }
}

/// The waypoint that serves a Service. A Gateway that is not among the objects counts as one, as they
/// need not be the whole cluster; but where other Gateways of its namespace are, its name is likelier
/// a misspelt one.
pub(crate) fn owner(service: &Service, objects: &Objects) -> Result<ObjectName, NoWaypoint> {
    let namespace = objects.namespaces.get(&service.name.namespace);
    let asked = service
        .use_waypoint
        .as_ref()
        .or_else(|| namespace?.use_waypoint.as_ref());
    let name = match asked {
        Some(UseWaypoint::Named(name)) => name,
        Some(UseWaypoint::None) => return Err(NoWaypoint::Declined),
        None if namespace.is_some() => return Err(NoWaypoint::NotAsked),
        None => {
            return Err(NoWaypoint::NamespaceUnknown(service.name.namespace.clone()));
        }
    };
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
