//! The filter in a plain Envoy, without Istio: a listener on a port, chains with and without a name.

use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use waypoint_l4_testbed::address::Network;
use waypoint_l4_testbed::envoy::{Envoy, Options, replace};

use crate::wasm;

/// `*` is any chain that is not named otherwise, and one without a name is one of those.
#[tokio::test]
async fn any_chain_is_also_one_without_a_name() -> Result<()> {
    let network = Network::claim()?;
    let directory = tempfile::tempdir()?;
    let mut clusters = Vec::new();
    for (name, address) in [("one", network.pod_one()), ("two", network.pod_two())] {
        let server = TcpListener::bind((address, 0)).await?;
        clusters.push(cluster(name, &server)?);
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = server.accept().await {
                let _ = tokio::io::AsyncWriteExt::write_all(&mut stream, name.as_bytes()).await;
            }
        });
    }
    let waypoint = network.waypoint();
    let config = json!({"version": 1, "listeners": [
        {"chain": "*", "rules": [{"name": "any", "backends": [{"name": "two", "cluster": "two"}]}]},
        {"chain": "left alone"},
    ]});
    let bootstrap = json!({
        "admin": {"address": {"socketAddress": {"address": waypoint, "portValue": 15000}}},
        "staticResources": {
            "clusters": clusters,
            "listeners": [
                listener("unnamed", waypoint, 9000, None, &config),
                listener("named", waypoint, 9001, Some("some"), &config),
                listener("alone", waypoint, 9002, Some("left alone"), &config),
            ],
        },
    });
    let file = directory.path().join("bootstrap.json");
    replace(&file, &bootstrap)?;
    let log = directory.path().join("envoy.log");
    let admin = (waypoint, 15000).into();
    let envoy = Envoy::start(&file, admin, &log, &Options::default()).await?;
    for (port, expected) in [(9000, "two"), (9001, "two"), (9002, "one")] {
        let mut stream = TcpStream::connect((waypoint, port)).await?;
        let mut answer = String::new();
        timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await??;
        assert_eq!(answer, expected, "port {port}\n{}", envoy.read_log());
    }
    Ok(())
}

fn listener(
    name: &str,
    address: impl serde::Serialize,
    port: u16,
    chain: Option<&str>,
    config: &Value,
) -> Value {
    let chain = json!({"name": chain.unwrap_or_default(), "filters": [
        {"name": "waypoint-l4", "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.wasm.v3.Wasm",
            "config": {
                "name": "waypoint-l4",
                "vmConfig": {
                    "runtime": "envoy.wasm.runtime.v8",
                    "code": {"local": {"filename": wasm()}},
                },
                "configuration": {
                    "@type": "type.googleapis.com/google.protobuf.StringValue",
                    "value": config.to_string(),
                },
            },
        }},
        {"name": "tcp_proxy", "typedConfig": {
            "@type": "type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy",
            "statPrefix": name,
            "cluster": "one",
        }},
    ]});
    json!({
        "name": name,
        "address": {"socketAddress": {"address": address, "portValue": port}},
        "filterChains": [chain],
    })
}

fn cluster(name: &str, server: &TcpListener) -> Result<Value> {
    let address = server.local_addr()?;
    let address = json!({"address": address.ip(), "portValue": address.port()});
    Ok(
        json!({"name": name, "loadAssignment": {"clusterName": name, "endpoints": [
            {"lbEndpoints": [{"endpoint": {"address": {"socketAddress": address}}}]},
        ]}}),
    )
}
