//! How long a host waits in the agreement on a seal before it gives up, and when it leads out of turn.
//!
//! The core has no clock ([S3]): its host nudges it. In a mesh that is always connected a timer is enough. Where people carry the
//! nodes, time alone means little: a night passes without a meeting, and giving up in it gains nothing and costs the exchange
//! of another round. So time is counted in *sweeps*. A sweep ends when this node has been in contact, since its beginning, with
//! members that are a quorum together with it, and its least time has passed. In a mesh a sweep is that time; at night, or far
//! away, it lasts until people meet again. The first sweep of a step begins with the step.
//!
//! - *A proposal*: the host waits until `SWEEPS_WITHOUT_SIGN` sweeps passed without a sign of life of the round's proposer (a
//!   contact, or a new record of its own), or `SWEEPS_FOR_PROPOSAL` sweeps. The proposer itself does not give up.
//! - *Votes* that could still complete a quorum for a seal: the host waits one sweep.
//! - A step in vain ([`Waiting::is_in_vain`]): the host does not wait, because the votes held leave no chance for a seal in it.
//! - *Leading out of turn* ([S11]): in a mesh, after the time for gathering, and the first sweep's least time once for each place in
//!   the queue before this node's own. Carried about, when the exchange of a meeting is finished: it may be the last of the day.
//! - *Records that a proposer leaves out* count as censored after three times the longest of the latest sweeps, including the
//!   running one: a proposal made before a night does not know the statements made during it.
//!
//! The least time of a sweep doubles with each round of the height in which this node voted nil, up to 32-fold ([S8]), so that it
//! becomes long enough for any delay. Where nodes are carried it begins with the parameters' step patience. In a mesh it begins
//! with a tenth of that: it decides how long a silent proposer delays the others.
//!
//! A host also compares its records ([`crate::core::Input::Sync`]) with every peer in contact when its height grows: peers that
//! were behind have the seals then, but not yet the votes on the next one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::base::digest::NodeId;
use crate::base::limits::PATIENCE_DOUBLINGS_MAX;
use crate::core::{Timing, Waiting};
use crate::finality::Step;
use crate::members::sealers::Sealers;
use crate::statement::params::Params;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Sweeps without a sign of life of the proposer after which the round is given up.
const SWEEPS_WITHOUT_SIGN: u64 = 2;

/// Sweeps after which a round is given up although its proposer is present: it may be faulty.
const SWEEPS_FOR_PROPOSAL: u64 = 4;

/// Sweeps remembered; the longest of them estimates how long a record takes to a proposer and back.
const SWEEPS_REMEMBERED: usize = 8;

/// What the host tells its core now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Advice {
    /// Nothing: look again at [`Patience::due_ms`], or after the next event.
    Wait,
    /// [`Input::Nudge`](crate::core::Input::Nudge).
    GiveUp,
    /// [`Input::Lead`](crate::core::Input::Lead).
    Lead,
}

/// Members met since some moment.
#[derive(Debug, Clone)]
struct Sweep {
    began_ms: u64,
    met: BTreeSet<NodeId>,
}

/// A step of the agreement, and how this host waits in it.
#[derive(Debug, Clone)]
struct Stay {
    step: (u64, u32, Step),
    sweep: Sweep,
    /// Completed sweeps.
    sweeps: u64,
    /// Completed sweeps since the last sign of life of each node.
    signs: BTreeMap<NodeId, u64>,
    /// Whether the core was told to lead in this step.
    has_led: bool,
}

/// A host's patience. It reads no clock: every call passes the time (milliseconds, never going back).
///
/// Call [`met`](Self::met), [`parted`](Self::parted), [`heard`](Self::heard) and [`exchanged`](Self::exchanged) when these
/// things happen, and [`look`](Self::look) after every input of the core and at [`due_ms`](Self::due_ms). Call
/// [`nudged`](Self::nudged) with the nudge that it advises.
#[derive(Debug, Clone)]
pub struct Patience {
    me: NodeId,
    is_carried: bool,
    /// The parameters' step patience.
    step_ms: u64,
    in_contact: BTreeSet<NodeId>,
    /// Goes on from step to step, to learn how long sweeps take.
    sweep: Sweep,
    /// The lengths of the latest sweeps.
    lengths: VecDeque<u64>,
    stay: Option<Stay>,
    /// The height that is waited for, and since when.
    waits: Option<(u64, u64)>,
    /// Whether the exchange of a meeting has just finished.
    has_exchanged: bool,
    due_ms: Option<u64>,
}

