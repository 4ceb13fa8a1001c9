//! Signs this node's statements. A slot (a commit, a directive, a seal's proposal or vote) is signed once: `say_all` and
//! `sign_one` ask the journal for the slot first, and journal a record before it is sent ([C2]).

use super::{Answer, Core, JournalEntry, Output, Refusal, Signing, Write};
use crate::base::digest::{Digest, NodeId, OperationId, RecordId, Salt};
use crate::base::rejection::Rejection;
use crate::decision::open::{OpenOperation, Phase};
use crate::finality::Agreement;
use crate::ledger::Applied;
use crate::statement::commitment::{commitment, salt};
use crate::statement::operation::{Ballot, Class, ConsensusOperation, Priority};
use crate::statement::record::{Slot, Statement, Verified, sign_batch};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A statement to be signed, with the ballot and salt of a commit.
type Draft = (Statement, Option<(Ballot, Salt)>);

impl Core {
    pub(super) fn propose(
        &mut self,
        operation: ConsensusOperation,
        priority: Priority,
        ballot: Option<Ballot>,
        nonce: u64,
    ) -> Result<Answer, Refusal> {
        self.may_sign()?;
        if let Some(ballot) = &ballot {
            ballot.check()?;
        }
        let class = operation.class();
        let last = self.ledger.state().seal();
        let statement = Statement::Propose {
            operation,
            priority,
            last,
            nonce,
        };
        statement.check()?;
        if let Some(pooled) = self.pooled_equal(&statement) {
            return Err(Rejection::AlreadyAsked(pooled).into());
        }
        let record = self.sign_unless_refused(statement)?;
        let id = OperationId::from(record.id());
        let is_primary = self.ledger.state().roster().active_primary() == Some(self.me);
        match (class, ballot) {
            (Class::Standard, Some(ballot)) => {
                if is_primary && ballot != Ballot::Abstain {
                    let approve = ballot == Ballot::Approve;
                    let operation = id;
                    self.say_as_authority(Statement::Directive { operation, approve })?;
                }
                self.intend(id, Some(ballot));
            }
            // The proposer may not be in the panel; then the proposal stands without its ballot.
            (_, Some(ballot)) if self.is_elector(&id) => {
                let voted = self.vote(id, ballot.clone());
                // The proposal is sent already: a ballot that cannot be signed now is tried again.
                self.intend(id, voted.is_err().then_some(ballot));
            }
            _ => {}
        }
        Ok(Answer::Proposed(id))
    }

    /// Another proposal in the pool of a claim that asks exactly the same: only one of both could open ([P1]).
    fn pooled_equal(&self, statement: &Statement) -> Option<OperationId> {
        let Statement::Propose { operation, .. } = statement else {
            return None;
        };
        if operation.class() != Class::Claim {
            return None;
        }
        let is_equal = |record: &Verified| {
            matches!(record.statement(), Statement::Propose { operation: other, .. } if other == operation)
                && record.statement() != statement
        };
        let proposals = self.pool.proposals();
        let mut records = proposals.filter_map(|id| self.pool.get(&id));
        let equal = records.find(|pooled| is_equal(&pooled.record))?;
        Some(equal.record.id().into())
    }

    /// Signs a statement without a slot, if the others would accept it.
    pub(super) fn sign_unless_refused(
        &mut self,
        statement: Statement,
    ) -> Result<Verified, Refusal> {
        let record = self.sign_quietly(vec![(statement, None)])?.remove(0);
        self.judge(&record)?;
        self.persist_own(&record, None);
        self.say(record.clone());
        Ok(record)
    }

    fn is_elector(&self, id: &OperationId) -> bool {
        match self.operation_anywhere(id) {
            Some((operation, _)) => {
                let is_member = self.ledger.state().roster().get(&self.me).is_some();
                is_member && self.is_asked(operation, &self.me)
            }
            None => false,
        }
    }

    /// The operation with this id, sealed or pooled, and its state if it is open.
    fn operation_anywhere(
        &self,
        id: &OperationId,
    ) -> Option<(&ConsensusOperation, Option<&OpenOperation>)> {
        if let Some(open) = self.ledger.state().operation(id) {
            return Some((open.operation(), Some(open)));
        }
        match self.pool.get(&(*id).into())?.record.statement() {
            Statement::Propose { operation, .. } => Some((operation, None)),
            _ => None,
        }
    }

