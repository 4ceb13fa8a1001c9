//! Whole nodes: core, disk and connections on loopback.
//!
//! `cargo test --features node --test node`.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests say directly what they expect, and wait"
)]

mod disk;
mod federation;
mod journal;
#[allow(dead_code, reason = "what the tests of the store need of it")]
#[path = "../store/disk.rs"]
mod medium;
mod offline;
mod process;
mod processes;
mod promises;
mod stop;
mod together;
