//! What a node answers: one place for those who ask over the socket and for those who open the databases themselves.

mod bundle;
mod export;
mod find;
mod operation;
mod reads;

pub(crate) use self::bundle::import_from;

use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use mycnet_consensus::engine::{EngineError, Proposal};
use mycnet_consensus::node::Node;
use mycnet_consensus::{Ballot, Class, OperationId};
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::{Failure, Kind};
use crate::request::Request;

/// An answer on its way.
type Answer<'a> = Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send + 'a>>;

/// Answers a request. What is signed on its way is on the disk when the answer is given.
pub(crate) fn answer(node: &Node, request: Request) -> Answer<'_> {
    Box::pin(async move {
        match request {
            Request::Propose {
                operation,
                priority,
                ballot,
            } => {
                let engine = node.engine();
                // The rules that need no state give the clearest messages.
                operation.check().map_err(EngineError::from)?;
                let id = engine.propose_with(*operation, priority, ballot).await?;
                Ok(json!({ "operation": id }))
            }
            Request::Vote { operation, ballot } => {
                check_ballot(&proposal(node, &operation)?, &ballot)?;
                node.engine().vote(operation, ballot).await?;
                Ok(json!({ "operation": operation }))
            }
            Request::Direct { operation, approve } => {
                proposal(node, &operation)?;
                node.engine().direct(operation, approve).await?;
                Ok(json!({ "operation": operation }))
            }
            Request::Object { operation, reason } => {
                proposal(node, &operation)?;
                node.engine().object(operation, reason).await?;
                Ok(json!({ "operation": operation }))
            }
            Request::Resolve { operation, approve } => {
                proposal(node, &operation)?;
                node.engine().resolve(operation, approve).await?;
                Ok(json!({ "operation": operation }))
            }
            Request::Wait {
                operation,
                timeout_ms,
            } => wait(node, operation, Duration::from_millis(timeout_ms)).await,
            Request::DeclareJournal => {
                node.engine().declare_journal().await?;
                Ok(Value::Null)
            }
            Request::ImportBundle { file } => bundle::import(node, &file).await,
            // Reading can take as long as the disk does, and must not keep others from being answered.
            request => {
                let node = node.clone();
                let read = tokio::task::spawn_blocking(move || read(&node, request));
                read.await
                    .unwrap_or_else(|error| Err(Failure::failed(error)))
            }
        }
    })
}

fn read(node: &Node, request: Request) -> Result<Value, Failure> {
    match request {
        Request::Status => reads::status(node),
        Request::Operation { operation } => operation::operation(node, &operation),
        Request::Operations(filter) => reads::operations(node, filter),
        Request::Trust {
            node: whom,
            at,
            explain,
        } => reads::trust(node, whom, at, explain),
        Request::Roster => value(&json!({ "members": node.engine().roster() })),
        Request::Config => Ok(reads::config(node)),
        Request::Evidence => reads::evidence(node),
        Request::Certificate { operation } => reads::certificate(node, &operation),
        Request::Genesis => value(node.engine().genesis()),
        Request::Ticket => reads::ticket(node),
        Request::Peers => reads::peers(node),
        Request::FindNode { prefix } => find::node(node, &prefix),
        Request::FindOperation { prefix } => find::operation(node, &prefix),
        Request::ExportBundle { file, from } => bundle::export(node, &file, from),
        Request::Export { directory } => export::export(node, &directory),
        _ => unreachable!("what signs and what waits is answered before"),
    }
}

/// An answer as JSON.
fn value(answer: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(Failure::failed)
}

/// What is to be decided.
fn proposal(node: &Node, operation: &OperationId) -> Result<Proposal, Failure> {
    let proposal = node.engine().proposal(operation)?;
    Ok(proposal.ok_or(EngineError::UnknownOperation(*operation))?)
}

/// Refuses a ballot that would count as an abstention (P9): it could never be taken back.
fn check_ballot(proposal: &Proposal, ballot: &Ballot) -> Result<(), Failure> {
    let class = proposal.what.class();
    if ballot.counted_for(class) == ballot {
        return Ok(());
    }
    Err(Failure::usage(match class {
        Class::Claim => "a claim is not approved or rejected: vote with --result, or abstain",
        _ => "only a claim has a result: vote with approve, reject or abstain",
    }))
}

/// Waits until an operation is closed, or at the end of the patience at least decided.
async fn wait(node: &Node, operation: OperationId, patience: Duration) -> Result<Value, Failure> {
    let engine = node.engine();
    tokio::select! {
        outcome = engine.execute_reveal_phase(operation) => {
            outcome?;
            operation::operation(node, &operation)
        }
        how = node.stopped() => Err(Failure::failed(format!("the node has stopped: {how}"))),
        () = tokio::time::sleep(patience) => {
            let status = engine.status(&operation);
            let status = status.ok_or(EngineError::UnknownOperation(operation))?;
            if status.outcome.is_some() {
                // Final: what it still waits for are the reveals of those who are silent.
                return operation::operation(node, &operation);
            }
            Err(Failure::new(
                Kind::Undecided,
                format!(
                    "operation {operation} is not decided after {} s (phase: {}); it goes on without being waited for, \
                     and `mycnet status {operation}` tells how it stands",
                    patience.as_secs_f32(),
                    status.phase,
                ),
            ))
        }
    }
}
