//! Layer 1: the statements that members sign: the form of each, its meaning by itself, and whether it is well formed.

pub mod claim_rule;
pub mod commitment;
pub mod consent;
pub mod genesis;
pub(crate) mod line;
pub mod name;
pub mod operation;
pub mod params;
pub mod record;
pub mod seal;
pub(crate) mod spore;
