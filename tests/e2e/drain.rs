//! Connections whose backend has left the route: closed after a time if asked for, else never.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};
use waypoint_l4_testbed::client::Client;
use waypoint_l4_testbed::eventually::eventually;
use waypoint_l4_testbed::hold::Held;
use waypoint_l4_testbed::split::measure;
use waypoint_l4_testbed::template::Routing;
use waypoint_l4_testbed::waypoint::Waypoint;

use crate::metrics::{labels, scrape};
use crate::{TCP_ECHO, backend, client, cluster, config, split, wasm, waypoint};

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
    comes_back(draining_after(LONG, 1, 99)).await
}

/// Also if it is the very configuration that they came under, and nobody connects any more. The workers
/// take that up without a word, but the main thread does it anew.
#[tokio::test]
async fn a_rollback_keeps_its_connections() -> Result<()> {
    comes_back(draining_after(LONG, 50, 50)).await
}

/// Time enough for a machine that stands still now and then.
const LONG: &str = "12s";

async fn comes_back(with: Value) -> Result<()> {
    waypoint(draining_after(LONG, 50, 50))
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let held = hold(&client).await?;
            waypoint
                .update_plugin(&wasm(), &draining_after(LONG, 0, 100).to_string())
                .await?;
            // The workers look once a second, and have seen it then.
            sleep(Duration::from_secs(3)).await;
            waypoint.update_plugin(&wasm(), &with.to_string()).await?;
            sleep(Duration::from_secs(14)).await;
            let report = held.close().await;
            ensure!(report.cut.is_empty(), "{report:?}");
            Ok(())
        })
        .await
}

/// More than are closed at a time: the rest does not wait for another second each.
#[tokio::test]
async fn many_connections_are_closed_together() -> Result<()> {
    const MANY: usize = 640;
    waypoint(draining_after("1s", 100, 0))
        .concurrency(1)
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let interval = Duration::from_secs(1);
            let held = Held::open(&client, TCP_ECHO, MANY, interval).await?;
            waypoint
                .update_plugin(&wasm(), &draining_after("1s", 0, 100).to_string())
                .await?;
            let drained = async || -> Result<u64> {
                let scrape = scrape(waypoint).await?;
                let drained = scrape.get(&drained("tcp-echo-v1")).copied();
                drained.context("it is not counted")
            };
            let somebody = || !held.report().cut.is_empty();
            eventually("somebody is closed", somebody).await?;
            let first = Instant::now();
            while drained().await? < u64::try_from(MANY)? {
                // 64 in a second would take nine.
                let since = first.elapsed();
                ensure!(
                    since < Duration::from_secs(5),
                    "still at it after {since:?}"
                );
                sleep(Duration::from_millis(20)).await;
            }
            let cut = || held.report().cut.len();
            eventually("all are closed", || cut() == MANY).await
        })
        .await
}

/// A canary beside the Service itself, and then no route any more: those that the Service's own cluster
/// has go on, since it is where connections go that no rule takes.
#[tokio::test]
async fn the_end_of_a_canary_cuts_the_canary_only() -> Result<()> {
    let mut canary = config(
        9000,
        json!([backend("tcp-echo", 50), backend("tcp-echo-v2", 50)]),
    );
    canary["listeners"][0]["drain"] = json!({"onRemoval": "1s"});
    waypoint(canary)
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let held = hold(&client).await?;
            let on_canary = accepted(waypoint, "tcp-echo-v2").await?;
            ensure!((20..80).contains(&on_canary), "{on_canary}");
            waypoint.update_plugin(&wasm(), r#"{"version":1}"#).await?;
            let cut = || held.report().cut.len();
            eventually("the canary's are closed", || cut() >= on_canary).await?;
            sleep(Duration::from_secs(3)).await;
            let report = held.close().await;
            assert_eq!(report.cut.len(), on_canary, "{report:?}");
            let scrape = scrape(waypoint).await?;
            assert_eq!(scrape.get(&drained("tcp-echo")), Some(&0), "{scrape:#?}");
            let counted = scrape.get(&drained("tcp-echo-v2")).copied();
            assert_eq!(counted, Some(u64::try_from(on_canary)?), "{scrape:#?}");
            Ok(())
        })
        .await
}

/// The rule is another, its backends are those that they were.
#[tokio::test]
async fn a_renamed_route_keeps_its_connections() -> Result<()> {
    waypoint(draining_after("1s", 50, 50))
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let held = hold(&client).await?;
            let mut renamed = draining_after("1s", 50, 50);
            renamed["listeners"][0]["rules"][0]["name"] = json!("demo/other");
            waypoint
                .update_plugin(&wasm(), &renamed.to_string())
                .await?;
            sleep(Duration::from_secs(5)).await;
            let report = held.close().await;
            ensure!(report.cut.is_empty(), "{report:?}");
            Ok(())
        })
        .await
}

