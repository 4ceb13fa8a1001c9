//! `mycnet` as people run it: real processes, real directories, real endpoints on loopback.
//!
//! `cargo test --test command`.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests say directly what they expect, and wait"
)]

mod alone;
mod damage;
mod directory;
mod federation;
mod files;
mod help;
mod place;
mod voting;
