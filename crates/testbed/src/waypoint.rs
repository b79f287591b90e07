//! A whole testbed: an Envoy that is a waypoint, two pods behind it, clients before it.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use rustls::pki_types::ServerName;
use serde_json::Value;
use tempfile::TempDir;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::address::{HBONE_PORT, Network};
use crate::admin::Admin;
use crate::certificates::{Authority, Identity};
use crate::client::Client;
use crate::envoy::{Counters, Envoy, Options, UpdateError, replace};
use crate::pod::Pod;
use crate::template::{Placement, Routing, Templates};
use crate::tunnel::Stream;

/// Istio's namespace for the task this mesh is taken from.
pub const NAMESPACE: &str = "istio-io-tcp-traffic-shifting";
/// The namespace whose clients may use Service tcp-echo.
pub const CLIENT_NAMESPACE: &str = "shop";

const ADMIN_PORT: u16 = 15000;

/// A running testbed. Dropping it ends Envoy and the pods; the files stay if a test is failing.
pub struct Waypoint {
    // Dropped in this order: nothing is to talk to what is gone already.
    envoy: Envoy,
    pods: [Pod; 2],
    templates: Templates,
    placement: Placement,
    authority: Authority,
    failure_policy: String,
    network: Network,
    directory: Option<TempDir>,
}

/// How to start a [`Waypoint`].
pub struct Builder {
    routing: Routing,
    templates: Option<Templates>,
    namespace: String,
    failure_policy: String,
    options: Options,
}

impl Waypoint {
    pub fn builder() -> Builder {
        Builder {
            routing: Routing::None,
            templates: None,
            namespace: NAMESPACE.to_string(),
            failure_policy: "FAIL_OPEN".to_string(),
            options: Options::default(),
        }
    }

    /// A client that may use every Service: `shop/client`.
    pub fn client(&self) -> Result<Client> {
        self.client_as(CLIENT_NAMESPACE, "client")
    }

    /// A client of another identity.
    pub fn client_as(&self, namespace: &str, service_account: &str) -> Result<Client> {
        self.client_of(&self.authority.issue(namespace, service_account)?)
    }

    /// A client whose identity is this URI, whatever it looks like.
    pub fn client_with_principal(&self, uri: &str) -> Result<Client> {
        self.client_of(&self.authority.issue_for(uri)?)
    }

    fn client_of(&self, identity: &Identity) -> Result<Client> {
        let client = Client::new(self.address(), identity)?;
        Ok(client.from_address(self.client_address(0)))
    }

    /// TLS to the server at the other end of the stream, asked for by this name or by none.
    pub async fn tls(
        &self,
        stream: Stream,
        server_name: Option<&str>,
    ) -> Result<TlsStream<Stream>> {
        let identity = self.authority.issue(CLIENT_NAMESPACE, "client")?;
        let config = identity.application_client_config(server_name.is_some())?;
        let name = ServerName::try_from(server_name.unwrap_or("unnamed").to_string())?;
        Ok(TlsConnector::from(config).connect(name, stream).await?)
    }

    /// An address for [`Client::from_address`]: `number` 0 to 99.
    pub fn client_address(&self, number: u8) -> Ipv4Addr {
        self.network.client(number)
    }

    /// Where the waypoint accepts HBONE.
    pub fn address(&self) -> SocketAddr {
        (self.placement.waypoint, HBONE_PORT).into()
    }

    /// Pod `one` (tcp-echo-v1) and pod `two` (tcp-echo-v2).
    pub fn pods(&self) -> &[Pod; 2] {
        &self.pods
    }

    pub fn envoy(&self) -> &Envoy {
        &self.envoy
    }

    pub fn admin(&self) -> Admin {
        self.envoy.admin()
    }

    /// One line per connection that main_internal has finished with.
    pub fn access_log(&self) -> Result<Vec<String>> {
        let path = &self.placement.access_log;
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        Ok(text.lines().map(str::to_string).collect())
    }

    /// The directory of Envoy's configuration and logs.
    pub fn directory(&self) -> &Path {
        &self.placement.directory
    }

    /// Gives the plugin another config, and its code from this file: ECDS, as istiod updates it.
    pub async fn update_plugin(&self, wasm: &Path, config: &str) -> Result<(), UpdateError> {
        let filter = self.filter(wasm, config)?;
        let counters = Counters::filter(self.templates.filter_name()?);
        self.envoy
            .update(&self.file("filter.json"), &filter, &counters)
            .await
    }

    /// As [`update_plugin`](Self::update_plugin), without waiting for what Envoy makes of it.
    pub fn send_plugin(&self, wasm: &Path, config: &str) -> Result<()> {
        replace(&self.file("filter.json"), &self.filter(wasm, config)?)
    }

