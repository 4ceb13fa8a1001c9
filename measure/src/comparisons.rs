//! What a decision costs beside other engines for Byzantine agreement: Malachite 0.8 and aleph-bft 0.45, both as they are shipped.
//!
//! All nodes of a federation run in one thread, with real Ed25519 signatures, in a network in memory without delay. What counts is
//! the thread's processor time. Batches of all sides take turns in one run, with the bare check of signatures among them.
//!
//! - [`agreement`]: one decision alone.
//! - [`operations`]: operations of whole nodes, with all votes hidden and revealed, beside what the same votes would cost as
//!   transactions of the other engines.
//! - [`devnet`]: messages, bytes, seals and syncs of real nodes, by `mycnet devnet --json`.
//! - [`report`]: the table.
//!
//! The command's documentation says how to run it, and the benches' README what it printed.

#![allow(
    clippy::disallowed_methods,
    reason = "a measurement reads the clock, and the figures are for the reader"
)]
#![allow(
    clippy::float_arithmetic,
    reason = "rates and ratios are for the reader"
)]

pub mod agreement;
mod aleph;
pub mod devnet;
#[path = "../../benches/common/height.rs"]
mod height;
mod malachite;
#[path = "../../benches/common/network.rs"]
#[allow(dead_code, reason = "each program takes what it needs")]
mod network;
pub mod operations;
pub mod report;
mod sides;
#[path = "../../benches/common/time.rs"]
mod time;
