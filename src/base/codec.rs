//! Canonical encoding ([R1]): DAG-CBOR (RFC 8949, section 4.2 deterministic encoding with DAG-CBOR's length-first key order).
//!
//! Decoding is strict. The length is bounded first; then the bytes are decoded with unknown fields denied, encoded
//! again and compared. Bytes that are not the one canonical form of their value are refused. So every value has one
//! encoding, and hashing the encoding hashes the value.

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(doc)]
use crate::protocol::Rule::*;

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

/// The canonical bytes of a value.
///
/// # Panics
///
/// Never for the types of this crate: the encoder refuses only floats, maps with keys that are not text, and values of
/// unknown length.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    serde_ipld_dagcbor::to_vec(value).expect("the crate's types always encode; see above")
}

/// Reads a value from its canonical bytes, at most `limit` of them.
///
/// # Errors
///
/// [`CodecError`] says whether the input is too long, not such a value, or not canonical.
pub fn decode<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    limit: usize,
) -> Result<T, CodecError> {
    let value: T = decode_unchecked(bytes, limit)?;
    if encode(&value) != bytes {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

/// Reads a value without checking that its bytes are canonical: the caller knows that they are, or compares them afterwards.
///
/// # Errors
///
/// As [`decode`], without [`CodecError::NotCanonical`].
pub(crate) fn decode_unchecked<T: DeserializeOwned>(
    bytes: &[u8],
    limit: usize,
) -> Result<T, CodecError> {
    if bytes.len() > limit {
        return Err(CodecError::TooLong {
            length: bytes.len(),
            limit,
        });
    }
    serde_ipld_dagcbor::from_slice(bytes).map_err(|error| CodecError::Invalid(error.to_string()))
}

/// Reads the value at the start of `bytes` and ignores the rest. Not strict: use it only where the value's own encoding
/// is compared, or the whole is decoded later.
///
/// # Errors
///
/// [`CodecError::Invalid`] if the bytes do not start with such a value.
pub fn decode_first<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let mut deserializer = serde_ipld_dagcbor::de::Deserializer::from_slice(bytes);
    T::deserialize(&mut deserializer).map_err(|error| CodecError::Invalid(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_form_is_accepted() {
        let cases: [(&str, &[u8], bool); 5] = [
            ("seven", &[0x07], true),
            ("seven in two bytes", &[0x18, 0x07], false),
            ("seven and a trailing byte", &[0x07, 0x00], false),
            ("a float", &[0xf9, 0x47, 0x00], false),
            ("nothing", &[], false),
        ];
        for (name, bytes, accepted) in cases {
            assert_eq!(decode::<u64>(bytes, 16).is_ok(), accepted, "{name}");
        }
    }

    #[test]
    fn the_length_is_judged_first() {
        assert_eq!(
            decode::<u64>(&[0; 17], 16),
            Err(CodecError::TooLong {
                length: 17,
                limit: 16
            })
        );
    }
}
