//! The transport over real iroh endpoints on loopback: what honest nodes can rely on, and what hostile peers cannot do.
//!
//! `cargo test --features net --test net`. The hostile side speaks the wire by itself (`raw.rs`), so that it can lie.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::similar_names,
    clippy::type_complexity,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    reason = "helpers of tests say directly what they expect, print rates, and nothing is visible outside"
)]

mod endpoints;
mod hello;
mod hostile;
mod node;
mod raw;
mod reconnect;
mod tickets;
mod traffic;
