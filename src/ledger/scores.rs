//! Scores the electors of an operation once, when it closes ([P8]). All that moves scores goes through [`Work::score`]: these
//! events, bans and notes (`apply.rs`), and decided modifications and parameters (`effects.rs`). The arithmetic is in
//! [`crate::members::trust`].

use std::sync::Arc;

use super::work::Work;
use crate::base::digest::NodeId;
use crate::decision::open::OpenOperation;
use crate::members::trust::{
    Marked, Marks, Participation, ParticipationRecord, Support, is_within,
};
use crate::statement::operation::{Ballot, Outcome};
use crate::statement::seal::is_quorum;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Scores the closed operations, in the order given.
pub(super) fn settle(work: &mut Work<'_>, closed: &[Arc<OpenOperation>]) {
    for operation in closed {
        let items = item_supports(operation);
        let support = support(work, operation, &items);
        let overruled: Vec<NodeId> = operation.overruled().collect();
        for node in overruled {
            score(work, operation, node, support, Participation::Overruled);
        }
        if operation.frozen().is_none() {
            continue;
        }
        for elector in operation.electorate().iter() {
            let event = participation(operation, &items, &operation.voter(&elector.node));
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
fn participation(operation: &OpenOperation, items: &[Support], node: &NodeId) -> Participation {
    let frozen = operation.frozen();
    if !frozen.is_some_and(|frozen| frozen.commits.contains_key(node)) {
        return Participation::Missed;
    }
    let class = operation.class();
    match (operation.ballot(node), operation.decision()) {
        (Some(ballot), Some(decision)) => match (&decision.outcome, ballot) {
            (Outcome::Decided(Ballot::Results(outcomes)), Ballot::Results(results))
                if results.len() == outcomes.len() =>
            {
                Participation::Answered(marks(items, outcomes, results))
            }
            (Outcome::Decided(Ballot::Results(_)), _) => Participation::Neutral,
            (outcome, ballot) => Participation::of_ballot(class, outcome, ballot),
        },
        _ if operation.is_overdue() => Participation::Withheld(class),
        _ => Participation::Unrevealed,
    }
}

fn marks(items: &[Support], outcomes: &[Option<Vec<u8>>], results: &[Option<Vec<u8>>]) -> Marks {
    let mut marks = Marks {
        items: u32::try_from(outcomes.len()).unwrap_or(u32::MAX),
        carried: Marked::default(),
        seconded: Marked::default(),
        backed: Marked::default(),
    };
    for ((support, outcome), result) in items.iter().zip(outcomes).zip(results) {
        let (Some(outcome), Some(result)) = (outcome, result) else {
            continue;
        };
        let is_right = outcome == result;
        for (has, answers) in [
            (support.carried, &mut marks.carried),
            (support.seconded, &mut marks.seconded),
            (support.backed, &mut marks.backed),
        ] {
            if has {
                answers.count(is_right);
            }
        }
    }
    marks
}

/// How many stood behind the outcome, or behind that of any item, and whether the operation is a chance. Notes a chance in its
/// proposer's line.
fn support(work: &mut Work<'_>, operation: &OpenOperation, items: &[Support]) -> Support {
    let panel = operation.operation().panel().is_some();
    Support {
        seconded: items.iter().any(|item| item.seconded),
        backed: items.iter().any(|item| item.backed),
        carried: items.iter().any(|item| item.carried),
        chance: !panel && is_chance(work, operation),
        panel,
    }
}

/// Who stood behind an outcome.
#[derive(Clone, Copy, Default)]
struct Behind {
    votes: u64,
    weight: u128,
    weighted: usize,
}

/// How many stood behind the outcome, or behind that of each item of a claim set.
fn item_supports(operation: &OpenOperation) -> Vec<Support> {
    let decision = operation.decision().map(|decision| &decision.outcome);
    let Some(Outcome::Decided(outcome)) = decision else {
        return Vec::new();
    };
    let form = operation.ballot_form();
    let electorate = operation.electorate();
    let questions = match outcome {
        Ballot::Results(outcomes) => outcomes.len(),
        _ => 1,
    };
    let mut behind = vec![Behind::default(); questions];
    for elector in electorate.iter() {
        let ballot = operation.ballot(&operation.voter(&elector.node));
        let ballot = ballot.map(|ballot| ballot.counted_as(form));
        for (question, behind) in behind.iter_mut().enumerate() {
            let is_behind = match (outcome, ballot) {
                (Ballot::Results(outcomes), Some(Ballot::Results(results))) => {
                    outcomes[question].is_some() && outcomes[question] == results[question]
                }
                (outcome, ballot) => ballot == Some(outcome),
            };
            if is_behind {
                behind.votes += u64::from(elector.has_vote);
                behind.weight += u128::from(elector.weight);
                behind.weighted += usize::from(elector.weight > 0);
            }
        }
    }
    let all = electorate.votes() as u64;
    let panel = operation.operation().panel().is_some();
    let supports = behind.iter().map(|behind| Support {
        seconded: !panel && 2 * behind.votes > all,
        backed: !panel && is_quorum(behind.votes, all),
        carried: operation.is_scored()
            && 2 * behind.weight > u128::from(electorate.total())
            && 2 * behind.weighted > electorate.weighted(),
        chance: false,
        panel,
    });
    supports.collect()
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
