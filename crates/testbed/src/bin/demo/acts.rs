//! The four acts, each on a waypoint of its own.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use tokio::time::{Instant, sleep};
use waypoint_l4_testbed::client::Client;
use waypoint_l4_testbed::hold::Held;
use waypoint_l4_testbed::split::{binomial_bounds, measure};
use waypoint_l4_testbed::template::Routing;
use waypoint_l4_testbed::waypoint::{Builder, Waypoint};

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
    Waypoint::builder().run(even_split).await
}

async fn even_split(waypoint: &Waypoint) -> Result<Line> {
    let tally = measure(&client(waypoint)?, TCP_ECHO, CONNECTIONS).await;
    show::bars(&tally);
    let [one, two] = ["one", "two"].map(|name| tally.answers(name));
    // Envoy balances by load here, not by chance, so this is no binomial distribution.
    ensure!(
        one.min(two) >= CONNECTIONS as u64 / 4,
        "{tally}: not about even"
    );
    ensure!(
        one + two == CONNECTIONS as u64,
        "{tally}: not all were answered"
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
    plugin_waypoint(&Manifests::copy()?)?
        .run(split_by_weight)
        .await
}

async fn split_by_weight(waypoint: &Waypoint) -> Result<Line> {
    let tally = measure(&client(waypoint)?, TCP_ECHO, CONNECTIONS).await;
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
    let waypoint = plugin_waypoint(&manifests)?;
    waypoint
        .run(async |waypoint| shift(waypoint, &manifests).await)
        .await
}

async fn shift(waypoint: &Waypoint, manifests: &Manifests) -> Result<Line> {
    let client = client(waypoint)?;
    let line = TimeLine::begin(&client).await?;
    let mut seen = String::new();
    for [one, two] in [[50, 50], [0, 100]] {
        sleep(4 * INTERVAL).await;
        manifests.set_weights([one, two])?;
        waypoint
            .update_plugin(&wasm()?, &manifests.compile()?)
            .await?;
        line.moment(&format!("{one}/{two} compiled and delivered by ECDS"));
        let tally = measure(&client, TCP_ECHO, CONNECTIONS / 2).await;
        seen = show::percent(&tally);
        line.moment(&format!("{one}/{two}: new connections {seen}"));
        tally.check(&[("one", one), ("two", two)])?;
    }
    // As long as a drain would take, had there been one.
    sleep(DRAIN_TIME + 4 * INTERVAL).await;
    line.moment("as much later as in (d)");
    let report = line.held.close().await;
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
    let weights = [
        ("tcp-echo-v1".to_string(), 90),
        ("tcp-echo-v2".to_string(), 10),
    ];
    let routing = Routing::Native {
        weights: weights.to_vec(),
    };
    Waypoint::builder()
        .routing(routing)
        .drain_time(DRAIN_TIME)
        .run(cut)
        .await
}

async fn cut(waypoint: &Waypoint) -> Result<Line> {
    let client = client(waypoint)?;
    let line = TimeLine::begin(&client).await?;
    sleep(4 * INTERVAL).await;
    waypoint
        .update_native_weights(&[("tcp-echo-v1", 50), ("tcp-echo-v2", 50)])
        .await?;
    line.moment("50/50 delivered by LDS");
    let tally = measure(&client, TCP_ECHO, CONNECTIONS / 2).await;
    let seen = show::percent(&tally);
    line.moment(&format!("50/50: new connections {seen}"));
    tally.check(&[("one", 50), ("two", 50)])?;
    sleep(DRAIN_TIME + 4 * INTERVAL).await;
    line.moment("after the drain time");
    let cut = line.held.close().await.cut.len();
    ensure!(
        cut == HELD,
        "Envoy cut {cut} of {HELD}, where a replaced filter chain loses them all"
    );
    Ok(Line {
        act: "(d) native, 90/10, then 50/50",
        asked: "50/50",
        seen,
        cut: format!("{cut} of {HELD}"),
    })
}

/// Held connections, and when which of them still answered.
struct TimeLine {
    start: Instant,
    held: Held,
}

impl TimeLine {
    async fn begin(client: &Arc<Client>) -> Result<Self> {
        let start = Instant::now();
        let held = Held::open(client, TCP_ECHO, HELD, INTERVAL).await?;
        let opened = held.report().opened;
        let opened = opened.iter().map(|(name, count)| format!("{name} {count}"));
        let opened = opened.collect::<Vec<_>>().join(", ");
        let line = Self { start, held };
        line.moment(&format!("90/10: held by {opened}"));
        Ok(line)
    }

    fn moment(&self, event: &str) {
        let answering = HELD - self.held.report().cut.len();
        show::moment(self.start.elapsed().as_secs_f64(), event, answering, HELD);
    }
}

fn plugin_waypoint(manifests: &Manifests) -> Result<Builder> {
    let routing = Routing::Plugin {
        wasm: wasm()?,
        config: manifests.compile()?,
    };
    // Were anything to drain, it would be over before the act is.
    Ok(Waypoint::builder().routing(routing).drain_time(DRAIN_TIME))
}

/// Connections that reach every worker of Envoy: it keeps an HTTP/2 connection on one.
fn client(waypoint: &Waypoint) -> Result<Arc<Client>> {
    Ok(Arc::new(waypoint.client()?.streams_per_connection(25)))
}
