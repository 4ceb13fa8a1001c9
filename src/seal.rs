//! What surrounds a seal: the digest of its list, its certificate, and the block that a node catching up receives.

use serde::{Deserialize, Serialize};

use crate::codec::{self, CodecError};
use crate::digest::{Digest, RECORD_LIST, RecordId};
use crate::record::{Record, Seal};

/// The strict test for a quorum: more than two thirds. With a total of 0 there is none.
#[must_use]
pub fn is_quorum(weight: u64, total: u64) -> bool {
    3 * u128::from(weight) > 2 * u128::from(total)
}

/// More than a third: at least one honest node is among them.
#[must_use]
pub fn is_over_third(weight: u64, total: u64) -> bool {
    3 * u128::from(weight) > u128::from(total)
}

/// The digest of the records that a seal adds, over their ids in ascending order.
#[must_use]
pub fn list_digest(ids: &[RecordId]) -> Digest {
    debug_assert!(ids.is_sorted(), "lists are kept sorted");
    let mut hasher = RECORD_LIST.hasher();
    for id in ids {
        hasher.update(id.as_bytes());
    }
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

/// The precommits that fix a seal: each author counts by one precommit for it, or by any two different ones of one round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealCertificate {
    /// Precommits of one round and of the seal's height, sorted by record id.
    pub votes: Vec<Record>,
}

/// A sealed height as it is stored and sent: everything that applying it takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedBlock {
    /// The seal.
    pub seal: Seal,
    /// Its certificate.
    pub certificate: SealCertificate,
    /// The records it adds, sorted by id.
    pub records: Vec<Record>,
}

/// How a block begins: a map of three fields, of which the one with the shortest name comes first.
const BEFORE_SEAL: &[u8] = b"\xa3\x64seal";

impl SealedBlock {
    /// The seal of an encoded block, without reading its records: costs the same for every block.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if no seal stands where a block has it. The rest is not looked at.
    pub fn seal_of(block: &[u8]) -> Result<Seal, CodecError> {
        let seal = block
            .strip_prefix(BEFORE_SEAL)
            .ok_or_else(|| CodecError::Invalid("no sealed block".into()))?;
        codec::decode_first(seal)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_thirds_are_not_a_quorum() {
        for (weight, total, quorum, over_third) in [
            (0, 0, false, false),
            (1, 1, true, true),
            (1, 3, false, false),
            (2, 3, false, true),
            (3, 4, true, true),
            (u64::MAX, u64::MAX, true, true),
        ] {
            assert_eq!(is_quorum(weight, total), quorum, "{weight} of {total}");
            assert_eq!(
                is_over_third(weight, total),
                over_third,
                "{weight} of {total}"
            );
        }
    }
}
