//! Proposes the next seal, if there is something to seal ([S7], [S9], [A5]).

use std::collections::BTreeSet;

use super::Core;
use crate::base::digest::{RecordId, SealId};
use crate::base::limits::SEAL_RECORDS_MAX;
use crate::core::pool::Pooled;
use crate::core::worth::{is_worth_it, shortest_grace_ms};
use crate::decision::open::Phase;
use crate::ledger::{Draft, Mode, SealRoom, proposal_cap};
use crate::statement::record::{Seal, Statement, Verified};

#[cfg(doc)]
use crate::protocol::Rule::*;

impl Core {
    /// Whether the host should run its step timer: this node takes part in a running agreement, or has something to seal.
    pub fn wants_to_seal(&self) -> bool {
        self.may_seal() && (self.agreement.is_under_way() || self.has_something_to_seal())
    }

    /// The earliest future time at which there is something to do without any input. Tasks already due were tried at the last
    /// input, and are tried again when this node is nudged.
    pub fn next_due_ms(&self) -> Option<u64> {
        let gathered = self.gathers_until_ms();
        let state = self.ledger.state();
        let apart = self.pool.about_authors();
        let apart = apart.filter_map(|pooled| state.sealable_from_ms(&pooled.record));
        let due = state.due_ms().into_iter().chain(apart);
        // These are in the time of the clock that this node goes by.
        let due =
            due.map(|due_ms| due_ms.saturating_add_signed(self.correction_ms.saturating_neg()));
        let times = gathered
            .into_iter()
            .chain(due)
            .chain(self.joins_at_ms())
            .chain(self.held_until_ms())
            .chain(self.relaying.due_ms());
        times.filter(|due_ms| *due_ms > self.now_ms).min()
    }

    pub(super) fn propose_seal(&mut self, round: u32, value: Option<(SealId, u32)>) -> bool {
        let proposed = match value {
            Some((id, lock)) => self
                .agreement
                .proposal(&id)
                .cloned()
                .map(|seal| (seal, Some(lock))),
            None => self.new_seal(round).map(|seal| (seal, None)),
        };
        let Some((seal, lock)) = proposed else {
            self.agreement.defer_proposal();
            return false;
        };
        self.save_list(seal.id());
        self.say_about_seal(Statement::SealProposal { round, lock, seal })
    }

    /// A seal over the pool's records, if there is anything to seal and the timing allows it.
    fn new_seal(&mut self, round: u32) -> Option<Seal> {
        if let Some(signed) = self.own_proposal(round) {
            return Some(signed);
        }
        let state = self.ledger.state();
        let (last_ms, clock_ms) = (state.time_ms(), self.clock_ms());
        let is_due = state.due_ms().is_some_and(|due_ms| due_ms <= clock_ms);
        if !is_due && self.is_gathering() {
            return None;
        }
        let clock_ms = clock_ms.max(last_ms + 1);
        if self.pool.is_empty() && !self.changes_by_itself(clock_ms) || self.is_holding() {
            return None;
        }
        let draft = self.fresh_draft(round, clock_ms, last_ms + 1)?;
        if self.agreement.leads() && !is_worth_it(&draft, &self.ledger, &self.pool) {
            return None;
        }
        let seal = draft.seal.clone();
        let ids: Vec<RecordId> = draft.records.iter().map(Verified::id).collect();
        self.exempt_listed(&ids);
        self.lists.insert(seal.id(), ids);
        self.drafts.insert(seal.id(), draft);
        Some(seal)
    }

    /// A draft over the pool, if it changes anything. It states the clock while it is early in the height. Later it does not,
    /// so that records need not wait until clocks agree; but windows need not wait either, if there is no record.
    fn fresh_draft(&self, round: u32, clock_ms: u64, least_ms: u64) -> Option<Draft> {
        let is_early = self.agreement.is_early();
        let time_ms = if is_early { clock_ms } else { least_ms };
        let mut draft = self.lenient(round, time_ms, self.candidates());
        if draft.records.is_empty() && !is_early {
            draft = self.lenient(round, clock_ms, Vec::new());
        }
        (!draft.records.is_empty() || draft.applied.has_advanced).then_some(draft)
    }

    /// Whether a seal made now would be worth leading ([S11]).
    pub(super) fn has_something_worth_it(&self, round: u32) -> bool {
        let least_ms = self.ledger.state().time_ms() + 1;
        let draft = self.fresh_draft(round, self.clock_ms().max(least_ms), least_ms);
        draft.is_some_and(|draft| is_worth_it(&draft, &self.ledger, &self.pool))
    }