/// Back to the very configuration that the first connections came under, of which Envoy still has the
/// plugin: they stay, and those that came in between are closed.
#[tokio::test]
async fn going_back_drains_what_came_in_between() -> Result<()> {
    let before = draining_after("4s", 100, 0).to_string();
    waypoint(&before)
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let on_one = hold(&client).await?;
            let between = draining_after("4s", 0, 100);
            waypoint
                .update_plugin(&wasm(), &between.to_string())
                .await?;
            let on_two = hold(&client).await?;
            waypoint.update_plugin(&wasm(), &before).await?;
            let cut = || on_two.report().cut.len();
            eventually("what came in between is closed", || cut() == HELD).await?;
            sleep(Duration::from_secs(2)).await;
            let report = on_one.close().await;
            ensure!(report.cut.is_empty(), "{report:?}");
            Ok(())
        })
        .await
}

/// So soon that the worker has not taken up what came in between: Envoy tells no plugin that the first
/// configuration is in force again, as its log shows, and the last record is the other's.
#[tokio::test]
async fn going_back_at_once_cuts_nobody() -> Result<()> {
    let mut before = draining(50, 50);
    before["revision"] = json!("a");
    let mut between = draining(0, 100);
    between["revision"] = json!("b");
    // Makes it slow to take up.
    let rules = between["listeners"][0]["rules"].clone();
    let listeners = between["listeners"].as_array_mut();
    let others = (0..3000).map(|number| json!({"chain": number.to_string(), "rules": rules}));
    listeners.context("no listeners")?.extend(others);
    waypoint(&before)
        .concurrency(1)
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let held = hold(&client).await?;
            for attempt in 1.. {
                let logged = waypoint.envoy().read_log().len();
                let news = || waypoint.envoy().read_log().split_off(logged);
                waypoint.send_plugin(&wasm(), &between.to_string())?;
                let is_tried = || news().contains("revision b,");
                eventually("the main thread has tried it", is_tried).await?;
                waypoint.send_plugin(&wasm(), &before.to_string())?;
                for _ in 0..40 {
                    measure(&client, TCP_ECHO, 1).await;
                    sleep(Duration::from_millis(200)).await;
                }
                if !news().contains("revision a,") {
                    break;
                }
                ensure!(attempt < 5, "Envoy takes up the first one again each time");
            }
            // By now its own record is the last again, which holds without new connections too.
            sleep(Duration::from_secs(5)).await;
            let tally = measure(&client, TCP_ECHO, 50).await;
            tally.check(&[("one", 50), ("two", 50)])?;
            let report = held.close().await;
            ensure!(report.cut.is_empty(), "{report:?}");
            let scrape = scrape(waypoint).await?;
            assert_eq!(scrape.get("waypoint_l4_config_revision{}"), Some(&0xa));
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

/// The client sees the same as when Envoy itself drains a filter chain: its stream is reset.
#[tokio::test]
async fn connections_end_as_they_do_by_envoy_itself() -> Result<()> {
    const RESET: &str = "connection established in response to a CONNECT request was reset";
    let endings = async |held: Held| -> Result<()> {
        let cut = || held.report().cut.len();
        eventually("all are closed", || cut() == HELD).await?;
        let report = held.close().await;
        ensure!(
            report.cut.iter().all(|end| end.contains(RESET)),
            "{report:?}"
        );
        Ok(())
    };
    waypoint(draining_after("1s", 100, 0))
        .run(async |waypoint| {
            let held = hold(&client(waypoint)?).await?;
            waypoint
                .update_plugin(&wasm(), &draining_after("1s", 0, 100).to_string())
                .await?;
            endings(held).await
        })
        .await?;
    let native = |one: u32, two: u32| Routing::Native {
        weights: vec![("tcp-echo-v1".into(), one), ("tcp-echo-v2".into(), two)],
    };
    Waypoint::builder()
        .routing(native(100, 0))
        .drain_time(Duration::from_secs(1))
        .run(async |waypoint| {
            let held = hold(&client(waypoint)?).await?;
            waypoint.update_listeners(&native(0, 100)).await?;
            endings(held).await
        })
        .await
}

/// How many connections the backend was chosen for.
async fn accepted(waypoint: &Waypoint, backend: &str) -> Result<usize> {
    let scrape = scrape(waypoint).await?;
    let labels = labels(&cluster("tcp-echo", 9000), RULE, backend, "chosen");
    let count = scrape.get(&labels).context("it is not counted")?;
    Ok(usize::try_from(*count)?)
}

/// The metric of connections of the backend that were closed.
fn drained(backend: &str) -> String {
    let chain = cluster("tcp-echo", 9000);
    format!(
        r#"waypoint_l4_connections_drained_total{{l4_backend="{backend}",l4_chain="{chain}",l4_rule="{RULE}"}}"#
    )
}

const RULE: &str = "istio-io-tcp-traffic-shifting/tcp-echo-ew";

fn draining(one: u32, two: u32) -> Value {
    draining_after("2s", one, two)
}

pub(crate) fn draining_after(time: &str, one: u32, two: u32) -> Value {
    let mut config = split(9000, one, two);
    config["listeners"][0]["drain"] = json!({"onRemoval": time});
    config
}

async fn hold(client: &Arc<Client>) -> Result<Held> {
    Held::open(client, TCP_ECHO, HELD, Duration::from_millis(200)).await
}
