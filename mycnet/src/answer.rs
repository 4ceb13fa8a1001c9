//! What a node answers, for requests over the socket and for commands with a node of their own.

mod files;
mod lists;
mod operations;
pub(crate) mod reads;
mod refound;
pub(crate) mod turns;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use mycnet_consensus::engine::{EngineError, Proposal};
use mycnet_consensus::node::Node;
use mycnet_consensus::{BFTConsensusEngine, Ballot, BallotForm, OperationId};
use serde::Serialize;
use serde_json::Value;

use crate::builds::Keeper;
use crate::failure::{Failure, Kind};
use crate::output::ballot_shown;
use crate::reply;
use crate::request::Request;

/// An answer on its way.
type Answer<'a> = Pin<Box<dyn Future<Output = Result<Value, Failure>> + Send + 'a>>;

/// Answers a request. Every record that it signs is on the disk before the answer is given.
pub(crate) fn answer<'a>(node: &'a Node, keeper: &'a Arc<Keeper>, request: Request) -> Answer<'a> {
    Box::pin(async move {
        let engine = node.engine();
        let operation = match request {
            Request::Propose {
                operation,
                priority,
                ballot,
            } => {
                // The rules that need no state give the clearest messages.
                operation.check().map_err(EngineError::from)?;
                engine.propose_with(*operation, priority, ballot).await?
            }
            Request::Vote { operation, ballot } => {
                check_ballot(&proposal(node, operation)?, &ballot)?;
                let is_given = has_given(node, operation, &ballot)?;
                let status = engine.status(&operation);
                // The operation may be closed by the time that the same is said again.
                if !is_given || status.is_none_or(|status| status.phase != "closed") {
                    engine.vote(operation, ballot).await?;
                }
                operation
            }
            Request::Direct { operation, approve } => {
                proposal(node, operation)?;
                engine.direct(operation, approve).await?;
                operation
            }
            Request::Object { operation, reason } => {
                proposal(node, operation)?;
                engine.object(operation, reason).await?;
                operation
            }
            Request::Resolve { operation, approve } => {
                proposal(node, operation)?;
                engine.resolve(operation, approve).await?;
                operation
            }
            Request::Wait {
                operation,
                timeout_ms,
            } => return wait(node, operation, Duration::from_millis(timeout_ms)).await,
            Request::DeclareJournal => {
                engine.declare_journal().await?;
                return Ok(Value::Null);
            }
            Request::Endorse {
                plan,
                is_sure,
                next,
            } => {
                if let Some(record) = next {
                    import(engine, &record).await?;
                }
                engine.endorse(&plan, is_sure).await?;
                return Ok(Value::Null);
            }
            Request::AbandonRefounding => {
                engine.abandon_refounding().await?;
                return Ok(Value::Null);
            }
            Request::OutliveTwin => {
                engine.outlive_twin().await?;
                return Ok(Value::Null);
            }
            Request::Succeed { record } => {
                import(engine, &record).await?;
                return value(Ok(reads::keys(node)));
            }
            Request::Builds(ask) => return keeper.clone().answer(node, ask).await,
            Request::ImportBundle { file } => return value(files::import(node, &file).await),
            // Reading takes as long as the disk does, and must not block the answers to others.
            request => {
                let node = node.clone();
                let read = tokio::task::spawn_blocking(move || read(&node, request));
                return read
                    .await
                    .unwrap_or_else(|error| Err(Failure::failed(error)));
            }
        };
        value(Ok(reply::Accepted { operation }))
    })
}

/// Takes in a record in hexadecimal.
async fn import(engine: &BFTConsensusEngine, record: &str) -> Result<(), Failure> {
    let record = hex::decode(record).map_err(|error| Failure::bad_data(error.to_string()))?;
    for taken in engine.import(vec![record]).await? {
        taken.map_err(EngineError::from)?;
    }
    Ok(())
}

