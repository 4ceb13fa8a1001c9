//! A node's part in the agreement on one height's seal. Its lock is kept here, in `locked`; `rules.rs` sets and obeys it.

mod lead;
mod rules;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Step;
use super::certificate;
use super::votes::Votes;
use crate::base::digest::{NodeId, RecordId, SealId};
use crate::base::limits::EARLY_ROUNDS;
use crate::base::rejection::Rejection;
use crate::members::sealers::Sealers;
use crate::statement::record::{Seal, Statement, Verified, VoteKind};
use crate::statement::seal::SealCertificate;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The agreement on one height's seal: the records held, and this node's own round, step and lock (L2 to L9).
///
/// `finality.rs` gives the call order.
#[derive(Debug, Clone)]
pub struct Agreement {
    votes: Votes,
    me: Option<NodeId>,
    round: u32,
    step: Step,
    /// Whether this node was asked for its proposal of this round.
    asked: bool,
    /// Whether it entered this round to lead it out of turn ([S11]).
    leads: bool,
    /// The highest own precommit for a seal (L6, L7).
    locked: Option<(u32, SealId)>,
    /// The first round after a declared journal; 0 if the journal is whole. What this node signed in the rounds before may be
    /// unknown to it ([C4]).
    returned: u32,
    /// The rounds with a nil vote of its own, whatever its reason ([S6], [S8]).
    nil_rounds: BTreeSet<u32>,
    /// The judge's final answers about seals, except about their freshness.
    valid: BTreeMap<SealId, bool>,
}

impl Agreement {
    /// The agreement on the seal of `height`, in round 0. If `me` is `None` or no sealer, it observes and never asks for a
    /// signature.
    pub fn new(height: u64, sealers: Arc<Sealers>, me: Option<NodeId>) -> Self {
        Self {
            me: me.filter(|me| sealers.contains(me)),
            votes: Votes::new(height, sealers),
            round: 0,
            step: Step::Propose,
            asked: false,
            leads: false,
            locked: None,
            returned: 0,
            nil_rounds: BTreeSet::new(),
            valid: BTreeMap::new(),
        }
    }

