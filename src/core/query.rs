//! Answers queries from the data that this node holds, without asking other nodes.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{Core, Signing};
use crate::base::digest::{NodeId, OperationId, SealId};
use crate::decision::open::{OpenOperation, Phase, Stage};
use crate::decision::tally::{Count, Tally};
use crate::finality::Step;
use crate::members::roster::Roster;
use crate::statement::operation::{Ballot, BallotForm, Class, Outcome};
use crate::statement::record::{Statement, VoteKind};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The status of an operation, as this node knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperationStatus {
    /// The operation.
    pub operation: OperationId,
    /// `proposed` (not sealed yet), `authority`, `committing`, `revealing`, `decided` (final, not closed) or `closed`.
    pub phase: &'static str,
    /// How it is decided, as long as it is open.
    pub class: Option<Class>,
    /// The seal that opened it.
    pub opened_height: Option<u64>,
    /// The weight of the electorate: `W` of [P5].
    pub total_weight: u64,
    /// The number of electors with weight.
    pub electors: usize,
    /// The number of electors with weight that have one sealed commit. More than two thirds can be frozen.
    pub committed: usize,
    /// The weight of frozen commits that are revealed, in reveals held (sealed or not).
    pub revealed_weight: u64,
    /// The weight of each revealed ballot; empty for a claim set.
    pub ballots: Vec<(Ballot, u64)>,
    /// The items of a frozen claim set, in its order.
    pub items: Vec<ItemStatus>,
    /// The outcome of the reveals held; final if they are sealed in time.
    pub tallied: Option<Outcome>,
    /// The final outcome, and the height that made it final. A core does not remember a closed operation's result of
    /// more than [`REMEMBERED_RESULT_BYTES_MAX`](crate::base::limits::REMEMBERED_RESULT_BYTES_MAX) bytes; an
    /// [`Archive`](crate::past::archive::Archive) keeps the result.
    pub outcome: Option<(Outcome, u64)>,
    /// The members whose records are missing.
    pub waits_for: Pending,
    /// What happens if no more records arrive.
    pub window: Option<WindowStatus>,
}

/// An item of a claim set, in reveals held (sealed or not).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemStatus {
    /// The weight of each revealed result.
    pub ballots: Vec<(Ballot, u64)>,
    /// Its outcome, if no further reveal can change it.
    pub outcome: Option<Outcome>,
}

/// The members whose records are missing.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "records", content = "of")]
pub enum Pending {
    /// No records are missing.
    Nothing,
    /// A seal that opens it.
    Seal,
    /// The Primary's directive.
    Directive(Vec<NodeId>),
    /// These Seeds may object.
    Objections(Vec<NodeId>),
    /// These Seeds have not resolved it.
    Resolutions(Vec<NodeId>),
    /// These electors have not committed.
    Commits(Vec<NodeId>),
    /// These electors have not revealed.
    Reveals(Vec<NodeId>),
}

impl Pending {
    /// The members whose records are missing.
    pub fn nodes(&self) -> &[NodeId] {
        match self {
            Self::Nothing | Self::Seal => &[],
            Self::Directive(nodes)
            | Self::Objections(nodes)
            | Self::Resolutions(nodes)
            | Self::Commits(nodes)
            | Self::Reveals(nodes) => nodes,
        }
    }
}

/// A window and the consequence of its end.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WindowStatus {
    /// The earliest seal time (milliseconds since 1970) at which it ends or passes.
    pub due_ms: u64,
    /// Whether its end is marked, so that it passes at `due_ms`.
    pub is_marked: bool,
    /// What happens when it has passed.
    pub then: Cow<'static, str>,
}

/// The status of the agreement on the next seal.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealStatus {
    /// The height to be sealed.
    pub height: u64,
    /// The round.
    pub round: u32,
    /// `propose`, `prevote` or `precommit`.
    pub step: Cow<'static, str>,
    /// The proposer of this round.
    pub proposer: Option<NodeId>,
    /// The seal this node is locked on.
    pub locked: Option<SealId>,
    /// Sealers whose proposal or vote of this step is missing. Empty if there is nothing to seal.
    pub waits_for: Vec<NodeId>,
    /// The name of a [`SigningState`].
    pub signing: Cow<'static, str>,
    /// All sealers of the height.
    pub sealers: Vec<NodeId>,
    /// So many of them must agree on a seal.
    pub quorum: usize,
}

/// Whether a node signs, or why not. Nodes tell their peers.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum SigningState {
    /// It signs.
    #[default]
    Ready,
    /// Its journal is lost, and it has not signed a `Rejoin` yet.
    JournalLost,
    /// Its journal was lost, and no seal lists its `Rejoin` yet.
    Rejoining,
    /// Another machine runs with its key.
    Twin,
    /// It has seen a fork.
    Compromised,
    /// It has left the network for the one that was founded in its place.
    Refounded,
}

