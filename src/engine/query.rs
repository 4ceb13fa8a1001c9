//! Local queries, answered from this node's data.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

use serde::{Deserialize, Serialize};

use super::{BFTConsensusEngine, EngineError};
use crate::base::digest::{Digest, NodeId, OperationId, SealId};
use crate::core::{Core, OperationStatus, SealStatus};
use crate::decision::open::OpenOperation;
use crate::ledger::Evidence;
use crate::members::roster::{Elector, Member, MemberLine};
use crate::members::trust::{Standing, TrustEntry};
use crate::past::archive::{
    Archive, ArchiveError, ClosedSummary, DecidedAt, DecidedOperation, what_if,
};
use crate::past::certificate::Certificate;
use crate::past::prover::Prover;
use crate::statement::name::MemberName;
use crate::statement::operation::{Ballot, Class, ConsensusOperation, Outcome, Priority, Spore};
use crate::statement::params::Params;
use crate::statement::record::{Seal, Statement, Verified};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A member as queries show it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberView {
    /// The member.
    pub node: NodeId,
    /// Its name; no other member has it.
    pub name: MemberName,
    /// Its role.
    pub role: Spore,
    /// Its trust in parts per million.
    pub trust_ppm: u32,
    /// Its skill in parts per million.
    pub skill_ppm: u32,
    /// Its standing.
    pub standing: Standing,
    /// Its row of coherent outcomes.
    pub row: u32,
    /// Whether it has a vote in critical operations, authority and sealing.
    pub has_vote: bool,
    /// Its weight in claims, in parts per million.
    pub claim_weight: u64,
    /// The digest of the key that may replace its present one ([K1]).
    pub successor: Option<Digest>,
    /// The keys that it had before, the latest last.
    pub former: Vec<NodeId>,
}

/// A `Succeed` that no seal lists yet ([K2]).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Succession {
    /// The member's key so far.
    pub old: NodeId,
    /// The key that takes its place.
    pub new: NodeId,
    /// The digest of the key that may follow in turn.
    pub next: Option<Digest>,
    /// The seal time in milliseconds from which on it can be sealed, if the member changed its key not long ago.
    pub not_before_ms: Option<u64>,
}

/// A proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proposal {
    /// The operation.
    pub operation: OperationId,
    /// Its proposer.
    pub proposer: NodeId,
    /// Its priority.
    pub priority: Priority,
    /// The subject of the decision.
    pub what: ConsensusOperation,
}

/// Which operations to list. The default lists all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperationFilter {
    /// Only open (`true`) or only closed (`false`) ones.
    pub is_open: Option<bool>,
    /// Only this class; for closed ones, the class that decided them.
    pub class: Option<Class>,
    /// Only of this kind, as [`crate::ConsensusOperation::kind`] names it.
    pub kind: Option<String>,
    /// Only by this proposer.
    pub proposer: Option<NodeId>,
}

/// An operation in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperationView {
    /// The operation.
    pub operation: OperationId,
    /// Its kind.
    pub kind: Cow<'static, str>,
    /// The class that decides it, or decided it.
    pub class: Class,
    /// Its proposer.
    pub proposer: NodeId,
    /// `authority`, `committing`, `revealing`, `decided` or `closed`.
    pub phase: &'static str,
    /// The final outcome, if there is one.
    pub outcome: Option<Outcome>,
    /// Why the effect of an approved operation was refused, if it was.
    pub refused_effect: Option<Cow<'static, str>>,
}

impl BFTConsensusEngine {
    /// The last sealed height.
    pub fn height(&self) -> u64 {
        self.look(|core, _| core.ledger().state().height())
    }

    /// The last seal.
    pub fn seal(&self) -> SealId {
        self.look(|core, _| core.ledger().state().seal())
    }

    /// The last seal with the height and the state's digest that it states; at height 0, the genesis's.
    pub fn last_seal(&self) -> Seal {
        self.look(|core, _| core.ledger().last_seal().clone())
    }

    /// The state of the agreement on the next seal, and the members it waits for.
    pub fn seal_status(&self) -> SealStatus {
        self.look(|core, _| core.seal_status())
    }

    /// The state of an operation: its phase, missing records and window; `None` if it is not known here. The long result of
    /// a closed claim comes from the archive, and is missing if that cannot be read.
    pub fn status(&self, operation: &OperationId) -> Option<OperationStatus> {
        self.look(|core, past| {
            let status = status_of(core, past, operation);
            status.unwrap_or_else(|_| core.status(operation))
        })
    }

    /// As [`Self::status`], but returns errors.
    pub(super) fn whole_status(
        &self,
        operation: &OperationId,
    ) -> Result<Option<OperationStatus>, EngineError> {
        Ok(self.look(|core, past| status_of(core, past, operation))?)
    }

