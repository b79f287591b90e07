//! Measuring how connections are shared out among backends, and what chance allows.

use std::collections::BTreeMap;
use std::fmt;
use std::io::ErrorKind;
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::{StreamExt, stream};
use statrs::distribution::{Binomial, DiscreteCDF};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::time::timeout;

use crate::client::{Client, ConnectError};

/// How often chance alone may put a count outside of [`binomial_bounds`].
const FALSE_ALARM: f64 = 1e-6;
const CONCURRENCY: usize = 50;
const PATIENCE: Duration = Duration::from_secs(20);

/// What became of a number of connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Connections answered, by the name that answered.
    pub answers: BTreeMap<String, u64>,
    /// Connections that the waypoint closed or reset without a byte: for want of a cluster, because
    /// a policy forbids it, or because the pod did not take it. The access log says which.
    pub refused: u64,
    /// Anything else, in words.
    pub errors: Vec<String>,
}

/// Opens `connections` to the target, at most 50 at a time, sends one line on each, and counts which
/// backend answers. For port 9000 of the mesh.
pub async fn measure(client: &Arc<Client>, target: &str, connections: usize) -> Tally {
    let attempts = stream::iter(0..connections).map(|_| async {
        match timeout(PATIENCE, ask(client, target)).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Failed(format!("no answer within {PATIENCE:?}")),
        }
    });
    let mut tally = Tally::default();
    let mut outcomes = attempts.buffer_unordered(CONCURRENCY);
    while let Some(outcome) = outcomes.next().await {
        match outcome {
            Outcome::Answered(name) => *tally.answers.entry(name).or_default() += 1,
            Outcome::Refused => tally.refused += 1,
            Outcome::Failed(error) => tally.errors.push(error),
        }
    }
    tally
}

/// Between which counts an event of this probability stays in `trials`, but for one run in a
/// million. From the binomial distribution itself: the normal one is off where it matters, in the
/// tails of small shares.
pub fn binomial_bounds(trials: u64, probability: f64) -> RangeInclusive<u64> {
    if probability <= 0.0 {
        return 0..=0;
    }
    if probability >= 1.0 {
        return trials..=trials;
    }
    let distribution =
        Binomial::new(probability, trials).expect("the probability is between 0 and 1");
    let tail = FALSE_ALARM / 2.0;
    distribution.inverse_cdf(tail)..=distribution.inverse_cdf(1.0 - tail)
}

impl Tally {
    pub fn total(&self) -> u64 {
        self.answers.values().sum::<u64>() + self.refused + self.errors.len() as u64
    }

    pub fn answers(&self, name: &str) -> u64 {
        self.answers.get(name).copied().unwrap_or_default()
    }

    /// Holds if each backend has its share by weight, within chance, nobody else answered, and
    /// nothing was refused or failed.
    pub fn check(&self, weights: &[(&str, u32)]) -> Result<()> {
        ensure!(self.errors.is_empty(), "{self}: connections failed");
        ensure!(self.refused == 0, "{self}: connections were refused");
        for name in self.answers.keys() {
            let expected = weights.iter().any(|(backend, _)| backend == name);
            ensure!(expected, "{self}: {name} should not have answered");
        }
        let sum: u32 = weights.iter().map(|(_, weight)| weight).sum();
        for (name, weight) in weights {
            let bounds = binomial_bounds(self.total(), f64::from(*weight) / f64::from(sum));
            ensure!(
                bounds.contains(&self.answers(name)),
                "{self}: {name} should have had {} to {} with weight {weight} of {sum}",
                bounds.start(),
                bounds.end(),
            );
        }
        Ok(())
    }
}

/// `one=90 two=10 refused=0`, and the errors if there are any.
impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, count) in &self.answers {
            write!(formatter, "{name}={count} ")?;
        }
        write!(formatter, "refused={}", self.refused)?;
        if let Some(first) = self.errors.first() {
            write!(formatter, " errors={} (first: {first})", self.errors.len())?;
        }
        Ok(())
    }
}

enum Outcome {
    Answered(String),
    Refused,
    Failed(String),
}

async fn ask(client: &Client, target: &str) -> Outcome {
    let stream = match client.connect(target).await {
        Ok(stream) => stream,
        Err(ConnectError::Refused(_) | ConnectError::Reset(_)) => return Outcome::Refused,
        Err(error) => return Outcome::Failed(error.to_string()),
    };
    let mut stream = BufReader::new(stream);
    // Whether this arrives is seen from the answer.
    let _ = stream.write_all(b"hello\n").await;
    let mut answer = String::new();
    match stream.read_line(&mut answer).await {
        Ok(0) => Outcome::Refused,
        Ok(_) => {
            // Not dropped: that is a reset, and Envoy takes many of them for an attack.
            let _ = stream.shutdown().await;
            let _ = stream.read_to_end(&mut Vec::new()).await;
            match answer.strip_suffix(" hello\n") {
                Some(name) => Outcome::Answered(name.to_string()),
                None => Outcome::Failed(format!("answered {answer:?}")),
            }
        }
        Err(error) if error.kind() == ErrorKind::ConnectionReset => Outcome::Refused,
        Err(error) => Outcome::Failed(format!("while reading: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_leave_one_run_in_a_million_outside() {
        let bounds = binomial_bounds(1000, 0.1);
        let distribution = Binomial::new(0.1, 1000).unwrap();
        let below = distribution.cdf(bounds.start() - 1);
        let above = distribution.sf(*bounds.end());
        assert!(below + above <= FALSE_ALARM, "{below} + {above}");
        // One step further in would be too tight.
        assert!(distribution.cdf(*bounds.start()) > FALSE_ALARM / 2.0);
        assert!(distribution.sf(bounds.end() - 1) > FALSE_ALARM / 2.0);
    }

    #[test]
    fn certain_events_have_no_leeway() {
        assert_eq!(binomial_bounds(20, 0.0), 0..=0);
        assert_eq!(binomial_bounds(20, 1.0), 20..=20);
    }

    #[test]
    fn a_check_says_what_is_wrong() {
        let answers = BTreeMap::from([("one".to_string(), 50), ("two".to_string(), 50)]);
        let tally = Tally {
            answers,
            ..Tally::default()
        };
        tally.check(&[("one", 1), ("two", 1)]).unwrap();
        let error = tally
            .check(&[("one", 90), ("two", 10)])
            .unwrap_err()
            .to_string();
        assert_eq!(
            error,
            "one=50 two=50 refused=0: one should have had 73 to 100 with weight 90 of 100"
        );
    }
}
