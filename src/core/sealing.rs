//! Driving the agreement on the next seal, and applying what is decided (DESIGN section 5).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Core, Decided, Event, Output, Signing, Write};
use crate::agenda::Phase;
use crate::digest::{NodeId, RecordId, SealId};
use crate::finality::{Action, Agreement, Judge, Verdict, blame, verify_certificate};
use crate::ledger::{Applied, Draft, Ledger, Mode, proposal_cap};
use crate::limits::{EVIDENCE_HEIGHTS, SEAL_RECORDS_MAX};
use crate::pool::{Awaits, Pool, Pooled};
use crate::record::{Seal, Signed, Statement, Verified};
use crate::rejection::Rejection;
use crate::seal::{SealCertificate, SealedBlock, is_over_third, list_digest};

/// Answers the agreement's questions about proposals (S6).
struct Judging<'a> {
    ledger: &'a Ledger,
    pool: &'a Pool,
    lists: &'a BTreeMap<SealId, Vec<RecordId>>,
    drafts: &'a mut BTreeMap<SealId, Draft>,
    now_ms: u64,
    censorship_ms: u64,
    /// Leaving records out is judged in rounds below the number of sealers.
    sealers: usize,
}

impl Judge for Judging<'_> {
    fn judge(&mut self, seal: &Seal, round: u32, fresh: bool) -> Verdict {
        let id = seal.id();
        if !self.drafts.contains_key(&id) {
            match try_draft(self.ledger, self.pool, self.lists, seal, &id) {
                Ok(Some(draft)) => {
                    self.drafts.insert(id, draft);
                }
                Ok(None) => return Verdict::Wait,
                Err(_) => return Verdict::Refuse,
            }
        }
        if fresh && (self.is_ahead(seal) || self.is_censoring(&id, round)) {
            return Verdict::Refuse;
        }
        Verdict::Accept
    }
}

impl Judging<'_> {
    /// `time_ms <= max(last + 1, own clock + drift)`.
    fn is_ahead(&self, seal: &Seal) -> bool {
        let state = self.ledger.state();
        let latest = (state.time_ms() + 1).max(self.now_ms + state.params().drift_ms);
        seal.time_ms > latest
    }

    /// Whether a record that this node has held for longer than its patience is left out, although with it the seal
    /// would still be valid.
    fn is_censoring(&self, id: &SealId, round: u32) -> bool {
        if round as usize >= self.sealers {
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
        if overdue.is_empty() || draft.records.len() >= SEAL_RECORDS_MAX {
            return false;
        }
        let all = draft.records.iter().cloned().chain(overdue).collect();
        self.ledger
            .draft(draft.seal.time_ms, all, Mode::Lenient)
            .is_ok_and(|(with, _)| with.records.len() > listed.len())
    }
}

