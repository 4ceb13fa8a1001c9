//! What a node says in the agreement on one height's seal.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::certificate;
use super::votes::{Votes, at};
use super::{Action, Judge, Step, Verdict};
use crate::digest::{NodeId, RecordId, SealId};
use crate::limits::ROUND_MAX;
use crate::record::{Seal, Statement, Verified, VoteKind};
use crate::rejection::Rejection;
use crate::seal::SealCertificate;
use crate::sealers::Sealers;

/// The agreement on one height's seal: the records held, and this node's own round, step and lock (L2 to L9).
///
/// See the [module](super) for the call order.
#[derive(Debug, Clone)]
pub struct Agreement {
    votes: Votes,
    me: Option<NodeId>,
    round: u32,
    step: Step,
    /// Whether this node was already asked for its proposal in this round.
    asked: bool,
    /// The highest own precommit for a seal (L6, L7).
    locked: Option<(u32, SealId)>,
    /// What the judge said for good about seals, other than about their freshness.
    valid: BTreeMap<SealId, bool>,
}

/// What the proposals of a round make a node prevote.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Opinion {
    Nil,
    Undecided,
    For(SealId),
}

/// Looking for the value to propose again (L15).
enum Valid {
    None,
    Undecided,
    Value(SealId, u32),
}

impl Agreement {
    /// The agreement on the seal of `height`, in round 0. With `me` `None`, or a node without weight, it observes and never
    /// asks for a signature.
    #[must_use]
    pub fn new(height: u64, sealers: Arc<Sealers>, me: Option<NodeId>) -> Self {
        Self {
            me: me.filter(|me| sealers.weight(me) > 0),
            votes: Votes::new(height, sealers),
            round: 0,
            step: Step::Propose,
            asked: false,
            locked: None,
            valid: BTreeMap::new(),
        }
    }

    /// Takes the own records of this height from the journal, before anything else: the lock is the highest own precommit
    /// for a seal, round and step are those of the last own record. Records of others and of other heights are passed
    /// over. Own records that come through [`Self::add`] never move lock, round or step: they are no proof that the
    /// journal has them.
    pub fn recover(&mut self, own: &[Verified]) {
        for record in own {
            let height = record.statement().slot().and_then(|slot| slot.height());
            if Some(record.author()) != self.me || height != Some(self.height()) {
                continue;
            }
            // A record that the limits leave out of the set still binds its author.
            let _ = self.votes.add(record.clone(), false);
            let (round, step) = match record.statement() {
                Statement::SealProposal { round, .. } => (*round, Step::Propose),
                Statement::SealVote {
                    round, kind, seal, ..
                } => match kind {
                    VoteKind::Prevote => (*round, Step::Prevote),
                    VoteKind::Precommit => {
                        if let Some(seal) = *seal
                            && self.locked.is_none_or(|(locked, _)| locked < *round)
                        {
                            self.locked = Some((*round, seal));
                        }
                        (*round, Step::Precommit)
                    }
                },
                _ => continue,
            };
            if round > self.round {
                self.start_round(round);
            }
            if round == self.round {
                self.step = self.step.max(step);
                self.asked |= step == Step::Propose;
            }
        }
    }

    /// Takes in a proposal or vote of this height, the own ones included. Says whether it was new.
    ///
    /// # Errors
    ///
    /// - [`Rejection::Malformed`]: another kind of statement;
    /// - [`Rejection::ImpossibleSeal`]: another height;
    /// - [`Rejection::NotASealer`]: the author has no weight;
    /// - [`Rejection::WrongRole`]: a proposal by someone who is not that round's proposer;
    /// - [`Rejection::SlotFull`]: two bodies with smaller ids are kept in its slot;
    /// - [`Rejection::OverLimit`]: the author signed in as many higher rounds as are kept.
    ///
    /// The last two say that the record is not needed, not that it is bad.
    pub fn add(&mut self, record: Verified) -> Result<bool, Rejection> {
        self.votes.add(record, false)
    }

