//! Which records a seal may list, and which members its evidence bans (S6).

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Oracle;
use super::log::{Case, Sealed, in_order};
use super::mutation::Mutation;
use super::roster::{Member, Standing, within};
use crate::base::digest::{Commitment, NetworkId, NodeId, OperationId, Salt, SealId};
use crate::statement::operation::{Ballot, Spore};
use crate::statement::record::{Record, Seal, Statement};

pub(super) type Judgement = Result<(), String>;

pub(super) fn must(holds: bool, otherwise: impl FnOnce() -> String) -> Judgement {
    if holds { Ok(()) } else { Err(otherwise()) }
}

impl Oracle {
    /// Whether the seal can follow the last one.
    pub(super) fn judge_seal(&self, seal: &Seal, listed: &[Arc<Sealed>]) -> Judgement {
        let last = self.now();
        let follows = self.height() == 0 || seal.prev == last.id;
        must(seal.net == self.net, || "another network's seal".into())?;
        must(seal.height == self.height() + 1, || {
            "not the next height".into()
        })?;
        must(follows, || "it does not follow the last seal".into())?;
        must(seal.time_ms > last.time_ms, || {
            "its time is not later".into()
        })?;
        must(seal.time_ms < 1 << 53, || "its time is beyond 2^53".into())?;
        must(listed.len() <= 10_000, || "more than 10,000 records".into())?;
        must(seal.count as usize == listed.len(), || {
            "a wrong count".into()
        })
    }

    /// Whether the next seal, which follows `prev` at a time, may list these records.
    ///
    /// # Errors
    ///
    /// Why not.
    pub fn takes(&self, prev: SealId, time_ms: u64, records: &[Record]) -> Result<(), String> {
        let height = self.height() + 1;
        let bodies = records.iter().map(|record| &record.body);
        let listed = bodies.map(|body| Sealed::new(height, body)).collect();
        self.accepts(prev, time_ms, listed)
    }

    pub(in crate::sim) fn accepts(
        &self,
        prev: SealId,
        time_ms: u64,
        listed: Vec<Arc<Sealed>>,
    ) -> Judgement {
        self.judge(prev, time_ms, &in_order(listed)).map(|_| ())
    }

    /// Judges the records of the next seal, which follows `prev` at a time, in the order in which they are applied, against
    /// the state before it. Returns the operations that it opens.
    pub(super) fn judge(
        &self,
        prev: SealId,
        time_ms: u64,
        listed: &[Arc<Sealed>],
    ) -> Result<Vec<Case>, String> {
        let mut opening = Vec::new();
        for (place, record) in listed.iter().enumerate() {
            let earlier = &listed[..place];
            let judgement =
                self.judge_repetition(record, earlier)
                    .and_then(|()| match &record.what {
                        Statement::Propose { .. } => {
                            let case = self.open(prev, record, &opening)?;
                            opening.push(case);
                            Ok(())
                        }
                        Statement::Commit { operation, .. } => {
                            self.judge_commit(record, *operation, earlier, &opening)
                        }
                        Statement::Reveal {
                            operation,
                            ballot,
                            salt,
                        } => self.judge_reveal(record, *operation, ballot, salt),
                        Statement::Directive { operation, .. } => {
                            self.judge_authority(record, *operation, Spore::Primary, &opening)
                        }
                        Statement::Objection { operation, .. }
                        | Statement::Resolution { operation, .. } => {
                            self.judge_authority(record, *operation, Spore::Seed, &opening)
                        }
                        Statement::Rejoin { .. } => self.judge_rejoin(record, time_ms, earlier),
                        Statement::Succeed { .. } => {
                            Err("nobody succeeds in these schedules".into())
                        }

                        Statement::Refound { .. } => Err("it is never sealed".into()),
                        Statement::SealProposal { seal, .. } => {
                            self.judge_seal_evidence(record, seal.height, listed)
                        }
                        Statement::SealVote { height, .. } => {
                            self.judge_seal_evidence(record, *height, listed)
                        }
                    });
            judgement.map_err(|reason| format!("{:?} by {:?}: {reason}", record.id, record.by))?;
        }
        Ok(opening)
    }

    fn judge_repetition(&self, record: &Sealed, earlier: &[Arc<Sealed>]) -> Judgement {
        let repeated =
            self.sealed.contains(&record.id) || earlier.iter().any(|other| other.id == record.id);
        let case = record.operation().and_then(|id| self.cases.get(&id));
        let sealed = case.iter().flat_map(|case| &case.records);
        let rivals = sealed.chain(earlier).filter(|r| r.same_slot(record));
        must(record.net == self.net, || "made for another network".into())?;
        must(!repeated, || "already sealed".into())?;
        must(rivals.count() < 2, || "the third record of a slot".into())
    }

    pub(super) fn member_not_banned(&self, node: &NodeId) -> Result<&Member, String> {
        let member = self.roster.get(node).ok_or("not a member")?;
        must(member.standing != Standing::Banned, || "banned".into())?;
        Ok(member)
    }

