//! A plugin that is gone costs nothing: Envoy would go on calling it as often as it asked for.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use tokio::time::sleep;
use waypoint_l4_testbed::hold::Held;
use waypoint_l4_testbed::waypoint::Waypoint;

use crate::drain::draining_after;
use crate::{TCP_ECHO, client, wasm, waypoint};

const UPDATES: u32 = 60;
const SECONDS: u64 = 4;

/// Each has a connection that ends after the update, and so looks once a second whether to close it.
#[tokio::test]
async fn replaced_plugins_do_not_tick_on() -> Result<()> {
    let config = |number: u32| draining_after("1h", 50, number).to_string();
    waypoint(config(0))
        .concurrency(1)
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let before = wakes(waypoint).await?;
            for number in 1..=UPDATES {
                let held = Held::open(&client, TCP_ECHO, 1, Duration::from_millis(200)).await?;
                waypoint.update_plugin(&wasm(), &config(number)).await?;
                let report = held.close().await;
                ensure!(report.cut.is_empty(), "{report:?}");
            }
            // Until the last but one has looked, and seen that nobody is left.
            sleep(Duration::from_secs(3)).await;
            let after = wakes(waypoint).await?;
            // Going on, each would wake it once a second.
            let limit = before + u64::from(UPDATES) * SECONDS / 2;
            ensure!(
                after < limit,
                "woke {before} times in {SECONDS} s before, {after} times after"
            );
            Ok(())
        })
        .await
}

/// How often the worker's thread wakes up in some seconds.
async fn wakes(waypoint: &Waypoint) -> Result<u64> {
    let before = switches(waypoint.envoy().id())?;
    sleep(Duration::from_secs(SECONDS)).await;
    Ok(switches(waypoint.envoy().id())?.saturating_sub(before))
}

/// How often worker threads of the process have gone to sleep.
fn switches(process: u32) -> Result<u64> {
    let mut switches = Vec::new();
    for task in fs::read_dir(Path::new("/proc").join(process.to_string()).join("task"))? {
        let task = task?.path();
        if fs::read_to_string(task.join("comm"))?.starts_with("wrk:") {
            let status = fs::read_to_string(task.join("status"))?;
            let count = status
                .lines()
                .find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"))
                .context("no voluntary_ctxt_switches")?;
            switches.push(count.trim().parse::<u64>()?);
        }
    }
    ensure!(!switches.is_empty(), "no worker thread");
    Ok(switches.iter().sum())
}
