//! Opportunistic replay: production cores on nodes that people carry, in contact as a trace says.
//!
//! - [`trace`] reads who met whom, [`made`](mod@made) makes it up;
//! - [`plan`] says what is proposed when, and how all nodes vote;
//! - [`bound`](mod@bound) computes from the trace alone, by temporal reachability ([`reach`]), a bound for all protocols of this kind,
//!   [`second`](mod@second) a closer one, which knows what was frozen and has one seal at a time;
//! - [`replay`](mod@replay) drives the cores from a [`setup`], with the
//!   [`Patience`](mycnet_consensus::internals::patience::Patience) that real nodes have, and checks that they agree
//!   ([`agreement`]);
//! - [`compare`](mod@compare) compares the cores with the bounds, [`report`] prints it.
//!
//! The founding members are the nodes of the trace. Devices that these only saw ran no program and stored nothing, so
//! that they can be neither members nor carriers; published traces for simulators leave them out.
//!
//! `cargo run --release -p mycnet-measure --bin contacts -- TRACE` prints a comparison, and with `--made friends` instead of TRACE one
//! on a made-up trace.
//!
//! # What a trace of nine people for four days shows
//!
//! `haggle-one-intel`, 10 seeds of 60 operations, medians of the cores over those of the bound, first and last node:
//!
//! - [`prompt`](replay::Setup::prompt), with a grace of a minute (the bound has none): 1.13 and 1.04 to 1.24 and 1.04 with
//!   Primaries 0, 1, 2 (met most) and 6, with all 594 operations decided that the bound decides; up to 1.77 and 1.86 with the
//!   least met Primary, for which rounds wait; 1.27 and 1.18 over all nine, with 5,331 of 5,346 decided. Of 100 seeds (5,887
//!   operations) five stay open with each of these four Primaries. They were proposed in the last two and a half hours, and
//!   needed the bound's proposer, or the other nodes met for less than the minute, and only twice more.
//! - [`field`](replay::Setup::field), with an hour: 1.30 and 1.19 with the most met Primary, 1.38 and 1.38 over all. Four
//!   in 594 stay open, in the last three hours: a quorum met once more, but not all nodes, so that the freeze had to wait an
//!   hour (P3), and then too few met, or an unfinished seal for other operations was in the way.
//!
//! The grace makes the difference: with twenty minutes of it, and the step patience of `field`, it is 1.28 and 1.24 over all
//! (3 seeds). It is the price of waiting for latecomers: an hour of it costs up to two hours of the median here.
//!
//! An idea that helps on this trace may not help elsewhere. Each was also tried, with `field`, on made-up traces (a daily
//! plenary, villages with a carrier, rare meetings), and dropped if it was worse there:
//!
//! - counting news of an author like a meeting with it, and giving up after three silent sweeps: 1.29 and 1.31 over all Primaries
//!   here; with plenaries from 1.94 to 2.30, with rare meetings 207 operations decided instead of 241;
//! - not proposing a seal that only files votes, or that would be in the way of a freeze soon: 1.34 and 1.31 here; with plenaries
//!   from 1.94 to 1.82, but 503 decided instead of 511; on rare meetings and in villages no difference;
//! - ending sweeps at a majority or a third, or giving up earlier: 37 to 53 operations stay open here.

pub mod agreement;
pub mod bound;
pub mod compare;
mod course;
mod host;
pub mod made;
pub mod plan;
pub mod reach;
pub mod replay;
pub mod report;
pub mod second;
pub mod setup;
pub mod trace;

pub use course::Course;
