//! Layer 3: what nodes exchange: messages on a connection, bundles in a file.

pub mod bundle;
pub mod message;
