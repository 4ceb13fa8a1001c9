//! The document of one operation: building it from records.

use std::collections::BTreeMap;

use automerge::legacy::ObjectId;
use automerge::{ActorId, Automerge, Change};

use super::change::ChangeBuilder;
use super::entry::{CONTAINERS, PROOFS, entry_of, proposal_fields};
use super::tree::Tree;
use super::{DocumentError, digest_of, heads_of};
use crate::base::codec;
use crate::base::digest::{Commitment, DOCUMENTS, Digest, NodeId, OperationId, RecordId};
use crate::statement::commitment::commitment;
use crate::statement::record::{Proof, Record, Statement, Verified};

/// All records of one operation as an Automerge document.
///
/// Each record is one change. Its actor is the [`RecordId`], its sequence number 1, its time 0. Its only dependency is the
/// change of its proposal or, for a reveal, of its commit. So the change follows from the record and what it refers to:
/// nodes with the same records build the same changes, and documents with parts of the records merge into the document of
/// all. No author can make two changes with one actor and number, which would block merging for ever. A record's proof is a
/// change of its own, whose actor is a hash of the proof, because one body can have two proofs.
///
/// Two commits (directives, …) of one author are concurrent writes to its key. Automerge's own conflict shows the
/// equivocation.
#[derive(Debug, Clone)]
pub struct OperationDocument {
    pub(super) id: OperationId,
    pub(super) document: Automerge,
}

impl OperationDocument {
    /// Builds the document from the records of one operation, in any order, with or without duplicates. Of two proofs of one
    /// body, it keeps the smaller one.
    ///
    /// # Errors
    ///
    /// [`DocumentError::MissingProposal`], [`DocumentError::Foreign`] or [`DocumentError::OpensNothing`] if these are not
    /// the records of one operation.
    pub fn build(records: &[Verified]) -> Result<Self, DocumentError> {
        Self::build_from(records.iter().map(|record| (record.id(), record.record())))
    }

    pub(super) fn build_from<'a>(
        records: impl Iterator<Item = (RecordId, &'a Record)>,
    ) -> Result<Self, DocumentError> {
        let sorted = Sorted::new(records)?;
        let base = Base::new(sorted.proposal)?;
        let mut changes = vec![base.proof(sorted.proposal, &base.change)?];
        for &entry in &sorted.others {
            let change = base.record(entry, &base.change)?;
            for &reveal in sorted.reveals.get(&entry.0).into_iter().flatten() {
                let opening = base.record(reveal, &change)?;
                changes.push(base.proof(reveal, &opening)?);
                changes.push(opening);
            }
            changes.push(base.proof(entry, &change)?);
            changes.push(change);
        }
        changes.push(base.change);
        // Without an actor, Automerge would draw a random one. Nothing is written under it here.
        let actor = ActorId::from(&sorted.proposal.0.as_bytes()[..]);
        let mut document = Automerge::new().with_actor(actor);
        // All at once: applying changes one by one takes quadratic time.
        document.apply_changes(changes)?;
        Ok(Self {
            id: OperationId::from(sorted.proposal.0),
            document,
        })
    }

    /// The operation.
    pub fn operation_id(&self) -> OperationId {
        self.id
    }

    /// The hashes of the changes that no other change follows, sorted. They are equal iff the documents hold the same
    /// records.
    pub fn heads(&self) -> Vec<Digest> {
        heads_of(&self.document)
    }

    /// A digest of the [`OperationDocument::heads`].
    pub fn digest(&self) -> Digest {
        digest_of(&self.heads())
    }

    /// The document as any Automerge client reads it. Uncompressed: compression saves only 3 to 6 %, takes ten times as
    /// long, and fragments the memory of a node with many open documents. Equal documents may be saved as different bytes:
    /// compare heads.
    pub fn save(&self) -> Vec<u8> {
        self.document.save_nocompress()
    }
}

type Entry<'a> = (RecordId, &'a Record);

/// The records of an operation, each once, by the dependency of their changes.
struct Sorted<'a> {
    proposal: Entry<'a>,
    /// Records whose changes depend on the proposal's.
    others: Vec<Entry<'a>>,
    /// Reveals by their commit.
    reveals: BTreeMap<RecordId, Vec<Entry<'a>>>,
}

