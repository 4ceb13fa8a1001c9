//! What can be asked of a node, by whoever owns it.
//!
//! A running node is asked over its socket, and a command that finds none running opens the databases and asks itself: both
//! give the same answers, because both come from `answer`.

use std::path::PathBuf;

use mycnet_consensus::{Ballot, Class, ConsensusOperation, NodeId, OperationId, Priority};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::failure::Failure;

/// A question or an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// Where the node and its network stand.
    Status,
    /// Where an operation stands, and what it says.
    Operation { operation: OperationId },
    /// Operations that fit.
    Operations(Filter),
    /// A member's trust, now or after a height, and why it is so.
    Trust {
        node: Option<NodeId>,
        at: Option<u64>,
        explain: bool,
    },
    /// The members.
    Roster,
    /// The configuration map and the parameters.
    Config,
    /// Proved equivocations.
    Evidence,
    /// The proof of an operation's outcome, in hexadecimal.
    Certificate { operation: OperationId },
    /// What the network started from.
    Genesis,
    /// A ticket to the network.
    Ticket,
    /// Known peers, and who is connected.
    Peers,
    /// The only node whose id begins so.
    FindNode { prefix: String },
    /// The only operation whose id begins so.
    FindOperation { prefix: String },
    /// Propose an operation.
    Propose {
        operation: Box<ConsensusOperation>,
        priority: Priority,
        ballot: Option<Ballot>,
    },
    /// Vote on an operation.
    Vote {
        operation: OperationId,
        ballot: Ballot,
    },
    /// Decide a standard operation, as the Primary.
    Direct {
        operation: OperationId,
        approve: bool,
    },
    /// Object to a standard operation, as a Seed.
    Object {
        operation: OperationId,
        reason: String,
    },
    /// Vote on a standard operation that was objected to, as a Seed.
    Resolve {
        operation: OperationId,
        approve: bool,
    },
    /// Take what this node holds of its own for its whole journal.
    DeclareJournal,
    /// Wait until an operation is closed, so long at most.
    Wait {
        operation: OperationId,
        timeout_ms: u64,
    },
    /// Write documents and certificates into a directory.
    Export { directory: PathBuf },
    /// Write a bundle into a file, from a height on.
    ExportBundle { file: PathBuf, from: u64 },
    /// Take in a bundle.
    ImportBundle { file: PathBuf },
}

/// Which operations to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// Only open or only closed ones.
    pub(crate) is_open: Option<bool>,
    /// Only of this class.
    pub(crate) class: Option<Class>,
    /// Only of this kind.
    pub(crate) kind: Option<String>,
    /// Only by this proposer.
    pub(crate) by: Option<NodeId>,
}

/// What comes back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Reply {
    /// The answer.
    Ok(Value),
    /// Why there is none.
    Err(Failure),
}

/// Bytes of a request at most: an operation with the largest payload, in hexadecimal, and room for the rest.
pub(crate) const REQUEST_BYTES_MAX: usize = 256 * 1024;

impl From<Result<Value, Failure>> for Reply {
    fn from(result: Result<Value, Failure>) -> Self {
        match result {
            Ok(value) => Self::Ok(value),
            Err(failure) => Self::Err(failure),
        }
    }
}

impl From<Reply> for Result<Value, Failure> {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Ok(value) => Ok(value),
            Reply::Err(failure) => Err(failure),
        }
    }
}
