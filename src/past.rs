//! Layer 3: the sealed past: queries about it, the log in memory, and proofs of outcomes from the genesis: a `prover` makes
//! a `certificate` or an `index`, both of which begin with a `chain`.

pub mod archive;
pub mod certificate;
pub mod chain;
pub mod history;
pub mod index;
pub mod precommits;
pub mod prover;
