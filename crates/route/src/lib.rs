//! The pure core: a connection in, a decision out.
//!
//! Serves `TCPRoute.spec.rules[].backendRefs` of the Gateway API. A configuration is parsed once
//! into a [`Table`]; each new connection asks it for a [`Decision`]:
//!
//! ```text
//! Config ──Table::new──> Table ──listener(chain)──> Listener ──decide(draw)──> Decision
//! ```
//!
//! There is no I/O here, no clock, no host and no source of randomness: what is needed of them is
//! passed in. So the same code decides in Wasm, in a native module and on the command line, and is
//! tested without any of them.

#![no_std]

extern crate alloc;

mod decision;
mod listener;
mod share;
mod table;
#[cfg(test)]
mod tests;

pub use decision::{Decision, Refusal};
pub use listener::{Backend, Listener, Rule};
pub use share::Share;
pub use table::{NotHonoured, Table};
