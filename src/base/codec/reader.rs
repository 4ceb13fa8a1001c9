//! Reads canonical bytes piece by piece, for callers that need the bytes of a part: a record's id is the hash of its body.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::decoder::{Decoder, Fields};
use super::encoder::Encoder;
use super::error::CodecError;
use super::head;

/// Canonical bytes of which some are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// At most `limit` bytes, none of them read.
    ///
    /// # Errors
    ///
    /// [`CodecError::TooLong`].
    pub(crate) fn new(bytes: &'a [u8], limit: usize) -> Result<Self, CodecError> {
        let length = bytes.len();
        if length > limit {
            return Err(CodecError::TooLong { length, limit });
        }
        Ok(Self(bytes))
    }

    /// Reads a value as strictly as [`super::decode`], and returns its bytes too.
    ///
    /// # Errors
    ///
    /// [`CodecError::Invalid`] or [`CodecError::NotCanonical`].
    pub(crate) fn value<T: Serialize + DeserializeOwned>(
        &mut self,
    ) -> Result<(T, &'a [u8]), CodecError> {
        let mut decoder = Decoder::new(self.0, Fields::All);
        let value = T::deserialize(&mut decoder)?;
        let (read, rest) = self.0.split_at(self.0.len() - decoder.rest().len());
        self.0 = rest;
        debug_assert!(
            is_encoding(read, &value),
            "{} has two encodings of one value",
            std::any::type_name::<T>()
        );
        Ok((value, read))
    }

    /// Reads exactly these bytes.
    ///
    /// # Errors
    ///
    /// [`CodecError::NotCanonical`] if others come.
    pub(crate) fn exactly(&mut self, bytes: &[u8]) -> Result<(), CodecError> {
        let rest = self.0.strip_prefix(bytes);
        self.0 = rest.ok_or(CodecError::NotCanonical)?;
        Ok(())
    }

    /// Reads the beginning of an array, and returns the number of its elements: at most that of the bytes that follow.
    ///
    /// # Errors
    ///
    /// [`CodecError::Invalid`] or [`CodecError::NotCanonical`].
    pub(crate) fn array(&mut self) -> Result<usize, CodecError> {
        let (major, count) = head::take(&mut self.0)?;
        let count = usize::try_from(count).ok();
        match count.filter(|count| major == head::ARRAY && *count <= self.0.len()) {
            Some(count) => Ok(count),
            None => Err(CodecError::Invalid("not an array".to_owned())),
        }
    }

    /// The bytes that are not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Checks that everything is read.
    ///
    /// # Errors
    ///
    /// [`CodecError::NotCanonical`] if more bytes follow.
    pub(crate) fn end(&self) -> Result<(), CodecError> {
        match self.0 {
            [] => Ok(()),
            _ => Err(CodecError::NotCanonical),
        }
    }
}

fn is_encoding<T: Serialize>(bytes: &[u8], value: &T) -> bool {
    let mut encoded = Vec::new();
    value.serialize(&mut Encoder::new(&mut encoded)).is_ok() && encoded == bytes
}
