//! `mycnet-publish` as people run it: beside a real node, with readers over real sockets.
//!
//! `cargo test -p mycnet-publish --test publish`, after `cargo build -p mycnet`: the node is the `mycnet` beside `mycnet-publish`.

#![cfg(unix)]
#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "tests say directly what they expect, and wait"
)]

use std::path::{Path, PathBuf};

mod automerge_repo;
mod command;
#[allow(dead_code, reason = "the tests of the command use all of it")]
#[path = "../../../mycnet/tests/command/harness.rs"]
mod harness;
mod hostile;
mod publisher;
mod reader;
mod reading;

/// The command, for the harness.
fn mycnet_path() -> PathBuf {
    let path = publish_path().with_file_name("mycnet");
    assert!(
        path.exists(),
        "there is no {}: `cargo build -p mycnet` makes it",
        path.display()
    );
    path
}

fn publish_path() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_mycnet-publish"))
}