impl Patience {
    /// The patience of a node that starts now and is carried about: for it a further round costs more than waiting.
    pub fn new(me: NodeId, params: &Params, now_ms: u64) -> Self {
        Self {
            me,
            is_carried: true,
            step_ms: params.step_patience_ms,
            in_contact: BTreeSet::new(),
            sweep: Sweep {
                began_ms: now_ms,
                met: BTreeSet::new(),
            },
            lengths: VecDeque::new(),
            stay: None,
            waits: None,
            has_exchanged: false,
            due_ms: None,
        }
    }

    /// The patience of a node that starts now and is mostly connected.
    pub fn impatient(me: NodeId, params: &Params, now_ms: u64) -> Self {
        Self {
            is_carried: false,
            ..Self::new(me, params, now_ms)
        }
    }

    /// Takes over parameters that the network changed.
    pub fn set_params(&mut self, params: &Params) {
        self.step_ms = params.step_patience_ms;
    }

    /// The least time of a sweep in a height's first round. The longest delay that it must bear is the step patience, and [S8]
    /// doubles it up to 32-fold, so a tenth is enough.
    fn first_ms(&self) -> u64 {
        let part = if self.is_carried { 1 } else { 10 };
        (self.step_ms / part).max(1)
    }

    /// A node came into contact.
    pub fn met(&mut self, node: NodeId) {
        self.in_contact.insert(node);
        self.sweep.met.insert(node);
        if let Some(stay) = &mut self.stay {
            stay.sweep.met.insert(node);
        }
        self.heard(node);
    }

    /// A node is out of contact.
    pub fn parted(&mut self, node: NodeId) {
        self.in_contact.remove(&node);
        self.heard(node);
    }

    /// A new record of this author arrived, so the author has met some node. Only a hint, as old records travel too.
    pub fn heard(&mut self, author: NodeId) {
        if let Some(stay) = &mut self.stay {
            stay.signs.insert(author, stay.sweeps);
        }
    }

    /// The exchange of a meeting is finished: each has what the other had.
    pub fn exchanged(&mut self) {
        self.has_exchanged = true;
    }

    /// What to tell the core now, given its state `waiting`.
    #[must_use]
    pub fn look(&mut self, waiting: &Waiting, sealers: &Sealers, now_ms: u64) -> Advice {
        self.measure(sealers, now_ms);
        let has_exchanged = std::mem::take(&mut self.has_exchanged);
        if !waiting.wants {
            (self.stay, self.waits, self.due_ms) = (None, None, None);
            return Advice::Wait;
        }
        let since_ms = match self.waits {
            Some((height, since_ms)) if height == waiting.height => since_ms,
            _ => now_ms,
        };
        self.waits = Some((waiting.height, since_ms));
        self.enter(waiting, now_ms);
        let next_ms = self.complete(waiting, sealers, now_ms);
        let lead_ms = self.lead_ms(waiting, since_ms);
        self.due_ms = next_ms.into_iter().chain(lead_ms).min();
        let leads = if self.is_carried {
            has_exchanged && waiting.leads.is_some()
        } else {
            lead_ms.is_some_and(|lead_ms| lead_ms <= now_ms)
        };
        let Some(stay) = &mut self.stay else {
            return Advice::Wait;
        };
        if leads {
            stay.has_led = true;
            self.due_ms = next_ms;
            return Advice::Lead;
        }
        let gives_up = match (waiting.step, waiting.proposer) {
            _ if waiting.is_in_vain => true,
            (Step::Propose, Some(proposer)) if proposer != self.me => {
                let sign = stay.signs.get(&proposer).copied().unwrap_or(0);
                stay.sweeps >= SWEEPS_FOR_PROPOSAL || stay.sweeps - sign >= SWEEPS_WITHOUT_SIGN
            }
            (Step::Propose, _) => false,
            (Step::Prevote | Step::Precommit, _) => stay.sweeps >= 1,
        };
        if gives_up {
            Advice::GiveUp
        } else {
            Advice::Wait
        }
    }

    /// Ends the sweep that is measured, if it is complete.
    fn measure(&mut self, sealers: &Sealers, now_ms: u64) {
        if self.is_complete(&self.sweep, sealers) && now_ms >= self.sweep.began_ms + self.first_ms()
        {
            self.lengths.push_back(now_ms - self.sweep.began_ms);
            if self.lengths.len() > SWEEPS_REMEMBERED {
                self.lengths.pop_front();
            }
            self.sweep = self.begin(now_ms);
        }
    }

