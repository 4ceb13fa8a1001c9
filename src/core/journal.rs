//! The journal of own records ([C2]). It guards that a slot is signed once: before a node signs, it looks the slot
//! up here ([`Journal::signed`]), and sends the journal's copy if there is one. `core/statements.rs` has the two places that sign
//! in a slot, `say_all` and `sign_one`. Its `may_sign` and `may_take_slot` refuse while the journal is lost, and `sign_quietly`
//! while the node has a twin.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::digest::{NetworkId, NodeId, OperationId, RecordId, Salt};
use crate::base::limits::TWIN_SILENCE_MS;
use crate::base::rejection::Rejection;
use crate::ledger::Ledger;
use crate::statement::operation::Ballot;
use crate::statement::record::{Record, SignError, Signed, Slot, Statement, Verified};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// An own record as it is journalled. A commit comes with its ballot and salt, for signers that are not deterministic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JournalEntry {
    /// The record.
    pub record: Record,
    /// The ballot and salt of a commit.
    pub opening: Option<(Ballot, Salt)>,
}

/// The reason for which this node does not sign a requested statement.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refusal {
    /// The others would refuse it.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// The slot is already signed, with another body.
    #[error("another statement is already signed in this slot, and a slot is signed only once")]
    AlreadySigned,
    /// The journal was lost, and no seal lists the node's `Rejoin` yet.
    #[error("the journal was lost: this node signs nothing until a seal lists its Rejoin")]
    JournalLost,
    /// The operation's proposal is older than this node's return, so it may have committed before.
    #[error(
        "this node lost its journal after the operation was proposed and may have committed to it"
    )]
    BeforeRejoin,
    /// The journal is not lost.
    #[error("there is nothing to rejoin: the journal is complete")]
    NotLost,
    /// Members that did not show all that they hold since the start of this node, so that nothing can be declared.
    #[error(
        "{} of the other members have not shown since this node's start what they hold: {}. Each must be connected with it for a \
         moment, none excepted. If one never comes back, the way out is to found the network anew",
        .0.len(), listed(.0)
    )]
    NotMet(Vec<NodeId>),
    /// Another machine signs with this node's key.
    #[error(
        "this node has a twin: another machine runs with the same key. Neither signs anything until one of them is stopped for \
         good and a person tells the other one that it lives"
    )]
    Twin,
    /// The twin answered so many milliseconds ago.
    #[error(
        "the twin may still run: it must be silent for {} s, counted from this node's start, and {} s are over. Stop it first",
        TWIN_SILENCE_MS / 1000, .0 / 1000
    )]
    TwinAnswers(u64),
    /// This node met no other member since its start, so it cannot know whether its twin still runs.
    #[error("no other member was met since this node's start, so nobody could tell it of its twin")]
    NobodyMet,
    /// There is no twin.
    #[error("this node has no twin")]
    NoTwin,
    /// A peer asked whether another machine runs with this node's key.
    #[error(
        "a peer asks whether another machine runs with this node's key, and nothing is signed until that is known: try again in a \
         second"
    )]
    OnHold,
    /// No member names this node's key as its successor.
    #[error("no member names this key as its successor")]
    NoSuccessor,
    /// The plan that this node endorsed is in force.
    #[error(
        "this node has left the network: it goes on in network {0}, which was founded in its place"
    )]
    Refounded(NetworkId),
    /// The plan does not have this node as a member.
    #[error("the plan leaves this node out, and only members of the new network can endorse it")]
    LeftOut,
    /// Members whose equivocation is proved here, and whom the plan takes along.
    #[error("the plan takes along {}, whose equivocation is proved", listed(.0))]
    KeepsEquivocators(Vec<NodeId>),
    /// Another plan is endorsed already.
    #[error(
        "this node has endorsed another plan already, and others may count on that. Say explicitly that this one replaces it"
    )]
    EndorsedAnother,
    /// The journal is lost, and may have had an endorsement.
    #[error(
        "the journal was lost, so that this node may have endorsed another plan already. Say explicitly that this one replaces it"
    )]
    MayHaveEndorsed,
    /// There is no endorsement to take back.
    #[error("this node endorses no plan")]
    NothingEndorsed,
    /// The key failed.
    #[error("the signer failed: {0}")]
    Signer(String),
}

/// The first digits of some keys.
fn listed(nodes: &[NodeId]) -> String {
    let digits = nodes.iter().map(|node| {
        let mut digits = node.to_string();
        digits.truncate(8);
        digits
    });
    digits.collect::<Vec<_>>().join(", ")
}

impl From<SignError> for Refusal {
    fn from(error: SignError) -> Self {
        match error {
            SignError::Rejected(rejection) => Self::Rejected(rejection),
            SignError::Signer(error) => Self::Signer(error.0),
        }
    }
}

/// This node's own records, as far as rules still need them.
#[derive(Debug, Default)]
pub(super) struct Journal {
    slots: BTreeMap<Slot, Verified>,
    others: BTreeMap<RecordId, Verified>,
    known: BTreeSet<RecordId>,
    openings: BTreeMap<OperationId, (Ballot, Salt)>,
    /// Entries of keys that this node's key replaced.
    former: BTreeMap<RecordId, (Verified, Option<(Ballot, Salt)>)>,
}

