//! The transport's questions to the layer above.

use crate::base::digest::NodeId;
use crate::core::SigningState;

/// An author's relation to the network, as far as this node has applied seals.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Relation {
    /// A member that is not banned.
    Member,
    /// Excluded, but an elector of open operations: it is served until these operations close. Or a key that was replaced: it is
    /// served for another commit window, so that its node learns of it.
    Leaving,
    /// Not known: not a member yet, or no longer.
    Stranger,
    /// Banned.
    Banned,
}

/// The transport's view of the ledger. The transport's tasks ask often, so answers must not block. A panic ends only the
/// connection that asked.
pub trait Membership: Send + Sync {
    /// The relation of an author.
    fn relation(&self, author: &NodeId) -> Relation;

    /// The last sealed height.
    fn height(&self) -> u64;

    /// The node's clock: milliseconds since 1970.
    fn clock_ms(&self) -> u64;

    /// Whether the node signs, or why not.
    fn signing(&self) -> SigningState;
}
