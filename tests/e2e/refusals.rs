//! A refused connection takes nobody with it: neither those that wait beside it, nor those that are
//! established, however many are refused at once.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};
use waypoint_l4_testbed::client::{Client, ConnectError};
use waypoint_l4_testbed::echo::ECHO_PORT;
use waypoint_l4_testbed::eventually::eventually;
use waypoint_l4_testbed::hold::Held;
use waypoint_l4_testbed::split::{Tally, binomial_bounds, measure};
use waypoint_l4_testbed::waypoint::Waypoint;

use crate::{TCP_ECHO, backend, client, config, split, waypoint};

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
                "{tally}: the rest is pod one's"
            );
            assert_eq!(
                waypoint.pods()[0].echo().accepted(ECHO_PORT),
                tally.answers("one")
            );
            let failed = r"^cluster\.main_internal;?\.upstream_rq_pending_failure_eject$";
            let failed = waypoint.admin().stats(failed).await?;
            assert_eq!(failed.into_values().collect::<Vec<_>>(), [0]);
            are_logged(waypoint, tally.refused).await
        })
        .await
}

#[tokio::test]
async fn all_zero_refuses_everything() -> Result<()> {
    waypoint(split(9000, 0, 0))
        .run(async |waypoint| {
            let tally = measure(&client(waypoint)?, TCP_ECHO, 100).await;
            assert_eq!((tally.refused, tally.total()), (100, 100), "{tally}");
            are_logged(waypoint, 100).await
        })
        .await
}

/// A storm of reconnecting clients that all are refused, seen by a worker in one turn of its event
/// loop: Envoy is stopped while the requests pile up.
#[tokio::test]
async fn a_burst_of_refusals_harms_nobody() -> Result<()> {
    const TUNNELS: u8 = 10;
    const BURST: usize = 95;
    waypoint(split(9000, 0, 0))
        .concurrency(1)
        .run(async |waypoint| {
            let others = client(waypoint)?;
            let held =
                Held::open(&others, "10.96.0.11:9000", 50, Duration::from_millis(200)).await?;
            let mut tunnels = Vec::new();
            for number in 0..TUNNELS {
                let tunnel = waypoint
                    .client()?
                    .from_address(waypoint.client_address(number));
                let tunnel = Arc::new(tunnel);
                ensure!(is_refused(&tunnel).await?, "what is to be refused is not");
                tunnels.push(tunnel);
            }

            signal(waypoint, "STOP")?;
            let mut burst = JoinSet::new();
            for tunnel in &tunnels {
                for _ in 0..BURST {
                    let tunnel = tunnel.clone();
                    burst.spawn(async move { is_refused(&tunnel).await });
                }
            }
            sleep(Duration::from_secs(1)).await;
            signal(waypoint, "CONT")?;
            while let Some(refused) = timeout(Duration::from_secs(30), burst.join_next()).await? {
                ensure!(refused??, "one of the burst was let through");
            }

            let report = held.close().await;
            ensure!(
                report.cut.is_empty(),
                "established connections were cut: {report:?}"
            );
            let tally: Tally = measure(&others, TCP_ECHO, 100).await;
            assert_eq!((tally.refused, tally.total()), (100, 100), "{tally}");
            let log = waypoint.envoy().read_log();
            ensure!(!log.contains("failed: Uncaught"), "the VM died");
            Ok(())
        })
        .await
}

/// Whether a connection to tcp-echo ends without a byte.
async fn is_refused(client: &Client) -> Result<bool> {
    match client.connect(TCP_ECHO).await {
        Ok(mut stream) => {
            let mut answer = Vec::new();
            // Ended or reset: both are an end.
            let _ = stream.read_to_end(&mut answer).await;
            Ok(answer.is_empty())
        }
        Err(ConnectError::Refused(_) | ConnectError::Reset(_)) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

fn signal(waypoint: &Waypoint, name: &str) -> Result<()> {
    let id = waypoint.envoy().id().to_string();
    let status = Command::new("kill")
        .args(["-s", name, &id])
        .status()
        .context("kill")?;
    ensure!(status.success(), "kill -s {name} {id}: {status}");
    Ok(())
}

/// tcp_proxy closes them for want of a cluster, and the access log says so.
async fn are_logged(waypoint: &Waypoint, refused: u64) -> Result<()> {
    let stats = waypoint.admin().stats(r"downstream_cx_no_route$").await?;
    assert_eq!(stats.values().sum::<u64>(), refused, "{stats:?}");
    let logged = || -> Result<u64> {
        let log = waypoint.access_log()?;
        let refused = log.iter().filter(|line| line.contains("flags=NC"));
        Ok(u64::try_from(refused.count())?)
    };
    let are_all = || logged().is_ok_and(|logged| logged == refused);
    eventually(&format!("{refused} are logged"), are_all).await
}
