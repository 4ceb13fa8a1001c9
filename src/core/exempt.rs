//! Records that are exempt from the caps. Caps limit only records that nobody asked for ([R8]): a record
//! that a seal proposal, seal or certificate lists is fetched, admitted and kept beyond them. Otherwise, if an author
//! made too many records and nodes held different ones, they could never agree on a seal.
//!
//! A proposal travels with its list of record ids. As long as a list is of use, its records are exempt, as many as the
//! seal could apply ([S6]). So for one list, a node keeps at most as many records of an author as one seal can take. When
//! the list is dropped, the caps apply again.

use std::collections::BTreeSet;

use super::Core;
use crate::base::digest::{RecordId, SealId};
use crate::base::limits::SLOT_BODIES_MAX;
use crate::ledger::proposal_cap;
use crate::statement::record::{Statement, Verified};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Rounds, from this node's own on, of which it takes lists whatever they are worth: other nodes may be a little ahead.
const LIST_ROUNDS: usize = 4;

/// This many lists may be held before those without use are dropped.
const LISTS_BEFORE_CLEANING: usize = 8;

impl Core {
    /// Whether a list of a seal that may still apply has this record.
    pub(super) fn is_listed(&self, id: &RecordId) -> bool {
        let lists = self.lists.iter();
        lists
            .filter(|(_, list)| list.binary_search(id).is_ok())
            .any(|(seal, _)| !self.refused.contains(seal))
    }

    /// Refuses seals whose list exceeds a limit once this record is counted.
    pub(super) fn refuse_overfull(&mut self, record: &Verified) {
        let naming = self
            .lists
            .iter()
            .filter(|(_, list)| list.binary_search(&record.id()).is_ok());
        let overfull = naming.filter(|(_, list)| !self.has_room(list, record));
        let overfull: Vec<SealId> = overfull.map(|(seal, _)| *seal).collect();
        self.refused.extend(overfull);
    }

    /// Whether the listed records that this node holds, together with this one, stay within the limits of a seal.
    /// [`Self::judge`] checks each record by itself.
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
            Statement::Rejoin { .. } | Statement::Succeed { .. } => {
                !self.pool.about_author(&author).any(|it| is_beside(&it))
            }
            // Only one reveal opens a sealed commit.
            statement => statement.slot().is_none_or(|slot| {
                let listed = self.pool.in_slot(author, slot).filter(is_beside);
                listed.count() < SLOT_BODIES_MAX
            }),
        }
    }

    /// Takes a list, and exempts its records.
    pub(super) fn take_list(&mut self, seal: SealId, list: Vec<RecordId>) {
        if self.lists.len() >= LISTS_BEFORE_CLEANING {
            self.drop_lists();
        }
        self.exempt_listed(&list);
        self.lists.insert(seal, list);
    }

    /// Exempts the listed records that are here. Listed votes of the agreement enter the pool as well, as evidence.
    pub(super) fn exempt_listed(&mut self, list: &[RecordId]) {
        for id in list {
            if !self.pool.exempt(id)
                && let Some(vote) = self.agreement.record(id).cloned()
            {
                self.keep(vote, true);
            }
        }
    }

    /// Whether a seal's list may matter now: the seal may apply, and either a quorum voted for it, or its proposal is of this
    /// round or one of the next few, or one that this node may join. A proposer may propose in any number of rounds, with long
    /// lists; the lists ignored now are asked for again at a comparison, once they matter.
    pub(super) fn has_use_for_list(&self, seal: &SealId) -> bool {
        let from = self.agreement.round_to_be();
        let is_near = |round| (from..).take(LIST_ROUNDS).any(|it| it == round);
        !self.refused.contains(seal)
            && (self.agreement.is_quorate(seal)
                || self.agreement.proposed_in(seal).any(is_near)
                || self.is_joinable(seal))
    }

    /// Whether this seal is among those that this node would join first, once it knows their lists: as many as there can be
    /// liars, and one more ([S11]).
    fn is_joinable(&self, seal: &SealId) -> bool {
        let few = self.agreement.sealers().len() / 3 + 1;
        let seals = self.agreement.joinable_seals();
        let mut seals = seals.filter(|seal| !self.refused.contains(seal)).take(few);
        seals.any(|joinable| joinable == *seal)
    }

    /// Drops the lists without further use, and ends the exemption of their records.
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

    /// Applies the caps again to records that no list has any more.
    fn release(&mut self) {
        let named = self.pool.iter().filter(|pooled| pooled.is_exempt);
        let released: Vec<Verified> = named
            .map(|pooled| pooled.record.clone())
            .filter(|record| !self.is_listed(&record.id()))
            .collect();
        let (votes, others): (Vec<Verified>, Vec<Verified>) = released
            .into_iter()
            .partition(|record| record.statement().is_about_seals());
        // The largest ids are dropped, so that nodes with the same records keep the same.
        for record in others.iter().rev() {
            self.rejudge(&record.id());
        }
        self.release_votes(&votes);
    }

    /// Drops votes on seals, except one pair per author that proves an equivocation.
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
        // The other vote of a pair may be here without being listed.
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
