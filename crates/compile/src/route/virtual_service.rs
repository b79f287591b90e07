//! The L4 part of Istio's VirtualService: `tls` and `tcp`.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::num::NonZeroU16;

use ipnet::IpNet;
use serde::Deserialize;
use serde_json::Value;
use waypoint_l4_config::{Cidr, InvalidMatch, Match, Namespace, SniPattern, Weight};

use super::{
    BackendRef, Conditions, Impossible, Parents, Reference, Route, RouteKind, RouteRule, collect,
};
use crate::annotation::Annotations;
use crate::error::Fault;
use crate::object::{Object, ObjectId, ObjectName, WEIGHT, is_subdomain, missing};
use crate::service::port_number;

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct VirtualServiceSpec {
    hosts: Vec<String>,
    gateways: Vec<String>,
    http: Vec<Value>,
    tls: Vec<RouteSpec>,
    tcp: Vec<RouteSpec>,
    export_to: Vec<String>,
}

#[derive(Deserialize)]
struct RouteSpec {
    #[serde(rename = "match", default)]
    matches: Vec<MatchSpec>,
    #[serde(default)]
    route: Vec<DestinationSpec>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct MatchSpec {
    sni_hosts: Vec<String>,
    destination_subnets: Vec<String>,
    port: Option<i32>,
    source_subnet: Option<String>,
    source_labels: BTreeMap<String, String>,
    gateways: Vec<String>,
    source_namespace: Option<String>,
}

#[derive(Deserialize)]
struct DestinationSpec {
    destination: Destination,
    weight: Option<i32>,
}

#[derive(Deserialize)]
struct Destination {
    host: String,
    subset: Option<String>,
    port: Option<PortSelector>,
}

#[derive(Deserialize)]
struct PortSelector {
    number: Option<i32>,
}

/// The gateway that stands for all proxies of the mesh, waypoints among them.
const MESH: &str = "mesh";

impl Route {
    /// None if the object has no rules for connections in the mesh.
    pub(crate) fn parse_virtual_service(
        id: ObjectId,
        name: ObjectName,
        mut object: Object<VirtualServiceSpec>,
    ) -> Result<Option<Self>, Vec<Fault>> {
        let spec = object.take_spec().map_err(|fault| vec![fault])?;
        // An anchor of an earlier run, which is there for its clusters.
        let is_own = object.label("app.kubernetes.io/managed-by") == Some("waypoint-l4");
        if is_own || (spec.tls.is_empty() && spec.tcp.is_empty()) {
            return Ok(None);
        }
        let (mesh, gateways): (Vec<_>, Vec<_>) =
            spec.gateways.iter().partition(|gateway| *gateway == MESH);
        if mesh.is_empty() && !gateways.is_empty() {
            return Ok(None);
        }
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
        if spec.hosts.is_empty() {
            faults.push(missing("spec.hosts", "at least one host"));
        }
        let sole = spec.tls.len().saturating_add(spec.tcp.len()) == 1;
        let mut rules = Vec::new();
        for (section, specs) in [("tls", &spec.tls), ("tcp", &spec.tcp)] {
            for (index, rule) in specs.iter().enumerate() {
                let path = format!("spec.{section}[{index}]");
                let suffix = format!(" {section}[{index}]");
                let is_tls = section == "tls";
                match RouteRule::parse(path, is_tls, &name.namespace, rule) {
                    Ok(rule) if sole => rules.push(rule),
                    Ok(rule) => rules.push(RouteRule { suffix, ..rule }),
                    Err(found) => faults.extend(found),
                }
            }
        }
        let exported_to = exported_to(&spec.export_to, &namespace, &mut faults);
        if !faults.is_empty() {
            return Err(faults);
        }
        let other_uses = match (gateways.is_empty(), spec.http.is_empty()) {
            (false, _) => Some(String::from("it names gateways besides the mesh")),
            (true, false) => Some(String::from("it routes HTTP too")),
            (true, true) => None,
        };
        let hosts = spec.hosts.into_iter().enumerate();
        let hosts = hosts.map(|(index, host)| (format!("spec.hosts[{index}]"), host));
        Ok(Some(Self {
            id,
            kind: RouteKind::VirtualService,
            version: None,
            revision: object.label("istio.io/rev").map(str::to_owned),
            annotations,
            namespace,
            created: object.metadata.creation_timestamp,
            generation: object.metadata.generation,
            name,
            parents: Parents::Hosts(hosts.collect()),
            exported_to,
            rules,
            not_honoured: Vec::new(),
            other_uses,
        }))
    }
}

/// The namespaces whose clients see the object; none if all do.
fn exported_to(
    export_to: &[String],
    own: &Namespace,
    faults: &mut Vec<Fault>,
) -> Option<Vec<Namespace>> {
    if export_to.is_empty() || export_to.iter().any(|one| one == "*") {
        return None;
    }
    let mut namespaces = collect(export_to, faults, |index, one| match one.as_str() {
        "." => Ok(own.clone()),
        one => Namespace::try_from(one.to_owned()).map_err(|_| {
            vec![Fault::Field {
                path: format!("spec.exportTo[{index}]"),
                expected: String::from("*, . or a namespace"),
                found: format!("{one:?}"),
            }]
        }),
    });
    namespaces.sort();
    namespaces.dedup();
    Some(namespaces)
}

impl RouteRule {
    fn parse(
        path: String,
        is_tls: bool,
        namespace: &str,
        spec: &RouteSpec,
    ) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let mut conditions = collect(&spec.matches, &mut faults, |index, matches| {
            Conditions::parse(format!("{path}.match[{index}]"), is_tls, matches)
        });
        if spec.matches.is_empty() {
            if is_tls {
                faults.push(missing(&format!("{path}.match"), "at least one match"));
            }
            conditions.push(Conditions {
                path: path.clone(),
                ..Conditions::default()
            });
        }
        let backends_path = format!("{path}.route");
        if spec.route.is_empty() {
            faults.push(missing(&backends_path, "at least one destination"));
        }
        let mut backends = collect(&spec.route, &mut faults, |index, destination| {
            BackendRef::parse_destination(
                &format!("{backends_path}[{index}]"),
                namespace,
                destination,
            )
        });
        // "If there is only one destination in a rule, the weight value is assumed to be 100."
        if let [only] = backends.as_mut_slice() {
            only.weight = Weight::default();
        } else if !backends.is_empty() && backends.iter().all(|one| one.weight.value() == 0) {
            faults.push(Fault::Field {
                path: backends_path.clone(),
                expected: String::from("a destination with a weight above 0"),
                found: String::from("none"),
            });
        }
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            path,
            for_tls: is_tls,
            suffix: String::new(),
            conditions,
            backends,
            backends_path,
        })
    }
}

