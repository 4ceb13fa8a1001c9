//! Comparing what two peers hold beside their seals.
//!
//! The host says when ([`Input::Sync`](crate::core::Input::Sync), or a peer appears). This node then begins, and learns from the
//! answers which records only one of both holds: it sends what the peer lacks, and asks for what it lacks itself. Who answers
//! keeps nothing about it. A lost message ends the comparison; the next one begins anew.

use serde_bytes::ByteBuf;

use super::super::{Core, PeerId};
use super::place;
use crate::digest::SealId;
use crate::limits::RECONCILE_ROUNDS_MAX;
use crate::message::Message;
use crate::reconciliation::Snapshot;
use crate::rejection::Rejection;

/// What is remembered about a peer while it is there.
#[derive(Default)]
pub(in crate::core) struct Link {
    /// The height that it stated last.
    pub(super) height: u64,
    /// From which height on it was served blocks last, and when.
    pub(super) served: Option<(u64, u64)>,
    /// Until which height its blocks are looked at to find where its branch parted from this node's.
    pub(super) look_until: u64,
    /// The number of the last comparison begun with it.
    number: u32,
    comparison: Option<Comparison>,
}

/// A comparison that this node began and whose next answer is awaited.
struct Comparison {
    round: u32,
    /// The height at which both stood.
    height: u64,
    /// What was said first.
    opening: Vec<u8>,
    /// Whether the peer began one at the same time and was left without an answer.
    is_preferred: bool,
}

/// A snapshot of what is held, shared between peers until that changes.
pub(in crate::core) struct Held {
    /// Height, revision of the pool, revision of the agreement: as long as all stay, the set does.
    as_of: (u64, u64, u64),
    snapshot: Snapshot,
}

impl Core {
    /// Begins to compare with a peer. Whatever was under way with it ends.
    pub(in crate::core) fn greet(&mut self, to: PeerId) {
        self.reveal_frozen();
        let ranges = self.snapshot().open();
        let link = self.links.entry(to).or_default();
        link.number = link.number.wrapping_add(1);
        link.comparison = Some(Comparison {
            round: 0,
            height: self.ledger.state().height(),
            opening: ranges.clone(),
            is_preferred: false,
        });
        let number = link.number;
        self.ask_listed(to);
        self.say_ranges(to, (number, 0), ranges);
    }

    fn say_ranges(&mut self, to: PeerId, (session, round): (u32, u32), ranges: Vec<u8>) {
        let state = self.ledger.state();
        let message = Message::Reconcile {
            height: state.height(),
            seal: state.seal(),
            session,
            round,
            ranges: ByteBuf::from(ranges),
        };
        self.send(to, message);
    }

    /// What is held now. Costs a pass over it if it changed since the last call.
    fn snapshot(&mut self) -> &Snapshot {
        let (pool, agreement) = (self.pool.revision(), self.agreement.revision());
        let as_of = (self.ledger.state().height(), pool, agreement);
        let kept = self.snapshot.take().filter(|held| held.as_of == as_of);
        let held = kept.unwrap_or_else(|| Held {
            as_of,
            snapshot: Snapshot::new(self.held().map(place)),
        });
        &self.snapshot.insert(held).snapshot
    }

    /// Answers a peer that compares, if it stands where this node does.
    pub(super) fn answer_comparison(
        &mut self,
        from: PeerId,
        (height, seal): (u64, SealId),
        (session, round): (u32, u32),
        ranges: &[u8],
    ) {
        let state = self.ledger.state();
        if (height, seal) != (state.height(), state.seal()) {
            return self.compare_status(from, height, seal);
        }
        if let Some(link) = self.links.get_mut(&from) {
            link.height = height;
            if round == 0 && link.is_preferred_to(ranges, height) {
                return;
            }
        }
        match self.snapshot().answer(ranges) {
            Ok(ranges) => {
                let message = Message::Reconciled {
                    session,
                    round,
                    ranges: ByteBuf::from(ranges),
                };
                self.send(from, message);
            }
            Err(rejection) => return self.refuse(from, rejection),
        }
        if round == 0 {
            self.ask_listed(from);
        }
    }

    /// Takes an answer to what this node said, and goes on while ranges are left that differ. Answers to anything else are
    /// late ones.
    pub(super) fn go_on_comparing(
        &mut self,
        from: PeerId,
        (session, round): (u32, u32),
        ranges: &[u8],
    ) {
        let height = self.ledger.state().height();
        let Some(link) = self.links.get_mut(&from) else {
            return;
        };
        let is_awaited =
            |comparison: &mut Comparison| (comparison.round, comparison.height) == (round, height);
        if link.number != session {
            return;
        }
        let Some(mut comparison) = link.comparison.take_if(is_awaited) else {
            return;
        };
        let narrowed = match self.snapshot().narrow(ranges) {
            Ok(narrowed) => narrowed,
            Err(rejection) => return self.refuse(from, rejection),
        };
        self.ask(from, narrowed.need);
        self.give(from, narrowed.have);
        let Some(query) = narrowed.query else { return };
        comparison.round += 1;
        if comparison.round >= RECONCILE_ROUNDS_MAX {
            let (what, limit) = ("rounds of a reconciliation", RECONCILE_ROUNDS_MAX as usize);
            return self.refuse(from, Rejection::OverLimit { what, limit });
        }
        let round = comparison.round;
        if let Some(link) = self.links.get_mut(&from) {
            link.comparison = Some(comparison);
        }
        self.say_ranges(from, (session, round), query);
    }
}

impl Link {
    /// Whether the peer's opening crossed one of this node's that takes precedence: comparing once is enough. Both sides
    /// decide alike, by the bytes. Equal openings are both answered, which costs next to nothing. Once only: if the own
    /// opening was lost, the peer's next one is answered.
    fn is_preferred_to(&mut self, opening: &[u8], height: u64) -> bool {
        let is_new = |own: &&mut Comparison| own.round == 0 && own.height == height;
        let Some(own) = self.comparison.as_mut().filter(is_new) else {
            return false;
        };
        if own.opening.as_slice() < opening {
            self.comparison = None;
            return false;
        }
        if own.is_preferred || own.opening == opening {
            return false;
        }
        own.is_preferred = true;
        true
    }
}
