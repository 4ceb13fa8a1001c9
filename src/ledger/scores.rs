//! Scores the electors of an operation once, when it closes ([P8]). All that moves scores goes through [`Work::score`]: these
//! events, bans and notes (`apply.rs`), and decided modifications and parameters (`effects.rs`). The arithmetic is in
//! [`crate::members::trust`].

use std::sync::Arc;

use super::work::Work;
use crate::base::digest::NodeId;
use crate::decision::open::OpenOperation;
use crate::members::trust::{Participation, ParticipationRecord, Support, is_within};
use crate::statement::operation::Outcome;
use crate::statement::seal::is_quorum;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Scores the closed operations, in the order given.
pub(super) fn settle(work: &mut Work<'_>, closed: &[Arc<OpenOperation>]) {
    for operation in closed {
        let support = support(work, operation);
        let overruled: Vec<NodeId> = operation.overruled().collect();
        for node in overruled {
            score(work, operation, node, support, Participation::Overruled);
        }
        if operation.frozen().is_none() {
            continue;
        }
        for elector in operation.electorate().iter() {
            let event = participation(operation, &operation.voter(&elector.node));
            score(work, operation, elector.node, support, event);
        }
    }
}

fn score(
    work: &mut Work<'_>,
    operation: &OpenOperation,
    node: NodeId,
    support: Support,
    event: Participation,
) {
    let record = ParticipationRecord {
        height: work.state.height,
        time_ms: work.state.time_ms,
        operation: Some(operation.id()),
        support,
        event,
    };
    work.score(node, operation.params(), &record);
}

/// The event of an elector of an operation that froze, by the key that it voted with.
fn participation(operation: &OpenOperation, node: &NodeId) -> Participation {
    let frozen = operation.frozen();
    if !frozen.is_some_and(|frozen| frozen.commits.contains_key(node)) {
        return Participation::Missed;
    }
    let class = operation.class();
    match (operation.ballot(node), operation.decision()) {
        (Some(ballot), Some(decision)) => {
            Participation::of_ballot(class, &decision.outcome, ballot)
        }
        _ if operation.is_overdue() => Participation::Withheld(class),
        _ => Participation::Unrevealed,
    }
}

/// How many stood behind the outcome, and whether the operation is a chance. Notes a chance in its proposer's line.
fn support(work: &mut Work<'_>, operation: &OpenOperation) -> Support {
    let panel = operation.operation().panel().is_some();
    let chance = !panel && is_chance(work, operation);
    let mut support = Support {
        seconded: false,
        backed: false,
        carried: false,
        chance,
        panel,
    };
    let decision = operation.decision().map(|decision| &decision.outcome);
    let Some(Outcome::Decided(outcome)) = decision else {
        return support;
    };
    let electorate = operation.electorate();
    let (mut votes, mut weight, mut weighted) = (0, 0, 0);
    for elector in electorate.iter() {
        let ballot = operation.ballot(&operation.voter(&elector.node));
        if ballot.map(|it| it.counted_for(operation.class())) == Some(outcome) {
            votes += u64::from(elector.has_vote);
            weight += u128::from(elector.weight);
            weighted += usize::from(elector.weight > 0);
        }
    }
    let all = electorate.votes() as u64;
    support.seconded = !panel && 2 * votes > all;
    support.backed = !panel && is_quorum(votes, all);
    support.carried = operation.is_scored()
        && 2 * weight > u128::from(electorate.total())
        && 2 * weighted > electorate.weighted();
    support
}

/// Whether electors with more than two thirds of all votes were frozen, in the first such operation of its proposer within a
/// commit window. Else one member's junk proposals, or a freeze that shut others out, could make them miss chances.
fn is_chance(work: &mut Work<'_>, operation: &OpenOperation) -> bool {
    let Some(frozen) = operation.frozen() else {
        return false;
    };
    let electorate = operation.electorate();
    let has_vote = |author: &&NodeId| operation.elector(author).is_some_and(|it| it.has_vote);
    let votes = frozen.commits.keys().filter(has_vote).count() as u64;
    let (time_ms, window_ms) = (work.state.time_ms, operation.params().commit_window_ms);
    let proposer = operation.proposal().author();
    let Some((_, member)) = work.state.roster.line_mut(&proposer) else {
        return false;
    };
    let counts = is_quorum(votes, electorate.votes() as u64)
        && !is_within(member.chance_ms, time_ms, window_ms);
    if counts {
        member.chance_ms = Some(time_ms);
    }
    counts
}
