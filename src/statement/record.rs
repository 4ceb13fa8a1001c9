//! Records: signed statements ([R2]).
//!
//! [`Signed`] is a record whose bytes were canonical; [`Verified`] is one whose author's signature was checked as well.
//! Only a verified record can enter a ledger, and only [`Verifier`] and [`sign_batch`] make one.
//!
//! An author signs the Merkle root over a batch of record ids. So many records cost one signature, and a verifier
//! checks one signature and short hash paths. A bounded number of verified roots is remembered.

mod plan;
mod statement;
mod verify;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use plan::{KnownSuccession, Plan};
pub use statement::{Seal, Slot, Statement, VoteKind};
pub use verify::Verifier;

use crate::base::codec::{self, Reader};
use crate::base::digest::{Digest, NetworkId, NodeId, RECORD, RecordId, SignatureBytes, signing};
use crate::base::identity::{Signer, SignerError};
use crate::base::limits::{BATCH_RECORDS_MAX, PATH_HASHES_MAX, SET_RECORD_BYTES_MAX};
use crate::base::merkle;
use crate::base::rejection::Rejection;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The signed part: a statement, its author and its network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// The version of this form: 1.
    pub v: u8,
    /// The author.
    pub by: NodeId,
    /// The network.
    pub net: NetworkId,
    /// The statement.
    pub what: Statement,
}

impl Body {
    /// BLAKE3 of the canonical bytes.
    pub fn id(&self) -> RecordId {
        RecordId::from_bytes(RECORD.hash(&codec::encode(self)))
    }
}

/// The author's signature over the batch that contains the record, and the path from the record to the batch's root.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proof {
    /// The signature of `(network, root, size)`.
    pub sig: SignatureBytes,
    /// Sibling hashes from the record to the root, at most 16.
    pub path: Vec<Digest>,
    /// Records in the batch, 1..=65,536.
    pub size: u32,
    /// The record's index in the batch.
    pub index: u32,
}

/// The wire form: a body and its proof.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The signed part.
    pub body: Body,
    /// The signature, and the path to it.
    pub proof: Proof,
}

/// A record's bytes around its body: a map of two.
const BEFORE_BODY: &[u8] = b"\xa2\x64body";
const BEFORE_PROOF: &[u8] = b"\x65proof";

impl Record {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }
}

impl KnownSuccession {
    /// The `Succeed` of a record; `None` of any other.
    pub fn of(record: &Record) -> Option<Self> {
        let Statement::Succeed { old, next } = record.body.what else {
            return None;
        };
        Some(Self {
            by: record.body.by,
            old,
            next,
            proof: record.proof.clone(),
        })
    }

    /// The record in this network. Its signature is not checked.
    pub fn record(&self, net: NetworkId) -> Record {
        Record {
            body: Body {
                v: 1,
                net,
                by: self.by,
                what: Statement::Succeed {
                    old: self.old,
                    next: self.next,
                },
            },
            proof: self.proof.clone(),
        }
    }
}

/// A record whose bytes were canonical and within the limits. Its signature is not checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signed {
    id: RecordId,
    record: Record,
    encoded_len: usize,
    body_len: usize,
}

impl Signed {
    /// Reads a record from its canonical bytes and checks everything that needs neither keys nor state.
    ///
    /// # Errors
    ///
    /// [`Rejection::OverLimit`], [`Rejection::NonCanonical`], [`Rejection::Malformed`] or [`Rejection::ImpossibleSeal`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Rejection> {
        let mut reader = Reader::new(bytes, SET_RECORD_BYTES_MAX)?;
        let signed = Self::read(&mut reader)?;
        reader.end()?;
        Ok(signed)
    }

    /// Reads the next record as [`Self::decode`] does.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Result<Self, Rejection> {
        let before = reader.rest().len();
        reader.exactly(BEFORE_BODY)?;
        let (body, hashed) = reader.value()?;
        reader.exactly(BEFORE_PROOF)?;
        let (proof, _) = reader.value()?;
        let encoded_len = before - reader.rest().len();
        Self::check(Record { body, proof }, hashed, encoded_len)
    }

    /// `hashed` is the encoded body.
    fn check(record: Record, hashed: &[u8], encoded_len: usize) -> Result<Self, Rejection> {
        let limit = record.body.what.bytes_max();
        if encoded_len > limit {
            return Err(Rejection::OverLimit {
                what: "bytes",
                limit,
            });
        }
        if record.body.v != 1 {
            return Err(Rejection::Malformed("a record version other than 1"));
        }
        let proof = &record.proof;
        if proof.size == 0 || proof.size > BATCH_RECORDS_MAX || proof.path.len() > PATH_HASHES_MAX {
            return Err(Rejection::OverLimit {
                what: "records in a batch",
                limit: BATCH_RECORDS_MAX as usize,
            });
        }
        record.body.what.check()?;
        Ok(Self {
            id: RecordId::from_bytes(RECORD.hash(hashed)),
            record,
            encoded_len,
            body_len: hashed.len(),
        })
    }

    /// The record's id.
    pub fn id(&self) -> RecordId {
        self.id
    }

    /// The record.
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// The record.
    #[cfg(feature = "store")]
    pub(crate) fn into_record(self) -> Record {
        self.record
    }

    /// Trusts a record of this node's own store: it was verified before it was written.
    pub(crate) fn trusted(self) -> Verified {
        Verified(Arc::new(self))
    }
}

