//! The records kept of one height, and the quorums among them: proofs of lock (a quorum of prevotes for a seal in one round) and
//! decisions (a quorum of precommits).

mod guards;
mod limits;
mod offers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::counts::VoteCounts;
use crate::base::digest::{NodeId, RecordId, SealId};
use crate::base::limits::VOTE_ROUNDS_MAX;
use crate::base::rejection::Rejection;
use crate::members::sealers::Sealers;
use crate::statement::record::{Seal, Statement, Verified, VoteKind};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The content of a proposal or vote of one round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Content {
    Proposal(SealId),
    Vote(VoteKind, Option<SealId>),
}

/// Whether enough sealers are past waiting in a slot: the paper's quorum of any votes, with [S8]'s counting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Guard {
    /// A quorum voted in the slot.
    Met,
    /// A quorum voted in the slot or signed in a higher round. This is the lowest higher round, below the number of sealers,
    /// in which one of those without a vote in the slot signed: they can be met there.
    Beyond(u32),
    /// Neither.
    Open,
}

/// A record's height, round and content.
fn read(record: &Verified) -> Option<(u64, u32, Content)> {
    match record.statement() {
        Statement::SealProposal { round, seal, .. } => {
            Some((seal.height, *round, Content::Proposal(seal.id())))
        }
        Statement::SealVote {
            height,
            round,
            kind,
            seal,
        } => Some((*height, *round, Content::Vote(*kind, *seal))),
        _ => None,
    }
}

/// The records of one round. All proposals are by the round's proposer.
#[derive(Debug, Clone, Default)]
struct Round {
    proposals: BTreeMap<RecordId, SealId>,
    prevotes: VoteCounts,
    precommits: VoteCounts,
}

impl Round {
    fn counts(&self, kind: VoteKind) -> &VoteCounts {
        match kind {
            VoteKind::Prevote => &self.prevotes,
            VoteKind::Precommit => &self.precommits,
        }
    }

    fn counts_mut(&mut self, kind: VoteKind) -> &mut VoteCounts {
        match kind {
            VoteKind::Prevote => &mut self.prevotes,
            VoteKind::Precommit => &mut self.precommits,
        }
    }

    fn has_voted(&self, author: &NodeId) -> bool {
        !self.prevotes.of(author).is_empty() || !self.precommits.of(author).is_empty()
    }

    fn is_empty(&self) -> bool {
        self.proposals.is_empty() && self.prevotes.voters() + self.precommits.voters() == 0
    }
}

/// The records kept of one height. Counts and quorums are updated with every record.
#[derive(Debug, Clone)]
pub(super) struct Votes {
    height: u64,
    sealers: Arc<Sealers>,
    records: BTreeMap<RecordId, Verified>,
    /// Records exempt from the limits.
    exempt: BTreeSet<RecordId>,
    rounds: BTreeMap<u32, Round>,
    /// Per author the rounds of which its records are kept: the lowest and the highest.
    windows: BTreeMap<NodeId, BTreeSet<u32>>,
    /// The authors by the highest round that they signed in.
    by_highest: BTreeMap<u32, BTreeSet<NodeId>>,
    /// Proofs of lock: rounds and seals with a quorum of prevotes.
    proofs: BTreeSet<(u32, SealId)>,
    /// Rounds and seals with a quorum of precommits.
    decisions: BTreeSet<(u32, SealId)>,
    /// Records that the limits dropped, not yet taken by [`Self::take_dropped`].
    dropped: Vec<RecordId>,
    /// How often the set of records changed.
    revision: u64,
}

impl Votes {
    pub(super) fn new(height: u64, sealers: Arc<Sealers>) -> Self {
        Self {
            height,
            sealers,
            records: BTreeMap::new(),
            exempt: BTreeSet::new(),
            rounds: BTreeMap::new(),
            windows: BTreeMap::new(),
            by_highest: BTreeMap::new(),
            proofs: BTreeSet::new(),
            decisions: BTreeSet::new(),
            dropped: Vec::new(),
            revision: 0,
        }
    }

    pub(super) fn height(&self) -> u64 {
        self.height
    }

    pub(super) fn sealers(&self) -> &Sealers {
        &self.sealers
    }

