//! What proposals of seals list, and what of it this node keeps.
//!
//! Nodes may hold different records of an author who made too many: what a list names is kept beside what the limits leave,
//! or nobody could ever agree. It is kept only as far as the seal could apply (S6). Each list so makes a node keep at most
//! what one seal may take of its authors, and only while the list is of use.

use std::collections::BTreeSet;

use super::Core;
use crate::base::digest::{RecordId, SealId};
use crate::base::limits::SLOT_BODIES_MAX;
use crate::ledger::proposal_cap;
use crate::statement::record::{Statement, Verified};

/// Rounds, from this node's own on, of whose proposals it takes the lists: others may be a little ahead.
const LIST_ROUNDS: usize = 4;

/// Lists held before it is looked which of them are of use still.
const LISTS_BEFORE_CLEANING: usize = 8;

impl Core {
    /// Whether a list names this record and may still apply.
    pub(super) fn is_listed(&self, id: &RecordId) -> bool {
        let lists = self.lists.iter();
        lists
            .filter(|(_, list)| list.binary_search(id).is_ok())
            .any(|(seal, _)| !self.refused.contains(seal))
    }

    /// Refuses the seals that list this record beside so many others that are here that applying them would refuse one.
    pub(super) fn refuse_overfull(&mut self, record: &Verified) {
        let naming = self
            .lists
            .iter()
            .filter(|(_, list)| list.binary_search(&record.id()).is_ok());
        let overfull = naming.filter(|(_, list)| !self.has_room(list, record));
        let overfull: Vec<SealId> = overfull.map(|(seal, _)| *seal).collect();
        self.refused.extend(overfull);
    }

    /// Whether a seal that lists this record can apply beside what else of its list is here: what a seal refuses whatever
    /// else it lists is judged by [`Self::judge`].
    fn has_room(&self, list: &[RecordId], record: &Verified) -> bool {
        let (id, author) = (record.id(), record.author());
        let is_beside = |other: &RecordId| *other != id && list.binary_search(other).is_ok();
        match record.statement() {
            Statement::Propose { .. } => {
                let state = self.ledger.state();
                let cap = state.roster().get(&author).map_or(0, proposal_cap);
                let listed = self.pool.proposals_of(&author).filter(is_beside);
                state.open_by(&author) + listed.count() < cap
            }
            Statement::Rejoin { .. } => !self.pool.rejoins_of(&author).any(|it| is_beside(&it)),
            // Only one reveal opens a commit, which is sealed.
            statement => statement.slot().is_none_or(|slot| {
                let listed = self.pool.in_slot(author, slot).filter(is_beside);
                listed.count() < SLOT_BODIES_MAX
            }),
        }
    }

    /// Takes a list, and keeps what it names.
    pub(super) fn take_list(&mut self, seal: SealId, list: Vec<RecordId>) {
        if self.lists.len() >= LISTS_BEFORE_CLEANING {
            self.drop_lists();
        }
        self.exempt_listed(&list);
        self.lists.insert(seal, list);
    }

    /// Keeps what a proposal lists, beyond what its slots have room for.
    pub(super) fn exempt_listed(&mut self, list: &[RecordId]) {
        for id in list {
            if !self.pool.exempt(id)
                && let Some(vote) = self.agreement.record(id).cloned()
            {
                self.keep(vote, true);
            }
        }
    }

    /// Whether what a seal lists may matter now: it may apply, and its proposal is of this round or one of the next few, or a
    /// quorum voted for it. A proposer may propose in any number of rounds, with long lists; those left aside are asked for
    /// again at a comparison, once they matter.
    pub(super) fn has_use_for_list(&self, seal: &SealId) -> bool {
        let from = self.agreement.round_to_be();
        let is_near = |round| (from..).take(LIST_ROUNDS).any(|it| it == round);
        !self.refused.contains(seal)
            && (self.agreement.is_quorate(seal) || self.agreement.proposed_in(seal).any(is_near))
    }

    /// Drops the lists that are of no use any more, and what is held only because they name it.
    fn drop_lists(&mut self) {
        let useless: Vec<SealId> = self
            .lists
            .keys()
            .filter(|seal| !self.saved_lists.contains(seal) && !self.has_use_for_list(seal))
            .copied()
            .collect();
        for seal in &useless {
            self.lists.remove(seal);
            self.drafts.remove(seal);
        }
        if !useless.is_empty() {
            self.release();
        }
    }

    /// Holds what no list names any more to the limits of what nobody asked for.
    fn release(&mut self) {
        let named = self.pool.iter().filter(|pooled| pooled.is_exempt);
        let released: Vec<Verified> = named
            .map(|pooled| pooled.record.clone())
            .filter(|record| !self.is_listed(&record.id()))
            .collect();
        let (votes, others): (Vec<Verified>, Vec<Verified>) = released
            .into_iter()
            .partition(|record| record.statement().is_about_seals());
        // The largest ids go, so that the nodes that hold the same keep the same.
        for record in others.iter().rev() {
            self.rejudge(&record.id());
        }
        self.release_votes(&votes);
    }

    /// Lets go of votes on seals, but for one pair of each author that proves an equivocation.
    fn release_votes(&mut self, votes: &[Verified]) {
        let theirs = votes.iter().filter(|vote| vote.author() != self.me);
        let mut ids: BTreeSet<RecordId> = theirs.map(Verified::id).collect();
        for agreement in self.recent.iter_mut().map(|decided| &mut decided.agreement) {
            agreement.end_exemption(&ids);
            // Votes of past heights are not persisted.
            agreement.take_dropped();
        }
        self.agreement.end_exemption(&ids);
        ids.extend(self.agreement.take_dropped());
        // The other half of a pair may be here without being listed.
        let slots = votes.iter().filter_map(|vote| {
            let slot = vote.statement().slot()?;
            Some((vote.author(), slot))
        });
        let held = slots.flat_map(|(author, slot)| self.pool.in_slot(author, slot));
        let held: BTreeSet<RecordId> = held.collect();
        let held = held.iter().filter_map(|id| self.pool.get(id));
        let held: Vec<Verified> = held.map(|pooled| pooled.record.clone()).collect();
        for vote in votes {
            self.pool.remove(&vote.id());
        }
        for pair in self.ledger.state().evidence_pairs(&held) {
            self.keep_evidence(Some(pair), false);
        }
        self.forget(ids.into_iter().collect());
    }
}
