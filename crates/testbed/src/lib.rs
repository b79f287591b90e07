//! Starts a real Envoy as an Istio waypoint on loopback, with everything a connection meets on its
//! way: no cluster, no container, no root.
//!
//! ```text
//! client ──HBONE──> waypoint (Envoy) ──HBONE──> pod's ztunnel ──TCP──> echo server
//! 127.A.B.100       127.A.B.1:15008             127.A.B.11:15008       127.A.B.11:9000
//! ```
//!
//! The client and the pods' ztunnels are this crate's own ([`client`], [`pod`]): mTLS with SPIFFE
//! identities, HTTP/2 CONNECT. Envoy's configuration is in the folder `envoy/` of the repository, in
//! the shape that istiod gives it; [`istiod`] reads what a real istiod printed instead.
//!
//! The mesh is the one of Istio's task on shifting TCP traffic:
//!
//! | Service       | address                       | pods         |
//! |---------------|-------------------------------|--------------|
//! | `tcp-echo`    | 10.96.0.10:9000, 9001, 9002   | `one`, `two` |
//! | `tcp-echo-v1` | 10.96.0.11:9000               | `one`        |
//! | `tcp-echo-v2` | 10.96.0.12:9000               | `two`        |
//! | `db`          | 10.96.0.20:5432 (TLS)         | `one`, `two` |
//!
//! There are clusters for ports 9001 and 9002 of the latter two as well, so that any port of the
//! first can be routed, and clusters of Services `db-v1` and `db-v2`.
//!
//! These addresses are only names in a CONNECT request, so they are the same in every testbed; the
//! sockets are on a loopback network of each testbed's own ([`address`]).
//!
//! ```no_run
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use waypoint_l4_testbed::waypoint::Waypoint;
//!
//! # async fn example() -> anyhow::Result<()> {
//! let waypoint = Waypoint::builder().start().await?;
//! let mut stream = waypoint.client()?.connect("10.96.0.10:9000").await?;
//! stream.write_all(b"hello\n").await?;
//! stream.shutdown().await?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer).await?;
//! assert!(answer == "one hello\n" || answer == "two hello\n");
//! # Ok(())
//! # }
//! ```

mod accept;
pub mod address;
pub mod admin;
pub mod certificates;
pub mod client;
pub mod echo;
pub mod envoy;
pub mod eventually;
pub mod hold;
pub mod istiod;
pub mod pod;
pub mod split;
pub mod template;
pub mod tunnel;
pub mod waypoint;
