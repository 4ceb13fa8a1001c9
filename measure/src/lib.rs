//! Programs that only measure: they compare the production core with lower bounds.
//!
//! - [`contacts`]: nodes that people carry, driven by recorded contact traces.

pub mod contacts;