    pub(super) fn vote(&mut self, id: OperationId, ballot: Ballot) -> Result<Answer, Refusal> {
        ballot.check()?;
        let (operation, open) = self
            .operation_anywhere(&id)
            .ok_or_else(|| self.not_open(id))?;
        let waits_for_authority = match open {
            Some(open) => matches!(open.phase(), Phase::Authority(_)),
            None => operation.class() == Class::Standard,
        };
        if waits_for_authority {
            // This ballot is used if the operation becomes a full BFT vote.
            self.intend(id, Some(ballot));
            return Ok(Answer::Done);
        }
        let draft = self.draft_commit(id, ballot)?;
        self.say_all(draft.into_iter().collect())?;
        Ok(Answer::Done)
    }

    /// Persists this node's ballot for an operation that may become a full BFT vote.
    pub(super) fn intend(&mut self, operation: OperationId, ballot: Option<Ballot>) {
        let changed = match &ballot {
            Some(ballot) => self.intents.insert(operation, ballot.clone()).as_ref() != Some(ballot),
            None => self.intents.remove(&operation).is_some(),
        };
        if changed {
            let write = Write::Intent { operation, ballot };
            self.out.push(Output::Persist(write));
        }
    }

    fn not_open(&self, id: OperationId) -> Rejection {
        match self.ledger.past().closed(&id) {
            Some(_) => Rejection::WrongPhase {
                operation: id,
                statement: "commit",
                phase: "closed",
            },
            None => Rejection::UnknownOperation(id),
        }
    }

    /// The commit to a ballot; `None` if the journal has the same one.
    fn draft_commit(&self, id: OperationId, ballot: Ballot) -> Result<Option<Draft>, Refusal> {
        if let Some((committed, _)) = self.journal.opening(&id) {
            return if *committed == ballot {
                Ok(None)
            } else {
                Err(Refusal::AlreadySigned)
            };
        }
        self.may_take_slot(&id)?;
        let salt =
            salt(self.signer.as_ref(), self.net, id).map_err(|error| Refusal::Signer(error.0))?;
        let statement = Statement::Commit {
            operation: id,
            commitment: commitment(self.net, id, self.me, &ballot, &salt),
        };
        Ok(Some((statement, Some((ballot, salt)))))
    }

    /// Signs and sends a directive, objection or resolution.
    pub(super) fn say_as_authority(&mut self, statement: Statement) -> Result<Answer, Refusal> {
        if let Some(operation) = statement.operation() {
            self.may_take_slot(&operation)?;
        }
        self.say_all(vec![(statement, None)])?;
        Ok(Answer::Done)
    }

    pub(super) fn rejoin(&mut self, nonce: [u8; 32]) -> Result<Answer, Refusal> {
        if self.signing != Signing::Lost {
            return Err(Refusal::NotLost);
        }
        let nonce = Digest::from_bytes(nonce);
        // It takes no slot, so a twin that may be there does not matter, only one that is known.
        let record = self
            .sign_quietly(vec![(Statement::Rejoin { nonce }, None)])?
            .remove(0);
        self.signing = Signing::Rejoining(record.id());
        self.persist_own(&record, None);
        self.forget_twin();
        self.say(record);
        Ok(Answer::Done)
    }

    /// Checks after a start whether the journal is complete.
    pub(super) fn recover_signing(&mut self) {
        let me = self.me;
        let operations = self.ledger.state().operations();
        let heights = self.recent.iter().map(|decided| &decided.agreement);
        let own: Vec<Verified> = operations
            .flat_map(OpenOperation::records)
            .chain(heights.flat_map(Agreement::records))
            .filter(|record| record.author() == me)
            .cloned()
            .collect();
        for record in own {
            self.notice_own(&record, &[]);
        }
        if let Some(id) = self.unsealed_rejoin() {
            self.signing = Signing::Rejoining(id);
        }
    }

    /// A journalled `Rejoin` that no seal lists and no person declared unnecessary. A new journal begins with one and is
    /// complete only once it is sealed. If there are several, all must be sealed, as the order of the losses is unknown.
    pub(super) fn unsealed_rejoin(&self) -> Option<RecordId> {
        let past = self.ledger.past();
        let mut rejoins = self.journal.rejoins().map(Verified::id);
        rejoins.find(|rejoin| !past.has_rejoined(rejoin) && !self.declared.rejoins.contains(rejoin))
    }