    /// The proposal of an operation; `None` if it is not known here.
    ///
    /// # Errors
    ///
    /// [`EngineError::Archive`]
    pub fn proposal(&self, operation: &OperationId) -> Result<Option<Proposal>, EngineError> {
        let of = |record: &Verified| match record.statement() {
            Statement::Propose {
                operation: what,
                priority,
                ..
            } => Some(Proposal {
                operation: *operation,
                proposer: record.author(),
                priority: *priority,
                what: what.clone(),
            }),
            _ => None,
        };
        self.look(|core, past| {
            if let Some(open) = core.ledger().state().operation(operation) {
                return Ok(of(open.proposal()));
            }
            if let Some(pooled) = core.pool().get(&(*operation).into()) {
                return Ok(of(&pooled.record));
            }
            let closed = past.closed(operation)?;
            Ok(closed.and_then(|closed| of(closed.proposal())))
        })
    }

    /// This node's own ballot, whether it is revealed or not; `None` if it has not voted, or once the operation is closed.
    pub fn own_ballot(&self, operation: &OperationId) -> Option<Ballot> {
        self.look(|core, _| core.own_ballot(operation).cloned())
    }

    /// The seal times (milliseconds since 1970) in which a commit of this node is in time, whatever others do: from the opening to the
    /// earliest at which the commits can be frozen without it ([P3]). `None` if it has nothing to commit: the operation is not
    /// open, this node is no elector or has committed, or the commits are frozen.
    pub fn time_to_commit_ms(&self, operation: &OperationId) -> Option<Range<u64>> {
        self.look(|core, _| core.time_to_commit_ms(operation))
    }

    /// The records of an operation that this node holds, sealed or not, with the proposal.
    ///
    /// # Errors
    ///
    /// [`EngineError::Archive`]
    pub fn records_about(&self, operation: &OperationId) -> Result<Vec<Verified>, EngineError> {
        let mut records = self.sealed_records(operation)?;
        self.look(|core, _| {
            let pool = core.pool();
            let proposal = pool.get(&(*operation).into());
            let pooled = pool.about(operation).chain(proposal);
            records.extend(pooled.map(|pooled| pooled.record.clone()));
        });
        Ok(records)
    }

    /// The sealed records of an operation, with the proposal: of these its document is made. None of an operation that no seal lists.
    ///
    /// # Errors
    ///
    /// [`EngineError::Archive`]
    pub fn sealed_records(&self, operation: &OperationId) -> Result<Vec<Verified>, EngineError> {
        self.look(|core, past| {
            if let Some(open) = core.ledger().state().operation(operation) {
                return Ok(open.records().cloned().collect());
            }
            let closed = past.closed(operation)?;
            Ok(closed.map_or_else(Vec::new, |closed| closed.records().cloned().collect()))
        })
    }

    /// The electors of an operation, by key, as its opening seal fixed them ([P1]). `None` before that, and as long as spore
    /// authority decides.
    ///
    /// # Errors
    ///
    /// [`EngineError::Archive`]
    pub fn electors(&self, operation: &OperationId) -> Result<Option<Vec<Elector>>, EngineError> {
        let of = |open: &OpenOperation| {
            let electors: Vec<Elector> = open.electorate().iter().copied().collect();
            (!electors.is_empty()).then_some(electors)
        };
        self.look(|core, past| {
            if let Some(open) = core.ledger().state().operation(operation) {
                return Ok(of(open));
            }
            let closed = past.closed(operation)?;
            Ok(closed.and_then(|closed| of(&closed)))
        })
    }

    /// What an operation left in the log of decided operations ([H3]); `None` before it is decided. Reads that operation alone.
    ///
    /// # Errors
    ///
    /// [`EngineError::Archive`]
    pub fn decided(
        &self,
        operation: &OperationId,
    ) -> Result<Option<DecidedOperation>, EngineError> {
        let open = self.look(|core, _| {
            let open = core.ledger().state().operation(operation);
            open.and_then(DecidedOperation::of)
        });
        // One that closes meanwhile is in the archive.
        match open {
            Some(open) => Ok(Some(open)),
            None => Ok(self.archive(|past| past.decided(operation))?),
        }
    }

    /// The operations that were decided at a height or later, by this height and id. Reads what closed since then.
    ///
    /// # Errors
    ///
    /// [`EngineError::Archive`]
    pub fn decided_since(&self, height: u64) -> Result<Vec<DecidedAt>, EngineError> {
        let open: Vec<DecidedAt> = self.look(|core, _| {
            let operations = core.ledger().state().operations();
            let decided = operations.filter_map(|open| {
                Some(DecidedAt {
                    operation: open.id(),
                    kind: open.operation().kind().into(),
                    height: open.decision()?.height,
                })
            });
            decided.collect()
        });
        let mut all = self.archive(|past| past.closed_since(height))?;
        all.extend(open);
        all.retain(|decided| decided.height >= height);
        all.sort_by_key(|decided| (decided.height, decided.operation));
        // One that closed meanwhile was read twice.
        all.dedup_by_key(|decided| decided.operation);
        Ok(all)
    }

