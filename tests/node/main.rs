//! Whole nodes: core, disk and connections on loopback.
//!
//! `cargo test --test node`.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    clippy::cast_precision_loss,
    reason = "tests say directly what they expect, wait, and print rates"
)]

mod clocks;
mod disk;
mod federation;
mod hostile;
mod journal;
#[allow(dead_code, reason = "what the tests of the store need of it")]
#[path = "../it/store/disk.rs"]
mod medium;
#[allow(dead_code, reason = "shared with the benches, which need more")]
#[path = "../../benches/common/network.rs"]
mod network;
mod offline;
#[allow(dead_code, reason = "shared with the benches, which need more")]
#[path = "../../benches/common/past.rs"]
mod past;
mod process;
mod processes;
mod promises;
#[allow(dead_code, reason = "shared with the tests of the transport")]
#[path = "../it/transport/raw.rs"]
mod raw;
mod stop;
mod together;
mod twins;
#[path = "../../benches/common/usage.rs"]
mod usage;

/// Names that the hostile side uses.
mod node {
    pub use crate::federation::PATIENCE;
    pub use crate::hostile::genesis;
}
