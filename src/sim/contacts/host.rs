//! A node that people carry about: a core, its disk and clock, and when it nudges.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::core::Core;
use crate::digest::OperationId;
use crate::genesis::Genesis;
use crate::identity::Identity;
use crate::operation::Ballot;
use crate::pace::Patience;
use crate::rejection::Rejection;
use crate::sim::Disk;

pub(super) struct Host {
    pub(super) core: Core,
    pub(super) disk: Disk,
    pub(super) patience: Patience,
    /// Its clock minus the true time.
    skew_ms: i64,
    /// How its person votes on what it has not heard of yet.
    pub(super) ballots: BTreeMap<OperationId, Ballot>,
    /// Whether something happened to it that may have changed what it waits for.
    pub(super) is_touched: bool,
    /// When it wants to be called, by the true time.
    pub(super) due_ms: Option<u64>,
}

impl Host {
    pub(super) fn new(
        genesis: &Genesis,
        identity: Identity,
        patience: Patience,
        skew_ms: i64,
    ) -> Result<Self, Rejection> {
        Ok(Self {
            core: Core::new(genesis, Arc::new(identity))?,
            disk: Disk::default(),
            patience,
            skew_ms,
            ballots: BTreeMap::new(),
            is_touched: true,
            due_ms: None,
        })
    }

    /// What its clock shows.
    pub(super) fn clock(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add_signed(self.skew_ms)
    }

    /// Looks at where it stands, and plans when it has to be called without anything happening.
    pub(super) fn plan(&mut self, now_ms: u64) {
        let clock = self.clock(now_ms);
        self.patience.look(&self.core.waiting(), clock);
        let due = self.core.next_due_ms().filter(|due_ms| *due_ms > clock);
        let due = due.into_iter().chain(self.patience.due_ms()).min();
        // A call at the very moment that is due already comes a millisecond later.
        self.due_ms = due.map(|due| due.saturating_add_signed(-self.skew_ms).max(now_ms + 1));
    }
}