    pub(super) fn records(&self) -> &BTreeMap<RecordId, Verified> {
        &self.records
    }

    pub(super) fn revision(&self) -> u64 {
        self.revision
    }

    /// Proofs of lock, lowest round first.
    pub(super) fn proofs(&self) -> &BTreeSet<(u32, SealId)> {
        &self.proofs
    }

    /// The highest proof of lock of the rounds below this one.
    pub(super) fn proof_below(&self, round: u32) -> Option<(u32, SealId)> {
        let end = (round, SealId::from_bytes([0; 32]));
        self.proofs.range(..end).next_back().copied()
    }

    /// Decisions, lowest round first, and by seal id within a round (after a fork).
    pub(super) fn decisions(&self) -> &BTreeSet<(u32, SealId)> {
        &self.decisions
    }

    pub(super) fn counts(&self, round: u32, kind: VoteKind) -> Option<&VoteCounts> {
        self.rounds.get(&round).map(|round| round.counts(kind))
    }

    /// Whether a quorum voted for `value` in this slot ([S1]).
    pub(super) fn has_quorum(&self, round: u32, kind: VoteKind, value: Option<SealId>) -> bool {
        self.counts(round, kind)
            .is_some_and(|counts| self.sealers.is_quorum(counts.votes_for(value)))
    }

    /// The most votes for one seal in this slot.
    pub(super) fn most_for_a_seal(&self, round: u32, kind: VoteKind) -> usize {
        let counts = self.counts(round, kind);
        counts.map_or(0, VoteCounts::most_for_a_seal)
    }

    /// The proposals of a round by record id: the proof-of-lock round, the seal's id, and the seal.
    pub(super) fn proposals(
        &self,
        round: u32,
    ) -> impl Iterator<Item = (Option<u32>, SealId, &Seal)> {
        let proposals = self
            .rounds
            .get(&round)
            .into_iter()
            .flat_map(|round| &round.proposals);
        proposals.filter_map(|(record, id)| match self.records.get(record)?.statement() {
            Statement::SealProposal { lock, seal, .. } => Some((*lock, *id, seal)),
            _ => None,
        })
    }

