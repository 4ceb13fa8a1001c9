//! How long a host waits in a step of the agreement on a seal before it gives up, if nodes meet only now and then.
//!
//! The core has no clock ([S3]): its host nudges it. In a mesh that is always connected a timer is enough. Where people carry the
//! nodes, time alone means little: a night passes without a meeting, and giving up in it gains nothing and costs the exchange
//! of another round. So time is counted in *sweeps*. A sweep ends when this node has been in contact, since its beginning, with
//! members that weigh a quorum together with it, and the longest step patience of the network's parameters has passed. In a
//! mesh a sweep is one step patience; at night, or far away, it lasts until people meet again.
//!
//! - *A proposal*: the host waits until `SWEEPS_WITHOUT_SIGN` sweeps passed without a sign of life of the round's proposer (a
//!   contact, or a new record of its own), or `SWEEPS_FOR_PROPOSAL` sweeps passed in the same step. The proposer itself does
//!   not give up.
//! - *Votes* that could still complete a quorum for a seal: the host waits one sweep.
//! - A hopeless step ([`Waiting::is_hopeless`]): the host does not wait, because the votes held leave no chance for a seal in
//!   this step.
//! - *Records that a proposer leaves out* count as censored after three times the longest of the latest sweeps, including the
//!   running one: a proposal made before a night does not know the statements made during it.
//!
//! Where all nodes are connected, the shortest length of a sweep decides how long a silent proposer delays the others.
//! [`Patience::impatient`] begins with a part of the longest step patience and doubles it with every round of a height, so that
//! steps become long enough for any network delay.
//!
//! A host also compares its records ([`crate::core::Input::Sync`]) with every peer in contact when its height grows: peers that
//! were behind have the seals then, but not yet the votes on the next one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::digest::NodeId;
use crate::core::{Timing, Waiting};
use crate::finality::Step;
use crate::members::sealers::Sealers;
use crate::statement::params::Params;
use crate::statement::seal::is_quorum;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Sweeps without a sign of life of the proposer after which the round is given up.
const SWEEPS_WITHOUT_SIGN: u64 = 2;

/// Sweeps after which a round is given up although its proposer is present: it may be faulty.
const SWEEPS_FOR_PROPOSAL: u64 = 4;

/// Sweeps remembered; the longest of them estimates how long a record takes to a proposer and back.
const SWEEPS_REMEMBERED: usize = 8;

/// A host's patience. It reads no clock: every call passes the time (milliseconds, never going back).
///
/// Call [`met`](Self::met), [`parted`](Self::parted) and [`heard`](Self::heard) when these things happen, and
/// [`look`](Self::look) after every input of the core and at [`due_ms`](Self::due_ms). If it returns true, nudge the core and
/// call [`nudged`](Self::nudged).
#[derive(Debug, Clone)]
pub struct Patience {
    me: NodeId,
    /// The greatest minimum length of a sweep.
    longest_ms: u64,
    /// The divisor of that length in round 0; the minimum doubles with every further round.
    part: u64,
    round: u32,
    in_contact: BTreeSet<NodeId>,
    /// The nodes in contact since the sweep began.
    swept: BTreeSet<NodeId>,
    began_ms: u64,
    /// The number of completed sweeps.
    sweeps: u64,
    /// The lengths of the latest sweeps.
    lengths: VecDeque<u64>,
    /// The sweep of each node's last sign of life.
    signs: BTreeMap<NodeId, u64>,
    /// The current step, and the number of completed sweeps when it began.
    step: Option<((u64, u32, Step), u64)>,
    due_ms: Option<u64>,
}

impl Patience {
    /// The patience of a node that starts now, with the longest step patience from the first round on: for nodes that people
    /// carry, for which a further round costs more than waiting.
    pub fn new(me: NodeId, params: &Params, now_ms: u64) -> Self {
        Self {
            me,
            longest_ms: params.step_patience_ms,
            part: 1,
            round: 0,
            in_contact: BTreeSet::new(),
            swept: BTreeSet::new(),
            began_ms: now_ms,
            sweeps: 0,
            lengths: VecDeque::new(),
            signs: BTreeMap::new(),
            step: None,
            due_ms: None,
        }
    }