impl Conditions {
    fn parse(path: String, is_tls: bool, spec: &MatchSpec) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        if is_tls && spec.sni_hosts.is_empty() {
            let path = format!("{path}.sniHosts");
            faults.push(missing(&path, "at least one server name"));
        }
        if !is_tls && !spec.sni_hosts.is_empty() {
            faults.push(Fault::Field {
                path: format!("{path}.sniHosts"),
                expected: String::from("server names below spec.tls only"),
                found: String::from("some"),
            });
        }
        // One that fits every name is no condition.
        let any = spec.sni_hosts.iter().any(|host| host == "*");
        let named = if any { &[] } else { spec.sni_hosts.as_slice() };
        let mut sni: Vec<SniPattern> = collect(named, &mut faults, |index, host| {
            condition(format!("{path}.sniHosts[{index}]"), host)
        });
        sni.sort();
        sni.dedup();
        let source = spec.source_namespace.iter().filter(|name| !name.is_empty());
        let source: Vec<_> = source.cloned().collect();
        let source_namespaces: Vec<Namespace> = collect(&source, &mut faults, |_, name| {
            condition(format!("{path}.sourceNamespace"), name)
        });
        let subnet: Vec<_> = spec.source_subnet.iter().cloned().collect();
        let source_cidrs: Vec<Cidr> = collect(&subnet, &mut faults, |_, subnet| {
            network(format!("{path}.sourceSubnet"), subnet)
        });
        let destinations: Vec<IpNet> =
            collect(&spec.destination_subnets, &mut faults, |index, subnet| {
                let path = format!("{path}.destinationSubnets[{index}]");
                network(path, subnet).map(|network| network.0)
            });
        let port = spec.port.filter(|port| *port != 0);
        let port = port.map(|port| port_number(&format!("{path}.port"), port));
        let port = port.transpose().unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        if !faults.is_empty() {
            return Err(faults);
        }
        let other_gateways =
            !spec.gateways.is_empty() && !spec.gateways.iter().any(|one| one == MESH);
        let impossible = match (other_gateways, spec.source_labels.is_empty()) {
            (true, _) => Some(Impossible::OtherGateways),
            (false, false) => Some(Impossible::SourceLabels),
            (false, true) => None,
        };
        Ok(Self {
            path,
            port,
            destinations,
            impossible,
            matches: Match {
                sni,
                source_namespaces,
                source_cidrs,
                ..Match::default()
            },
        })
    }
}

/// A network, or the one of a single address.
fn network(path: String, text: &str) -> Result<Cidr, Vec<Fault>> {
    match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => condition(path, &format!("{text}/32")),
        Ok(IpAddr::V6(_)) => condition(path, &format!("{text}/128")),
        Err(_) => condition(path, text),
    }
}

fn condition<T>(path: String, text: &str) -> Result<T, Vec<Fault>>
where
    T: TryFrom<String, Error = InvalidMatch>,
{
    T::try_from(text.to_owned()).map_err(|cause| vec![Fault::Condition { path, cause }])
}

impl BackendRef {
    fn parse_destination(
        path: &str,
        namespace: &str,
        spec: &DestinationSpec,
    ) -> Result<Self, Vec<Fault>> {
        let mut faults = Vec::new();
        let Destination { host, subset, port } = &spec.destination;
        if !is_subdomain(host) {
            faults.push(Fault::Field {
                path: format!("{path}.destination.host"),
                expected: String::from("the name of a host"),
                found: format!("{host:?}"),
            });
        }
        let number = port.as_ref().and_then(|port| port.number);
        let number =
            number.map(|port| port_number(&format!("{path}.destination.port.number"), port));
        let port: Option<NonZeroU16> = number.transpose().unwrap_or_else(|fault| {
            faults.push(fault);
            None
        });
        let weight = spec.weight.unwrap_or(0);
        let valid = u32::try_from(weight).ok();
        let weight = match valid.and_then(|weight| Weight::try_from(weight).ok()) {
            Some(weight) => weight,
            None => {
                faults.push(Fault::Field {
                    path: format!("{path}.weight"),
                    expected: WEIGHT.to_owned(),
                    found: weight.to_string(),
                });
                Weight::default()
            }
        };
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            target: Reference::Host {
                host: host.clone(),
                namespace: Some(namespace.to_owned()),
            },
            subset: subset.clone().filter(|subset| !subset.is_empty()),
            port,
            weight,
        })
    }
}
