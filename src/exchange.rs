//! Layer 3: the data that nodes exchange: messages on a connection, bundles in a file.

pub mod bundle;
pub mod message;
