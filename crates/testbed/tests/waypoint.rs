//! The testbed itself: what holds without the plugin has to hold, or no test of the plugin says
//! anything.

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use http::StatusCode;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use waypoint_l4_testbed::client::ConnectError;
use waypoint_l4_testbed::echo::{ECHO_PORT, SERVER_FIRST_PORT};
use waypoint_l4_testbed::envoy::{Counters, UpdateError};
use waypoint_l4_testbed::eventually::eventually;
use waypoint_l4_testbed::split::measure;
use waypoint_l4_testbed::template::Routing;
use waypoint_l4_testbed::tunnel::Stream;
use waypoint_l4_testbed::waypoint::Waypoint;

const TCP_ECHO: &str = "10.96.0.10:9000";
const SERVER_FIRST: &str = "10.96.0.10:9001";
const SERVER_CLOSES: &str = "10.96.0.10:9002";

fn native(one: u32, two: u32) -> Routing {
    Routing::Native {
        weights: vec![
            ("tcp-echo-v1".to_string(), one),
            ("tcp-echo-v2".to_string(), two),
        ],
    }
}

async fn ask(stream: &mut Stream, line: &str) -> Result<String> {
    stream.write_all(line.as_bytes()).await?;
    let mut answer = Vec::new();
    while answer.last() != Some(&b'\n') {
        let byte = timeout(Duration::from_secs(10), stream.read_u8()).await??;
        answer.push(byte);
    }
    Ok(String::from_utf8(answer)?)
}

#[tokio::test]
async fn without_a_route_both_pods_have_about_half() -> Result<()> {
    Waypoint::builder()
        .run(async |waypoint| {
            let client = Arc::new(waypoint.client()?);
            let tally = measure(&client, TCP_ECHO, 400).await;
            // LEAST_REQUEST is no draw: it leans to the pod that is faster at the moment.
            for name in ["one", "two"] {
                ensure!(tally.answers(name) > 100, "{tally}");
            }
            let [one, two] = waypoint.pods();
            assert_eq!(one.echo().accepted(ECHO_PORT), tally.answers("one"));
            assert_eq!(two.echo().accepted(ECHO_PORT), tally.answers("two"));
            Ok(())
        })
        .await
}

#[tokio::test]
async fn native_weights_hold_and_can_be_changed() -> Result<()> {
    Waypoint::builder()
        .routing(native(90, 10))
        .run(async |waypoint| {
            let client = Arc::new(waypoint.client()?);
            measure(&client, TCP_ECHO, 400)
                .await
                .check(&[("one", 90), ("two", 10)])?;
            waypoint
                .update_native_weights(&[("tcp-echo-v1", 0), ("tcp-echo-v2", 1)])
                .await?;
            measure(&client, TCP_ECHO, 100)
                .await
                .check(&[("one", 0), ("two", 1)])?;
            Ok(())
        })
        .await
}

#[tokio::test]
async fn each_service_and_each_pod_can_be_reached() -> Result<()> {
    Waypoint::builder()
        .run(async |waypoint| {
            let client = waypoint.client()?;
            let [one, two] = waypoint.pods();
            for (target, name) in [
                ("10.96.0.11:9000".to_string(), "one"),
                ("10.96.0.12:9000".to_string(), "two"),
                (format!("{}:9000", one.address()), "one"),
                (format!("{}:9000", two.address()), "two"),
            ] {
                let mut stream = client.connect(&target).await?;
                assert_eq!(
                    ask(&mut stream, "hello\n").await?,
                    format!("{name} hello\n"),
                    "{target}"
                );
            }
            Ok(())
        })
        .await
}