    fn begin(&self, now_ms: u64) -> Sweep {
        Sweep {
            began_ms: now_ms,
            met: self.in_contact.clone(),
        }
    }

    /// Begins to wait in a step, unless it is still the same.
    fn enter(&mut self, waiting: &Waiting, now_ms: u64) {
        let step = (waiting.height, waiting.round, waiting.step);
        if self.stay.as_ref().is_none_or(|stay| stay.step != step) {
            self.stay = Some(Stay {
                step,
                sweep: self.begin(now_ms),
                sweeps: 0,
                signs: BTreeMap::new(),
                has_led: false,
            });
        }
    }

    /// Ends the step's sweep if it is complete. Returns the time of the next end, if no further meeting is needed for it.
    fn complete(&mut self, waiting: &Waiting, sealers: &Sealers, now_ms: u64) -> Option<u64> {
        let least_ms = self.first_ms() << waiting.nil_rounds.min(PATIENCE_DOUBLINGS_MAX);
        let stay = self.stay.as_ref()?;
        if self.is_complete(&stay.sweep, sealers) && now_ms >= stay.sweep.began_ms + least_ms {
            let sweep = self.begin(now_ms);
            let stay = self.stay.as_mut()?;
            stay.sweep = sweep;
            stay.sweeps += 1;
            for node in &self.in_contact {
                stay.signs.insert(*node, stay.sweeps);
            }
        }
        let sweep = &self.stay.as_ref()?.sweep;
        self.is_complete(sweep, sealers)
            .then_some(sweep.began_ms + least_ms)
    }

    /// When a node of a mesh leads out of turn, if it has not tried in this step.
    fn lead_ms(&self, waiting: &Waiting, since_ms: u64) -> Option<u64> {
        let has_led = self.stay.as_ref().is_some_and(|stay| stay.has_led);
        let place = waiting.leads.filter(|_| !self.is_carried && !has_led)?;
        let turns_ms = self.first_ms().saturating_mul(u64::from(place));
        Some(since_ms + waiting.gather_ms + turns_ms)
    }

    fn is_complete(&self, sweep: &Sweep, sealers: &Sealers) -> bool {
        let others = sweep.met.iter().filter(|node| **node != self.me);
        let sealing = others.chain([&self.me]);
        sealers.is_quorum(sealing.filter(|node| sealers.contains(node)).count())
    }

    /// The core was nudged: waiting in its step starts again.
    pub fn nudged(&mut self) {
        self.stay = None;
    }

