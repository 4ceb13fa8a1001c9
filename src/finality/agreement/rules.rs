//! The rules of the paper ([S2]), over the set of records held. A node locks on a seal in [`Agreement::advance`] when it
//! precommits it (L38), and refuses other seals as long as no newer proof of lock releases it (L29).

use super::super::votes::at;
use super::super::{Action, Judge, Step, Verdict};
use super::Agreement;
use crate::base::digest::{NodeId, SealId};
use crate::base::limits::ROUND_MAX;
use crate::statement::record::{Seal, VoteKind};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The prevote that the proposals of a round call for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Opinion {
    Nil,
    Undecided,
    For(SealId),
}

/// The value to propose again (L15).
enum Valid {
    None,
    Undecided,
    Value(SealId, u32),
}

impl Agreement {
    /// Applies the rules until none fires, and returns the statements that this node has to sign, in this order. Each action is
    /// returned once. A second call without new records or answers of the judge returns nothing.
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
                // Last, so that no proposal is asked for in a round that this node leaves at once.
                actions.extend(self.propose(me, judge));
                break;
            }
        }
        actions
    }

    /// "I give up waiting in this step": acts as the paper does when the step's timer ends, under its guards. Call
    /// [`Self::advance`] afterwards, as a new round may have begun. The caller must know that there is something to wait for:
    /// do not nudge without records and without anything to seal.
    pub fn nudge(&mut self) -> Vec<Action> {
        if !self.is_active() || self.decided().is_some() {
            return Vec::new();
        }
        let round = self.round;
        // L47, L65 to L67: this timer runs in every step.
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

    /// L22 to L33. If the proposer equivocates, this node prevotes the acceptable proposal with the smallest record id, and nil
    /// only if it refuses all that it holds.
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
            // L28: without its proof of lock the proposal has no effect yet.
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
            None => judge.judge(seal, self.round, true),
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
}
