//! This node's verdict on proposed seals ([S6]).

use std::collections::{BTreeMap, BTreeSet};

use crate::base::digest::{RecordId, SealId};
use crate::base::limits::SEAL_RECORDS_MAX;
use crate::base::rejection::Rejection;
use crate::core::pool::Pool;
use crate::core::worth::is_worth_it;
use crate::finality::{Judge, Verdict};
use crate::ledger::{Draft, Ledger, Mode, SealRoom};
use crate::statement::record::{Seal, Verified};
use crate::statement::seal::list_digest;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Answers the agreement's questions about proposals ([S6]).
pub(super) struct SealJudge<'a> {
    pub(super) ledger: &'a Ledger,
    pub(super) pool: &'a Pool,
    pub(super) lists: &'a BTreeMap<SealId, Vec<RecordId>>,
    pub(super) drafts: &'a mut BTreeMap<SealId, Draft>,
    /// Proposals that do not apply. A seal fixes its records, so this is final.
    pub(super) refused: &'a mut BTreeSet<SealId>,
    pub(super) now_ms: u64,
    /// The clock that the node goes by.
    pub(super) clock_ms: u64,
    pub(super) censorship_ms: u64,
    /// Censorship and the least time are checked only early in a height: honest nodes that hold different things against one
    /// another's proposals could stop the chain for ever.
    pub(super) is_early: bool,
}

impl Judge for SealJudge<'_> {
    fn judge(&mut self, seal: &Seal, round: u32, fresh: bool) -> Verdict {
        let id = seal.id();
        if self.refused.contains(&id) {
            return Verdict::Refuse;
        }
        if !self.drafts.contains_key(&id) {
            match try_draft(self.ledger, self.pool, self.lists, seal, &id) {
                Ok(Some(draft)) => {
                    self.drafts.insert(id, draft);
                }
                Ok(None) => return Verdict::Wait,
                Err(_) => {
                    self.refused.insert(id);
                    return Verdict::Refuse;
                }
            }
        }
        let is_refused = || {
            seal.round != round
                || self.is_ahead(seal)
                || self.is_holding_time_back(seal, &id)
                || self.is_censoring(&id)
        };
        if fresh && is_refused() {
            return Verdict::Refuse;
        }
        Verdict::Accept
    }

    fn is_worth_it(&mut self, seal: &Seal) -> bool {
        let draft = self.drafts.get(&seal.id());
        draft.is_some_and(|draft| is_worth_it(draft, self.ledger, self.pool))
    }
}

impl SealJudge<'_> {
    /// `time_ms <= max(last + 1, own clock + drift)`.
    fn is_ahead(&self, seal: &Seal) -> bool {
        let state = self.ledger.state();
        let by_clock = self.clock_ms.saturating_add(state.params().drift_ms);
        let latest = by_clock.max(state.time_ms() + 1);
        seal.time_ms > latest
    }

    /// Whether the seal states too early a time although time matters: at it a window or grace begins, which would be over
    /// sooner than people can act, or by this node's clock something is due that it keeps from happening.
    fn is_holding_time_back(&self, seal: &Seal, id: &SealId) -> bool {
        let drift_ms = self.ledger.state().params().drift_ms;
        let patience_ms = drift_ms.saturating_add(self.censorship_ms);
        if !self.is_early || seal.time_ms >= self.clock_ms.saturating_sub(patience_ms) {
            return false;
        }
        self.drafts.get(id).is_some_and(|draft| {
            let is_due = draft.due_ms().is_some_and(|due_ms| due_ms <= self.clock_ms);
            draft.applied.begins_window || is_due
        })
    }

    /// Whether the seal leaves out a record that this node has held longer than its patience, although the seal would be valid
    /// with it.
    fn is_censoring(&self, id: &SealId) -> bool {
        if !self.is_early {
            return false;
        }
        let Some(draft) = self.drafts.get(id) else {
            return false;
        };
        let listed: BTreeSet<RecordId> = draft.records.iter().map(Verified::id).collect();
        let overdue: Vec<Verified> = self
            .pool
            .iter()
            .filter(|pooled| pooled.since_ms + self.censorship_ms < self.now_ms)
            .map(|pooled| &pooled.record)
            .filter(|record| !listed.contains(&record.id()))
            .cloned()
            .collect();
        if overdue.is_empty() || draft.records.iter().collect::<SealRoom>().is_full() {
            return false;
        }
        let all = draft.records.iter().cloned().chain(overdue).collect();
        self.ledger
            .draft(draft.seal.round, draft.seal.time_ms, all, Mode::Lenient)
            .is_ok_and(|(with, _)| with.records.len() > listed.len())
    }
}

/// The draft of a stated seal; `None` while its list or a record is missing.
pub(super) fn try_draft(
    ledger: &Ledger,
    pool: &Pool,
    lists: &BTreeMap<SealId, Vec<RecordId>>,
    seal: &Seal,
    id: &SealId,
) -> Result<Option<Draft>, Rejection> {
    let list: &[RecordId] = match lists.get(id) {
        Some(list) => list,
        None if seal.count == 0 => &[],
        None => return Ok(None),
    };
    let records: Option<Vec<Verified>> = list
        .iter()
        .map(|id| pool.get(id).map(|pooled| pooled.record.clone()))
        .collect();
    records.map_or(Ok(None), |records| ledger.check(seal, records).map(Some))
}

/// Whether a list is the one that a seal states: sorted, with the count and digest.
pub(super) fn is_list_of(list: &[RecordId], seal: &Seal) -> bool {
    list.len() <= SEAL_RECORDS_MAX
        && list.len() == seal.count as usize
        && list.is_sorted_by(|a, b| a < b)
        && list_digest(list) == seal.records
}
