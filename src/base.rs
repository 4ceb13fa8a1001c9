//! Layer 0: bytes, keys and hashes. Nothing here knows what a statement is.

pub mod codec;
pub mod digest;
pub mod identity;
pub mod limits;
pub mod merkle;
pub mod rejection;