    /// Gives tcp-echo:9000 other weights without the plugin: LDS, as istiod updates its own routing.
    pub async fn update_native_weights(&self, weights: &[(&str, u32)]) -> Result<(), UpdateError> {
        let weights = weights
            .iter()
            .map(|(name, weight)| (name.to_string(), *weight))
            .collect();
        self.update_listeners(&Routing::Native { weights }).await
    }

    /// Replaces the listeners.
    pub async fn update_listeners(&self, routing: &Routing) -> Result<(), UpdateError> {
        let listeners = self.placement.listeners(&self.templates, routing)?;
        self.envoy
            .update(
                &self.file("listeners.json"),
                &listeners,
                &Counters::listeners(),
            )
            .await
    }

    /// The error, with the end of Envoy's log after it. The files stay.
    fn explain(&mut self, error: anyhow::Error) -> anyhow::Error {
        if let Some(directory) = self.directory.take() {
            let _ = directory.keep();
        }
        self.envoy.explain(error)
    }

    fn filter(&self, wasm: &Path, config: &str) -> Result<Value> {
        self.placement
            .filter(&self.templates, wasm, config, &self.failure_policy)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.placement.directory.join(name)
    }
}

impl Drop for Waypoint {
    fn drop(&mut self) {
        if thread::panicking()
            && let Some(directory) = self.directory.take()
        {
            eprintln!("Envoy's files are in {}", directory.keep().display());
        }
    }
}

impl Builder {
    pub fn routing(mut self, routing: Routing) -> Self {
        self.routing = routing;
        self
    }

    /// Another mesh than the one in `envoy/`, with pods of this namespace.
    pub fn templates(mut self, templates: Templates, namespace: &str) -> Self {
        self.templates = Some(templates);
        self.namespace = namespace.to_string();
        self
    }

    /// What Envoy does if the plugin fails: FAIL_OPEN (the default), FAIL_CLOSED or FAIL_RELOAD.
    pub fn failure_policy(mut self, policy: &str) -> Self {
        self.failure_policy = policy.to_string();
        self
    }

    /// Envoy's worker threads; two unless said otherwise.
    pub fn concurrency(mut self, workers: u32) -> Self {
        self.options.concurrency = workers;
        self
    }

    /// How long connections of a replaced filter chain may go on; Istio's 45 s unless said otherwise.
    pub fn drain_time(mut self, time: Duration) -> Self {
        self.options.drain_time = time;
        self
    }

    /// `log_level("wasm", "debug")`; everything is on `info` unless said otherwise.
    pub fn log_level(mut self, logger: &str, level: &str) -> Self {
        self.options
            .log_levels
            .insert(logger.to_string(), level.to_string());
        self
    }

    /// Starts it and does this with it. An error tells where the log of Envoy is, and its end.
    pub async fn run<T>(self, play: impl AsyncFnOnce(&Waypoint) -> Result<T>) -> Result<T> {
        let mut waypoint = self.start().await?;
        let outcome = play(&waypoint).await;
        outcome.map_err(|error| waypoint.explain(error))
    }

    pub async fn start(self) -> Result<Waypoint> {
        let templates = self.templates.map_or_else(Templates::own, Ok)?;
        let network = Network::claim()?;
        let directory = tempfile::Builder::new().prefix("waypoint-l4-").tempdir()?;
        let placement = Placement {
            waypoint: network.waypoint(),
            admin_port: ADMIN_PORT,
            pod_one: network.pod_one(),
            pod_two: network.pod_two(),
            directory: directory.path().to_path_buf(),
            access_log: directory.path().join("access.log"),
        };
        let authority = Authority::new()?;
        let pod = authority.issue(&self.namespace, "tcp-echo")?;
        let pods = [
            Pod::start("one", placement.pod_one, &pod).await?,
            Pod::start("two", placement.pod_two, &pod).await?,
        ];
        let identity = authority.issue(&self.namespace, "waypoint")?;
        identity.write(&directory.path().join("certificates"), "waypoint")?;
        placement.write(
            directory.path(),
            &templates,
            &self.routing,
            &self.failure_policy,
        )?;
        let envoy = Envoy::start(
            &placement.directory.join("bootstrap.json"),
            (placement.waypoint, ADMIN_PORT).into(),
            &placement.directory.join("envoy.log"),
            &self.options,
        )
        .await;
        let envoy = match envoy {
            Ok(envoy) => envoy,
            Err(error) => {
                let kept = directory.keep();
                return Err(error.context(format!("files kept in {}", kept.display())));
            }
        };
        Ok(Waypoint {
            envoy,
            pods,
            templates,
            placement,
            authority,
            failure_policy: self.failure_policy,
            network,
            directory: Some(directory),
        })
    }
}
