//! One open operation, from its opening seal to the one that closes it ([P1] to [P9], [A1] to [A4]).
//!
//! An [`OpenOperation`] holds the sealed records about one operation and changes only when a seal is applied: records are
//! *filed* first, then [`OpenOperation::advance`] moves phases and windows. It knows only the roster before the seal and the
//! seal's time.

mod authority;
mod commit_reveal;
mod restored;
mod snapshot;
mod window;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

pub use authority::{Authority, Stage};
pub use restored::StoredOperation;
pub use snapshot::{FrozenLine, Snapshot};
pub use window::Window;

use crate::base::digest::{NodeId, OperationId};
use crate::base::rejection::Rejection;
use crate::decision::bits::Bits;
use crate::decision::tally::Tally;
use crate::members::roster::{Elector, Roster};
use crate::statement::operation::{
    Ballot, BallotForm, Class, ConsensusOperation, Outcome, Priority,
};
use crate::statement::params::Params;
use crate::statement::record::{Statement, Verified};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The members that may vote on one operation; fixed by the seal that opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Electorate {
    electors: Vec<Elector>,
    total: u64,
    weighted: usize,
    votes: usize,
}

impl Electorate {
    /// Takes members in the order of their keys.
    pub fn new(electors: Vec<Elector>) -> Self {
        debug_assert!(
            electors.is_sorted_by(|a, b| a.node < b.node),
            "rosters and panels are sorted"
        );
        Self {
            total: electors.iter().map(|elector| elector.weight).sum(),
            weighted: electors.iter().filter(|elector| elector.weight > 0).count(),
            votes: electors.iter().filter(|elector| elector.has_vote).count(),
            electors,
        }
    }

    /// The weight of all electors: `W` of [P5].
    pub fn total(&self) -> u64 {
        self.total
    }

    /// An elector; `None` if the node is none.
    pub fn get(&self, node: &NodeId) -> Option<&Elector> {
        let at = self
            .electors
            .binary_search_by_key(node, |elector| elector.node)
            .ok()?;
        Some(&self.electors[at])
    }

    /// An elector's weight; `None` if the node is no elector.
    pub fn weight(&self, node: &NodeId) -> Option<u64> {
        Some(self.get(node)?.weight)
    }

    /// Electors in the order of their keys.
    pub fn iter(&self) -> impl Iterator<Item = &Elector> {
        self.electors.iter()
    }

    /// The number of electors with weight.
    pub fn weighted(&self) -> usize {
        self.weighted
    }

    /// The number of electors with a vote.
    pub fn votes(&self) -> usize {
        self.votes
    }
}

/// The records of one author in one slot: one, or two if it equivocated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filed {
    /// The record sealed first (of two in one seal, the one with the smaller id).
    pub first: Verified,
    /// A different record of the same slot.
    pub second: Option<Verified>,
}

/// The effect of filing a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Filing {
    /// The slot was empty.
    First,
    /// The slot holds a different record: both prove equivocation.
    Second,
}

/// Files a record in its author's slot. `None` if the record is there already or the slot holds two records.
fn file_slot(slots: &mut BTreeMap<NodeId, Filed>, record: &Verified) -> Option<Filing> {
    let Some(filed) = slots.get_mut(&record.author()) else {
        let first = record.clone();
        slots.insert(
            record.author(),
            Filed {
                first,
                second: None,
            },
        );
        return Some(Filing::First);
    };
    if filed.first == *record || filed.second.is_some() {
        return None;
    }
    filed.second = Some(record.clone());
    Some(Filing::Second)
}

/// The phase of an operation, with the window that it waits in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The spore hierarchy decides a standard operation ([A1] to [A3]).
    Authority(Authority),
    /// The operation takes commits ([P2]).
    Committing(Window),
    /// The commits are frozen and the operation takes reveals ([P4]). It stays here after the decision, until it closes.
    Revealing(Window),
    /// Nothing more is accepted ([P8]).
    Closed,
}

