//! `mycnet` as people run it: real processes, real directories, real endpoints on loopback.
//!
//! `cargo test -p mycnet --test command`.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests say directly what they expect, and wait"
)]

mod alone;
mod builds;
mod copies;
mod damage;
mod devnet;
mod directory;
mod edges;
#[cfg(unix)]
mod events;
mod federation;
mod files;
mod harness;
mod help;
#[cfg(unix)]
mod interface;
mod keys;
mod refound;
mod replay;
#[cfg(unix)]
mod service;
mod verdicts;
mod voting;

/// The command under test, for the harness, which the tests of other packages use too.
fn mycnet_path() -> std::path::PathBuf {
    env!("CARGO_BIN_EXE_mycnet").into()
}
