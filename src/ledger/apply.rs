//! Applies a seal: filing, bans, phases, trust, effects, digests, in this order ([H2]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::queue::{Turn, is_moved};
use super::work::{Progress, SealRoom, Work};
use super::{
    Applied, Dropped, Evidence, Held, MemberChange, Mode, Past, State, effects, filing, in_order,
    question_of, scores, succession,
};
use crate::base::digest::{Digest, NodeId, OperationId};
use crate::base::merkle;
use crate::decision::leaf::leaf_of;
use crate::decision::open::{Context, OpenOperation, Phase, Transition};
use crate::members::roster::MemberLine;
use crate::members::trust::Participation;
use crate::statement::record::{Statement, Verified};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Applies records to a state.
///
/// The cost is that of the filed records, of each operation that changes, and of the roster's digest.
#[allow(clippy::type_complexity)]
pub(super) fn apply(
    before: &State,
    past: &Past,
    round: u32,
    time_ms: u64,
    mut records: Vec<Verified>,
    mode: Mode,
) -> Result<(State, Applied, Vec<Verified>, Vec<Dropped>), Dropped> {
    // Cached, because each access to a record is a jump in memory.
    records.sort_by_cached_key(|record| (record.statement().rank(), record.id()));
    records.dedup();
    let mut state = before.clone();
    state.height += 1;
    state.time_ms = time_ms;
    state.seals.push(merkle::leaf(before.seal.as_bytes()));
    let mut work = Work {
        before,
        past,
        state,
        touched: BTreeMap::new(),
        evidence: Vec::new(),
        rejoined: BTreeSet::new(),
        seen: BTreeSet::new(),
        revealed: BTreeSet::new(),
        successions: Vec::new(),
        applied: Progress::default(),
    };
    let (mut kept, dropped) = file_all(&mut work, &records, mode)?;
    kept.sort_by_cached_key(Verified::id);
    work.seen = kept.iter().map(Verified::author).collect();
    succession::convict(&mut work);
    succession::succeed(&mut work);
    note_conduct(&mut work);
    let mut closed = advance(&mut work);
    let leaves = log_decisions(&mut work, &mut closed);
    scores::settle(&mut work, &closed);
    effects::apply_effects(&mut work, &closed);
    line_up(&mut work, round, &kept);
    let (state, applied) = finish(work, closed, leaves, &kept);
    Ok((state, applied, kept, dropped))
}

/// Files the records that apply; the others are an error or are left out.
fn file_all(
    work: &mut Work<'_>,
    records: &[Verified],
    mode: Mode,
) -> Result<(Vec<Verified>, Vec<Dropped>), Dropped> {
    let before = work.before;
    let context = Context {
        height: work.state.height,
        time_ms: work.state.time_ms,
        before: &before.roster,
        now: &before.roster,
    };
    let (mut kept, mut dropped) = (Vec::with_capacity(records.len()), Vec::new());
    let mut drop_record = |record, reason| {
        let refused = Dropped { record, reason };
        match mode {
            Mode::Strict => Err(refused),
            Mode::Lenient => {
                dropped.push(refused);
                Ok(())
            }
        }
    };
    let mut room = SealRoom::default();
    for record in records
        .iter()
        .filter(|record| !record.statement().is_about_seals())
    {
        let filed = room
            .check(record)
            .and_then(|()| filing::file(work, record, &context));
        match filed {
            Ok(()) => {
                room.take(record);
                kept.push(record.clone());
            }
            Err(reason) => drop_record(record.clone(), reason)?,
        }
    }
    let (pairs, strays) = filing::pair_seal_votes(before, records);
    for (record, reason) in strays {
        drop_record(record, reason)?;
    }
    for (first, second) in pairs {
        let mut with_first = room;
        with_first.take(&first);
        if room.check(&first).and(with_first.check(&second)).is_err() {
            continue;
        }
        room = with_first;
        room.take(&second);
        kept.extend([first.clone(), second.clone()]);
        work.evidence.push(Evidence {
            author: first.author(),
            first,
            second,
        });
    }
    Ok((kept, dropped))
}

