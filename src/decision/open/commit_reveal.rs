//! Commit and reveal: [P2] to [P8]. A reveal that does not open its author's frozen commit is refused here, by
//! [`OpenOperation::judge_reveal`]. Admission (`core/admit.rs`) and every seal (`ledger/filing.rs`) ask it.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use super::window::Passage;
use super::{Context, Filing, Frozen, OpenOperation, Phase, Transition, Window, file_slot};
use crate::base::digest::NodeId;
use crate::base::rejection::Rejection;
use crate::decision::tally::Tally;
use crate::members::roster::{Member, Roster};
use crate::statement::commitment::commitment;
use crate::statement::operation::{Class, Outcome};
use crate::statement::params::Params;
use crate::statement::record::{Statement, Verified};
use crate::statement::seal::is_quorum;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The commit grace of a class.
fn grace_ms(params: &Params, class: Class) -> u64 {
    match class {
        Class::Claim => params.claim_grace_ms,
        Class::Critical | Class::Standard => params.critical_grace_ms,
    }
}

pub(super) fn commit_window(params: &Params, class: Class, opened_ms: u64) -> Window {
    Window::new(opened_ms, params.commit_window_ms, grace_ms(params, class))
}

impl OpenOperation {
    pub(super) fn wrong_phase(&self, record: &Verified) -> Rejection {
        Rejection::WrongPhase {
            operation: self.id,
            statement: record.statement().kind(),
            phase: self.phase_name(),
        }
    }

    /// Checks a commit without filing it. Until the freeze the first two commits of every elector are accepted; after it only
    /// one that proves an equivocation with the first.
    ///
    /// # Errors
    ///
    /// [`Rejection::NotAnElector`], [`Rejection::SlotFull`] and [`Rejection::WrongPhase`].
    pub(crate) fn judge_commit(
        &self,
        record: &Verified,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let author = record.author();
        if let Some(verdict) = self.judge_slot(self.commits.get(&author), record) {
            return verdict;
        }
        if !matches!(self.phase, Phase::Committing(_)) {
            return Err(self.wrong_phase(record));
        }
        debug_assert!(context.height >= self.opened_height, "time goes forward");
        Self::judge_key(&self.commits, author, context.before)?;
        // Of a line that left, the roster has forgotten that another key of it has committed.
        if self.heirs.values().any(|elector| *elector == author) {
            return Err(Rejection::SaidByFormerKey(author));
        }
        self.elector_of(&author, context.before)
            .map(|_| ())
            .ok_or(Rejection::NotAnElector(author))
    }

    /// The elector that a member's present key votes for: the key that it had at the opening.
    fn elector_of(&self, author: &NodeId, roster: &Roster) -> Option<NodeId> {
        let is_elector = |key: &NodeId| self.electorate.get(key).is_some();
        let itself = Some(*author).filter(is_elector);
        itself.or_else(|| roster.keys_of(author).find(is_elector))
    }

    /// Files a commit.
    ///
    /// # Errors
    ///
    /// As [`OpenOperation::judge_commit`].
    pub(crate) fn file_commit(
        &mut self,
        record: &Verified,
        context: &Context<'_>,
    ) -> Result<Filing, Rejection> {
        self.judge_commit(record, context)?;
        let author = record.author();
        let filing = file_slot(&mut self.commits, record).ok_or(Rejection::SlotFull(author))?;
        if self.elector(&author).is_none()
            && let Some(elector) = self.elector_of(&author, context.before)
        {
            self.heirs.insert(author, elector);
        }
        let has_weight = self.elector(&author).is_some_and(|it| it.weight > 0);
        match filing {
            Filing::First => self.committed += usize::from(has_weight),
            Filing::Second => self.committed -= usize::from(has_weight),
        }
        Ok(filing)
    }

