//! Rows behind a digest of their bytes, so that a damaged one is noticed before anything reads it.

use super::StoreError;
use crate::base::digest::STORED;

const DIGEST_BYTES: usize = 32;

/// The bytes with their digest.
pub(super) fn wrapped(bytes: &[u8]) -> Vec<u8> {
    [&STORED.hash(bytes)[..], bytes].concat()
}

/// The bytes of a row, if they are those that were written. `place` names the row in errors.
pub(super) fn unwrapped<'a>(place: &str, row: &'a [u8]) -> Result<&'a [u8], StoreError> {
    let parts = row.split_first_chunk::<DIGEST_BYTES>();
    parts
        .filter(|(digest, bytes)| **digest == STORED.hash(bytes))
        .map(|(_, bytes)| bytes)
        .ok_or_else(|| StoreError::damaged(place, "its bytes were changed"))
}
