//! The TCPRoute and the TLSRoute of the Gateway API, checked as their schemas would.

use std::net::IpAddr;

use gateway_api::experimental::tcproutes::{
    TcpRouteParentRefs, TcpRouteRules, TcpRouteRulesBackendRefs, TcpRouteUseDefaultGateways,
};
use serde::Deserialize;
use waypoint_l4_config::{Match, Namespace, SniPattern, Weight};

use super::{
    BackendRef, Conditions, ISTIO_NETWORKING, ParentRef, Parents, Reference, Route, RouteKind,
    RouteRule, collect, length,
};
use crate::annotation::{Annotations, SNI, path};
use crate::error::Fault;
use crate::kind::{GATEWAY_API, RouteVersion};
use crate::object::{Object, ObjectId, ObjectName, WEIGHT, label, subdomain};
use crate::service::{port_number, required_port};

/// The spec of either: a TLSRoute has hostnames besides, which are required in some versions only.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct GatewayRouteSpec {
    parent_refs: Option<Vec<TcpRouteParentRefs>>,
    pub(crate) hostnames: Option<Vec<String>>,
    rules: Vec<TcpRouteRules>,
    use_default_gateways: Option<TcpRouteUseDefaultGateways>,
}

/// An HTTPRoute or GRPCRoute, of which nothing counts but whose connections it asks for.
#[derive(Clone, Debug)]
pub(crate) struct HttpRoute {
    pub(crate) id: ObjectId,
    pub(crate) name: ObjectName,
    pub(crate) parents: Vec<ParentRef>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HttpRouteSpec {
    parent_refs: Option<Vec<TcpRouteParentRefs>>,
}

impl HttpRoute {
    pub(crate) fn parse(
        id: ObjectId,
        name: ObjectName,
        mut object: Object<HttpRouteSpec>,
    ) -> Result<Self, Vec<Fault>> {
        let spec = object.take_spec().map_err(|fault| vec![fault])?;
        let mut faults = Vec::new();
        let parents = parents(&name, spec.parent_refs, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self { id, name, parents })
    }
}

impl Route {
    pub(crate) fn parse_gateway_api(
        id: ObjectId,
        name: ObjectName,
        version: RouteVersion,
        mut object: Object<GatewayRouteSpec>,
    ) -> Result<Self, Vec<Fault>> {
        let kind = version.kind();
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
        if kind == RouteKind::TlsRoute && !annotations.matches.sni.is_empty() {
            faults.push(Fault::Field {
                path: path(SNI),
                expected: String::from("server names in spec.hostnames"),
                found: String::from("an annotation"),
            });
        }
        let hostnames = hostnames(version, spec.hostnames, &mut faults);
        faults.extend(length("spec.rules", "rule", &version.rules(), spec.rules.len()).err());
        let parents = parents(&name, spec.parent_refs, &mut faults);
        let mut rules = Vec::new();
        for (index, rule) in spec.rules.iter().enumerate() {
            let path = format!("spec.rules[{index}]");
            let backends_path = format!("{path}.backendRefs");
            let backends = &rule.backend_refs;
            faults.extend(length(&backends_path, "backend", &(1..=16), backends.len()).err());
            let backends = collect(backends, &mut faults, |index, backend| {
                BackendRef::parse(
                    &format!("{backends_path}[{index}]"),
                    &name.namespace,
                    backend,
                )
            });
            let conditions = Conditions {
                path: String::from("spec.hostnames"),
                matches: Match {
                    sni: hostnames.clone(),
                    ..Match::default()
                },
                ..Conditions::default()
            };
            rules.push(RouteRule {
                path,
                for_tls: false,
                suffix: String::new(),
                conditions: vec![conditions],
                backends,
                backends_path,
            });
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        let (services, others): (Vec<_>, Vec<_>) = parents
            .iter()
            .partition(|parent| parent.is_service() || parent.is_service_entry());
        let other_uses = (!services.is_empty() && !others.is_empty())
            .then(|| String::from("it has Services and others for parents"));
        let not_honoured = spec
            .use_default_gateways
            .map(|_| String::from("spec.useDefaultGateways"));
        Ok(Self {
            id,
            kind,
            version: Some(version),
            revision: object.label("istio.io/rev").map(str::to_owned),
            annotations,
            namespace,
            created: object.metadata.creation_timestamp,
            generation: object.metadata.generation,
            name,
            parents: Parents::References(parents),
            exported_to: None,
            rules,
            not_honoured: not_honoured.into_iter().collect(),
            other_uses,
        })
    }
}

fn parents(
    name: &ObjectName,
    parents: Option<Vec<TcpRouteParentRefs>>,
    faults: &mut Vec<Fault>,
) -> Vec<ParentRef> {
    let parents = parents.unwrap_or_default();
    faults.extend(length("spec.parentRefs", "parent", &(0..=32), parents.len()).err());
    collect(&parents, faults, |index, parent| {
        let path = format!("spec.parentRefs[{index}]");
        ParentRef::parse(&path, &name.namespace, parent)
    })
}

fn hostnames(
    version: RouteVersion,
    hostnames: Option<Vec<String>>,
    faults: &mut Vec<Fault>,
) -> Vec<SniPattern> {
    let Some(bounds) = version.hostnames() else {
        faults.extend(hostnames.map(|_| Fault::Field {
            path: String::from("spec.hostnames"),
            expected: String::from("a field of a TCPRoute"),
            found: String::from("an unknown one"),
        }));
        return Vec::new();
    };
    let hostnames = hostnames.unwrap_or_default();
    faults.extend(length("spec.hostnames", "hostname", &bounds, hostnames.len()).err());
    let mut patterns = collect(&hostnames, faults, |index, hostname| {
        let path = format!("spec.hostnames[{index}]");
        if hostname.parse::<IpAddr>().is_ok() || hostname.bytes().any(|b| b.is_ascii_uppercase()) {
            return Err(vec![Fault::Field {
                path,
                expected: String::from("a DNS name in lower case, or *. and one"),
                found: format!("{hostname:?}"),
            }]);
        }
        SniPattern::try_from(hostname.clone())
            .map_err(|cause| vec![Fault::Condition { path, cause }])
    });
    patterns.sort();
    patterns.dedup();
    patterns
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
                names_namespace: spec.namespace.is_some(),
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
        let is_istio = group == ISTIO_NETWORKING;
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
            None if !is_service && !is_istio => Ok(None),
            port => required_port(&port_path, port).map(Some),
        };
        let weight = weight(&format!("{path}.weight"), spec.weight);
        match (name, port, weight) {
            (Ok(name), Ok(port), Ok(weight)) => Ok(Self {
                // A host is the same in all namespaces, and never short.
                target: if is_istio && kind == "Hostname" && spec.namespace.is_none() {
                    Reference::Host {
                        host: name.name,
                        namespace: None,
                    }
                } else {
                    Reference::Object { group, kind, name }
                },
                subset: None,
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
