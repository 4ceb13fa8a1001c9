//! Spore authority: how standard operations are decided ([A1] to [A4]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::window::Passage;
use super::{
    Context, Electorate, Filed, Filing, OpenOperation, Phase, Transition, Window, commit_reveal,
    file_slot,
};
use crate::base::digest::NodeId;
use crate::base::rejection::Rejection;
use crate::members::roster::Roster;
use crate::statement::operation::{Ballot, Class, Outcome, Spore};
use crate::statement::params::Params;
use crate::statement::record::{Statement, Verified};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The stage of an operation in the spore hierarchy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Stage {
    /// The operation waits for the Primary's directive ([A1]).
    Directive,
    /// The Primary decided; Seeds may object.
    Objection {
        /// The author of the directive.
        by: NodeId,
        /// Whether it approves.
        approve: bool,
    },
    /// The Seeds decide ([A2]). If they do not, all members vote ([A3]).
    Resolution,
}

/// A stage and its window, which begin together.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Authority {
    /// The stage.
    pub stage: Stage,
    /// Its window. All three stages have the grace of claims, because standard operations are meant to be quick, but none longer
    /// than the window itself.
    pub window: Window,
}

impl Authority {
    pub(super) fn open(params: &Params, time_ms: u64) -> Self {
        Self::at(Stage::Directive, params.primary_window_ms, params, time_ms)
    }

    fn at(stage: Stage, length_ms: u64, params: &Params, time_ms: u64) -> Self {
        let window = Window::new(time_ms, length_ms, params.claim_grace_ms.min(length_ms));
        Self { stage, window }
    }
}

fn says_approve(record: &Verified) -> bool {
    match record.statement() {
        Statement::Directive { approve, .. } | Statement::Resolution { approve, .. } => *approve,
        _ => unreachable!("only directives and resolutions are asked"),
    }
}

/// What a member said, with any of its keys.
fn said_by<'a>(
    slots: &'a BTreeMap<NodeId, Filed>,
    node: &NodeId,
    roster: &Roster,
) -> Option<&'a Filed> {
    roster.keys_of(node).find_map(|key| slots.get(&key))
}

impl OpenOperation {
    /// Files a directive, objection or resolution.
    ///
    /// # Errors
    ///
    /// [`Rejection::WrongPhase`] once the hierarchy no longer decides the operation, [`Rejection::WrongRole`], and
    /// [`Rejection::SlotFull`] for a third statement in a slot.
    pub(crate) fn file_authority(
        &mut self,
        record: &Verified,
        context: &Context<'_>,
    ) -> Result<Filing, Rejection> {
        self.judge_authority(record, context)?;
        let slots = match record.statement() {
            Statement::Directive { .. } => &mut self.directives,
            Statement::Objection { .. } => &mut self.objections,
            _ => &mut self.resolutions,
        };
        file_slot(slots, record).ok_or(Rejection::SlotFull(record.author()))
    }

    /// Checks a directive, objection or resolution without filing it.
    ///
    /// # Errors
    ///
    /// As [`OpenOperation::file_authority`].
    pub(crate) fn judge_authority(
        &self,
        record: &Verified,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let (author, statement) = (record.author(), record.statement());
        let (role, slots, reason) = match statement {
            Statement::Directive { .. } => (
                Spore::Primary,
                &self.directives,
                "directives come from the active Primary",
            ),
            Statement::Objection { .. } => (
                Spore::Seed,
                &self.objections,
                "objections come from active Seeds",
            ),
            _ => (
                Spore::Seed,
                &self.resolutions,
                "resolutions come from active Seeds",
            ),
        };
        if let Some(verdict) = self.judge_slot(slots.get(&author), record) {
            return verdict;
        }
        if !matches!(self.phase, Phase::Authority(_)) {
            return Err(self.wrong_phase(record));
        }
        Self::judge_key(slots, author, context.before)?;
        let member = context.before.get(&author);
        if !member.is_some_and(|member| member.is_active(role)) {
            return Err(Rejection::WrongRole { author, reason });
        }
        Ok(())
    }

    pub(super) fn step_authority(&mut self, context: &Context<'_>) -> Option<Transition> {
        let Phase::Authority(authority) = &self.phase else {
            return None;
        };
        match authority.stage {
            Stage::Directive => self.step_directive(context),
            Stage::Objection { by, approve } => self.step_objection(context, by, approve),
            Stage::Resolution => self.step_resolution(context),
        }
    }