    /// As [`Self::add`], for a record that this node asked for because a proposal, proof of lock or certificate names it:
    /// it is kept beyond the limits.
    ///
    /// # Errors
    ///
    /// As [`Self::add`], without the last two.
    pub fn add_named(&mut self, record: Verified) -> Result<bool, Rejection> {
        self.votes.add(record, true)
    }

    /// Applies the rules until none fires, and returns what this node has to sign, in this order. Each action is returned
    /// once. Without new records or answers of the judge, a second call returns nothing.
    pub fn advance(&mut self, judge: &mut dyn Judge) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Some(me) = self.me
            && self.decided().is_none()
        {
            let vote = match self.step {
                Step::Propose => self.prevote(judge),
                Step::Prevote => self.precommit(judge),
                Step::Precommit => None,
            };
            if let Some(vote) = vote {
                actions.push(vote);
            } else if let Some(round) = self.next_round() {
                self.start_round(round);
            } else {
                // Last, so that nobody is asked to propose in a round that is left at once.
                actions.extend(self.propose(me, judge));
                break;
            }
        }
        actions
    }

    /// "I give up waiting in this step": what the paper does when the step's timer ends, under its guards. Call
    /// [`Self::advance`] afterwards, as a new round may have begun. Whether there is anything to wait for at this height
    /// is the caller's knowledge: without records and without something to seal, do not nudge.
    pub fn nudge(&mut self) -> Vec<Action> {
        if !self.is_active() || self.decided().is_some() {
            return Vec::new();
        }
        let round = self.round;
        // L47, L65 to L67: the timer runs whatever the step is.
        if self.votes.has_quorum_of_any(round, VoteKind::Precommit) && round < ROUND_MAX {
            self.start_round(round + 1);
            return Vec::new();
        }
        match self.step {
            // L57 to L60
            Step::Propose => vec![self.vote(VoteKind::Prevote, None)],
            // L34, L61 to L64
            Step::Prevote if self.votes.has_quorum_of_any(round, VoteKind::Prevote) => {
                vec![self.vote(VoteKind::Precommit, None)]
            }
            Step::Prevote | Step::Precommit => Vec::new(),
        }
    }

    /// The caller was asked for a proposal and has nothing to seal: it is asked again at the next [`Self::advance`] in
    /// this round.
    pub fn defer_proposal(&mut self) {
        self.asked = false;
    }

    /// L14 to L19
    fn propose(&mut self, me: NodeId, judge: &mut dyn Judge) -> Option<Action> {
        let proposer = self
            .votes
            .sealers()
            .proposer(self.votes.height(), self.round);
        if self.step != Step::Propose || self.asked || proposer != Some(me) {
            return None;
        }
        let value = match self.valid_value(judge) {
            Valid::Value(seal, round) => Some((seal, round)), // L16
            Valid::None => None,                              // L18
            Valid::Undecided => return None,
        };
        self.asked = true;
        Some(Action::Propose {
            round: self.round,
            value,
        })
    }

    /// The seal of the highest earlier round with a proof of lock (L42, L43). One that is not known, or whose records are
    /// missing, is waited for: others may be locked on it, and would not accept anything else.
    fn valid_value(&mut self, judge: &mut dyn Judge) -> Valid {
        let proofs = self.votes.proofs().iter().rev();
        let earlier: Vec<_> = proofs
            .filter(|(round, _)| *round < self.round)
            .copied()
            .collect();
        for (round, seal) in earlier {
            match self.judge_valid(seal, judge) {
                Verdict::Accept => return Valid::Value(seal, round),
                Verdict::Wait => return Valid::Undecided,
                Verdict::Refuse => {}
            }
        }
        Valid::None
    }

    /// L22 to L33. Of an equivocating proposer's proposals, the acceptable one with the smallest record id; nil only if all
    /// that are held are refused.
    fn prevote(&mut self, judge: &mut dyn Judge) -> Option<Action> {
        let proposals: Vec<_> = self
            .votes
            .proposals(self.round)
            .map(|(lock, id, seal)| (lock, id, seal.clone()))
            .collect();
        let mut opinion = None;
        for (lock, id, seal) in proposals {
            opinion = opinion.max(Some(self.opinion(lock, id, &seal, judge)));
            if let Some(Opinion::For(seal)) = opinion {
                return Some(self.vote(VoteKind::Prevote, Some(seal))); // L24, L30
            }
        }
        // L26, L32
        (opinion == Some(Opinion::Nil)).then(|| self.vote(VoteKind::Prevote, None))
    }

    fn opinion(
        &mut self,
        lock: Option<u32>,
        id: SealId,
        seal: &Seal,
        judge: &mut dyn Judge,
    ) -> Opinion {
        let proof = match lock {
            None => None,
            // L28: without its proof of lock the proposal says nothing yet.
            Some(proof) => {
                if proof >= self.round || !self.votes.has_quorum(proof, VoteKind::Prevote, Some(id))
                {
                    return Opinion::Undecided;
                }
                Some(proof)
            }
        };
        // L23, L29: `None` is below every round, as -1 is in the paper.
        let may_vote = self
            .locked
            .is_none_or(|(round, locked)| locked == id || Some(round) <= proof);
        if !may_vote {
            return Opinion::Nil;
        }
        let verdict = match proof {
            None => judge.judge(seal, true),
            Some(_) => self.judge_valid(id, judge),
        };
        match verdict {
            Verdict::Accept => {
                self.valid.insert(id, true);
                Opinion::For(id)
            }
            Verdict::Refuse => Opinion::Nil,
            Verdict::Wait => Opinion::Undecided,
        }
    }

    /// L36 to L46
    fn precommit(&mut self, judge: &mut dyn Judge) -> Option<Action> {
        let proven: Vec<_> = at(self.votes.proofs(), self.round).collect();
        for seal in proven {
            if self.judge_valid(seal, judge) == Verdict::Accept {
                self.locked = Some((self.round, seal)); // L38, L39
                return Some(self.vote(VoteKind::Precommit, Some(seal))); // L40
            }
        }
        // L44
        self.votes
            .has_quorum(self.round, VoteKind::Prevote, None)
            .then(|| self.vote(VoteKind::Precommit, None)) // L45
    }

    /// valid(v) of the paper for a seal with a proof of lock. A seal that is not known yet is waited for.
    fn judge_valid(&mut self, id: SealId, judge: &mut dyn Judge) -> Verdict {
        if let Some(valid) = self.valid.get(&id) {
            return if *valid {
                Verdict::Accept
            } else {
                Verdict::Refuse
            };
        }
        let Some(seal) = self.votes.seal(&id) else {
            return Verdict::Wait;
        };
        let verdict = judge.judge(seal, false);
        if verdict != Verdict::Wait {
            self.valid.insert(id, verdict == Verdict::Accept);
        }
        verdict
    }

    /// The round to go to without a nudge, if any.
    fn next_round(&self) -> Option<u32> {
        // L55
        if let Some(round) = self.votes.crowded_above(self.round) {
            return Some(round);
        }
        // L47: a quorum for nil leaves nothing to wait for.
        (self.votes.has_quorum(self.round, VoteKind::Precommit, None) && self.round < ROUND_MAX)
            .then(|| self.round + 1)
    }

    /// L11 to L13
    fn start_round(&mut self, round: u32) {
        self.round = round;
        self.step = Step::Propose;
        self.asked = false;
    }

    /// The step ends with the vote (L27, L33, L41, L46, L60, L64).
    fn vote(&mut self, kind: VoteKind, seal: Option<SealId>) -> Action {
        self.step = match kind {
            VoteKind::Prevote => Step::Prevote,
            VoteKind::Precommit => Step::Precommit,
        };
        Action::Vote {
            round: self.round,
            kind,
            seal,
        }
    }

    /// The seal that a quorum precommitted in one round (L49), and the round: the lowest. After a fork, the first by
    /// round and id; see [`Self::decisions`].
    #[must_use]
    pub fn decided(&self) -> Option<(SealId, u32)> {
        self.decisions().next()
    }

    /// Every seal that a quorum precommitted, by round and id. Two different seals are a fork, possible only if a third of
    /// the weight is Byzantine.
    pub fn decisions(&self) -> impl Iterator<Item = (SealId, u32)> + '_ {
        self.votes
            .decisions()
            .iter()
            .map(|(round, seal)| (*seal, *round))
    }

    /// The certificate of what is [`Self::decided`].
    #[must_use]
    pub fn certificate(&self) -> Option<SealCertificate> {
        let (seal, round) = self.decided()?;
        self.certificate_of(seal, round)
    }

    /// The certificate of one of the [`Self::decisions`]: enough precommits for a quorum, sorted by record id, two for an
    /// equivocator of which none for the seal is held.
    #[must_use]
    pub fn certificate_of(&self, seal: SealId, round: u32) -> Option<SealCertificate> {
        certificate::assemble(&self.votes, seal, round)
    }

    /// The seal of this id, if a proposal of it is kept.
    #[must_use]
    pub fn proposal(&self, seal: &SealId) -> Option<&Seal> {
        self.votes.seal(seal)
    }

    /// The proposals of this node's round, by record id: the stated proof-of-lock round and the seal.
    pub fn proposals(&self) -> impl Iterator<Item = (Option<u32>, &Seal)> + '_ {
        self.votes
            .proposals(self.round)
            .map(|(lock, _, seal)| (lock, seal))
    }

    /// Seals with a quorum of prevotes or precommits that no proposal kept here contains: to be asked for, and given to
    /// [`Self::add_named`].
    #[must_use]
    pub fn wanted(&self) -> BTreeSet<SealId> {
        let quorums = self.votes.proofs().iter().chain(self.votes.decisions());
        quorums
            .map(|(_, seal)| *seal)
            .filter(|seal| self.votes.seal(seal).is_none())
            .collect()
    }

    /// All records kept, by id.
    pub fn records(&self) -> impl Iterator<Item = &Verified> + '_ {
        self.votes.records().values()
    }

    /// A record, if it is kept.
    #[must_use]
    pub fn record(&self, id: &RecordId) -> Option<&Verified> {
        self.votes.records().get(id)
    }

    /// The two records of the slot of `record` if its author equivocated in it: a proof, whoever reads it. Costs the records
    /// of the height.
    #[must_use]
    pub fn equivocation(&self, record: &Verified) -> Option<(Verified, Verified)> {
        let slot = record.statement().slot()?;
        let other = self.votes.records().values().find(|other| {
            other.author() == record.author()
                && other.statement().slot() == Some(slot)
                && other.id() != record.id()
        })?;
        Some((other.clone(), record.clone()))
    }

    /// Whether no record is held: nobody wants anything at this height.
    #[must_use]
    pub fn is_quiet(&self) -> bool {
        self.votes.records().is_empty()
    }

    /// Whether this node seals at this height.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.me.is_some()
    }

    /// The height.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.votes.height()
    }

    /// The sealers of this height.
    #[must_use]
    pub fn sealers(&self) -> &Sealers {
        self.votes.sealers()
    }

    /// This node's round.
    #[must_use]
    pub fn round(&self) -> u32 {
        self.round
    }

    /// This node's step.
    #[must_use]
    pub fn step(&self) -> Step {
        self.step
    }

    /// The round and seal that this node is locked on.
    #[must_use]
    pub fn locked(&self) -> Option<(u32, SealId)> {
        self.locked
    }

    /// Whether a vote of `node` in this slot is kept, for displays of what is missing.
    #[must_use]
    pub fn has_voted(&self, node: &NodeId, round: u32, kind: VoteKind) -> bool {
        self.votes
            .tally(round, kind)
            .is_some_and(|tally| !tally.of(node).is_empty())
    }
}
