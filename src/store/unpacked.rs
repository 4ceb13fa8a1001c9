//! What queries unpacked last. Whoever asks for one closed operation after the other, in the order of heights, unpacks each group
//! once and reads what closed at a height once.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use super::groups::Group;
use super::lock;
use crate::base::digest::OperationId;
use crate::decision::open::StoredOperation;

/// Unpacked bytes that are kept, unless a single group is longer.
const UNPACKED_BYTES_MAX: usize = 2 * 1024 * 1024;

/// The operations that closed at a height.
pub(super) type ClosedRows = BTreeMap<OperationId, StoredOperation>;

/// Groups by first height, the one used last at the end; and what closed at the height that was asked for last. Neither changes
/// once it is written.
#[derive(Debug, Default)]
pub(super) struct Unpacked {
    groups: Mutex<VecDeque<Arc<Group>>>,
    closed: Mutex<Option<(u64, Arc<ClosedRows>)>>,
}

impl Unpacked {
    pub(super) fn group(&self, first: u64) -> Option<Arc<Group>> {
        let mut groups = lock(&self.groups);
        let at = groups.iter().position(|group| group.first == first)?;
        let group = groups.remove(at)?;
        groups.push_back(group.clone());
        Some(group)
    }

    pub(super) fn keep_group(&self, group: Arc<Group>) {
        let mut groups = lock(&self.groups);
        groups.retain(|kept| kept.first != group.first);
        groups.push_back(group);
        let mut bytes: usize = groups.iter().map(|group| group.bytes()).sum();
        while bytes > UNPACKED_BYTES_MAX
            && groups.len() > 1
            && let Some(oldest) = groups.pop_front()
        {
            bytes -= oldest.bytes();
        }
    }

    pub(super) fn closed(&self, height: u64) -> Option<Arc<ClosedRows>> {
        let closed = lock(&self.closed);
        let (at, rows) = closed.as_ref()?;
        (*at == height).then(|| rows.clone())
    }

    pub(super) fn keep_closed(&self, height: u64, rows: Arc<ClosedRows>) {
        *lock(&self.closed) = Some((height, rows));
    }

    /// Forgets everything, so that the disk is read again.
    pub(super) fn clear(&self) {
        lock(&self.groups).clear();
        *lock(&self.closed) = None;
    }
}
