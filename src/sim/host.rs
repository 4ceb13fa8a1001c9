//! A host: a core, its disk, its clock and the person behind it.

use std::sync::Arc;

use crate::base::digest::{NodeId, SealId};
use crate::base::identity::{Identity, Signer as _};
use crate::base::rejection::Rejection;
use crate::core::{Core, Timing};
use crate::ledger::Mode;
use crate::sim::actors::{Actor, ActorKind};
use crate::sim::disk::Disk;
use crate::sim::people::{Person, identity};
use crate::sim::plan::{HostPlan, START_MS};
use crate::statement::genesis::Genesis;

/// How long a host waits in a step at first, milliseconds. After each vain wait it waits half as long again.
pub(super) const PATIENCE_MS: u64 = 350;
const PATIENCE_MS_MAX: u64 = 3000;

/// A host.
pub(super) struct Host {
    pub(super) node: NodeId,
    pub(super) identity: Arc<Identity>,
    /// `None` while it is down.
    pub(super) core: Option<Core>,
    pub(super) disk: Disk,
    pub(super) kind: Option<ActorKind>,
    pub(super) actor: Option<Box<dyn Actor>>,
    pub(super) person: Person,
    /// Whether a crash interrupts its next outputs.
    pub(super) is_doomed: bool,
    /// Whether it has ever lost its journal.
    pub(super) lost_journal: bool,
    skew_ms: i64,
    patience_ms: u64,
    height_seen: u64,
    pub(super) tick_ms: Option<u64>,
}

impl Host {
    pub(super) fn new(
        plan: &HostPlan,
        genesis: &Genesis,
        gather_ms: u64,
        now_ms: u64,
    ) -> Result<Self, Rejection> {
        let identity = Arc::new(identity(plan.person));
        let mut host = Self {
            node: identity.node_id(),
            identity,
            core: None,
            disk: Disk::new(genesis),
            kind: plan.actor,
            actor: None,
            person: Person::default(),
            is_doomed: false,
            lost_journal: false,
            skew_ms: plan.skew_ms,
            patience_ms: PATIENCE_MS,
            height_seen: 0,
            tick_ms: None,
        };
        host.start(genesis, gather_ms, now_ms)?;
        Ok(host)
    }

    /// Starts a core from what the disk holds, at a true time.
    pub(super) fn start(
        &mut self,
        genesis: &Genesis,
        gather_ms: u64,
        now_ms: u64,
    ) -> Result<(), Rejection> {
        self.disk.stop();
        let signer = self.identity.clone();
        let (mut core, from) = match self.disk.base() {
            None => (Core::new(genesis, signer)?, 0),
            Some((base, height)) => (Core::resume(genesis, signer, base)?, height),
        };
        let timing = Timing::of(&genesis.params);
        // Half of the hosts behave as if they were carried about: they join at once, and hold what is worth no seal.
        let is_carried = self.node.as_bytes()[0].is_multiple_of(2);
        core.set_timing(Timing {
            gather_ms,
            join_ms: if is_carried { 0 } else { timing.join_ms },
            holds: is_carried,
            ..timing
        });
        core.restore(
            self.disk.saved.clone(),
            self.disk.blocks[from..]
                .iter()
                .map(|block| block.as_ref().clone()),
            self.clock(now_ms),
        )?;
        self.core = Some(core);
        self.patience_ms = PATIENCE_MS;
        self.tick_ms = None;
        Ok(())
    }

    pub(super) fn is_honest(&self) -> bool {
        self.kind.is_none()
    }

    /// The time on its clock at a true time.
    pub(super) fn clock(&self, now_ms: u64) -> u64 {
        now_ms.saturating_add_signed(self.skew_ms).max(START_MS)
    }

    /// The true time at which its clock shows `clock_ms`.
    pub(super) fn true_time(&self, clock_ms: u64) -> u64 {
        clock_ms.saturating_add_signed(-self.skew_ms)
    }

    pub(super) fn height(&self) -> u64 {
        let core = self.core.as_ref();
        core.map_or(0, |core| core.ledger().state().height())
    }

    /// Its last seal.
    pub(super) fn seal(&self) -> Option<SealId> {
        let core = self.core.as_ref()?;
        Some(core.ledger().state().seal())
    }

    /// Whether the host gives up waiting in its step, and how long it waits next.
    pub(super) fn lose_patience(&mut self) -> (bool, u64) {
        let height = self.height();
        let is_stuck = height == self.height_seen;
        self.height_seen = height;
        self.patience_ms = if is_stuck {
            (self.patience_ms * 3 / 2).min(PATIENCE_MS_MAX)
        } else {
            PATIENCE_MS
        };
        (is_stuck, self.patience_ms)
    }

    /// Whether nothing is left to do: no open operation, and no record that a seal would take.
    pub(super) fn is_settled(&self) -> bool {
        self.core.as_ref().is_some_and(|core| {
            let ledger = core.ledger();
            let state = ledger.state();
            if state.operations().next().is_some() {
                return false;
            }
            let pool = core.pool().iter().map(|pooled| pooled.record.clone());
            ledger
                .draft(0, state.time_ms() + 1, pool.collect(), Mode::Lenient)
                .is_ok_and(|(draft, _)| draft.records.is_empty())
        })
    }
}
