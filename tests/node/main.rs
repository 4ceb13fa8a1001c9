//! Whole nodes: core, disk and connections on loopback.
//!
//! `cargo test --features node --test node`.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "tests say directly what they expect, wait, and print rates"
)]

mod federation;
mod hostile;
#[path = "../../benches/common/network.rs"]
#[allow(dead_code, reason = "shared with the benches, which need more")]
mod network;
#[path = "../../benches/common/past.rs"]
#[allow(dead_code, reason = "shared with the benches, which need more")]
mod past;
#[path = "../net/raw.rs"]
#[allow(dead_code, reason = "shared with the tests of the transport")]
mod raw;
mod together;

/// What the hostile side has to know.
mod node {
    pub use crate::federation::PATIENCE;
    pub use crate::hostile::genesis;
}
