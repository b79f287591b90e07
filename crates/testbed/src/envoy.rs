//! The Envoy process: found, started, watched, updated and ended.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use std::{env, thread};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::admin::Admin;

/// Ample for an Envoy that compiles its first Wasm module on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(20);
/// An update is counted when the main thread has sent it to the workers; this is for them to take it.
const SETTLE: Duration = Duration::from_millis(50);
const TAIL_LINES: usize = 30;
const LINE_LENGTH: usize = 500;

/// How Envoy is started.
#[derive(Clone, Debug)]
pub struct Options {
    /// Worker threads; each has a Wasm VM and connections of its own.
    pub concurrency: u32,
    /// How long connections of a replaced filter chain may go on. Istio's default.
    pub drain_time: Duration,
    /// Levels of Envoy's loggers that differ from `info`.
    pub log_levels: BTreeMap<String, String>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            concurrency: 2,
            drain_time: Duration::from_secs(45),
            // Else ten lines at each update, on message types that Envoy calls work in progress.
            log_levels: BTreeMap::from([("misc".to_string(), "error".to_string())]),
        }
    }
}

/// A running Envoy; dropping it kills it.
#[derive(Debug)]
pub struct Envoy {
    process: Child,
    admin: Admin,
    log: PathBuf,
}

/// Why an update is not in force.
#[derive(Debug, thiserror::Error)]
pub enum UpdateError {
    /// Envoy refused it, in these words, and keeps what it had.
    #[error("Envoy rejected the update: {0}")]
    Rejected(String),
    #[error("{0:#}")]
    Failed(#[from] anyhow::Error),
}

/// The counters by which Envoy tells what it did with an update.
pub struct Counters {
    pub accepted: String,
    pub rejected: String,
}

impl Counters {
    /// Those of the listeners.
    pub fn listeners() -> Self {
        Self {
            accepted: "listener_manager.lds.update_success".to_string(),
            rejected: "listener_manager.lds.update_rejected".to_string(),
        }
    }

    /// Those of the network filter that ECDS knows by this name.
    pub fn filter(name: &str) -> Self {
        let stats = format!("extension_config_discovery.network_filter.{name}");
        Self {
            // Not config_reload, which counts what is rejected as well.
            accepted: format!("{stats}.update_success"),
            rejected: format!("{stats}.update_rejected"),
        }
    }
}

impl Envoy {
    /// Starts Envoy and returns once it has taken up its listeners and clusters. Its log goes to a
    /// file of this name.
    pub async fn start(
        bootstrap: &Path,
        admin: SocketAddr,
        log: &Path,
        options: &Options,
    ) -> Result<Self> {
        let binary = binary()?;
        let output = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("cannot write {}", log.display()))?;
        let process = spawn(&binary, &arguments(bootstrap, options), output)
            .with_context(|| format!("cannot start {}", binary.display()))?;
        let mut envoy = Self {
            process,
            admin: Admin::new(admin),
            log: log.to_path_buf(),
        };
        match envoy.wait_until_live().await {
            Ok(()) => Ok(envoy),
            Err(error) => Err(envoy.explain(error)),
        }
    }

    pub fn admin(&self) -> Admin {
        self.admin
    }

