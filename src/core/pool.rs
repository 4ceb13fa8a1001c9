//! The pool: verified records that no seal lists yet, and orphans that wait for what they refer to.
//!
//! The pool is a set. Per slot it keeps the two records with the smallest ids, whatever the order of arrival. Of records
//! without a slot, proposals and `Rejoin`s, it keeps an author's first ones up to a cap ([`crate::core`] checks it). Records
//! that a seal's proposal lists are exempt from these limits, so that nodes with different records can agree
//! (`core/exempt.rs`). The cost is `O(log n)` per record.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::digest::{NodeId, OperationId, RecordId};
use crate::base::limits::{ORPHAN_BYTES_PER_PEER_MAX, ORPHANS_PER_PEER_MAX, SLOT_BODIES_MAX};
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
    rejoins: BTreeMap<NodeId, BTreeSet<RecordId>>,
    urgent: BTreeSet<RecordId>,
    tallies: BTreeMap<OperationId, Tally>,
    revision: u64,
}

impl Pool {
    /// The record with this id.
    #[must_use]
    pub fn get(&self, id: &RecordId) -> Option<&Pooled> {
        self.records.get(id)
    }

    /// All records by id.
    pub fn iter(&self) -> impl Iterator<Item = &Pooled> {
        self.records.values()
    }

    /// The number of records.
    #[must_use]
    pub fn len(&self) -> usize {
        self.records.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }

    /// The number of changes of the set of records.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The records about an operation, its proposal excepted.
    pub fn about(&self, operation: &OperationId) -> impl Iterator<Item = &Pooled> {
        let ids = self.by_operation.get(operation).into_iter().flatten();
        ids.filter_map(|id| self.records.get(id))
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
    #[must_use]
    pub fn is_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }

    /// The proposals of this author in the pool, by id.
    pub fn proposals_of(&self, author: &NodeId) -> impl Iterator<Item = RecordId> {
        self.proposals.get(author).into_iter().flatten().copied()
    }

    /// The `Rejoin`s of this author in the pool, by id.
    pub fn rejoins_of(&self, author: &NodeId) -> impl Iterator<Item = RecordId> {
        self.rejoins.get(author).into_iter().flatten().copied()
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
    #[must_use]
    pub fn has_evidence(&self, author: &NodeId) -> bool {
        let first = (*author, Slot::Proposal(0, 0));
        let slots = self.slots.range(first..);
        slots
            .take_while(|((of, _), _)| of == author)
            .any(|(_, ids)| self.unexempt(ids.iter().copied()).len() >= SLOT_BODIES_MAX)
    }

    /// Takes a record. If `is_exempt`, a proposal lists it and it is kept beyond the limit of its slot.
    ///
    /// Gives the result, and the record displaced by it.
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
            Statement::Rejoin { .. } => Some(&mut self.rejoins),
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

    /// Exempts a record from the limits because a proposal lists it. Gives whether the record is here.
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
        remove_from(&mut self.rejoins, &record.author(), id);
        Some(pooled)
    }

    /// Adds a new reveal to the tally of all reveals held, sealed or not. `sealed` is the tally of the sealed ones, with which
    /// the first reveal starts. Gives the outcome if this reveal decided it.
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
    #[must_use]
    pub fn tallied(&self, operation: &OperationId) -> Option<&Tally> {
        self.tallies.get(operation)
    }

    /// Forgets the tally of an operation, to be counted again.
    pub fn forget_tally(&mut self, operation: &OperationId) {
        self.tallies.remove(operation);
    }

    /// Forgets everything about a closed operation. Gives the removed records.
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

fn remove_from<K: Ord>(index: &mut BTreeMap<K, BTreeSet<RecordId>>, key: &K, id: &RecordId) {
    if let Some(ids) = index.get_mut(key) {
        ids.remove(id);
        if ids.is_empty() {
            index.remove(key);
        }
    }
}

/// The event that an orphan waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Awaits {
    /// A proposal, or a later phase of its operation.
    Operation(OperationId),
    /// A seal: the record refers to the ledger's future.
    Seal,
}

/// The orphans of one source, oldest first.
#[derive(Debug, Clone, Default)]
struct Queue {
    ids: VecDeque<RecordId>,
    bytes: usize,
}

/// Records that refer to something unknown, bounded per source in number and bytes; the oldest are dropped first.
#[derive(Debug, Clone, Default)]
pub struct Orphans {
    by_source: BTreeMap<Option<u64>, Queue>,
    waiting: BTreeMap<RecordId, (Verified, Awaits, Option<u64>)>,
    by_cause: BTreeMap<Awaits, BTreeSet<RecordId>>,
}

impl Orphans {
    /// Keeps a record that waits. `source` is the peer that sent it.
    pub fn insert(&mut self, record: Verified, awaits: Awaits, source: Option<u64>) {
        let id = record.id();
        if self.waiting.contains_key(&id) {
            return;
        }
        let queue = self.by_source.entry(source).or_default();
        queue.ids.push_back(id);
        queue.bytes += record.encoded_len();
        self.waiting.insert(id, (record, awaits, source));
        self.by_cause.entry(awaits).or_default().insert(id);
        while let Some(oldest) = self.surplus(source) {
            self.forget(&oldest);
        }
    }

