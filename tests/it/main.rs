//! Everything but whole nodes in processes (`tests/node`) and the simulator's properties (`tests/sim`).

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_precision_loss,
    clippy::similar_names,
    clippy::type_complexity,
    clippy::large_stack_arrays,
    clippy::disallowed_methods,
    clippy::float_arithmetic,
    reason = "helpers of tests say directly what they expect, print rates, and nothing is visible outside"
)]

mod admission;
mod attacks;
mod authority;
mod blackouts;
mod blame;
mod bundle;
mod encodings;
mod endorsing;
mod engine;
mod evidence;
mod face;
mod forks;
mod hostile;
mod layers;
mod lists;
mod model;
mod net;
mod promises;
mod protocol;
mod reconciliation;
mod records;
mod refounding;
mod rejections;
mod relaying;
mod samples;
mod schemas;
mod smoke;
mod store;
mod succession;
mod transport;
mod twins;
#[path = "../../benches/common/usage.rs"]
mod usage;
mod vectors;
