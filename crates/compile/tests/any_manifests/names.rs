//! A small world, so that what is named is often there.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::{Map, Value, json};

pub(crate) const NAMESPACES: [&str; 2] = ["demo", "shop"];
pub(crate) const SERVICES: [&str; 3] = ["db", "db-v1", "db-v2"];
pub(crate) const PORTS: [u16; 4] = [9000, 5432, 443, 25];
pub(crate) const WAYPOINTS: [&str; 2] = ["waypoint", "canary"];
pub(crate) const ENTRY_HOSTS: [&str; 2] = ["db.partner.example", "a.example"];
pub(crate) const WILDCARD: &str = "*.partner.example";
pub(crate) const SUBSETS: [&str; 2] = ["v1", "v2"];

pub(crate) fn namespace() -> impl Strategy<Value = String> {
    names(&NAMESPACES)
}

/// One of these, and once in a while one that is nowhere.
pub(crate) fn name(known: &[&'static str]) -> impl Strategy<Value = String> + use<> {
    prop_oneof![19 => names(known), 1 => Just(String::from("nowhere"))]
}

pub(crate) fn names(known: &[&'static str]) -> impl Strategy<Value = String> + use<> {
    select(known.to_vec()).prop_map(str::to_owned)
}

pub(crate) fn port() -> impl Strategy<Value = u16> {
    prop_oneof![19 => select(&PORTS[..]), 1 => any::<u16>().prop_map(|port| port.max(1))]
}

/// The host of a Service, short or whole, or of a ServiceEntry.
pub(crate) fn host() -> impl Strategy<Value = String> {
    let short = name(&SERVICES);
    let whole = (name(&SERVICES), namespace())
        .prop_map(|(name, namespace)| format!("{name}.{namespace}.svc.cluster.local"));
    prop_oneof![3 => short, 3 => whole, 2 => names(&ENTRY_HOSTS)]
}

pub(crate) fn server_names() -> impl Strategy<Value = Vec<String>> {
    let name = names(&["db.example", "*.example", "a.b.example", "*.b.example", "x"]);
    prop::collection::vec(name, 1..4)
}

pub(crate) fn network() -> impl Strategy<Value = String> {
    names(&[
        "10.0.0.0/8",
        "10.1.2.3/16",
        "::/0",
        "fd00::/8",
        "::ffff:10.0.0.0/104",
        "0.0.0.0/0",
    ])
}

/// Small ones and great ones, with each of them likely.
pub(crate) fn weight() -> impl Strategy<Value = u32> {
    prop_oneof![Just(0_u32), Just(1), 0..=100_u32, Just(1_000_000)]
}

/// Labels or annotations, each of them there or not.
pub(crate) fn some(pairs: Vec<(&'static str, BoxedStrategy<String>)>) -> BoxedStrategy<Value> {
    let pairs = pairs.into_iter().map(|(key, value)| {
        let value = prop::option::weighted(0.2, value);
        value.prop_map(move |value| value.map(|value| (key.to_owned(), Value::String(value))))
    });
    let pairs: Vec<_> = pairs.collect();
    pairs
        .prop_map(|pairs| pairs.into_iter().flatten().collect::<Map<_, _>>().into())
        .boxed()
}

/// Puts an object together; what is null is left out.
pub(crate) fn object(api_version: &str, kind: &str, metadata: Value, spec: Value) -> Value {
    let mut object =
        json!({"apiVersion": api_version, "kind": kind, "metadata": metadata, "spec": spec});
    leave_out_null(&mut object);
    object
}

fn leave_out_null(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(leave_out_null);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_null),
        _ => {}
    }
}
