//! The rules of the paper ([S2]), over the set of records held. A node locks on a seal in [`Agreement::advance`] when it
//! precommits it (L38), and refuses other seals as long as no newer proof of lock releases it (L29).

use super::super::votes::{Guard, at};
use super::super::{Action, Judge, Step, Verdict};
use super::Agreement;
use crate::base::digest::{NodeId, SealId};
use crate::base::limits::ROUND_MAX;
use crate::statement::record::{Seal, VoteKind};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The prevote that the proposals of a round call for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Opinion {
    Nil,
    Undecided,
    For(SealId),
}

/// The purpose for which proposals are judged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To prevote in this node's round.
    Vote,
    /// To leave it for a higher round ([S11]).
    Join,
}

/// The result of giving up in a step.
enum GiveUp {
    Vote(VoteKind),
    Enter(u32),
    Nothing,
}

/// The value to propose again (L15).
enum Valid {
    None,
    Undecided,
    Value(SealId, u32),
}

impl Agreement {
    /// Applies the rules until one asks for a signature, or none fires. The caller signs the statement, adds it and calls again:
    /// what follows can depend on it. Without new records or answers of the judge, an action is returned once.
    ///
    /// The node may join rounds up to `join_to` ([S11]); 0 lets it join none.
    pub fn advance(&mut self, judge: &mut dyn Judge, join_to: u32) -> Option<Action> {
        while let Some(me) = self.me
            && self.decided().is_none()
        {
            let vote = match self.step {
                Step::Propose => self.prevote(judge),
                Step::Prevote => self.precommit(judge),
                Step::Precommit => None,
            };
            if vote.is_some() {
                return vote;
            }
            let round = self.next_round();
            let Some(round) = round.or_else(|| self.round_to_join(judge, join_to)) else {
                // Last, so that no proposal is asked for in a round that this node leaves at once.
                return self.propose(me, judge);
            };
            self.start_round(round);
        }
        None
    }

    /// "I give up waiting in this step": acts as the paper does when the step's timer ends, under its guards, with [S8]'s
    /// counting. Call [`Self::advance`] afterwards, as a new round may have begun. The caller must know that there is something
    /// to wait for: do not nudge without records and without anything to seal.
    pub fn nudge(&mut self) -> Option<Action> {
        match self.give_up() {
            GiveUp::Vote(kind) => return Some(self.vote(kind, None)),
            GiveUp::Enter(round) => self.start_round(round),
            GiveUp::Nothing => {}
        }
        None
    }

    /// Whether [`Self::nudge`] would do anything now.
    pub fn would_give_up(&self) -> bool {
        !matches!(self.give_up(), GiveUp::Nothing)
    }

    fn give_up(&self) -> GiveUp {
        if !self.is_active() || self.decided().is_some() {
            return GiveUp::Nothing;
        }
        // L47, L65 to L67: this timer runs in every step.
        match self.votes.guard(self.round, VoteKind::Precommit) {
            Guard::Met if self.round < ROUND_MAX => return GiveUp::Enter(self.round + 1),
            Guard::Met => return GiveUp::Nothing,
            Guard::Beyond(round) => return GiveUp::Enter(round),
            Guard::Open => {}
        }
        match self.step {
            // L57 to L60
            Step::Propose => GiveUp::Vote(VoteKind::Prevote),
            // L34, L61 to L64
            Step::Prevote => match self.votes.guard(self.round, VoteKind::Prevote) {
                Guard::Met => GiveUp::Vote(VoteKind::Precommit),
                Guard::Beyond(round) => GiveUp::Enter(round),
                Guard::Open => GiveUp::Nothing,
            },
            Step::Precommit => GiveUp::Nothing,
        }
    }

