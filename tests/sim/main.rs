//! The properties of DESIGN section 14, each in a test of its name, under simulated schedules.
//!
//! `MYCNET_SCHEDULES=10000 cargo test --release --features sim --test sim` runs the long form; without the variable a
//! slice of it. A failure prints the seed that repeats it: `MYCNET_SEED=n` runs that one alone.

mod actors;
mod agree;
mod copy;
mod differential;
mod hand;
mod live;
mod mono;
mod oracle;
mod order;
mod schedules;
mod trust;
