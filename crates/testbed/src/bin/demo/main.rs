//! The main job as a play for one reader: a TCPRoute shifts TCP connections through a real Envoy that
//! is set up as an Istio waypoint, and nobody who is connected is cut. Exits with 0 only if every
//! figure holds.

mod acts;
mod route;
mod show;

use std::process::ExitCode;

use anyhow::{Result, bail};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::Instant;

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = tokio::select! {
        outcome = play() => outcome,
        // What the play has started ends with it, and its files go.
        interruption = interrupted() => interruption,
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nThe demo failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn interrupted() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        interrupt = ctrl_c() => interrupt?,
        _ = terminate.recv() => {}
    }
    bail!("interrupted")
}

async fn play() -> Result<()> {
    let start = Instant::now();
    show::title();
    let summary = [
        acts::without_plugin().await?,
        acts::with_plugin().await?,
        acts::weights_change().await?,
        acts::natively().await?,
    ];
    show::summary(&summary);
    println!(
        "\nEvery figure holds. It took {:.0} s.",
        start.elapsed().as_secs_f64()
    );
    Ok(())
}
