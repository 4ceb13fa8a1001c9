//! Production cores that meet as a contact trace says.

pub mod bound;
mod host;
pub mod plan;
pub mod reach;
pub mod replay;
pub mod trace;
