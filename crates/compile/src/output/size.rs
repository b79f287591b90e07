//! How large an object may become.

use std::collections::BTreeMap;

use crate::plan::Listener;

/// What etcd takes in one request, unless it is told otherwise.
pub(super) const LIMIT: usize = 1_572_864;

/// Close enough to the limit to do something about it.
pub(super) const WARNING: usize = 1_048_576;

/// What an object may have in annotations, where `kubectl apply` puts the object once more.
pub(super) const LAST_APPLIED: usize = 262_144;

/// How many of the largest to name.
const NAMED: usize = 3;

/// The objects whose rules take most bytes.
pub(super) fn contributors(listeners: &[Listener]) -> String {
    let mut sizes = BTreeMap::<_, usize>::new();
    for listener in listeners {
        for rule in &listener.rules {
            let one = std::slice::from_ref(listener).iter().cloned();
            let alone = one.map(|listener| Listener {
                rules: vec![rule.clone()],
                ..listener
            });
            let config = super::config(&alone.collect::<Vec<_>>(), false);
            let bytes = config
                .ok()
                .and_then(|config| serde_json::to_vec(&config).ok());
            let size = sizes.entry(&rule.origin).or_default();
            *size = size.saturating_add(bytes.map_or(0, |bytes| bytes.len()));
        }
    }
    let mut sizes: Vec<_> = sizes.into_iter().collect();
    sizes.sort_by_key(|(origin, size)| (std::cmp::Reverse(*size), *origin));
    let named = sizes.iter().take(NAMED);
    let named = named.map(|(origin, size)| format!("{origin} ({size} bytes)"));
    named.collect::<Vec<_>>().join(", ")
}
