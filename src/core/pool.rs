//! The pool: verified records that no seal lists yet.
//!
//! The pool is a set. Per slot it keeps the two records with the smallest ids, whatever the order of arrival. Of records
//! without a slot, proposals and those about their author (`Rejoin`, `Succeed`), it keeps an author's first ones up to a cap ([`crate::core`] checks it). Records
//! that a seal's proposal lists are exempt from these limits, so that nodes with different records can agree
//! (`core/exempt.rs`). The cost is `O(log n)` per record.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::digest::{NodeId, OperationId, RecordId};
use crate::base::limits::SLOT_BODIES_MAX;
use crate::decision::tally::Tally;
use crate::statement::operation::{Ballot, Outcome};
use crate::statement::record::{Slot, Statement, Verified};

/// A record in the pool.
#[derive(Debug, Clone)]
pub struct Pooled {
    /// The record.
    pub record: Verified,
    /// When this node got it, by its own clock; decides about censorship.
    pub since_ms: u64,
    /// Whether a proposal lists it: then it is exempt from the limit of its slot.
    pub is_exempt: bool,
}

/// The result of offering a record to the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pooling {
    /// Taken.
    New,
    /// It was in the pool already.
    Known,
    /// Its slot holds two records with smaller ids.
    SlotFull,
}

/// Unsealed records.
#[derive(Debug, Clone, Default)]
pub struct Pool {
    records: BTreeMap<RecordId, Pooled>,
    by_operation: BTreeMap<OperationId, BTreeSet<RecordId>>,
    slots: BTreeMap<(NodeId, Slot), BTreeSet<RecordId>>,
    proposals: BTreeMap<NodeId, BTreeSet<RecordId>>,
    /// `Rejoin`s and `Succeed`s. No author has both: only a member rejoins, and what succeeds is no member's key yet.
    about_author: BTreeMap<NodeId, BTreeSet<RecordId>>,
    urgent: BTreeSet<RecordId>,
    tallies: BTreeMap<OperationId, Tally>,
    revision: u64,
}

impl Pool {
    /// The record with this id.
    pub fn get(&self, id: &RecordId) -> Option<&Pooled> {
        self.records.get(id)
    }

    /// All records by id.
    pub fn iter(&self) -> impl Iterator<Item = &Pooled> {
        self.records.values()
    }

    /// The number of records.
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The number of changes of the set of records.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The records about an operation, its proposal excepted.
    pub fn about(&self, operation: &OperationId) -> impl Iterator<Item = &Pooled> {
        let ids = self.by_operation.get(operation).into_iter().flatten();
        ids.filter_map(|id| self.records.get(id))
    }

    /// The operations that the pool has records of.
    pub fn operations(&self) -> impl Iterator<Item = OperationId> {
        let proposed = self.proposals().map(OperationId::from);
        let proposed = proposed.filter(|id| !self.by_operation.contains_key(id));
        self.by_operation.keys().copied().chain(proposed)
    }

    /// The proposals in the pool.
    pub fn proposals(&self) -> impl Iterator<Item = RecordId> {
        self.proposals.values().flatten().copied()
    }

    /// Notes that a record is about an operation of high priority.
    pub fn mark_urgent(&mut self, id: RecordId) {
        self.urgent.insert(id);
    }

    /// Whether any record is about an operation of high priority.
    pub fn is_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    /// The proposals of this author in the pool, by id.
    pub fn proposals_of(&self, author: &NodeId) -> impl Iterator<Item = RecordId> {
        self.proposals.get(author).into_iter().flatten().copied()
    }

    /// The `Rejoin`s and `Succeed`s in the pool.
    pub fn about_authors(&self) -> impl Iterator<Item = &Pooled> {
        let ids = self.about_author.values().flatten();
        ids.filter_map(|id| self.get(id))
    }

    /// The `Rejoin`s or `Succeed`s of this author in the pool, by id.
    pub fn about_author(&self, author: &NodeId) -> impl Iterator<Item = RecordId> {
        self.about_author.get(author).into_iter().flatten().copied()
    }

    /// The records of this slot in the pool, by id.
    pub fn in_slot(&self, author: NodeId, slot: Slot) -> impl Iterator<Item = RecordId> {
        self.slots
            .get(&(author, slot))
            .into_iter()
            .flatten()
            .copied()
    }

    /// The records that are not exempt: only these count in their slot.
    fn unexempt(&self, ids: impl IntoIterator<Item = RecordId>) -> Vec<RecordId> {
        let ids = ids.into_iter();
        ids.filter(|id| self.get(id).is_some_and(|pooled| !pooled.is_exempt))
            .collect()
    }

    /// The authors of the proposals in the pool.
    pub fn proposers(&self) -> impl Iterator<Item = NodeId> {
        self.proposals.keys().copied()
    }

    /// Whether the pool has two votes on seals that prove an equivocation of this author. The cost is proportional to the
    /// author's slots.
    pub fn has_evidence(&self, author: &NodeId) -> bool {
        let first = (*author, Slot::Proposal(0, 0));
        let slots = self.slots.range(first..);
        slots
            .take_while(|((of, _), _)| of == author)
            .any(|(_, ids)| self.unexempt(ids.iter().copied()).len() >= SLOT_BODIES_MAX)
    }

