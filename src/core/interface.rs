//! What a host tells a core, and what a core has its host do.

use std::sync::Arc;

use super::{Admission, Refusal, Write};
use crate::base::digest::{OperationId, SealId};
use crate::base::rejection::Rejection;
use crate::exchange::bundle::Unsealed;
use crate::exchange::message::Message;
use crate::finality::Blame;
use crate::ledger::Applied;
use crate::statement::operation::{Ballot, ConsensusOperation, Outcome, Priority};
use crate::statement::params::Params;

/// The host's number for a connection. The core only compares them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// What happens to a node.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// A person or program proposes an operation.
    Propose {
        /// What is to be decided.
        operation: ConsensusOperation,
        /// `High` only for the Primary and Seeds.
        priority: Priority,
        /// The proposer's own ballot; `None` proposes without voting. For a standard operation the Primary's ballot becomes
        /// its directive.
        ballot: Option<Ballot>,
        /// Tells equal proposals apart; random.
        nonce: u64,
    },
    /// An elector votes. It commits now, and reveals by itself when its commit is frozen.
    Vote {
        /// The operation.
        operation: OperationId,
        /// The ballot.
        ballot: Ballot,
    },
    /// The Primary decides a standard operation.
    Direct {
        /// The operation.
        operation: OperationId,
        /// Approve or reject.
        approve: bool,
    },
    /// A Seed objects to a standard operation.
    Object {
        /// The operation.
        operation: OperationId,
        /// Why, for people.
        reason: String,
    },
    /// A Seed votes on a standard operation that was objected to.
    Resolve {
        /// The operation.
        operation: OperationId,
        /// Approve or reject.
        approve: bool,
    },
    /// The host found the journal missing or stale.
    JournalLost,
    /// The randomness that a `Rejoin` takes, after [`Event::JournalLost`].
    Rejoin {
        /// 32 random bytes.
        nonce: [u8; 32],
    },
    /// A person declares that this node holds every record of its own that anybody else holds, so that it needs no longer
    /// wait for its `Rejoin` to be sealed. Refused where the others have a quorum without it, which is nearly everywhere with
    /// more than three members; if it is not true, a slot may be signed twice, and the node is banned.
    DeclareJournal,
    /// Records from outside any connection: an import, a custom transport.
    Import {
        /// Canonical bytes of one record each.
        records: Vec<Vec<u8>>,
    },
    /// Sealed blocks from outside any connection, such as a [`crate::exchange::bundle`]: in ascending order of heights without gaps. As
    /// with [`Self::ImportUnsealed`], they are only taken in: what this node says and seals because of them comes with the next
    /// input, so that it judges by all that is brought and not by its beginning. Whoever has given all gives [`Self::Tick`].
    ImportBlocks {
        /// Canonical bytes of one [`crate::statement::seal::SealedBlock`] each.
        blocks: Vec<Vec<u8>>,
    },
    /// What no seal lists yet, from outside any connection: records, votes on the next seal, and its proposals with their lists.
    /// Only taken in, as [`Self::ImportBlocks`].
    ImportUnsealed {
        /// Best in the order of [`super::Core::unsealed`].
        parts: Vec<Unsealed>,
    },
    /// A peer can be reached.
    PeerUp(PeerId),
    /// A peer is gone.
    PeerDown(PeerId),
    /// A peer said something.
    Message {
        /// Who.
        from: PeerId,
        /// What.
        message: Message,
    },
    /// Compare what is held with a peer. The host does this now and then: it repairs whatever was lost. What was under way
    /// with the peer ends; the cost follows the difference.
    Sync(PeerId),
    /// "I give up waiting in this step" (S3).
    Nudge,
    /// Time passed.
    Tick,
}

