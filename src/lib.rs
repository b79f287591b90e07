//! # waypoint-l4: the Wasm network filter
//!
//! Envoy loads it into the chains of a waypoint's `main_internal` listener, in front of tcp_proxy.
//! For each new connection it names the cluster that tcp_proxy is to connect to:
//!
//! ```text
//! on_configure       plugin configuration ──config, route──> Table, or refused
//! on_new_connection  xds.filter_chain_name ──Table──> Decision ──> envoy.tcp_proxy.cluster
//! ```
//!
//! No decision is made here: host calls in, host calls out. What a configuration may say is in
//! `crates/config`, what is decided in `crates/route`.
//!
//! A panic in a Wasm guest closes every established connection of that worker, under every
//! `failStrategy`. So nothing here panics, and the helpers of proxy-wasm's context traits, which
//! unwrap, are left alone. Its `hostcalls` panic on a status that they do not expect: they are called
//! where Envoy has no other to give, and for the rest `host` has the ABI's own functions.

mod announcement;
mod connection;
mod drains;
mod entropy;
mod host;
mod metrics;
mod plugin;
mod refusals;

use proxy_wasm::types::LogLevel;

use crate::plugin::Plugin;

proxy_wasm::main! {{
    // Envoy drops what its own level does not want; debug lines ask it first, in `host`.
    proxy_wasm::set_log_level(LogLevel::Debug);
    proxy_wasm::set_root_context(|_| Box::new(Plugin::default()));
}}
