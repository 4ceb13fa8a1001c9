//! A trust ledger for federations.

pub mod codec;
pub mod commitment;
pub mod consent;
pub mod digest;
pub mod genesis;
pub mod identity;
pub mod limits;
pub mod merkle;
pub mod operation;
pub mod params;
pub mod record;
pub mod rejection;
pub mod seal;
#[cfg(feature = "sim")]
pub mod sim;
