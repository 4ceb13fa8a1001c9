//! What a node can be asked by its owner.
//!
//! A running node is asked over its interface ([`api`](crate::api)). If no node runs, a command opens the databases and asks a node of its own. Both
//! give the same answers, because both come from `answer`.

use std::path::PathBuf;

use mycnet_consensus::core::Plan;
use mycnet_consensus::{Ballot, Class, ConsensusOperation, NodeId, OperationId, Priority, Spore};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::builds::{Ask, Since};

/// A question or an order.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Request {
    /// The state of the node and its network.
    Status,
    /// The state of an operation, and what it says.
    Operation {
        operation: OperationId,
    },
    /// Operations that fit.
    Operations(Filter),
    /// Who voted what, from the newest operations on.
    Votes {
        /// Only the votes of this member.
        by: Option<NodeId>,
        /// On at most so many operations; 20 unless given.
        #[serde(default = "votes_shown")]
        limit: usize,
    },
    /// A member's trust, now or after a height, and the reasons.
    Trust {
        node: Option<NodeId>,
        at: Option<u64>,
        #[serde(default)]
        explain: bool,
    },
    Roster,
    /// The scores under other parameters: names and values.
    WhatIf {
        params: Vec<(String, u64)>,
    },
    /// The configuration map and the parameters.
    Config,
    /// Proved equivocations.
    Evidence,
    /// The proof of an operation's outcome, or of that of one item of a claim set.
    Certificate {
        operation: OperationId,
        /// The item's subject.
        item: Option<String>,
    },
    Genesis,
    /// A ticket to the network.
    Ticket,
    /// Known peers, and which of them are connected.
    Peers,
    /// The only node with this name, or whose id begins with these digits.
    FindNode {
        given: String,
    },
    /// The only operation whose id begins with these digits.
    FindOperation {
        prefix: String,
    },
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
    /// Declare the union of what all others hold to be this node's journal.
    DeclareJournal,
    /// This node's key, and the member that it belongs to.
    Keys,
    /// Take in the `Succeed` that a member's next key has signed: canonical bytes, in hexadecimal.
    Succeed {
        record: String,
    },
    /// Make a plan to found the network anew.
    PlanRefounding {
        height: Option<u64>,
        without: Vec<NodeId>,
        /// Who stays, however silent.
        with: Vec<NodeId>,
        roles: Vec<(NodeId, Spore)>,
        /// Leave out who was silent for so long; a commit window unless given.
        silent_ms: Option<u64>,
    },
    /// Endorse a plan.
    Endorse {
        plan: Box<Plan>,
        /// Also in the place of another one.
        is_sure: bool,
        /// The endorsement by the next key, if the plan puts it in the place of this node's: canonical bytes, in hexadecimal.
        next: Option<String>,
    },
    /// Take this node's endorsement back.
    AbandonRefounding,
    /// The plans that members endorse.
    Refounding,
    /// Say that of two machines with this node's key this one lives.
    OutliveTwin,
    /// The last seal's time.
    SealTime,
    /// What the seals after a height changed in the ledger document.
    Changes {
        since: u64,
        /// Of at most so many seals; 256 unless given. Fewer where they changed much.
        #[serde(default = "changes_read")]
        limit: usize,
        /// Whether to name the operations that the records of each seal are about.
        #[serde(default)]
        about: bool,
    },
    /// The sealed records of an operation: canonical bytes, in hexadecimal.
    Records {
        operation: OperationId,
    },
    /// The first height since a time or height.
    FirstHeight {
        since: Since,
    },
    /// Wait until an operation is closed, or until the timeout.
    Wait {
        operation: OperationId,
        timeout_ms: u64,
    },
    /// Write documents and certificates into a directory.
    Export {
        directory: PathBuf,
    },
    /// Write a bundle into a file, from a height on.
    ExportBundle {
        file: PathBuf,
        from: u64,
    },
    /// Import a bundle.
    ImportBundle {
        file: PathBuf,
    },
    /// A question or an order about builds.
    Builds(Ask),
}

/// Seals whose changes are read unless a number is given.
pub(crate) const fn changes_read() -> usize {
    256
}

/// Operations whose votes are shown unless a number is given.
pub(crate) const fn votes_shown() -> usize {
    20
}

/// Which operations to list.
#[derive(Debug, Clone, Default, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Filter {
    /// Only open or only closed ones.
    pub(crate) is_open: Option<bool>,
    pub(crate) class: Option<Class>,
    pub(crate) kind: Option<String>,
    /// Only those of this proposer.
    pub(crate) by: Option<NodeId>,
    /// Only those that a seal of this height or a later one opened or decided, and those that no seal lists yet.
    pub(crate) from_height: Option<u64>,
    /// Only so many, from the newest on.
    pub(crate) limit: Option<usize>,
    /// Only those that come after this one, where a list with a limit goes on.
    pub(crate) after: Option<OperationId>,
}

/// Bytes of a request at most: an operation with the largest payload, or signed originals of builds, in hexadecimal, and room for the
/// rest.
pub(crate) const REQUEST_BYTES_MAX: usize = 1024 * 1024;
