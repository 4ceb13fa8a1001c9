//! Leading out of turn and joining ([S11]). Where nodes are carried about, waiting for one proposer costs days, and so does every
//! nil vote. Safety is the paper's: rounds only grow, and a round has one prevote and one precommit of each.

use super::super::{Judge, Step};
use super::Agreement;
use super::rules::{Opinion, Purpose};
use crate::base::digest::SealId;
use crate::statement::record::VoteKind;

#[cfg(doc)]
use crate::protocol::Rule::*;

impl Agreement {
    /// The round that [`Self::lead`] would enter: this node's own next one below the number of sealers, if it waits for a
    /// proposal or its step is in vain.
    pub fn round_to_lead(&self) -> Option<u32> {
        let place = self.me.and_then(|me| self.sealers().place(&me))?;
        let is_free = self.step == Step::Propose || self.is_in_vain();
        (self.decided().is_none() && is_free && place > self.round).then_some(place)
    }

    /// "Lead": goes to this node's own next round, without the rounds between. Returns whether it did. The next
    /// [`Self::advance`] asks for the proposal: the value of the highest proof of lock, else a fresh seal, which the caller
    /// makes only if it is worth it. So the caller looks first whether there is either.
    pub fn lead(&mut self) -> bool {
        let round = self.round_to_lead();
        if let Some(round) = round {
            self.start_round(round);
            self.leads = true;
        }
        round.is_some()
    }

    /// Whether this node entered its round to lead it: then a fresh seal must be worth it.
    pub fn leads(&self) -> bool {
        self.leads
    }

    /// Whether the seal with the highest proof of lock below this round is known here: a proposer would propose it again.
    pub fn has_value_below(&self, round: u32) -> bool {
        let proofs = self.votes.proofs().iter().rev();
        let mut earlier = proofs.filter(|(proof, seal)| {
            *proof < round && self.valid.get(seal).is_none_or(|is_valid| *is_valid)
        });
        let highest = earlier.next();
        highest.is_some_and(|(_, seal)| self.votes.seal(seal).is_some())
    }

    /// The rounds that this node could join, the highest first: above its own, below the number of sealers, with a proposal.
    pub fn joinable(&self) -> impl Iterator<Item = u32> + '_ {
        let end = u32::try_from(self.sealers().len()).unwrap_or(u32::MAX);
        self.votes
            .proposed_rounds(self.round.saturating_add(1), end)
    }

    /// The seals proposed in rounds that this node could join under its lock, those of the highest rounds first.
    pub fn joinable_seals(&self) -> impl Iterator<Item = SealId> + '_ {
        self.joinable().flat_map(|round| {
            let proposals = self.votes.proposals(round);
            let free = proposals.filter(|(lock, id, _)| self.is_free_for(*lock, *id));
            free.map(|(_, id, _)| id)
        })
    }

    /// The highest round, not above `highest`, whose proposal this node would prevote; a fresh one only if it is worth it.
    /// None while a proof of lock of its own round is held here: a decision may be near. Fewer prevotes would not do: two rounds
    /// could then keep their sealers from each other, and neither come to its quorum.
    pub(super) fn round_to_join(&mut self, judge: &mut dyn Judge, highest: u32) -> Option<u32> {
        let most = self.votes.most_for_a_seal(self.round, VoteKind::Prevote);
        if self.sealers().is_quorum(most) {
            return None;
        }
        let rounds: Vec<u32> = self.joinable().filter(|it| *it <= highest).collect();
        rounds.into_iter().find(|round| {
            let opinion = self.opinion_of_round(*round, Purpose::Join, judge);
            matches!(opinion, Some(Opinion::For(_)))
        })
    }
}
