//! Applying a seal: filing, bans, phases, trust, effects, digests, in this order.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::digest::tree;
use super::{Held, OperationProof, Past, State, StateParts, effects, filing, settle};
use crate::base::digest::{NodeId, OperationId, RecordId};
use crate::base::limits::{RECORD_BYTES_MAX, SEAL_BODY_BYTES_MAX, SEAL_RECORDS_MAX};
use crate::base::rejection::Rejection;
use crate::decision::open::{Context, OpenOperation, Phase};
use crate::members::sealers::Sealers;
use crate::members::trust::{Participation, ParticipationRecord, Standing, TrustEntry};
use crate::statement::operation::{Ballot, Outcome, Spore};
use crate::statement::params::Params;
use crate::statement::record::Verified;

/// What to do with a record that does not apply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Refuse the whole: a seal that lists it is invalid.
    Strict,
    /// Leave it out: a proposer is choosing what to list.
    Lenient,
}

/// A record that does not apply, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dropped {
    /// The record.
    pub record: Verified,
    /// Why.
    pub reason: Rejection,
}

/// Proof of equivocation: two records of one slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// Who signed both.
    pub author: NodeId,
    /// One of them.
    pub first: Verified,
    /// The other.
    pub second: Verified,
}

/// What became of an approved operation's effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EffectEntry {
    /// The operation.
    pub operation: OperationId,
    /// `Err` with the reason if the effect was refused by rule.
    pub result: Result<(), &'static str>,
}

/// A member as a seal left it: role, trust and standing; `None` if it left the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberChange {
    /// The member.
    pub node: NodeId,
    /// Its line in the roster now.
    pub now: Option<(Spore, u32, Standing)>,
}

/// What a seal changed.
#[derive(Debug, Clone)]
pub struct Applied {
    /// The height.
    pub height: u64,
    /// The seal's time.
    pub time_ms: u64,
    /// Operations it opened.
    pub opened: Vec<OperationId>,
    /// Operations that something happened to, in their state after the seal; those that closed among them.
    pub touched: Vec<Arc<OpenOperation>>,
    /// Operations it froze.
    pub frozen: Vec<OperationId>,
    /// Operations whose outcome it made final.
    pub decided: Vec<OperationId>,
    /// Operations it closed, in the order of P7.
    pub closed: Vec<Arc<OpenOperation>>,
    /// Equivocations it proved.
    pub evidence: Vec<Evidence>,
    /// Changes of trust, in order.
    pub trust: Vec<(NodeId, TrustEntry)>,
    /// Effects, in order.
    pub effects: Vec<EffectEntry>,
    /// Members that changed.
    pub members: Vec<MemberChange>,
    /// The parameters, if they changed.
    pub params: Option<Arc<Params>>,
    /// Keys of the configuration map that changed, with their new values.
    pub config: Vec<(String, Option<Vec<u8>>)>,
    /// `Rejoin` records it listed.
    pub rejoins: Vec<RecordId>,
    /// Whether a window ended or passed, or a grace let an operation freeze.
    pub windows: bool,
    /// The sealers of the next height, if they changed.
    pub sealers: Option<Arc<Sealers>>,
    /// The digests of the state after it.
    pub parts: StateParts,
    closed_tree: crate::base::merkle::Tree,
    closed_order: Vec<OperationId>,
}

impl Applied {
    /// Whether the seal changed anything: one without records that does not is invalid (S6).
    #[must_use]
    pub fn is_change(&self) -> bool {
        self.windows
    }

    /// The proof that an operation closed at this seal.
    #[must_use]
    pub fn proof(&self, operation: &OperationId) -> Option<OperationProof> {
        let index = self.closed_order.binary_search(operation).ok()?;
        let as_u32 = |n| u32::try_from(n).expect("a seal closes fewer operations than 2^32");
        Some(OperationProof {
            parts: self.parts.clone(),
            index: as_u32(index),
            size: as_u32(self.closed_order.len()),
            path: self.closed_tree.path(index),
        })
    }
}

/// A seal being applied.
pub(super) struct Work<'a> {
    pub(super) before: &'a State,
    pub(super) past: &'a Past,
    pub(super) state: State,
    /// Copies of the operations that a record was filed in, and new ones.
    pub(super) touched: BTreeMap<OperationId, OpenOperation>,
    pub(super) evidence: Vec<Evidence>,
    pub(super) rejoined: BTreeSet<NodeId>,
    pub(super) revealed: BTreeSet<NodeId>,
    pub(super) applied: Progress,
}

