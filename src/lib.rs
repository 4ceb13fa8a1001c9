//! A trust ledger for federations.

pub mod codec;
pub mod commitment;
pub mod consent;
pub mod digest;
#[cfg(feature = "document")]
pub mod document;
pub mod genesis;
pub mod identity;
pub mod limits;
pub mod merkle;
pub mod operation;
pub mod params;
pub mod record;
pub mod rejection;
pub mod seal;