/// Notes who was seen, who revealed and who rejoined.
fn note_conduct(work: &mut Work<'_>) {
    let rejoined = Some((work.state.height, work.state.time_ms));
    for author in std::mem::take(&mut work.seen) {
        work.note(author, Participation::Seen);
    }
    for author in std::mem::take(&mut work.revealed) {
        work.note(author, Participation::Revealed);
    }
    for node in &work.rejoined {
        // Nothing on the line of a banned member changes any more, also if it was banned by this seal.
        if let Some((_, member)) = work.state.roster.line_mut(node)
            && !member.is_banned()
        {
            member.rejoined = rejoined;
        }
    }
}

/// Moves phases and windows of every open operation. Returns those that closed, in the order of [P7].
fn advance(work: &mut Work<'_>) -> Vec<Arc<OpenOperation>> {
    let before = work.before;
    let now = work.state.roster.clone();
    let context = Context {
        height: work.state.height,
        time_ms: work.state.time_ms,
        before: &before.roster,
        now: &now,
    };
    // Without new records an operation changes only if something is due: a window, a freeze (which depends on bans and on who was
    // seen), or because an authority's role changed.
    let due: Vec<OperationId> = before
        .open
        .values()
        .map(|held| held.operation.as_ref())
        .filter(|operation| {
            !work.touched.contains_key(&operation.id())
                && (operation
                    .due_ms(&now)
                    .is_some_and(|due| due <= context.time_ms)
                    || matches!(operation.phase(), Phase::Authority(_)))
        })
        .map(OpenOperation::id)
        .collect();
    let mut closed = Vec::new();
    let touched = std::mem::take(&mut work.touched);
    let filed = touched
        .into_iter()
        .map(|(id, operation)| (id, operation, true));
    let waiting = due.into_iter().map(|id| {
        let operation = before.open[&id].operation.as_ref().clone();
        (id, operation, false)
    });
    for (id, mut operation, was_filed) in filed.chain(waiting) {
        let was_frozen = operation.frozen().is_some();
        let transitions = operation.advance(&context);
        if transitions.is_empty() && !was_filed {
            continue;
        }
        work.applied.has_advanced |= !transitions.is_empty();
        let is_new = operation.opened_height() == context.height;
        work.applied.begins_window |= is_new || transitions.iter().any(Transition::begins_window);
        if !was_frozen && operation.frozen().is_some() {
            work.applied.frozen.push(id);
        }
        if matches!(operation.phase(), Phase::Closed) {
            work.state.open.remove(&id);
            if let Some(question) = question_of(operation.operation()) {
                work.state.asked.remove(&question);
            }
            let author = operation.proposal().author();
            if let Some(open) = work.state.open_by_author.get_mut(&author) {
                *open -= 1;
                if *open == 0 {
                    work.state.open_by_author.remove(&author);
                }
            }
            closed.push(Arc::new(operation));
        } else {
            work.touched.insert(id, operation);
        }
    }
    closed.sort_by_key(|operation| operation.rank());
    closed
}

/// Appends the leaves of the operations that were decided, in the order of [P7]. Returns their hashes.
fn log_decisions(work: &mut Work<'_>, closed: &mut [Arc<OpenOperation>]) -> Vec<Digest> {
    let Work {
        state,
        touched,
        applied,
        ..
    } = work;
    let now = state.height;
    let is_new = |it: &OpenOperation| it.decision().is_some_and(|decision| decision.height == now);
    let closed = closed.iter_mut().map(Arc::make_mut);
    let mut decided: Vec<&mut OpenOperation> = touched.values_mut().chain(closed).collect();
    decided.retain(|operation| is_new(operation));
    decided.sort_by_key(|operation| operation.rank());
    let leaves = decided.iter_mut().map(|operation| {
        operation.place_decision(state.decided.size);
        let (leaf, _) = leaf_of(operation).expect("it was decided");
        let hash = leaf.hash();
        state.decided.push(hash);
        hash
    });
    let leaves = leaves.collect();
    applied.decided = decided.iter().map(|operation| operation.id()).collect();
    leaves
}

