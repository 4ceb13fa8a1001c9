//! The properties of `docs/PROTOCOL.md`, each in a test of its name, under simulated schedules.
//!
//! Without variables every test runs a slice of its long form: `MYCNET_SEEDS=first..end` runs the tests that are named with
//! those seeds, and says every minute how far it is. A failure prints the seed that repeats it: `MYCNET_SEED=n` runs that one
//! alone.

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::similar_names,
    clippy::type_complexity,
    clippy::large_stack_arrays,
    clippy::disallowed_methods,
    reason = "helpers of tests say directly what they expect, and nothing is visible outside"
)]

mod actors;
mod agree;
mod copy;
mod coverage;
mod differential;
mod hand;
mod live;
mod minor;
mod mono;
mod oracle;
mod order;
mod refounding;
mod schedules;
mod sweep;
mod trust;
