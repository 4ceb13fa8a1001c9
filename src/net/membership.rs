//! What the transport asks the layer above.

use crate::base::digest::NodeId;

/// What an author is to the network, as far as this node has applied seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Relation {
    /// A member that is not banned.
    Member,
    /// Excluded, but an elector of operations that are still open: served until they close.
    Leaving,
    /// Nobody this node knows: not yet, or no longer a member.
    Stranger,
    /// Banned.
    Banned,
}

/// What the transport asks about the ledger. It is asked from the transport's tasks, often: answers must come at once. A panic in
/// it ends only the connection that asked.
pub trait Membership: Send + Sync {
    /// What this author is.
    fn relation(&self, author: &NodeId) -> Relation;

    /// The last sealed height.
    fn height(&self) -> u64;
}
