//! Layer 2: the members: their roles, trust and standing, and those who seal.

pub mod roster;
pub mod sealers;
pub mod trust;
