//! The plan to found a network anew ([F1]).

use serde::{Deserialize, Serialize};

use super::Proof;
use crate::base::codec;
use crate::base::digest::{Digest, NodeId, PLAN, SealId};
use crate::base::limits::{MEMBERS_MAX, TIME_MS_MAX};
use crate::base::rejection::Rejection;
use crate::statement::operation::Spore;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Go on from the state after a seal of the old network, without some members, with some roles changed ([F1]).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// The height of the seal; 0 is the genesis.
    pub height: u64,
    /// The seal.
    pub seal: SealId,
    /// Who is left out: any key of each member, sorted, without repetition.
    pub without: Vec<NodeId>,
    /// New roles: any key of each member, sorted by key, without repetition.
    pub roles: Vec<(NodeId, Spore)>,
    /// The changes of keys above that height that are known, sorted by new key, old key and next one, without repetition.
    pub succeeded: Vec<KnownSuccession>,
}

/// A `Succeed` as a plan has it: everything of its record but the network, which is the plan's. Written out, because a record
/// inside a record could hold a further one, and so on.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KnownSuccession {
    /// The key that replaces the old one; the author of the `Succeed`.
    pub by: NodeId,
    /// The member's key before.
    pub old: NodeId,
    /// The digest of the key that may replace the author's in turn.
    pub next: Option<Digest>,
    /// The author's signature.
    pub proof: Proof,
}

impl KnownSuccession {
    /// What the order in a plan goes by: two successions of one author and member are two only if their next keys differ.
    fn place(&self) -> (NodeId, NodeId, Option<Digest>) {
        (self.by, self.old, self.next)
    }
}

impl Plan {
    /// Everybody goes on from this seal, with the same roles.
    pub fn new(height: u64, seal: SealId) -> Self {
        Self {
            height,
            seal,
            without: Vec::new(),
            roles: Vec::new(),
            succeeded: Vec::new(),
        }
    }

    /// The digest by which people and endorsements name the plan. It stands in the new genesis in the place of the random bytes.
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(PLAN.hash(&codec::encode(self)))
    }

    /// Sorts the lists, and leaves out what is repeated.
    pub fn sort(&mut self) {
        self.without.sort_unstable();
        self.without.dedup();
        self.roles.sort_unstable();
        self.roles.dedup_by_key(|(node, _)| *node);
        self.succeeded.sort_by_key(KnownSuccession::place);
        self.succeeded.dedup_by_key(|it| it.place());
    }

    /// Checks everything that needs no state.
    ///
    /// # Errors
    ///
    /// [`Rejection::Malformed`] or [`Rejection::OverLimit`].
    pub fn check(&self) -> Result<(), Rejection> {
        let longest = (self.without.len()).max(self.roles.len());
        if longest.max(self.succeeded.len()) > MEMBERS_MAX {
            return Err(Rejection::OverLimit {
                what: "members in a plan",
                limit: MEMBERS_MAX,
            });
        }
        if self.height >= TIME_MS_MAX {
            return Err(Rejection::Malformed("a plan for a height beyond 2^53"));
        }
        let is_sorted = self.without.is_sorted_by(|a, b| a < b)
            && self.roles.is_sorted_by(|(a, _), (b, _)| a < b)
            && self.succeeded.is_sorted_by(|a, b| a.place() < b.place());
        if !is_sorted {
            return Err(Rejection::Malformed(
                "the lists of a plan must be sorted and without repetition",
            ));
        }
        Ok(())
    }
}
