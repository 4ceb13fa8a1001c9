//! Drives the agreement on the next seal (DESIGN section 5).

use super::seal_judge::{SealJudge, try_draft};
use super::{Core, Output, Signing, Write};
use crate::base::digest::SealId;
use crate::finality::Action;
use crate::statement::record::Statement;

impl Core {
    /// Applies decided seals and signs due statements, until there is nothing left to do.
    pub(super) fn run(&mut self) {
        while self.try_decide() || self.step() {}
    }

    /// Whether this node may propose and vote on the next seal.
    pub(super) fn may_seal(&self) -> bool {
        let height = self.ledger.state().height() + 1;
        let is_ready = !self.compromised && self.is_the_only_one().is_ok();
        is_ready && matches!(self.signing, Signing::Above(above) if height > above)
    }

    /// Signs the statements that the agreement asks for.
    fn step(&mut self) -> bool {
        if !self.may_seal() {
            return false;
        }
        let sealers = self.agreement.sealers().len();
        let mut judge = SealJudge {
            ledger: &self.ledger,
            pool: &self.pool,
            lists: &self.lists,
            drafts: &mut self.drafts,
            refused: &mut self.refused,
            now_ms: self.now_ms,
            censorship_ms: self.timing.censorship_ms,
            sealers,
        };
        let actions = self.agreement.advance(&mut judge);
        self.act(actions)
    }

    pub(super) fn nudge(&mut self) {
        if self.wants_to_seal() {
            let actions = self.agreement.nudge();
            self.act(actions);
        }
    }

    fn act(&mut self, actions: Vec<Action>) -> bool {
        let mut acted = false;
        for action in actions {
            acted |= match action {
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
            };
        }
        acted
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
