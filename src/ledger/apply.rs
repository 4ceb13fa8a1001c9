//! Applies a seal: filing, bans, phases, trust, effects, digests, in this order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::digest::tree;
use super::work::{Progress, SealRoom, Work};
use super::{
    Applied, Dropped, Evidence, Held, MemberChange, Mode, Past, State, effects, filing, scores,
};
use crate::base::digest::{NodeId, OperationId};
use crate::decision::open::{Context, OpenOperation, Phase};
use crate::members::sealers::Sealers;
use crate::members::trust::Participation;
use crate::statement::record::Verified;

/// Applies records to a state.
///
/// The cost is that of the filed records, of each operation that changes, and of the roster's digest.
#[allow(clippy::type_complexity)]
pub(super) fn apply(
    before: &State,
    past: &Past,
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
    let mut work = Work {
        before,
        past,
        state,
        touched: BTreeMap::new(),
        evidence: Vec::new(),
        rejoined: BTreeSet::new(),
        revealed: BTreeSet::new(),
        applied: Progress::default(),
    };
    let (mut kept, dropped) = file_all(&mut work, &records, mode)?;
    kept.sort_by_cached_key(Verified::id);
    note_conduct(&mut work);
    let closed = advance(&mut work);
    scores::settle(&mut work, &closed);
    effects::apply_effects(&mut work, &closed);
    let (state, applied) = finish(work, closed);
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
        banned: &before.roster,
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

/// Bans proved equivocators, and records who revealed and who rejoined.
fn note_conduct(work: &mut Work<'_>) {
    let height = work.state.height;
    for author in work
        .evidence
        .iter()
        .map(|evidence| evidence.author)
        .collect::<Vec<_>>()
    {
        work.note(author, None, Participation::Equivocation);
    }
    for author in std::mem::take(&mut work.revealed) {
        work.note(author, None, Participation::Revealed);
    }
    for node in &work.rejoined {
        if let Some(member) = work.state.roster.get_mut(node) {
            member.rejoined = Some(height);
        }
    }
}

/// Moves phases and windows of every open operation. Returns those that closed, in the order of P7.
fn advance(work: &mut Work<'_>) -> Vec<Arc<OpenOperation>> {
    let before = work.before;
    let banned = work.state.roster.clone();
    let context = Context {
        height: work.state.height,
        time_ms: work.state.time_ms,
        before: &before.roster,
        banned: &banned,
    };
    // Without new records an operation changes only if a window is due, an authority's role changed, or an elector it waits for
    // was banned.
    let is_someone_banned = !work.evidence.is_empty();
    let due: Vec<OperationId> = before
        .open
        .values()
        .map(|held| held.operation.as_ref())
        .filter(|operation| {
            !work.touched.contains_key(&operation.id())
                && (operation.due_ms().is_some_and(|due| due <= context.time_ms)
                    || is_someone_banned
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
        let was_decided = operation.decision().is_some();
        let was_frozen = operation.frozen().is_some();
        let transitions = operation.advance(&context);
        if transitions.is_empty() && !was_filed {
            continue;
        }
        work.applied.has_advanced |= !transitions.is_empty();
        if !was_frozen && operation.frozen().is_some() {
            work.applied.frozen.push(id);
        }
        if !was_decided && operation.decision().is_some() {
            work.applied.decided.push(id);
        }
        if matches!(operation.phase(), Phase::Closed) {
            work.state.open.remove(&id);
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

/// Completes the state: sealers, digests, and the list of changes.
fn finish(work: Work<'_>, closed: Vec<Arc<OpenOperation>>) -> (State, Applied) {
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
    let sealers = Sealers::new(state.roster.sealers(state.sealing));
    // With a total of 0 the previous weights stay (S4).
    if !sealers.is_empty() && sealers != *state.sealers {
        state.sealers = Arc::new(sealers);
    }
    let mut held: Vec<Held> = closed
        .iter()
        .map(|operation| Held {
            operation: operation.clone(),
            digest: operation.snapshot().digest(),
        })
        .collect();
    held.sort_by_key(|held| held.operation.id());
    state.extend_history(&held);
    let parts = state.parts(&held);
    let applied = Applied {
        height: state.height,
        time_ms: state.time_ms,
        opened: progress.opened,
        touched: changed,
        frozen: progress.frozen,
        decided: progress.decided,
        closed,
        evidence,
        trust: progress.trust,
        effects: progress.effects,
        members: member_changes(before, &state),
        params: (state.params != before.params).then(|| state.params.clone()),
        config: progress.config,
        rejoins: progress.rejoins,
        has_advanced: progress.has_advanced,
        sealers: (state.sealers != before.sealers).then(|| state.sealers.clone()),
        parts,
        closed_tree: tree(&held),
        closed_order: held.iter().map(|held| held.operation.id()).collect(),
    };
    (state, applied)
}

fn member_changes(before: &State, after: &State) -> Vec<MemberChange> {
    let line = |state: &State, node: &NodeId| {
        let member = state.roster.get(node)?;
        Some((
            member.role,
            member.trust.trust_ppm(),
            member.trust.standing(),
        ))
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
