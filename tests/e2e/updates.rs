//! Connections stay while the plugin's configuration or code is replaced under them.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use waypoint_l4_testbed::client::Client;
use waypoint_l4_testbed::envoy::UpdateError;
use waypoint_l4_testbed::hold::Held;
use waypoint_l4_testbed::split::measure;
use waypoint_l4_testbed::template::Templates;
use waypoint_l4_testbed::waypoint::{NAMESPACE, Waypoint};

use crate::{TCP_ECHO, client, split, wasm, waypoint};

/// 90/10, then 50/50, then 0/100: who is connected stays where he is, who comes follows the weights.
#[tokio::test]
async fn a_new_configuration_cuts_nobody() -> Result<()> {
    waypoint(split(9000, 90, 10))
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let held = hold(&client, 40).await?;
            for weights in [[50, 50], [0, 100]] {
                waypoint
                    .update_plugin(&wasm(), &split(9000, weights[0], weights[1]).to_string())
                    .await?;
                let tally = measure(&client, TCP_ECHO, 400).await;
                tally.check(&[("one", weights[0]), ("two", weights[1])])?;
            }
            nobody_was_cut(held).await
        })
        .await
}

/// istiod puts the version of the plugin into the VM's environment. Its agent takes that out where it
/// fetches the module, and leaves it where the module is a file: does Envoy then make a VM for each update?
#[tokio::test]
async fn a_file_with_a_version_in_the_environment() -> Result<()> {
    const UPDATES: u32 = 200;
    let version = "ISTIO_META_WASM_PLUGIN_RESOURCE_VERSION";
    let templates = Templates::own()?.plugin_environment(version, "${PLUGIN_CONFIG}");
    waypoint(split(9000, 90, 10))
        .templates(templates, NAMESPACE)
        .concurrency(1)
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let held = hold(&client, 40).await?;
            let before = vms_and_memory(waypoint).await?;
            for update in 1..=UPDATES {
                let config = split(9000, update, 10);
                waypoint.update_plugin(&wasm(), &config.to_string()).await?;
            }
            let after = vms_and_memory(waypoint).await?;
            println!("{before:?}, after {UPDATES} updates {after:?}");
            // Those of the first configuration stay for the connections that are held.
            ensure!(after.active <= before.active * 2, "VMs pile up");
            ensure!(after.resident < before.resident + 64 * 1024, "memory grows");
            measure(&client, TCP_ECHO, 400)
                .await
                .check(&[("one", UPDATES), ("two", 10)])?;
            nobody_was_cut(held).await
        })
        .await
}

#[derive(Debug)]
#[expect(dead_code, reason = "printed")]
struct Vms {
    active: u64,
    created: u64,
    /// What Envoy has of the memory, in KiB.
    resident: u64,
}

async fn vms_and_memory(waypoint: &Waypoint) -> Result<Vms> {
    let stat = async |name| {
        let name = format!("wasm.envoy.wasm.runtime.v8.{name}");
        waypoint.admin().stat(&name).await
    };
    let status = fs::read_to_string(format!("/proc/{}/status", waypoint.envoy().id()))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(Vms {
        active: stat("active").await?,
        created: stat("created").await?,
        resident: number.context("no VmRSS")?.parse()?,
    })
}

/// An upgrade of the filter: another .wasm, the same configuration.
#[tokio::test]
async fn a_new_wasm_cuts_nobody() -> Result<()> {
    let config = split(9000, 90, 10);
    waypoint(&config)
        .run(async |waypoint| {
            let client = client(waypoint)?;
            let held = hold(&client, 40).await?;
            let created = waypoint
                .admin()
                .stat("wasm.envoy.wasm.runtime.v8.created")
                .await?;
            let upgrade = waypoint.directory().join("upgrade.wasm");
            fs::write(&upgrade, with_custom_section(&fs::read(wasm())?))?;
            waypoint
                .update_plugin(&upgrade, &config.to_string())
                .await?;
            let now = waypoint
                .admin()
                .stat("wasm.envoy.wasm.runtime.v8.created")
                .await?;
            ensure!(now > created, "Envoy made no new VM for the new code");
            measure(&client, TCP_ECHO, 400)
                .await
                .check(&[("one", 90), ("two", 10)])?;
            nobody_was_cut(held).await
        })
        .await
}

/// Envoy keeps the last good configuration, and its log says what is wrong with the bad one.
#[tokio::test]
async fn a_bad_update_changes_nothing() -> Result<()> {
    waypoint(split(9000, 0, 100)).run(async |waypoint| {
    let client = client(waypoint)?;
    let held = hold(&client, 20).await?;
    let good = split(9000, 90, 10).to_string();
    let cases = [
        (r#"{"version":1"#.to_string(), "EOF while parsing an object"),
        (
            good.replace("\"version\":1", "\"version\":2"),
            "version: invalid value: integer `2`, expected 1",
        ),
        (
            good.replace("\"weight\":90", "\"weight\":\"90\""),
            "listeners[0].rules[0].backends[0].weight: invalid type: string \"90\", expected an integer from 0 to 1000000",
        ),
        (
            good.replace("\"rules\"", "\"rulez\""),
            "listeners[0].rulez: unknown field `rulez`",
        ),
        (
            good.replace("\"backends\"", "\"pick\":{\"best\":{}},\"backends\""),
            "listeners[0].rules[0].pick.best: unknown field `best`, expected one of `random`, `exact`, `sticky`",
        ),
    ];
    for (config, reason) in cases {
        let logged = waypoint.envoy().read_log().len();
        let verdict = waypoint.update_plugin(&wasm(), &config).await;
        ensure!(
            matches!(verdict, Err(UpdateError::Rejected(_))),
            "{config}: {verdict:?}"
        );
        let log = waypoint.envoy().read_log().split_off(logged);
        let line = format!("waypoint-l4: configuration refused: {reason}");
        ensure!(log.contains(&line), "no line {line:?} in:\n{log}");
        measure(&client, TCP_ECHO, 50).await.check(&[("two", 1)])?;
    }
    waypoint.update_plugin(&wasm(), &good).await?;
    measure(&client, TCP_ECHO, 400)
        .await
        .check(&[("one", 90), ("two", 10)])?;
    nobody_was_cut(held).await
    }).await
}

async fn hold(client: &Arc<Client>, count: usize) -> Result<Held> {
    Held::open(client, TCP_ECHO, count, Duration::from_millis(200)).await
}

async fn nobody_was_cut(held: Held) -> Result<()> {
    let report = held.close().await;
    ensure!(report.cut.is_empty(), "{report:?}");
    let connections = report.opened.values().sum::<usize>();
    ensure!(
        report.answers >= u64::try_from(connections)?,
        "too quiet: {report:?}"
    );
    Ok(())
}

/// The same module to whoever runs it, another one to whoever compares bytes.
fn with_custom_section(wasm: &[u8]) -> Vec<u8> {
    let mut module = wasm.to_vec();
    // Section 0 of 8 bytes: a name of 7 bytes and no content.
    module.extend_from_slice(b"\x00\x08\x07upgrade");
    module
}
