//! The filter in a plain Envoy, without Istio: a listener on a port, chains with and without a name.

use std::fs;
use std::net::IpAddr;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use waypoint_l4_testbed::address::Network;
use waypoint_l4_testbed::envoy::{Envoy, Options, replace};

use crate::wasm;

const PATIENCE: Duration = Duration::from_secs(10);

/// `*` is any chain that is not named otherwise, and one without a name is one of those.
#[tokio::test]
async fn any_chain_is_also_one_without_a_name() -> Result<()> {
    let network = Network::claim()?;
    let directory = tempfile::tempdir()?;
    let mut clusters = Vec::new();
    for (name, address) in [("one", network.pod_one()), ("two", network.pod_two())] {
        let server = TcpListener::bind((address, 0)).await?;
        clusters.push(cluster(name, &server)?);
        answer(server, name);
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
                listener("unnamed", waypoint, 9000, None, &config, "one"),
                listener("named", waypoint, 9001, Some("some"), &config, "one"),
                listener("alone", waypoint, 9002, Some("left alone"), &config, "one"),
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
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await??;
        assert_eq!(answer, expected, "port {port}\n{}", envoy.read_log());
    }
    Ok(())
}

/// The rows of `testdata/connections.json` that a waypoint cannot have, as it takes clients by IPv4 and with
/// an identity only: a PROXY header gives the client's address here, and nobody has an identity. What is
/// left for the core alone are identities that the waypoint does not let in, and facts that no Envoy has.
#[tokio::test]
async fn each_goes_where_the_table_says() -> Result<()> {
    let network = Network::claim()?;
    let directory = tempfile::tempdir()?;
    let [a, b, c, _] = network.client(0).octets();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/connections.json");
    let text = fs::read_to_string(path)?.replace("NET.", &format!("{a}.{b}.{c}."));
    let table: Value = serde_json::from_str(&text)?;
    let mut clusters = Vec::new();
    for (service, address) in [("v1", network.pod_one()), ("v2", network.pod_two())] {
        let name = crate::cluster(&format!("tcp-echo-{service}"), 9000);
        let server = TcpListener::bind((address, 0)).await?;
        clusters.push(cluster(&name, &server)?);
        answer(server, if service == "v1" { "one" } else { "two" });
    }
    let waypoint = network.waypoint();
    let chain = crate::cluster("tcp-echo-v1", 9000);
    let mut listener = listener("v1", waypoint, 9000, Some(&chain), &table["config"], &chain);
    listener["listenerFilters"] = json!([{"name": "proxy_protocol", "typedConfig": {
        "@type": "type.googleapis.com/envoy.extensions.filters.listener.proxy_protocol.v3.ProxyProtocol",
    }}]);
    let bootstrap = json!({
        "admin": {"address": {"socketAddress": {"address": waypoint, "portValue": 15000}}},
        "staticResources": {"clusters": clusters, "listeners": [listener]},
    });
    let file = directory.path().join("bootstrap.json");
    replace(&file, &bootstrap)?;
    let log = directory.path().join("envoy.log");
    let admin = (waypoint, 15000).into();
    let envoy = Envoy::start(&file, admin, &log, &Options::default()).await?;
    let rows = table["connections"].as_array().context("no connections")?;
    let mut shown = 0;
    for row in rows.iter().filter(|row| row["only"] == "plain") {
        let source: IpAddr = row["source"].as_str().context("no source")?.parse()?;
        let header = match source {
            IpAddr::V4(ip) => format!("PROXY TCP4 {ip} 10.96.0.11 41234 9000\r\n"),
            IpAddr::V6(ip) => format!("PROXY TCP6 {ip} fd00::11 41234 9000\r\n"),
        };
        let mut stream = TcpStream::connect((waypoint, 9000)).await?;
        stream.write_all(header.as_bytes()).await?;
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await??;
        let expected = row["expect"].as_str().filter(|name| *name != "refused");
        let expected = expected.unwrap_or_default();
        assert_eq!(answer, expected, "{row}\n{}", envoy.read_log());
        shown += 1;
    }
    ensure!(shown >= 7, "only {shown} rows");
    Ok(())
}

/// Says the name to everybody who connects, and hangs up.
fn answer(server: TcpListener, name: &'static str) {
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = server.accept().await {
            let _ = stream.write_all(name.as_bytes()).await;
        }
    });
}

fn listener(
    name: &str,
    address: impl serde::Serialize,
    port: u16,
    chain: Option<&str>,
    config: &Value,
    own: &str,
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
            "cluster": own,
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
