//! Layer 3: the sealed past: queries about it, the log in memory, and certificates that prove an outcome from the genesis.

pub mod archive;
pub mod certificate;
pub mod history;
