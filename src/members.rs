//! Layer 2: the members: their roles, their trust and standing, and who of them seals.

pub mod roster;
pub mod sealers;
pub mod trust;
