//! Which pod a connection comes out at.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use waypoint_l4_compile::{Options, Output, Source, compile};
use waypoint_l4_testbed::echo::ECHO_PORT;
use waypoint_l4_testbed::split::{binomial_bounds, measure};
use waypoint_l4_testbed::waypoint::Waypoint;

use crate::{TCP_ECHO, backend, client, config, split, waypoint};

/// The main job: the manifests of Istio's task go in, the connections come out 90/10.
#[tokio::test]
async fn the_manifests_of_the_task_split_90_to_10() -> Result<()> {
    waypoint(compiled("testdata/manifests/tcp-traffic-shifting")?)
        .run(async |waypoint| {
            let tally = measure(&client(waypoint)?, TCP_ECHO, 1000).await;
            tally.check(&[("one", 90), ("two", 10)])?;
            // What the client saw is what the pods saw.
            for pod in waypoint.pods() {
                assert_eq!(pod.echo().accepted(ECHO_PORT), tally.answers(pod.name()));
            }
            let log = waypoint.envoy().read_log();
            ensure!(
                log.contains("1 chains, 1 rules"),
                "no line for the configuration: {log}"
            );
            Ok(())
        })
        .await
}

#[tokio::test]
async fn weight_zero_gets_nothing() -> Result<()> {
    waypoint(split(9000, 0, 100))
        .run(async |waypoint| {
            measure(&client(waypoint)?, TCP_ECHO, 500)
                .await
                .check(&[("two", 1)])
        })
        .await
}

/// A backend that does not exist keeps its share, as refusals; no upstream is opened for them, and no
/// other connection is refused along with them.
#[tokio::test]
async fn an_invalid_backend_refuses_its_share() -> Result<()> {
    let backends = json!([
        backend("tcp-echo-v1", 80),
        {"name": "tcp-echo-v3", "refuse": "BackendNotFound", "weight": 20},
    ]);
    waypoint(config(9000, backends))
        .run(async |waypoint| {
            let tally = measure(&client(waypoint)?, TCP_ECHO, 1000).await;
            let bounds = binomial_bounds(1000, 0.2);
            ensure!(
                bounds.contains(&tally.refused),
                "{tally}: refused should be in {bounds:?}"
            );
            ensure!(
                tally.answers("one") + tally.refused == 1000,
                "{tally}: the rest should be pod one's"
            );
            assert_eq!(
                waypoint.pods()[0].echo().accepted(ECHO_PORT),
                tally.answers("one")
            );
            let failed = r"^cluster\.main_internal;?\.upstream_rq_pending_failure_eject$";
            let failed = waypoint.admin().stats(failed).await?;
            assert_eq!(failed.into_values().collect::<Vec<_>>(), [0]);
            refusals_are_logged(waypoint, tally.refused).await
        })
        .await
}

#[tokio::test]
async fn all_zero_refuses_everything() -> Result<()> {
    waypoint(split(9000, 0, 0))
        .run(async |waypoint| {
            let tally = measure(&client(waypoint)?, TCP_ECHO, 100).await;
            assert_eq!((tally.refused, tally.total()), (100, 100), "{tally}");
            refusals_are_logged(waypoint, 100).await
        })
        .await
}

/// What the configuration does not name is left alone: another Service's chain, another port, and
/// the pods' own addresses.
#[tokio::test]
async fn other_chains_are_left_alone() -> Result<()> {
    waypoint(split(9000, 0, 100))
        .run(async |waypoint| {
            let client = client(waypoint)?;
            measure(&client, "10.96.0.11:9000", 50)
                .await
                .check(&[("one", 1)])?;
            let pod = format!("{}:{ECHO_PORT}", waypoint.pods()[0].address());
            measure(&client, &pod, 50).await.check(&[("one", 1)])?;
            let mut greetings = [0; 2];
            for _ in 0..60 {
                let mut stream = client.connect("10.96.0.10:9001").await?;
                let mut greeting = [0; 10];
                stream.read_exact(&mut greeting).await?;
                greetings[usize::from(greeting.starts_with(b"two"))] += 1;
            }
            ensure!(
                greetings.iter().all(|count| *count > 0),
                "port 9001 went to one pod: {greetings:?}"
            );
            Ok(())
        })
        .await
}

/// What is installed first, at a quiet time, and what is left when the last route goes.
#[tokio::test]
async fn an_empty_configuration_changes_nothing() -> Result<()> {
    for config in ["", r#"{"version":1}"#] {
        let waypoint = waypoint(config).start().await?;
        let tally = measure(&client(&waypoint)?, TCP_ECHO, 200).await;
        ensure!(
            tally.answers("one") > 0 && tally.answers("two") > 0,
            "{tally}"
        );
        assert_eq!(tally.answers("one") + tally.answers("two"), 200, "{tally}");
    }
    Ok(())
}

/// RBAC stands before the filter: who may not use the Service does not get past it by a route.
#[tokio::test]
async fn authorization_still_holds() -> Result<()> {
    waypoint(split(9000, 90, 10))
        .run(async |waypoint| {
            let stranger = waypoint.client_as("elsewhere", "client")?;
            let mut stream = stranger.connect(TCP_ECHO).await?;
            // The connection may be gone before this is written.
            let _ = stream.write_all(b"hello\n").await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert!(answer.is_empty(), "{:?}", String::from_utf8_lossy(&answer));
            Ok(())
        })
        .await
}

/// A debug line tells each decision, as soon as the level is lowered on the running proxy.
#[tokio::test]
async fn decisions_are_logged_on_demand() -> Result<()> {
    waypoint(split(9000, 0, 100)).run(async |waypoint| {
    let client = client(waypoint)?;
    let line = "rule istio-io-tcp-traffic-shifting/tcp-echo-ew backend tcp-echo-v2: cluster inbound-vip|9000|tcp|tcp-echo-v2";
    measure(&client, TCP_ECHO, 10).await.check(&[("two", 1)])?;
    assert_eq!(waypoint.envoy().read_log().matches(line).count(), 0);
    waypoint.admin().set_log_level("wasm", "debug").await?;
    measure(&client, TCP_ECHO, 10).await.check(&[("two", 1)])?;
    assert_eq!(waypoint.envoy().read_log().matches(line).count(), 10);
    Ok(())
    }).await
}

/// tcp_proxy closes them for want of a cluster, and the access log says so.
async fn refusals_are_logged(waypoint: &Waypoint, refused: u64) -> Result<()> {
    let stats = waypoint.admin().stats(r"downstream_cx_no_route$").await?;
    assert_eq!(stats.values().sum::<u64>(), refused, "{stats:?}");
    let logged = || -> Result<u64> {
        let log = waypoint.access_log()?;
        Ok(u64::try_from(
            log.iter().filter(|line| line.contains("flags=NC")).count(),
        )?)
    };
    for _ in 0..100 {
        if logged()? == refused {
            return Ok(());
        }
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(logged()?, refused, "{:?}", waypoint.access_log()?.last());
    Ok(())
}

/// What `waypoint-l4 compile --output config` prints for a folder of manifests.
fn compiled(folder: &str) -> Result<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut sources = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let content = fs::read(&path).map_err(|error| error.to_string());
        sources.push(Source {
            name: path.display().to_string(),
            content,
        });
    }
    let options = Options {
        output: Output::Config,
        ..Options::default()
    };
    Ok(compile(&sources, &options)?.manifests)
}
