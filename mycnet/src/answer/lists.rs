//! Lists of operations and of votes on them.

use std::collections::BTreeSet;

use mycnet_consensus::node::Node;
use mycnet_consensus::store::ClosedSummary;
use mycnet_consensus::{BFTConsensusEngine, NodeId, OperationId};

use super::only;
use super::operations::{operation, time_of};
use super::turns::open_operations;
use crate::failure::Failure;
use crate::names::{Names, subject_node};
use crate::reply::{ElectorVote, FoundId, OperationLine, Operations, Votes, VotesOn};
use crate::request::Filter;

/// Operations that fit: proposals without a seal first, then open ones, then closed ones, each from the newest on.
pub(super) fn list(node: &Node, filter: &Filter) -> Result<Operations, Failure> {
    let mut lines = lines(node, filter)?;
    add_times(node, &mut lines)?;
    let mentioned = lines.iter().flat_map(|line| {
        let subject = subject_node(&line.kind, &line.subject);
        std::iter::once(line.proposer).chain(subject)
    });
    Ok(Operations {
        names: Names::of(node.engine(), mentioned),
        operations: lines,
    })
}

/// Adds the times of the seals. Reads each of their heights once.
fn add_times(node: &Node, lines: &mut [OperationLine]) -> Result<(), Failure> {
    let mut last = (0, 0);
    for line in lines {
        let Some(height) = line.height else { continue };
        if height != last.0 {
            last = (height, time_of(node, height)?);
        }
        line.time_ms = Some(last.1);
    }
    Ok(())
}

fn lines(node: &Node, filter: &Filter) -> Result<Vec<OperationLine>, Failure> {
    let limit = filter.limit.unwrap_or(usize::MAX);
    let is_meant = |line: &OperationLine| {
        filter.class.is_none_or(|class| line.class == class)
            && filter.kind.as_ref().is_none_or(|kind| line.kind == *kind)
            && filter.by.is_none_or(|by| line.proposer == by)
            && filter
                .from_height
                .is_none_or(|from| line.height.is_none_or(|height| height >= from))
    };
    let mut lines = if filter.is_open == Some(false) {
        Vec::new()
    } else {
        open_lines(node.engine())?
    };
    let mut after = filter.after;
    if let Some(id) = after {
        // Whatever is closed comes behind what is open.
        if let Some(place) = lines.iter().position(|line| line.operation == id) {
            lines.drain(..=place);
            after = None;
        } else {
            let status = node.engine().status(&id);
            if status.is_none_or(|status| status.phase != "closed") {
                return Err(Failure::usage(format!(
                    "after={id}: no such operation is in this list (any more)"
                )));
            }
            lines.clear();
        }
    }
    lines.retain(is_meant);
    lines.truncate(limit);
    if filter.is_open != Some(true) && lines.len() < limit {
        let mut take = |closed: ClosedSummary| {
            let height = closed.closed.closed_height;
            if filter.from_height.is_some_and(|from| height < from) {
                return false;
            }
            lines.extend(Some(closed_line(closed)).filter(is_meant));
            lines.len() < limit
        };
        let read = node.store().newest_closed(after.as_ref(), &mut take);
        read.map_err(Failure::failed)?;
    }
    Ok(lines)
}

/// Proposals without a seal, then open operations, each from the newest on.
fn open_lines(engine: &BFTConsensusEngine) -> Result<Vec<OperationLine>, Failure> {
    let mut lines = Vec::new();
    for operation in open_operations(engine)? {
        let (status, proposal) = (engine.status(&operation), engine.proposal(&operation)?);
        let (Some(status), Some(proposal)) = (status, proposal) else {
            // It was closed after it was listed.
            continue;
        };
        lines.push(OperationLine {
            operation,
            kind: proposal.what.kind().into(),
            class: status.class.unwrap_or_else(|| proposal.what.class()),
            proposer: proposal.proposer,
            subject: proposal.what.subject(),
            rule: proposal.what.claim_rule(),
            phase: status.phase.into(),
            height: status.opened_height,
            outcome: status.outcome.map(|(outcome, _)| outcome),
            refused_effect: None,
            time_ms: None,
        });
    }
    lines.sort_by_key(|line| {
        let height = line.height;
        (height.is_some(), std::cmp::Reverse(height), line.operation)
    });
    Ok(lines)
}

fn closed_line(closed: ClosedSummary) -> OperationLine {
    OperationLine {
        operation: closed.operation,
        kind: closed.kind,
        class: closed.class,
        proposer: closed.proposer,
        subject: closed.subject,
        // A list does not read the proposals of all that was ever decided; `mycnet status` shows the rule of one.
        rule: None,
        phase: "closed".into(),
        height: Some(closed.closed.decided_height),
        outcome: Some(closed.closed.outcome),
        refused_effect: closed.refused_effect,
        time_ms: None,
    }
}

/// Operations that are looked at together for their votes.
const VOTES_PAGE: usize = 64;

/// Who voted what, from the newest operations on, or from those after one: so many of those with a vote of this member, or of anybody.
pub(super) fn votes(
    node: &Node,
    by: Option<NodeId>,
    limit: usize,
    after: Option<OperationId>,
) -> Result<Votes, Failure> {
    let mut operations = Vec::new();
    let mut page = Filter {
        limit: Some(VOTES_PAGE),
        after,
        ..Filter::default()
    };
    let mut waiting = lines(node, &page)?.into_iter();
    while operations.len() < limit {
        let Some(mut line) = waiting.next() else {
            // The list may have changed meanwhile: then this is all of it that is certain.
            let more = page.after.map_or(Ok(Vec::new()), |_| lines(node, &page))?;
            if more.is_empty() {
                break;
            }
            waiting = more.into_iter();
            continue;
        };
        page.after = Some(line.operation);
        let details = operation(node, line.operation)?;
        let is_own = by.is_none_or(|by| by == node.engine().node_id());
        let own_ballot = details.own_ballot.filter(|_| is_own);
        let is_shown =
            |elector: &ElectorVote| elector.committed && by.is_none_or(|by| elector.node == by);
        let mut votes = details.electors;
        votes.retain(is_shown);
        if votes.is_empty() && own_ballot.is_none() {
            continue;
        }
        line.time_ms = details.decided_ms.or(details.opened_ms);
        operations.push(VotesOn {
            line,
            votes,
            own_ballot,
        });
    }
    Ok(Votes { operations })
}

/// The only operation whose id begins with these digits.
pub(super) fn find(node: &Node, prefix: &str) -> Result<FoundId<OperationId>, Failure> {
    let mut known: BTreeSet<_> = open_operations(node.engine())?.into_iter().collect();
    known.retain(|id| id.to_string().starts_with(prefix));
    known.extend(
        node.store()
            .operations_with(prefix)
            .map_err(Failure::failed)?,
    );
    let what = format!("operation has an id that begins with {prefix}");
    only(known, &what, "mycnet operations", "give more digits")
}
