//! Drives the agreement on the next seal ([S1] to [S11]).

use super::seal_judge::{SealJudge, try_draft};
use super::{Core, Output, Signing, Write};
use crate::base::digest::SealId;
use crate::finality::Action;
use crate::statement::record::Statement;

#[cfg(doc)]
use crate::protocol::Rule::*;

impl Core {
    /// Applies decided seals and signs due statements, until there is nothing left to do.
    pub(super) fn run(&mut self) {
        while self.try_decide() || self.step() {}
    }

    /// Whether this node may propose and vote on the next seal.
    pub(super) fn may_seal(&self) -> bool {
        let height = self.ledger.state().height() + 1;
        let is_ready =
            !self.compromised && self.is_the_only_one().is_ok() && self.left_for().is_none();
        is_ready && matches!(self.signing, Signing::Above(above) if height > above)
    }

    /// Signs the statements that the agreement asks for.
    fn step(&mut self) -> bool {
        if !self.may_seal() {
            return false;
        }
        self.note_pace();
        let join_to = self.join_to();
        let mut judge = SealJudge {
            ledger: &self.ledger,
            pool: &self.pool,
            lists: &self.lists,
            drafts: &mut self.drafts,
            refused: &mut self.refused,
            now_ms: self.now_ms,
            clock_ms: self.now_ms.saturating_add_signed(self.correction_ms),
            censorship_ms: self.timing.censorship_ms,
            is_early: self.agreement.is_early(),
        };
        let action = self.agreement.advance(&mut judge, join_to);
        action.is_some_and(|action| self.act(&action))
    }

    /// The highest round that this node may join now ([S11]).
    fn join_to(&mut self) -> u32 {
        let is_due = || {
            let due_ms = self.ledger.state().due_ms();
            due_ms.is_some_and(|due_ms| due_ms <= self.clock_ms())
        };
        if self.waits_since_ms.is_none()
            && (!self.agreement.is_silent() || !self.pool.is_empty() || is_due())
        {
            self.waits_since_ms = Some(self.now_ms);
        }
        if self.timing.join_ms == 0 {
            return u32::MAX;
        }
        let waited_ms = self.now_ms - self.waits_since_ms.unwrap_or(self.now_ms);
        u32::try_from(waited_ms / self.timing.join_ms).unwrap_or(u32::MAX)
    }

    /// The next time at which this node may join a round that it knows of.
    pub(super) fn joins_at_ms(&self) -> Option<u64> {
        let since_ms = self.waits_since_ms?;
        let rounds = self.agreement.joinable();
        let times = rounds.map(|round| since_ms + self.timing.join_ms * u64::from(round));
        times.filter(|at_ms| *at_ms > self.now_ms).min()
    }

    pub(super) fn nudge(&mut self) {
        if self.wants_to_seal()
            && let Some(action) = self.agreement.nudge()
        {
            self.act(&action);
        }
    }

    /// The round that this node would lead out of turn, if it may sign.
    pub(super) fn round_to_lead(&self) -> Option<u32> {
        let round = self.agreement.round_to_lead();
        round.filter(|_| self.may_seal())
    }

    /// Enters the next own round, if there is something to propose in it ([S11]).
    pub(super) fn lead(&mut self) {
        if let Some(round) = self.round_to_lead()
            && (self.agreement.has_value_below(round) || self.has_something_worth_it(round))
        {
            self.agreement.lead();
        }
    }

    fn act(&mut self, action: &Action) -> bool {
        match *action {
            Action::Propose { round, value } => self.propose_seal(round, value),
            Action::Vote { round, kind, seal } => {
                if let Some(seal) = seal {
                    self.save_list(seal);
                }
                let height = self.ledger.state().height() + 1;
                let vote = Statement::SealVote {
                    height,
                    round,
                    kind,
                    seal,
                };
                self.say_about_seal(vote)
            }
        }
    }

    /// Saves the list of a seal that this node votes for, so that it still knows the list after a restart.
    pub(super) fn save_list(&mut self, seal: SealId) {
        if let Some(list) = self.lists.get(&seal)
            && self.saved_lists.insert(seal)
        {
            let list = list.clone();
            self.out.push(Output::Persist(Write::List { seal, list }));
        }
    }

    /// Signs and sends a statement about the next seal, or the journal's copy of that slot.
    pub(super) fn say_about_seal(&mut self, statement: Statement) -> bool {
        match self.sign_one(statement, None) {
            Ok(record) => {
                if self.agreement.add_exempt(record.clone()).unwrap_or(false) {
                    self.relay.push((None, record));
                }
                true
            }
            Err(_) => false,
        }
    }

    /// Applies the next seal if it is decided and all its records are here.
    fn try_decide(&mut self) -> bool {
        // After a fork, people have to choose the branch.
        if self.compromised {
            return false;
        }
        let Some((id, _)) = self.agreement.decided() else {
            return false;
        };
        if !self.drafts.contains_key(&id) {
            let Some(seal) = self.agreement.proposal(&id) else {
                return false;
            };
            let draft = try_draft(&self.ledger, &self.pool, &self.lists, seal, &id);
            // An error means that dishonest nodes with more than a third of the weight decided it; the ledger stops.
            let Ok(Some(draft)) = draft else { return false };
            self.drafts.insert(id, draft);
        }
        let (Some(draft), Some(certificate)) =
            (self.drafts.remove(&id), self.agreement.certificate())
        else {
            return false;
        };
        self.commit(draft, certificate, false);
        true
    }
}
