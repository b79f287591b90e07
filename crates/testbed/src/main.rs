//! The parts of the testbed as programs, for docker compose: Envoy's files, a pod, a client.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Args, Parser};
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{Instant, sleep};
use waypoint_l4_testbed::certificates::{Authority, Identity};
use waypoint_l4_testbed::client::Client;
use waypoint_l4_testbed::pod::Pod;
use waypoint_l4_testbed::split::{Tally, measure};
use waypoint_l4_testbed::template::{Placement, Routing, Templates};
use waypoint_l4_testbed::waypoint::{CLIENT_NAMESPACE, NAMESPACE};

/// How long the client waits for the waypoint and the pods to come up.
const PATIENCE: Duration = Duration::from_secs(60);
const BAR_WIDTH: u64 = 50;

/// A waypoint's surroundings, one by one.
#[derive(Parser)]
#[command(name = "waypoint-l4-testbed", version)]
enum Command {
    /// Writes certificates and Envoy's files.
    Render(Render),
    /// Plays a pod: a ztunnel on port 15008, echo servers on 9000, 9001 and 9002.
    #[command(name = "pod")]
    Pod(PodArguments),
    /// Opens connections and counts which pod answers; 0 if the shares are within chance.
    Client(ClientArguments),
}

#[derive(Args)]
struct Render {
    /// Where to write.
    #[arg(long)]
    out: PathBuf,
    /// The path under which Envoy will see that directory, if it is another.
    #[arg(long)]
    mounted_at: Option<PathBuf>,
    #[arg(long, default_value = "127.0.0.1")]
    waypoint: Ipv4Addr,
    #[arg(long, default_value = "127.0.0.11")]
    pod_one: Ipv4Addr,
    #[arg(long, default_value = "127.0.0.12")]
    pod_two: Ipv4Addr,
    #[arg(long, default_value_t = 15000)]
    admin_port: u16,
    /// The filter, by the path under which Envoy will see it; without it there is no plugin.
    #[arg(long, requires = "config")]
    wasm: Option<PathBuf>,
    /// A file with the plugin's config.
    #[arg(long, requires = "wasm")]
    config: Option<PathBuf>,
    #[arg(long, default_value = "FAIL_OPEN")]
    failure_policy: String,
}

#[derive(Args)]
struct PodArguments {
    /// What it answers with.
    #[arg(long)]
    name: String,
    #[arg(long)]
    address: Ipv4Addr,
    /// The directory `certificates` that `render` wrote.
    #[arg(long)]
    certificates: PathBuf,
}

#[derive(Args)]
struct ClientArguments {
    #[arg(long)]
    waypoint: SocketAddr,
    /// The directory `certificates` that `render` wrote.
    #[arg(long)]
    certificates: PathBuf,
    /// An address and port of the mesh.
    #[arg(long, default_value = "10.96.0.10:9000")]
    target: String,
    #[arg(long, default_value_t = 1000)]
    connections: usize,
    /// Each pod's weight.
    #[arg(long, value_delimiter = ',', value_parser = share, default_value = "one=90,two=10")]
    expect: Vec<(String, u32)>,
}

#[tokio::main]
async fn main() -> Result<()> {
    match Command::parse() {
        Command::Render(arguments) => render(arguments),
        Command::Pod(arguments) => pod(arguments).await,
        Command::Client(arguments) => client(arguments).await,
    }
}

fn render(arguments: Render) -> Result<()> {
    let authority = Authority::new()?;
    let certificates = arguments.out.join("certificates");
    authority
        .issue(NAMESPACE, "waypoint")?
        .write(&certificates, "waypoint")?;
    authority
        .issue(NAMESPACE, "tcp-echo")?
        .write(&certificates, "pod")?;
    authority
        .issue(CLIENT_NAMESPACE, "client")?
        .write(&certificates, "client")?;
    let directory = arguments
        .mounted_at
        .unwrap_or_else(|| arguments.out.clone());
    let placement = Placement {
        waypoint: arguments.waypoint,
        admin_port: arguments.admin_port,
        pod_one: arguments.pod_one,
        pod_two: arguments.pod_two,
        access_log: directory.join("access.log"),
        directory,
    };
    let routing = match (arguments.wasm, arguments.config) {
        (Some(wasm), Some(path)) => {
            let config = fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            Routing::Plugin { wasm, config }
        }
        _ => Routing::None,
    };
    placement.write(
        &arguments.out,
        &Templates::own()?,
        &routing,
        &arguments.failure_policy,
    )
}

async fn pod(arguments: PodArguments) -> Result<()> {
    let identity = Identity::read(&arguments.certificates, "pod")?;
    let pod = Pod::start(&arguments.name, arguments.address, &identity).await?;
    println!("pod {} is ready on {}", pod.name(), pod.address());
    // As the first process of a container it would not even notice these by default.
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        _ = terminate.recv() => {}
        result = tokio::signal::ctrl_c() => result?,
    }
    Ok(())
}

async fn client(arguments: ClientArguments) -> Result<()> {
    let identity = Identity::read(&arguments.certificates, "client")?;
    let client = Arc::new(Client::new(arguments.waypoint, &identity)?);
    wait_for_answer(&client, &arguments.target).await?;
    let tally = measure(&client, &arguments.target, arguments.connections).await;
    print(&tally);
    let expected: Vec<_> = arguments
        .expect
        .iter()
        .map(|(name, weight)| (name.as_str(), *weight))
        .collect();
    tally.check(&expected)?;
    println!("as expected, within what chance allows");
    Ok(())
}

async fn wait_for_answer(client: &Arc<Client>, target: &str) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let tally = measure(client, target, 1).await;
        if !tally.answers.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("nobody answered within {PATIENCE:?}: {tally}");
        }
        sleep(Duration::from_millis(200)).await;
    }
}

fn print(tally: &Tally) {
    let total = tally.total().max(1);
    let bar = |count: u64| "#".repeat(usize::try_from(count * BAR_WIDTH / total).unwrap_or(0));
    for (name, count) in &tally.answers {
        let percent = *count as f64 * 100.0 / total as f64;
        println!("{name:>8} {count:>6} {percent:>5.1} % {}", bar(*count));
    }
    if tally.refused > 0 {
        println!("{:>8} {:>6}", "refused", tally.refused);
    }
}

fn share(text: &str) -> Result<(String, u32), String> {
    let (name, weight) = text.split_once('=').ok_or("expected NAME=WEIGHT")?;
    let weight = weight
        .parse()
        .map_err(|error| format!("weight {weight:?}: {error}"))?;
    Ok((name.to_string(), weight))
}
