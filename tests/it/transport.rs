//! The transport over real iroh endpoints on loopback: what honest nodes can rely on, and what hostile peers cannot do.
//!
//! `cargo test --test it transport`. The hostile side speaks the wire by itself (`raw.rs`), so that it can lie.

mod endpoints;
mod hello;
mod hostile;
mod node;
mod raw;
mod reconnect;
mod tickets;
mod traffic;
mod twins;