/// The draft of a stated seal: `None` while its list or a record is missing.
fn try_draft(
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

impl Core {
    /// Does what can be done: applies what is decided, says what is to be said.
    pub(super) fn run(&mut self) {
        while self.try_decide() || self.step() {}
    }

    /// Whether this node may propose and vote on the next seal.
    fn may_seal(&self) -> bool {
        let height = self.ledger.state().height() + 1;
        !self.compromised && matches!(self.signing, Signing::Above(above) if height > above)
    }

    /// Asks the agreement what this node has to say, and says it.
    fn step(&mut self) -> bool {
        if !self.may_seal() {
            return false;
        }
        let sealers = self.agreement.sealers().len();
        let mut judging = Judging {
            ledger: &self.ledger,
            pool: &self.pool,
            lists: &self.lists,
            drafts: &mut self.drafts,
            now_ms: self.now_ms,
            censorship_ms: self.pace.censorship_ms,
            sealers,
        };
        let actions = self.agreement.advance(&mut judging);
        self.act(actions)
    }

    pub(super) fn nudge(&mut self) {
        if self.wants_to_seal() {
            let actions = self.agreement.nudge();
            self.act(actions);
        }
    }

    fn act(&mut self, actions: Vec<Action>) -> bool {
        let mut acted = false;
        for action in actions {
            acted |= match action {
                Action::Propose { round, value } => self.propose_seal(round, value),
                Action::Vote { round, kind, seal } => {
                    if let Some(seal) = seal {
                        self.save_list(seal);
                    }
                    let height = self.ledger.state().height() + 1;
                    let vote = Statement::SealVote {
                        height,
                        round,
                        kind,
                        seal,
                    };
                    self.say_about_seal(vote)
                }
            };
        }
        acted
    }

    /// Whoever votes for a seal can say after a restart what it lists.
    fn save_list(&mut self, seal: SealId) {
        if let Some(list) = self.lists.get(&seal)
            && self.saved_lists.insert(seal)
        {
            let list = list.clone();
            self.out.push(Output::Persist(Write::List { seal, list }));
        }
    }

    /// Signs a statement about the next seal, or takes the journal's copy of that slot, and says it.
    fn say_about_seal(&mut self, statement: Statement) -> bool {
        match self.sign_one(statement, None) {
            Ok(record) => {
                if self.agreement.add_named(record.clone()).unwrap_or(false) {
                    self.relay.push((None, record));
                }
                true
            }
            Err(_) => false,
        }
    }

    fn propose_seal(&mut self, round: u32, value: Option<(SealId, u32)>) -> bool {
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

    /// A seal over what the pool holds, if there is anything to seal and the pace allows it.
    fn new_seal(&mut self, round: u32) -> Option<Seal> {
        if let Some(signed) = self.own_proposal(round) {
            return Some(signed);
        }
        let state = self.ledger.state();
        let (last_ms, now_ms) = (state.time_ms(), self.now_ms);
        let is_due = state.due_ms().is_some_and(|due_ms| due_ms <= now_ms);
        let is_urgent = self.pool.is_urgent();
        if !is_due && !is_urgent && now_ms < self.sealed_at_ms + self.pace.gather_ms {
            return None;
        }
        let clock_ms = now_ms.max(last_ms + 1);
        if self.pool.is_empty() && !self.changes_by_itself(clock_ms) {
            return None;
        }
        let candidates = self.candidates();
        // In later rounds a record must not wait for clocks to agree.
        let time_ms = if round == 0 { clock_ms } else { last_ms + 1 };
        let mut draft = self.lenient(time_ms, candidates);
        if draft.records.is_empty() && round > 0 {
            draft = self.lenient(clock_ms, Vec::new());
        }
        if draft.records.is_empty() && !draft.applied.is_change() {
            return None;
        }
        let seal = draft.seal.clone();
        let ids: Vec<RecordId> = draft.records.iter().map(Verified::id).collect();
        self.name(&ids);
        self.lists.insert(seal.id(), ids);
        self.drafts.insert(seal.id(), draft);
        Some(seal)
    }

    /// Whether a seal of this time without records could change anything. A proposer with nothing to seal asks itself after
    /// every input, and a draft costs the whole roster.
    fn changes_by_itself(&self, time_ms: u64) -> bool {
        self.ledger.state().operations().any(|operation| {
            operation.due_ms().is_some_and(|due_ms| due_ms <= time_ms)
                || matches!(operation.phase(), Phase::Authority(_))
        })
    }

    /// The proposal that the journal already has for this round.
    fn own_proposal(&self, round: u32) -> Option<Seal> {
        let height = self.ledger.state().height() + 1;
        match self.signed_proposal(height, round)?.statement() {
            Statement::SealProposal { seal, .. } => Some(seal.clone()),
            _ => None,
        }
    }

    fn lenient(&self, time_ms: u64, records: Vec<Verified>) -> Draft {
        let (draft, _) = self
            .ledger
            .draft(time_ms, records, Mode::Lenient)
            .expect("lenient drafts leave out what does not apply");
        draft
    }

    /// What a seal could list: `High` priority first, then oldest height of proposal, then kinds in the order in which they
    /// refer to one another, then id; at most 10,000 (S9).
    fn candidates(&self) -> Vec<Verified> {
        let all = self.pool.iter().map(|pooled| pooled.record.clone());
        if self.pool.len() <= SEAL_RECORDS_MAX {
            return all.collect();
        }
        let mut records: Vec<_> = all.map(|record| (self.urgency(&record), record)).collect();
        records.sort_by_key(|(urgency, record)| (*urgency, record.statement().rank(), record.id()));
        records.truncate(SEAL_RECORDS_MAX);
        records.into_iter().map(|(_, record)| record).collect()
    }

    /// Whether a seal made now would list a record or let a window end.
    pub(super) fn has_something_to_seal(&self) -> bool {
        let state = self.ledger.state();
        if state.due_ms().is_some_and(|due_ms| due_ms <= self.now_ms) {
            return true;
        }
        if self.pool.len() <= SEAL_RECORDS_MAX && self.pool.iter().any(|it| self.opens_a_seal(it)) {
            return true;
        }
        let time_ms = self.now_ms.max(state.time_ms() + 1);
        !self.pool.is_empty() && !self.lenient(time_ms, self.candidates()).records.is_empty()
    }

    /// Whether a seal over the pool would list at least this record or one that takes its place. What it takes to say so
    /// does not depend on the other records, so that a host can ask after each input; `false` says nothing.
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

    /// Whether the host should run its timer for the step: this node takes part in an agreement that is under way, or has
    /// something that ought to be sealed.
    #[must_use]
    pub fn wants_to_seal(&self) -> bool {
        self.may_seal() && (!self.agreement.is_quiet() || self.has_something_to_seal())
    }

    /// Applies the next seal if it is decided and everything it takes is here.
    fn try_decide(&mut self) -> bool {
        // After a fork it takes people to say which branch goes on.
        if self.compromised {
            return false;
        }
        let Some((id, _)) = self.agreement.decided() else {
            return false;
        };
        if !self.drafts.contains_key(&id) {
            let Some(seal) = self.agreement.proposal(&id) else {
                return false;
            };
            let draft = try_draft(&self.ledger, &self.pool, &self.lists, seal, &id);
            // A decided seal that does not apply takes more than a third of dishonest weight; the ledger then stays here.
            let Ok(Some(draft)) = draft else { return false };
            self.drafts.insert(id, draft);
        }
        let (Some(draft), Some(certificate)) =
            (self.drafts.remove(&id), self.agreement.certificate())
        else {
            return false;
        };
        self.commit(draft, certificate, false);
        true
    }

    /// Applies a block that a peer, a bundle or the own store gives.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if it does not follow the last seal, a record or the certificate does not verify, or the records do not
    /// give the stated digests.
    pub(super) fn apply_block(
        &mut self,
        block: SealedBlock,
        is_own: bool,
    ) -> Result<(), Rejection> {
        let at = self.ledger.state().height();
        let SealedBlock {
            seal,
            certificate,
            records,
        } = block;
        if seal.height <= at {
            return self.compare_past(&seal, certificate);
        }
        if seal.height > at + 1 {
            return Err(Rejection::UnknownSeal);
        }
        verify_certificate(
            &certificate,
            &seal,
            self.agreement.sealers(),
            &mut self.verifier,
        )?;
        let records: Vec<Verified> = records
            .into_iter()
            .map(|record| self.verifier.verify(Signed::try_from(record)?))
            .collect::<Result<_, _>>()?;
        let draft = self.ledger.check(&seal, records)?;
        // Kept with the height: should another seal of it ever be shown, these votes tell who signed both.
        for record in &certificate.votes {
            let vote = self.verifier.verify(Signed::try_from(record.clone())?)?;
            self.agreement.add_named(vote)?;
        }
        if !is_own {
            for record in &draft.records {
                self.notice_own(record, &draft.records);
            }
        }
        self.commit(draft, certificate, is_own);
        Ok(())
    }

    /// A certificate for a height that is sealed: the same seal says nothing new, another is a fork.
    fn compare_past(&mut self, seal: &Seal, certificate: SealCertificate) -> Result<(), Rejection> {
        let at = self.ledger.state().height();
        let stale = Rejection::StaleSeal {
            height: seal.height,
            at,
        };
        if self.ledger.past().height_of(&seal.id()) == Some(seal.height) {
            return Ok(());
        }
        let back = usize::try_from(at - seal.height).map_err(|_| stale.clone())?;
        let place = self.recent.len().checked_sub(back + 1).ok_or(stale)?;
        verify_certificate(
            &certificate,
            seal,
            self.recent[place].agreement.sealers(),
            &mut self.verifier,
        )?;
        for record in certificate.votes {
            let vote = self.verifier.verify(Signed::try_from(record)?)?;
            let agreement = &mut self.recent[place].agreement;
            agreement.add_named(vote.clone())?;
            let pair = agreement.equivocation(&vote);
            self.keep_evidence(pair, false);
        }
        self.notice_forks();
        Ok(())
    }

    /// Two decided seals at one height: report who can be shown to have signed both ways, and stop sealing.
    pub(super) fn notice_forks(&mut self) {
        let at = self.ledger.state().height();
        let mut forks = Vec::new();
        for (back, decided) in self.recent.iter_mut().rev().enumerate() {
            let is_fork = decided
                .agreement
                .decisions()
                .any(|(seal, _)| seal != decided.seal);
            if is_fork && !decided.reported {
                decided.reported = true;
                let height = at - back as u64;
                let agreement = &decided.agreement;
                let sealers = agreement.sealers();
                let mut blame = blame(height, sealers, agreement.records());
                // Certificates bring precommits only, so that what rests on the absence of prevotes would name honest
                // nodes too. Where double signing explains the fork, nothing else is said.
                let signers = blame.double_signers.keys();
                let proved = signers.map(|node| sealers.weight(node)).sum();
                if is_over_third(proved, sealers.total()) {
                    blame.amnesiacs.clear();
                    blame.unfounded.clear();
                }
                forks.push((height, blame));
            }
        }
        for (height, blame) in forks {
            self.compromised = true;
            self.event(Event::Forked {
                height,
                blame,
                compromised: true,
            });
        }
    }

    /// Moves to the next height.
    fn commit(&mut self, draft: Draft, certificate: SealCertificate, is_restoring: bool) {
        let seal = draft.seal.clone();
        let records = draft.records.clone();
        let applied = Arc::new(self.ledger.commit(draft));
        self.sealed_at_ms = self.now_ms;
        if !is_restoring {
            let block = Arc::new(SealedBlock {
                seal: seal.clone(),
                certificate,
                records: records
                    .iter()
                    .map(|record| record.record().clone())
                    .collect(),
            });
            let applied = applied.clone();
            self.out
                .push(Output::Persist(Write::Block { block, applied }));
        }
        self.next_agreement(seal.id());
        for record in &records {
            self.pool.remove(&record.id());
        }
        let was_ready = matches!(self.signing, Signing::Above(_));
        self.learn(&applied, &records);
        self.event(Event::Sealed {
            height: seal.height,
            seal: seal.id(),
            applied: applied.clone(),
        });
        self.review(&applied);
        if !is_restoring {
            self.follow_up(&applied);
            if !was_ready {
                // What was frozen in the meantime is revealed at once (DESIGN section 8).
                self.reveal_frozen();
            }
        }
    }

    fn next_agreement(&mut self, seal: SealId) {
        let height = self.ledger.state().height() + 1;
        let sealers = self.ledger.state().sealers().clone();
        let next = Agreement::new(height, sealers, Some(self.me));
        let agreement = std::mem::replace(&mut self.agreement, next);
        self.recent.push_back(Decided {
            seal,
            agreement,
            reported: false,
        });
        if self.recent.len() as u64 > EVIDENCE_HEIGHTS {
            self.recent.pop_front();
        }
        self.recover_agreement();
        self.lists = BTreeMap::new();
        self.saved_lists = BTreeSet::new();
        self.drafts = BTreeMap::new();
        self.named = BTreeSet::new();
        let oldest = height.saturating_sub(EVIDENCE_HEIGHTS);
        let forgotten = self.journal.forget_below(oldest);
        self.unjournal(forgotten);
    }

    /// Takes up what the journal says about the present height: after a start, and harmless otherwise.
    pub(super) fn recover_agreement(&mut self) {
        let own = self.journal.of_height(self.agreement.height());
        if !own.is_empty() {
            self.agreement.recover(&own);
        }
    }

    fn unjournal(&mut self, ids: Vec<RecordId>) {
        if !ids.is_empty() {
            self.out.push(Output::Persist(Write::Unjournal(ids)));
        }
    }

    /// New authors, bans, and the own return after a lost journal.
    fn learn(&mut self, applied: &Applied, records: &[Verified]) {
        for change in &applied.members {
            if !self.verifier.knows(&change.node) {
                // An admitted key was checked with its consent.
                let _ = self.verifier.add_author(change.node);
            }
        }
        self.drop_spent_votes();
        let own_rejoin = records.iter().any(|record| {
            record.author() == self.me && matches!(record.statement(), Statement::Rejoin { .. })
        });
        if let Signing::Rejoining(id) = self.signing
            && applied.rejoins.contains(&id)
        {
            self.signing = Signing::Above(applied.height);
            self.event(Event::Rejoined {
                height: applied.height,
            });
        } else if own_rejoin && let Signing::Above(above) = self.signing {
            self.signing = Signing::Above(above.max(applied.height));
        }
    }

    /// Takes votes on seals out of the pool that can be no evidence (any more): single ones that a proposal listed in vain,
    /// those of authors that are banned or gone, and old ones.
    fn drop_spent_votes(&mut self) {
        let votes: Vec<Verified> = self
            .pool
            .iter()
            .map(|pooled| &pooled.record)
            .filter(|record| {
                record
                    .statement()
                    .slot()
                    .is_some_and(|slot| slot.height().is_some())
            })
            .cloned()
            .collect();
        let spent = self.ledger.state().spent_votes(&votes);
        for id in &spent {
            self.pool.remove(id);
        }
        self.forget(spent);
    }

    /// Judges anew what the seal may have changed: records about operations it touched, proposals if the roster changed,
    /// and what waited for it.
    fn review(&mut self, applied: &Applied) {
        for operation in &applied.closed {
            let late = self.pool.close(&operation.id());
            self.forget(late);
            let own = self.journal.close(&operation.id());
            self.unjournal(own);
            self.intents.remove(&operation.id());
        }
        let mut doubtful: Vec<RecordId> = Vec::new();
        for operation in &applied.touched {
            doubtful.extend(
                self.pool
                    .about(&operation.id())
                    .map(|pooled| pooled.record.id()),
            );
        }
        if !applied.members.is_empty() {
            doubtful.extend(self.pool.proposals());
            // What a member may say depends on its role and standing.
            let changed: BTreeSet<NodeId> =
                applied.members.iter().map(|change| change.node).collect();
            let theirs = self.pool.iter().map(|pooled| &pooled.record);
            let theirs = theirs.filter(|record| {
                changed.contains(&record.author()) && record.statement().operation().is_some()
            });
            doubtful.extend(theirs.map(Verified::id));
        }
        for id in doubtful {
            self.rejudge(&id);
        }
        for operation in &applied.touched {
            self.recount(&operation.id());
            self.retry(Awaits::Operation(operation.id()));
        }
        self.retry(Awaits::Seal);
    }

    /// The earliest time at which there is something to do without any input.
    #[must_use]
    pub fn next_due_ms(&self) -> Option<u64> {
        let gathered = (!self.pool.is_empty()).then_some(self.sealed_at_ms + self.pace.gather_ms);
        let due = self.ledger.state().due_ms();
        gathered.into_iter().chain(due).min()
    }
}

/// Whether a list is what a seal states: sorted, counted, with the digest.
pub(super) fn is_list_of(list: &[RecordId], seal: &Seal) -> bool {
    list.len() <= SEAL_RECORDS_MAX
        && list.len() == seal.count as usize
        && list.is_sorted_by(|a, b| a < b)
        && list_digest(list) == seal.records
}