/// Lines up the sealers of the next height ([S4], [S5]).
fn line_up(work: &mut Work<'_>, round: u32, kept: &[Verified]) {
    let before = work.before;
    let state = &mut work.state;
    let roster = &state.roster;
    // A member keeps its place when its key changes.
    let present = |node: NodeId| roster.present_key(&node).unwrap_or(node);
    let mut sealers = roster.sealers(state.sealing);
    if sealers.is_empty() {
        // Nobody has a vote: the previous sealers stay.
        sealers = before.sealers.sorted().into_iter().map(present).collect();
    }
    let primary = roster.primary();
    let is_word = |record: &Verified| {
        roster.present_key(&record.author()) == primary
            && !matches!(record.statement(), Statement::Rejoin { .. })
    };
    let has_word_of_primary = primary.is_some() && kept.iter().any(is_word);
    let former: Vec<NodeId> = before.sealers.iter().collect();
    let order: Vec<NodeId> = former.iter().copied().map(present).collect();
    let leader = former.get(round as usize % former.len().max(1));
    let (time_ms, window_ms) = (state.time_ms, before.params.commit_window_ms);
    let was_moved = |leader| is_moved(&before.roster, leader, time_ms, window_ms);
    let turn = Turn {
        was_leader_moved: leader.is_some_and(was_moved),
        former_primary: before.roster.primary().map(present),
        round,
        time_ms,
        window_ms,
        has_word_of_primary,
        roster: &mut state.roster,
    };
    let (queue, tenure) = turn.next(&order, before.tenure, &sealers);
    state.tenure = tenure;
    if queue != former {
        state.sealers = in_order(queue);
    }
}

/// Completes the state: digests, and the list of changes.
fn finish(
    work: Work<'_>,
    closed: Vec<Arc<OpenOperation>>,
    leaves: Vec<Digest>,
    kept: &[Verified],
) -> (State, Applied) {
    let Work {
        before,
        mut state,
        touched,
        evidence,
        applied: progress,
        ..
    } = work;
    let mut changed = closed.clone();
    for (id, operation) in touched {
        let held = Held::new(operation);
        changed.push(held.operation.clone());
        state.open.insert(id, held);
    }
    state.due_ms = state.find_due_ms();
    let roster = state.roster.digest();
    let parts = state.parts(roster);
    let applied = Applied {
        height: state.height,
        time_ms: state.time_ms,
        records: kept.iter().map(Verified::id).collect(),
        opened: progress.opened,
        touched: changed,
        frozen: progress.frozen,
        decided: progress.decided,
        leaves,
        closed,
        evidence,
        trust: progress.trust,
        effects: progress.effects,
        members: member_changes(before, &state),
        params: (state.params != before.params).then(|| state.params.clone()),
        config: progress.config,
        rejoins: progress.rejoins,
        successions: progress.successions,
        has_advanced: progress.has_advanced,
        begins_window: progress.begins_window,
        sealers: (state.sealers != before.sealers).then(|| state.sealers.clone()),
        other_sealers: other_sealers(before, &state),
        roster,
        parts,
    };
    (state, applied)
}

fn other_sealers(before: &State, after: &State) -> Option<Vec<NodeId>> {
    let sealers = after.sealers.sorted();
    (sealers != before.sealers.sorted()).then_some(sealers)
}

fn member_changes(before: &State, after: &State) -> Vec<MemberChange> {
    let line = |state: &State, node: &NodeId| {
        let member = state.roster.get(node)?;
        Some(MemberLine::of(member))
    };
    let nodes: BTreeSet<NodeId> = before
        .roster
        .iter()
        .chain(after.roster.iter())
        .map(|(node, _)| node)
        .collect();
    nodes
        .into_iter()
        .filter(|node| line(before, node) != line(after, node))
        .map(|node| MemberChange {
            node,
            now: line(after, &node),
        })
        .collect()
}