    /// The rounds of `from..to` with a proposal, the highest first.
    pub(super) fn proposed_rounds(&self, from: u32, to: u32) -> impl Iterator<Item = u32> + '_ {
        let rounds = self.rounds.range(from..to.max(from)).rev();
        let proposed = rounds.filter(|(_, slots)| !slots.proposals.is_empty());
        proposed.map(|(round, _)| *round)
    }

    /// The rounds in which a seal is proposed.
    pub(super) fn proposed_in(&self, wanted: SealId) -> impl Iterator<Item = u32> {
        let rounds = self.rounds.iter();
        rounds
            .filter(move |(_, slots)| slots.proposals.values().any(|seal| *seal == wanted))
            .map(|(round, _)| *round)
    }

    /// The seal of this id, if a proposal with it is kept. The cost grows with the number of proposals.
    pub(super) fn seal(&self, wanted: &SealId) -> Option<&Seal> {
        self.rounds
            .keys()
            .flat_map(|round| self.proposals(*round))
            .find_map(|(_, id, seal)| (id == *wanted).then_some(seal))
    }

    /// Another record of the same slot.
    pub(super) fn beside(&self, record: &Verified) -> Option<&Verified> {
        let (_, round, content) = read(record)?;
        let slots = self.rounds.get(&round)?;
        let id = record.id();
        let other = match content {
            Content::Proposal(_) => slots.proposals.keys().find(|held| **held != id)?,
            Content::Vote(kind, _) => {
                let bodies = slots.counts(kind).of(&record.author());
                &bodies.iter().find(|(held, _)| *held != id)?.0
            }
        };
        self.records.get(other)
    }

    /// The records that the limits dropped since the last call.
    pub(super) fn take_dropped(&mut self) -> Vec<RecordId> {
        std::mem::take(&mut self.dropped)
    }

    /// Takes in a record and returns whether it was new. An `exempt` record is kept beyond the limits.
    pub(super) fn add(&mut self, record: Verified, exempt: bool) -> Result<bool, Rejection> {
        let (height, round, content) = read(&record).ok_or(Rejection::Malformed(
            "not a statement about the agreement on a seal",
        ))?;
        if height != self.height {
            return Err(Rejection::ImpossibleSeal(
                "made for another height than this agreement's",
            ));
        }
        let author = record.author();
        if !self.sealers.contains(&author) {
            return Err(Rejection::NotASealer(author));
        }
        let proposer = self.sealers.proposer(round);
        if matches!(content, Content::Proposal(_)) && proposer != Some(author) {
            return Err(Rejection::WrongRole {
                author,
                reason: "it is not the proposer of this round",
            });
        }
        let id = record.id();
        if self.records.contains_key(&id) {
            if exempt {
                self.exempt.insert(id);
            }
            return Ok(false);
        }
        // A second body of a slot is evidence, wherever the first one comes from (S10).
        let protected =
            exempt || self.is_in_quorum(round, content) || self.beside(&record).is_some();
        if !protected && !self.is_in_window(&author, round) {
            return Err(Rejection::OverLimit {
                what: "rounds of votes",
                limit: VOTE_ROUNDS_MAX,
            });
        }
        if let Some(last) = self.surplus(&author, round, content, id, exempt) {
            if last == id {
                return Err(Rejection::SlotFull(author));
            }
            self.remove(last);
        }
        if exempt {
            self.exempt.insert(id);
        }
        self.insert(record, round, content);
        self.enter_window(author, round);
        Ok(true)
    }

    fn insert(&mut self, record: Verified, round: u32, content: Content) {
        let (id, author) = (record.id(), record.author());
        self.records.insert(id, record);
        self.revision += 1;
        let slots = self.rounds.entry(round).or_default();
        match content {
            Content::Proposal(seal) => {
                slots.proposals.insert(id, seal);
            }
            Content::Vote(kind, value) => {
                slots.counts_mut(kind).insert(author, (id, value));
                self.note_quorums(author, round, kind);
            }
        }
    }

    /// Forgets a record. Callers never pass a record in a quorum for a seal, so no quorum is lost.
    fn remove(&mut self, id: RecordId) {
        let Some(record) = self.records.remove(&id) else {
            return;
        };
        self.dropped.push(id);
        self.revision += 1;
        let (_, round, content) = read(&record).expect("only proposals and votes are kept");
        let slots = self
            .rounds
            .get_mut(&round)
            .expect("a kept record stands in its round");
        match content {
            Content::Proposal(_) => {
                slots.proposals.remove(&id);
            }
            Content::Vote(kind, _) => slots.counts_mut(kind).remove(record.author(), id),
        }
        if slots.is_empty() {
            self.rounds.remove(&round);
        }
    }

    /// Whether a record of the author is kept in this round.
    fn is_present(&self, author: &NodeId, round: u32) -> bool {
        self.rounds.get(&round).is_some_and(|slots| {
            slots.has_voted(author)
                || (!slots.proposals.is_empty() && self.sealers.proposer(round) == Some(*author))
        })
    }

    /// Notes the seals that reach a quorum by the author's vote: only the vote's own seal, unless the vote makes the author an
    /// equivocator that counts for every value.
    fn note_quorums(&mut self, author: NodeId, round: u32, kind: VoteKind) {
        let Some(counts) = self.counts(round, kind) else {
            return;
        };
        let values: BTreeSet<SealId> = match counts.of(&author) {
            [(_, value)] => value.iter().copied().collect(),
            _ => counts
                .iter()
                .flat_map(|(_, bodies)| bodies)
                .filter_map(|(_, value)| *value)
                .collect(),
        };
        let quorate = values
            .into_iter()
            .filter(|value| self.has_quorum(round, kind, Some(*value)));
        let found: Vec<_> = quorate.map(|value| (round, value)).collect();
        match kind {
            VoteKind::Prevote => self.proofs.extend(found),
            VoteKind::Precommit => self.decisions.extend(found),
        }
    }
}

/// The seals of one round in a set of rounds and seals.
pub(super) fn at(set: &BTreeSet<(u32, SealId)>, round: u32) -> impl Iterator<Item = SealId> {
    let (first, last) = (SealId::from_bytes([0; 32]), SealId::from_bytes([0xff; 32]));
    set.range((round, first)..=(round, last))
        .map(|(_, seal)| *seal)
}
