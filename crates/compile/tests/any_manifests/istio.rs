//! VirtualServices, DestinationRules and ServiceEntries.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::{Value, json};

use crate::core::{all_but_few, labels};
use crate::gateway_api::metadata;
use crate::names::{
    ENTRY_HOSTS, NAMESPACES, PORTS, SUBSETS, WILDCARD, host, name, names, namespace, network,
    object, port, server_names, weight,
};

const API_VERSION: &str = "networking.istio.io/v1";

pub(crate) fn virtual_service() -> impl Strategy<Value = Value> {
    let gateways = prop_oneof![
        8 => Just(Value::Null),
        1 => Just(json!(["mesh"])),
        1 => Just(json!(["mesh", "demo/ingress"])),
        1 => Just(json!(["demo/ingress"])),
    ];
    let hosts = prop_oneof![9 => host(), 1 => Just(WILDCARD.to_owned())];
    let export_to = option::weighted(0.2, vec(names(&[".", "*", "demo", "shop"]), 1..3));
    let tcp = vec(
        route(option::weighted(0.6, vec(matches(false), 1..3))),
        0..3,
    );
    let tls = vec(route(vec(matches(true), 1..3).prop_map(Some)), 0..3);
    let parts = (
        metadata(false),
        vec(hosts, 1..3),
        gateways,
        export_to,
        tcp,
        tls,
    );
    parts.prop_map(|(metadata, hosts, gateways, export_to, tcp, tls)| {
        let spec = json!({"hosts": hosts, "gateways": gateways, "exportTo": export_to, "tcp": tcp, "tls": tls});
        object(API_VERSION, "VirtualService", metadata, spec)
    })
}

pub(crate) fn destination_rule() -> impl Strategy<Value = Value> {
    let balancer = prop_oneof![
        Just(Value::Null),
        Just(json!({"simple": "LEAST_REQUEST"})),
        any::<bool>().prop_map(|sticky| json!({"consistentHash": {"useSourceIp": sticky}})),
    ];
    let host = prop_oneof![4 => host(), 1 => Just(String::from("*.demo.svc.cluster.local"))];
    let subsets = option::of(vec(name(&SUBSETS), 0..3));
    let of_ports = option::of((port(), any::<bool>()));
    let names = names(&["d1", "d2"]);
    (namespace(), names, host, subsets, balancer, of_ports).prop_map(
        |(namespace, name, host, subsets, balancer, of_ports)| {
            let metadata = json!({"namespace": namespace, "name": name});
            let subsets = subsets.map(|names| names.into_iter().map(|name| json!({"name": name})).collect::<Vec<_>>());
            let ports = of_ports.map(|(port, sticky)| {
                json!([{"port": {"number": port}, "loadBalancer": {"consistentHash": {"useSourceIp": sticky}}}])
            });
            let policy = json!({"loadBalancer": balancer, "portLevelSettings": ports});
            let spec = json!({"host": host, "subsets": subsets, "trafficPolicy": policy});
            object(API_VERSION, "DestinationRule", metadata, spec)
        },
    )
}

/// Each with hosts of its own: which of two ServiceEntries counts at a waypoint that serves a host of
/// both is not decided yet.
pub(crate) fn service_entries() -> impl Strategy<Value = Vec<Value>> {
    let hosts = [vec![ENTRY_HOSTS[0], WILDCARD], vec![ENTRY_HOSTS[1]]];
    let entries = NAMESPACES.into_iter().zip(hosts);
    all_but_few(
        entries
            .map(|(namespace, hosts)| service_entry(namespace, hosts))
            .collect(),
    )
}

fn service_entry(
    namespace: &'static str,
    hosts: Vec<&'static str>,
) -> impl Strategy<Value = Value> + Clone {
    let count = hosts.len();
    let hosts = subsequence(hosts, 1..=count);
    let resolution = select(vec![None, Some("NONE"), Some("STATIC"), Some("DNS")]);
    let protocols = vec(
        select(vec!["TCP", "TLS", "HTTP", "MONGO", "UDP"]),
        1..=PORTS.len(),
    );
    let addresses = option::of(Just(["192.0.2.7", "fd00::7"]));
    (labels(), hosts, resolution, protocols, addresses).prop_map(
        move |(labels, hosts, resolution, protocols, addresses)| {
            let metadata = json!({"namespace": namespace, "name": "entry", "labels": labels});
            let ports = protocols.into_iter().zip(PORTS).map(|(protocol, number)| {
                json!({"name": format!("p{number}"), "number": number, "protocol": protocol})
            });
            let ports: Vec<_> = ports.collect();
            let spec = json!({"hosts": hosts, "resolution": resolution, "ports": ports, "addresses": addresses});
            object(API_VERSION, "ServiceEntry", metadata, spec)
        },
    )
}

fn route(matches: impl Strategy<Value = Option<Vec<Value>>>) -> impl Strategy<Value = Value> {
    let subset = option::weighted(0.2, name(&SUBSETS));
    let destination = (host(), subset, option::weighted(0.7, port()), 1..=100_u32).prop_map(
        |(host, subset, port, weight)| {
            let port = port.map(|number| json!({"number": number}));
            let destination = json!({"host": host, "subset": subset, "port": port});
            json!({"destination": destination, "weight": weight})
        },
    );
    let more = (host(), weight())
        .prop_map(|(host, weight)| json!({"destination": {"host": host}, "weight": weight}));
    (matches, destination, vec(more, 0..3)).prop_map(|(matches, first, more)| {
        let destinations: Vec<_> = std::iter::once(first).chain(more).collect();
        json!({"match": matches, "route": destinations})
    })
}

fn matches(tls: bool) -> impl Strategy<Value = Value> {
    let sni = prop_oneof![4 => server_names(), 1 => Just(vec![String::from("*")])];
    let parts = (
        sni,
        option::weighted(0.3, port()),
        option::weighted(0.3, network()),
        option::weighted(0.2, network()),
        option::weighted(0.2, namespace()),
        option::weighted(0.1, Just(json!({"app": "web"}))),
    );
    parts.prop_map(move |(sni, port, source, destination, namespace, labels)| {
        json!({
            "sniHosts": tls.then_some(sni),
            "port": port,
            "sourceSubnet": source,
            "destinationSubnets": destination.map(|subnet| [subnet]),
            "sourceNamespace": namespace,
            "sourceLabels": labels,
        })
    })
}