    /// The first height with a seal of this time (milliseconds since 1970) or a later one; the height after the last if there is none.
    /// Reads some of the headers.
    ///
    /// # Errors
    ///
    /// [`EngineError::Archive`]
    pub fn first_height_from(&self, time_ms: u64) -> Result<u64, EngineError> {
        let (mut first, mut end) = (1, self.height() + 1);
        while first < end {
            let middle = first + (end - first) / 2;
            let header = self.archive(|past| past.header(middle))?;
            let missing = || ArchiveError(format!("height {middle} is missing"));
            if header.ok_or_else(missing)?.time_ms < time_ms {
                first = middle + 1;
            } else {
                end = middle;
            }
        }
        Ok(first)
    }

    /// The number of unsealed records that this node holds.
    pub fn unsealed_records(&self) -> usize {
        self.look(|core, _| core.pool().len())
    }

    /// The unsealed proposals, by id.
    pub fn unsealed_proposals(&self) -> Vec<OperationId> {
        self.look(|core, _| {
            let pooled = core.pool().iter().map(|pooled| &pooled.record);
            let proposals =
                pooled.filter(|record| matches!(record.statement(), Statement::Propose { .. }));
            proposals.map(|record| record.id().into()).collect()
        })
    }

    /// The final outcome, if there is one.
    pub fn outcome(&self, operation: &OperationId) -> Option<Outcome> {
        let (outcome, _) = self.status(operation)?.outcome?;
        Some(outcome)
    }

    /// The certificate of a closed operation; `None` for any other. [`Certificate::verify`] needs only the genesis to check it. Of a claim
    /// set it shows all items.
    ///
    /// # Errors
    ///
    /// [`EngineError::Archive`] if it would be longer than
    /// [`CERTIFICATE_BYTES_MAX`](crate::base::limits::CERTIFICATE_BYTES_MAX), or, as in all queries below, if the disk
    /// fails.
    pub fn certificate(&self, operation: &OperationId) -> Result<Option<Certificate>, EngineError> {
        self.prove(|prover| prover.certificate(operation, None))
            .map(Option::flatten)
    }

