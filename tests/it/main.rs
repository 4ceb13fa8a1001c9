//! The core as a whole.

mod authority;
#[cfg(feature = "engine")]
mod engine;
mod forks;
mod net;
mod promises;
mod rejections;
mod smoke;
