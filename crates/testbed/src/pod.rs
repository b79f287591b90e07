//! A pod of the mesh: its servers, and before them the ztunnel that takes HBONE on port 15008.

use std::net::{Ipv4Addr, SocketAddr};

use anyhow::{Context, Result};
use bytes::Bytes;
use h2::RecvStream;
use h2::server::SendResponse;
use http::{Method, Request, Response, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::accept::accept;
use crate::address::HBONE_PORT;
use crate::certificates::Identity;
use crate::echo::Echo;
use crate::tunnel::Stream;

/// Room for the largest burst a test sends without anybody reading, so that what is measured is
/// Envoy and not this window.
const WINDOW: u32 = 1024 * 1024;

/// Runs until it is dropped; then every connection to it is cut.
pub struct Pod {
    name: String,
    address: Ipv4Addr,
    echo: Echo,
    _ztunnel: JoinSet<()>,
}

impl Pod {
    /// `name` is what its servers answer with, `identity` what its ztunnel shows the waypoint.
    pub async fn start(name: &str, address: Ipv4Addr, identity: &Identity) -> Result<Self> {
        let tls = identity.application_server_config()?.into();
        let echo = Echo::start(name, address, tls).await?;
        let listener = TcpListener::bind((address, HBONE_PORT))
            .await
            .with_context(|| format!("pod {name} cannot listen on {address}:{HBONE_PORT}"))?;
        let acceptor = TlsAcceptor::from(identity.server_config()?);
        let mut ztunnel = JoinSet::new();
        ztunnel.spawn(accept(listener, move |stream| {
            let acceptor = acceptor.clone();
            async move {
                // Whoever has no certificate of the mesh, or goes away, only loses his own connection.
                let _ = serve(stream, acceptor, address).await;
            }
        }));
        Ok(Self {
            name: name.to_string(),
            address,
            echo,
            _ztunnel: ztunnel,
        })
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// The servers behind the ztunnel, and what they have counted.
    pub fn echo(&self) -> &Echo {
        &self.echo
    }
}

/// One HTTP/2 connection: each CONNECT on it becomes a TCP connection into the pod.
async fn serve(stream: TcpStream, acceptor: TlsAcceptor, address: Ipv4Addr) -> Result<()> {
    stream.set_nodelay(true)?;
    let stream = acceptor.accept(stream).await?;
    let mut connection = h2::server::Builder::new()
        .initial_window_size(WINDOW)
        .initial_connection_window_size(16 * WINDOW)
        .handshake(stream)
        .await?;
    let mut tunnels = JoinSet::new();
    while let Some(request) = connection.accept().await {
        while tunnels.try_join_next().is_some() {}
        let (request, response) = request?;
        tunnels.spawn(async move {
            let _ = tunnel(request, response, address).await;
        });
    }
    Ok(())
}

async fn tunnel(
    request: Request<RecvStream>,
    mut response: SendResponse<Bytes>,
    address: Ipv4Addr,
) -> Result<()> {
    let target = match target(&request, address) {
        Ok(target) => target,
        Err(status) => return answer(&mut response, status),
    };
    let Ok(mut server) = TcpStream::connect(target).await else {
        return answer(&mut response, StatusCode::SERVICE_UNAVAILABLE);
    };
    server.set_nodelay(true)?;
    let send = response.send_response(Response::new(()), false)?;
    let mut client = Stream::new(send, request.into_body(), ());
    // An error on one side drops, and so resets, the other.
    tokio::io::copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

/// A ztunnel takes connections for its own pods only.
fn target(request: &Request<RecvStream>, address: Ipv4Addr) -> Result<SocketAddr, StatusCode> {
    if request.method() != Method::CONNECT {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let authority = request.uri().authority().ok_or(StatusCode::BAD_REQUEST)?;
    let target: SocketAddr = authority
        .as_str()
        .parse()
        .map_err(|_| StatusCode::BAD_REQUEST)?;
    if target.ip() != address {
        return Err(StatusCode::BAD_REQUEST);
    }
    Ok(target)
}

fn answer(response: &mut SendResponse<Bytes>, status: StatusCode) -> Result<()> {
    let answer = Response::builder().status(status).body(())?;
    response.send_response(answer, true)?;
    Ok(())
}
