//! Compares the unsealed records of two peers ([N3]).
//!
//! The host starts it ([`Input::Sync`](crate::core::Input::Sync), or a new peer). The initiator learns from the answers which
//! records only one of both holds, sends those that the peer lacks, and asks for those that it lacks itself. The answering node
//! keeps no state about it. A lost message ends the comparison; the next one starts again.

use std::collections::VecDeque;

use serde_bytes::ByteBuf;

use super::super::{Core, PeerId};
use super::blocks::Served;
use super::place;
use super::relaying::Offers;
use crate::base::digest::{RecordId, SealId};
use crate::base::limits::{AGAIN_MS, OFFERS_MAX, RECONCILE_ROUNDS_MAX, WANT_IDS_MAX};
use crate::base::rejection::Rejection;
use crate::core::reconciliation::Snapshot;
use crate::exchange::message::Message;
use crate::finality::Agreement;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The state about a peer while it is connected.
#[derive(Default)]
pub(in crate::core) struct Link {
    /// The height that it stated last.
    pub(super) height: u64,
    /// The height from which blocks were asked for ahead, before the last ones were applied.
    pub(super) asked_ahead: Option<u64>,
    /// The blocks that it was served last.
    pub(super) served: Served,
    /// The height up to which its blocks are examined, to find where its branch parted from this node's.
    pub(super) look_until: u64,
    /// The number of the last comparison begun with it.
    number: u32,
    comparison: Option<Comparison>,
    /// When it may be asked again for listed records, if it starts a comparison.
    ask_again_ms: u64,
    /// Records that it lacks, to be offered when it has those that it asked for.
    later: VecDeque<RecordId>,
    /// What is passed on to it by id.
    pub(super) offers: Offers,
}

/// A comparison that this node began; it waits for an answer.
struct Comparison {
    round: u32,
    /// The common height.
    height: u64,
    /// The first message and its time.
    opening: Vec<u8>,
    began_ms: u64,
    /// Whether a comparison that the peer began at the same time was left unanswered.
    is_preferred: bool,
    /// Whether the peer holds something that this node lacked.
    lacks: bool,
}

/// A snapshot of the held records, shared between peers until they change.
pub(in crate::core) struct CachedSnapshot {
    /// Height, revision of the pool and of the agreements: the snapshot is valid as long as these stay.
    as_of: (u64, u64, u64),
    snapshot: Snapshot,
}

impl Core {
    /// Starts a comparison with a peer, and ends a running one.
    pub(in crate::core) fn greet(&mut self, to: PeerId) {
        self.keep_promises();
        let ranges = self.snapshot().open();
        let link = self.links.entry(to).or_default();
        link.number = link.number.wrapping_add(1);
        link.later.clear();
        link.ask_again_ms = self.now_ms + AGAIN_MS;
        link.comparison = Some(Comparison {
            round: 0,
            height: self.ledger.state().height(),
            opening: ranges.clone(),
            began_ms: self.now_ms,
            is_preferred: false,
            lacks: false,
        });
        let number = link.number;
        self.offer_endorsements(to);
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

    /// A snapshot of the records to compare. Takes a pass over them if they changed since the last call.
    fn snapshot(&mut self) -> &Snapshot {
        // At one height no revision goes back, so their sum stays only if each does.
        let agreements = self.compared_heights().chain([&self.agreement]);
        let agreements = agreements.map(Agreement::revision).sum();
        let as_of = (
            self.ledger.state().height(),
            self.pool.revision(),
            agreements,
        );
        let kept = self.snapshot.take().filter(|held| held.as_of == as_of);
        let held = kept.unwrap_or_else(|| CachedSnapshot {
            as_of,
            snapshot: Snapshot::new(self.compared().map(place)),
        });
        &self.snapshot.insert(held).snapshot
    }

    /// Answers a comparison of a peer with the same last seal.
    pub(super) fn answer_comparison(
        &mut self,
        from: PeerId,
        (height, seal): (u64, SealId),
        (session, round): (u32, u32),
        ranges: &[u8],
    ) {
        let state = self.ledger.state();
        if (height, seal) != (state.height(), state.seal()) {
            return self.compare_status(from, (height, seal), round == 0);
        }
        if let Some(link) = self.links.get_mut(&from) {
            link.height = height;
            if round == 0 && link.is_preferred_to(ranges, height, self.now_ms) {
                return;
            }
        }
        if round == 0 && self.snapshot().open() == ranges {
            self.note_shown(from);
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
            Err(rejection) => return self.blame(from, rejection),
        }
        let now_ms = self.now_ms;
        if let Some(link) = self.links.get_mut(&from)
            && round == 0
            && link.ask_again_ms <= now_ms
        {
            link.ask_again_ms = now_ms + AGAIN_MS;
            self.ask_listed(from);
        }
    }

    /// Takes the answer to this node's last message, and continues while differing ranges are left. Other answers are late
    /// ones.
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
            Err(rejection) => return self.blame(from, rejection),
        };
        comparison.lacks |= !narrowed.need.is_empty();
        self.ask(from, narrowed.need, false);
        self.give(from, narrowed.have);
        let Some(query) = narrowed.query else {
            if !comparison.lacks {
                self.note_shown(from);
            }
            return;
        };
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
    /// Ends a comparison, because the peer has another last seal.
    pub(super) fn end_comparison(&mut self) {
        self.comparison = None;
    }

