//! Filing: the checks by which a state accepts a record, and the place where the record goes ([S6], "rejected when applying").
//!
//! Every check uses the state *before* the seal (roles, standings, weights). So acceptance does not depend on the order of
//! records within a seal, except that the commits to a proposal may follow it.

use std::collections::BTreeMap;

use super::work::Work;
use super::{Evidence, Held, Past, State, question_of, succession};
use crate::base::digest::{NodeId, RecordId};
use crate::base::limits::{
    EVIDENCE_HEIGHTS, OPEN_PROPOSALS_MAX, OPEN_PROPOSALS_RESTRICTED_MAX, PANEL_WEIGHTED_MIN,
};
use crate::base::rejection::Rejection;
use crate::decision::open::{Context, Electorate, Filing, OpenOperation};
use crate::members::roster::{Elector, Member};
use crate::members::trust::Standing;
use crate::statement::genesis::PanelScoring;
use crate::statement::operation::{Class, ConsensusOperation, Priority};
use crate::statement::record::{Slot, Statement, Verified};
use crate::statement::seal::is_quorum;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The number of proposals that this member may have open.
pub(crate) fn proposal_cap(member: &Member) -> usize {
    match member.trust.standing() {
        Standing::Active => OPEN_PROPOSALS_MAX,
        Standing::Probation | Standing::Suspended => OPEN_PROPOSALS_RESTRICTED_MAX,
        Standing::Banned => 0,
    }
}

impl State {
    /// The author, if its key is the present one of a member that is not banned.
    pub(super) fn author(&self, author: NodeId) -> Result<&Member, Rejection> {
        let line = self.roster.line(&author);
        let member = line.ok_or(Rejection::UnknownAuthor(author))?;
        if member.is_banned() {
            return Err(Rejection::BannedAuthor(author));
        }
        if member.had(&author) {
            return Err(Rejection::FormerKey(author));
        }
        Ok(member)
    }

    /// Checks a proposal. Returns the electorate that it would open with, and whether its votes would be scored.
    ///
    /// # Errors
    ///
    /// [`Rejection`] of its author, panel, priority or the seal it names. The caller checks the cap on open proposals.
    pub(crate) fn judge_propose(
        &self,
        past: &Past,
        record: &Verified,
    ) -> Result<(Electorate, bool), Rejection> {
        let Statement::Propose {
            operation,
            priority,
            last,
            ..
        } = record.statement()
        else {
            unreachable!("only proposals are asked");
        };
        let author = record.author();
        let member = self.author(author)?;
        let id = record.id().into();
        if past.closed.contains_key(&id) || self.open.contains_key(&id) {
            return Err(Rejection::AlreadySealed(record.id()));
        }
        if past.height_of(last).is_none() {
            return Err(Rejection::UnknownSeal);
        }
        if let Some((name, value)) = operation.param_entry() {
            self.params.with_change(name, value)?;
        }
        if *priority == Priority::High && !member.role.is_authority() {
            return Err(Rejection::WrongRole {
                author,
                reason: "only the Primary and Seeds may ask for high priority",
            });
        }
        if operation.panel().is_some() && !member.role.is_authority() {
            return Err(Rejection::WrongRole {
                author,
                reason: "only the Primary and Seeds may name a panel",
            });
        }
        if let Some(open) = self.asked(operation) {
            return Err(Rejection::AlreadyAsked(open));
        }
        self.electorate(operation)
    }

    fn electorate(&self, operation: &ConsensusOperation) -> Result<(Electorate, bool), Rejection> {
        let class = operation.class();
        if class == Class::Standard {
            return Ok((Electorate::new(Vec::new()), true));
        }
        let Some(panel) = operation.panel() else {
            let electors = self.roster.electors(class, &self.params).collect();
            let electorate = Electorate::new(electors);
            check_rule(operation, &electorate)?;
            return Ok((electorate, true));
        };
        let mut electors = Vec::with_capacity(panel.len());
        for node in panel {
            let present = self.roster.present_key(node);
            let member = present.and_then(|node| Some((node, self.roster.get(&node)?)));
            let (node, member) = member.ok_or(Rejection::Inapplicable(
                "the panel names a node that is not a member",
            ))?;
            if !member.is_banned() {
                electors.push(Elector {
                    node,
                    weight: member.weight(class, &self.params),
                    has_vote: member.trust.has_vote(),
                });
            }
        }
        electors.sort_unstable();
        if !electors.is_sorted_by(|a, b| a.node < b.node) {
            return Err(Rejection::Inapplicable("the panel names a member twice"));
        }
        let electorate = Electorate::new(electors);
        check_rule(operation, &electorate)?;
        let is_trusted = self.panel_scoring == PanelScoring::Authorities;
        let is_small = electorate.weighted() < PANEL_WEIGHTED_MIN;
        if is_small && !is_trusted {
            return Err(Rejection::Inapplicable(
                "a panel needs at least three members with weight",
            ));
        }
        let total = self.roster.total(class, &self.params);
        let is_scored = !is_small && (is_trusted || is_quorum(electorate.total(), total));
        Ok((electorate, is_scored))
    }

