//! One operation: where it stands, what it says, and what was said about it.

use mycnet_consensus::OperationId;
use mycnet_consensus::engine::EngineError;
use mycnet_consensus::internals::record::{Statement, Verified};
use mycnet_consensus::node::Node;
use serde_json::{Value, json};

use super::value;
use crate::failure::Failure;

/// Where an operation stands, and what it says.
pub(super) fn operation(node: &Node, id: &OperationId) -> Result<Value, Failure> {
    let engine = node.engine();
    let unknown = || EngineError::UnknownOperation(*id);
    let status = engine.status(id).ok_or_else(unknown)?;
    let proposal = engine.proposal(id)?.ok_or_else(unknown)?;
    let effect = node.store().effect(id).map_err(Failure::failed)?;
    let mut answer = value(&status)?;
    answer["proposer"] = value(&proposal.proposer)?;
    answer["priority"] = value(&proposal.priority)?;
    answer["class"] = value(&status.class.unwrap_or_else(|| proposal.what.class()))?;
    answer["kind"] = value(&proposal.what.kind())?;
    answer["subject"] = value(&proposal.what.subject())?;
    answer["content"] = value(&proposal.what)?;
    let (applied, refused) = match effect {
        None => (None, None),
        Some(Ok(())) => (Some(true), None),
        Some(Err(reason)) => (Some(false), Some(reason)),
    };
    answer["applied"] = value(&applied)?;
    answer["refused_effect"] = value(&refused)?;
    // A pair of outcome and height in the library; two names here.
    let (outcome, decided) = status.outcome.unzip();
    answer["outcome"] = value(&outcome)?;
    answer["decided_height"] = value(&decided)?;
    if status.phase == "closed" {
        // What was weighed is in its records; here nobody knows, which is not zero.
        for name in [
            "total_weight",
            "committed_weight",
            "revealed_weight",
            "ballots",
        ] {
            answer[name] = Value::Null;
        }
    }
    for (name, statements) in said_by_authorities(&engine.records_about(id)?) {
        answer[name] = statements.into();
    }
    Ok(answer)
}

/// What the Primary and Seeds said about a standard operation, by author.
fn said_by_authorities(records: &[Verified]) -> [(&'static str, Vec<Value>); 3] {
    let mut records: Vec<&Verified> = records.iter().collect();
    records.sort_by_key(|record| (record.author(), record.id()));
    records.dedup_by_key(|record| record.id());
    let (mut directives, mut objections, mut resolutions) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        let author = record.author();
        match record.statement() {
            Statement::Directive { approve, .. } => {
                directives.push(json!({ "author": author, "approve": approve }));
            }
            Statement::Objection { reason, .. } => {
                objections.push(json!({ "author": author, "reason": reason }));
            }
            Statement::Resolution { approve, .. } => {
                resolutions.push(json!({ "author": author, "approve": approve }));
            }
            _ => {}
        }
    }
    [
        ("directives", directives),
        ("objections", objections),
        ("resolutions", resolutions),
    ]
}
