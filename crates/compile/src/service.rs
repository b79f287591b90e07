//! What clients connect to: a core Service, or a host of a ServiceEntry. As far as routing asks.

use std::fmt;
use std::net::IpAddr;
use std::num::NonZeroU16;

use k8s_openapi::api::core::v1::{ServicePort as PortSpec, ServiceSpec};

use crate::error::Fault;
use crate::object::{Object, ObjectId, ObjectName, PORT, label, missing};
use crate::protocol::Protocol;
use crate::waypoint::Waypoints;

#[derive(Clone, Debug)]
pub struct Service {
    /// The object that it is of.
    pub(crate) id: ObjectId,
    pub(crate) name: ObjectName,
    /// That of a ServiceEntry; a Service's follows from its name and the cluster's domain.
    pub(crate) host: Option<String>,
    pub(crate) addressing: Addressing,
    /// Its virtual IPs, as far as the manifest tells.
    pub(crate) addresses: Vec<IpAddr>,
    pub(crate) ports: Vec<ServicePort>,
    /// What its own labels ask for; without, its Namespace's hold.
    pub(crate) waypoints: Waypoints,
}

/// How clients find the Service's pods.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addressing {
    /// At a virtual IP, which a waypoint can stand behind.
    VirtualIp,
    /// Each pod for itself.
    Headless,
    /// By a DNS alias.
    ExternalName,
    /// At the address that the client has asked for, whatever it is.
    AsAsked,
    /// At the addresses of whichever host a pattern fits.
    Wildcard,
}

impl fmt::Display for Addressing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::VirtualIp => "of type ClusterIP",
            Self::Headless => "headless (clusterIP: None)",
            Self::ExternalName => "of type ExternalName",
            Self::AsAsked => "of resolution NONE",
            Self::Wildcard => "for a wildcard host",
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct ServicePort {
    pub(crate) name: Option<String>,
    pub(crate) number: NonZeroU16,
    pub(crate) protocol: Protocol,
}

impl Service {
    pub(crate) fn parse(
        name: ObjectName,
        mut object: Object<ServiceSpec>,
    ) -> Result<Self, Vec<Fault>> {
        let spec = object.take_spec().map_err(|fault| vec![fault])?;
        let mut faults = Vec::new();
        faults.extend(label("metadata.name", &name.name).err());
        let addressing = match (spec.type_.as_deref(), spec.cluster_ip.as_deref()) {
            (Some("ExternalName"), _) => Addressing::ExternalName,
            (_, Some("None")) => Addressing::Headless,
            _ => Addressing::VirtualIp,
        };
        let mut ports = Vec::new();
        for (index, port) in spec.ports.iter().flatten().enumerate() {
            match ServicePort::parse(&format!("spec.ports[{index}]"), port) {
                Ok(port) => ports.push(port),
                Err(fault) => faults.push(fault),
            }
        }
        let waypoints = match object.label(MANAGED_BY_ISTIO) {
            // A waypoint's own Service: it is not served by a waypoint in its turn.
            Some("istio.io-mesh-controller") => Waypoints::none(),
            _ => Waypoints::parse(&object, &name.namespace).unwrap_or_else(|found| {
                faults.extend(found);
                Waypoints::default()
            }),
        };
        let one = spec.cluster_ip.iter();
        let addresses = one.chain(spec.cluster_ips.iter().flatten());
        let mut addresses: Vec<_> = addresses.filter_map(|ip| ip.parse().ok()).collect();
        addresses.dedup();
        if !faults.is_empty() {
            return Err(faults);
        }
        Ok(Self {
            id: ObjectId::new("Service", &name),
            name,
            host: None,
            addressing,
            addresses,
            ports,
            waypoints,
        })
    }
}

const MANAGED_BY_ISTIO: &str = "gateway.istio.io/managed";

impl ServicePort {
    fn parse(path: &str, spec: &PortSpec) -> Result<Self, Fault> {
        let number = port_number(&format!("{path}.port"), spec.port)?;
        Ok(Self {
            name: spec.name.clone(),
            number,
            protocol: Protocol::of_port(
                spec.protocol.as_deref(),
                spec.app_protocol.as_deref(),
                spec.name.as_deref(),
                number.get(),
            ),
        })
    }
}

/// A port as the Gateway API has it where it is required.
pub(crate) fn required_port(path: &str, port: Option<i32>) -> Result<NonZeroU16, Fault> {
    match port {
        Some(port) => port_number(path, port),
        None => Err(missing(path, "a port of the Service")),
    }
}

pub(crate) fn port_number(path: &str, port: i32) -> Result<NonZeroU16, Fault> {
    let number = u16::try_from(port).ok().and_then(NonZeroU16::new);
    number.ok_or_else(|| Fault::Field {
        path: path.to_owned(),
        expected: PORT.to_owned(),
        found: port.to_string(),
    })
}
