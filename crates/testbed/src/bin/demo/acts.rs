//! The four acts, each on a waypoint of its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::{Instant, sleep};
use waypoint_l4_testbed::client::Client;
use waypoint_l4_testbed::hold::{Held, Report};
use waypoint_l4_testbed::split::{binomial_bounds, measure};
use waypoint_l4_testbed::template::Routing;
use waypoint_l4_testbed::waypoint::Waypoint;

use crate::route::{Manifests, wasm};
use crate::show::{self, Line};

const TCP_ECHO: &str = "10.96.0.10:9000";
const CONNECTIONS: usize = 2000;
const HELD: usize = 200;
const INTERVAL: Duration = Duration::from_millis(500);
const DRAIN_TIME: Duration = Duration::from_secs(3);

pub(crate) async fn without_plugin() -> Result<Line> {
    show::act(
        'a',
        "No plugin. The TCPRoute says 90/10, and the waypoint does not know it.",
    );
    let waypoint = Waypoint::builder().start().await?;
    let tally = measure(&client(&waypoint)?, TCP_ECHO, CONNECTIONS).await;
    show::bars(&tally);
    // Envoy balances by load here, not by chance, so this is no binomial distribution.
    let even = CONNECTIONS as u64 * 35 / 100..=CONNECTIONS as u64 * 65 / 100;
    ensure!(
        even.contains(&tally.answers("one")),
        "{tally}: not about even"
    );
    ensure!(
        tally.answers("one") + tally.answers("two") == CONNECTIONS as u64,
        "{tally}"
    );
    Ok(Line {
        act: "(a) no plugin",
        asked: "90/10",
        seen: show::percent(&tally),
        cut: "-".to_string(),
    })
}

pub(crate) async fn with_plugin() -> Result<Line> {
    show::act(
        'b',
        "The plugin, with the route compiled by `waypoint-l4 compile`.",
    );
    let waypoint = plugin_waypoint(&Manifests::copy()?).await?;
    let tally = measure(&client(&waypoint)?, TCP_ECHO, CONNECTIONS).await;
    show::bars(&tally);
    let bounds = binomial_bounds(CONNECTIONS as u64, 0.1);
    println!("    two is to have {} to {}", bounds.start(), bounds.end());
    tally.check(&[("one", 90), ("two", 10)])?;
    Ok(Line {
        act: "(b) plugin",
        asked: "90/10",
        seen: show::percent(&tally),
        cut: "-".to_string(),
    })
}

pub(crate) async fn weights_change() -> Result<Line> {
    show::act(
        'c',
        "200 held connections, each talking twice a second, while the weights change.",
    );
    let manifests = Manifests::copy()?;
    let waypoint = plugin_waypoint(&manifests).await?;
    let client = client(&waypoint)?;
    let start = Instant::now();
    let held = Held::open(&client, TCP_ECHO, HELD, INTERVAL).await?;
    let moment = |event: &str| {
        show::moment(
            start.elapsed().as_secs_f64(),
            event,
            answering(&held.report()),
            HELD,
        );
    };
    moment(&format!("90/10: held by {}", opened(&held.report())));
    let mut seen = String::new();
    for [one, two] in [[50, 50], [0, 100]] {
        sleep(4 * INTERVAL).await;
        manifests.set_weights([one, two])?;
        waypoint
            .update_plugin(&wasm()?, &manifests.compile()?)
            .await?;
        moment(&format!("{one}/{two} compiled and delivered by ECDS"));
        let tally = measure(&client, TCP_ECHO, CONNECTIONS / 2).await;
        moment(&format!(
            "{one}/{two}: new connections {}",
            show::percent(&tally)
        ));
        tally.check(&[("one", one), ("two", two)])?;
        seen = show::percent(&tally);
    }
    // As long as a drain would take, had there been one.
    sleep(DRAIN_TIME + 4 * INTERVAL).await;
    moment("as much later as in (d)");
    let report = held.close().await;
    ensure!(report.cut.is_empty(), "connections were cut: {report:?}");
    println!(
        "    {} lines were answered, each by the pod that had answered first",
        report.answers
    );
    Ok(Line {
        act: "(c) plugin, 90/10, then 50/50, then 0/100",
        asked: "0/100",
        seen,
        cut: format!("{} of {HELD}", report.cut.len()),
    })
}

pub(crate) async fn natively() -> Result<Line> {
    show::act(
        'd',
        "The same natively: weighted_clusters, changed by LDS, drain time 3 s.",
    );
    let weights = |one, two| {
        vec![
            ("tcp-echo-v1".to_string(), one),
            ("tcp-echo-v2".to_string(), two),
        ]
    };
    let waypoint = Waypoint::builder()
        .routing(Routing::Native {
            weights: weights(90, 10),
        })
        .drain_time(DRAIN_TIME)
        .start()
        .await?;
    let client = client(&waypoint)?;
    let start = Instant::now();
    let held = Held::open(&client, TCP_ECHO, HELD, INTERVAL).await?;
    let moment = |event: &str| {
        show::moment(
            start.elapsed().as_secs_f64(),
            event,
            answering(&held.report()),
            HELD,
        );
    };
    moment(&format!("90/10: held by {}", opened(&held.report())));
    sleep(4 * INTERVAL).await;
    waypoint
        .update_listeners(&Routing::Native {
            weights: weights(50, 50),
        })
        .await?;
    moment("50/50 delivered by LDS");
    let tally = measure(&client, TCP_ECHO, CONNECTIONS / 2).await;
    moment(&format!("50/50: new connections {}", show::percent(&tally)));
    tally.check(&[("one", 50), ("two", 50)])?;
    sleep(DRAIN_TIME + 4 * INTERVAL).await;
    moment("after the drain time");
    let cut = held.close().await.cut.len();
    ensure!(
        cut == HELD,
        "Envoy cut {cut} of {HELD}, where a replaced filter chain loses them all"
    );
    Ok(Line {
        act: "(d) native, 90/10, then 50/50",
        asked: "50/50",
        seen: show::percent(&tally),
        cut: format!("{cut} of {HELD}"),
    })
}

async fn plugin_waypoint(manifests: &Manifests) -> Result<Waypoint> {
    let routing = Routing::Plugin {
        wasm: wasm()?,
        config: manifests.compile()?,
    };
    // Were anything to drain, it would be over before the act is.
    Waypoint::builder()
        .routing(routing)
        .drain_time(DRAIN_TIME)
        .start()
        .await
}

/// Connections that reach every worker of Envoy: it keeps an HTTP/2 connection on one.
fn client(waypoint: &Waypoint) -> Result<Arc<Client>> {
    Ok(Arc::new(waypoint.client()?.streams_per_connection(25)))
}

fn answering(report: &Report) -> usize {
    report.opened.values().sum::<usize>() - report.cut.len()
}

fn opened(report: &Report) -> String {
    let counts = report
        .opened
        .iter()
        .map(|(name, count)| format!("{name} {count}"));
    counts.collect::<Vec<_>>().join(", ")
}