    /// L14 to L19
    fn propose(&mut self, me: NodeId, judge: &mut dyn Judge) -> Option<Action> {
        let proposer = self.votes.sealers().proposer(self.round);
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

    /// The seal of the highest earlier round with a proof of lock (L42, L43). If the seal is unknown or its records are
    /// missing, this node waits for it: others may be locked on it and would not accept another.
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

    /// L22 to L33
    fn prevote(&mut self, judge: &mut dyn Judge) -> Option<Action> {
        match self.opinion_of_round(self.round, Purpose::Vote, judge)? {
            Opinion::For(seal) => Some(self.vote(VoteKind::Prevote, Some(seal))), // L24, L30
            Opinion::Nil => Some(self.vote(VoteKind::Prevote, None)),             // L26, L32
            Opinion::Undecided => None,
        }
    }

    /// The opinion about the proposals of a round; `None` if there are none. If the proposer equivocates, it is the acceptable
    /// proposal with the smallest record id, and nil only if this node refuses all that it holds.
    pub(super) fn opinion_of_round(
        &mut self,
        round: u32,
        purpose: Purpose,
        judge: &mut dyn Judge,
    ) -> Option<Opinion> {
        let proposals = self.votes.proposals(round);
        let proposals: Vec<_> = proposals
            .map(|(lock, id, seal)| (lock, id, seal.clone()))
            .collect();
        let mut opinion = None;
        for (lock, id, seal) in proposals {
            opinion = opinion.max(Some(self.opinion(round, lock, id, &seal, purpose, judge)));
            if let Some(Opinion::For(_)) = opinion {
                break;
            }
        }
        opinion
    }

    fn opinion(
        &mut self,
        round: u32,
        lock: Option<u32>,
        id: SealId,
        seal: &Seal,
        purpose: Purpose,
        judge: &mut dyn Judge,
    ) -> Opinion {
        // L28: without its proof of lock the proposal has no effect yet.
        if let Some(proof) = lock
            && (proof >= round || !self.votes.has_quorum(proof, VoteKind::Prevote, Some(id)))
        {
            return Opinion::Undecided;
        }
        if !self.is_free_for(lock, id) {
            return Opinion::Nil;
        }
        let verdict = match lock {
            None => judge.judge(seal, round, true),
            Some(_) => self.judge_valid(id, judge),
        };
        match verdict {
            Verdict::Accept => {
                self.valid.insert(id, true);
                let is_worth_it =
                    lock.is_some() || purpose == Purpose::Vote || judge.is_worth_it(seal);
                if is_worth_it {
                    Opinion::For(id)
                } else {
                    Opinion::Nil
                }
            }
            Verdict::Refuse => Opinion::Nil,
            Verdict::Wait => Opinion::Undecided,
        }
    }

    /// L23, L29: whether the lock allows to prevote a seal with this proof of lock. `None` is below every round, as -1 is in
    /// the paper.
    pub(super) fn is_free_for(&self, proof: Option<u32>, id: SealId) -> bool {
        self.locked()
            .is_none_or(|(round, locked)| locked == id || Some(round) <= proof)
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

    /// valid(v) of the paper, for a seal with a proof of lock. Waits if the seal is not known yet.
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
        let verdict = judge.judge(seal, self.round, false);
        if verdict != Verdict::Wait {
            self.valid.insert(id, verdict == Verdict::Accept);
        }
        verdict
    }

    /// The round that this node enters without a nudge, if any.
    fn next_round(&self) -> Option<u32> {
        // L55
        if let Some(round) = self.votes.crowded_above(self.round) {
            return Some(round);
        }
        // L47: after a quorum for nil there is nothing to wait for.
        (self.votes.has_quorum(self.round, VoteKind::Precommit, None) && self.round < ROUND_MAX)
            .then(|| self.round + 1)
    }

    /// L11 to L13
    pub(super) fn start_round(&mut self, round: u32) {
        self.round = round;
        self.step = Step::Propose;
        self.asked = false;
        self.leads = false;
    }

    /// The step ends with the vote (L27, L33, L41, L46, L60, L64).
    fn vote(&mut self, kind: VoteKind, seal: Option<SealId>) -> Action {
        self.step = Step::after(kind);
        if seal.is_none() {
            self.nil_rounds.insert(self.round);
        }
        Action::Vote {
            round: self.round,
            kind,
            seal,
        }
    }
}
