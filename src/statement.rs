//! Layer 1: what a member can say: the form of each statement, what it means by itself, and whether it is well formed.

pub mod commitment;
pub mod consent;
pub mod genesis;
pub mod operation;
pub mod params;
pub mod record;
pub mod seal;
pub mod spore;
