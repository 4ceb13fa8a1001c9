//! The parts around a seal: the digest of its list, its certificate, and the block that a node catching up receives.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::codec::{self, CodecError, Reader};
use crate::base::digest::{Digest, NodeId, RECORD_LIST, RecordId, SEALERS};
use crate::base::rejection::Rejection;
use crate::statement::record::{Record, Seal, Signed};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The strict test for a quorum ([V2]): more than two thirds. A total of 0 has no quorum.
pub fn is_quorum(weight: u64, total: u64) -> bool {
    3 * u128::from(weight) > 2 * u128::from(total)
}

/// More than a third: at least one of these nodes is honest.
pub fn is_over_third(weight: u64, total: u64) -> bool {
    3 * u128::from(weight) > u128::from(total)
}

/// The digest of the records that a seal adds, over their ids in ascending order.
pub fn list_digest(ids: &[RecordId]) -> Digest {
    debug_assert!(ids.is_sorted(), "lists are kept sorted");
    let mut hasher = RECORD_LIST.hasher();
    for id in ids {
        hasher.update(id.as_bytes());
    }
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

/// The digest of the nodes that seal a height, over their keys in ascending order.
pub fn sealers_digest(sealers: impl IntoIterator<Item = NodeId>) -> Digest {
    let sorted: BTreeSet<NodeId> = sealers.into_iter().collect();
    let mut hasher = SEALERS.hasher();
    for node in &sorted {
        hasher.update(node.as_bytes());
    }
    Digest::from_bytes(*hasher.finalize().as_bytes())
}

/// The precommits that fix a seal ([H3]). Each author counts by one precommit for the seal, or by any two different ones
/// of one round.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealCertificate {
    /// Precommits of one round and of the seal's height, sorted by record id.
    pub votes: Vec<Record>,
}

/// A sealed height as it is stored and sent, with everything needed to apply it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedBlock {
    /// The seal.
    pub seal: Seal,
    /// The records it adds, sorted by id.
    pub records: Vec<Record>,
    /// Its certificate.
    pub certificate: SealCertificate,
}

/// A block's bytes between its parts: a map of three fields, the one with the shortest name first.
const BEFORE_SEAL: &[u8] = b"\xa3\x64seal";
const BEFORE_RECORDS: &[u8] = b"\x67records";
const BEFORE_CERTIFICATE: &[u8] = b"\x6bcertificate";

impl SealedBlock {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.encode_to(&mut bytes);
        bytes
    }

    /// Appends the canonical bytes.
    pub(crate) fn encode_to(&self, bytes: &mut Vec<u8>) {
        let records = self.records.len() + self.certificate.votes.len();
        bytes.reserve(512 * (records + 1));
        codec::encode_to(self, bytes);
    }

    /// Reads only the seal of an encoded block, at the same cost for every block.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the bytes do not begin with a block's seal. The rest is not examined.
    pub fn seal_of(block: &[u8]) -> Result<Seal, CodecError> {
        let mut reader = Reader::new(block, usize::MAX)?;
        reader.exactly(BEFORE_SEAL)?;
        Ok(reader.value()?.0)
    }
}

/// A block whose records are canonical and within the limits.
pub(crate) struct SignedBlock {
    pub(crate) seal: Seal,
    pub(crate) certificate: SealCertificate,
    pub(crate) records: Vec<Signed>,
}

impl TryFrom<SealedBlock> for SignedBlock {
    type Error = Rejection;

    fn try_from(block: SealedBlock) -> Result<Self, Rejection> {
        let records = block.records.into_iter().map(Signed::try_from);
        Ok(Self {
            seal: block.seal,
            certificate: block.certificate,
            records: records.collect::<Result<_, _>>()?,
        })
    }
}

