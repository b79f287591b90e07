//! Istio's ServiceEntry: hosts that are no Services of the cluster, each taken like one.

use std::net::IpAddr;

use serde::Deserialize;

use crate::error::Fault;
use crate::object::{Object, ObjectId, ObjectName, subdomain};
use crate::protocol::Protocol;
use crate::service::{Addressing, Service, ServicePort, port_number};
use crate::waypoint::Waypoints;

/// What is read of the spec; the other fields do not bear on which filter chains and clusters there
/// are.
#[derive(Deserialize)]
pub(crate) struct ServiceEntrySpec {
    hosts: Vec<String>,
    #[serde(default)]
    addresses: Vec<String>,
    #[serde(default)]
    ports: Vec<PortSpec>,
    resolution: Option<String>,
}

#[derive(Deserialize)]
struct PortSpec {
    number: i32,
    name: String,
    protocol: Option<String>,
}

/// The hosts of a ServiceEntry.
pub(crate) fn parse(
    name: &ObjectName,
    mut object: Object<ServiceEntrySpec>,
) -> Result<Vec<Service>, Vec<Fault>> {
    let spec = object.take_spec().map_err(|fault| vec![fault])?;
    let mut faults = Vec::new();
    let waypoints = Waypoints::parse(&object, &name.namespace).unwrap_or_else(|found| {
        faults.extend(found);
        Waypoints::default()
    });
    let mut ports = Vec::new();
    for (index, port) in spec.ports.iter().enumerate() {
        match port_number(&format!("spec.ports[{index}].number"), port.number) {
            Ok(number) => ports.push(ServicePort {
                name: Some(port.name.clone()),
                number,
                protocol: Protocol::of_entry(port.protocol.as_deref()),
            }),
            Err(fault) => faults.push(fault),
        }
    }
    if spec.hosts.is_empty() {
        faults.push(Fault::Field {
            path: String::from("spec.hosts"),
            expected: String::from("at least one host"),
            found: String::from("none"),
        });
    }
    for (index, host) in spec.hosts.iter().enumerate() {
        let whole = host.strip_prefix("*.").unwrap_or(host);
        faults.extend(subdomain(&format!("spec.hosts[{index}]"), whole).err());
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let addresses = spec.addresses.iter();
    let addresses: Vec<IpAddr> = addresses.filter_map(|ip| ip.parse().ok()).collect();
    let hosts = spec.hosts.into_iter().map(|host| Service {
        id: ObjectId::new("ServiceEntry", name),
        name: name.clone(),
        addressing: match spec.resolution.as_deref() {
            _ if host.starts_with('*') => Addressing::Wildcard,
            None | Some("NONE") => Addressing::AsAsked,
            Some(_) => Addressing::VirtualIp,
        },
        host: Some(host),
        addresses: addresses.clone(),
        ports: ports.clone(),
        waypoints: waypoints.clone(),
    });
    Ok(hosts.collect())
}
