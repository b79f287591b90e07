//! The whole mixture. A further kind is a line in `manifests`.

use std::collections::BTreeMap;
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

use proptest::collection::vec;
use proptest::prelude::*;
use serde_json::Value;
use waypoint_l4_compile::Source;

use crate::breakage::breakage;
use crate::core::{namespaces, services};
use crate::gateway_api::{gateway, http_route, tcp_route, tls_route};
use crate::istio::{destination_rule, service_entries, virtual_service};

/// Printed as what `compile -f -` reads, for whoever has to find out why they fail.
#[derive(Clone)]
pub(crate) struct Manifests(pub(crate) Vec<Value>);

impl fmt::Debug for Manifests {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0
            .iter()
            .try_for_each(|manifest| write!(f, "\n{manifest}"))
    }
}

impl Manifests {
    /// In one of all the orders there are.
    pub(crate) fn in_order(mut self, order: u64) -> Self {
        let place = |manifest: &Value| {
            let mut hasher = DefaultHasher::new();
            (order, manifest.to_string()).hash(&mut hasher);
            hasher.finish()
        };
        self.0.sort_by_cached_key(place);
        self
    }
}

/// What a cluster could hold; at times with something in it broken.
pub(crate) fn manifests() -> impl Strategy<Value = Manifests> {
    let others = prop_oneof![
        8 => tcp_route(),
        3 => tls_route(),
        1 => http_route(),
        3 => virtual_service(),
        2 => destination_rule(),
        2 => gateway(),
    ];
    let all = (
        namespaces(),
        services(),
        service_entries(),
        vec(others, 0..9),
    );
    let broken = prop::option::weighted(0.2, breakage());
    (all, broken).prop_map(|((namespaces, services, entries, others), broken)| {
        let all = [namespaces, services, entries, others];
        let mut manifests = distinct(all.into_iter().flatten());
        if let Some(broken) = broken {
            broken.apply(&mut manifests);
        }
        Manifests(manifests)
    })
}

/// The last of each name: two that differ are refused, which would be most of the cases.
fn distinct(manifests: impl Iterator<Item = Value>) -> Vec<Value> {
    let named = manifests.map(|manifest| {
        let metadata = &manifest["metadata"];
        let name = [&manifest["kind"], &metadata["namespace"], &metadata["name"]];
        (name.map(Value::to_string), manifest)
    });
    named.collect::<BTreeMap<_, _>>().into_values().collect()
}

/// Each as a file of its own, named for it.
pub(crate) fn sources(Manifests(manifests): &Manifests) -> Vec<Source> {
    let sources = manifests.iter().map(|manifest| Source {
        name: format!("{} {}.json", manifest["kind"], manifest["metadata"]),
        content: Ok(serde_json::to_vec(manifest).unwrap()),
    });
    sources.collect()
}
