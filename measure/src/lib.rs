//! Programs that only measure: they compare the production core with what nothing can beat, and say what was found.
//!
//! - [`contacts`]: nodes that people carry about, driven by recorded contact traces.

pub mod contacts;