impl SignedBlock {
    /// Reads a block as strictly as [`codec::decode`], and its records as strictly as [`Signed::decode`].
    ///
    /// # Errors
    ///
    /// Those of both functions.
    pub(crate) fn decode(bytes: &[u8], limit: usize) -> Result<Self, Rejection> {
        let mut reader = Reader::new(bytes, limit)?;
        reader.exactly(BEFORE_SEAL)?;
        let (seal, _) = reader.value()?;
        reader.exactly(BEFORE_RECORDS)?;
        let records = (0..reader.array()?).map(|_| Signed::read(&mut reader));
        let records = records.collect::<Result<_, _>>()?;
        reader.exactly(BEFORE_CERTIFICATE)?;
        let (certificate, _) = reader.value()?;
        reader.end()?;
        Ok(Self {
            seal,
            certificate,
            records,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::identity::Identity;
    use crate::statement::record::{Statement, Verified, VoteKind, sign, sign_batch};

    fn block(count: usize) -> SealedBlock {
        let by = Identity::from_seed_label("ada");
        let net = crate::base::digest::NetworkId::from_bytes([7; 32]);
        let rejoin = |n: usize| Statement::Rejoin {
            nonce: Digest::from_bytes([u8::try_from(n % 250).unwrap(); 32]),
        };
        let signed = sign_batch(&by, net, (0..count).map(rejoin).collect());
        let records = signed.unwrap();
        let seal = Seal {
            net,
            height: 3,
            prev: crate::base::digest::SealId::from_bytes([1; 32]),
            time_ms: 1_000_000,
            count: u32::try_from(count).unwrap(),
            records: Digest::from_bytes([2; 32]),
            state: Digest::from_bytes([3; 32]),
            roster: Digest::from_bytes([4; 32]),
            sealers: Digest::from_bytes([5; 32]),
            round: 0,
        };
        let vote = Statement::SealVote {
            height: 3,
            round: 0,
            kind: VoteKind::Precommit,
            seal: Some(seal.id()),
        };
        SealedBlock {
            seal,
            certificate: SealCertificate {
                votes: vec![sign(&by, net, vote).unwrap().record().clone()],
            },
            records: records
                .iter()
                .map(|it: &Verified| it.record().clone())
                .collect(),
        }
    }

    #[test]
    fn blocks_are_written_and_read_as_their_canonical_form() {
        for count in [0, 1, 23, 24, 255, 256, 300] {
            let block = block(count);
            let bytes = codec::encode(&block);
            assert!(block.encode() == bytes, "{count} records");
            let read = SignedBlock::decode(&bytes, bytes.len()).unwrap();
            assert_eq!(
                (&read.seal, &read.certificate),
                (&block.seal, &block.certificate)
            );
            let records: Vec<&Record> = read.records.iter().map(Signed::record).collect();
            assert!(records.into_iter().eq(&block.records));
            assert!(SignedBlock::decode(&bytes, bytes.len() - 1).is_err());
        }
    }

    /// A block with one changed, missing or additional byte is read only if it is canonical as a whole.
    #[test]
    fn what_is_not_canonical_is_refused_wherever_it_stands() {
        let bytes = codec::encode(&block(2));
        let mut seen = [0, 0];
        let mut check = |changed: &[u8], what: &str, at: usize| {
            let strict: Result<SealedBlock, _> = codec::decode(changed, usize::MAX);
            let read = SignedBlock::decode(changed, usize::MAX);
            match &strict {
                Err(_) => assert!(read.is_err(), "{what} at byte {at}"),
                // A record may be canonical and still be refused, as one of another version.
                Ok(block) => {
                    let records = block.records.iter().cloned().map(Signed::try_from);
                    let are_records = records.collect::<Result<Vec<_>, _>>().is_ok();
                    assert_eq!(read.is_ok(), are_records, "{what} at byte {at}");
                }
            }
            seen[usize::from(strict.is_ok())] += 1;
        };
        for at in 0..bytes.len() {
            for flip in [0x01, 0x20, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= flip;
                check(&changed, "a change", at);
            }
            let mut longer = bytes.clone();
            longer.insert(at, bytes[at]);
            check(&longer, "a byte twice", at);
            let mut shorter = bytes.clone();
            shorter.remove(at);
            check(&shorter, "a missing byte", at);
        }
        check(&[&bytes[..], &[0]].concat(), "a trailing byte", bytes.len());
        assert!(seen.iter().all(|count| *count > 100), "{seen:?}");
    }

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