/// The lists of [`Applied`] that grow while a seal is applied.
#[derive(Default)]
pub(super) struct Progress {
    pub(super) opened: Vec<OperationId>,
    pub(super) frozen: Vec<OperationId>,
    pub(super) decided: Vec<OperationId>,
    pub(super) trust: Vec<(NodeId, TrustEntry)>,
    pub(super) effects: Vec<EffectEntry>,
    pub(super) config: Vec<(String, Option<Vec<u8>>)>,
    pub(super) rejoins: Vec<RecordId>,
    pub(super) windows: bool,
}

/// Applies records to a state.
///
/// Costs the records filed, plus each operation that changes once, plus the roster's digest.
#[allow(clippy::type_complexity)]
pub(super) fn apply(
    before: &State,
    past: &Past,
    time_ms: u64,
    mut records: Vec<Verified>,
    mode: Mode,
) -> Result<(State, Applied, Vec<Verified>, Vec<Dropped>), Dropped> {
    // Cached, because each look at a record is a jump in memory.
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
    ban(&mut work);
    let closed = advance(&mut work);
    settle::settle(&mut work, &closed);
    effects::apply_effects(&mut work, &closed);
    let (state, applied) = finish(work, closed);
    Ok((state, applied, kept, dropped))
}

/// Files what applies; the rest is an error or left out.
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

/// What a seal takes already (S9).
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SealRoom {
    records: usize,
    body_bytes: usize,
}

impl SealRoom {
    pub(crate) fn take(&mut self, record: &Verified) {
        self.records += 1;
        self.body_bytes += record.body_len();
    }

    /// Whether a record has room still.
    fn check(&self, record: &Verified) -> Result<(), Rejection> {
        let over = |what, limit| Err(Rejection::OverLimit { what, limit });
        if self.records == SEAL_RECORDS_MAX {
            return over("records in a seal", SEAL_RECORDS_MAX);
        }
        if self.body_bytes + record.body_len() > SEAL_BODY_BYTES_MAX {
            return over("bytes of bodies in a seal", SEAL_BODY_BYTES_MAX);
        }
        Ok(())
    }

    /// Whether some record would have no room: proposers stop here, and nobody is blamed for what comes after.
    pub(crate) fn is_full(&self) -> bool {
        self.records >= SEAL_RECORDS_MAX || self.body_bytes > SEAL_BODY_BYTES_MAX - RECORD_BYTES_MAX
    }
}

impl<'a> FromIterator<&'a Verified> for SealRoom {
    fn from_iter<T: IntoIterator<Item = &'a Verified>>(records: T) -> Self {
        let mut room = Self::default();
        records.into_iter().for_each(|record| room.take(record));
        room
    }
}

/// Bans proved equivocators, and notes what else was filed about members.
fn ban(work: &mut Work<'_>) {
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

impl Work<'_> {
    /// Applies an event to a member that is not about the outcome of an operation, under the present parameters.
    pub(super) fn note(
        &mut self,
        node: NodeId,
        operation: Option<OperationId>,
        event: Participation,
    ) {
        let record = ParticipationRecord {
            height: self.state.height,
            time_ms: self.state.time_ms,
            operation,
            scored: true,
            event,
        };
        let params = self.state.params.clone();
        self.score(node, &params, &record);
    }

    /// Applies an event to a member, if it still is one, and lists what changed.
    pub(super) fn score(&mut self, node: NodeId, params: &Params, record: &ParticipationRecord) {
        if let Some(member) = self.state.roster.get_mut(&node)
            && let Some(change) = member.trust.apply(params, record)
        {
            let entry = TrustEntry::new(record, &change);
            self.applied.trust.push((node, entry));
        }
    }
}

/// Judges phases and windows of every open operation; gives those that closed, in the order of P7.
fn advance(work: &mut Work<'_>) -> Vec<Arc<OpenOperation>> {
    let before = work.before;
    let banned = work.state.roster.clone();
    let context = Context {
        height: work.state.height,
        time_ms: work.state.time_ms,
        before: &before.roster,
        banned: &banned,
    };
    // An operation without new records changes only if a window is due, an authority's role changed, or an elector that
    // was waited for is banned.
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
        work.applied.windows |= !was_filed || !transitions.is_empty();
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

/// Brings the state to its end: sealers, digests, and the list of what changed.
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
        windows: progress.windows,
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

/// Whether an outcome lets the operation take effect (P7).
pub(super) fn is_approved(operation: &OpenOperation, height: u64) -> bool {
    operation.decision().is_some_and(|decision| {
        decision.height == height && decision.outcome == Outcome::Decided(Ballot::Approve)
    })
}
