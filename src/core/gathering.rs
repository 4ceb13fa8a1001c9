//! How long a proposer gathers records for a seal ([S7]).
//!
//! An operation that everybody answers at once takes two seals: one with its proposal and all commits, which freezes it, and one with
//! all reveals, which closes it. So a proposer waits, from the first waiting record on, until the statements that are expected are
//! in: of each operation that it would list a record of, the commits of all electors that are about ([P3]), or all frozen reveals
//! ([P8]). Some electors are people, who answer later; so it waits no longer than it takes a record to go out and its answers to come
//! back, which it learns from how long the latest seals took to be agreed. Nothing waits for [`Priority::High`], for authority,
//! for evidence, or when something is due.

use super::Core;
use crate::base::digest::{NodeId, OperationId, RecordId};
use crate::decision::open::{OpenOperation, Phase};
use crate::statement::operation::{Class, ConsensusOperation};
use crate::statement::record::{Slot, Statement};

#[cfg(doc)]
use crate::{protocol::Rule::*, statement::operation::Priority};

/// What the agreement on a seal is taken to last before one was seen, in milliseconds.
const TAKES_AT_FIRST_MS: u64 = 10;

/// The longest time that a listed record is waited for before its proposer is asked for it, in milliseconds: half of the shortest
/// timeout of a round.
const ARRIVES_MS_MAX: u64 = 500;

/// How long agreement takes, and since when it is under way.
#[derive(Debug)]
#[allow(clippy::struct_field_names, reason = "all are times")]
pub(super) struct Pace {
    /// A running mean over the latest seals.
    takes_ms: u64,
    /// When this node first knew of a statement about the present height.
    heard_at_ms: Option<u64>,
    /// When the oldest record came that waits to be sealed.
    oldest_ms: Option<u64>,
    /// When this node applied the last seal.
    sealed_ms: u64,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            takes_ms: TAKES_AT_FIRST_MS,
            heard_at_ms: None,
            oldest_ms: None,
            sealed_ms: 0,
        }
    }
}

impl Pace {
    /// The first record came into an empty pool.
    pub(super) fn begin(&mut self, now_ms: u64) {
        self.oldest_ms = Some(now_ms);
    }

    /// The present height is sealed. `is_smooth`: in its first round.
    pub(super) fn sealed(&mut self, now_ms: u64, is_smooth: bool) {
        self.oldest_ms = None;
        self.sealed_ms = now_ms;
        if let Some(at_ms) = self.heard_at_ms.take().filter(|_| is_smooth) {
            self.takes_ms = (3 * self.takes_ms + (now_ms - at_ms)).div_ceil(4);
        }
    }

    /// How long a record takes to arrive, with some time to spare: agreement takes a proposal and two votes.
    pub(super) fn arrives_ms(&self) -> u64 {
        (self.takes_ms / 2).min(ARRIVES_MS_MAX)
    }

    /// How long to gather: agreement takes two exchanges, a record and its answers one; the rest is for those who are slow.
    fn gather_ms(&self) -> u64 {
        2 * self.takes_ms
    }
}

impl Core {
    /// Notes what there is to know of the pace; called while this node considers what to do.
    pub(super) fn note_pace(&mut self) {
        if self.pace.heard_at_ms.is_none() && !self.agreement.is_silent() {
            self.pace.heard_at_ms = Some(self.now_ms);
        }
        if self.pace.oldest_ms.is_none() {
            self.pace.oldest_ms = self.pool.iter().map(|pooled| pooled.since_ms).min();
        }
    }

    /// How long a proposer gathers now.
    pub(super) fn gather_ms(&self) -> u64 {
        self.pace.gather_ms().min(self.timing.gather_ms)
    }

    /// The end of gathering, whatever is missing then; `None` if nothing waits to be sealed.
    pub(super) fn gathers_until_ms(&self) -> Option<u64> {
        let since_ms = self.pace.oldest_ms.filter(|_| !self.pool.is_empty())?;
        Some((since_ms + self.gather_ms()).max(self.apart_until_ms()))
    }

    fn apart_until_ms(&self) -> u64 {
        self.pace.sealed_ms + self.timing.apart_ms
    }

    /// Whether more is to come before this node proposes a seal.
    pub(super) fn is_gathering(&self) -> bool {
        self.gathers_until_ms()
            .is_some_and(|until_ms| self.now_ms < until_ms)
            && !self.pool.is_urgent()
            && (self.now_ms < self.apart_until_ms()
                || self.pool.operations().any(|id| self.is_more_expected(&id)))
    }

    /// Whether a statement about this operation is expected to come soon.
    fn is_more_expected(&self, id: &OperationId) -> bool {
        if let Some(open) = self.ledger.state().operation(id) {
            return match open.phase() {
                Phase::Committing(_) => self.is_commit_missing(open),
                Phase::Revealing(_) => self.is_reveal_missing(open),
                Phase::Authority(_) | Phase::Closed => false,
            };
        }
        let proposal = self.pool.get(&RecordId::from(*id));
        match proposal.map(|pooled| pooled.record.statement()) {
            Some(Statement::Propose { operation, .. }) => {
                self.is_first_commit_missing(id, operation)
            }
            _ => false,
        }
    }

    fn is_commit_missing(&self, open: &OpenOperation) -> bool {
        let window_ms = open.params().commit_window_ms;
        let mut electors = open.electorate().iter().map(|elector| elector.node);
        electors.any(|elector| {
            let voter = open.voter(&elector);
            !open.commits().contains_key(&voter)
                && self.is_about(&elector, window_ms)
                && !self.is_pooled(voter, Slot::Commit(open.id()))
        })
    }

    /// As [`Self::is_commit_missing`], before the operation is open.
    fn is_first_commit_missing(&self, id: &OperationId, operation: &ConsensusOperation) -> bool {
        if operation.class() == Class::Standard {
            return false;
        }
        let state = self.ledger.state();
        let window_ms = state.params().commit_window_ms;
        let mut members = state.roster().iter().map(|(node, _)| node);
        members.any(|node| {
            self.is_about(&node, window_ms)
                && self.is_asked(operation, &node)
                && !self.is_pooled(node, Slot::Commit(*id))
        })
    }

    fn is_reveal_missing(&self, open: &OpenOperation) -> bool {
        let Some(frozen) = open.frozen() else {
            return false;
        };
        let is_reveal = |statement: &Statement| matches!(statement, Statement::Reveal { .. });
        let id = open.id();
        let pooled = self.pool.about(&id);
        let pooled = pooled.filter(|it| is_reveal(it.record.statement())).count();
        open.reveals().len() + pooled < frozen.commits.len()
    }

    /// Whether a freeze waits for this elector ([P3]).
    fn is_about(&self, elector: &NodeId, window_ms: u64) -> bool {
        let member = self.ledger.state().roster().get(elector);
        member.is_some_and(|member| {
            !member.is_banned() && self.clock_ms() < member.trust.unseen_from_ms(window_ms)
        })
    }

    fn is_pooled(&self, author: NodeId, slot: Slot) -> bool {
        self.pool.in_slot(author, slot).next().is_some()
    }
}
