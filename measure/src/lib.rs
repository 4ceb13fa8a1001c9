//! Programs that only measure.
//!
//! - [`contacts`]: nodes that people carry, driven by recorded contact traces, compared with lower bounds.
#![cfg_attr(
    feature = "comparisons",
    doc = "- [`comparisons`]: what a decision costs beside other engines for Byzantine agreement."
)]

#[cfg(feature = "comparisons")]
pub mod comparisons;
pub mod contacts;