/// The commits that a seal fixed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frozen {
    /// The freezing seal.
    pub height: u64,
    /// Its time.
    pub time_ms: u64,
    /// The frozen commits by author.
    pub commits: BTreeMap<NodeId, Verified>,
}

/// A final outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decision {
    /// The outcome.
    pub outcome: Outcome,
    /// The seal that made it final.
    pub height: u64,
    /// Its place in the log of decided operations ([H1]).
    pub index: u64,
    /// The electors that had revealed by then, as [`Bits`].
    pub revealed: ByteBuf,
}

/// An operation between its opening and its closing seal.
#[derive(Debug, Clone)]
pub struct OpenOperation {
    id: OperationId,
    proposal: Verified,
    priority: Priority,
    class: Class,
    /// The parameters it was opened under.
    params: Arc<Params>,
    opened_height: u64,
    opened_ms: u64,
    scored: bool,
    electorate: Arc<Electorate>,
    phase: Phase,
    commits: BTreeMap<NodeId, Filed>,
    /// By the author of a commit whose key is not the elector's: the elector, which had that key at the opening.
    heirs: BTreeMap<NodeId, NodeId>,
    /// See [`OpenOperation::committed`].
    committed: usize,
    frozen: Option<Arc<Frozen>>,
    reveals: BTreeMap<NodeId, Verified>,
    tally: Option<Tally>,
    directives: BTreeMap<NodeId, Filed>,
    objections: BTreeMap<NodeId, Filed>,
    resolutions: BTreeMap<NodeId, Filed>,
    decision: Option<Decision>,
    /// Whether it closed because the reveal window passed, so that who did not reveal is charged ([P8]).
    is_overdue: bool,
}

/// The part of the ledger that an operation sees while a seal is applied.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// The seal's height.
    pub height: u64,
    /// The seal's time.
    pub time_ms: u64,
    /// The roster before the seal, which determines roles and weights.
    pub before: &'a Roster,
    /// The roster that knows the records and bans of this seal: it determines who is waited for.
    pub now: &'a Roster,
}

/// A change in an operation when a seal was applied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// A window reached its end and is marked; its grace runs.
    Marked,
    /// A standard operation went on to the Seeds' objections or resolutions.
    Stage(Stage),
    /// A standard operation became a full BFT vote.
    FellToBft,
    /// The commits are frozen.
    Frozen,
    /// The outcome is final.
    Decided,
    /// The operation is closed.
    Closed,
}

impl Transition {
    /// Whether a window or grace begins with it.
    pub fn begins_window(&self) -> bool {
        match self {
            Self::Marked | Self::Stage(_) | Self::FellToBft | Self::Frozen => true,
            Self::Decided | Self::Closed => false,
        }
    }
}

impl OpenOperation {
    /// Opens an operation ([P1]). `record` must be a `Propose`.
    ///
    /// # Panics
    ///
    /// If `record` is another statement.
    pub fn open(
        record: &Verified,
        params: Arc<Params>,
        electorate: Electorate,
        scored: bool,
        context: &Context<'_>,
    ) -> Self {
        let Statement::Propose {
            operation,
            priority,
            ..
        } = record.statement()
        else {
            unreachable!("only proposals open operations");
        };
        let (class, opened_ms) = (operation.class(), context.time_ms);
        let phase = match class {
            Class::Standard => Phase::Authority(Authority::open(&params, opened_ms)),
            Class::Claim | Class::Critical => {
                Phase::Committing(commit_reveal::commit_window(&params, class, opened_ms))
            }
        };
        Self {
            id: record.id().into(),
            priority: *priority,
            proposal: record.clone(),
            class,
            params,
            opened_height: context.height,
            opened_ms,
            scored,
            electorate: Arc::new(electorate),
            phase,
            commits: BTreeMap::new(),
            heirs: BTreeMap::new(),
            committed: 0,
            frozen: None,
            reveals: BTreeMap::new(),
            tally: None,
            directives: BTreeMap::new(),
            objections: BTreeMap::new(),
            resolutions: BTreeMap::new(),
            decision: None,
            is_overdue: false,
        }
    }

