//! Orphans: verified records that refer to a proposal, phase or seal that this node lacks, and wait for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::pool::remove_from;
use crate::base::digest::{OperationId, RecordId};
use crate::base::limits::{ORPHAN_BYTES_PER_PEER_MAX, ORPHANS_PER_PEER_MAX};
use crate::statement::record::Verified;

/// The event that an orphan waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Awaits {
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
pub(super) struct Orphans {
    by_source: BTreeMap<Option<u64>, Queue>,
    waiting: BTreeMap<RecordId, (Verified, Awaits, Option<u64>)>,
    by_cause: BTreeMap<Awaits, BTreeSet<RecordId>>,
}

impl Orphans {
    /// Keeps a record that waits. `source` is the peer that sent it.
    pub(super) fn insert(&mut self, record: Verified, awaits: Awaits, source: Option<u64>) {
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

    /// Takes the oldest orphan out of a source's queue, if the queue is too long.
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
    pub(super) fn get(&self, id: &RecordId) -> Option<&Verified> {
        self.waiting.get(id).map(|(record, _, _)| record)
    }

    /// Whether the record waits.
    pub(super) fn contains(&self, id: &RecordId) -> bool {
        self.waiting.contains_key(id)
    }

    /// Takes out all orphans that wait for this event, to be checked again.
    pub(super) fn take(&mut self, awaits: Awaits) -> Vec<(Verified, Option<u64>)> {
        let ids = self.by_cause.remove(&awaits).unwrap_or_default();
        let taken: Vec<(Verified, Option<u64>)> = ids
            .iter()
            .filter_map(|id| self.waiting.remove(id))
            .map(|(record, _, source)| (record, source))
            .collect();
        // Each queue is updated once, however many orphans leave it.
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
    pub(super) fn forget_source(&mut self, source: u64) {
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::{NetworkId, Salt};
    use crate::base::identity::Identity;
    use crate::core::pool::tests::commit;
    use crate::statement::operation::Ballot;
    use crate::statement::record::{Statement, sign};

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
        assert_eq!(orphans.waiting.len(), ORPHANS_PER_PEER_MAX);
        assert!(!orphans.contains(&oldest.id()));
        assert_eq!(orphans.take(awaits).len(), ORPHANS_PER_PEER_MAX);
        assert!(orphans.waiting.is_empty());
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
        assert_eq!(orphans.waiting.len(), 2 * each, "of both peers");
        // The removal made room.
        let taken = orphans.take(causes[0]).len();
        for n in 100..100 + taken as u64 / 2 {
            orphans.insert(long(n), causes[1], Some(7));
        }
        assert_eq!(orphans.waiting.len(), 2 * each - taken / 2 * 2 + taken / 2);
        orphans.forget_source(7);
        orphans.forget_source(8);
        assert!(orphans.waiting.is_empty());
    }
}