impl Journal {
    /// Takes up a stored entry. Only its id is computed again: this node signed it, and may no longer be a member. An entry by
    /// another key is by one that this node's key replaced; it fills no slot.
    pub(super) fn restore(&mut self, entry: JournalEntry, me: &NodeId) -> Result<(), Rejection> {
        let record = Signed::try_from(entry.record)?.trusted();
        if record.author() == *me {
            self.insert(record, entry.opening);
        } else {
            self.former.insert(record.id(), (record, entry.opening));
        }
        Ok(())
    }

    /// The ballot and salt of a commit by a key that this node's key replaced.
    pub(super) fn former_opening(&self, commit: &RecordId) -> Option<&(Ballot, Salt)> {
        self.former.get(commit)?.1.as_ref()
    }

    pub(super) fn insert(&mut self, record: Verified, opening: Option<(Ballot, Salt)>) {
        if let (Statement::Commit { operation, .. }, Some(opening)) = (record.statement(), opening)
        {
            self.openings.insert(*operation, opening);
        }
        self.known.insert(record.id());
        match record.statement().slot() {
            Some(slot) => {
                self.slots.insert(slot, record);
            }
            None => {
                self.others.insert(record.id(), record);
            }
        }
    }

    /// The record signed in this slot.
    pub(super) fn signed(&self, slot: &Slot) -> Option<&Verified> {
        self.slots.get(slot)
    }

    /// Every `Refound`, by id.
    pub(super) fn endorsements(&self) -> impl Iterator<Item = &Verified> {
        let others = self.others.values();
        others.filter(|record| matches!(record.statement(), Statement::Refound { .. }))
    }

    /// Every `Rejoin`, by id.
    pub(super) fn rejoins(&self) -> impl Iterator<Item = &Verified> {
        let others = self.others.values();
        others.filter(|record| matches!(record.statement(), Statement::Rejoin { .. }))
    }

    /// Whether the journal has everything that this node ever signed: it was never lost.
    pub(super) fn is_the_first(&self) -> bool {
        self.rejoins().next().is_none()
    }

    /// Whether the journal has this record.
    pub(super) fn knows(&self, id: &RecordId) -> bool {
        self.known.contains(id)
    }

    /// The ballot and salt of this node's commit to an operation.
    pub(super) fn opening(&self, operation: &OperationId) -> Option<&(Ballot, Salt)> {
        self.openings.get(operation)
    }

    /// Own seal proposals and votes of a height.
    pub(super) fn of_height(&self, height: u64) -> Vec<Verified> {
        self.slots
            .iter()
            .filter(|(slot, _)| slot.height() == Some(height))
            .map(|(_, record)| record.clone())
            .collect()
    }

    /// Own records about operations that are not closed, to be sent again.
    pub(super) fn unsealed<'a>(
        &'a self,
        ledger: &'a Ledger,
    ) -> impl Iterator<Item = &'a Verified> + 'a {
        self.slots
            .values()
            .chain(self.others.values())
            .filter(|record| {
                record
                    .statement()
                    .slot()
                    .and_then(|slot| slot.height())
                    .is_none()
            })
            .filter(|record| {
                let operation = record.statement().operation();
                operation.is_none_or(|id| ledger.past().closed(&id).is_none())
            })
    }

    /// Forgets the records about a closed operation, as no more are accepted. Returns their ids.
    pub(super) fn close(&mut self, operation: &OperationId) -> Vec<RecordId> {
        self.openings.remove(operation);
        let slots = [
            Slot::Commit(*operation),
            Slot::Directive(*operation),
            Slot::Objection(*operation),
            Slot::Resolution(*operation),
        ];
        let others = self.others.iter().filter(|(id, record)| {
            record.statement().operation() == Some(*operation) || RecordId::from(*operation) == **id
        });
        let others: Vec<RecordId> = others.map(|(id, _)| *id).collect();
        let mut forgotten = self.forget_slots(slots.into_iter());
        forgotten.extend(self.forget_former(|record| {
            let is_proposal = RecordId::from(*operation) == record.id();
            is_proposal || record.statement().operation() == Some(*operation)
        }));
        for id in others {
            self.others.remove(&id);
            self.known.remove(&id);
            forgotten.push(id);
        }
        forgotten
    }

    /// Forgets votes of heights that no rule needs. Returns their ids.
    pub(super) fn forget_below(&mut self, height: u64) -> Vec<RecordId> {
        let slots = self.slots.keys().copied();
        let old: Vec<Slot> = slots
            .filter(|slot| slot.height().is_some_and(|at| at < height))
            .collect();
        let mut forgotten = self.forget_slots(old.into_iter());
        forgotten.extend(self.forget_former(|record| {
            let slot = record.statement().slot();
            let at = slot.and_then(|slot| slot.height());
            at.is_some_and(|at| at < height) || record.statement().is_about_author()
        }));
        forgotten
    }

    fn forget_former(&mut self, is_spent: impl Fn(&Verified) -> bool) -> Vec<RecordId> {
        let spent = self
            .former
            .extract_if(.., |_, (record, _)| is_spent(record));
        spent.map(|(id, _)| id).collect()
    }

    fn forget_slots(&mut self, slots: impl Iterator<Item = Slot>) -> Vec<RecordId> {
        let records = slots.filter_map(|slot| self.slots.remove(&slot));
        let ids: Vec<RecordId> = records.map(|record| record.id()).collect();
        for id in &ids {
            self.known.remove(id);
        }
        ids
    }
}
