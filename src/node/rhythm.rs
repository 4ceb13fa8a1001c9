//! What a node does because time passes.

use std::collections::BTreeMap;

use crate::core::{Core, Input, Pace, PeerId};
use crate::digest::NodeId;
use crate::pace::Patience;
use crate::params::Params;

/// How often what is held is compared with a peer, if nothing else gives cause: it repairs whatever was lost.
const SYNC_EVERY_MS: u64 = 15_000;

/// How soon it is compared after a seal: who was behind has the seal then, but not yet the votes on the next one. Seals
/// that follow one another faster share a comparison.
const SYNC_AFTER_SEAL_MS: u64 = 1_000;

/// A peer that was asked something and says nothing at all for this long is dialled anew. Long, because a window of blocks
/// may be on its way over a slow line; whether packets still arrive the transport finds out much sooner.
const SILENCE_MS: u64 = 120_000;

struct Met {
    author: NodeId,
    sync_at_ms: u64,
    /// When it was asked first what it did not answer yet.
    asked_at_ms: Option<u64>,
}

/// A node's timers. All times are the host's, milliseconds since 1970.
pub(super) struct Rhythm {
    patience: Patience,
    peers: BTreeMap<PeerId, Met>,
    tick_at_ms: Option<u64>,
}

impl Rhythm {
    pub(super) fn new(me: NodeId, params: &Params, now_ms: u64) -> Self {
        Self {
            patience: Patience::impatient(me, params, now_ms),
            peers: BTreeMap::new(),
            tick_at_ms: Some(now_ms),
        }
    }

    pub(super) fn peer_up(&mut self, peer: PeerId, author: NodeId, now_ms: u64) {
        self.patience.met(author);
        // The core compares by itself when a peer comes up.
        let met = Met {
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
        // A newer connection of the same author may have taken its place.
        if self.peers.values().all(|met| met.author != gone.author) {
            self.patience.parted(gone.author);
        }
    }

    /// Who is behind a connection.
    pub(super) fn author(&self, peer: PeerId) -> Option<NodeId> {
        self.peers.get(&peer).map(|met| met.author)
    }

    /// A peer said something.
    pub(super) fn answered(&mut self, peer: PeerId) {
        if let Some(met) = self.peers.get_mut(&peer) {
            met.asked_at_ms = None;
        }
    }

    /// A record of this author came that was not known.
    pub(super) fn heard(&mut self, author: NodeId) {
        self.patience.heard(author);
    }

    pub(super) fn set_params(&mut self, params: &Params) {
        self.patience.set_params(params);
    }

    /// The height grew.
    pub(super) fn grew(&mut self, now_ms: u64) {
        for met in self.peers.values_mut() {
            met.sync_at_ms = met.sync_at_ms.min(now_ms + SYNC_AFTER_SEAL_MS);
        }
    }

    pub(super) fn pace(&self, now_ms: u64) -> Pace {
        self.patience.pace(now_ms)
    }

    /// What is due now, beside giving up.
    pub(super) fn take_due(&mut self, now_ms: u64) -> Vec<Input> {
        let mut due = Vec::new();
        if self.tick_at_ms.is_some_and(|at_ms| at_ms <= now_ms) {
            self.tick_at_ms = None;
            due.push(Input::Tick);
        }
        for (peer, met) in &mut self.peers {
            // A clock that was set back must not put it off for ever.
            if met.sync_at_ms <= now_ms || met.sync_at_ms > now_ms + 2 * SYNC_EVERY_MS {
                met.sync_at_ms = now_ms + SYNC_EVERY_MS;
                met.asked_at_ms.get_or_insert(now_ms);
                due.push(Input::Sync(*peer));
            }
        }
        due
    }

    /// Whether to stop waiting in the present step of the agreement.
    pub(super) fn gives_up(&mut self, core: &Core, now_ms: u64) -> bool {
        let sealers = core.ledger().state().sealers();
        let gives_up = self.patience.look(&core.waiting(), sealers, now_ms);
        if gives_up {
            self.patience.nudged();
            // What the others lack may be what this node waited for them to answer.
            for met in self.peers.values_mut() {
                met.sync_at_ms = now_ms;
            }
        }
        gives_up
    }

    /// Notes when the core wants to be called again.
    pub(super) fn settle(&mut self, core: &Core) {
        self.tick_at_ms = core.next_due_ms();
    }

    /// Peers that are too long silent. Each is named once.
    pub(super) fn take_silent(&mut self, now_ms: u64) -> Vec<PeerId> {
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

    /// When there is something to do although nothing comes.
    pub(super) fn due_ms(&self) -> Option<u64> {
        let syncs = self.peers.values().map(|met| met.sync_at_ms);
        let steps = self.tick_at_ms.into_iter().chain(self.patience.due_ms());
        syncs.chain(steps).min()
    }
}
