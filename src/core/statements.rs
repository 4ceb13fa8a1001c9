//! What this node says: proposals, votes, reveals, directives; each journalled before it leaves (DESIGN section 8).

use super::{Answer, Core, JournalEntry, Output, Refusal, Signing, Write};
use crate::base::digest::{Digest, OperationId, RecordId, Salt};
use crate::base::rejection::Rejection;
use crate::decision::open::{OpenOperation, Phase};
use crate::finality::Agreement;
use crate::ledger::Applied;
use crate::statement::commitment::{commitment, salt};
use crate::statement::operation::{Ballot, Class, ConsensusOperation, Priority};
use crate::statement::record::{Slot, Statement, Verified, sign_batch};
use crate::statement::seal::is_quorum;

/// A statement to be signed, with what a commit binds to.
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
        let record = self.sign_unless_refused(statement)?;
        let id = OperationId::from(record.id());
        let is_primary = self.ledger.state().roster().active_primary() == Some(self.me);
        match (class, ballot) {
            (Class::Standard, Some(ballot)) => {
                if is_primary && ballot != Ballot::Abstain {
                    let approve = ballot == Ballot::Approve;
                    self.direct(id, approve)?;
                }
                self.intend(id, Some(ballot));
            }
            // Who may propose may not be in the panel: the proposal stands without the proposer's ballot.
            (_, Some(ballot)) if self.is_elector(&id) => {
                let voted = self.vote(id, ballot.clone());
                // The proposal is out: a ballot that cannot be signed now is tried again.
                self.intend(id, voted.is_err().then_some(ballot));
            }
            _ => {}
        }
        Ok(Answer::Proposed(id))
    }

    /// Signs a statement that has no slot, if the others would take it.
    fn sign_unless_refused(&mut self, statement: Statement) -> Result<Verified, Refusal> {
        let record = self.sign_quietly(vec![(statement, None)])?.remove(0);
        self.judge(&record)?;
        self.persist_own(&record, None);
        self.say(record.clone());
        Ok(record)
    }

    fn is_elector(&self, id: &OperationId) -> bool {
        match self.operation_anywhere(id) {
            Some((operation, _)) => match operation.panel() {
                Some(panel) => panel.binary_search(&self.me).is_ok(),
                None => self.ledger.state().roster().get(&self.me).is_some(),
            },
            None => false,
        }
    }

    /// What an operation is about, sealed or not, and whether it is open.
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
            // It counts if the operation ever becomes a vote of all.
            self.intend(id, Some(ballot));
            return Ok(Answer::Done);
        }
        let draft = self.draft_commit(id, ballot)?;
        self.say_all(draft.into_iter().collect())?;
        Ok(Answer::Done)
    }

    /// Notes, for good, what this node wants to vote if the operation becomes a vote of all.
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

    /// The commit to a ballot; `None` if exactly this one is journalled.
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

    pub(super) fn direct(
        &mut self,
        operation: OperationId,
        approve: bool,
    ) -> Result<Answer, Refusal> {
        self.may_take_slot(&operation)?;
        self.say_all(vec![(Statement::Directive { operation, approve }, None)])?;
        Ok(Answer::Done)
    }

    pub(super) fn object(
        &mut self,
        operation: OperationId,
        reason: String,
    ) -> Result<Answer, Refusal> {
        self.may_take_slot(&operation)?;
        self.say_all(vec![(Statement::Objection { operation, reason }, None)])?;
        Ok(Answer::Done)
    }

    pub(super) fn resolve(
        &mut self,
        operation: OperationId,
        approve: bool,
    ) -> Result<Answer, Refusal> {
        self.may_take_slot(&operation)?;
        self.say_all(vec![(Statement::Resolution { operation, approve }, None)])?;
        Ok(Answer::Done)
    }

    pub(super) fn rejoin(&mut self, nonce: [u8; 32]) -> Result<Answer, Refusal> {
        if self.signing != Signing::Lost {
            return Err(Refusal::NotLost);
        }
        let nonce = Digest::from_bytes(nonce);
        let record = self
            .sign_quietly(vec![(Statement::Rejoin { nonce }, None)])?
            .remove(0);
        self.signing = Signing::Rejoining(record.id());
        self.persist_own(&record, None);
        self.say(record);
        Ok(Answer::Done)
    }

    /// Takes for its journal what this node holds of its own, on the word of a person that nobody else holds more: two or
    /// three members have no quorum without this one, and nothing would ever seal its `Rejoin`.
    pub(super) fn declare_journal(&mut self) -> Result<Answer, Refusal> {
        match self.signing {
            Signing::Above(_) => return Err(Refusal::NotLost),
            Signing::Lost => return Err(Refusal::JournalLost),
            Signing::Rejoining(_) => {}
        }
        let state = self.ledger.state();
        let (all, own) = (state.sealers().total(), state.sealers().weight(&self.me));
        if is_quorum(all - own, all) {
            return Err(Refusal::OthersDecide);
        }
        let sealed = state.operations().flat_map(OpenOperation::records);
        let recent = self.recent.iter().map(|decided| &decided.agreement);
        let votes = recent.chain([&self.agreement]).flat_map(Agreement::records);
        let pooled = self.pool.iter().map(|pooled| &pooled.record);
        let records = sealed.chain(votes).chain(pooled);
        let own = records.filter(|record| record.author() == self.me);
        let own: Vec<Verified> = own.cloned().collect();
        for record in own {
            let slot = record.statement().slot();
            let is_taken = slot.is_some_and(|slot| self.journal.signed(&slot).is_some());
            if !is_taken && !self.journal.knows(&record.id()) {
                self.persist_own(&record, None);
            }
        }
        // A restart before a seal lists them must not undo it: the chain stands still without this node.
        self.declared = self.journal.rejoins().map(Verified::id).collect();
        let write = Write::Declared(self.declared.clone());
        self.out.push(Output::Persist(write));
        self.signing = Signing::Above(0);
        self.recover_agreement();
        self.keep_promises();
        Ok(Answer::Done)
    }

    /// Finds out after a start whether the journal is complete.
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

    /// A `Rejoin` that no seal lists and no person answered. A journal that was begun anew says so by one, and is complete only once that is sealed.
    /// Of several nothing says which answers the last loss, so that all of them have to be.
    pub(super) fn unsealed_rejoin(&self) -> Option<RecordId> {
        let past = self.ledger.past();
        let mut rejoins = self.journal.rejoins().map(Verified::id);
        rejoins.find(|rejoin| !past.has_rejoined(rejoin) && !self.declared.contains(rejoin))
    }

    fn may_sign(&self) -> Result<(), Refusal> {
        match self.signing {
            Signing::Above(_) => Ok(()),
            Signing::Lost | Signing::Rejoining(_) => Err(Refusal::JournalLost),
        }
    }

    /// After a lost journal only the slots of operations whose proposal names the seal of the return, or a later one, are
    /// safe: those of an older one this node may have signed before.
    fn may_take_slot(&self, id: &OperationId) -> Result<(), Refusal> {
        let Signing::Above(above) = self.signing else {
            return Err(Refusal::JournalLost);
        };
        let open = self.ledger.state().operation(id);
        let proposal = open
            .map(OpenOperation::proposal)
            .or_else(|| self.pool.get(&(*id).into()).map(|pooled| &pooled.record));
        if above == 0 || proposal.is_some_and(|proposal| !self.is_named_before(proposal, above)) {
            Ok(())
        } else {
            Err(Refusal::BeforeRejoin)
        }
    }

    /// Whether the seal that a proposal names is not known to be of this height or a later one.
    fn is_named_before(&self, proposal: &Verified, height: u64) -> bool {
        let Statement::Propose { last, .. } = proposal.statement() else {
            return true;
        };
        let named = self.ledger.past().height_of(last);
        named.is_none_or(|named| named < height)
    }

    /// Whether an own record takes no slot that this node would sign again since its return: the journal need not know it.
    /// `listed` are records beside it, its proposal perhaps among them.
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
            None => return self.is_named_before(record, above),
        };
        let open = self.ledger.state().operation(&id.into());
        let proposal = open
            .map(OpenOperation::proposal)
            .or_else(|| self.pool.get(&id).map(|pooled| &pooled.record))
            .or_else(|| listed.iter().find(|listed| listed.id() == id));
        proposal.is_some_and(|proposal| self.is_named_before(proposal, above))
    }

    /// Signs, journals and says statements. Those that the rules refuse are not said; the first of them is the error.
    ///
    /// One refusal does not keep the others back: promises about several operations come in one batch.
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
            // What is refused here was seen by nobody: it is as if it had not been signed.
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

    /// Signs one statement under its slot, or gives the journal's copy if the same was signed.
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

    /// Signs a batch; nobody sees it until it is journalled.
    fn sign_quietly(&self, drafts: Vec<Draft>) -> Result<Vec<Verified>, Refusal> {
        let statements = drafts.into_iter().map(|(statement, _)| statement).collect();
        Ok(sign_batch(self.signer.as_ref(), self.net, statements)?)
    }

    fn persist_own(&mut self, record: &Verified, opening: Option<(Ballot, Salt)>) {
        let entry = JournalEntry {
            record: record.record().clone(),
            opening: opening.clone(),
        };
        self.journal.insert(record.clone(), opening);
        self.out.push(Output::Persist(Write::Journal(entry)));
    }

    fn say(&mut self, record: Verified) {
        // The own record was judged before it was signed; what is left is that it is known already.
        let _ = self.admit(None, record);
    }

    /// After a seal: reveals what was frozen, and votes on what became a vote of all.
    pub(super) fn follow_up(&mut self, applied: &Applied) {
        let drafts = applied.touched.iter();
        let drafts = drafts.flat_map(|operation| self.draft_promised(operation));
        let drafts = drafts.collect();
        self.say_promised(drafts);
    }

    /// Does again what [`Core::follow_up`] could not do after some seal: without a key, before a rejoin, or stopped.
    pub(super) fn keep_promises(&mut self) {
        let operations = self.ledger.state().operations();
        let drafts = operations.flat_map(|operation| self.draft_promised(operation));
        let drafts = drafts.collect();
        self.say_promised(drafts);
    }

    fn say_promised(&mut self, drafts: Vec<Draft>) {
        if !drafts.is_empty() {
            // What cannot be said now is tried again at the next chance.
            let _ = self.say_all(drafts);
        }
    }

    /// The reveal of the own frozen commit, and the commit that the node intended.
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

    /// The reveal of the own frozen commit, if there is one that is not sealed.
    fn draft_reveal(&self, operation: &OpenOperation) -> Option<Draft> {
        let id = operation.id();
        if !matches!(operation.phase(), Phase::Revealing(_))
            || !operation.frozen()?.commits.contains_key(&self.me)
            || operation.reveals().contains_key(&self.me)
        {
            return None;
        }
        let is_said = self.pool.about(&id).any(|pooled| {
            pooled.record.author() == self.me
                && matches!(pooled.record.statement(), Statement::Reveal { .. })
        });
        if is_said {
            return None;
        }
        let (ballot, salt) = match self.journal.opening(&id) {
            Some(opening) => opening.clone(),
            None => self.recover_opening(operation)?,
        };
        let statement = Statement::Reveal {
            operation: id,
            ballot,
            salt,
        };
        Some((statement, None))
    }

    /// What the own frozen commit binds to, when the journal is lost: the salt follows from the key, and the ballot is one
    /// of few, or one that others revealed.
    fn recover_opening(&self, operation: &OpenOperation) -> Option<(Ballot, Salt)> {
        let commit = operation.frozen()?.commits.get(&self.me)?;
        let Statement::Commit {
            commitment: committed,
            ..
        } = commit.statement()
        else {
            return None;
        };
        let id = operation.id();
        let salt = salt(self.signer.as_ref(), self.net, id).ok()?;
        let revealed = operation
            .reveals()
            .keys()
            .filter_map(|node| operation.ballot(node).cloned());
        [Ballot::Approve, Ballot::Reject, Ballot::Abstain]
            .into_iter()
            .chain(revealed)
            .find(|ballot| commitment(self.net, id, self.me, ballot, &salt) == *committed)
            .map(|ballot| (ballot, salt))
    }

    /// The own proposal of a height and round, if one is journalled.
    pub(super) fn signed_proposal(&self, height: u64, round: u32) -> Option<&Verified> {
        self.journal.signed(&Slot::Proposal(height, round))
    }
}
