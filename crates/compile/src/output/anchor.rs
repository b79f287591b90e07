//! The VirtualService that stands for an anchor.

use serde::Serialize;

use super::{Labels, Metadata};
use crate::anchor::{Anchor, AnchorDestination, name};
use crate::object::ObjectName;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct VirtualService<'a> {
    api_version: &'a str,
    kind: &'a str,
    metadata: Metadata<'a>,
    spec: Spec<'a>,
}

#[derive(Serialize)]
struct Spec<'a> {
    hosts: [&'a str; 1],
    tcp: [Route<'a>; 1],
}

#[derive(Serialize)]
struct Route<'a> {
    r#match: [Match; 1],
    route: Vec<WeightedDestination<'a>>,
}

#[derive(Serialize)]
struct Match {
    port: u16,
}

#[derive(Serialize)]
struct WeightedDestination<'a> {
    destination: Destination<'a>,
    weight: u32,
}

#[derive(Serialize)]
struct Destination<'a> {
    host: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subset: Option<&'a str>,
    port: Port,
}

#[derive(Serialize)]
struct Port {
    number: u16,
}

impl<'a> VirtualService<'a> {
    pub(super) fn new(waypoint: &'a ObjectName, anchor: &'a Anchor) -> Self {
        let destinations = anchor.destinations.iter();
        Self {
            api_version: "networking.istio.io/v1",
            kind: "VirtualService",
            metadata: Metadata {
                name: name(waypoint).name,
                namespace: &waypoint.namespace,
                labels: Labels::OWN,
            },
            spec: Spec {
                hosts: [&anchor.host],
                tcp: [Route {
                    r#match: [Match {
                        port: anchor.port.get(),
                    }],
                    route: destinations.map(weighted).collect(),
                }],
            },
        }
    }
}

fn weighted(destination: &AnchorDestination) -> WeightedDestination<'_> {
    WeightedDestination {
        destination: Destination {
            host: &destination.host,
            subset: destination.subset.as_deref(),
            port: Port {
                number: destination.port.get(),
            },
        },
        weight: 1,
    }
}