    /// Takes this node's records of the height from the journal, before anything else. The lock is the highest own precommit
    /// for a seal; round and step are those of the last own record. Records of others and of other heights are ignored. Own
    /// records that come through [`Self::add`] never change lock, round or step, because the journal may not have them.
    pub fn recover(&mut self, own: &[Verified]) {
        for record in own {
            let height = record.statement().slot().and_then(|slot| slot.height());
            if Some(record.author()) != self.me || height != Some(self.height()) {
                continue;
            }
            // A record binds its author even if the limits leave it out of the set.
            let _ = self.votes.add(record.clone(), false);
            let (round, step) = match record.statement() {
                Statement::SealProposal { round, .. } => (*round, Step::Propose),
                Statement::SealVote {
                    round, kind, seal, ..
                } => {
                    match (kind, *seal) {
                        (_, None) => {
                            self.nil_rounds.insert(*round);
                        }
                        (VoteKind::Precommit, Some(seal))
                            if self.locked.is_none_or(|(locked, _)| locked < *round) =>
                        {
                            self.locked = Some((*round, seal));
                        }
                        _ => {}
                    }
                    (*round, Step::after(*kind))
                }
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

    /// After a declared journal ([C4]): this node votes in this round or later ones only, as it may have voted before without
    /// knowing it. For the same reason it is bound by the proofs of lock of the rounds before.
    pub fn return_in(&mut self, round: u32) {
        self.returned = round;
        if round > self.round {
            self.start_round(round);
        }
    }

    /// Takes in a proposal or vote of this height, including this node's. Returns whether it was new.
    ///
    /// # Errors
    ///
    /// - [`Rejection::Malformed`]: another kind of statement;
    /// - [`Rejection::ImpossibleSeal`]: another height;
    /// - [`Rejection::NotASealer`]: the author does not seal;
    /// - [`Rejection::WrongRole`]: a proposal by someone who is not that round's proposer;
    /// - [`Rejection::SlotFull`]: two bodies with smaller ids are kept in its slot;
    /// - [`Rejection::OverLimit`]: the author signed in enough lower and higher rounds.
    ///
    /// In the last two cases the record is not bad, but not needed.
    pub fn add(&mut self, record: Verified) -> Result<bool, Rejection> {
        self.votes.add(record, false)
    }

    /// As [`Self::add`], but exempt from the limits: this node asked for the record because a proposal, proof of lock or
    /// certificate names it.
    ///
    /// # Errors
    ///
    /// As [`Self::add`], without the last two.
    pub fn add_exempt(&mut self, record: Verified) -> Result<bool, Rejection> {
        self.votes.add(record, true)
    }

    /// Ends the exemption of these records: nothing names them any more, and the limits apply again.
    pub fn end_exemption(&mut self, ids: &BTreeSet<RecordId>) {
        self.votes.end_exemption(ids);
    }

    /// The records dropped by the limits since the last call, so that a store drops them too.
    pub fn take_dropped(&mut self) -> Vec<RecordId> {
        self.votes.take_dropped()
    }

    /// Notes that the caller was asked for a proposal but has nothing to seal. The next [`Self::advance`] in this round asks
    /// again.
    pub fn defer_proposal(&mut self) {
        self.asked = false;
    }

    /// The seal that a quorum precommitted in one round (L49), and the lowest such round. After a fork, the first by round and
    /// id; see [`Self::decisions`].
    pub fn decided(&self) -> Option<(SealId, u32)> {
        self.decisions().next()
    }

    /// Every seal that a quorum precommitted, by round and id. Two different seals are a fork, possible only if a third of
    /// the sealers are Byzantine.
    pub fn decisions(&self) -> impl Iterator<Item = (SealId, u32)> + '_ {
        self.votes
            .decisions()
            .iter()
            .map(|(round, seal)| (*seal, *round))
    }

    /// The certificate of the seal that is [`Self::decided`].
    pub fn certificate(&self) -> Option<SealCertificate> {
        let (seal, round) = self.decided()?;
        self.certificate_of(seal, round)
    }

    /// The certificate of one of the [`Self::decisions`]: enough precommits for a quorum, sorted by record id. An equivocator
    /// without a held precommit for the seal counts by two others.
    pub fn certificate_of(&self, seal: SealId, round: u32) -> Option<SealCertificate> {
        certificate::assemble(&self.votes, seal, round)
    }

    /// The seal of this id, if a proposal of it is kept.
    pub fn proposal(&self, seal: &SealId) -> Option<&Seal> {
        self.votes.seal(seal)
    }

    /// The proposals of this node's round, by record id: the stated proof-of-lock round and the seal.
    pub fn proposals(&self) -> impl Iterator<Item = (Option<u32>, &Seal)> + '_ {
        self.votes
            .proposals(self.round)
            .map(|(lock, _, seal)| (lock, seal))
    }

    /// Whether a quorum prevoted or precommitted this seal.
    pub fn is_quorate(&self, seal: &SealId) -> bool {
        let quorums = self.votes.proofs().iter().chain(self.votes.decisions());
        quorums.into_iter().any(|(_, quorate)| quorate == seal)
    }

    /// The rounds in which this seal is proposed, as far as their proposals are kept.
    pub fn proposed_in(&self, seal: &SealId) -> impl Iterator<Item = u32> {
        self.votes.proposed_in(*seal)
    }

    /// Seals with a quorum of prevotes or precommits whose proposals are not kept here. The caller asks for them and gives them
    /// to [`Self::add_exempt`].
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

    /// The records to compare with peers while the height is agreed on, by id: those that a peer would keep ([S8]).
    pub fn offered(&self) -> impl Iterator<Item = &Verified> {
        self.votes.offered()
    }

    /// The records to compare with peers once the height is sealed, by id: those that can still be evidence ([S10]).
    pub fn evidence(&self) -> impl Iterator<Item = &Verified> {
        self.votes.evidence()
    }

    /// The number of changes of the set of records.
    pub fn revision(&self) -> u64 {
        self.votes.revision()
    }

    /// A record, if it is kept.
    pub fn record(&self, id: &RecordId) -> Option<&Verified> {
        self.votes.records().get(id)
    }

    /// The two records in the slot of `record`, if its author equivocated in it.
    pub fn equivocation(&self, record: &Verified) -> Option<(Verified, Verified)> {
        let other = self.votes.beside(record)?;
        Some((other.clone(), record.clone()))
    }

    /// Whether this node, or more than a third of the sealers, signed something at this height. So a single liar keeps no other
    /// node active.
    pub fn is_under_way(&self) -> bool {
        let mut authors = self.votes.authors();
        self.sealers().is_over_third(authors.clone().count())
            || authors.any(|author| Some(*author) == self.me)
    }

    /// Whether nobody signed anything at this height, as far as this node knows ([S11]).
    pub fn is_silent(&self) -> bool {
        self.votes.authors().next().is_none()
    }

    /// Whether this node seals at this height.
    pub fn is_active(&self) -> bool {
        self.me.is_some()
    }

    /// The height.
    pub fn height(&self) -> u64 {
        self.votes.height()
    }

    /// The sealers of this height.
    pub fn sealers(&self) -> &Sealers {
        self.votes.sealers()
    }

    /// This node's round.
    pub fn round(&self) -> u32 {
        self.round
    }

    /// The round that [`Self::advance`] moves this node to: a higher one that more than a third signed in or above (L55),
    /// or its own.
    pub fn round_to_be(&self) -> u32 {
        let crowded = self.votes.crowded_above(self.round);
        crowded.unwrap_or(self.round)
    }

    /// This node's step.
    pub fn step(&self) -> Step {
        self.step
    }

    /// In how many rounds of this height this node has voted nil, whatever the reason. Patience doubles with each ([S8]).
    pub fn nil_rounds(&self) -> u32 {
        u32::try_from(self.nil_rounds.len()).unwrap_or(u32::MAX)
    }

    /// Whether it is early in the height for this node: it still insists on what a proposal may not leave out, and on its time
    /// ([S6]).
    pub fn is_early(&self) -> bool {
        self.nil_rounds() < EARLY_ROUNDS
    }

    /// Whether this step is in vain: no seal can get its quorum from those who have not voted in it and signed in no higher
    /// round ([S8]).
    pub fn is_in_vain(&self) -> bool {
        let kind = match self.step {
            Step::Propose | Step::Prevote => VoteKind::Prevote,
            Step::Precommit => VoteKind::Precommit,
        };
        self.votes.is_in_vain(self.round, kind)
    }

    /// The round and seal that this node is locked on: its highest own precommit for a seal or, after a declared journal, a higher
    /// proof of lock of the rounds before its return. It may have precommitted that seal, and who has the precommit may hide it.
    pub fn locked(&self) -> Option<(u32, SealId)> {
        let shown = self.votes.proof_below(self.returned);
        match (self.locked, shown) {
            (Some(own), Some(shown)) if own.0 >= shown.0 => Some(own),
            (own, shown) => shown.or(own),
        }
    }

    /// Whether a vote of `node` in this slot is kept, for displays of missing votes.
    pub fn has_voted(&self, node: &NodeId, round: u32, kind: VoteKind) -> bool {
        self.votes
            .counts(round, kind)
            .is_some_and(|counts| !counts.of(node).is_empty())
    }
}