    /// The seal time from which on a `Rejoin` or `Succeed` can be sealed: a grace of critical operations after the member's last
    /// `Rejoin` ([S6]), a commit window after the line's last change of key ([K2]). Else one member could make seals without end.
    pub(crate) fn sealable_from_ms(&self, record: &Verified) -> Option<u64> {
        match record.statement() {
            Statement::Rejoin { .. } => {
                let (_, last_ms) = self.roster.get(&record.author())?.rejoined?;
                Some(last_ms + self.params.critical_grace_ms)
            }
            Statement::Succeed { old, .. } => {
                let last_ms = self.roster.get(old)?.succeeded_ms?;
                Some(last_ms + self.params.commit_window_ms)
            }
            _ => None,
        }
    }

    /// The votes on seals that the next seal cannot take as evidence.
    pub(crate) fn spent_votes(&self, votes: &[Verified]) -> Vec<RecordId> {
        let (_, spent) = pair_seal_votes(self, votes);
        spent.into_iter().map(|(vote, _)| vote.id()).collect()
    }

    /// The votes on seals that the next seal can take as evidence: pairs of one slot.
    pub(crate) fn evidence_pairs(&self, votes: &[Verified]) -> Vec<(Verified, Verified)> {
        pair_seal_votes(self, votes).0
    }

    /// Checks a record that is neither a proposal nor about a seal against the open operations.
    ///
    /// # Errors
    ///
    /// [`Rejection`] says why a seal could not take the record now. [`Rejection::UnknownOperation`] if its proposal may not
    /// have arrived yet.
    pub(crate) fn judge_statement(
        &self,
        past: &Past,
        record: &Verified,
        context: &Context<'_>,
    ) -> Result<(), Rejection> {
        let statement = record.statement();
        if matches!(statement, Statement::Rejoin { .. }) {
            self.author(record.author())?;
            let due_ms = self.sealable_from_ms(record);
            return if past.rejoins.contains(&record.id()) {
                Err(Rejection::AlreadySealed(record.id()))
            } else if due_ms.is_some_and(|due_ms| context.time_ms < due_ms) {
                Err(Rejection::TooSoon("a grace of critical operations"))
            } else {
                Ok(())
            };
        }
        if matches!(statement, Statement::Succeed { .. }) {
            return self.judge_succeed(record, context.time_ms);
        }
        if matches!(statement, Statement::Refound { .. }) {
            return Err(Rejection::Inapplicable("a `Refound` is never sealed"));
        }
        let Some(id) = statement.operation() else {
            unreachable!("proposals and votes on seals are judged elsewhere");
        };
        let Some(operation) = self.operation(&id) else {
            return Err(if past.closed.contains_key(&id) {
                Rejection::WrongPhase {
                    operation: id,
                    statement: statement.kind(),
                    phase: "closed",
                }
            } else {
                Rejection::UnknownOperation(id)
            });
        };
        match statement {
            Statement::Commit { .. } => operation.judge_commit(record, context),
            Statement::Reveal { .. } => operation.judge_reveal(record),
            _ => operation.judge_authority(record, context),
        }
    }
}

/// Whether anybody has weight, and enough electors to agree as the claim's rule asks.
fn check_rule(operation: &ConsensusOperation, electorate: &Electorate) -> Result<(), Rejection> {
    if electorate.total() == 0 {
        return Err(Rejection::Inapplicable("no elector has weight"));
    }
    match operation.claim_rule() {
        Some(rule) if rule.electors as usize > electorate.weighted() => {
            Err(Rejection::Inapplicable(
                "the claim's rule asks for more electors than there are with weight",
            ))
        }
        _ => Ok(()),
    }
}

/// Files one record into the work of a seal.
pub(super) fn file(
    work: &mut Work<'_>,
    record: &Verified,
    context: &Context<'_>,
) -> Result<(), Rejection> {
    match record.statement() {
        Statement::Propose { .. } => open(work, record, context),
        Statement::Rejoin { .. } => {
            work.before.judge_statement(work.past, record, context)?;
            if work.rejoined.contains(&record.author()) {
                return Err(Rejection::SlotFull(record.author()));
            }
            work.rejoined.insert(record.author());
            work.applied.rejoins.push(record.id());
            Ok(())
        }
        Statement::Succeed { .. } => succession::file(work, record, context),
        Statement::SealProposal { .. } | Statement::SealVote { .. } => {
            unreachable!("votes on seals are filed in pairs")
        }
        Statement::Refound { .. } => work.before.judge_statement(work.past, record, context),
        _ => file_in_operation(work, record, context),
    }
}

