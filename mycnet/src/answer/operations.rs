//! Operations: lists of them, and everything about one.

use std::collections::BTreeSet;

use mycnet_consensus::engine::{EngineError, OperationFilter};
use mycnet_consensus::node::Node;
use mycnet_consensus::{BFTConsensusEngine, OperationId, Statement};

use super::{only, proposal};
use crate::failure::Failure;
use crate::reply::{
    CertificateBytes, FoundId, Objection, OperationDetails, OperationLine, Operations, Verdict,
};
use crate::request::Filter;

/// Open operations, and proposals that no seal lists yet.
pub(super) fn open_operations(engine: &BFTConsensusEngine) -> Result<Vec<OperationId>, Failure> {
    let filter = OperationFilter {
        is_open: Some(true),
        ..OperationFilter::default()
    };
    let open = engine.operations(&filter)?;
    let mut ids: Vec<OperationId> = open.iter().map(|view| view.operation).collect();
    ids.extend(engine.unsealed_proposals());
    Ok(ids)
}

/// Operations that fit: proposals without a seal first, then open ones, then closed ones, each by id.
pub(super) fn list(node: &Node, filter: &Filter) -> Result<Operations, Failure> {
    let engine = node.engine();
    let mut lines = Vec::new();
    if filter.is_open != Some(false) {
        for operation in open_operations(engine)? {
            let (status, proposal) = (engine.status(&operation), engine.proposal(&operation)?);
            let (Some(status), Some(proposal)) = (status, proposal) else {
                // It was closed after it was listed.
                continue;
            };
            lines.push(OperationLine {
                operation,
                kind: proposal.what.kind().into(),
                class: status.class.unwrap_or_else(|| proposal.what.class()),
                proposer: proposal.proposer,
                subject: proposal.what.subject(),
                phase: status.phase.into(),
                outcome: status.outcome.map(|(outcome, _)| outcome),
                refused_effect: None,
            });
        }
        lines.sort_by_key(|line| line.phase != "proposed");
    }
    if filter.is_open != Some(true) {
        let all_closed = node.store().all_closed().map_err(Failure::failed)?;
        lines.extend(all_closed.into_iter().map(|closed| OperationLine {
            operation: closed.operation,
            kind: closed.kind,
            class: closed.class,
            proposer: closed.proposer,
            subject: closed.subject,
            phase: "closed".into(),
            outcome: Some(closed.closed.outcome),
            refused_effect: closed.refused_effect,
        }));
    }
    lines.retain(|line| {
        filter.class.is_none_or(|class| line.class == class)
            && filter.kind.as_ref().is_none_or(|kind| line.kind == *kind)
            && filter.by.is_none_or(|by| line.proposer == by)
    });
    Ok(Operations { operations: lines })
}

/// The only operation whose id begins with these digits.
pub(super) fn find(node: &Node, prefix: &str) -> Result<FoundId<OperationId>, Failure> {
    let mut known: BTreeSet<_> = open_operations(node.engine())?.into_iter().collect();
    let closed = node.store().all_closed().map_err(Failure::failed)?;
    known.extend(closed.iter().map(|closed| closed.operation));
    only("operation", "mycnet operations", prefix, known)
}

/// Everything about an operation.
pub(super) fn operation(node: &Node, id: OperationId) -> Result<OperationDetails, Failure> {
    let engine = node.engine();
    let status = engine.status(&id);
    let status = status.ok_or(EngineError::UnknownOperation(id))?;
    let proposal = proposal(node, id)?;
    let effect = node.store().effect(&id).map_err(Failure::failed)?;
    let (outcome, decided_height) = status.outcome.unzip();
    let is_closed = status.phase == "closed";
    let unless_closed = |weight: u64| (!is_closed).then_some(weight);
    let mut operation = OperationDetails {
        operation: id,
        kind: proposal.what.kind().into(),
        class: status.class.unwrap_or_else(|| proposal.what.class()),
        subject: proposal.what.subject(),
        content: proposal.what,
        proposer: proposal.proposer,
        priority: proposal.priority,
        phase: status.phase.into(),
        opened_height: status.opened_height,
        total_weight: unless_closed(status.total_weight),
        committed: (!is_closed).then_some(status.committed),
        revealed_weight: unless_closed(status.revealed_weight),
        ballots: (!is_closed).then_some(status.ballots),
        tallied: status.tallied,
        outcome,
        decided_height,
        applied: effect.as_ref().map(Result::is_ok),
        refused_effect: effect.and_then(Result::err),
        waits_for: status.waits_for,
        window: status.window,
        directives: Vec::new(),
        objections: Vec::new(),
        resolutions: Vec::new(),
    };
    add_authorities(engine, &mut operation)?;
    Ok(operation)
}

/// Adds the statements of the Primary and Seeds, by author.
fn add_authorities(
    engine: &BFTConsensusEngine,
    operation: &mut OperationDetails,
) -> Result<(), Failure> {
    let mut records = engine.records_about(&operation.operation)?;
    records.sort_by_key(|record| (record.author(), record.id()));
    records.dedup_by_key(|record| record.id());
    for record in records {
        let author = record.author();
        match record.statement() {
            Statement::Directive { approve, .. } => {
                let approve = *approve;
                operation.directives.push(Verdict { author, approve });
            }
            Statement::Objection { reason, .. } => {
                let reason = reason.clone();
                operation.objections.push(Objection { author, reason });
            }
            Statement::Resolution { approve, .. } => {
                let approve = *approve;
                operation.resolutions.push(Verdict { author, approve });
            }
            _ => {}
        }
    }
    Ok(())
}

/// The proof of an operation's outcome.
pub(super) fn certificate(
    node: &Node,
    operation: OperationId,
) -> Result<CertificateBytes, Failure> {
    let engine = node.engine();
    if let Some(certificate) = engine.certificate(&operation)? {
        let certificate = hex::encode(certificate.encode());
        return Ok(CertificateBytes {
            operation,
            certificate,
        });
    }
    let status = engine.status(&operation);
    let status = status.ok_or(EngineError::UnknownOperation(operation))?;
    Err(Failure::failed(format!(
        "operation {operation} is not closed (phase: {}): only a closed operation has a certificate",
        status.phase
    )))
}