    /// The patience of a node that starts now and is mostly connected: at first a tenth of the longest step patience.
    pub fn impatient(me: NodeId, params: &Params, now_ms: u64) -> Self {
        Self {
            part: 10,
            ..Self::new(me, params, now_ms)
        }
    }

    /// Takes over parameters that the network changed.
    pub fn set_params(&mut self, params: &Params) {
        self.longest_ms = params.step_patience_ms;
    }

    /// The minimum length of a sweep.
    fn least_ms(&self) -> u64 {
        let doubled = 1_u64.checked_shl(self.round).unwrap_or(u64::MAX);
        let least_ms = (self.longest_ms / self.part).saturating_mul(doubled);
        least_ms.clamp(1, self.longest_ms.max(1))
    }

    /// A node came into contact.
    pub fn met(&mut self, node: NodeId) {
        self.in_contact.insert(node);
        self.swept.insert(node);
        self.heard(node);
    }

    /// A node is out of contact.
    pub fn parted(&mut self, node: NodeId) {
        self.in_contact.remove(&node);
        self.heard(node);
    }

    /// A new record of this author arrived, so the author has met some node. Only a hint, as old records travel too.
    pub fn heard(&mut self, author: NodeId) {
        self.signs.insert(author, self.sweeps);
    }

    /// Whether to nudge the core now, given its state `waiting`.
    #[must_use]
    pub fn look(&mut self, waiting: &Waiting, sealers: &Sealers, now_ms: u64) -> bool {
        self.round = waiting.round;
        let next_ms = self.sweep(sealers, now_ms);
        if !waiting.wants {
            (self.step, self.due_ms) = (None, None);
            return false;
        }
        let step = (waiting.height, waiting.round, waiting.step);
        let began = match self.step {
            Some((known, began)) if known == step => began,
            _ => self.sweeps,
        };
        self.step = Some((step, began));
        let waited = self.sweeps - began;
        let gives_up = waiting.is_hopeless
            || match (waiting.step, waiting.proposer) {
                (Step::Propose, Some(proposer)) if proposer != self.me => {
                    let sign = self.signs.get(&proposer).copied().unwrap_or(0);
                    waited >= SWEEPS_FOR_PROPOSAL || self.sweeps - sign >= SWEEPS_WITHOUT_SIGN
                }
                (Step::Propose, _) => false,
                (Step::Prevote | Step::Precommit, _) => waited >= 1,
            };
        self.due_ms = next_ms;
        gives_up
    }

    /// Ends the sweep if it is complete. Returns the time of the next end, if no further meeting is needed for it.
    fn sweep(&mut self, sealers: &Sealers, now_ms: u64) -> Option<u64> {
        if self.is_swept(sealers) && now_ms >= self.began_ms + self.least_ms() {
            self.sweeps += 1;
            self.lengths.push_back(now_ms - self.began_ms);
            if self.lengths.len() > SWEEPS_REMEMBERED {
                self.lengths.pop_front();
            }
            self.began_ms = now_ms;
            self.swept.clone_from(&self.in_contact);
            for node in &self.in_contact {
                self.signs.insert(*node, self.sweeps);
            }
        }
        self.is_swept(sealers)
            .then_some(self.began_ms + self.least_ms())
    }

    fn is_swept(&self, sealers: &Sealers) -> bool {
        let others = self.swept.iter().filter(|node| **node != self.me);
        let met: u64 = others.map(|node| sealers.weight(node)).sum();
        is_quorum(met + sealers.weight(&self.me), sealers.total())
    }

    /// The core was nudged: waiting in its step starts again.
    pub fn nudged(&mut self) {
        self.step = None;
    }

