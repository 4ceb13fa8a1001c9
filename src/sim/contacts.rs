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

pub mod bound;
pub mod compare;
mod course;
mod host;
pub mod plan;
pub mod reach;
pub mod replay;
pub mod trace;

pub use course::Course;