    /// The end of holding ([S11]), while nobody has said anything at this height: a quarter of the shortest grace of the operations
    /// concerned after the first record came.
    fn held_until_ms(&self) -> Option<u64> {
        if !self.timing.holds || !self.agreement.is_silent() {
            return None;
        }
        let since_ms = self.pool.iter().map(|pooled| pooled.since_ms).min()?;
        let records = self.pool.iter().map(|pooled| &pooled.record);
        Some(since_ms + shortest_grace_ms(records, &self.ledger, &self.pool) / 4)
    }

    /// Whether this node holds its records: nobody waits for a proposal of what is worth no seal yet.
    fn is_holding(&self) -> bool {
        self.held_until_ms().is_some_and(|end| self.now_ms < end)
            && !self.pool.is_urgent()
            && !self.has_something_worth_it(self.agreement.round())
    }

    /// Whether a seal without records could change anything at this time. Cheap, unlike a draft, because a proposer with
    /// nothing to seal asks after every input.
    fn changes_by_itself(&self, time_ms: u64) -> bool {
        let state = self.ledger.state();
        state.due_ms().is_some_and(|due_ms| due_ms <= time_ms)
            || state
                .operations()
                .any(|operation| matches!(operation.phase(), Phase::Authority(_)))
    }

    /// The journal's proposal for this round.
    fn own_proposal(&self, round: u32) -> Option<Seal> {
        let height = self.ledger.state().height() + 1;
        match self.signed_proposal(height, round)?.statement() {
            Statement::SealProposal { seal, .. } => Some(seal.clone()),
            _ => None,
        }
    }

    fn lenient(&self, round: u32, time_ms: u64, records: Vec<Verified>) -> Draft {
        let (draft, _) = self
            .ledger
            .draft(round, time_ms, records, Mode::Lenient)
            .expect("lenient drafts leave out records that do not apply");
        draft
    }

    /// The records that a seal could list, until it is full: `High` priority first, then by the height that the proposal names,
    /// by kinds in the order in which they refer to one another, and by id ([S9]).
    fn candidates(&self) -> Vec<Verified> {
        let all = self.pool.iter().map(|pooled| pooled.record.clone());
        let all: Vec<Verified> = all.collect();
        if !all.iter().collect::<SealRoom>().is_full() {
            return all;
        }
        // Records that cannot be sealed are left out: single votes on seals, which a proposal may have listed without
        // their pair, and all but one `Rejoin` or `Succeed` of an author.
        let spent = self.ledger.state().spent_votes(&all);
        let spent: BTreeSet<RecordId> = spent.into_iter().collect();
        let mut had = BTreeSet::new();
        let sealable = all.into_iter().filter(|record| {
            let is_first = !record.statement().is_about_author() || had.insert(record.author());
            is_first && !spent.contains(&record.id())
        });
        let mut records: Vec<_> = sealable
            .map(|record| (self.urgency(&record), record))
            .collect();
        records.sort_by_key(|(urgency, record)| (*urgency, record.statement().rank(), record.id()));
        let mut room = SealRoom::default();
        let fitting = records.into_iter().map_while(|(_, record)| {
            (!room.is_full()).then(|| {
                room.take(&record);
                record
            })
        });
        fitting.collect()
    }

    /// Whether a seal made now would list a record or end a window.
    pub(super) fn has_something_to_seal(&self) -> bool {
        let state = self.ledger.state();
        if state
            .due_ms()
            .is_some_and(|due_ms| due_ms <= self.clock_ms())
        {
            return true;
        }
        if self.is_holding() {
            return false;
        }
        if self.pool.len() <= SEAL_RECORDS_MAX && self.pool.iter().any(|it| self.opens_a_seal(it)) {
            return true;
        }
        let time_ms = self.clock_ms().max(state.time_ms() + 1);
        !self.pool.is_empty()
            && !self
                .lenient(self.agreement.round(), time_ms, self.candidates())
                .records
                .is_empty()
    }

    /// Whether a seal over the pool would certainly list this record or one in its place. The cost does not depend on
    /// the other records, so a host can ask after each input. `false` means: not certain.
    fn opens_a_seal(&self, pooled: &Pooled) -> bool {
        let record = &pooled.record;
        let (state, past) = (self.ledger.state(), self.ledger.past());
        match record.statement() {
            Statement::SealProposal { .. } | Statement::SealVote { .. } => false,
            Statement::Propose { .. } => {
                let author = record.author();
                let cap = state.roster().get(&author).map_or(0, proposal_cap);
                state.open_by(&author) < cap && state.judge_propose(past, record).is_ok()
            }
            _ => {
                let context = self.next_context();
                state.judge_statement(past, record, &context).is_ok()
            }
        }
    }
}
