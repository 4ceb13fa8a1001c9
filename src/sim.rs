//! The simulator: production cores in a virtual world, an oracle that re-implements the rules independently, and random
//! logs to compare it with the ledger.
//!
//! - [`plan`] makes a schedule from a seed: hosts, clocks, weather, liars;
//! - [`world`] runs it: production cores under a virtual clock, network and disk;
//! - [`checker`] compares every seal with the [`oracle`] and watches the properties of `docs/PROTOCOL.md`;
//! - [`oracle`] recomputes everything from the whole log, slowly and obviously, and calls no predicate of the production
//!   code; [`view`] is what the two implementations are compared by, [`projection`] what production says of it;
//! - [`refounding`] says why and how people found the network anew in a schedule, which then goes on in the new one;
//! - [`generate`] makes random sealed logs.

pub mod actors;
pub mod blocks;
pub mod checker;
mod disk;
pub mod generate;
mod host;
mod kind;
pub mod oracle;
pub mod people;
pub mod plan;
pub mod projection;
pub mod refounding;
pub mod view;
pub mod world;

pub use crate::base::identity::remember_verdicts;
pub use disk::Disk;
