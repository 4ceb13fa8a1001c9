//! Opportunistic replay: production cores on nodes that people carry about, in contact as a recorded trace says.
//!
//! - [`trace`] reads who met whom;
//! - [`plan`] says what is proposed when, and how everybody votes;
//! - [`bound`] computes from the trace alone, by temporal reachability ([`reach`]), what no protocol of this kind can beat;
//! - [`replay`](mod@replay) drives the cores, with the [`Patience`](crate::pace::Patience) that real nodes have;
//! - [`compare`] puts the two beside each other.
//!
//! The founding members are the nodes of the trace. Devices that were merely seen by them ran nothing and kept nothing, so
//! that they can be neither members nor carriers; published traces for simulators leave them out.
//!
//! `cargo run --release --features sim --example contacts -- TRACE` prints a comparison.
//!
//! # What a trace of nine people for four days shows
//!
//! Medians of the cores over those of the bound (`haggle-one-intel`, 3 seeds of 60 operations), first and last node: 1.27 and
//! 1.17 to 1.29 and 1.40 where the Primary is met as often as most, up to 1.95 and 1.71 where it is one of the two that are met
//! least, 1.36 and 1.38 over all Primaries. Of 1,611 operations that the bound decides, 13 stay open. Those that were looked at
//! began in the last three hours: a quorum met once more, but not everybody, so that the freeze had to wait for its hour (P3), and
//! either too few met after it, or a seal was in the way that had begun for other operations a minute before.
//!
//! What helps on this trace need not help elsewhere, so each idea was put on made-up traces as well (a daily plenary, villages
//! with a carrier, rare meetings), and dropped if it cost something there:
//!
//! - counting news of an author like a meeting with it, and giving up after three silent sweeps: 1.29 and 1.31 over all Primaries
//!   here; with plenaries from 1.94 to 2.30, with rare meetings 207 operations decided instead of 241;
//! - not proposing a seal that only files votes, or that would be in the way of a freeze soon: 1.34 and 1.31 here; with plenaries
//!   from 1.94 to 1.82, but 503 decided instead of 511; on rare meetings and in villages no difference;
//! - ending sweeps at a majority or a third, or giving up earlier: 37 to 53 operations stay open here.

pub mod bound;
pub mod compare;
mod course;
mod host;
pub mod plan;
pub mod reach;
pub mod replay;
pub mod trace;

pub use course::Course;