fn read(node: &Node, request: Request) -> Result<Value, Failure> {
    match request {
        Request::Status => value(reads::status(node)),
        Request::Operation { operation } => value(operations::operation(node, operation)),
        Request::Operations(filter) => value(lists::list(node, &filter)),
        Request::Votes { by, limit, after } => value(lists::votes(node, by, limit, after)),
        Request::Seals { limit, before } => value(reads::seals(node, limit, before)),
        Request::Trust {
            node: member,
            at,
            explain,
            limit,
        } => value(reads::trust(node, member, at, explain, limit)),
        Request::Keys => value(Ok(reads::keys(node))),
        Request::PlanRefounding {
            height,
            without,
            with,
            roles,
            silent_ms,
        } => value(refound::plan(
            node,
            refound::Wish {
                height,
                without,
                with,
                roles,
                silent_ms,
            },
        )),
        Request::Refounding => value(refound::refounding(node)),
        Request::Roster => value(Ok(reply::Roster {
            members: node.engine().roster(),
        })),
        Request::WhatIf { params } => value(reads::what_if(node, &params)),
        Request::Config => value(Ok(reads::config(node))),
        Request::Evidence => value(reads::evidence(node)),
        Request::Certificate { operation, item } => {
            value(operations::certificate(node, operation, item.as_deref()))
        }
        Request::Genesis => value(Ok(node.engine().genesis())),
        Request::Ticket => value(reads::ticket(node)),
        Request::Peers => value(reads::peers(node)),
        Request::SealTime => value(Ok(reads::seal_time(node))),
        Request::Changes {
            since,
            limit,
            about,
        } => value(reads::changes(node, since, limit, about)),
        Request::Records { operation } => value(reads::records(node, operation)),
        Request::FirstHeight { since } => value(since.height(node.engine())),
        Request::FindNode { given } => value(reads::find_node(node, &given)),
        Request::FindOperation { prefix } => value(lists::find(node, &prefix)),
        Request::ExportBundle { file, from } => value(files::export_bundle(node, &file, from)),
        Request::Export { directory } => value(files::export(node, &directory)),
        _ => unreachable!("requests that sign or wait are answered before"),
    }
}

/// An answer as JSON.
fn value(answer: Result<impl Serialize, Failure>) -> Result<Value, Failure> {
    serde_json::to_value(answer?).map_err(Failure::failed)
}

/// An operation's proposal, or an error if the node does not know it.
fn proposal(node: &Node, operation: OperationId) -> Result<Proposal, Failure> {
    let proposal = node.engine().proposal(&operation)?;
    Ok(proposal.ok_or(EngineError::UnknownOperation(operation))?)
}

/// Refuses a ballot that would count as an abstention (P9), because a vote cannot be taken back.
fn check_ballot(proposal: &Proposal, ballot: &Ballot) -> Result<(), Failure> {
    let form = proposal.what.ballot_form();
    if ballot.counted_as(form) == ballot {
        return Ok(());
    }
    Err(Failure::usage(match form {
        BallotForm::Result => "a claim is not approved or rejected: vote with --result, or abstain",
        BallotForm::Results(_) => {
            "a claim set is not approved or rejected: vote with --results, or abstain"
        }
        BallotForm::Approval => "only a claim has a result: vote with approve, reject or abstain",
    }))
}

/// Whether this node has given this very vote before, which does no harm. Refuses another one, and says what the first was.
fn has_given(node: &Node, operation: OperationId, ballot: &Ballot) -> Result<bool, Failure> {
    let Some(first) = operations::own_ballot(node, operation)? else {
        return Ok(false);
    };
    if first == *ballot {
        return Ok(true);
    }
    Err(Failure::new(
        Kind::Refused,
        format!(
            "refused: this node has voted on {operation} already, {}, and a vote cannot be changed",
            ballot_shown(&first)
        ),
    ))
}

/// Waits until an operation is closed. At the timeout, an operation that is decided is enough.
async fn wait(node: &Node, operation: OperationId, timeout: Duration) -> Result<Value, Failure> {
    let engine = node.engine();
    tokio::select! {
        outcome = engine.execute_reveal_phase(operation) => {
            outcome?;
        }
        how = node.stopped() => return Err(Failure::failed(format!("the node has stopped: {how}"))),
        () = tokio::time::sleep(timeout) => {
            let status = engine.status(&operation);
            let status = status.ok_or(EngineError::UnknownOperation(operation))?;
            // If there is an outcome, only the reveals of silent members are missing.
            if status.outcome.is_none() {
                return Err(Failure::new(
                    Kind::Undecided,
                    format!(
                        "operation {operation} is not decided after {} s (phase: {}); it goes on, and `mycnet status \
                         {operation}` tells its state",
                        timeout.as_secs_f32(),
                        status.phase,
                    ),
                ));
            }
        }
    }
    value(operations::operation(node, operation))
}

/// The only one of the ids that a user can have meant. `what` and `more` are for the messages about none and about several.
fn only<T: ToString + Copy>(
    meant: impl IntoIterator<Item = T>,
    what: &str,
    command: &str,
    more: &str,
) -> Result<reply::FoundId<T>, Failure> {
    /// Ids that the message about several names.
    const NAMED_MAX: usize = 4;
    match meant.into_iter().collect::<Vec<T>>().as_slice() {
        [id] => Ok(reply::FoundId { id: *id }),
        [] => Err(Failure::new(
            Kind::NotFound,
            format!("no {what}, as far as this node knows: `{command}` lists the known ones"),
        )),
        several => {
            let named: Vec<String> = several.iter().take(NAMED_MAX).map(T::to_string).collect();
            Err(Failure::usage(format!(
                "more than one {what}: {} of them, such as {}; {more}",
                several.len(),
                named.join(", ")
            )))
        }
    }
}