    /// When to look again even if nothing happens; not before the next sweep is complete.
    pub fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// The times for the core: censorship after three times the longest of the latest sweeps, and no gathering, as a chance to
    /// seal may be the last of a day.
    pub fn timing(&self, now_ms: u64) -> Timing {
        let running_ms = now_ms.saturating_sub(self.began_ms);
        let sweep_ms = self.lengths.iter().copied().fold(running_ms, u64::max);
        Timing {
            censorship_ms: 3 * sweep_ms.max(self.least_ms()),
            gather_ms: 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE_MS: u64 = 60_000;

    fn node(byte: u8) -> NodeId {
        NodeId::from_bytes([byte; 32])
    }

    /// Node 1 among four equal nodes; node 2 is the proposer.
    fn start() -> (Patience, Sealers, Waiting) {
        let sealers = Sealers::new((1..=4).map(|byte| (node(byte), 1)).collect());
        let waiting = Waiting {
            wants: true,
            height: 1,
            round: 0,
            step: Step::Propose,
            proposer: Some(node(2)),
            is_hopeless: false,
        };
        (
            Patience::new(node(1), &Params::field(), 0),
            sealers,
            waiting,
        )
    }

    #[test]
    fn a_night_without_meetings_is_no_reason_to_give_up() {
        let (mut patience, sealers, waiting) = start();
        patience.met(node(3));
        patience.parted(node(3));
        assert!(!patience.look(&waiting, &sealers, 1000 * MINUTE_MS));
        assert_eq!(patience.due_ms(), None, "time alone changes nothing");
        for (minute, peer, expected) in [(1001, 4, false), (1002, 3, false), (1030, 4, true)] {
            patience.met(node(peer));
            patience.parted(node(peer));
            let gives_up = patience.look(&waiting, &sealers, minute * MINUTE_MS);
            assert_eq!(gives_up, expected, "minute {minute}");
        }
    }

    #[test]
    fn a_proposer_that_is_about_gets_longer() {
        let (mut patience, sealers, waiting) = start();
        for byte in 2..=4 {
            patience.met(node(byte));
        }
        let given_up =
            (1..10_000).find(|minute| patience.look(&waiting, &sealers, minute * MINUTE_MS));
        assert_eq!(
            given_up,
            Some(80),
            "four step patiences of twenty minutes in a mesh"
        );
        patience.nudged();
        assert!(!patience.look(&waiting, &sealers, 80 * MINUTE_MS));
        let own = Waiting {
            proposer: Some(node(1)),
            ..waiting
        };
        assert!(!patience.look(&own, &sealers, 900 * MINUTE_MS));
    }

    #[test]
    fn the_impatient_wait_twice_as_long_in_every_round() {
        let (_, sealers, waiting) = start();
        let least_ms = Params::field().step_patience_ms / 10;
        for (round, least_ms) in [(0, least_ms), (1, 2 * least_ms), (9, 10 * least_ms)] {
            let mut patience = Patience::impatient(node(1), &Params::field(), 0);
            for byte in 2..=4 {
                patience.met(node(byte));
            }
            let waiting = Waiting {
                round,
                step: Step::Prevote,
                ..waiting
            };
            assert!(!patience.look(&waiting, &sealers, least_ms - 1));
            assert!(patience.look(&waiting, &sealers, least_ms), "{round}");
        }
    }

    #[test]
    fn what_is_in_vain_is_not_waited_for() {
        let (mut patience, sealers, waiting) = start();
        let in_vain = Waiting {
            is_hopeless: true,
            ..waiting
        };
        assert!(patience.look(&in_vain, &sealers, 1));
        let nothing = Waiting {
            wants: false,
            ..in_vain
        };
        assert!(!patience.look(&nothing, &sealers, 2));
    }

    #[test]
    fn a_record_may_be_left_out_for_three_sweeps() {
        let (patience, _, _) = start();
        assert_eq!(patience.timing(0).censorship_ms, 60 * MINUTE_MS);
        assert_eq!(
            patience.timing(600 * MINUTE_MS).censorship_ms,
            1800 * MINUTE_MS
        );
    }
}
