//! What the servers of a pod and its ztunnel do alike.

use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// Serves each connection beside the others. Dropped, it cuts them all.
pub(crate) async fn accept<Served>(listener: TcpListener, serve: impl Fn(TcpStream) -> Served)
where
    Served: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        // Finished connections are let go of here, or the set would only grow.
        while connections.try_join_next().is_some() {}
        match listener.accept().await {
            Ok((stream, _)) => _ = connections.spawn(serve(stream)),
            // Out of file descriptors, say: some connection has to end first.
            Err(_) => tokio::task::yield_now().await,
        }
    }
}
