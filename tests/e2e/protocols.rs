//! What an application protocol may ask of a connection that the filter has routed.

use std::io::ErrorKind;
use std::time::Duration;

use anyhow::{Result, bail, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use waypoint_l4_testbed::echo::{ECHO_PORT, SERVER_CLOSES_PORT, SERVER_FIRST_PORT};
use waypoint_l4_testbed::eventually::eventually;
use waypoint_l4_testbed::split::measure;
use waypoint_l4_testbed::waypoint::{Builder, Waypoint};

use crate::{TCP_ECHO, client, cluster, split, waypoint};

const PATIENCE: Duration = Duration::from_secs(10);

/// MySQL, SSH, SMTP: the server speaks first and the client is silent until then.
#[tokio::test]
async fn the_server_may_speak_first() -> Result<()> {
    let waypoint = routed_to_pod_two(SERVER_FIRST_PORT);
    waypoint
        .run(async |waypoint| {
            let client = client(waypoint)?;
            for _ in 0..20 {
                let mut stream = client.connect("10.96.0.10:9001").await?;
                let mut greeting = [0; 10];
                timeout(PATIENCE, stream.read_exact(&mut greeting)).await??;
                assert_eq!(&greeting, b"two ready\n");
                stream.write_all(b"HELO").await?;
                let mut answer = [0; 4];
                timeout(PATIENCE, stream.read_exact(&mut answer)).await??;
                assert_eq!(&answer, b"HELO");
            }
            Ok(())
        })
        .await
}

/// The client ends its direction and still gets the whole answer.
#[tokio::test]
async fn the_client_may_half_close() -> Result<()> {
    waypoint(split(9000, 0, 1))
        .run(async |waypoint| {
            let mut stream = client(waypoint)?.connect(TCP_ECHO).await?;
            stream.write_all(b"first\nlast").await?;
            stream.shutdown().await?;
            let mut answer = String::new();
            timeout(PATIENCE, stream.read_to_string(&mut answer)).await??;
            assert_eq!(answer, "two first\ntwo last");
            Ok(())
        })
        .await
}

/// The server ends its direction first: the client gets all it has sent. What happens to the client's
/// own direction after that is Envoy's affair (1.40 resets an HTTP/2 CONNECT stream whose upstream
/// has ended), and the same with the filter as without.
#[tokio::test]
async fn the_server_may_half_close() -> Result<()> {
    let with = routed_to_pod_two(SERVER_CLOSES_PORT)
        .run(after_the_servers_end)
        .await?;
    let without = Waypoint::builder().run(after_the_servers_end).await?;
    assert_eq!(with, without);
    Ok(())
}

/// How the client's sending ends, once it has read everything.
async fn after_the_servers_end(waypoint: &Waypoint) -> Result<ErrorKind> {
    let mut stream = client(waypoint)?.connect("10.96.0.10:9002").await?;
    let mut answer = String::new();
    timeout(PATIENCE, stream.read_to_string(&mut answer)).await??;
    ensure!(answer == "one bye\n" || answer == "two bye\n", "{answer:?}");
    for _ in 0..500 {
        if let Err(error) = stream.write_all(b"more").await {
            return Ok(error.kind());
        }
        sleep(Duration::from_millis(10)).await;
    }
    bail!("the client can go on sending: this Envoy can do what 1.40 cannot")
}

#[tokio::test]
async fn a_mebibyte_comes_back_whole() -> Result<()> {
    let waypoint = routed_to_pod_two(SERVER_FIRST_PORT);
    waypoint
        .run(async |waypoint| {
            let stream = client(waypoint)?.connect("10.96.0.10:9001").await?;
            let (mut read, mut write) = tokio::io::split(stream);
            let sent: Vec<u8> = (0..=250).cycle().take(1024 * 1024).collect();
            let copy = sent.clone();
            let writer = tokio::spawn(async move {
                write.write_all(&copy).await?;
                write.shutdown().await
            });
            let mut received = Vec::new();
            timeout(PATIENCE, read.read_to_end(&mut received)).await??;
            writer.await??;
            assert_eq!(received.len(), b"two ready\n".len() + sent.len());
            assert!(
                received[b"two ready\n".len()..] == sent,
                "bytes came back changed"
            );
            Ok(())
        })
        .await
}

/// Clients that leave at once, or in the middle, cost nobody else anything and leave nothing behind.
#[tokio::test]
async fn a_client_may_connect_and_leave() -> Result<()> {
    waypoint(split(9000, 90, 10))
        .run(async |waypoint| {
            let client = client(waypoint)?;
            for round in 0..200 {
                let mut stream = client.connect(TCP_ECHO).await?;
                if round % 2 == 1 {
                    stream.write_all(b"half a li").await?;
                }
                // Dropped without an end: the stream is reset.
            }
            let [one, two] = waypoint.pods();
            let open = || one.echo().open(ECHO_PORT) + two.echo().open(ECHO_PORT);
            eventually("no connection is left behind", || open() == 0).await?;
            measure(&client, TCP_ECHO, 300)
                .await
                .check(&[("one", 90), ("two", 10)])
        })
        .await
}

/// A waypoint whose plugin sends this port of tcp-echo to pod two.
fn routed_to_pod_two(port: u16) -> Builder {
    let config = json!({"version": 1, "listeners": [{
        "chain": cluster("tcp-echo", port),
        "rules": [{"name": "demo/r", "backends": [
            {"name": "two", "cluster": cluster("tcp-echo-v2", port)},
        ]}],
    }]});
    waypoint(config)
}
