//! Connections whose backend has left the route: closed after a time if asked for, else never.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use waypoint_l4_testbed::client::Client;
use waypoint_l4_testbed::eventually::eventually;
use waypoint_l4_testbed::hold::Held;

use crate::{TCP_ECHO, client, split, wasm, waypoint};

const HELD: usize = 100;

/// Across two updates, the first of which changes nothing for the connections: those of the removed
/// backend go on for the time that was set and are closed then, the others stay.
#[tokio::test]
async fn connections_of_a_removed_backend_are_closed_in_time() -> Result<()> {
    waypoint(draining(50, 50))
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let held = hold(&client).await?;
            let on_one = held.report().opened.get("one").copied().unwrap_or_default();
            ensure!((20..80).contains(&on_one), "{:?}", held.report());
            waypoint
                .update_plugin(&wasm(), &draining(10, 90).to_string())
                .await?;
            sleep(Duration::from_secs(4)).await;
            ensure!(
                held.report().cut.is_empty(),
                "a weight above 0 is no removal"
            );

            let removed = Instant::now();
            waypoint
                .update_plugin(&wasm(), &draining(0, 100).to_string())
                .await?;
            let cut = || held.report().cut.len();
            eventually("somebody is closed", || cut() > 0).await?;
            // The update takes its time, but none of it before `removed`.
            let after = removed.elapsed();
            ensure!(
                after >= Duration::from_secs(2),
                "closed after {after:?} already"
            );
            eventually("all of pod one's are closed", || cut() >= on_one).await?;
            sleep(Duration::from_secs(2)).await;
            let report = held.close().await;
            assert_eq!(report.cut.len(), on_one, "{report:?}");
            Ok(())
        })
        .await
}

/// A backend that comes back in time keeps its connections.
#[tokio::test]
async fn a_backend_that_comes_back_keeps_its_connections() -> Result<()> {
    waypoint(draining_after("5s", 50, 50))
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let held = hold(&client).await?;
            waypoint
                .update_plugin(&wasm(), &draining_after("5s", 0, 100).to_string())
                .await?;
            sleep(Duration::from_millis(1300)).await;
            waypoint
                .update_plugin(&wasm(), &draining_after("5s", 1, 99).to_string())
                .await?;
            sleep(Duration::from_secs(6)).await;
            let report = held.close().await;
            ensure!(report.cut.is_empty(), "{report:?}");
            Ok(())
        })
        .await
}

/// A listener for all chains is followed by one that names the chain: what counts is what the chain has
/// now, under whichever name.
#[tokio::test]
async fn connections_of_an_unnamed_chain_are_judged_by_their_own() -> Result<()> {
    let mut unnamed = draining(100, 0);
    unnamed["listeners"][0]["chain"] = json!("*");
    waypoint(&unnamed)
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let held = hold(&client).await?;
            let named = draining(1, 99);
            waypoint.update_plugin(&wasm(), &named.to_string()).await?;
            sleep(Duration::from_secs(5)).await;
            let report = held.report();
            ensure!(
                report.cut.is_empty(),
                "the backend is still there: {report:?}"
            );

            let mut removed = draining(0, 100);
            let others = unnamed["listeners"][0].clone();
            removed["listeners"]
                .as_array_mut()
                .context("no listeners")?
                .push(others);
            waypoint
                .update_plugin(&wasm(), &removed.to_string())
                .await?;
            let cut = || held.report().cut.len();
            eventually("all are closed", || cut() == HELD).await
        })
        .await
}

/// Not asked for, it never happens, also when the route is gone altogether.
#[tokio::test]
async fn without_drain_connections_stay() -> Result<()> {
    waypoint(split(9000, 50, 50))
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let held = hold(&client).await?;
            waypoint
                .update_plugin(&wasm(), &draining(0, 100).to_string())
                .await?;
            waypoint.update_plugin(&wasm(), r#"{"version":1}"#).await?;
            sleep(Duration::from_secs(4)).await;
            let report = held.close().await;
            ensure!(report.cut.is_empty(), "{report:?}");
            Ok(())
        })
        .await
}

fn draining(one: u32, two: u32) -> Value {
    draining_after("2s", one, two)
}

fn draining_after(time: &str, one: u32, two: u32) -> Value {
    let mut config = split(9000, one, two);
    config["listeners"][0]["drain"] = json!({"onRemoval": time});
    config
}

async fn hold(client: &Arc<Client>) -> Result<Held> {
    Held::open(client, TCP_ECHO, HELD, Duration::from_millis(200)).await
}