    /// Takes a record. If `is_exempt`, a proposal lists it and it is kept beyond the limit of its slot.
    ///
    /// Returns the result, and the record displaced by it.
    pub fn insert(
        &mut self,
        record: Verified,
        since_ms: u64,
        is_exempt: bool,
    ) -> (Pooling, Option<Verified>) {
        let id = record.id();
        if self.records.contains_key(&id) {
            return (Pooling::Known, None);
        }
        let mut displaced = None;
        if let Some(slot) = record.statement().slot() {
            let held = self.unexempt(self.in_slot(record.author(), slot));
            if !is_exempt && held.len() >= SLOT_BODIES_MAX {
                displaced = held.last().copied();
                if displaced.is_some_and(|largest| id > largest) {
                    return (Pooling::SlotFull, None);
                }
            }
            let ids = self.slots.entry((record.author(), slot)).or_default();
            ids.insert(id);
        }
        if let Some(operation) = record.statement().operation() {
            self.by_operation.entry(operation).or_default().insert(id);
        }
        let by_author = match record.statement() {
            Statement::Propose { .. } => Some(&mut self.proposals),
            Statement::Rejoin { .. } | Statement::Succeed { .. } => Some(&mut self.about_author),
            _ => None,
        };
        if let Some(by_author) = by_author {
            by_author.entry(record.author()).or_default().insert(id);
        }
        let pooled = Pooled {
            record,
            since_ms,
            is_exempt,
        };
        self.records.insert(id, pooled);
        self.revision += 1;
        let displaced = displaced
            .and_then(|id| self.remove(&id))
            .map(|pooled| pooled.record);
        (Pooling::New, displaced)
    }

    /// Exempts a record from the limits because a proposal lists it. Returns whether the record is here.
    pub fn exempt(&mut self, id: &RecordId) -> bool {
        let Some(pooled) = self.records.get_mut(id) else {
            return false;
        };
        pooled.is_exempt = true;
        true
    }

    /// Removes a record.
    pub fn remove(&mut self, id: &RecordId) -> Option<Pooled> {
        let pooled = self.records.remove(id)?;
        self.revision += 1;
        let record = &pooled.record;
        self.urgent.remove(id);
        if let Some(slot) = record.statement().slot() {
            remove_from(&mut self.slots, &(record.author(), slot), id);
        }
        if let Some(operation) = record.statement().operation() {
            remove_from(&mut self.by_operation, &operation, id);
        }
        remove_from(&mut self.proposals, &record.author(), id);
        remove_from(&mut self.about_author, &record.author(), id);
        Some(pooled)
    }

    /// Adds a new reveal to the tally of all reveals held, sealed or not. `sealed` is the tally of the sealed ones,
    /// with which the first reveal starts. Returns the outcome if this reveal decided it.
    pub fn tally(
        &mut self,
        operation: OperationId,
        sealed: &Tally,
        weight: u64,
        ballot: &Ballot,
    ) -> Option<Outcome> {
        let tally = self
            .tallies
            .entry(operation)
            .or_insert_with(|| sealed.clone());
        let before = tally.outcome();
        tally.reveal(weight, ballot);
        tally.outcome().filter(|_| before.is_none())
    }

    /// The tally of all reveals held, if any of them is unsealed.
    pub fn tallied(&self, operation: &OperationId) -> Option<&Tally> {
        self.tallies.get(operation)
    }

    /// Forgets the tally of an operation, to be counted again.
    pub fn forget_tally(&mut self, operation: &OperationId) {
        self.tallies.remove(operation);
    }

    /// Forgets everything about a closed operation. Returns the removed records.
    pub fn close(&mut self, operation: &OperationId) -> Vec<RecordId> {
        self.tallies.remove(operation);
        let ids: Vec<RecordId> = self
            .about(operation)
            .map(|pooled| pooled.record.id())
            .collect();
        for id in &ids {
            self.remove(id);
        }
        ids
    }
}

pub(super) fn remove_from<K: Ord>(
    index: &mut BTreeMap<K, BTreeSet<RecordId>>,
    key: &K,
    id: &RecordId,
) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::base::digest::{Commitment, NetworkId};
    use crate::base::identity::Identity;
    use crate::statement::record::sign;

    pub(in crate::core) fn commit(operation: u8, value: u8) -> Verified {
        let statement = Statement::Commit {
            operation: OperationId::from_bytes([operation; 32]),
            commitment: Commitment::from_bytes([value; 32]),
        };
        sign(
            &Identity::from_seed_label("ada"),
            NetworkId::default(),
            statement,
        )
        .unwrap()
    }

    #[test]
    fn a_slot_keeps_the_two_smallest_whatever_the_order() {
        let mut bodies: Vec<Verified> = (0..5).map(|value| commit(1, value)).collect();
        bodies.sort_by_key(Verified::id);
        for rotation in 0..5 {
            let mut order = bodies.clone();
            order.rotate_left(rotation);
            let mut pool = Pool::default();
            for body in order {
                pool.insert(body, 0, false);
            }
            let kept: Vec<RecordId> = pool.iter().map(|pooled| pooled.record.id()).collect();
            assert_eq!(kept, [bodies[0].id(), bodies[1].id()]);
        }
    }

    #[test]
    fn what_a_proposal_names_is_kept_beyond_the_cap() {
        let mut pool = Pool::default();
        for value in 0..5 {
            assert_eq!(pool.insert(commit(1, value), 0, true).0, Pooling::New);
        }
        assert_eq!(pool.len(), 5);
    }

    #[test]
    fn what_a_proposal_names_is_not_displaced() {
        let mut bodies: Vec<Verified> = (0..5).map(|value| commit(1, value)).collect();
        bodies.sort_by_key(Verified::id);
        let mut pool = Pool::default();
        pool.insert(bodies[4].clone(), 0, false);
        assert!(pool.exempt(&bodies[4].id()));
        assert!(!pool.exempt(&bodies[3].id()));
        for body in bodies.iter().take(4) {
            pool.insert(body.clone(), 0, false);
        }
        let kept: Vec<RecordId> = pool.iter().map(|pooled| pooled.record.id()).collect();
        assert_eq!(kept, [bodies[0].id(), bodies[1].id(), bodies[4].id()]);
    }
}
