//! What waits for this node's word.

use mycnet_consensus::core::Pending;
use mycnet_consensus::engine::OperationFilter;
use mycnet_consensus::node::Node;
use mycnet_consensus::{BFTConsensusEngine, Class, NodeId, OperationId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::failure::Failure;

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

/// An operation on which this node may vote, and has not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub(crate) struct YourTurn {
    pub(crate) operation: OperationId,
    pub(crate) kind: String,
    pub(crate) class: Class,
    pub(crate) subject: String,
    pub(crate) proposer: NodeId,
    /// What the vote weighs: 1 or 0 in critical operations, parts per million of skill in claims. A vote without weight is shown and
    /// scored, and decides nothing. `null` where no votes are counted.
    pub(crate) weight: Option<u64>,
    /// The seal time, in milliseconds since 1970, until which it is in time whatever others do.
    pub(crate) until_ms: Option<u64>,
}

/// What waits for this node's word about an operation, if something does.
pub(crate) fn your_turn(node: &Node, id: OperationId) -> Result<Option<YourTurn>, Failure> {
    let engine = node.engine();
    let me = engine.node_id();
    let (Some(status), Some(proposal)) = (engine.status(&id), engine.proposal(&id)?) else {
        return Ok(None);
    };
    let time_ms = engine.time_to_commit_ms(&id);
    let is_waited_for = match &status.waits_for {
        Pending::Directive(of) | Pending::Resolutions(of) | Pending::Commits(of) => {
            of.contains(&me)
        }
        // The node reveals by itself, and nobody has to object.
        _ => false,
    };
    if !is_waited_for && time_ms.is_none() {
        return Ok(None);
    }
    let electors = engine.electors(&id)?.unwrap_or_default();
    let own = electors.iter().find(|elector| elector.node == me);
    Ok(Some(YourTurn {
        operation: id,
        kind: proposal.what.kind().to_owned(),
        class: status.class.unwrap_or_else(|| proposal.what.class()),
        subject: proposal.what.subject(),
        proposer: proposal.proposer,
        weight: own.map(|elector| elector.weight),
        until_ms: time_ms.map(|time_ms| time_ms.end),
    }))
}

/// All operations on which this node may vote, and has not.
pub(crate) fn your_turns(node: &Node) -> Result<Vec<YourTurn>, Failure> {
    let open = open_operations(node.engine())?.into_iter();
    let turns = open.filter_map(|id| your_turn(node, id).transpose());
    turns.collect()
}
