//! Makes the bytes that surround the bodies of a bundle.

use super::{CHECK_BYTES, End, HEAD_BYTES, Kind, MAGIC, START_BYTES, VERSION, check};
use crate::base::digest::{BUNDLE, Digest};

/// The bytes around a body.
#[derive(Debug, Clone, Copy)]
pub struct Around {
    /// The bytes before the body.
    pub head: [u8; HEAD_BYTES],
    /// The bytes after it.
    pub check: [u8; CHECK_BYTES],
}

/// Makes the bytes around the bodies of a bundle, and keeps no bodies.
#[derive(Debug, Clone)]
pub struct Encoder {
    hasher: blake3::Hasher,
    parts: u64,
}

impl Encoder {
    /// The start of a bundle, and its encoder.
    pub fn new() -> (Self, [u8; START_BYTES]) {
        let mut start = [VERSION; START_BYTES];
        start[..MAGIC.len()].copy_from_slice(&MAGIC);
        let mut hasher = BUNDLE.hasher();
        hasher.update(&start);
        (Self { hasher, parts: 0 }, start)
    }

    /// The bytes around the next body.
    ///
    /// # Panics
    ///
    /// If the body is longer than 4 GiB, which no kind allows.
    pub fn part(&mut self, kind: Kind, body: &[u8]) -> Around {
        let length = u32::try_from(body.len()).expect("no kind of part reaches four gigabytes");
        let mut head = [kind as u8; HEAD_BYTES];
        head[1..].copy_from_slice(&length.to_be_bytes());
        self.hasher.update(&head);
        self.hasher.update(body);
        let check = check(&self.hasher);
        self.hasher.update(&check);
        self.parts += 1;
        Around { head, check }
    }

    /// The end mark.
    pub fn end(&self) -> End {
        End {
            parts: self.parts,
            digest: Digest::from_bytes(*self.hasher.finalize().as_bytes()),
        }
    }
}