    /// Moves phases and windows after the records of a seal were filed, until nothing changes.
    pub fn advance(&mut self, context: &Context<'_>) -> Vec<Transition> {
        let mut transitions = Vec::new();
        while let Some(transition) = self.step(context) {
            transitions.push(transition);
        }
        transitions
    }

    fn step(&mut self, context: &Context<'_>) -> Option<Transition> {
        match &self.phase {
            Phase::Authority(_) => self.step_authority(context),
            Phase::Committing(_) => self.step_committing(context),
            Phase::Revealing(_) => self.step_revealing(context),
            Phase::Closed => None,
        }
    }

    /// Whether a slot takes a record: `None` if it is empty, and the rules for a first record apply. A second record is taken
    /// in every phase before the close, because it proves equivocation.
    fn judge_slot(
        &self,
        filed: Option<&Filed>,
        record: &Verified,
    ) -> Option<Result<(), Rejection>> {
        let filed = filed?;
        Some(
            if filed.first == *record || filed.second.as_ref() == Some(record) {
                Err(Rejection::AlreadySealed(record.id()))
            } else if filed.second.is_some() {
                Err(Rejection::SlotFull(record.author()))
            } else if self.phase == Phase::Closed {
                Err(self.wrong_phase(record))
            } else {
                Ok(())
            },
        )
    }

    /// Whether a member may speak first with this key: it is its present one, and no other key of it has spoken.
    fn judge_key<T>(
        said: &BTreeMap<NodeId, T>,
        author: NodeId,
        roster: &Roster,
    ) -> Result<(), Rejection> {
        if roster.line(&author).is_some_and(|line| line.had(&author)) {
            return Err(Rejection::FormerKey(author));
        }
        if roster.keys_of(&author).any(|key| said.contains_key(&key)) {
            return Err(Rejection::SaidByFormerKey(author));
        }
        Ok(())
    }

    /// The operation's id.
    pub fn id(&self) -> OperationId {
        self.id
    }

    /// Its `Propose`.
    pub fn proposal(&self) -> &Verified {
        &self.proposal
    }

    /// The matter to be decided.
    pub fn operation(&self) -> &ConsensusOperation {
        match self.proposal.statement() {
            Statement::Propose { operation, .. } => operation,
            _ => unreachable!("only proposals open operations"),
        }
    }

    /// Its priority.
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// How it is decided.
    pub fn class(&self) -> Class {
        self.class
    }

    /// Which ballots it takes, besides `Abstain`.
    pub fn ballot_form(&self) -> BallotForm {
        self.operation().ballot_form()
    }

    /// The parameters it was opened under.
    pub fn params(&self) -> &Params {
        &self.params
    }

    /// The seal that opened it. For a standard operation that became a BFT vote: the seal at which it did.
    pub fn opened_height(&self) -> u64 {
        self.opened_height
    }

    /// The time of that seal.
    pub fn opened_ms(&self) -> u64 {
        self.opened_ms
    }

    /// Whether its answers move skill ([P9]).
    pub fn is_scored(&self) -> bool {
        self.scored
    }

    /// The electors. Empty for a standard operation that the spore hierarchy decides.
    pub fn electorate(&self) -> &Electorate {
        &self.electorate
    }

    /// The elector that the author of a commit or reveal votes for: itself, or the member as it was known at the opening.
    pub fn elector(&self, author: &NodeId) -> Option<&Elector> {
        let heir = || self.electorate.get(self.heirs.get(author)?);
        self.electorate.get(author).or_else(heir)
    }

    /// The key with which an elector voted: its own, or one that replaced it since the opening.
    pub fn voter(&self, elector: &NodeId) -> NodeId {
        let mut heirs = self.heirs.iter();
        let heir = heirs.find(|(_, of)| *of == elector);
        heir.map_or(*elector, |(author, _)| *author)
    }

