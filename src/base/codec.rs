//! Canonical encoding ([R1]): DAG-CBOR (RFC 8949, section 4.2 deterministic encoding with DAG-CBOR's length-first key order).
//!
//! Every value has one encoding, so hashing the encoding hashes the value. Reading is strict: the length is bounded first,
//! unknown fields are refused, and bytes that are not the canonical form of their value are refused while they are read,
//! without encoding the value again. A type whose fields are all written and whose parts stand in one order has one form
//! that [`decode`] accepts. Two kinds of type need more: a set, which forgets an order, and a field that is left out, which
//! can also be written as `null`. Such types are read with [`decode_compared`], which encodes them again.
//!
//! The encoder and the decoder are our own, because the crates for DAG-CBOR build each map out of one buffer for each
//! entry, and read forms that they do not write: missing optional fields, and variants in the form of other variants.
//! The tests compare both with such a crate.

mod decoder;
mod encoder;
mod error;
mod head;
mod reader;
#[cfg(test)]
pub(crate) mod tests;

use serde::Serialize;
use serde::de::DeserializeOwned;

pub use error::CodecError;
pub(crate) use reader::Reader;

use decoder::{Decoder, Fields};
use encoder::Encoder;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The canonical bytes of a value.
///
/// # Panics
///
/// Never for the types of this crate: the encoder refuses only floats, maps with keys that are not text, and integers of more
/// than 64 bits.
pub fn encode<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(128);
    encode_to(value, &mut bytes);
    bytes
}

/// Appends the canonical bytes of a value.
pub(crate) fn encode_to<T: Serialize + ?Sized>(value: &T, bytes: &mut Vec<u8>) {
    value
        .serialize(&mut Encoder::new(bytes))
        .expect("the crate's types always encode; see above");
}

/// Reads a value from its canonical bytes, at most `limit` of them. The type has no sets and writes all of its fields: see
/// the module.
///
/// # Errors
///
/// [`CodecError`] says whether the input is too long, not such a value, or not canonical.
pub fn decode<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    limit: usize,
) -> Result<T, CodecError> {
    let mut reader = Reader::new(bytes, limit)?;
    let (value, _) = reader.value()?;
    reader.end()?;
    Ok(value)
}

/// Reads a value of any type from its canonical bytes, at most `limit` of them, and encodes it again to compare.
///
/// # Errors
///
/// As [`decode`].
pub fn decode_compared<T: Serialize + DeserializeOwned>(
    bytes: &[u8],
    limit: usize,
) -> Result<T, CodecError> {
    let value: T = decode_unchecked(bytes, limit)?;
    if encode(&value) != bytes {
        return Err(CodecError::NotCanonical);
    }
    Ok(value)
}

/// Reads a value whose fields can be left out, without a look at the order in sets: the caller knows that the bytes are
/// canonical, or compares them afterwards.
///
/// # Errors
///
/// As [`decode`].
pub(crate) fn decode_unchecked<T: DeserializeOwned>(
    bytes: &[u8],
    limit: usize,
) -> Result<T, CodecError> {
    let reader = Reader::new(bytes, limit)?;
    let mut decoder = Decoder::new(reader.rest(), Fields::Asked);
    let value = T::deserialize(&mut decoder)?;
    match decoder.rest() {
        [] => Ok(value),
        _ => Err(CodecError::NotCanonical),
    }
}