    /// Keeps ids to be offered later.
    pub(super) fn offer_later(&mut self, ids: &[RecordId]) {
        let room = OFFERS_MAX.saturating_sub(self.later.len());
        self.later.extend(ids.iter().take(room));
    }

    /// The next ids to offer.
    pub(super) fn next_offer(&mut self) -> Vec<RecordId> {
        let next = WANT_IDS_MAX.min(self.later.len());
        self.later.drain(..next).collect()
    }

    /// Whether the peer's opening crossed one of this node's that takes precedence, as one comparison is enough. Both
    /// sides decide alike, by the bytes. Equal openings are both answered, at little cost. The precedence counts only
    /// once and for a short time: if this node's opening was lost, the peer's next opening is answered.
    fn is_preferred_to(&mut self, opening: &[u8], height: u64, now_ms: u64) -> bool {
        let is_new = |own: &&mut Comparison| {
            let is_recent = now_ms < own.began_ms + AGAIN_MS;
            own.round == 0 && own.height == height && is_recent
        };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_offered_later_is_bounded_and_comes_in_order() {
        let ids: Vec<RecordId> = (0..=u8::MAX)
            .map(|n| RecordId::from_bytes([n; 32]))
            .cycle()
            .take(OFFERS_MAX + 1)
            .collect();
        let mut link = Link::default();
        link.offer_later(&ids[..10]);
        link.offer_later(&ids[10..]);
        link.offer_later(&ids);
        let mut offered = Vec::new();
        for _ in 0..OFFERS_MAX / WANT_IDS_MAX {
            offered.extend(link.next_offer());
        }
        assert_eq!(offered, ids[..OFFERS_MAX]);
        assert!(link.next_offer().is_empty());
    }

    #[test]
    fn of_two_openings_that_cross_the_larger_goes_on() {
        let comparison = |began_ms, round| Comparison {
            round,
            height: 5,
            opening: vec![3],
            began_ms,
            is_preferred: false,
            lacks: false,
        };
        // The opening that arrives, its height, the time; whether it is left unanswered, and whether the own comparison
        // continues.
        let cases: [(&str, u32, u8, u64, u64, bool, bool); 7] = [
            ("a smaller one", 0, 2, 5, 0, true, true),
            ("an equal one", 0, 3, 5, 0, false, true),
            ("a larger one", 0, 4, 5, 0, false, false),
            ("at another height", 0, 2, 6, 0, false, true),
            ("just in time", 0, 2, 5, AGAIN_MS - 1, true, true),
            ("much later", 0, 2, 5, AGAIN_MS, false, true),
            ("when the own one was answered", 1, 2, 5, 0, false, true),
        ];
        for (name, round, opening, height, now_ms, is_ignored, goes_on) in cases {
            let mut link = Link {
                comparison: Some(comparison(0, round)),
                ..Link::default()
            };
            assert_eq!(
                link.is_preferred_to(&[opening], height, now_ms),
                is_ignored,
                "{name}"
            );
            assert_eq!(link.comparison.is_some(), goes_on, "{name}");
            assert!(
                !link.is_preferred_to(&[opening], height, now_ms),
                "{name}: once only"
            );
        }
    }
}