impl<'a> Sorted<'a> {
    fn new(records: impl Iterator<Item = Entry<'a>>) -> Result<Self, DocumentError> {
        let mut distinct: BTreeMap<RecordId, &Record> = BTreeMap::new();
        for (id, record) in records {
            let kept = distinct.entry(id).or_insert(record);
            if proof_order(&record.proof) < proof_order(&kept.proof) {
                *kept = record;
            }
        }
        let proposal = distinct
            .iter()
            .find(|(_, record)| matches!(record.body.what, Statement::Propose { .. }))
            .map(|(id, record)| (*id, *record))
            .ok_or(DocumentError::MissingProposal)?;
        let operation = OperationId::from(proposal.0);
        distinct.remove(&proposal.0);
        let mut sorted = Self {
            proposal,
            others: vec![],
            reveals: BTreeMap::new(),
        };
        let mut commits: BTreeMap<(NodeId, Commitment), RecordId> = BTreeMap::new();
        let mut reveals = vec![];
        for (id, record) in distinct {
            let body = &record.body;
            if body.what.operation() != Some(operation) || body.net != proposal.1.body.net {
                return Err(DocumentError::Foreign(id));
            }
            match &body.what {
                Statement::Reveal { ballot, salt, .. } => {
                    let opens = commitment(body.net, operation, body.by, ballot, salt);
                    reveals.push(((body.by, opens), (id, record)));
                    continue;
                }
                Statement::Commit { commitment, .. } => {
                    commits.insert((body.by, *commitment), id);
                }
                _ => {}
            }
            sorted.others.push((id, record));
        }
        for (opens, reveal) in reveals {
            let commit = commits
                .get(&opens)
                .ok_or(DocumentError::OpensNothing(reveal.0))?;
            sorted.reveals.entry(*commit).or_default().push(reveal);
        }
        Ok(sorted)
    }
}

/// The order of proofs of one body.
pub(super) fn proof_order(proof: &Proof) -> impl Ord + '_ {
    (proof.sig, proof.size, proof.index, &proof.path)
}

/// The change of the proposal, and the maps that it creates.
struct Base {
    change: Change,
    maps: BTreeMap<&'static str, ObjectId>,
}

impl Base {
    fn new((id, proposal): Entry<'_>) -> Result<Self, DocumentError> {
        let body = &proposal.body;
        let (fields, operation) = proposal_fields(body).ok_or(DocumentError::Foreign(id))?;
        let mut change = ChangeBuilder::new(id.as_bytes(), None);
        change.put(&ObjectId::Root, "v", &Tree::from(u64::from(body.v)))?;
        let network = Tree::from(body.net.as_bytes());
        change.put(&ObjectId::Root, "network", &network)?;
        change.put(&ObjectId::Root, "proposal", &fields)?;
        change.put(&ObjectId::Root, "operation", &operation)?;
        let containers = CONTAINERS.iter().map(|(container, _)| *container);
        let maps = containers
            .chain([PROOFS])
            .map(|container| (container, change.put_map(container)))
            .collect();
        Ok(Self {
            change: change.finish(),
            maps,
        })
    }

    /// The change of a record other than the proposal.
    fn record(
        &self,
        (id, record): Entry<'_>,
        dependency: &Change,
    ) -> Result<Change, DocumentError> {
        let (container, fields) = entry_of(&record.body.what).ok_or(DocumentError::Foreign(id))?;
        let mut change = ChangeBuilder::new(id.as_bytes(), Some(dependency));
        let author = record.body.by.to_string();
        change.put(&self.maps[container], &author, &fields)?;
        Ok(change.finish())
    }

    /// The change of a record's proof, after that of the record.
    fn proof(&self, (id, record): Entry<'_>, behind: &Change) -> Result<Change, DocumentError> {
        let encoded = codec::encode(&record.proof);
        let actor = DOCUMENTS.hash_parts(&[b"proof", id.as_bytes(), &encoded]);
        let mut change = ChangeBuilder::new(&actor, Some(behind));
        change.put(
            &self.maps[PROOFS],
            &id.to_string(),
            &Tree::of(&record.proof),
        )?;
        Ok(change.finish())
    }
}