    /// Its phase.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// The phase's name, as in rejections, documents and `status`.
    pub fn phase_name(&self) -> &'static str {
        match (&self.phase, &self.decision) {
            (Phase::Authority(_), _) => "authority",
            (Phase::Committing(_), _) => "committing",
            (Phase::Revealing(_), None) => "revealing",
            (Phase::Revealing(_), Some(_)) => "decided",
            (Phase::Closed, _) => "closed",
        }
    }

    /// The sealed commits by author.
    pub fn commits(&self) -> &BTreeMap<NodeId, Filed> {
        &self.commits
    }

    /// The frozen commits.
    pub fn frozen(&self) -> Option<&Frozen> {
        self.frozen.as_deref()
    }

    /// The sealed reveals by author.
    pub fn reveals(&self) -> &BTreeMap<NodeId, Verified> {
        &self.reveals
    }

    /// The tally of the sealed reveals, once frozen.
    pub fn tally(&self) -> Option<&Tally> {
        self.tally.as_ref()
    }

    /// The final outcome.
    pub fn decision(&self) -> Option<&Decision> {
        self.decision.as_ref()
    }

    fn filed(&self) -> impl Iterator<Item = (&NodeId, &Filed)> {
        let slots = [
            &self.commits,
            &self.directives,
            &self.objections,
            &self.resolutions,
        ];
        slots.into_iter().flatten()
    }

    /// Every record filed, the proposal first.
    pub fn records(&self) -> impl Iterator<Item = &Verified> {
        let filed = self
            .filed()
            .flat_map(|(_, filed)| std::iter::once(&filed.first).chain(&filed.second));
        std::iter::once(&self.proposal)
            .chain(filed)
            .chain(self.reveals.values())
    }

    /// Each author with two records in one slot, and these records.
    pub fn equivocations(&self) -> impl Iterator<Item = (NodeId, &Verified, &Verified)> {
        self.filed()
            .filter_map(|(author, filed)| Some((*author, &filed.first, filed.second.as_ref()?)))
    }

    /// The order in which operations of one seal take effect ([P7]).
    pub fn rank(&self) -> (Priority, OperationId) {
        (self.priority, self.id)
    }

    /// The earliest seal time at which something changes without any further record. `roster` is the present one.
    pub fn due_ms(&self, roster: &Roster) -> Option<u64> {
        let (first, window) = match &self.phase {
            Phase::Authority(authority) => (None, &authority.window),
            Phase::Committing(window) => (self.freeze_due_ms(roster), window),
            Phase::Revealing(window) => (self.close_due_ms(), window),
            Phase::Closed => return None,
        };
        let due_ms = window.due_ms();
        Some(first.map_or(due_ms, |first| first.min(due_ms)))
    }

    /// Whether it closed because the reveal window passed: only then withholding is charged ([P8]).
    pub fn is_overdue(&self) -> bool {
        self.is_overdue
    }

    fn conclude(&mut self, outcome: Outcome, height: u64) {
        let mut revealed = Bits::none(self.electorate.electors.len());
        for (place, elector) in self.electorate.iter().enumerate() {
            if self.reveals.contains_key(&self.voter(&elector.node)) {
                revealed.set(place);
            }
        }
        self.decision = Some(Decision {
            outcome,
            height,
            index: 0,
            revealed: revealed.into_bytes(),
        });
    }

    /// Notes the place of the decision in the log of decided operations, which follows from the others of its seal.
    pub(crate) fn place_decision(&mut self, index: u64) {
        if let Some(decision) = &mut self.decision {
            decision.index = index;
        }
    }

    /// The ballot of a sealed reveal.
    pub fn ballot(&self, node: &NodeId) -> Option<&Ballot> {
        match self.reveals.get(node)?.statement() {
            Statement::Reveal { ballot, .. } => Some(ballot),
            _ => unreachable!("only reveals are filed as reveals"),
        }
    }
}
