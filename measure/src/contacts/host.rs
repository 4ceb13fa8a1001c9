//! A node that people carry about: a core, its disk, its clock and its patience.

use std::collections::BTreeMap;
use std::sync::Arc;

use mycnet_consensus::core::Core;
use mycnet_consensus::internals::digest::OperationId;
use mycnet_consensus::internals::genesis::Genesis;
use mycnet_consensus::internals::identity::{Identity, Signer as _};
use mycnet_consensus::internals::operation::Ballot;
use mycnet_consensus::internals::patience::{Advice, Patience};
use mycnet_consensus::internals::rejection::Rejection;
use mycnet_consensus::internals::sim::{Disk, remember_verdicts};

pub(super) struct Host {
    pub(super) core: Core,
    pub(super) disk: Disk,
    pub(super) patience: Patience,
    /// Its clock minus the true time.
    skew_ms: i64,
    /// The ballots of its person for operations that it has not heard of yet.
    pub(super) ballots: BTreeMap<OperationId, Ballot>,
    /// Whether it had an input since it last looked at what it waits for.
    pub(super) is_touched: bool,
    /// Whether it had an input since its person last looked for operations to vote on.
    pub(super) may_know_more: bool,
    /// Whether it had an input since its tallies were last noted.
    pub(super) may_tally_more: bool,
    /// The true time of its next call.
    pub(super) due_ms: Option<u64>,
}

impl Host {
    pub(super) fn new(
        genesis: &Genesis,
        identity: Identity,
        skew_ms: i64,
        now_ms: u64,
    ) -> Result<Self, Rejection> {
        remember_verdicts();
        let clock = now_ms.saturating_add_signed(skew_ms);
        Ok(Self {
            patience: Patience::new(identity.node_id(), &genesis.params, clock),
            core: Core::new(genesis, Arc::new(identity))?,
            disk: Disk::default(),
            skew_ms,
            ballots: BTreeMap::new(),
            is_touched: true,
            may_know_more: true,
            may_tally_more: true,
            due_ms: None,
        })
    }

    /// Its core, ready for an input, and the time on its clock.
    pub(super) fn woken(&mut self, now_ms: u64) -> (&mut Core, u64) {
        let clock = self.clock(now_ms);
        (self.is_touched, self.may_know_more, self.may_tally_more) = (true, true, true);
        self.core.set_timing(self.patience.timing(clock));
        (&mut self.core, clock)
    }

    /// The time on its clock.
    fn clock(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add_signed(self.skew_ms)
    }

    /// Looks at what it waits for, and plans its next call. Returns what to tell its core.
    pub(super) fn look(&mut self, now_ms: u64) -> Advice {
        let clock = self.clock(now_ms);
        let sealers = self.core.ledger().state().sealers().clone();
        let advice = self.patience.look(&self.core.waiting(), &sealers, clock);
        let due = self.core.next_due_ms().into_iter();
        let due = due
            .chain(self.patience.due_ms())
            .filter(|due_ms| *due_ms > clock);
        self.due_ms = due
            .min()
            .map(|due_ms| due_ms.saturating_add_signed(-self.skew_ms));
        advice
    }
}
