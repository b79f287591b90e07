//! Connections that stay open and keep talking, to see which of them a change cuts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::client::Client;
use crate::tunnel::Stream;

/// A line that is not answered within this time counts as a cut.
const PATIENCE: Duration = Duration::from_secs(10);

/// Held connections to port 9000 of the mesh; dropping them resets them.
pub struct Held {
    states: Vec<Arc<Mutex<State>>>,
    talks: JoinSet<()>,
    stop: watch::Sender<bool>,
}

/// What has become of held connections.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Connections that were opened, by the backend that answered first.
    pub opened: BTreeMap<String, usize>,
    /// Lines that the first backend answered.
    pub answers: u64,
    /// How each connection ended that was cut, or was answered by another backend.
    pub cut: Vec<String>,
}

#[derive(Debug, Default)]
struct State {
    backend: String,
    answers: u64,
    end: Option<String>,
}

impl Held {
    /// Opens so many connections, each of which sends a line and has it answered once per interval.
    pub async fn open(
        client: &Arc<Client>,
        target: &str,
        count: usize,
        interval: Duration,
    ) -> Result<Self> {
        let (stop, stopped) = watch::channel(false);
        let mut held = Self {
            states: Vec::new(),
            talks: JoinSet::new(),
            stop,
        };
        for number in 0..count {
            let stream = client.connect(target).await?;
            let mut stream = BufReader::new(stream);
            let backend = ask(&mut stream, "first")
                .await
                .with_context(|| format!("held connection {number} was never answered"))?;
            let state = Arc::new(Mutex::new(State {
                backend,
                ..State::default()
            }));
            held.talks
                .spawn(talk(stream, state.clone(), interval, stopped.clone()));
            held.states.push(state);
        }
        Ok(held)
    }

    /// What has happened up to now.
    pub fn report(&self) -> Report {
        let mut report = Report::default();
        for state in &self.states {
            let state = lock(state);
            *report.opened.entry(state.backend.clone()).or_default() += 1;
            report.answers += state.answers;
            report.cut.extend(state.end.clone());
        }
        report
    }

    /// Has each connection talk once more, ends it in good order, and tells what has happened.
    pub async fn close(mut self) -> Report {
        // No receiver is left only if every connection was cut.
        let _ = self.stop.send(true);
        while self.talks.join_next().await.is_some() {}
        self.report()
    }
}

async fn talk(
    mut stream: BufReader<Stream>,
    state: Arc<Mutex<State>>,
    interval: Duration,
    mut stopped: watch::Receiver<bool>,
) {
    let end = loop {
        let last = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => true,
            () = sleep(interval) => false,
        };
        let number = lock(&state).answers;
        match ask(&mut stream, &number.to_string()).await {
            Ok(backend) if backend == lock(&state).backend => lock(&state).answers += 1,
            Ok(backend) => break Some(format!("answered by {backend} of a sudden")),
            Err(error) => break Some(format!("{error:#}")),
        }
        if last {
            break finish(&mut stream)
                .await
                .err()
                .map(|error| format!("{error:#}"));
        }
    };
    lock(&state).end = end;
}

/// Sends a line and returns the name that answers it.
async fn ask(stream: &mut BufReader<Stream>, line: &str) -> Result<String> {
    let answer = async {
        stream
            .write_all(format!("{line}\n").as_bytes())
            .await
            .context("while writing")?;
        let mut answer = String::new();
        let length = stream
            .read_line(&mut answer)
            .await
            .context("while reading")?;
        ensure!(length > 0, "the connection ended");
        match answer.strip_suffix(&format!(" {line}\n")) {
            Some(name) => Ok(name.to_string()),
            None => bail!("sent {line:?} and was answered {answer:?}"),
        }
    };
    timeout(PATIENCE, answer)
        .await
        .with_context(|| format!("no answer within {PATIENCE:?}"))?
}

async fn finish(stream: &mut BufReader<Stream>) -> Result<()> {
    let end = async {
        stream.shutdown().await.context("while ending")?;
        let mut rest = String::new();
        let length = stream.read_line(&mut rest).await.context("after the end")?;
        ensure!(length == 0, "{rest:?} came after the end");
        Ok(())
    };
    timeout(PATIENCE, end)
        .await
        .with_context(|| format!("no end within {PATIENCE:?}"))?
}

/// A panic elsewhere must not hide what this state has to tell.
fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
