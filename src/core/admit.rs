//! Admits records that arrive: into the pool, or as orphans, or not at all.

use super::{Admission, Core, Event, Output, PeerId, Signing, Write};
use crate::base::digest::{NodeId, OperationId, RecordId};
use crate::base::limits::SLOT_BODIES_MAX;
use crate::base::rejection::Rejection;
use crate::core::orphans::Awaits;
use crate::core::pool::Pooling;
use crate::decision::open::Context;
use crate::ledger::proposal_cap;
use crate::statement::operation::{Class, ConsensusOperation, Priority, Spore};
use crate::statement::record::{Signed, Statement, Verified};

#[cfg(doc)]
use crate::protocol::Rule::*;

impl Core {
    /// Decodes, verifies and admits a record.
    pub(super) fn admit_bytes(
        &mut self,
        from: Option<PeerId>,
        bytes: &[u8],
    ) -> Result<Admission, Rejection> {
        let record = self.verify_bytes(bytes)?;
        self.admit(from, record)
    }

    /// Decodes a record and checks its signature.
    pub(super) fn verify_bytes(&mut self, bytes: &[u8]) -> Result<Verified, Rejection> {
        let mut verified = self.verify_some([bytes]);
        verified.pop().expect("one record gives one result")
    }

    /// Decodes records and checks their signatures together. A held record with the same proof was checked before and is not
    /// checked again: among `n` nodes that relay new records, each record arrives up to `n - 1` times.
    pub(super) fn verify_some<'a>(
        &mut self,
        all: impl IntoIterator<Item = &'a [u8]>,
    ) -> Vec<Result<Verified, Rejection>> {
        let mut unchecked = Vec::new();
        // `None` for those that are checked.
        let results = all.into_iter().map(|bytes| match Signed::decode(bytes) {
            Err(rejection) => Some(Err(rejection)),
            Ok(signed) => {
                let held = self.held(&signed).cloned().map(Ok);
                if held.is_none() {
                    unchecked.push(signed);
                }
                held
            }
        });
        let results: Vec<Option<Result<Verified, Rejection>>> = results.collect();
        let mut checked = self.verifier.verify_all(unchecked).into_iter();
        let results = results
            .into_iter()
            .map(|known| known.or_else(|| checked.next()));
        results
            .map(|result| result.expect("what is not known is checked"))
            .collect()
    }

    /// The same record with the same proof, if this node holds it.
    pub(super) fn held(&self, signed: &Signed) -> Option<&Verified> {
        let held = self.find_anywhere(signed)?;
        (held.proof() == &signed.record().proof).then_some(held)
    }

    /// A record with the same body, unsealed or about a recent seal.
    fn find_anywhere(&self, signed: &Signed) -> Option<&Verified> {
        let id = signed.id();
        let slot = signed.record().body.what.slot();
        match slot.and_then(|slot| slot.height()) {
            Some(height) if height <= self.ledger.state().height() => {
                let index = self.recent_index(height)?;
                self.recent[index].agreement.record(&id)
            }
            _ => self.find(&id).or_else(|| self.orphans.get(&id)),
        }
    }

    /// Admits a verified record.
    pub(super) fn admit(
        &mut self,
        from: Option<PeerId>,
        record: Verified,
    ) -> Result<Admission, Rejection> {
        if let Statement::Refound { .. } = record.statement() {
            return Ok(self.admit_endorsement(from, &record));
        }
        let id = record.id();
        let is_sealed = self.last_sealed.contains(&id) && !record.statement().is_about_seals();
        if self.pool.get(&id).is_some() || self.orphans.contains(&id) || is_sealed {
            return Ok(Admission::Known);
        }
        if record.statement().is_about_seals() {
            return self.admit_vote(from, &record);
        }
        self.refuse_overfull(&record);
        match self.judge(&record) {
            Ok(()) => self.take(from, &record),
            Err(Rejection::AlreadySealed(_)) => Ok(Admission::Known),
            Err(rejection) => match Self::awaited(&record, &rejection) {
                Some(awaits) => {
                    self.orphans
                        .insert(record, awaits, from.map(|PeerId(peer)| peer));
                    Ok(Admission::Waiting(rejection))
                }
                None => Err(rejection),
            },
        }
    }

    /// Checks whether a seal could take the record now, alone or after a pooled proposal.
    pub(super) fn judge(&self, record: &Verified) -> Result<(), Rejection> {
        let state = self.ledger.state();
        if let Statement::Propose { .. } = record.statement() {
            state.judge_propose(self.ledger.past(), record)?;
            let author = record.author();
            let limit = state.roster().get(&author).map_or(0, proposal_cap);
            // Listed proposals are exempt from the cap.
            let pooled = self.pool.proposals_of(&author).count();
            if state.open_by(&author) + pooled >= limit && !self.is_listed(&record.id()) {
                return Err(Rejection::OverCap { author, limit });
            }
            return Ok(());
        }
        if record.statement().is_about_author() {
            let author = record.author();
            let is_free = author == self.me || self.is_listed(&record.id());
            if !is_free && self.pool.about_author(&author).count() >= SLOT_BODIES_MAX {
                return Err(Rejection::SlotFull(author));
            }
        }
        let context = self.next_context();
        match state.judge_statement(self.ledger.past(), record, &context) {
            Err(Rejection::UnknownOperation(id)) => self.judge_pooled(record, id),
            // A later seal can take it.
            Err(Rejection::TooSoon(_)) => Ok(()),
            verdict => verdict,
        }
    }

    /// The context of operations for checks of records for the next seal.
    pub(super) fn next_context(&self) -> Context<'_> {
        let state = self.ledger.state();
        Context {
            height: state.height() + 1,
            time_ms: self.clock_ms().max(state.time_ms() + 1),
            before: state.roster(),
            now: state.roster(),
        }
    }

    /// Checks a record about an operation whose proposal is in the pool: it can be sealed with the proposal, or later.
    fn judge_pooled(&self, record: &Verified, id: OperationId) -> Result<(), Rejection> {
        let unknown = Rejection::UnknownOperation(id);
        let proposal = self.pool.get(&id.into()).ok_or(unknown.clone())?;
        let Statement::Propose { operation, .. } = proposal.record.statement() else {
            return Err(unknown);
        };
        let author = record.author();
        let member = self.ledger.state().roster().get(&author);
        let is_standard = operation.class() == Class::Standard;
        match record.statement() {
            Statement::Commit { .. } if !is_standard => {
                let is_elector = member.is_some_and(|member| !member.is_banned());
                (is_elector && self.is_asked(operation, &author))
                    .then_some(())
                    .ok_or(Rejection::NotAnElector(author))
            }
            Statement::Directive { .. }
            | Statement::Objection { .. }
            | Statement::Resolution { .. }
                if is_standard =>
            {
                let role = match record.statement() {
                    Statement::Directive { .. } => Spore::Primary,
                    _ => Spore::Seed,
                };
                let reason = "only the active Primary or active Seeds may make it";
                member
                    .is_some_and(|member| member.is_active(role))
                    .then_some(())
                    .ok_or(Rejection::WrongRole { author, reason })
            }
            // Commits to a standard operation and reveals wait for a later phase.
            Statement::Commit { .. } | Statement::Reveal { .. } => Err(unknown),
            _ => Err(Rejection::WrongPhase {
                operation: id,
                statement: record.statement().kind(),
                phase: "proposed",
            }),
        }
    }

    /// Whether an operation that is not open yet asks this member: it has no panel, or one that names a key of it.
    pub(super) fn is_asked(&self, operation: &ConsensusOperation, author: &NodeId) -> bool {
        let mut keys = self.ledger.state().roster().keys_of(author);
        let panel = operation.panel();
        panel.is_none_or(|panel| keys.any(|key| panel.binary_search(&key).is_ok()))
    }

    /// The event that a refused record could wait for, if this node may be behind its author.
    fn awaited(record: &Verified, rejection: &Rejection) -> Option<Awaits> {
        match (rejection, record.statement()) {
            (Rejection::UnknownOperation(id), _) => Some(Awaits::Operation(*id)),
            (Rejection::UnknownSeal, _) => Some(Awaits::Seal),
            (
                Rejection::WrongPhase {
                    operation,
                    phase: "authority" | "committing",
                    ..
                },
                Statement::Commit { .. } | Statement::Reveal { .. },
            ) => Some(Awaits::Operation(*operation)),
            _ => None,
        }
    }

    fn take(&mut self, from: Option<PeerId>, record: &Verified) -> Result<Admission, Rejection> {
        let id = record.id();
        self.notice_own(record, &[]);
        let is_exempt = self.is_listed(&id);
        match self.keep(record.clone(), is_exempt) {
            Pooling::Known => return Ok(Admission::Known),
            Pooling::SlotFull => return Err(Rejection::SlotFull(record.author())),
            Pooling::New => {}
        }
        self.count_reveal(record, true);
        self.relaying.arrived(&id);
        self.relay.push((from, record.clone()));
        if let Statement::Propose { .. } = record.statement() {
            let operation = id.into();
            self.event(Event::Proposed { operation });
            self.retry(Awaits::Operation(operation));
        }
        Ok(Admission::New)
    }

    /// Checks the orphans again that waited for this event.
    pub(super) fn retry(&mut self, awaits: Awaits) {
        for (record, source) in self.orphans.take(awaits) {
            let from = source.map(PeerId);
            if let Err(rejection) = self.admit(from, record) {
                self.tell_refused(from, rejection);
            }
        }
    }

    /// Checks a pooled record again, after a seal or when no list has it any more, and drops it if it can no longer be sealed.
    pub(super) fn rejudge(&mut self, id: &RecordId) {
        // Removed first, because a pooled proposal counts against its author's cap.
        let Some(pooled) = self.pool.remove(id) else {
            return;
        };
        match self.judge(&pooled.record) {
            Ok(()) => {
                let is_exempt = self.is_listed(id);
                let (pooling, displaced) =
                    self.pool_record(pooled.record, pooled.since_ms, is_exempt);
                let surplus = (pooling == Pooling::SlotFull).then_some(*id);
                let displaced = displaced.map(|record| record.id());
                self.forget(surplus.into_iter().chain(displaced).collect());
            }
            Err(rejection) => {
                if let Some(awaits) = Self::awaited(&pooled.record, &rejection) {
                    self.orphans.insert(pooled.record, awaits, None);
                    return;
                }
                let mut gone = vec![*id];
                if matches!(pooled.record.statement(), Statement::Propose { .. }) {
                    // Records about it cannot be sealed without it.
                    gone.extend(self.pool.close(&(*id).into()));
                }
                self.forget(gone);
            }
        }
    }

    /// Drops proposals beyond their authors' caps that were held because lists had them.
    pub(super) fn drop_surplus_proposals(&mut self) {
        let state = self.ledger.state();
        let over = self.pool.proposers().filter(|author| {
            let cap = state.roster().get(author).map_or(0, proposal_cap);
            state.open_by(author) + self.pool.proposals_of(author).count() > cap
        });
        let over: Vec<NodeId> = over.collect();
        for author in over {
            // The largest ids are dropped, so that nodes with the same records keep the same ones.
            let ids: Vec<RecordId> = self.pool.proposals_of(&author).collect();
            for id in ids.iter().rev() {
                self.rejudge(id);
            }
        }
    }

    /// Puts a record into the pool and notes whether it is urgent. Returns the result, and the displaced record.
    fn pool_record(
        &mut self,
        record: Verified,
        since_ms: u64,
        is_exempt: bool,
    ) -> (Pooling, Option<Verified>) {
        let id = record.id();
        let is_urgent = self.urgency(&record).0 == Priority::High;
        let pooling = self.pool.insert(record, since_ms, is_exempt);
        if is_urgent && pooling.0 == Pooling::New {
            self.pool.mark_urgent(id);
        }
        pooling
    }

    /// Pools and persists a record, and forgets the displaced one. Own records are persisted by the journal.
    pub(super) fn keep(&mut self, record: Verified, is_exempt: bool) -> Pooling {
        if self.pool.is_empty() {
            self.pace.begin(self.now_ms);
        }
        let (pooling, displaced) = self.pool_record(record.clone(), self.now_ms, is_exempt);
        if pooling == Pooling::New && !self.journal.knows(&record.id()) {
            self.out.push(Output::Persist(Write::Record(record)));
        }
        self.forget(displaced.iter().map(Verified::id).collect());
        pooling
    }

    /// After a seal, counts the unsealed reveals of an operation again, on top of the sealed ones.
    pub(super) fn recount(&mut self, operation: &OperationId) {
        self.pool.forget_tally(operation);
        let reveals: Vec<Verified> = self
            .pool
            .about(operation)
            .map(|pooled| pooled.record.clone())
            .collect();
        for record in reveals {
            self.count_reveal(&record, false);
        }
    }

    /// Adds a reveal to the tally of all reveals held, for answers before the closing seal ([P5]), at constant cost.
    fn count_reveal(&mut self, record: &Verified, is_news: bool) {
        let Statement::Reveal {
            operation, ballot, ..
        } = record.statement()
        else {
            return;
        };
        let Some(open) = self.ledger.state().operation(operation) else {
            return;
        };
        let (Some(tally), Some(elector)) = (open.tally(), open.elector(&record.author())) else {
            return;
        };
        let outcome = self.pool.tally(*operation, tally, elector.weight, ballot);
        if let Some(outcome) = outcome.filter(|_| is_news) {
            self.event(Event::Tallied {
                operation: *operation,
                outcome,
            });
        }
    }

    /// Notices a lost or stale journal: a record of this node arrived that the journal lacks ([C3]).
    /// `listed` are the records that came with it.
    pub(super) fn notice_own(&mut self, record: &Verified, listed: &[Verified]) {
        if record.author() == self.me
            && !record.statement().is_about_author()
            && !self.journal.knows(&record.id())
            && !self.is_before_return(record, listed)
        {
            self.lose_journal();
        }
    }

    pub(super) fn lose_journal(&mut self) {
        if let Signing::Above(_) = self.signing {
            self.signing = Signing::Lost;
            // What was shown before may lack what brought the loss to light.
            self.shown_by.clear();
            self.event(Event::JournalLost);
        }
    }

    /// The order of [S9]: the priority of the operation that a record is about, and the height named by its proposal.
    pub(super) fn urgency(&self, record: &Verified) -> (Priority, u64) {
        let id: RecordId = match record.statement() {
            Statement::Propose { .. } => record.id(),
            statement => match statement.operation() {
                Some(operation) => operation.into(),
                // Evidence decides which members take part, so it comes first; these concern only their author.
                None if statement.is_about_author() => {
                    return (Priority::Normal, 0);
                }
                None => return (Priority::High, 0),
            },
        };
        match self.proposal(&id).map(Verified::statement) {
            Some(Statement::Propose { priority, last, .. }) => {
                (*priority, self.ledger.past().height_of(last).unwrap_or(0))
            }
            _ => (Priority::Normal, u64::MAX),
        }
    }
}