    /// Envoy's process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    pub fn log(&self) -> &Path {
        &self.log
    }

    /// Everything Envoy has logged.
    pub fn read_log(&self) -> String {
        fs::read(&self.log)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_else(|error| format!("(cannot read {}: {error})", self.log.display()))
    }

    /// The error, with the end of Envoy's log after it.
    pub fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let log = self.read_log();
        // Some lines list everything that Envoy is made of.
        let lines: Vec<String> = log
            .lines()
            .map(|line| line.chars().take(LINE_LENGTH).collect())
            .collect();
        let tail = lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n");
        anyhow!(
            "{error:#}\n--- end of {} ---\n{tail}\n---",
            self.log.display()
        )
    }

    /// Moves a new version onto a file that Envoy watches and waits for its verdict.
    pub async fn update(
        &self,
        file: &Path,
        content: &Value,
        counters: &Counters,
    ) -> Result<(), UpdateError> {
        let logged = self.read_log().len();
        let before = self.count(counters).await?;
        replace(file, content)?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (accepted, rejected) = self.count(counters).await?;
            if rejected > before.1 {
                return Err(UpdateError::Rejected(self.rejection(logged)));
            }
            if accepted > before.0 && self.warmed_up().await? {
                sleep(SETTLE).await;
                return Ok(());
            }
            if Instant::now() > deadline {
                let error = anyhow!("no verdict on {} within {PATIENCE:?}", file.display());
                return Err(self.explain(error).into());
            }
            sleep(POLL).await;
        }
    }

    async fn count(&self, counters: &Counters) -> Result<(u64, u64)> {
        let accepted = self.admin.stat(&counters.accepted).await?;
        Ok((accepted, self.admin.stat(&counters.rejected).await?))
    }

    /// What Envoy has complained about after the first so many bytes of its log.
    fn rejection(&self, logged: usize) -> String {
        let log = self.read_log();
        let news = log.get(logged..).unwrap_or(&log);
        let lines: Vec<_> = news
            .lines()
            .filter(|line| !line.contains("][info]["))
            .collect();
        lines.join("\n")
    }

    async fn wait_until_live(&mut self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait()? {
                bail!("Envoy ended with {status}");
            }
            if self.admin.live().await.unwrap_or(false) && self.warmed_up().await? {
                break;
            }
            if Instant::now() > deadline {
                bail!("Envoy was not up within {PATIENCE:?}");
            }
            sleep(POLL).await;
        }
        for what in ["listener_manager.lds", "cluster_manager.cds"] {
            // An Envoy whose bootstrap is all it has counts none.
            let stats = self
                .admin
                .stats(&format!(r"^{what}\.update_success$"))
                .await?;
            if stats.values().any(|updates| *updates == 0) {
                bail!("Envoy rejected its first configuration ({what}.update_success is 0)");
            }
        }
        Ok(())
    }

    async fn warmed_up(&self) -> Result<bool> {
        let listeners = self
            .admin
            .stat("listener_manager.total_listeners_warming")
            .await?;
        Ok(listeners == 0 && self.admin.stat("cluster_manager.warming_clusters").await? == 0)
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!(
                "{:#}",
                self.explain(anyhow!("a test failed while this Envoy ran"))
            );
        }
        // An error means that it has ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Writes the file under another name and moves it into place: Envoy never sees half of it, and a
/// move is what it watches for.
pub fn replace(file: &Path, content: &Value) -> Result<()> {
    let draft = file.with_extension("draft");
    let text = serde_json::to_string_pretty(content)?;
    fs::write(&draft, text).with_context(|| format!("cannot write {}", draft.display()))?;
    fs::rename(&draft, file).with_context(|| format!("cannot move a file to {}", file.display()))
}

/// `$ENVOY`, or what `make setup` installed.
fn binary() -> Result<PathBuf> {
    if let Some(path) = env::var_os("ENVOY") {
        let path = PathBuf::from(path);
        if !path.is_file() {
            bail!(
                "the environment variable ENVOY names {}, which is no file",
                path.display()
            );
        }
        return Ok(path);
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let installed = fs::read_dir(root.join(".venv/lib"))
        .into_iter()
        .flatten()
        .flatten();
    installed
        .map(|python| python.path().join("site-packages/envoy/_bin/envoy"))
        .find(|path| path.is_file())
        .context("there is no Envoy: run `make setup`, or set ENVOY to the path of a binary")
}

fn arguments(bootstrap: &Path, options: &Options) -> Vec<String> {
    let levels: Vec<_> = options
        .log_levels
        .iter()
        .map(|(logger, level)| format!("{logger}:{level}"))
        .collect();
    let mut arguments = vec![
        "--config-path".to_string(),
        bootstrap.display().to_string(),
        // Envoys on one machine must not take each other for their predecessor.
        "--use-dynamic-base-id".to_string(),
    ];
    let settings = [
        ("--concurrency", options.concurrency.to_string()),
        ("--drain-time-s", options.drain_time.as_secs().to_string()),
        // As Istio starts it: connections are told at once, not at some time within the drain time.
        ("--drain-strategy", "immediate".to_string()),
        ("--log-level", "info".to_string()),
        ("--component-log-level", levels.join(",")),
        // The access log is to be complete when a test looks at it.
        ("--file-flush-interval-msec", "20".to_string()),
    ];
    for (name, value) in settings.into_iter().filter(|(_, value)| !value.is_empty()) {
        arguments.extend([name.to_string(), value]);
    }
    arguments
}

/// Starts Envoy with a watcher beside it, which ends it when this process is gone and could not:
/// killed, aborted, or out of `main` with a testbed in a static.
fn spawn(binary: &Path, arguments: &[String], output: File) -> std::io::Result<Child> {
    // The pipe on standard input closes with this process. `exec` keeps the process id: $$ is Envoy.
    const SCRIPT: &str = r#"exec 3<&0; (read -r _ <&3; kill -9 $$) & exec "$@" 3<&- </dev/null"#;
    Command::new("sh")
        .args(["-c", SCRIPT, "sh"])
        .arg(binary)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(output.try_clone()?)
        .stderr(output)
        .spawn()
}
