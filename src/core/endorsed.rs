//! What is known of a plan to found the network anew ([F3], [F4], [F6]).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::base::digest::NodeId;
use crate::ledger::Founding;
use crate::statement::record::{Plan, Record};
use crate::statement::seal::is_quorum;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// What a person of this node endorsed, for the start after a stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Endorsed {
    /// The network that the plan founds.
    pub founding: Founding,
    /// This node's height when its person last gave the word. With the next seal of the old network it is asked again.
    pub height: u64,
    /// The support with which the plan came in force here: this node has left the old network for good. `None` before.
    pub in_force: Option<Backing>,
}

/// What put a plan in force, as a node keeps it beside the new network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Founded {
    /// The endorsements: proof for members that come later.
    pub endorsements: Vec<Record>,
    /// Their support.
    pub backing: Backing,
}

/// A plan and who endorses it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndorsedPlan {
    /// The plan.
    pub plan: Plan,
    /// Its endorsers, by key. Only those count that its genesis names.
    pub by: BTreeSet<NodeId>,
}

/// How far a plan is from taking effect ([F4]).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backing {
    /// Endorsers with a vote in the new network.
    pub votes: usize,
    /// All votes of the new network.
    pub all_votes: usize,
    /// Endorsers that seal its first height.
    pub sealers: usize,
    /// All that seal its first height.
    pub all_sealers: usize,
    /// Endorsers with a vote in the old network, at the height that the plan goes on from.
    pub old_votes: usize,
    /// All votes of the old network at that height, proved equivocators aside.
    pub all_old_votes: usize,
}

impl Backing {
    /// Whether the plan takes effect: more than two thirds of the votes and of the sealers.
    pub fn is_enough(&self) -> bool {
        is_quorum(self.votes as u64, self.all_votes as u64)
            && is_quorum(self.sealers as u64, self.all_sealers as u64)
    }

    /// Whether not more than half of the old votes are behind it ([F6]).
    pub fn is_secession(&self) -> bool {
        2 * self.old_votes <= self.all_old_votes
    }
}
