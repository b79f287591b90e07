//! Which filter chain gets a connection, where the manifests tell what there is to connect to.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use waypoint_l4_compile::{Addressing, Host, HostPort, ObjectName, Protocol};

use super::destination::{Destination, IsMeant};
use super::place::{NoPlace, Place};
use super::waypoint::{Mesh, Waypoint};

/// `waypoint` is the one that is asked about, if it is one alone.
pub(crate) fn place<'m, 'd>(
    destination: &Destination,
    ways: impl IntoIterator<Item = IsMeant<'d>>,
    hosts: &[Host],
    mesh: &'m Mesh,
    waypoint: Option<&ObjectName>,
) -> Result<Place<'m>, NoPlace> {
    let (host, port) = meant(destination, ways, hosts, waypoint)?;
    let served = match seen(host, port, waypoint) {
        Ok(served) => served,
        Err(because) => return Ok(Place::unseen(because)),
    };
    let is_serving = |one: &&Waypoint| one.name.as_ref().is_some_and(|name| served.contains(&name));
    let serving = || mesh.waypoints.iter().filter(is_serving);
    let asked = destination.to_string();
    let routed = Place::only(&asked, serving(), |chain| chain == port.chain)?;
    let place = routed.unwrap_or_else(|| Place {
        waypoint: serving().next(),
        ..Place::without_listener(port.chain.clone(), &mesh.waypoints)
    });
    let is_unread = port.protocol != Protocol::Tls;
    Ok(Place {
        sni_unread: is_unread.then(|| {
            format!(
                "port {} of {} is not declared as TLS and Istio does not read it there",
                port.number, host.object
            )
        }),
        ..place
    })
}

/// The host that is meant. Of several of a short name those with the port count, and of these those
/// that the waypoint serves.
fn meant<'h, 'd>(
    destination: &Destination,
    ways: impl IntoIterator<Item = IsMeant<'d>>,
    hosts: &'h [Host],
    waypoint: Option<&ObjectName>,
) -> Result<(&'h Host, &'h HostPort), NoPlace> {
    let Destination { host, port } = destination;
    let mut ways = ways.into_iter().map(|way| {
        let named = hosts.iter().filter(|host| way(&host.name));
        named.collect::<Vec<_>>()
    });
    let named = ways.find(|named| !named.is_empty());
    let named = named.or_else(|| {
        let suffix = |pattern: &'h Host| pattern.name.strip_prefix('*');
        let fits = |one: &&'h Host| suffix(one).is_some_and(|suffix| host.ends_with(suffix));
        let fitting: Vec<_> = hosts.iter().filter(fits).collect();
        (!fitting.is_empty()).then_some(fitting)
    });
    let named = named.ok_or_else(|| no_such_host(host, hosts))?;
    // Two ServiceEntries may have one host.
    let mut found = BTreeMap::new();
    for host in &named {
        if let Some(port) = host.ports.iter().find(|one| one.number == *port) {
            found.entry(&host.name).or_insert((*host, port));
        }
    }
    if let Some(waypoint) = waypoint
        && found.values().any(|(host, _)| serves(waypoint, host))
    {
        found.retain(|_, (host, _)| serves(waypoint, host));
    }
    let found: Vec<_> = found.into_values().collect();
    match found.as_slice() {
        [one] => Ok(*one),
        [] => Err(NoPlace::NoSuchPort {
            lacks: named.iter().map(|host| lacks(host, destination)).collect(),
        }),
        several => Err(NoPlace::Ambiguous {
            asked: destination.to_string(),
            what: "host",
            found: several.iter().map(|(host, _)| host.name.clone()).collect(),
        }),
    }
}

fn serves(waypoint: &ObjectName, host: &Host) -> bool {
    let waypoints = host.waypoints.as_ref();
    waypoints.is_ok_and(|waypoints| waypoints.contains(waypoint))
}

/// The waypoints that see the connections to a port, or why none does.
fn seen<'h>(
    host: &'h Host,
    port: &HostPort,
    waypoint: Option<&'h ObjectName>,
) -> Result<Vec<&'h ObjectName>, String> {
    let Host {
        object, addressing, ..
    } = host;
    if *addressing != Addressing::VirtualIp {
        return Err(format!(
            "{object} is {addressing}, and has no virtual IP for a waypoint to stand behind"
        ));
    }
    let served = host.waypoints.as_ref();
    let served = served.map_err(|cause| format!("{object} has no waypoint: {cause}"))?;
    let number = port.number;
    match port.protocol {
        Protocol::Http => {
            return Err(format!(
                "port {number} of {object} is HTTP, and a waypoint has no TCP filter chain for it"
            ));
        }
        Protocol::NotTcp => return Err(format!("port {number} of {object} is not TCP")),
        Protocol::Tcp | Protocol::Tls | Protocol::Detected => {}
    }
    match waypoint {
        None => Ok(served.iter().collect()),
        Some(asked) if served.contains(asked) => Ok(vec![asked]),
        Some(asked) => {
            let served: Vec<_> = served.iter().map(ToString::to_string).collect();
            Err(format!(
                "waypoint {asked} does not serve {object}, which has {}",
                served.join(", ")
            ))
        }
    }
}

fn no_such_host(asked: &str, hosts: &[Host]) -> NoPlace {
    let alike = |name: &str| {
        let pairs = name.chars().zip(asked.chars());
        pairs.take_while(|(one, other)| one == other).count()
    };
    let mut known: Vec<_> = hosts.iter().map(|host| host.name.clone()).collect();
    known.sort_by_cached_key(|name| (Reverse(alike(name)), name.len(), name.clone()));
    known.dedup();
    NoPlace::NoSuchHost {
        asked: asked.to_owned(),
        known,
    }
}

fn lacks(host: &Host, Destination { port, .. }: &Destination) -> String {
    let ports = host.ports.iter().map(|port| port.number.to_string());
    let ports: Vec<_> = ports.collect();
    let ports = match ports.as_slice() {
        [] => String::from("none"),
        ports => ports.join(", "),
    };
    format!("{} has no port {port}; it has {ports}", host.object)
}
