//! What a bad configuration does: the same under each `failStrategy`.

use std::time::Duration;

use anyhow::{Result, ensure};
use waypoint_l4_testbed::envoy::UpdateError;
use waypoint_l4_testbed::hold::Held;
use waypoint_l4_testbed::split::measure;

use crate::{TCP_ECHO, client, split, wasm, waypoint};

const BAD: &str = r#"{"version":2}"#;

#[tokio::test]
async fn under_fail_open() -> Result<()> {
    bad_then_good_then_bad("FAIL_OPEN").await
}

/// Istio's FAIL_CLOSE.
#[tokio::test]
async fn under_fail_closed() -> Result<()> {
    bad_then_good_then_bad("FAIL_CLOSED").await
}

async fn bad_then_good_then_bad(policy: &str) -> Result<()> {
    waypoint(BAD)
        .failure_policy(policy)
        .run(async |waypoint| {
            // Nobody gets in while there has been no good one, to no Service: Envoy lacks a filter.
            let client = client(waypoint)?;
            for service in [TCP_ECHO, "10.96.0.11:9000", "10.96.0.12:9000"] {
                let tally = measure(&client, service, 20).await;
                assert_eq!((tally.refused, tally.total()), (20, 20), "{tally}");
            }
            let log = waypoint.envoy().read_log();
            ensure!(log.contains("waypoint-l4: configuration refused: version"));

            // The first good one is in force at once.
            let good = split(9000, 0, 100).to_string();
            waypoint.update_plugin(&wasm(), &good).await?;
            let held = Held::open(&client, TCP_ECHO, 20, Duration::from_millis(200)).await?;

            // After it a bad one changes nothing.
            let verdict = waypoint.update_plugin(&wasm(), BAD).await;
            ensure!(
                matches!(verdict, Err(UpdateError::Rejected(_))),
                "{verdict:?}"
            );
            measure(&client, TCP_ECHO, 50).await.check(&[("two", 1)])?;
            let report = held.close().await;
            ensure!(report.cut.is_empty(), "{report:?}");
            Ok(())
        })
        .await
}
