//! Nodes in real networks: behind routers that translate addresses, on one segment without any server, and far apart.
//!
//! `cargo test -p mycnet --test networks`. The networks are namespaces of this machine, which only root can make; without them the
//! tests say so and pass. `MYCNET_NETWORKS=long` keeps the relay away for a minute and decides more operations.

#![cfg(target_os = "linux")]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests say directly what they expect, and wait"
)]

mod far;
mod federation;
#[allow(dead_code, reason = "the tests of the command use more of it")]
#[path = "../command/harness.rs"]
mod harness;
mod part;
mod relay;
mod routers;
mod segment;
mod space;
mod wire;

/// Whether to take the time that it takes.
pub fn is_long() -> bool {
    std::env::var("MYCNET_NETWORKS").is_ok_and(|form| form == "long")
}

/// Says something on the terminal, also in a test that passes: the times are what people look for.
pub fn say(text: &str) {
    use std::io::Write as _;
    let _ = writeln!(std::io::stderr(), "networks: {text}");
}

/// The command under test, for the harness.
fn mycnet_path() -> std::path::PathBuf {
    env!("CARGO_BIN_EXE_mycnet").into()
}
