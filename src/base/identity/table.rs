//! Strict checks with a table of the key: the verdict of `verify_strict`, at .7 of its cost for one signature and at .6 for
//! many at once.
//!
//! `verify_strict` computes `sB - kA`, compares its encoding with R, and refuses R and keys of small order. Here the same
//! point comes out of two tables of multiples, and equal encodings are equal points, so R itself need not be decoded: the
//! computed point is refused if it is of small order. The encodings of many points cost one inversion together. Each is
//! compared by itself, so a bad signature among good ones is told from them. What is faster still and not the same: plain
//! `verify` and the usual check of a whole batch accept signatures that others refuse.

use std::fmt;

use curve25519_dalek::constants::ED25519_BASEPOINT_TABLE;
use curve25519_dalek::edwards::{EdwardsBasepointTable, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::BasepointTable as _;
use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha512};

use crate::base::digest::SignatureBytes;

/// Multiples of a key's negated point: 30 KiB, which take as long to make as 25 checks.
pub(super) struct Table {
    key: [u8; 32],
    multiples: EdwardsBasepointTable,
}

impl Table {
    /// The table of a key that is not weak.
    pub(super) fn new(key: &VerifyingKey) -> Self {
        debug_assert!(
            !key.is_weak(),
            "weak keys are refused when they are decoded"
        );
        Self {
            key: key.to_bytes(),
            multiples: EdwardsBasepointTable::create(&-key.to_edwards()),
        }
    }

    /// The point whose encoding a good signature begins with; `None` if no R can make the signature good.
    pub(super) fn point(&self, message: &[u8], signature: &SignatureBytes) -> Option<EdwardsPoint> {
        let (r, s) = halves(signature);
        let s = Scalar::from_canonical_bytes(*s).into_option()?;
        let hash = Sha512::new()
            .chain_update(r)
            .chain_update(self.key)
            .chain_update(message);
        let k = Scalar::from_hash(hash);
        let point = ED25519_BASEPOINT_TABLE.mul_base(&s) + self.multiples.mul_base(&k);
        (!point.is_small_order()).then_some(point)
    }
}

/// R and s.
fn halves(signature: &SignatureBytes) -> (&[u8; 32], &[u8; 32]) {
    let bytes = signature.as_bytes();
    let (r, s) = bytes
        .split_first_chunk()
        .expect("64 bytes are more than 32");
    (r, s.first_chunk().expect("32 bytes are left"))
}

/// Whether each signature begins with the encoding of its point.
pub(super) fn begin_with(points: &[(EdwardsPoint, &SignatureBytes)]) -> Vec<bool> {
    let (computed, signatures): (Vec<EdwardsPoint>, Vec<_>) = points.iter().copied().unzip();
    let encodings = EdwardsPoint::compress_batch_alloc(&computed);
    let pairs = encodings.iter().zip(signatures);
    pairs
        .map(|(encoding, signature)| encoding.as_bytes() == halves(signature).0)
        .collect()
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Table({})", hex::encode(&self.key[..4]))
    }
}
