//! Wire form of the plugin configuration, version 1.
//!
//! `waypoint-l4 compile` writes it into `WasmPlugin.spec.pluginConfig`, istiod hands it to Envoy as
//! JSON, and the filter reads it on every worker. One crate owns the form, so that the writer and
//! the readers cannot drift apart:
//!
//! ```text
//! Config ── listeners ── Listener { chain, otherwise }
//!                           └─ rules ── Rule { name, match, pick }
//!                                          └─ backends ── Backend { name, weight, cluster | refuse }
//! ```
//!
//! Parsing goes straight into these types, with no tree of JSON values between: each worker parses
//! each update on its event loop, so parse time is a stall of live traffic. A configuration is taken
//! whole or refused whole, with the JSON path, what was expected and what was found.

#![no_std]

extern crate alloc;

mod backend;
mod drain;
mod listener;
mod matches;
mod number;
mod object;
mod parse;
mod pick;
#[cfg(test)]
mod tests;

pub use backend::{Backend, InvalidReason, Reason, Target};
pub use drain::{Drain, InvalidTime, Time};
pub use listener::{Config, Listener, Otherwise, Rule, Version};
pub use matches::{Cidr, InvalidMatch, Match, Namespace, ServiceAccount, SniPattern};
pub use number::{InvalidWeight, Weight};
pub use parse::{InvalidConfig, parse};
pub use pick::{Pick, StickyKey};