#[tokio::test]
async fn the_server_may_speak_first() -> Result<()> {
    Waypoint::builder()
        .run(async |waypoint| {
            let mut stream = waypoint.client()?.connect(SERVER_FIRST).await?;
            // Nothing has been sent.
            let mut greeting = [0; 10];
            timeout(Duration::from_secs(10), stream.read_exact(&mut greeting)).await??;
            assert_eq!(&greeting[3..], b" ready\n");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn the_client_may_close_first() -> Result<()> {
    Waypoint::builder()
        .run(async |waypoint| {
            let mut stream = waypoint.client()?.connect(SERVER_FIRST).await?;
            stream.write_all(b"hello").await?;
            stream.shutdown().await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            assert_eq!(&answer[3..], " ready\nhello");
            Ok(())
        })
        .await
}

/// Envoy's own limit, whatever the filter does: once the server has ended its direction, the stream
/// of a CONNECT that ends in TCP is reset, and the client cannot go on sending
/// (<https://github.com/envoyproxy/envoy/pull/47378>).
#[tokio::test]
async fn the_server_may_close_first_but_then_envoy_cuts_the_client_off() -> Result<()> {
    Waypoint::builder()
        .run(async |waypoint| {
            let mut stream = waypoint.client()?.connect(SERVER_CLOSES).await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            assert_eq!(&answer[3..], " bye\n");
            let mut error = None;
            for _ in 0..500 {
                error = stream.write_all(b"more").await.err();
                if error.is_some() {
                    break;
                }
                sleep(Duration::from_millis(10)).await;
            }
            let error = error.context("the client can go on sending")?;
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_mebibyte_comes_back_whole() -> Result<()> {
    Waypoint::builder()
        .run(async |waypoint| {
            let stream = waypoint.client()?.connect(SERVER_FIRST).await?;
            let sent: Vec<u8> = (0..1024 * 1024).map(|n: u32| (n % 251) as u8).collect();
            let (mut read, mut write) = tokio::io::split(stream);
            let copy = sent.clone();
            let writer = tokio::spawn(async move {
                write.write_all(&copy).await?;
                write.shutdown().await
            });
            let mut received = Vec::new();
            read.read_to_end(&mut received).await?;
            writer.await??;
            assert!(
                received[10..] == sent,
                "{} of {} bytes",
                received.len(),
                sent.len()
            );
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_dropped_stream_ends_the_servers_connection() -> Result<()> {
    Waypoint::builder()
        .run(async |waypoint| {
            let mut stream = waypoint.client()?.connect(SERVER_FIRST).await?;
            stream.read_u8().await?;
            let open = || {
                waypoint
                    .pods()
                    .iter()
                    .map(|pod| pod.echo().open(SERVER_FIRST_PORT))
                    .sum::<u64>()
            };
            assert_eq!(open(), 1);
            drop(stream);
            eventually("the server's connection has ended", || open() == 0).await
        })
        .await
}

#[tokio::test]
async fn held_connections_go_on_while_nothing_changes() -> Result<()> {
    let drain_time = Duration::from_secs(1);
    Waypoint::builder()
        .drain_time(drain_time)
        .run(async |waypoint| {
            let client = waypoint.client()?;
            let mut streams = Vec::new();
            for _ in 0..150 {
                streams.push(client.connect(TCP_ECHO).await?);
            }
            assert_eq!(
                client.connections().await,
                2,
                "100 streams fit on a connection"
            );
            // The same listeners once more.
            waypoint.update_listeners(&Routing::None).await?;
            sleep(drain_time * 2).await;
            for stream in &mut streams {
                ensure!(ask(stream, "hello\n").await?.ends_with(" hello\n"));
            }
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_native_change_cuts_held_connections() -> Result<()> {
    let drain_time = Duration::from_secs(1);
    let routing = native(90, 10);
    Waypoint::builder()
        .drain_time(drain_time)
        .routing(routing)
        .run(async |waypoint| {
            let mut held = waypoint.client()?.connect(TCP_ECHO).await?;
            ask(&mut held, "hello\n").await?;
            waypoint
                .update_native_weights(&[("tcp-echo-v1", 50), ("tcp-echo-v2", 50)])
                .await?;
            let mut rest = Vec::new();
            let end = timeout(drain_time * 5, held.read_to_end(&mut rest)).await;
            ensure!(end.is_ok(), "still open after {:?}", drain_time * 5);
            Ok(())
        })
        .await
}

#[tokio::test]
async fn the_policy_refuses_other_namespaces() -> Result<()> {
    Waypoint::builder()
        .run(async |waypoint| {
            let stranger = Arc::new(waypoint.client_as("elsewhere", "client")?);
            let tally = measure(&stranger, TCP_ECHO, 5).await;
            assert_eq!(tally.refused, 5, "{tally}");
            // It decides on the client's first bytes: who only listens hears the server's greeting.
            let mut silent = stranger.connect(SERVER_FIRST).await?;
            let mut greeting = [0; 10];
            timeout(Duration::from_secs(10), silent.read_exact(&mut greeting)).await??;
            silent.write_all(b"hello").await?;
            let error = silent.read_u8().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{error}");
            // The policy is on Service tcp-echo alone.
            measure(&stranger, "10.96.0.11:9000", 5)
                .await
                .check(&[("one", 1)])
        })
        .await
}

#[tokio::test]
async fn an_unknown_address_is_refused() -> Result<()> {
    Waypoint::builder()
        .run(async |waypoint| {
            let client = Arc::new(waypoint.client()?);
            let tally = measure(&client, "10.96.0.99:9000", 3).await;
            assert_eq!(tally.refused, 3, "{tally}");
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_client_of_another_mesh_is_not_let_in() -> Result<()> {
    Waypoint::builder()
        .run(async |waypoint| {
            let other = Waypoint::builder().start().await?;
            let identity =
                waypoint_l4_testbed::certificates::Authority::new()?.issue("shop", "client")?;
            let stranger = waypoint_l4_testbed::client::Client::new(waypoint.address(), &identity)?;
            let error = stranger.connect(TCP_ECHO).await.err();
            assert!(
                matches!(error, Some(ConnectError::Unreachable(_))),
                "{error:?}"
            );
            // Two testbeds at once do not know of each other.
            assert_ne!(waypoint.address(), other.address());
            measure(&Arc::new(other.client()?), TCP_ECHO, 10)
                .await
                .check(&[("one", 1), ("two", 1)])?;
            let accepted: u64 = waypoint
                .pods()
                .iter()
                .map(|pod| pod.echo().accepted(ECHO_PORT))
                .sum();
            assert_eq!(accepted, 0);
            Ok(())
        })
        .await
}

#[tokio::test]
async fn a_service_without_a_cluster_is_refused_at_once() -> Result<()> {
    let routing = Routing::Native {
        weights: vec![("no-such-service".to_string(), 1)],
    };
    Waypoint::builder()
        .routing(routing)
        .run(async |waypoint| {
            // The waypoint knows before it has answered CONNECT.
            let error = waypoint.client()?.connect(TCP_ECHO).await.err();
            let unavailable = StatusCode::SERVICE_UNAVAILABLE;
            assert!(matches!(error, Some(ConnectError::Refused(status)) if status == unavailable));
            let flags = || {
                waypoint
                    .access_log()
                    .is_ok_and(|log| log.iter().any(|l| l.contains("flags=NC")))
            };
            eventually("the access log says NC", flags).await
        })
        .await
}

#[tokio::test]
async fn a_rejected_update_says_so_and_changes_nothing() -> Result<()> {
    Waypoint::builder().routing(native(1, 0)).run(async |waypoint| {
    let nonsense = json!({"resources": [{
        "@type": "type.googleapis.com/envoy.config.listener.v3.Listener",
        "name": "main_internal",
        "address": {},
    }]});
    let file = waypoint.directory().join("listeners.json");
    let error = waypoint
        .envoy()
        .update(&file, &nonsense, &Counters::listeners())
        .await;
    assert!(
        matches!(&error, Err(UpdateError::Rejected(reason)) if reason.contains("main_internal")),
        "{error:?}"
    );
    let client = Arc::new(waypoint.client()?);
    measure(&client, TCP_ECHO, 20).await.check(&[("one", 1)])
    }).await
}
