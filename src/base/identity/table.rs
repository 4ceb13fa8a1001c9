//! Strict checks with a table of the key: the verdict of `verify_strict`, at .6 to .7 of its cost for one signature and at .5 to .6
//! for many at once. The lower figures are those of few keys, whose tables stay in the processor's cache.
//!
//! `verify_strict` computes `sB - kA`, compares its encoding with R, and refuses R and keys of small order. Here the same
//! point comes out of two tables of multiples, and equal encodings are equal points, so R itself need not be decoded: the
//! computed point is refused if it is of small order. The encodings of many points cost one inversion together. Each is
//! compared by itself, so a bad signature among good ones is told from them. What is faster still and not the same: plain
//! `verify` and the usual check of a whole batch accept signatures that others refuse.
//!
//! The tables of `curve25519-dalek` are made for secrets: they read all multiples to choose one, and they take six times as long to
//! make. Signatures are no secrets.

use std::fmt;

use std::sync::LazyLock;

use curve25519_dalek::constants::ED25519_BASEPOINT_POINT;
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity as _;
use ed25519_dalek::VerifyingKey;
use sha2::{Digest as _, Sha512};

use crate::base::digest::SignatureBytes;

/// Bits of a digit. With five a check costs a tenth more, and a table takes 65 KiB.
const DIGIT_BITS: usize = 6;

/// Digits of a scalar, which has 253 bits, the lowest first. Each is from -31 to 32.
const DIGITS: usize = 43;

/// Multiples of a point by a digit in one place: those by the negative digits are their negatives.
const MULTIPLES: usize = 1 << (DIGIT_BITS - 1);

/// The multiples of a point by 1 to 32, by as many times 64^2, 64^4 and so on. Those by digits in odd places are 64 times as much, and
/// are multiplied by it when they have been added up.
struct Multiples(Vec<EdwardsPoint>);

/// The multiples of the base point, for all checks.
static OF_BASE: LazyLock<Multiples> = LazyLock::new(|| Multiples::of(ED25519_BASEPOINT_POINT));

impl Multiples {
    fn of(mut point: EdwardsPoint) -> Self {
        let mut all = Vec::with_capacity(DIGITS.div_ceil(2) * MULTIPLES);
        for _ in 0..DIGITS.div_ceil(2) {
            let mut multiple = point;
            for _ in 0..MULTIPLES {
                all.push(multiple);
                multiple += point;
            }
            for _ in 0..2 * DIGIT_BITS {
                point += point;
            }
        }
        Self(all)
    }

    /// The multiples by the digits in even places, or in odd ones, and whether they are to be subtracted.
    fn pick(
        &self,
        digits: &[i8; DIGITS],
        is_odd: usize,
    ) -> impl Iterator<Item = (EdwardsPoint, bool)> {
        let digits = digits.iter().skip(is_odd).step_by(2);
        let pairs = self.0.chunks_exact(MULTIPLES).zip(digits);
        pairs.filter_map(|(multiples, digit)| {
            let place = usize::from(digit.unsigned_abs()).checked_sub(1)?;
            Some((multiples[place], *digit < 0))
        })
    }
}

/// A scalar's digits.
fn digits(scalar: &Scalar) -> [i8; DIGITS] {
    let bytes = scalar.as_bytes();
    let mut carry = 0;
    std::array::from_fn(|place| {
        let (at, shift) = (place * DIGIT_BITS / 8, place * DIGIT_BITS % 8);
        let next = bytes.get(at + 1).copied().unwrap_or(0);
        let bits = u16::from_le_bytes([bytes[at], next]) >> shift;
        let digit = (bits & 63) as i8 + carry;
        carry = i8::from(digit > 32);
        digit - 64 * carry
    })
}

/// Multiples of a key's negated point: 110 KiB, which take as long to make as five checks.
pub(super) struct Table {
    key: [u8; 32],
    multiples: Multiples,
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
            multiples: Multiples::of(-key.to_edwards()),
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
        let parts = [(&*OF_BASE, digits(&s)), (&self.multiples, digits(&k))];
        // All are read before any is added: the tables of many keys lie outside the processor's nearest cache, which so waits for many
        // of them at once.
        let picked = [1, 0].map(|is_odd| {
            let picked = parts
                .iter()
                .flat_map(|(multiples, digits)| multiples.pick(digits, is_odd));
            picked.collect::<Vec<(EdwardsPoint, bool)>>()
        });
        let mut point = EdwardsPoint::identity();
        for (picked, is_odd) in picked.iter().zip([true, false]) {
            for (multiple, is_negative) in picked {
                if *is_negative {
                    point -= multiple;
                } else {
                    point += multiple;
                }
            }
            if is_odd {
                for _ in 0..DIGIT_BITS {
                    point += point;
                }
            }
        }
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
