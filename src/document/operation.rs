//! The document of one operation: how it is built from records.

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
/// Each record is one change: its actor is the [`RecordId`], its sequence number 1, its time 0, and it depends on exactly
/// the change of its proposal or, for a reveal, of the commit that it opens. So the change follows from the record
/// (and what it refers to) alone: whoever holds the same records builds the same changes, documents of two parts of the
/// records merge into the document of all, and no author can make two changes with one actor and number, which would
/// wedge merging for ever. A record's proof follows in a change of its own, whose actor is a hash of it, since one body
/// can bear two proofs.
///
/// Two commits (directives, …) of one author are concurrent writes to its key: Automerge's own conflict shows the
/// equivocation.
#[derive(Debug, Clone)]
pub struct OperationDocument {
    pub(super) id: OperationId,
    pub(super) document: Automerge,
}

impl OperationDocument {
    /// Builds the document of the operation that all of `records` are about, in any order; duplicates count once. Of two
    /// proofs of one body the smaller one is kept.
    ///
    /// # Errors
    ///
    /// [`DocumentError::MissingProposal`], [`DocumentError::Foreign`] or [`DocumentError::OpensNothing`] if the records
    /// are not those of one operation.
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
        // An actor must be set, or Automerge draws one; nothing is written under it here.
        let actor = ActorId::from(&sorted.proposal.0.as_bytes()[..]);
        let mut document = Automerge::new().with_actor(actor);
        // At once: applying changes one by one takes time by the square of their number.
        document.apply_changes(changes)?;
        Ok(Self {
            id: OperationId::from(sorted.proposal.0),
            document,
        })
    }

    /// The operation.
    #[must_use]
    pub fn operation_id(&self) -> OperationId {
        self.id
    }

    /// The hashes of the changes that no other change follows, sorted: equal iff the documents hold the same records.
    #[must_use]
    pub fn heads(&self) -> Vec<Digest> {
        heads_of(&self.document)
    }

    /// One digest of all [`OperationDocument::heads`].
    #[must_use]
    pub fn digest(&self) -> Digest {
        digest_of(&self.heads())
    }

    /// The document as any Automerge client reads it. Not compressed: that saves 3 to 6 % of it, takes ten times as long
    /// and fragments the memory of a node that keeps many documents open. Equal documents may be saved as different bytes:
    /// compare heads.
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        self.document.save_nocompress()
    }
}

type Entry<'a> = (RecordId, &'a Record);

/// The records of an operation, each once, by what their changes depend on.
struct Sorted<'a> {
    proposal: Entry<'a>,
    /// All but the proposal and the reveals: their changes depend on the proposal's.
    others: Vec<Entry<'a>>,
    /// Reveals by the commit that they open.
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

/// What proofs of one body are ordered by.
pub(super) fn proof_order(proof: &Proof) -> impl Ord + '_ {
    (proof.sig, proof.size, proof.index, &proof.path)
}

/// The change of the proposal, and the maps in it that all other changes fill.
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

    /// The change of a record's proof, behind that of the record.
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
