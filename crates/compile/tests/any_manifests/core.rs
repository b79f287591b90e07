//! Services and Namespaces.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::names::{NAMESPACES, PORTS, SERVICES, WAYPOINTS, name, names, object, some};

pub(crate) fn namespaces() -> impl Strategy<Value = Vec<Value>> {
    let namespaces = NAMESPACES.map(|name| {
        labels().prop_map(move |labels| {
            let metadata = json!({"name": name, "labels": labels});
            object("v1", "Namespace", metadata, Value::Null)
        })
    });
    all_but_few(namespaces.to_vec())
}

pub(crate) fn services() -> impl Strategy<Value = Vec<Value>> {
    let names = NAMESPACES
        .iter()
        .flat_map(|namespace| SERVICES.map(|name| (*namespace, name)));
    all_but_few(
        names
            .map(|(namespace, name)| service(namespace, name))
            .collect(),
    )
}

/// What asks for a waypoint.
pub(crate) fn labels() -> BoxedStrategy<Value> {
    let waypoint = prop_oneof![18 => names(&WAYPOINTS[..1]), 1 => name(&WAYPOINTS), 1 => Just(String::from("none"))];
    let rest = some(vec![
        (
            "istio.io/use-waypoint-namespace",
            names(&NAMESPACES).boxed(),
        ),
        ("istio.io/use-waypoint-canary", names(&WAYPOINTS).boxed()),
    ]);
    (option::weighted(0.8, waypoint), rest)
        .prop_map(|(waypoint, mut labels)| {
            if let Some(waypoint) = waypoint {
                labels["istio.io/use-waypoint"] = json!(waypoint);
            }
            labels
        })
        .boxed()
}

fn service(namespace: &'static str, name: &'static str) -> impl Strategy<Value = Value> + Clone {
    let protocol = select(vec![
        "tcp", "tcp-db", "tls-db", "https", "http", "mysql", "own", "udp",
    ]);
    let port = (
        protocol,
        option::weighted(0.1, select(vec!["tcp", "tls", "http", "own"])),
    );
    let ports = prop::collection::vec(port, 1..=PORTS.len());
    let address = prop_oneof![
        8 => Just(json!({})),
        1 => Just(json!({"clusterIP": "None"})),
        1 => Just(json!({"type": "ExternalName", "externalName": "a.example"})),
        2 => Just(json!({"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7", "fd00::7"]})),
    ];
    let labels = option::weighted(0.3, labels());
    (labels, ports, address).prop_map(move |(labels, ports, mut spec)| {
        let ports = ports.into_iter().zip(PORTS).map(|((protocol, app), number)| {
            json!({"name": format!("{protocol}-{number}"), "port": number, "appProtocol": app})
        });
        spec["ports"] = ports.collect();
        let metadata = json!({"namespace": namespace, "name": name, "labels": labels});
        object("v1", "Service", metadata, spec)
    })
}

/// Routes are refused where there is not what they need, so most of it is.
pub(crate) fn all_but_few(
    objects: Vec<impl Strategy<Value = Value>>,
) -> impl Strategy<Value = Vec<Value>> {
    let objects = objects
        .into_iter()
        .map(|object| option::weighted(0.99, object));
    objects
        .collect::<Vec<_>>()
        .prop_map(|objects| objects.into_iter().flatten().collect())
}
