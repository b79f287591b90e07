//! Waiting for what takes a moment to come true.

use std::time::Duration;

use anyhow::{Result, bail};
use tokio::time::{Instant, sleep};

/// Ample for anything on a busy machine, since nobody waits for it but a test that fails.
const PATIENCE: Duration = Duration::from_secs(20);
const POLL: Duration = Duration::from_millis(20);

/// Waits until it holds; `what` is what the error says did not come true.
pub async fn eventually(what: &str, holds: impl Fn() -> bool) -> Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        if Instant::now() > deadline {
            bail!("in {PATIENCE:?} it did not come true that {what}");
        }
        sleep(POLL).await;
    }
    Ok(())
}