    fn may_sign(&self) -> Result<(), Refusal> {
        self.is_the_only_one()?;
        match self.signing {
            Signing::Above(_) => Ok(()),
            Signing::Lost | Signing::Rejoining(_) => Err(Refusal::JournalLost),
        }
    }

    /// After a lost journal, a slot is safe only if the operation's proposal names the seal of the return or a later
    /// one. This node may have signed the slots of older operations before the loss.
    fn may_take_slot(&self, id: &OperationId) -> Result<(), Refusal> {
        self.is_the_only_one()?;
        let Signing::Above(above) = self.signing else {
            return Err(Refusal::JournalLost);
        };
        let proposal = self.proposal(&(*id).into());
        if above == 0 || proposal.is_some_and(|proposal| !self.is_older_than(proposal, above)) {
            Ok(())
        } else {
            Err(Refusal::BeforeRejoin)
        }
    }

    /// Whether a proposal names a seal below this height, or an unknown one.
    fn is_older_than(&self, proposal: &Verified, height: u64) -> bool {
        let Statement::Propose { last, .. } = proposal.statement() else {
            return true;
        };
        let last = self.ledger.past().height_of(last);
        last.is_none_or(|last| last < height)
    }

    /// Whether a record of this node is older than its return, so that the journal need not have it. `listed` are the
    /// records that came with it, maybe with its proposal.
    pub(super) fn is_before_return(&self, record: &Verified, listed: &[Verified]) -> bool {
        let Signing::Above(above) = self.signing else {
            return false;
        };
        if above == 0 {
            return false;
        }
        if let Some(height) = record.statement().slot().and_then(|slot| slot.height()) {
            return height <= above;
        }
        let id: RecordId = match record.statement().operation() {
            Some(operation) => operation.into(),
            None => return self.is_older_than(record, above),
        };
        let proposal = self
            .proposal(&id)
            .or_else(|| listed.iter().find(|listed| listed.id() == id));
        proposal.is_some_and(|proposal| self.is_older_than(proposal, above))
    }

    /// Signs, journals and sends statements, except those that the rules refuse. The error is the first refusal.
    ///
    /// A refusal does not stop the others, because promises about several operations come in one batch.
    fn say_all(&mut self, drafts: Vec<Draft>) -> Result<(), Refusal> {
        self.may_sign()?;
        let mut refused = Ok(());
        let (mut fresh, mut said) = (Vec::new(), Vec::new());
        for (statement, opening) in drafts {
            match statement.slot().and_then(|slot| self.journal.signed(&slot)) {
                Some(signed) if *signed.statement() == statement => said.push(signed.clone()),
                Some(_) => refused = refused.and(Err(Refusal::AlreadySigned)),
                None => fresh.push((statement, opening)),
            }
        }
        let openings: Vec<_> = fresh.iter().map(|(_, opening)| opening.clone()).collect();
        for (record, opening) in self.sign_quietly(fresh)?.into_iter().zip(openings) {
            // A statement refused here was never sent, so it does not count as signed.
            match self.judge(&record) {
                Ok(()) => {
                    self.persist_own(&record, opening);
                    said.push(record);
                }
                Err(rejection) => refused = refused.and(Err(rejection.into())),
            }
        }
        for record in said {
            self.say(record);
        }
        refused
    }

    /// Signs one statement in its slot, or gives the journal's copy if it is the same.
    pub(super) fn sign_one(
        &mut self,
        statement: Statement,
        opening: Option<(Ballot, Salt)>,
    ) -> Result<Verified, Refusal> {
        if let Some(signed) = statement.slot().and_then(|slot| self.journal.signed(&slot)) {
            return if *signed.statement() == statement {
                Ok(signed.clone())
            } else {
                Err(Refusal::AlreadySigned)
            };
        }
        let record = self.sign_quietly(vec![(statement, None)])?.remove(0);
        self.persist_own(&record, opening);
        Ok(record)
    }

    /// Signs a batch without sending it: it must be journalled first. Every signature of this node on a record is made here.
    pub(super) fn sign_quietly(&self, drafts: Vec<Draft>) -> Result<Vec<Verified>, Refusal> {
        if self.has_twin() {
            return Err(Refusal::Twin);
        }
        self.has_not_left()?;
        let statements = drafts.into_iter().map(|(statement, _)| statement).collect();
        Ok(sign_batch(self.signer.as_ref(), self.net, statements)?)
    }

