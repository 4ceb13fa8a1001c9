//! Layer 2: one decision: an operation from its opening to its close, and the tally of its reveals.

pub mod bits;
pub mod leaf;
pub mod open;
pub mod tally;