/// What the host has to do, in order.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "outputs are consumed one by one; boxing the most frequent write would only cost"
)]
pub enum Output {
    /// To be durable before the outputs after it are done.
    Persist(Write),
    /// To be sent.
    Send {
        /// To whom.
        to: PeerId,
        /// What.
        message: Message,
    },
    /// Send a peer sealed blocks in one [`Message::Blocks`] ([`Message::blocks`] makes it). It asks for more when it has
    /// applied them, so that a host need not keep more than one window per peer: one that was not begun yet may be dropped for
    /// a later one.
    Serve {
        /// To whom.
        to: PeerId,
        /// The first height it lacks.
        from: u64,
        /// Blocks for so many bytes, but at least one.
        bytes: usize,
    },
    /// Part from a peer: it sent what no honest node sends. The [`Event::Refused`] before says what.
    Part(PeerId),
    /// Something that users want to know.
    Event(Event),
}

/// What users want to know.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Event {
    /// A height was sealed.
    Sealed {
        /// The height.
        height: u64,
        /// The seal.
        seal: SealId,
        /// What it changed.
        applied: Arc<Applied>,
    },
    /// A proposal became known that no seal lists yet: who has an opinion need not wait for the seal that opens it. What
    /// becomes known as sealed only is in [`Applied::opened`].
    Proposed {
        /// The operation.
        operation: OperationId,
    },
    /// The reveals held decide an operation; the seals have yet to say so.
    Tallied {
        /// The operation.
        operation: OperationId,
        /// The outcome, final if the reveals are sealed in time.
        outcome: Outcome,
    },
    /// A record was refused. Of those that one input brings from one peer, the first is told for each reason
    /// ([`Rejection::code`]).
    Refused {
        /// Who sent it; `None` for an import.
        from: Option<PeerId>,
        /// Why.
        rejection: Rejection,
    },
    /// The journal does not know a record of this node: nothing is signed until it has rejoined. The host answers with
    /// [`Input::Rejoin`]; if it stops before it did, it gives [`Input::JournalLost`] after its next start.
    JournalLost,
    /// A seal listed this node's `Rejoin`: it signs again.
    Rejoined {
        /// The height of that seal.
        height: u64,
    },
    /// Two certificates for one height: more than a third of the weight signed both.
    Forked {
        /// The height.
        height: u64,
        /// Who can be shown to have done it.
        blame: Blame,
        /// Whether this node stopped sealing because of it.
        compromised: bool,
    },
}

/// The answer to an input.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Done.
    Done,
    /// The new operation.
    Proposed(OperationId),
    /// What became of each record.
    Imported(Vec<Result<Admission, Rejection>>),
    /// What became of sealed blocks.
    Blocks {
        /// How many, from the first on, were applied, held already, or looked at because they show a fork. Fewer than were
        /// given without a rejection: there is a fork, and nothing more is sealed here ([`Event::Forked`]).
        taken: usize,
        /// How many heights were applied.
        applied: u64,
        /// Why the one after these is refused.
        refused: Option<Rejection>,
    },
}

/// What one input leads to.
#[derive(Debug)]
pub struct Outputs {
    /// The answer to whoever asked.
    pub answer: Result<Answer, Refusal>,
    /// What the host has to do, in order. Also to be done if the answer is a refusal.
    pub list: Vec<Output>,
}

impl Outputs {
    /// For an input that a host does not give to its core.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            answer: Ok(Answer::Done),
            list: Vec::new(),
        }
    }
}

/// How patient a node is. The host adapts these to how often peers are met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A record held longer than this must be in a fresh proposal (S6). Three step patiences.
    pub censorship_ms: u64,
    /// How long a proposer gathers records since the last seal; what has high priority does not wait.
    pub gather_ms: u64,
}

impl Timing {
    /// The pace for hosts that nudge after the parameters' longest step patience, without gathering.
    #[must_use]
    pub fn of(params: &Params) -> Self {
        Self {
            censorship_ms: 3 * params.step_patience_ms,
            gather_ms: 0,
        }
    }
}