    /// Makes proofs that lead to the last seal; `None` before the first. It reads 32 bytes for each seal and each decided operation, once
    /// for all proofs that `make` asks for.
    ///
    /// # Errors
    ///
    /// [`EngineError::Archive`]
    pub fn prove<T>(
        &self,
        make: impl FnOnce(&Prover<'_>) -> Result<T, ArchiveError>,
    ) -> Result<Option<T>, EngineError> {
        let genesis = self.genesis();
        let proved = self.archive(|past| {
            let prover = Prover::new(past, genesis)?;
            prover.map(|prover| make(&prover)).transpose()
        });
        Ok(proved?)
    }

    /// A member's trust in parts per million; 0 for other nodes.
    pub fn trust(&self, node: &NodeId) -> u32 {
        self.look(|core, _| {
            let member = core.ledger().state().roster().get(node);
            member.map_or(0, |member| member.trust.trust_ppm())
        })
    }

    /// A member's trust (parts per million) and standing after a height; `None` if it was not a member then.
    ///
    /// # Errors
    ///
    /// [`EngineError::Archive`]
    pub fn trust_at(&self, node: &NodeId, height: u64) -> Result<Option<MemberLine>, EngineError> {
        Ok(self.archive(|past| past.trust_at(node, height))?)
    }

    /// Every change of a member's score, oldest first, with its reason.
    ///
    /// # Errors
    ///
    /// [`EngineError::Archive`]
    pub fn explain(&self, node: &NodeId) -> Result<Vec<TrustEntry>, EngineError> {
        // A member answers for all its keys; the older part of its history stands under the former ones.
        let mut keys: Vec<NodeId> =
            self.look(|core, _| core.ledger().state().roster().keys_of(node).collect());
        if keys.is_empty() {
            keys.push(*node);
        }
        let entries = |past: &dyn Archive| {
            let parts = keys.iter().map(|key| past.explain(key));
            parts
                .collect::<Result<Vec<_>, _>>()
                .map(|parts| parts.concat())
        };
        Ok(self.archive(entries)?)
    }

    /// Everybody's trust if the network had started with other parameters. It applies the sealed log again, so it takes time
    /// in proportion to the log.
    ///
    /// # Errors
    ///
    /// [`EngineError::Refused`] if the parameters are not valid, or [`EngineError::Archive`].
    pub fn what_if(&self, params: Params) -> Result<BTreeMap<NodeId, MemberLine>, EngineError> {
        let genesis = self.genesis();
        Ok(self.archive(|past| what_if(past, genesis, params))??)
    }

    /// The members, by key.
    pub fn roster(&self) -> Vec<MemberView> {
        self.look(|core, _| {
            let state = core.ledger().state();
            let view = |(node, member): (NodeId, &Member)| MemberView {
                node,
                role: member.role,
                name: member.name.clone(),
                trust_ppm: member.trust.trust_ppm(),
                skill_ppm: member.trust.skill_ppm(),
                standing: member.trust.standing(),
                row: member.trust.row(),
                has_vote: member.trust.has_vote(),
                claim_weight: member.trust.claim_weight(state.params()),
                successor: member.successor,
                former: member.former.iter().map(|former| former.node).collect(),
            };
            state.roster().iter().map(view).collect()
        })
    }

    /// The `Succeed`s held that no seal lists yet.
    pub fn successions(&self) -> Vec<Succession> {
        self.look(|core, _| {
            let state = core.ledger().state();
            let view = |record: &Verified| match record.statement() {
                Statement::Succeed { old, next } => Some(Succession {
                    old: *old,
                    new: record.author(),
                    next: *next,
                    not_before_ms: state.sealable_from_ms(record),
                }),
                _ => None,
            };
            let pooled = core.pool().about_authors();
            pooled.filter_map(|pooled| view(&pooled.record)).collect()
        })
    }

    /// The configuration map.
    pub fn config(&self) -> BTreeMap<String, Vec<u8>> {
        self.look(|core, _| core.ledger().state().config().clone())
    }

    /// The parameters in force.
    pub fn params(&self) -> Params {
        self.look(|core, _| core.ledger().state().params().clone())
    }

    /// Sealed operations by id, open ones first.
    ///
    /// # Errors
    ///
    /// [`EngineError::Archive`]
    pub fn operations(&self, filter: &OperationFilter) -> Result<Vec<OperationView>, EngineError> {
        let views = self.look(|core, past| {
            let ledger = core.ledger();
            let open = ledger.state().operations();
            let mut views: Vec<OperationView> = open.map(view_of_open).collect();
            if filter.is_open != Some(true) {
                views.extend(past.all_closed()?.into_iter().map(view_of_closed));
            }
            Ok::<_, ArchiveError>(views)
        });
        let admitted = views?.into_iter().filter(|view| filter.admits(view));
        Ok(admitted.collect())
    }

    /// Every proved equivocation, oldest first.
    ///
    /// # Errors
    ///
    /// [`EngineError::Archive`]
    pub fn evidence(&self) -> Result<Vec<Evidence>, EngineError> {
        Ok(self.archive(|past| past.evidence())?)
    }
}

fn view_of_open(operation: &OpenOperation) -> OperationView {
    OperationView {
        operation: operation.id(),
        kind: operation.operation().kind().into(),
        class: operation.class(),
        proposer: operation.proposal().author(),
        phase: operation.phase_name(),
        outcome: operation
            .decision()
            .map(|decision| decision.outcome.clone()),
        refused_effect: None,
    }
}

/// The state of an operation. A result that the core does not keep is read from the archive.
fn status_of(
    core: &Core,
    past: &dyn Archive,
    operation: &OperationId,
) -> Result<Option<OperationStatus>, ArchiveError> {
    let Some(mut status) = core.status(operation) else {
        return Ok(None);
    };
    if status.phase == "closed" && status.outcome.is_none() {
        let missing = || ArchiveError(format!("operation {operation} has no outcome"));
        let closed = past.closed(operation)?.ok_or_else(missing)?;
        let decision = closed.decision().ok_or_else(missing)?;
        status.outcome = Some((decision.outcome.clone(), decision.height));
    }
    Ok(Some(status))
}

fn view_of_closed(summary: ClosedSummary) -> OperationView {
    OperationView {
        operation: summary.operation,
        kind: summary.kind,
        class: summary.class,
        proposer: summary.proposer,
        phase: "closed",
        outcome: Some(summary.closed.outcome),
        refused_effect: summary.refused_effect,
    }
}

impl OperationFilter {
    fn admits(&self, view: &OperationView) -> bool {
        self.is_open
            .is_none_or(|is_open| is_open == (view.phase != "closed"))
            && self.class.is_none_or(|class| class == view.class)
            && self.kind.as_ref().is_none_or(|kind| *kind == view.kind)
            && self
                .proposer
                .is_none_or(|proposer| proposer == view.proposer)
    }
}
