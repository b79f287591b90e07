//! Gateways, TCPRoutes, TLSRoutes, and the HTTPRoutes that outrank them.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Value, json};

use crate::names::{
    ENTRY_HOSTS, NAMESPACES, SERVICES, WAYPOINTS, name, names, namespace, network, object, port,
    server_names, some, weight,
};

const GROUP: &str = "gateway.networking.k8s.io";
const ISTIO: &str = "networking.istio.io";

pub(crate) fn gateway() -> impl Strategy<Value = Value> {
    let class = prop_oneof![9 => Just("istio-waypoint"), 1 => Just("istio")];
    let traffic = some(vec![(
        "istio.io/waypoint-for",
        names(&["service", "all", "workload"]).boxed(),
    )]);
    let admitted = prop_oneof![
        Just(json!({"from": "All"})),
        Just(json!({"from": "Same"})),
        namespace().prop_map(|name| {
            let labels = json!({"kubernetes.io/metadata.name": name});
            json!({"from": "Selector", "selector": {"matchLabels": labels}})
        }),
        Just(
            json!({"from": "Selector", "selector": {"matchExpressions": [{"key": "team", "operator": "Exists"}]}})
        ),
    ];
    (namespace(), names(&WAYPOINTS), class, traffic, admitted).prop_map(
        |(namespace, name, class, labels, admitted)| {
            let metadata = json!({"namespace": namespace, "name": name, "labels": labels});
            let listener = json!({"name": "mesh", "port": 15008, "protocol": "HBONE",
                "allowedRoutes": {"namespaces": admitted}});
            let spec = json!({"gatewayClassName": class, "listeners": [listener]});
            object(&format!("{GROUP}/v1"), "Gateway", metadata, spec)
        },
    )
}

pub(crate) fn tcp_route() -> impl Strategy<Value = Value> {
    let rules = prop_oneof![49 => vec(rule(), 1), 1 => vec(rule(), 2..4)];
    let parts = (
        select(vec!["v1", "v1alpha2"]),
        metadata(true),
        parents(),
        rules,
    );
    parts.prop_map(|(version, metadata, parents, rules)| {
        let spec = json!({"parentRefs": parents, "rules": rules});
        object(&format!("{GROUP}/{version}"), "TCPRoute", metadata, spec)
    })
}

pub(crate) fn tls_route() -> impl Strategy<Value = Value> {
    let versions = select(vec!["v1", "v1alpha3", "v1alpha2"]);
    let parts = (
        versions,
        metadata(false),
        parents(),
        server_names(),
        vec(rule(), 1),
    );
    parts.prop_map(|(version, metadata, parents, hostnames, rules)| {
        let spec = json!({"parentRefs": parents, "hostnames": hostnames, "rules": rules});
        object(&format!("{GROUP}/{version}"), "TLSRoute", metadata, spec)
    })
}

/// The only one of its name, and so the only one: of several a note names the first in the manifests.
pub(crate) fn http_route() -> impl Strategy<Value = Value> {
    parents().prop_map(|parents| {
        let metadata = json!({"namespace": NAMESPACES[0], "name": "web"});
        let spec = json!({"parentRefs": parents});
        object(&format!("{GROUP}/v1"), "HTTPRoute", metadata, spec)
    })
}

/// Of a route; a TLSRoute has no annotation for server names.
pub(crate) fn metadata(sni: bool) -> impl Strategy<Value = Value> {
    let list =
        |item: BoxedStrategy<String>| vec(item, 1..4).prop_map(|items| items.join(", ")).boxed();
    let accounts =
        (namespace(), names(&["web", "batch"])).prop_map(|(ns, name)| format!("{ns}/{name}"));
    let mut annotations = vec![
        (
            "waypoint-l4.io/pick",
            names(&[
                "random",
                "exact",
                "sticky/sourceAddress",
                "sticky/sourcePrincipal",
            ])
            .boxed(),
        ),
        (
            "waypoint-l4.io/source-namespaces",
            list(namespace().boxed()),
        ),
        (
            "waypoint-l4.io/source-service-accounts",
            list(accounts.boxed()),
        ),
        ("waypoint-l4.io/source-cidrs", list(network().boxed())),
        (
            "waypoint-l4.io/otherwise",
            names(&["default", "refuse"]).boxed(),
        ),
        (
            "waypoint-l4.io/drain-on-removal",
            names(&["30s", "1h30m", "500ms", "0s", "99999h"]).boxed(),
        ),
        ("waypoint-l4.io/failover", Just(String::from("x")).boxed()),
    ];
    if sni {
        let server_names = server_names().prop_map(|names| names.join(","));
        annotations.push(("waypoint-l4.io/sni", server_names.boxed()));
    }
    let labels = some(vec![(
        "istio.io/rev",
        names(&["waypoint-l4", "canary"]).boxed(),
    )]);
    let created = option::of(select(vec!["2026-01-01T00:00:00Z", "2026-01-02T00:00:00Z"]));
    let name = names(&["r1", "r2", "r3", "r4"]);
    (namespace(), name, labels, some(annotations), created).prop_map(
        |(namespace, name, labels, annotations, created)| {
            json!({"namespace": namespace, "name": name, "labels": labels,
                "annotations": annotations, "creationTimestamp": created, "generation": 1})
        },
    )
}

fn parents() -> impl Strategy<Value = Vec<Value>> {
    let service = (names(&SERVICES), option::weighted(0.3, namespace())).prop_map(|(name, namespace)| {
        json!({"group": "", "kind": "Service", "name": name, "namespace": namespace})
    });
    let entry = option::weighted(0.3, namespace()).prop_map(|namespace| {
        json!({"group": ISTIO, "kind": "ServiceEntry", "name": "entry", "namespace": namespace})
    });
    let gateway = names(&WAYPOINTS).prop_map(|name| json!({"name": name}));
    let section = select(vec!["tcp-9000", "tls-db-5432", "nowhere", ""]);
    let parent = prop_oneof![8 => service, 1 => entry, 1 => gateway];
    let parent = (
        parent,
        option::weighted(0.5, port()),
        option::weighted(0.1, section),
    )
        .prop_map(|(mut parent, port, section)| {
            parent["port"] = json!(port);
            parent["sectionName"] = json!(section);
            parent
        });
    vec(parent, 0..4)
}

fn rule() -> impl Strategy<Value = Value> {
    let service = name(&SERVICES).prop_map(|name| json!({"name": name}));
    let hostname = names(&ENTRY_HOSTS[..1])
        .prop_map(|name| json!({"group": ISTIO, "kind": "Hostname", "name": name}));
    let entry = Just(json!({"group": ISTIO, "kind": "ServiceEntry", "name": "entry"}));
    let bucket = Just(json!({"group": "storage.example", "kind": "Bucket", "name": "b"}));
    let target = prop_oneof![16 => service, 2 => hostname, 1 => entry, 1 => bucket];
    let elsewhere = option::weighted(0.1, names(&NAMESPACES));
    let backend = (target, elsewhere, port(), option::of(weight())).prop_map(
        |(mut backend, namespace, port, weight)| {
            backend["port"] = json!(port);
            backend["weight"] = json!(weight);
            if backend["kind"] != "Hostname" {
                backend["namespace"] = json!(namespace);
            }
            backend
        },
    );
    vec(backend, 1..5).prop_map(|backends| json!({"backendRefs": backends}))
}
