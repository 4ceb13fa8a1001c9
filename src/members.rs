//! Layer 2: the members, with their roles, trust and standing, and the sealers among them.

pub mod roster;
pub mod sealers;
pub mod trust;
