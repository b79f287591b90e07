//! The filter in a real Envoy with the shape of Istio's waypoint: TCP connections go in by HBONE and
//! come out at one of two pods. Each test has an Envoy of its own.

#![allow(
    clippy::indexing_slicing,
    reason = "a test may panic, and clippy does not take its helpers for tests"
)]

mod access_log;
mod choice;
mod drain;
mod failures;
mod metrics;
mod plain;
mod protocols;
mod refusals;
mod routing;
mod ticks;
mod updates;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use serde_json::{Value, json};
use waypoint_l4_testbed::client::Client;
use waypoint_l4_testbed::template::Routing;
use waypoint_l4_testbed::waypoint::{Builder, NAMESPACE, Waypoint};

/// Service tcp-echo: lines are answered with the pod's name before them.
const TCP_ECHO: &str = "10.96.0.10:9000";

/// The .wasm that `make build` makes.
fn wasm() -> PathBuf {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/waypoint-l4.wasm");
    assert!(
        path.is_file(),
        "{} is missing: run `make build`",
        path.display()
    );
    path
}

/// A waypoint whose plugin has this configuration.
fn waypoint(config: impl ToString) -> Builder {
    Waypoint::builder().routing(Routing::Plugin {
        wasm: wasm(),
        config: config.to_string(),
    })
}

/// A configuration that splits one port of tcp-echo between the pods.
fn split(port: u16, one: u32, two: u32) -> Value {
    config(
        port,
        json!([backend("tcp-echo-v1", one), backend("tcp-echo-v2", two)]),
    )
}

fn config(port: u16, backends: Value) -> Value {
    json!({"version": 1, "listeners": [{
        "chain": cluster("tcp-echo", port),
        "rules": [{"name": format!("{NAMESPACE}/tcp-echo-ew"), "backends": backends}],
    }]})
}

fn backend(service: &str, weight: u32) -> Value {
    json!({"name": service, "cluster": cluster(service, 9000), "weight": weight})
}

/// Istio's name for a Service's port: of its filter chain and of its cluster.
fn cluster(service: &str, port: u16) -> String {
    format!("inbound-vip|{port}|tcp|{service}.{NAMESPACE}.svc.cluster.local")
}

/// A client whose connections reach every worker: Envoy keeps the streams of one HTTP/2 connection
/// on one worker, and each worker has a filter of its own.
fn client(waypoint: &Waypoint) -> Result<Arc<Client>> {
    Ok(Arc::new(waypoint.client()?.streams_per_connection(10)))
}