    /// When to look again even if nothing happens.
    pub fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// The times for the core: censorship after three times the longest of the latest sweeps. Carried nodes gather nothing, as a
    /// chance to seal may be the last of a day, and join at once. In a mesh a proposer gathers for at most half the
    /// time after which the others give it up, and nodes join after the first sweep's least time for each round.
    pub fn timing(&self, now_ms: u64) -> Timing {
        let running_ms = now_ms.saturating_sub(self.sweep.began_ms);
        let sweep_ms = self.lengths.iter().copied().fold(running_ms, u64::max);
        Timing {
            censorship_ms: 3 * sweep_ms.max(self.first_ms()),
            gather_ms: if self.is_carried {
                0
            } else {
                SWEEPS_FOR_PROPOSAL / 2 * self.first_ms()
            },
            apart_ms: 0,
            join_ms: if self.is_carried { 0 } else { self.first_ms() },
            holds: self.is_carried,
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
        let sealers = Sealers::new((1..=4).map(node).collect());
        let waiting = Waiting {
            wants: true,
            height: 1,
            round: 0,
            step: Step::Propose,
            proposer: Some(node(2)),
            nil_rounds: 0,
            is_in_vain: false,
            leads: None,
            gather_ms: 0,
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
        let look = |patience: &mut Patience, minute: u64| {
            patience.look(&waiting, &sealers, minute * MINUTE_MS)
        };
        assert_eq!(look(&mut patience, 0), Advice::Wait);
        patience.met(node(3));
        patience.parted(node(3));
        assert_eq!(look(&mut patience, 1000), Advice::Wait);
        assert_eq!(patience.due_ms(), None, "time alone changes nothing");
        for (minute, peer, expected) in [
            (1001, 4, Advice::Wait),
            (1002, 3, Advice::Wait),
            (1030, 4, Advice::GiveUp),
        ] {
            patience.met(node(peer));
            patience.parted(node(peer));
            assert_eq!(look(&mut patience, minute), expected, "minute {minute}");
        }
    }

    #[test]
    fn whom_one_met_before_the_step_does_not_count() {
        let (mut patience, sealers, waiting) = start();
        let votes = Waiting {
            step: Step::Prevote,
            ..waiting
        };
        for peer in [3, 4] {
            patience.met(node(peer));
            patience.parted(node(peer));
        }
        assert_eq!(patience.look(&votes, &sealers, 0), Advice::Wait);
        let later_ms = 100 * MINUTE_MS;
        assert_eq!(patience.look(&votes, &sealers, later_ms), Advice::Wait);
        for peer in [3, 4] {
            patience.met(node(peer));
            patience.parted(node(peer));
        }
        assert_eq!(patience.look(&votes, &sealers, later_ms), Advice::GiveUp);
    }

    #[test]
    fn a_proposer_that_is_about_gets_longer() {
        let (mut patience, sealers, waiting) = start();
        for byte in 2..=4 {
            patience.met(node(byte));
        }
        let gives_up =
            |minute: &u64| patience.look(&waiting, &sealers, minute * MINUTE_MS) == Advice::GiveUp;
        assert_eq!(
            (0..10_000).find(gives_up),
            Some(80),
            "four step patiences of twenty minutes in a mesh"
        );
        patience.nudged();
        let later_ms = 80 * MINUTE_MS;
        assert_eq!(patience.look(&waiting, &sealers, later_ms), Advice::Wait);
        let own = Waiting {
            proposer: Some(node(1)),
            ..waiting
        };
        assert_eq!(patience.look(&own, &sealers, 10 * later_ms), Advice::Wait);
    }

    #[test]
    fn patience_doubles_with_each_round_of_nil_votes() {
        let (_, sealers, waiting) = start();
        let first_ms = Params::field().step_patience_ms / 10;
        for (nil_rounds, factor) in [(0, 1), (1, 2), (5, 32), (9, 32)] {
            let mut patience = Patience::impatient(node(1), &Params::field(), 0);
            for byte in 2..=4 {
                patience.met(node(byte));
            }
            let waiting = Waiting {
                round: 7,
                nil_rounds,
                step: Step::Prevote,
                ..waiting
            };
            let mut look = |now_ms| patience.look(&waiting, &sealers, now_ms);
            assert_eq!(look(0), Advice::Wait);
            assert_eq!(look(factor * first_ms - 1), Advice::Wait);
            assert_eq!(look(factor * first_ms), Advice::GiveUp, "{nil_rounds}");
        }
    }

    #[test]
    fn a_mesh_leads_by_place_and_carried_nodes_after_an_exchange() {
        let (mut carried, sealers, waiting) = start();
        let mut meshed = Patience::impatient(node(1), &Params::field(), 0);
        let waiting = Waiting {
            leads: Some(3),
            ..waiting
        };
        let first_ms = Params::field().step_patience_ms / 10;
        assert_eq!(meshed.timing(0).join_ms, first_ms);
        assert_eq!(meshed.look(&waiting, &sealers, 0), Advice::Wait);
        assert_eq!(meshed.due_ms(), Some(3 * first_ms));
        for (now_ms, expected) in [
            (3 * first_ms - 1, Advice::Wait),
            (3 * first_ms, Advice::Lead),
            (3 * first_ms + 1, Advice::Wait),
        ] {
            let advice = meshed.look(&waiting, &sealers, now_ms);
            assert_eq!(advice, expected, "once in a step, at {now_ms}");
        }
        let later = Waiting {
            height: 2,
            ..waiting
        };
        let now_ms = 4 * first_ms;
        assert_eq!(meshed.look(&later, &sealers, now_ms), Advice::Wait);
        assert_eq!(carried.timing(0).join_ms, 0, "carried nodes join at once");
        let now_ms = 100 * MINUTE_MS;
        assert_eq!(carried.look(&waiting, &sealers, now_ms), Advice::Wait);
        carried.exchanged();
        assert_eq!(carried.look(&waiting, &sealers, now_ms), Advice::Lead);
        assert_eq!(carried.look(&waiting, &sealers, now_ms), Advice::Wait);
    }

    #[test]
    fn what_is_in_vain_is_not_waited_for() {
        let (mut patience, sealers, waiting) = start();
        let in_vain = Waiting {
            is_in_vain: true,
            ..waiting
        };
        assert_eq!(patience.look(&in_vain, &sealers, 1), Advice::GiveUp);
        let nothing = Waiting {
            wants: false,
            ..in_vain
        };
        assert_eq!(patience.look(&nothing, &sealers, 2), Advice::Wait);
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
