//! The tasks that a node does at certain times.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::base::digest::NodeId;
use crate::core::patience::{Advice, Patience};
use crate::core::{Core, Input, PeerId, Timing};
use crate::statement::params::Params;

/// Regular comparison with each peer, which repairs every loss.
const SYNC_EVERY_MS: u64 = 15_000;

/// Comparison after a seal: a peer that was behind has the seal by then, but not yet the votes on the next one. Seals in
/// quick succession share one comparison.
const SYNC_AFTER_SEAL_MS: u64 = 1_000;

/// A peer that was asked and is silent for this long is dialled again. Long, because a window of blocks may be on its way
/// over a slow line. The transport notices a dead connection much sooner.
const SILENCE_MS: u64 = 120_000;

struct PeerTimers {
    author: NodeId,
    /// Milliseconds since the node's start.
    sync_at_ms: u64,
    /// The time of the first question without an answer.
    asked_at_ms: Option<u64>,
}

/// A node's timers. They count from its start, because the host's clock may be set back by years. Only the core's own due
/// time is in the host's time.
pub(super) struct Timers {
    began: Instant,
    patience: Patience,
    peers: BTreeMap<PeerId, PeerTimers>,
    /// Milliseconds since 1970.
    tick_at_ms: Option<u64>,
}

impl Timers {
    pub(super) fn new(me: NodeId, params: &Params, now_ms: u64) -> Self {
        Self {
            began: Instant::now(),
            patience: Patience::impatient(me, params, 0),
            peers: BTreeMap::new(),
            tick_at_ms: Some(now_ms),
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    pub(super) fn peer_up(&mut self, peer: PeerId, author: NodeId) {
        let now_ms = self.now_ms();
        self.patience.met(author);
        // The core compares at `PeerUp` by itself.
        let met = PeerTimers {
            author,
            sync_at_ms: now_ms + SYNC_EVERY_MS,
            asked_at_ms: Some(now_ms),
        };
        self.peers.insert(peer, met);
    }

    pub(super) fn peer_down(&mut self, peer: PeerId) {
        let Some(gone) = self.peers.remove(&peer) else {
            return;
        };
        // A newer connection of the same author may have replaced it.
        if self.peers.values().all(|met| met.author != gone.author) {
            self.patience.parted(gone.author);
        }
    }

    /// The author of a connection.
    pub(super) fn author(&self, peer: PeerId) -> Option<NodeId> {
        self.peers.get(&peer).map(|met| met.author)
    }

    /// A message arrived.
    pub(super) fn answered(&mut self, peer: PeerId) {
        if let Some(met) = self.peers.get_mut(&peer) {
            met.asked_at_ms = None;
        }
    }

    /// A new record of this author arrived.
    pub(super) fn heard(&mut self, author: NodeId) {
        self.patience.heard(author);
    }

    pub(super) fn set_params(&mut self, params: &Params) {
        self.patience.set_params(params);
    }

    /// A seal was applied.
    pub(super) fn grew(&mut self) {
        let now_ms = self.now_ms();
        for met in self.peers.values_mut() {
            met.sync_at_ms = met.sync_at_ms.min(now_ms + SYNC_AFTER_SEAL_MS);
        }
    }

    pub(super) fn timing(&self) -> Timing {
        self.patience.timing(self.now_ms())
    }

    /// The inputs due at this time of the host, except `Nudge` and `Lead`.
    pub(super) fn take_due(&mut self, host_ms: u64) -> Vec<Input> {
        let now_ms = self.now_ms();
        let mut due = Vec::new();
        if self.tick_at_ms.is_some_and(|at_ms| at_ms <= host_ms) {
            self.tick_at_ms = None;
            due.push(Input::Tick);
        }
        for (peer, met) in &mut self.peers {
            if met.sync_at_ms <= now_ms {
                met.sync_at_ms = now_ms + SYNC_EVERY_MS;
                met.asked_at_ms.get_or_insert(now_ms);
                due.push(Input::Sync(*peer));
            }
        }
        due
    }

    /// What to tell the core about the present step of the agreement.
    pub(super) fn look(&mut self, core: &Core) -> Advice {
        let now_ms = self.now_ms();
        let sealers = core.ledger().state().sealers();
        let advice = self.patience.look(&core.waiting(), sealers, now_ms);
        if advice == Advice::GiveUp {
            self.patience.nudged();
            // Other nodes may lack the records to which this node awaits their answers.
            for met in self.peers.values_mut() {
                met.sync_at_ms = now_ms;
            }
        }
        advice
    }

    /// Records when the core is due next.
    pub(super) fn settle(&mut self, core: &Core) {
        self.tick_at_ms = core.next_due_ms();
    }

    /// Peers that were silent for too long. Each is returned once.
    pub(super) fn take_silent(&mut self) -> Vec<PeerId> {
        let now_ms = self.now_ms();
        let mut silent = Vec::new();
        for (peer, met) in &mut self.peers {
            let is_silent = |asked_at_ms: u64| asked_at_ms + SILENCE_MS <= now_ms;
            if met.asked_at_ms.is_some_and(is_silent) {
                met.asked_at_ms = None;
                silent.push(*peer);
            }
        }
        silent
    }

    /// Time until something is due, if no input comes.
    pub(super) fn due_in(&self, host_ms: u64) -> Option<Duration> {
        let now_ms = self.now_ms();
        let syncs = self.peers.values().map(|met| met.sync_at_ms);
        let own = syncs.chain(self.patience.due_ms());
        let own = own.map(|at_ms| at_ms.saturating_sub(now_ms));
        let tick = self.tick_at_ms.map(|at_ms| at_ms.saturating_sub(host_ms));
        own.chain(tick).min().map(Duration::from_millis)
    }
}