    /// The authors of objections that were overruled: the decision is that of the directive or, if there was none, to approve. After
    /// two different directives there was nothing to object to. Two Primaries in turn may have said the same.
    pub fn overruled(&self) -> impl Iterator<Item = NodeId> {
        let directives = self.directives.values();
        let said = directives.flat_map(|filed| std::iter::once(&filed.first).chain(&filed.second));
        let said: BTreeSet<bool> = said.map(says_approve).collect();
        let objected_to = match (said.len(), said.first()) {
            (0, _) => Some(true),
            (1, Some(approve)) => Some(*approve),
            _ => None,
        };
        let decided = self.decision.as_ref().map(|decision| &decision.outcome);
        let is_overruled = match objected_to {
            Some(true) => decided == Some(&Outcome::Decided(Ballot::Approve)),
            Some(false) => decided == Some(&Outcome::Decided(Ballot::Reject)),
            None => false,
        };
        let objections = self.objections.keys().copied();
        objections.filter(move |_| is_overruled)
    }

    /// Rule 2: after an objection, or two different directives, the Primary no longer decides the operation.
    fn is_disputed(&self) -> bool {
        !self.objections.is_empty() || self.directives.values().any(|filed| filed.second.is_some())
    }

    fn step_directive(&mut self, context: &Context<'_>) -> Option<Transition> {
        let Some(primary) = context.before.active_primary() else {
            return Some(self.enter_resolution(context));
        };
        if self.is_disputed() {
            return Some(self.enter_resolution(context));
        }
        if let Some(filed) = said_by(&self.directives, &primary, context.before) {
            let approve = says_approve(&filed.first);
            let length_ms = if self.operation().is_routine() {
                0
            } else {
                self.params.objection_window_ms
            };
            let stage = Stage::Objection {
                by: primary,
                approve,
            };
            return Some(self.enter_stage(stage, length_ms, context));
        }
        match self.judge_authority_window(context) {
            Passage::Open => None,
            Passage::Marked => Some(Transition::Marked),
            Passage::Passed => Some(self.enter_resolution(context)),
        }
    }

    fn step_objection(
        &mut self,
        context: &Context<'_>,
        by: NodeId,
        approve: bool,
    ) -> Option<Transition> {
        let primary = context.before.active_primary();
        let is_author = primary.is_some_and(|it| context.before.is_same_line(&it, &by));
        if self.is_disputed() || !is_author {
            return Some(self.enter_resolution(context));
        }
        match self.judge_authority_window(context) {
            Passage::Open => None,
            Passage::Marked => Some(Transition::Marked),
            Passage::Passed => Some(self.conclude_by_authority(approve, context)),
        }
    }

    fn step_resolution(&mut self, context: &Context<'_>) -> Option<Transition> {
        let (mut total, mut approving, mut rejecting) = (0, 0, 0);
        for seed in context.before.seeds() {
            total += 1;
            // Two resolutions of one Seed count for none.
            match said_by(&self.resolutions, &seed, context.before) {
                Some(filed) if filed.second.is_none() => {
                    if says_approve(&filed.first) {
                        approving += 1;
                    } else {
                        rejecting += 1;
                    }
                }
                _ => {}
            }
        }
        if total == 0 {
            return Some(self.fall_to_bft(context));
        }
        if 2 * approving > total || 2 * rejecting > total {
            return Some(self.conclude_by_authority(2 * approving > total, context));
        }
        match self.judge_authority_window(context) {
            Passage::Open => None,
            Passage::Marked => Some(Transition::Marked),
            Passage::Passed => Some(self.fall_to_bft(context)),
        }
    }

    fn judge_authority_window(&mut self, context: &Context<'_>) -> Passage {
        match &mut self.phase {
            Phase::Authority(authority) => authority.window.judge(context.time_ms),
            _ => unreachable!("called in the authority phase only"),
        }
    }

    fn enter_resolution(&mut self, context: &Context<'_>) -> Transition {
        self.enter_stage(Stage::Resolution, self.params.resolution_window_ms, context)
    }

    fn enter_stage(&mut self, stage: Stage, length_ms: u64, context: &Context<'_>) -> Transition {
        let authority = Authority::at(stage.clone(), length_ms, &self.params, context.time_ms);
        self.phase = Phase::Authority(authority);
        Transition::Stage(stage)
    }

    fn conclude_by_authority(&mut self, approve: bool, context: &Context<'_>) -> Transition {
        let ballot = if approve {
            Ballot::Approve
        } else {
            Ballot::Reject
        };
        self.conclude(Outcome::Decided(ballot), context.height);
        self.phase = Phase::Closed;
        Transition::Closed
    }

    /// Rule 3: a full BFT vote, and no way back. This seal becomes the opening seal.
    fn fall_to_bft(&mut self, context: &Context<'_>) -> Transition {
        let electors = context
            .before
            .electors(Class::Critical, &self.params)
            .collect();
        self.electorate = Arc::new(Electorate::new(electors));
        self.class = Class::Critical;
        self.opened_height = context.height;
        self.opened_ms = context.time_ms;
        if self.electorate.total() == 0 {
            self.conclude(Outcome::NoQuorum, context.height);
            self.phase = Phase::Closed;
            return Transition::Closed;
        }
        let window = commit_reveal::commit_window(&self.params, self.class, self.opened_ms);
        self.phase = Phase::Committing(window);
        Transition::FellToBft
    }
}