fn open(work: &mut Work<'_>, record: &Verified, context: &Context<'_>) -> Result<(), Rejection> {
    let (electorate, scored) = work.before.judge_propose(work.past, record)?;
    let author = record.author();
    let member = work.before.author(author)?;
    let limit = proposal_cap(member);
    let Statement::Propose { operation, .. } = record.statement() else {
        unreachable!("only proposals open operations");
    };
    let question = question_of(operation);
    if let Some(open) = question.and_then(|it| work.state.asked.get(&it)) {
        return Err(Rejection::AlreadyAsked(*open));
    }
    if work.state.open_by(&author) >= limit {
        return Err(Rejection::OverCap { author, limit });
    }
    *work.state.open_by_author.entry(author).or_default() += 1;
    let params = work.before.params.clone();
    let operation = OpenOperation::open(record, params, electorate, scored, context);
    if let Some(question) = question {
        work.state.asked.insert(question, operation.id());
    }
    work.applied.opened.push(operation.id());
    work.touched.insert(operation.id(), operation);
    Ok(())
}

fn file_in_operation(
    work: &mut Work<'_>,
    record: &Verified,
    context: &Context<'_>,
) -> Result<(), Rejection> {
    let id = record
        .statement()
        .operation()
        .expect("only statements about operations get here");
    if !work.touched.contains_key(&id) {
        // The state gives the exact reason, and no operation is copied for a refused record.
        work.before.judge_statement(work.past, record, context)?;
    }
    let state = &work.state;
    let operation = work.touched.entry(id).or_insert_with(|| {
        let Held { operation, .. } = &state.open[&id];
        operation.as_ref().clone()
    });
    let filing = match record.statement() {
        Statement::Commit { .. } => operation.file_commit(record, context)?,
        Statement::Reveal { .. } => {
            operation.file_reveal(record)?;
            work.revealed.insert(record.author());
            Filing::First
        }
        _ => operation.file_authority(record, context)?,
    };
    if filing == Filing::Second {
        let first = operation
            .equivocations()
            .find(|(_, first, second)| *second == record || *first == record)
            .map_or_else(|| record.clone(), |(_, first, _)| first.clone());
        work.evidence.push(Evidence {
            author: record.author(),
            first,
            second: record.clone(),
        });
    }
    Ok(())
}

/// Pairs votes on seals. They are sealed only as two of one slot, at a recent height, by an author not yet banned.
/// Returns the pairs, and the remaining votes with the reasons.
#[allow(clippy::type_complexity)]
pub(super) fn pair_seal_votes(
    before: &State,
    records: &[Verified],
) -> (Vec<(Verified, Verified)>, Vec<(Verified, Rejection)>) {
    let mut slots: BTreeMap<(NodeId, Slot), Vec<&Verified>> = BTreeMap::new();
    for record in records {
        if let Some(slot) = record
            .statement()
            .slot()
            .filter(|slot| slot.height().is_some())
        {
            slots
                .entry((record.author(), slot))
                .or_default()
                .push(record);
        }
    }
    let (mut pairs, mut dropped) = (Vec::new(), Vec::new());
    let height = before.height + 1;
    for ((author, slot), bodies) in slots {
        let at = slot.height().unwrap_or(0);
        let verdict = match (before.may_convict(author), bodies.as_slice()) {
            (Err(rejection), _) => Err(rejection),
            (Ok(()), _) if at > height || at + EVIDENCE_HEIGHTS <= height => {
                Err(Rejection::StaleSeal {
                    height: at,
                    at: before.height,
                })
            }
            // A third body proves nothing more and is left over.
            (Ok(()), [first, second, rest @ ..]) => {
                let full = Rejection::SlotFull(author);
                dropped.extend(rest.iter().map(|body| ((*body).clone(), full.clone())));
                Ok(((*first).clone(), (*second).clone()))
            }
            (Ok(()), _) => Err(Rejection::ImpossibleSeal(
                "votes on seals are sealed only as evidence, as two of one slot",
            )),
        };
        match verdict {
            Ok(pair) => pairs.push(pair),
            Err(rejection) => {
                dropped.extend(
                    bodies
                        .into_iter()
                        .map(|body| (body.clone(), rejection.clone())),
                );
            }
        }
    }
    (pairs, dropped)
}
