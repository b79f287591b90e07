//! The images as others see them: pushed to a registry and pulled with a client that are not ours,
//! and what was pulled runs in Envoy.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a test may panic, and clippy does not take its helpers for tests"
)]

mod build;
mod command;
mod credentials;
mod faults;
mod pull;
mod registry;
