//! A trust ledger for federations.

pub mod agenda;
pub mod codec;
pub mod commitment;
pub mod consent;
pub mod core;
pub mod digest;
pub mod finality;
pub mod genesis;
pub mod identity;
pub mod ledger;
pub mod limits;
pub mod merkle;
pub mod message;
pub mod operation;
pub mod params;
pub mod pool;
pub mod record;
pub mod rejection;
pub mod roster;
pub mod seal;
pub mod sealers;
#[cfg(feature = "sim")]
pub mod sim;
pub mod tally;
pub mod trust;
pub use trust::TrustScoring;
