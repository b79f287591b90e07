//! VirtualServices that match no connection, for the sake of the clusters that istiod makes of them.
//!
//! A waypoint has clusters for the Services that it serves. For another it gets one, `outbound|...`,
//! only where a VirtualService for a host that it serves names that other as a destination.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU16;

use crate::Objects;
use crate::hosts::Hosts;
use crate::note::{Notes, Remark};
use crate::object::{ObjectId, ObjectName};
use crate::parent::Frontend;
use crate::protocol::Protocol;
use crate::service::{Addressing, Service};
use crate::waypoint::is_owner;

/// What a waypoint's anchor names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    /// One that the waypoint serves.
    pub host: String,
    /// One that the host does not have, so that no connection matches.
    pub port: NonZeroU16,
    pub destinations: BTreeSet<AnchorDestination>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct AnchorDestination {
    pub host: String,
    pub port: NonZeroU16,
    pub subset: Option<String>,
}

/// What each waypoint needs an anchor for.
#[derive(Default)]
pub(crate) struct Wanted {
    destinations: BTreeMap<ObjectName, BTreeSet<AnchorDestination>>,
    parents: BTreeMap<ObjectName, BTreeSet<ObjectId>>,
}

/// The name of a waypoint's anchor.
pub(crate) fn name(waypoint: &ObjectName) -> ObjectName {
    ObjectName {
        namespace: waypoint.namespace.clone(),
        name: format!("{}-l4-anchor", waypoint.name),
    }
}

impl Wanted {
    pub(crate) fn add(&mut self, frontend: &Frontend, outside: Vec<AnchorDestination>) {
        if outside.is_empty() {
            return;
        }
        let waypoint = frontend.waypoint.clone();
        let parents = self.parents.entry(waypoint.clone()).or_default();
        parents.insert(frontend.service.clone());
        let wanted = self.destinations.entry(waypoint).or_default();
        wanted.extend(outside);
    }

    pub(crate) fn anchors(
        self,
        objects: &Objects,
        hosts: &Hosts<'_>,
        notes: &mut Notes,
    ) -> BTreeMap<ObjectName, Anchor> {
        let mut anchors = BTreeMap::new();
        for (waypoint, destinations) in self.destinations {
            let parents = self.parents.get(&waypoint);
            let Some(service) = holder(&waypoint, parents, objects) else {
                continue;
            };
            if speaks_http(service) {
                let service = service.id.clone();
                let id = ObjectId::new("Gateway", &waypoint);
                notes.add(Some(id), Remark::AnchorAtHttp { service });
            }
            let taken: BTreeSet<_> = service.ports.iter().map(|port| port.number).collect();
            let free = (1..=u16::MAX).filter_map(NonZeroU16::new);
            let Some(port) = free.into_iter().find(|port| !taken.contains(port)) else {
                continue;
            };
            let host = hosts.of(service);
            let anchor = Anchor {
                host,
                port,
                destinations,
            };
            anchors.insert(waypoint, anchor);
        }
        anchors
    }
}

/// The Service whose VirtualService it is. Of those for a host istiod takes the first, and only that,
/// for its HTTP ports: an anchor there could keep the Service's own from being read, so one without
/// such ports is taken, if there is one.
fn holder<'o>(
    waypoint: &ObjectName,
    parents: Option<&BTreeSet<ObjectId>>,
    objects: &'o Objects,
) -> Option<&'o Service> {
    let entries = objects.entries.values().flatten();
    let all = objects.services.values().chain(entries);
    let owned = all
        .filter(|one| one.addressing == Addressing::VirtualIp && is_owner(waypoint, one, objects));
    let is_parent = |service: &Service| parents.is_some_and(|all| all.contains(&service.id));
    let rank = |service: &&Service| (speaks_http(service), !is_parent(service));
    owned.min_by_key(rank)
}

fn speaks_http(service: &Service) -> bool {
    let mut ports = service.ports.iter();
    ports.any(|port| matches!(port.protocol, Protocol::Http | Protocol::Detected))
}
