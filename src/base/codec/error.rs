//! Why bytes are not the canonical form of a value.

use std::fmt;

/// Why bytes are not the canonical form of a value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// More bytes than the limit for this kind of value.
    #[error("{length} bytes are more than the limit of {limit}")]
    TooLong {
        /// The length of the input in bytes.
        length: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not the CBOR of such a value.
    #[error("not a valid encoding: {0}")]
    Invalid(String),
    /// The value is readable, but its bytes are not the canonical ones.
    #[error("the encoding is not canonical")]
    NotCanonical,
}

impl serde::de::Error for CodecError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Invalid(message.to_string())
    }
}

impl serde::ser::Error for CodecError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Invalid(message.to_string())
    }
}