    /// Takes the oldest orphan out of a source's queue, if that is too long.
    fn surplus(&mut self, source: Option<u64>) -> Option<RecordId> {
        let queue = self.by_source.get_mut(&source)?;
        if queue.ids.len() <= ORPHANS_PER_PEER_MAX && queue.bytes <= ORPHAN_BYTES_PER_PEER_MAX {
            return None;
        }
        let oldest = queue.ids.pop_front()?;
        let length = self.waiting.get(&oldest).map(|(it, ..)| it.encoded_len());
        queue.bytes -= length.unwrap_or(0);
        Some(oldest)
    }

    /// The record, if it waits.
    #[must_use]
    pub fn get(&self, id: &RecordId) -> Option<&Verified> {
        self.waiting.get(id).map(|(record, _, _)| record)
    }

    /// Whether the record waits.
    #[must_use]
    pub fn contains(&self, id: &RecordId) -> bool {
        self.waiting.contains_key(id)
    }

    /// Takes out all orphans that wait for this, to be checked again.
    pub fn take(&mut self, awaits: Awaits) -> Vec<(Verified, Option<u64>)> {
        let ids = self.by_cause.remove(&awaits).unwrap_or_default();
        let taken: Vec<(Verified, Option<u64>)> = ids
            .iter()
            .filter_map(|id| self.waiting.remove(id))
            .map(|(record, _, source)| (record, source))
            .collect();
        // Each queue once, however many orphans leave it.
        let sources: BTreeSet<Option<u64>> = taken.iter().map(|(_, source)| *source).collect();
        for source in sources {
            if let Some(queue) = self.by_source.get_mut(&source) {
                queue.ids.retain(|queued| self.waiting.contains_key(queued));
                let left = queue.ids.iter().filter_map(|id| self.waiting.get(id));
                queue.bytes = left.map(|(record, ..)| record.encoded_len()).sum();
                if queue.ids.is_empty() {
                    self.by_source.remove(&source);
                }
            }
        }
        taken
    }

    /// Forgets the orphans of this source.
    pub fn forget_source(&mut self, source: u64) {
        let queue = self.by_source.remove(&Some(source)).unwrap_or_default();
        for id in queue.ids {
            self.forget(&id);
        }
    }

    fn forget(&mut self, id: &RecordId) {
        if let Some((_, awaits, _)) = self.waiting.remove(id) {
            remove_from(&mut self.by_cause, &awaits, id);
        }
    }

    /// The number of orphans.
    #[must_use]
    pub fn len(&self) -> usize {
        self.waiting.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::{Commitment, NetworkId, Salt};
    use crate::base::identity::Identity;
    use crate::statement::record::sign;

    fn commit(operation: u8, value: u8) -> Verified {
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

    #[test]
    fn orphans_are_bounded_and_the_oldest_go_first() {
        let mut orphans = Orphans::default();
        let oldest = commit(0, 0);
        let awaits = Awaits::Operation(OperationId::from_bytes([1; 32]));
        for round in 0..5_u8 {
            for value in 0..=u8::MAX {
                orphans.insert(commit(round, value), awaits, Some(7));
            }
        }
        assert_eq!(orphans.len(), ORPHANS_PER_PEER_MAX);
        assert!(!orphans.contains(&oldest.id()));
        assert_eq!(orphans.take(awaits).len(), ORPHANS_PER_PEER_MAX);
        assert!(orphans.is_empty());
    }

    #[test]
    fn long_orphans_are_bounded_by_their_bytes() {
        let mut orphans = Orphans::default();
        let long = |n: u64| {
            let statement = Statement::Reveal {
                operation: OperationId::from_bytes([1; 32]),
                ballot: Ballot::Result([n.to_le_bytes().to_vec(), vec![7; 30_000]].concat()),
                salt: Salt::from_bytes([0; 32]),
            };
            let ada = Identity::from_seed_label("ada");
            sign(&ada, NetworkId::default(), statement).unwrap()
        };
        let causes = [1, 2].map(|byte| Awaits::Operation(OperationId::from_bytes([byte; 32])));
        for n in 0..100_u64 {
            let cause = causes[usize::from(n % 2 == 1)];
            orphans.insert(long(n), cause, Some(7));
            orphans.insert(long(1000 + n), cause, Some(8));
        }
        let each = ORPHAN_BYTES_PER_PEER_MAX / long(0).encoded_len();
        assert_eq!(orphans.len(), 2 * each, "of both peers");
        // The removal made room.
        let taken = orphans.take(causes[0]).len();
        for n in 100..100 + taken as u64 / 2 {
            orphans.insert(long(n), causes[1], Some(7));
        }
        assert_eq!(orphans.len(), 2 * each - taken / 2 * 2 + taken / 2);
        orphans.forget_source(7);
        orphans.forget_source(8);
        assert!(orphans.is_empty());
    }
}