    /// Checks a reveal without filing it ([P4]): it must open its author's frozen commit.
    ///
    /// # Errors
    ///
    /// [`Rejection::WrongPhase`], [`Rejection::NotAnElector`] if its author has no frozen commit,
    /// [`Rejection::DoesNotOpen`], and [`Rejection::AlreadySealed`] for a second one.
    pub(crate) fn judge_reveal(&self, record: &Verified) -> Result<(), Rejection> {
        let Statement::Reveal { ballot, salt, .. } = record.statement() else {
            unreachable!("only reveals are asked");
        };
        let author = record.author();
        let (Phase::Revealing(_), Some(frozen)) = (&self.phase, &self.frozen) else {
            return Err(self.wrong_phase(record));
        };
        let commit = frozen
            .commits
            .get(&author)
            .ok_or(Rejection::NotAnElector(author))?;
        let Statement::Commit {
            commitment: committed,
            ..
        } = commit.statement()
        else {
            unreachable!("only commits are frozen");
        };
        if commitment(record.body().net, self.id, author, ballot, salt) != *committed {
            return Err(Rejection::DoesNotOpen(author));
        }
        if self.reveals.contains_key(&author) {
            return Err(Rejection::AlreadySealed(record.id()));
        }
        Ok(())
    }

    /// Files a reveal and adds it to the tally, at constant cost.
    ///
    /// # Errors
    ///
    /// As [`OpenOperation::judge_reveal`].
    pub(crate) fn file_reveal(&mut self, record: &Verified) -> Result<(), Rejection> {
        self.judge_reveal(record)?;
        let author = record.author();
        let weight = self.elector(&author).map_or(0, |it| it.weight);
        if let (Some(tally), Statement::Reveal { ballot, .. }) =
            (&mut self.tally, record.statement())
        {
            tally.reveal(weight, ballot);
        }
        self.reveals.insert(author, record.clone());
        Ok(())
    }

    /// The number of electors with weight that have exactly one sealed commit; an author with two has none ([P3]). A running sum,
    /// because every seal asks all open operations when they are due.
    pub fn committed(&self) -> usize {
        self.committed
    }

    fn grace_ms(&self) -> u64 {
        grace_ms(&self.params, self.class)
    }

    /// Whether more than two thirds of the electors with weight committed, one each.
    pub fn has_quorum_of_commits(&self) -> bool {
        is_quorum(self.committed as u64, self.electorate.weighted() as u64)
    }

    pub(super) fn step_committing(&mut self, context: &Context<'_>) -> Option<Transition> {
        // A freeze that is possible precedes an expiry.
        if self
            .freeze_due_ms(context.now)
            .is_some_and(|due_ms| due_ms <= context.time_ms)
        {
            self.freeze(context);
            return Some(Transition::Frozen);
        }
        let Phase::Committing(window) = &mut self.phase else {
            return None;
        };
        match window.judge(context.time_ms) {
            Passage::Open => None,
            Passage::Marked => Some(Transition::Marked),
            Passage::Passed => {
                self.conclude(Outcome::NoQuorum, context.height);
                self.phase = Phase::Closed;
                Some(Transition::Closed)
            }
        }
    }

    /// The seal time from which on the commits can be frozen without any further record ([P3]); `None` without a quorum.
    ///
    /// The freeze waits for electors that are about: not banned, and with a record sealed in the last commit window. Electors
    /// without weight are waited for no longer than the grace of claims, nobody longer than the grace of the class, and a key
    /// that its member replaced not at all. It
    /// happens no sooner than a quarter of the grace, so that a quorum cannot shut out the others, unless all have committed.
    pub(super) fn freeze_due_ms(&self, roster: &Roster) -> Option<u64> {
        if !self.has_quorum_of_commits() {
            return None;
        }
        let grace_ms = self.grace_ms();
        let (mut until_ms, mut have_all) = (0, true);
        for elector in self.electorate.iter() {
            if self.commits.contains_key(&self.voter(&elector.node)) {
                continue;
            }
            have_all &= roster.line(&elector.node).is_some_and(Member::is_banned);
            let member = roster.get(&elector.node);
            let Some(member) = member.filter(|member| !member.is_banned()) else {
                continue;
            };
            until_ms = until_ms.max(self.waits_until_ms(elector.weight, member));
        }
        let quarter_ms = if have_all {
            0
        } else {
            self.opened_ms + grace_ms.div_ceil(4)
        };
        Some(until_ms.min(self.opened_ms + grace_ms).max(quarter_ms))
    }

