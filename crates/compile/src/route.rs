//! The TCPRoute of the Gateway API, checked as its schema would.

use std::num::NonZeroU16;

use gateway_api::experimental::tcproutes::{
    TcpRouteParentRefs, TcpRouteRulesBackendRefs, TcpRouteSpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use waypoint_l4_config::{Namespace, Weight};

use crate::annotation::Annotations;
use crate::error::Fault;
use crate::kind::{GATEWAY_API, RouteVersion};
use crate::object::{Object, ObjectName, WEIGHT, label, subdomain};
use crate::service::{port_number, required_port};

#[derive(Clone, Debug)]
pub struct Route {
    pub(crate) name: ObjectName,
    /// That of the name, as a condition on clients.
    pub(crate) namespace: Namespace,
    pub(crate) created: Option<Time>,
    /// Whether istiod is told to leave the route to this program.
    pub(crate) hidden_from_istiod: bool,
    pub(crate) annotations: Annotations,
    pub(crate) uses_default_gateways: bool,
    pub(crate) parents: Vec<ParentRef>,
    /// Never empty.
    pub(crate) rules: Vec<RouteRule>,
}

#[derive(Clone, Debug)]
pub(crate) struct ParentRef {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) name: ObjectName,
    pub(crate) port: Option<NonZeroU16>,
    pub(crate) section: Option<String>,
}

impl ParentRef {
    pub(crate) fn is_service(&self) -> bool {
        self.group.is_empty() && self.kind == "Service"
    }
}

#[derive(Clone, Debug)]
pub(crate) struct RouteRule {
    /// Never empty.
    pub(crate) backends: Vec<BackendRef>,
}

#[derive(Clone, Debug)]
pub(crate) struct BackendRef {
    pub(crate) group: String,
    pub(crate) kind: String,
    pub(crate) name: ObjectName,
    /// Present where the backend is a Service.
    pub(crate) port: Option<NonZeroU16>,
    pub(crate) weight: Weight,
}

impl Route {
    pub(crate) fn parse(
        name: ObjectName,
        version: RouteVersion,
        mut object: Object<TcpRouteSpec>,
    ) -> Result<Self, Vec<Fault>> {
        let spec = object.take_spec().map_err(|fault| vec![fault])?;
        let mut faults = Vec::new();
        let namespace = Namespace::try_from(name.namespace.clone()).map_err(|cause| {
            let path = String::from("metadata.namespace");
            vec![Fault::Condition { path, cause }]
        })?;
        let annotations = object.metadata.annotations.take().unwrap_or_default();
        let annotations = Annotations::parse(&annotations).unwrap_or_else(|found| {
            faults.extend(found);
            Annotations::default()
        });
        let rules = match version {
            RouteVersion::V1 => 1..=1,
            RouteVersion::V1Alpha2 => 1..=16,
        };
        faults.extend(length("spec.rules", "rule", &rules, spec.rules.len()).err());
        let parents = spec.parent_refs.unwrap_or_default();
        faults.extend(length("spec.parentRefs", "parent", &(0..=32), parents.len()).err());
        let parents = collect(&parents, &mut faults, |index, parent| {
            let path = format!("spec.parentRefs[{index}]");
            ParentRef::parse(&path, &name.namespace, parent)
        });
        let mut rules = Vec::new();
        for (index, rule) in spec.rules.iter().enumerate() {
            let path = format!("spec.rules[{index}].backendRefs");
            let backends = &rule.backend_refs;
            faults.extend(length(&path, "backend", &(1..=16), backends.len()).err());
            let backends = collect(backends, &mut faults, |index, backend| {
                BackendRef::parse(&format!("{path}[{index}]"), &name.namespace, backend)
            });
            rules.push(RouteRule { backends });
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            hidden_from_istiod: object.label("istio.io/rev") == Some("waypoint-l4"),
            annotations,
            namespace,
            created: object.metadata.creation_timestamp,
            uses_default_gateways: spec.use_default_gateways.is_some(),
            name,
            parents,
            rules,
        })
    }

    /// Orders routes by precedence: the older first, then by namespace and name. A route without a
    /// timestamp is not in a cluster yet, so it will be the newest there.
    pub(crate) fn precedence(&self) -> impl Ord {
        (
            self.created.is_none(),
            self.created.clone(),
            self.name.clone(),
        )
    }
}

impl ParentRef {
    fn parse(
        path: &str,
        own_namespace: &str,
        spec: &TcpRouteParentRefs,
    ) -> Result<Self, Vec<Fault>> {
        let kind = spec.kind.clone().unwrap_or_else(|| String::from("Gateway"));
        let group = match spec.group.as_deref().unwrap_or(GATEWAY_API) {
            group if kind == "Service" && !group.is_empty() => Err(Fault::NotCoreService {
                path: path.to_owned(),
                group: group.to_owned(),
            }),
            group => Ok(group.to_owned()),
        };
        let name = reference(path, &spec.name, spec.namespace.as_deref(), own_namespace);
        let port = spec
            .port
            .map(|port| port_number(&format!("{path}.port"), port));
        match (group, name, port.transpose()) {
            (Ok(group), Ok(name), Ok(port)) => Ok(Self {
                group,
                kind,
                name,
                port,
                // "When unspecified (empty string), this will reference the entire resource."
                section: spec.section_name.clone().filter(|name| !name.is_empty()),
            }),
            (group, name, port) => {
                let faults = [group.err(), name.err(), port.err()];
                Err(faults.into_iter().flatten().collect())
            }
        }
    }
}

impl BackendRef {
    fn parse(
        path: &str,
        own_namespace: &str,
        spec: &TcpRouteRulesBackendRefs,
    ) -> Result<Self, Vec<Fault>> {
        let group = spec.group.clone().unwrap_or_default();
        let kind = spec.kind.clone().unwrap_or_else(|| String::from("Service"));
        let is_service = group.is_empty() && kind == "Service";
        let name = reference(path, &spec.name, spec.namespace.as_deref(), own_namespace).and_then(
            |name| {
                if is_service {
                    label(&format!("{path}.name"), &name.name)?;
                }
                Ok(name)
            },
        );
        let port_path = format!("{path}.port");
        let port = match spec.port {
            None if !is_service => Ok(None),
            port => required_port(&port_path, port).map(Some),
        };
        let weight = weight(&format!("{path}.weight"), spec.weight);
        match (name, port, weight) {
            (Ok(name), Ok(port), Ok(weight)) => Ok(Self {
                group,
                kind,
                name,
                port,
                weight,
            }),
            (name, port, weight) => {
                let faults = [name.err(), port.err(), weight.err()];
                Err(faults.into_iter().flatten().collect())
            }
        }
    }
}

fn reference(
    path: &str,
    name: &str,
    namespace: Option<&str>,
    own_namespace: &str,
) -> Result<ObjectName, Fault> {
    let namespace = namespace.unwrap_or(own_namespace);
    subdomain(&format!("{path}.name"), name)?;
    label(&format!("{path}.namespace"), namespace)?;
    Ok(ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    })
}

fn weight(path: &str, weight: Option<i32>) -> Result<Weight, Fault> {
    let Some(weight) = weight else {
        return Ok(Weight::default());
    };
    let valid = u32::try_from(weight)
        .ok()
        .and_then(|weight| Weight::try_from(weight).ok());
    valid.ok_or_else(|| Fault::Field {
        path: path.to_owned(),
        expected: WEIGHT.to_owned(),
        found: weight.to_string(),
    })
}

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
