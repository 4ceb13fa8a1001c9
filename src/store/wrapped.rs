//! Rows behind a digest of their bytes, so that a damaged one is noticed before anything reads it.

use super::StoreError;
use crate::base::digest::STORED;

const DIGEST_BYTES: usize = 32;

/// The bytes that are appended, with their digest.
pub(super) fn wrapped(append: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut row = vec![0; DIGEST_BYTES];
    append(&mut row);
    let digest = STORED.hash(&row[DIGEST_BYTES..]);
    row[..DIGEST_BYTES].copy_from_slice(&digest);
    row
}

/// The bytes of a row, if they are those that were written. `place` names the row in errors.
pub(super) fn unwrapped<'a>(place: &str, row: &'a [u8]) -> Result<&'a [u8], StoreError> {
    let parts = row.split_first_chunk::<DIGEST_BYTES>();
    parts
        .filter(|(digest, bytes)| **digest == STORED.hash(bytes))
        .map(|(_, bytes)| bytes)
        .ok_or_else(|| StoreError::damaged(place, "its bytes were changed"))
}
