//! The client's ztunnel: opens TCP connections of a mesh identity through a waypoint, by HBONE.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::{fmt, io};

use anyhow::Context;
use bytes::Bytes;
use h2::client::SendRequest;
use http::{Request, StatusCode};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpSocket;
use tokio::sync::{Mutex, OwnedSemaphorePermit, Semaphore};
use tokio::task::AbortHandle;
use tokio_rustls::TlsConnector;

use crate::certificates::Identity;
use crate::tunnel::Stream;

/// What istiod sets as `maxConcurrentStreams` of a waypoint.
const STREAMS_PER_CONNECTION: usize = 100;
const WINDOW: u32 = 1024 * 1024;

/// Opens connections through one waypoint. They share HTTP/2 connections as ztunnel's do; these end
/// when the client and all its streams are dropped.
pub struct Client {
    waypoint: SocketAddr,
    source: Option<Ipv4Addr>,
    streams_per_connection: usize,
    tls: Arc<ClientConfig>,
    pool: Mutex<Vec<Connection>>,
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The waypoint answered CONNECT with something other than 200.
    #[error("waypoint answered CONNECT with {0}")]
    Refused(StatusCode),
    /// The waypoint reset the stream in place of an answer.
    #[error("waypoint reset the stream: {0}")]
    Reset(h2::Reason),
    /// There was no HTTP/2 connection to send CONNECT on.
    #[error("{0:#}")]
    Unreachable(anyhow::Error),
}

impl Client {
    pub fn new(waypoint: SocketAddr, identity: &Identity) -> anyhow::Result<Self> {
        Ok(Self {
            waypoint,
            source: None,
            streams_per_connection: STREAMS_PER_CONNECTION,
            tls: identity.client_config()?,
            pool: Mutex::default(),
        })
    }

    /// The address to come from, which is what the waypoint takes for the client pod's.
    pub fn from_address(mut self, source: Ipv4Addr) -> Self {
        self.source = Some(source);
        self
    }

    /// Fewer streams mean more HTTP/2 connections, and so more of Envoy's workers in play: Envoy
    /// keeps all streams of a connection on one.
    pub fn streams_per_connection(mut self, streams: usize) -> Self {
        self.streams_per_connection = streams.clamp(1, STREAMS_PER_CONNECTION);
        self
    }

    /// Connects to `address:port` of the mesh. The waypoint answers before it knows whether it has
    /// anywhere to send the connection: what it refuses later is reset without a byte.
    ///
    /// To close a stream as a TCP client would, shut it down and read to its end. Dropping it resets
    /// it, and Envoy closes an HTTP/2 connection, with all its streams, after about 1000 resets in
    /// quick succession.
    pub async fn connect(&self, target: &str) -> Result<Stream, ConnectError> {
        // A connection that the waypoint is closing may be noticed only now.
        let (mut requests, place) = match self.place().await {
            Err(ConnectError::Unreachable(_)) => self.place().await?,
            place => place?,
        };
        let request = Request::connect(target)
            .body(())
            .with_context(|| format!("not a target: {target}"))
            .map_err(ConnectError::Unreachable)?;
        let (response, send) = requests.send_request(request, false).map_err(refusal)?;
        let response = response.await.map_err(refusal)?;
        if response.status() != StatusCode::OK {
            return Err(ConnectError::Refused(response.status()));
        }
        Ok(Stream::new(send, response.into_body(), place))
    }

    /// How many HTTP/2 connections are open.
    pub async fn connections(&self) -> usize {
        let mut pool = self.pool.lock().await;
        pool.retain(|connection| !connection.task.is_finished());
        pool.len()
    }

    /// A place for one more stream, on a new connection if the others are full.
    async fn place(&self) -> Result<(SendRequest<Bytes>, Place), ConnectError> {
        let mut pool = self.pool.lock().await;
        pool.retain(|connection| !connection.task.is_finished());
        for index in 0..pool.len() {
            let connection = &pool[index];
            let Ok(permit) = connection.places.clone().try_acquire_owned() else {
                continue;
            };
            match connection.requests.clone().ready().await {
                Ok(requests) => return Ok((requests, permit)),
                // GOAWAY: the streams on it may finish, new ones go elsewhere.
                Err(_) => {
                    pool.remove(index);
                    break;
                }
            }
        }
        let connection = self.open().await.map_err(ConnectError::Unreachable)?;
        let permit = connection
            .places
            .clone()
            .try_acquire_owned()
            .expect("a new connection has every place free");
        let requests = connection.requests.clone().ready().await.map_err(refusal)?;
        pool.push(connection);
        Ok((requests, permit))
    }

    async fn open(&self) -> anyhow::Result<Connection> {
        let waypoint = self.waypoint;
        let context = || format!("cannot reach the waypoint on {waypoint}");
        let socket = TcpSocket::new_v4()?;
        if let Some(source) = self.source {
            socket
                .bind((source, 0).into())
                .with_context(|| format!("cannot use {source}"))?;
        }
        let stream = socket.connect(waypoint).await.with_context(context)?;
        stream.set_nodelay(true)?;
        let name = ServerName::IpAddress(waypoint.ip().into());
        let connector = TlsConnector::from(self.tls.clone());
        let stream = connector
            .connect(name, stream)
            .await
            .with_context(context)?;
        let (requests, connection) = h2::client::Builder::new()
            .initial_window_size(WINDOW)
            .initial_connection_window_size(16 * WINDOW)
            .handshake(stream)
            .await
            .with_context(context)?;
        // Ends by itself: when the waypoint hangs up, or when no handle to it is left.
        let task = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Connection {
            requests,
            places: Arc::new(Semaphore::new(self.streams_per_connection)),
            task: task.abort_handle(),
        })
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "Client of {} from {:?}",
            self.waypoint, self.source
        )
    }
}

impl From<ConnectError> for io::Error {
    fn from(error: ConnectError) -> Self {
        io::Error::new(io::ErrorKind::ConnectionRefused, error)
    }
}

type Place = OwnedSemaphorePermit;

struct Connection {
    requests: SendRequest<Bytes>,
    places: Arc<Semaphore>,
    task: AbortHandle,
}

fn refusal(error: h2::Error) -> ConnectError {
    match error.reason() {
        Some(reason) if error.is_reset() => ConnectError::Reset(reason),
        _ => ConnectError::Unreachable(error.into()),
    }
}
