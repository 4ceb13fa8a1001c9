//! A person's way out where a `Rejoin` is not sealed ([C4]), because too few others can seal.
//!
//! A node that lost its journal signs nothing until a seal lists its `Rejoin`. If two of four lose theirs, no seal is made any
//! more. Then a person may declare that the union of what all others hold is the journal. The node checks that: since its
//! start it must have compared its records with *every* other member that is not banned, none excepted, and must have lacked
//! nothing in the end. What one member alone holds could be the very record that this node would contradict.
//!
//! A liar among the others can keep back a vote that this node has made. So until the present height is sealed, the node votes
//! only in rounds above those that it was shown ([`Core::first_free_round`]), and is bound by every proof of lock of the rounds
//! before, as if it had precommitted that seal. What a liar can still bring about with a record that it hid is a second commit of
//! this node to an open operation, or a second vote of a later round: a person who declares takes that upon itself.

use std::collections::BTreeMap;

use super::{Answer, Core, Declared, Output, PeerId, Refusal, Signing, Write};
use crate::base::digest::NodeId;
use crate::decision::open::OpenOperation;
use crate::finality::Agreement;
use crate::statement::record::{Statement, Verified};

#[cfg(doc)]
use crate::protocol::Rule::*;

impl Core {
    /// Notes that this node lacks nothing of what a peer holds.
    pub(super) fn note_shown(&mut self, peer: PeerId) {
        if let Some(author) = self.authors.get(&peer) {
            self.shown_by.insert(*author);
        }
    }

    /// The other members that are not banned.
    pub(super) fn other_members(&self) -> impl Iterator<Item = NodeId> + '_ {
        let roster = self.ledger.state().roster().iter();
        let others = roster.filter(|(node, member)| *node != self.me && !member.is_banned());
        others.map(|(node, _)| node)
    }

    pub(super) fn declare_journal(&mut self) -> Result<Answer, Refusal> {
        match self.signing {
            Signing::Above(_) => return Err(Refusal::NotLost),
            Signing::Lost => return Err(Refusal::JournalLost),
            Signing::Rejoining(_) => {}
        }
        self.is_the_only_one()?;
        let others = self.other_members();
        let missing: Vec<NodeId> = others
            .filter(|node| !self.shown_by.contains(node))
            .collect();
        if !missing.is_empty() {
            return Err(Refusal::NotMet(missing));
        }
        self.take_up_own_records();
        // Persisted, because the chain stands still without this node until the `Rejoin`s are sealed.
        self.declared = Declared {
            rejoins: self.journal.rejoins().map(Verified::id).collect(),
            height: self.agreement.height(),
            round: self.first_free_round(),
        };
        let write = Write::Declared(self.declared.clone());
        self.out.push(Output::Persist(write));
        self.signing = Signing::Above(0);
        self.recover_agreement();
        self.keep_promises();
        Ok(Answer::Done)
    }

    /// Journals this node's own records that others hold.
    fn take_up_own_records(&mut self) {
        let state = self.ledger.state();
        let sealed = state.operations().flat_map(OpenOperation::records);
        let recent = self.recent.iter().map(|decided| &decided.agreement);
        let votes = recent.chain([&self.agreement]).flat_map(Agreement::records);
        let pooled = self.pool.iter().map(|pooled| &pooled.record);
        let records = sealed.chain(votes).chain(pooled);
        let own = records.filter(|record| record.author() == self.me);
        let own: Vec<Verified> = own.cloned().collect();
        for record in own {
            let slot = record.statement().slot();
            let is_taken = slot.is_some_and(|slot| self.journal.signed(&slot).is_some());
            if !is_taken && !self.journal.knows(&record.id()) {
                self.persist_own(&record, None);
            }
        }
    }

    /// The first round of the present height above all that this node was shown: above its own votes; above all rounds below
    /// the number of sealers in which somebody signed; and above the highest round that more than a third of the sealers have
    /// reached. No honest node goes beyond these by more than it shows ([S8], [S11]). A round that a single liar
    /// names does not count: it could be the last of all rounds, and this node would never vote again.
    fn first_free_round(&self) -> u32 {
        let sealers = self.agreement.sealers();
        let mut highest: BTreeMap<NodeId, u32> = BTreeMap::new();
        let mut counting: Vec<u32> = Vec::new();
        for record in self.agreement.records() {
            let (Statement::SealProposal { round, .. } | Statement::SealVote { round, .. }) =
                record.statement()
            else {
                continue;
            };
            if record.author() == self.me || (*round as usize) < sealers.len() {
                counting.push(*round);
            }
            let of_author = highest.entry(record.author()).or_default();
            *of_author = (*of_author).max(*round);
        }
        let mut reached: Vec<(u32, NodeId)> = highest.into_iter().map(|(a, r)| (r, a)).collect();
        reached.sort_unstable_by(|a, b| b.cmp(a));
        let crowd = (1..)
            .zip(reached)
            .find(|(count, _)| sealers.is_over_third(*count));
        counting.extend(crowd.map(|(_, (round, _))| round));
        let above = counting.into_iter().max();
        above.map_or(0, |round| round.saturating_add(1))
    }

    /// After a declaration: this node's part in the present height begins in the first free round.
    pub(super) fn enter_free_round(&mut self) {
        if self.declared.height == self.agreement.height() {
            self.agreement.return_in(self.declared.round);
        }
    }
}