    pub(super) fn persist_own(&mut self, record: &Verified, opening: Option<(Ballot, Salt)>) {
        let entry = JournalEntry {
            record: record.record().clone(),
            opening: opening.clone(),
        };
        self.journal.insert(record.clone(), opening);
        self.out.push(Output::Persist(Write::Journal(entry)));
    }

    fn say(&mut self, record: Verified) {
        // The record was checked before it was signed; it can only be known already.
        let _ = self.admit(None, record);
    }

    /// After a seal: reveals own frozen commits, and votes on operations that became a full BFT vote.
    pub(super) fn follow_up(&mut self, applied: &Applied) {
        let drafts = applied.touched.iter();
        let drafts = drafts.flat_map(|operation| self.draft_promised(operation));
        let drafts = drafts.collect();
        self.say_promised(drafts);
        self.reveal_as_former(applied.touched.iter().map(AsRef::as_ref));
    }

    /// Tries again what [`Core::follow_up`] could not do, because the key failed, or the node was stopped or had not rejoined.
    pub(super) fn keep_promises(&mut self) {
        let operations = self.ledger.state().operations();
        let drafts = operations.flat_map(|operation| self.draft_promised(operation));
        let drafts = drafts.collect();
        self.say_promised(drafts);
        let operations: Vec<OpenOperation> = if self.former.is_empty() {
            Vec::new()
        } else {
            self.ledger.state().operations().cloned().collect()
        };
        self.reveal_as_former(operations.iter());
    }

    fn say_promised(&mut self, drafts: Vec<Draft>) {
        if !drafts.is_empty() {
            // A statement that fails now is tried again at the next call.
            let _ = self.say_all(drafts);
        }
    }

    /// The reveal of this node's frozen commit, and the commit to the intended ballot.
    fn draft_promised(&self, operation: &OpenOperation) -> Vec<Draft> {
        let id = operation.id();
        let commit = match self.intents.get(&id) {
            Some(ballot)
                if matches!(operation.phase(), Phase::Committing(_))
                    && !operation.commits().contains_key(&self.me) =>
            {
                self.draft_commit(id, ballot.clone()).ok().flatten()
            }
            _ => None,
        };
        let reveal = self.draft_reveal(operation);
        reveal.into_iter().chain(commit).collect()
    }

    /// The reveal of this node's frozen commit, if the reveal is neither pooled nor sealed ([P4]).
    ///
    /// Why not earlier: a reveal shows the ballot. Until a certificate fixes the commits, whoever sees the ballot could still
    /// commit to the same one and be counted for an answer that it copied. The phase `Revealing` begins only when this node
    /// applies the freezing seal, and a seal is applied only with its certificate. No second certificate with other commits can
    /// exist as long as less than a third is Byzantine. So once the first honest reveal exists, the commits are fixed everywhere.
    fn draft_reveal(&self, operation: &OpenOperation) -> Option<Draft> {
        let id = operation.id();
        let commit = operation.frozen()?.commits.get(&self.me)?;
        if !matches!(operation.phase(), Phase::Revealing(_))
            || operation.reveals().contains_key(&self.me)
            || self.has_pooled_reveal(&id, &self.me)
        {
            return None;
        }
        let (ballot, salt) = match self.journal.opening(&id) {
            Some(opening) => opening.clone(),
            // The journal was lost.
            None => self.find_opening(operation, commit, self.signer.as_ref())?,
        };
        let statement = Statement::Reveal {
            operation: id,
            ballot,
            salt,
        };
        Some((statement, None))
    }

    /// Whether a reveal by this key waits to be sealed.
    pub(super) fn has_pooled_reveal(&self, operation: &OperationId, key: &NodeId) -> bool {
        self.pool.about(operation).any(|pooled| {
            pooled.record.author() == *key
                && matches!(pooled.record.statement(), Statement::Reveal { .. })
        })
    }

    /// The journalled own proposal of a height and round.
    pub(super) fn signed_proposal(&self, height: u64, round: u32) -> Option<&Verified> {
        self.journal.signed(&Slot::Proposal(height, round))
    }
}
