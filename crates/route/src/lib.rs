//! The pure core: a connection in, a decision out.
//!
//! Serves `TCPRoute.spec.rules[].backendRefs` of the Gateway API. A configuration is parsed once
//! into a [`Table`]; each new connection asks it for a [`Decision`]:
//!
//! ```text
//! Config ──Table::new──> Table ──listener(chain)──> Listener ──decide(facts, draw)──> Decision
//!                                                    rules: the first whose conditions hold,
//!                                                    then one of its backends by Random, Exact
//!                                                    or Sticky
//! ```
//!
//! There is no I/O here, no clock, no host and no source of randomness: what is needed of them is
//! passed in. So the same code decides in Wasm, in a native module and on the command line, and is
//! tested without any of them.

#![no_std]

extern crate alloc;

mod decision;
mod exact;
mod facts;
mod listener;
mod live;
mod matches;
mod pick;
mod random;
mod sticky;
mod table;
#[cfg(test)]
mod tests;

pub use decision::{Decision, Outcome, Refusal};
pub use exact::Exact;
pub use facts::Facts;
pub use listener::{Backend, Listener, Rule};
pub use live::Live;
pub use matches::{Condition, Unmet};
pub use random::Random;
pub use sticky::Sticky;
pub use table::Table;