    fn judge_commit(
        &self,
        record: &Sealed,
        operation: OperationId,
        earlier: &[Arc<Sealed>],
        opening: &[Case],
    ) -> Judgement {
        let case = self.open_case(operation, opening)?;
        let electorate = case.course.electorate.as_ref();
        let elector = electorate.is_some_and(|it| it.electors.contains_key(&record.by));
        if elector && case.course.phase() == "committing" {
            return Ok(());
        }
        let sealed = case.records.iter().chain(earlier);
        let others = sealed.filter(|other| other.same_slot(record));
        must(others.count() == 1, || {
            "no elector in the commit phase, and no evidence".into()
        })
    }

    fn open_case<'a>(
        &'a self,
        operation: OperationId,
        opening: &'a [Case],
    ) -> Result<&'a Case, String> {
        let known = self.cases.get(&operation);
        let case = known.or_else(|| opening.iter().find(|case| case.id == operation));
        let case = case.ok_or("no such operation")?;
        must(case.course.closed.is_none(), || {
            "the operation is closed".into()
        })?;
        Ok(case)
    }

    fn judge_reveal(
        &self,
        record: &Sealed,
        operation: OperationId,
        ballot: &Ballot,
        salt: &Salt,
    ) -> Judgement {
        let case = self.open_case(operation, &[])?;
        let (_, commits) = case.course.frozen.as_ref().ok_or("nothing is frozen")?;
        let commit = commits.get(&record.by).ok_or("no frozen commit")?;
        let opened = commitment(self.net, operation, record.by, ballot, salt);
        must(opened == *commit, || "it does not open the commit".into())?;
        must(!case.course.revealed.contains_key(&record.by), || {
            "already revealed".into()
        })
    }

    fn judge_authority(
        &self,
        record: &Sealed,
        operation: OperationId,
        role: Spore,
        opening: &[Case],
    ) -> Judgement {
        let case = self.open_case(operation, opening)?;
        if case.records.iter().any(|other| other.same_slot(record)) {
            // The second record of a slot is evidence, even if its author's role or the operation's stage has changed.
            return Ok(());
        }
        must(case.course.phase() == "authority", || {
            "spore authority does not have the operation".into()
        })?;
        let member = self.member_not_banned(&record.by)?;
        must(member.role == role && member.has_vote(), || {
            format!("not an active {role}")
        })
    }

    /// A grace of critical operations passes between two of one author.
    fn judge_rejoin(&self, record: &Sealed, time_ms: u64, earlier: &[Arc<Sealed>]) -> Judgement {
        let member = self.member_not_banned(&record.by)?;
        let is_second = earlier
            .iter()
            .any(|other| other.by == record.by && matches!(other.what, Statement::Rejoin { .. }));
        let grace_ms = self.params.critical_grace_ms;
        let is_early = is_second || within(member.times.rejoin, time_ms, grace_ms);
        must(
            !is_early || self.mutation == Some(Mutation::RejoinsAtOnce),
            || "too early after the last".into(),
        )
    }

    /// Votes on seals may be listed only as pairs that prove equivocation within the last 100 heights.
    fn judge_seal_evidence(
        &self,
        record: &Sealed,
        height: u64,
        listed: &[Arc<Sealed>],
    ) -> Judgement {
        let now = self.height() + 1;
        must(height <= now && height + 100 > now, || "not recent".into())?;
        self.member_not_banned(&record.by)?;
        let pair = listed.iter().filter(|other| other.same_slot(record));
        must(pair.count() == 2, || "no pair".into())
    }

    /// The authors of two different records of one slot, at least one of them listed.
    pub(super) fn equivocators(&self, listed: &[Arc<Sealed>]) -> BTreeSet<NodeId> {
        let mut found = BTreeSet::new();
        for record in listed {
            let case = record.operation().and_then(|id| self.cases.get(&id));
            let sealed = case.iter().flat_map(|case| &case.records);
            let mut others = sealed.chain(listed);
            if others.any(|other| other.id != record.id && other.same_slot(record)) {
                found.insert(record.by);
            }
        }
        found
    }
}

/// BLAKE3 over the parts, each preceded by its length as a little-endian `u64`.
fn commitment(
    net: NetworkId,
    operation: OperationId,
    author: NodeId,
    ballot: &Ballot,
    salt: &Salt,
) -> Commitment {
    let ballot = serde_ipld_dagcbor::to_vec(ballot).expect("ballots always encode");
    let mut message = Vec::new();
    for part in [
        net.as_bytes().as_slice(),
        operation.as_bytes(),
        author.as_bytes(),
        &ballot,
        salt.as_bytes(),
    ] {
        message.extend((part.len() as u64).to_le_bytes());
        message.extend(part);
    }
    Commitment::from_bytes(blake3::derive_key(
        "mycnet-consensus commitment v1",
        &message,
    ))
}