    /// How long the freeze waits for an elector, if the grace allows it.
    fn waits_until_ms(&self, weight: u64, member: &Member) -> u64 {
        let unseen_ms = member.trust.unseen_from_ms(self.params.commit_window_ms);
        match weight {
            0 => unseen_ms.min(self.opened_ms + self.params.claim_grace_ms),
            _ => unseen_ms,
        }
    }

    /// From the opening to the earliest seal time at which the commits can be frozen without one of this member, whatever others
    /// sign ([P3]). `None` if it has nothing to commit: it is no elector, has committed, or the commits are frozen.
    pub(crate) fn time_to_commit_ms(&self, member: &NodeId, roster: &Roster) -> Option<Range<u64>> {
        let elector = self.elector_of(member, roster)?;
        let is_open = matches!(self.phase, Phase::Committing(_));
        if !is_open || self.commits.contains_key(&self.voter(&elector)) {
            return None;
        }
        let weight = self.elector(&elector).map_or(0, |it| it.weight);
        let line = roster.get(&elector).filter(|line| !line.is_banned());
        let until_ms = line.map_or(0, |line| self.waits_until_ms(weight, line));
        let (opened_ms, grace_ms) = (self.opened_ms, self.grace_ms());
        let quarter_ms = opened_ms + grace_ms.div_ceil(4);
        let until_ms = until_ms.min(opened_ms + grace_ms).max(quarter_ms);
        Some(opened_ms..until_ms)
    }

    fn freeze(&mut self, context: &Context<'_>) {
        let commits: BTreeMap<_, _> = self
            .commits
            .iter()
            .filter(|(_, filed)| filed.second.is_none())
            .map(|(author, filed)| (*author, filed.first.clone()))
            .collect();
        let weights = commits
            .keys()
            .filter_map(|it| Some(self.elector(it)?.weight));
        self.tally = Some(Tally::of(
            self.class,
            self.operation(),
            self.electorate.total(),
            weights.sum(),
        ));
        self.frozen = Some(Arc::new(Frozen {
            height: context.height,
            time_ms: context.time_ms,
            commits,
        }));
        self.phase = Phase::Revealing(Window::new(
            context.time_ms,
            self.params.reveal_window_ms,
            self.grace_ms(),
        ));
    }

    /// The seal time from which on it can close although electors without weight have not revealed ([P8]).
    pub(super) fn close_due_ms(&self) -> Option<u64> {
        let (Some(tally), Some(frozen)) = (&self.tally, &self.frozen) else {
            return None;
        };
        (tally.unrevealed() == 0).then(|| frozen.time_ms + self.grace_ms())
    }

    pub(super) fn step_revealing(&mut self, context: &Context<'_>) -> Option<Transition> {
        let (Some(tally), Some(frozen)) = (&self.tally, &self.frozen) else {
            return None;
        };
        if self.decision.is_none()
            && let Some(outcome) = tally.outcome()
        {
            self.conclude(outcome, context.height);
            return Some(Transition::Decided);
        }
        let is_complete = self.reveals.len() == frozen.commits.len();
        let is_enough = self
            .close_due_ms()
            .is_some_and(|due_ms| due_ms <= context.time_ms);
        if self.decision.is_some() && (is_complete || is_enough) {
            self.phase = Phase::Closed;
            return Some(Transition::Closed);
        }
        let forfeited = tally.forfeited();
        let Phase::Revealing(window) = &mut self.phase else {
            return None;
        };
        match window.judge(context.time_ms) {
            Passage::Open => None,
            Passage::Marked => Some(Transition::Marked),
            Passage::Passed => {
                if self.decision.is_none() {
                    self.conclude(forfeited, context.height);
                }
                self.is_overdue = true;
                self.phase = Phase::Closed;
                Some(Transition::Closed)
            }
        }
    }
}