impl SigningState {
    /// The name in encodings.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::JournalLost => "journal_lost",
            Self::Rejoining => "rejoining",
            Self::Twin => "twin",
            Self::Compromised => "compromised",
            Self::Refounded => "refounded",
        }
    }
}

/// The state of the agreement on the next seal, for a host's [`Patience`](super::patience::Patience).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Whether there is anything to wait for ([`Core::wants_to_seal`]).
    pub wants: bool,
    /// The height to be sealed.
    pub height: u64,
    /// The round.
    pub round: u32,
    /// The step.
    pub step: Step,
    /// The proposer of this round.
    pub proposer: Option<NodeId>,
    /// Rounds of this height in which this node has voted nil. Patience doubles with each ([S8]).
    pub nil_rounds: u32,
    /// Whether no seal can be agreed on in this step and a nudge would end it: giving up loses nothing ([S8]).
    pub is_in_vain: bool,
    /// The round that this node would lead out of turn, which is its place in the queue ([S11]).
    pub leads: Option<u32>,
    /// How long a proposer gathers records now, in milliseconds.
    pub gather_ms: u64,
}

impl Core {
    /// The state of the agreement, for a host's patience.
    pub fn waiting(&self) -> Waiting {
        let agreement = &self.agreement;
        Waiting {
            wants: self.wants_to_seal(),
            height: agreement.height(),
            round: agreement.round(),
            step: agreement.step(),
            proposer: agreement.sealers().proposer(agreement.round()),
            nil_rounds: agreement.nil_rounds(),
            is_in_vain: agreement.is_in_vain() && agreement.would_give_up(),
            leads: self.round_to_lead(),
            gather_ms: self.gather_ms(),
        }
    }

    /// This node's own ballot on an operation, as long as the journal keeps it: until the operation is closed.
    pub fn own_ballot(&self, operation: &OperationId) -> Option<&Ballot> {
        let (ballot, _) = self.journal.opening(operation)?;
        Some(ballot)
    }

    /// The seal times in which a commit of this node to an open operation is in time, whatever others do ([P3]). `None` if it has
    /// nothing to commit: it is no elector, has committed, or the commits are frozen.
    pub fn time_to_commit_ms(&self, id: &OperationId) -> Option<Range<u64>> {
        let state = self.ledger().state();
        let open = state.operation(id)?;
        if self.own_ballot(id).is_some() {
            return None;
        }
        open.time_to_commit_ms(&self.me, state.roster())
    }

    /// The status of an operation; `None` if this node does not know it.
    pub fn status(&self, id: &OperationId) -> Option<OperationStatus> {
        if let Some(open) = self.ledger().state().operation(id) {
            return Some(self.open_status(open));
        }
        if let Some(closed) = self.ledger().past().closed(id) {
            let outcome = closed.outcome().cloned();
            return Some(OperationStatus {
                outcome: outcome.map(|outcome| (outcome, closed.decided_height)),
                ..blank(*id, "closed", Pending::Nothing)
            });
        }
        let pooled = self.pool().get(&(*id).into())?;
        matches!(pooled.record.statement(), Statement::Propose { .. })
            .then(|| blank(*id, "proposed", Pending::Seal))
    }

    fn open_status(&self, open: &OpenOperation) -> OperationStatus {
        let id = open.id();
        let tally = self.pool().tallied(&id).or_else(|| open.tally());
        OperationStatus {
            class: Some(open.class()),
            opened_height: Some(open.opened_height()),
            total_weight: open.electorate().total(),
            electors: open.electorate().weighted(),
            committed: open.committed(),
            revealed_weight: tally.map_or(0, Tally::revealed),
            ballots: match (open.ballot_form(), tally) {
                (BallotForm::Approval | BallotForm::Result, Some(tally)) => {
                    tally.values().flat_map(weights).collect()
                }
                _ => Vec::new(),
            },
            items: match (open.ballot_form(), tally) {
                (BallotForm::Results(_), Some(tally)) => tally
                    .values()
                    .zip(tally.item_outcomes())
                    .map(|(values, outcome)| ItemStatus {
                        ballots: weights(values).collect(),
                        outcome,
                    })
                    .collect(),
                _ => Vec::new(),
            },
            tallied: tally.and_then(Tally::outcome),
            outcome: open
                .decision()
                .map(|decision| (decision.outcome.clone(), decision.height)),
            window: window_status(open, self.ledger().state().roster()),
            ..blank(id, open.phase_name(), self.pending(open))
        }
    }

