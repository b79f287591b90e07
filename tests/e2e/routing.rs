//! Which pod a connection comes out at.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use waypoint_l4_compile::{Options, Output, Source, compile};
use waypoint_l4_testbed::echo::ECHO_PORT;
use waypoint_l4_testbed::split::measure;

use crate::{TCP_ECHO, client, split, waypoint};

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

/// What a TCPRoute has no field for, from annotation to connection: exactly a tenth, by no chance.
#[tokio::test]
async fn annotations_of_the_route_are_honoured() -> Result<()> {
    let exact = |text: String| {
        text.replace(
            "  labels:\n",
            "  annotations: {waypoint-l4.io/pick: exact}\n  labels:\n",
        )
    };
    waypoint(compiled_with(
        "testdata/manifests/tcp-traffic-shifting",
        exact,
    )?)
    .concurrency(1)
    .run(async |waypoint| {
        let tally = measure(&client(waypoint)?, TCP_ECHO, 300).await;
        let (one, two) = (tally.answers("one"), tally.answers("two"));
        ensure!((29..=31).contains(&two) && one + two == 300, "{tally}");
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
        waypoint(config)
            .run(async |waypoint| {
                let tally = measure(&client(waypoint)?, TCP_ECHO, 200).await;
                let [one, two] = ["one", "two"].map(|name| tally.answers(name));
                ensure!(one > 0 && two > 0, "{tally}");
                assert_eq!(one + two, 200, "{tally}");
                Ok(())
            })
            .await?;
    }
    Ok(())
}

/// RBAC stands before the filter: who may not use the Service does not get past it by a route.
#[tokio::test]
async fn authorization_still_holds() -> Result<()> {
    waypoint(split(9000, 90, 10))
        .run(async |waypoint| {
            measure(&client(waypoint)?, TCP_ECHO, 20)
                .await
                .check(&[("one", 90), ("two", 10)])?;
            let stranger = waypoint.client_as("elsewhere", "client")?;
            let mut stream = stranger.connect(TCP_ECHO).await?;
            // The connection may be gone before this is written.
            let _ = stream.write_all(b"hello\n").await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert!(answer.is_empty(), "{:?}", String::from_utf8_lossy(&answer));
            let accepted = waypoint
                .pods()
                .iter()
                .map(|pod| pod.echo().received(ECHO_PORT));
            assert_eq!(
                accepted.sum::<u64>(),
                20 * 6,
                "what the stranger sent came through"
            );
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

/// What `waypoint-l4 compile --output config` prints for a folder of manifests.
fn compiled(folder: &str) -> Result<String> {
    compiled_with(folder, |text| text)
}

/// The same, with the TCPRoute edited.
fn compiled_with(folder: &str, edit: impl Fn(String) -> String) -> Result<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut sources = Vec::new();
    for entry in fs::read_dir(&folder).with_context(|| folder.display().to_string())? {
        let path = entry?.path();
        let mut text = fs::read_to_string(&path)?;
        if path.ends_with("tcproute.yaml") {
            text = edit(text);
        }
        sources.push(Source {
            name: path.display().to_string(),
            content: Ok(text.into_bytes()),
        });
    }
    let options = Options {
        output: Output::Config,
        ..Options::default()
    };
    Ok(compile(&sources, &options)?.manifests)
}