impl TryFrom<Record> for Signed {
    type Error = Rejection;

    fn try_from(record: Record) -> Result<Self, Rejection> {
        let mut bytes = codec::encode(&record.body);
        let body_len = bytes.len();
        codec::encode_to(&record.proof, &mut bytes);
        let encoded_len = BEFORE_BODY.len() + BEFORE_PROOF.len() + bytes.len();
        Self::check(record, &bytes[..body_len], encoded_len)
    }
}

/// A record whose signature was checked. Cheap to clone.
#[derive(Clone)]
pub struct Verified(Arc<Signed>);

impl Verified {
    /// Reads a record of a network from its canonical bytes and checks its signature: who said it, not whether that was a member.
    ///
    /// # Errors
    ///
    /// As for bytes that are no canonical record, and [`Rejection::WrongNetwork`], [`Rejection::WeakKey`] or
    /// [`Rejection::BadSignature`].
    pub fn read(bytes: &[u8], network: NetworkId) -> Result<Self, Rejection> {
        let signed = Signed::decode(bytes)?;
        let mut verifier = Verifier::new(network);
        verifier.add_author(signed.record.body.by)?;
        verifier.verify(signed)
    }

    /// The record's id.
    pub fn id(&self) -> RecordId {
        self.0.id
    }

    /// The author.
    pub fn author(&self) -> NodeId {
        self.0.record.body.by
    }

    /// The statement.
    pub fn statement(&self) -> &Statement {
        &self.0.record.body.what
    }

    /// The body.
    pub fn body(&self) -> &Body {
        &self.0.record.body
    }

    /// The proof. One body can have several valid proofs.
    pub fn proof(&self) -> &Proof {
        &self.0.record.proof
    }

    /// The wire form.
    pub fn record(&self) -> &Record {
        &self.0.record
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        self.0.record.encode()
    }

    /// The number of canonical bytes.
    pub fn encoded_len(&self) -> usize {
        self.0.encoded_len
    }

    /// The number of canonical bytes of the body, which does not depend on the proof.
    pub fn body_len(&self) -> usize {
        self.0.body_len
    }
}

impl PartialEq for Verified {
    /// Equal bodies: the proof does not matter.
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Verified {}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("id", &self.0.id)
            .field("by", &self.author())
            .field("what", self.statement())
            .finish()
    }
}

fn batch_message(net: NetworkId, root: Digest, size: u32) -> Vec<u8> {
    [
        signing::BATCH,
        net.as_bytes(),
        root.as_bytes(),
        &size.to_le_bytes(),
    ]
    .concat()
}

/// Why statements could not be signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SignError {
    /// The key failed.
    #[error(transparent)]
    Signer(#[from] SignerError),
    /// A statement breaks a limit or is malformed.
    #[error(transparent)]
    Rejected(#[from] Rejection),
}

/// Signs statements of one author with one signature. The records come in the order of `statements`.
///
/// # Errors
///
/// [`SignError::Rejected`] if a statement breaks a limit or there are more than 65,536 (then nothing is signed);
/// [`SignError::Signer`] if the key fails.
pub fn sign_batch(
    signer: &dyn Signer,
    net: NetworkId,
    statements: Vec<Statement>,
) -> Result<Vec<Verified>, SignError> {
    if statements.is_empty() {
        return Ok(Vec::new());
    }
    let size = u32::try_from(statements.len())
        .ok()
        .filter(|size| *size <= BATCH_RECORDS_MAX)
        .ok_or(Rejection::OverLimit {
            what: "records in a batch",
            limit: BATCH_RECORDS_MAX as usize,
        })?;
    let by = signer.node_id();
    let bodies: Vec<Body> = statements
        .into_iter()
        .map(|what| Body {
            v: 1,
            net,
            by,
            what,
        })
        .collect();
    for body in &bodies {
        body.what.check()?;
    }
    let leaves = bodies
        .iter()
        .map(|body| merkle::leaf(body.id().as_bytes()))
        .collect();
    let tree = merkle::Tree::new(leaves);
    let sig = signer.sign(&batch_message(net, tree.root(), size))?;
    (0..size)
        .zip(bodies)
        .map(|(index, body)| {
            let path = tree.path(index as usize);
            let proof = Proof {
                sig,
                path,
                size,
                index,
            };
            Ok(Verified(Arc::new(Signed::try_from(Record {
                body,
                proof,
            })?)))
        })
        .collect()
}

/// Signs one statement: a batch of one.
///
/// # Errors
///
/// As [`sign_batch`].
pub fn sign(
    signer: &dyn Signer,
    net: NetworkId,
    statement: Statement,
) -> Result<Verified, SignError> {
    let mut records = sign_batch(signer, net, vec![statement])?;
    Ok(records.remove(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::OperationId;
    use crate::base::identity::Identity;

    #[test]
    fn a_record_is_read_as_it_is_written() {
        let net = NetworkId::from_bytes([1; 32]);
        let statements = vec![
            Statement::Directive {
                operation: OperationId::from_bytes([2; 32]),
                approve: true,
            };
            3
        ];
        for record in sign_batch(&Identity::from_seed_label("a"), net, statements).unwrap() {
            assert_eq!(record.id(), record.body().id());
            let bytes = record.encode();
            assert_eq!(record.encoded_len(), bytes.len());
            let signed = Signed::decode(&bytes).unwrap();
            assert_eq!(signed, *record.0);
        }
    }
}
