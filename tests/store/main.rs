//! A node on a disk: stops, failures, damage, starts and questions.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests say directly what they expect, and nothing is visible outside"
)]

mod blackout;
mod c_crash;
mod damage;
mod disk;
mod failing;
mod host;
mod journal;
mod questions;