    /// The members whose records about an open operation are neither sealed nor pooled.
    fn pending(&self, open: &OpenOperation) -> Pending {
        let id = open.id();
        let roster = self.ledger().state().roster();
        let held = |node: &NodeId, kind: &str| {
            self.pool().about(&id).any(|pooled| {
                pooled.record.author() == *node && pooled.record.statement().kind() == kind
            })
        };
        let seeds = || roster.seeds();
        match open.phase() {
            Phase::Authority(authority) => match authority.stage {
                Stage::Directive => {
                    Pending::Directive(roster.active_primary().into_iter().collect())
                }
                Stage::Objection { .. } => Pending::Objections(seeds().collect()),
                Stage::Resolution => {
                    Pending::Resolutions(seeds().filter(|seed| !held(seed, "resolution")).collect())
                }
            },
            Phase::Committing(_) => Pending::Commits(
                open.electorate()
                    .iter()
                    .filter(|it| it.weight > 0)
                    .map(|elector| open.voter(&elector.node))
                    .filter(|voter| !open.commits().contains_key(voter))
                    .map(|key| roster.present_key(&key).unwrap_or(key))
                    .filter(|node| !held(node, "commit"))
                    .collect(),
            ),
            Phase::Revealing(_) => Pending::Reveals(
                open.frozen()
                    .into_iter()
                    .flat_map(|frozen| frozen.commits.keys())
                    .filter(|node| !open.reveals().contains_key(node) && !held(node, "reveal"))
                    .copied()
                    .collect(),
            ),
            Phase::Closed => Pending::Nothing,
        }
    }

    /// The status of the agreement on the next seal.
    pub fn seal_status(&self) -> SealStatus {
        let agreement = &self.agreement;
        let round = agreement.round();
        let step = agreement.step();
        let waits_for = match step {
            _ if !agreement.is_under_way() && !self.has_something_to_seal() => Vec::new(),
            Step::Propose => agreement.sealers().proposer(round).into_iter().collect(),
            Step::Prevote => self.not_voted(round, VoteKind::Prevote),
            Step::Precommit => self.not_voted(round, VoteKind::Precommit),
        };
        SealStatus {
            height: agreement.height(),
            round,
            step: match step {
                Step::Propose => "propose",
                Step::Prevote => "prevote",
                Step::Precommit => "precommit",
            }
            .into(),
            proposer: agreement.sealers().proposer(round),
            locked: agreement.locked().map(|(_, seal)| seal),
            waits_for,
            signing: self.signing_state().name().into(),
            sealers: agreement.sealers().sorted(),
            quorum: agreement.sealers().quorum(),
        }
    }

    /// Whether this node signs, or why not.
    pub fn signing_state(&self) -> SigningState {
        match self.signing {
            _ if self.left_for().is_some() => SigningState::Refounded,
            _ if self.has_twin() => SigningState::Twin,
            _ if self.compromised => SigningState::Compromised,
            Signing::Above(_) => SigningState::Ready,
            Signing::Lost => SigningState::JournalLost,
            Signing::Rejoining(_) => SigningState::Rejoining,
        }
    }

    fn not_voted(&self, round: u32, kind: VoteKind) -> Vec<NodeId> {
        self.agreement
            .sealers()
            .iter()
            .filter(|node| !self.agreement.has_voted(node, round, kind))
            .collect()
    }

    /// Trust of every member in parts per million.
    pub fn trust(&self) -> BTreeMap<NodeId, u32> {
        self.ledger()
            .state()
            .roster()
            .iter()
            .map(|(node, member)| (node, member.trust.trust_ppm()))
            .collect()
    }
}

fn blank(operation: OperationId, phase: &'static str, waits_for: Pending) -> OperationStatus {
    OperationStatus {
        operation,
        phase,
        class: None,
        opened_height: None,
        total_weight: 0,
        electors: 0,
        committed: 0,
        revealed_weight: 0,
        ballots: Vec::new(),
        items: Vec::new(),
        tallied: None,
        outcome: None,
        waits_for,
        window: None,
    }
}

fn weights<'a>(
    values: impl Iterator<Item = (&'a Ballot, Count)>,
) -> impl Iterator<Item = (Ballot, u64)> {
    values.map(|(ballot, count)| (ballot.clone(), count.weight))
}

fn window_status(open: &OpenOperation, roster: &Roster) -> Option<WindowStatus> {
    let (window, then) = match open.phase() {
        Phase::Authority(authority) => (
            &authority.window,
            match authority.stage {
                Stage::Directive => "the Seeds decide",
                Stage::Objection { .. } => "the directive takes effect",
                Stage::Resolution => "it becomes a vote of all members",
            },
        ),
        Phase::Committing(window) => (
            window,
            "without a quorum of commits: no quorum; with one, the grace freezes them",
        ),
        Phase::Revealing(window) => (window, "what is not revealed is forfeited"),
        Phase::Closed => return None,
    };
    let due_ms = open.due_ms(roster)?;
    Some(WindowStatus {
        due_ms,
        is_marked: window.marked_ms().is_some(),
        then: then.into(),
    })
}
