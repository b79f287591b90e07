//! The TCP servers inside a pod, each with its own habit: who speaks first and who hangs up first.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use crate::accept::accept;

/// Istio's tcp-echo: each line is answered with the pod's name, a space and the line.
pub const ECHO_PORT: u16 = 9000;
/// The server speaks first: `NAME ready\n`, then every byte comes back as it is.
pub const SERVER_FIRST_PORT: u16 = 9001;
/// The server sends `NAME bye\n`, ends its direction at once and goes on reading.
pub const SERVER_CLOSES_PORT: u16 = 9002;

/// As [`ECHO_PORT`], inside of TLS.
pub const TLS_PORT: u16 = 5432;

/// The servers of one pod; they stop when this is dropped, with all their connections.
pub struct Echo {
    counts: BTreeMap<u16, Arc<Counts>>,
    _servers: JoinSet<()>,
}

#[derive(Default)]
struct Counts {
    accepted: AtomicU64,
    open: AtomicU64,
    received: AtomicU64,
}

impl Echo {
    /// `tls` is for [`TLS_PORT`].
    pub async fn start(name: &str, address: Ipv4Addr, tls: TlsAcceptor) -> Result<Self> {
        let mut counts = BTreeMap::new();
        let mut servers = JoinSet::new();
        for port in [ECHO_PORT, SERVER_FIRST_PORT, SERVER_CLOSES_PORT, TLS_PORT] {
            let listener = TcpListener::bind((address, port))
                .await
                .with_context(|| format!("pod {name} cannot listen on {address}:{port}"))?;
            let count = Arc::new(Counts::default());
            counts.insert(port, count.clone());
            let (name, tls) = (name.to_string(), tls.clone());
            servers.spawn(accept(listener, move |stream| {
                count_and_serve(stream, port, name.clone(), count.clone(), tls.clone())
            }));
        }
        Ok(Self {
            counts,
            _servers: servers,
        })
    }

    /// Connections accepted so far on this port.
    pub fn accepted(&self, port: u16) -> u64 {
        self.counts[&port].accepted.load(Ordering::SeqCst)
    }

    /// Connections of this port that have not ended.
    pub fn open(&self, port: u16) -> u64 {
        self.counts[&port].open.load(Ordering::SeqCst)
    }

    /// Bytes that clients have sent to this port.
    pub fn received(&self, port: u16) -> u64 {
        self.counts[&port].received.load(Ordering::SeqCst)
    }
}

fn count_and_serve(
    stream: TcpStream,
    port: u16,
    name: String,
    counts: Arc<Counts>,
    tls: TlsAcceptor,
) -> impl Future<Output = ()> {
    counts.accepted.fetch_add(1, Ordering::SeqCst);
    counts.open.fetch_add(1, Ordering::SeqCst);
    async move {
        // A client that goes away in the middle is no fault of the server's.
        let _ = serve(stream, port, &name, &counts, tls).await;
        counts.open.fetch_sub(1, Ordering::SeqCst);
    }
}

async fn serve(
    mut stream: TcpStream,
    port: u16,
    name: &str,
    counts: &Counts,
    tls: TlsAcceptor,
) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    match port {
        SERVER_FIRST_PORT => {
            stream
                .write_all(format!("{name} ready\n").as_bytes())
                .await?;
            echo_bytes(&mut stream, counts).await?;
        }
        SERVER_CLOSES_PORT => {
            stream.write_all(format!("{name} bye\n").as_bytes()).await?;
            stream.shutdown().await?;
            let mut buffer = vec![0; 64 * 1024];
            while receive(&mut stream, &mut buffer, counts).await? > 0 {}
        }
        TLS_PORT => echo_lines(tls.accept(stream).await?, name, counts).await?,
        _ => echo_lines(stream, name, counts).await?,
    }
    Ok(())
}

async fn echo_lines(
    stream: impl AsyncRead + AsyncWrite,
    name: &str,
    counts: &Counts,
) -> std::io::Result<()> {
    let (read, mut write) = tokio::io::split(stream);
    let mut read = BufReader::new(read);
    let mut line = Vec::new();
    // What comes before the end of the stream without a newline is answered as well.
    while read.read_until(b'\n', &mut line).await? > 0 {
        counts
            .received
            .fetch_add(line.len() as u64, Ordering::SeqCst);
        write
            .write_all(&[name.as_bytes(), b" ", &line].concat())
            .await?;
        line.clear();
    }
    write.shutdown().await
}

async fn echo_bytes(stream: &mut TcpStream, counts: &Counts) -> std::io::Result<()> {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let length = receive(stream, &mut buffer, counts).await?;
        if length == 0 {
            return stream.shutdown().await;
        }
        stream.write_all(&buffer[..length]).await?;
    }
}

async fn receive(
    stream: &mut TcpStream,
    buffer: &mut [u8],
    counts: &Counts,
) -> std::io::Result<usize> {
    let length = stream.read(buffer).await?;
    counts.received.fetch_add(length as u64, Ordering::SeqCst);
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address::Network;
    use crate::certificates::Authority;

    async fn talk(port: u16, send: &[u8]) -> String {
        let network = Network::claim().unwrap();
        let identity = Authority::new().unwrap().issue("shop", "echo").unwrap();
        let tls = identity.application_server_config().unwrap().into();
        let echo = Echo::start("one", network.pod_one(), tls).await.unwrap();
        let mut stream = TcpStream::connect((network.pod_one(), port)).await.unwrap();
        stream.write_all(send).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert_eq!(echo.accepted(port), 1);
        answer
    }

    #[tokio::test]
    async fn lines_come_back_with_the_name_before_them() {
        assert_eq!(
            talk(ECHO_PORT, b"hello\nworld\nrest").await,
            "one hello\none world\none rest"
        );
    }

    #[tokio::test]
    async fn the_server_speaks_first() {
        assert_eq!(talk(SERVER_FIRST_PORT, b"hello").await, "one ready\nhello");
    }

    #[tokio::test]
    async fn the_server_hangs_up_and_goes_on_reading() {
        assert_eq!(talk(SERVER_CLOSES_PORT, b"hello").await, "one bye\n");
    }
}
