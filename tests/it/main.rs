//! The core as a whole.

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

mod admission;
mod authority;
mod blackouts;
mod blame;
#[cfg(feature = "engine")]
mod bundle;
#[cfg(feature = "engine")]
mod engine;
mod forks;
mod hostile;
mod lists;
mod net;
mod promises;
mod reconciliation;
mod rejections;
mod smoke;
