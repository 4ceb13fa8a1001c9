//! The interface between a core and its host: inputs, and the outputs that the host must carry out.

use std::sync::Arc;

use super::endorsed::Endorsed;
use super::{Refusal, Write};
use crate::base::digest::{Digest, NodeId, OperationId, SealId};
use crate::base::rejection::Rejection;
use crate::exchange::bundle::Unsealed;
use crate::exchange::message::Message;
use crate::finality::Blame;
use crate::ledger::{Applied, Founding};
use crate::statement::operation::{Ballot, ConsensusOperation, Outcome, Priority};
use crate::statement::params::Params;
use crate::statement::record::Plan;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The number that the host gave to a connection. The core only compares these numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u64);

/// An event that the host tells the core.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Input {
    /// A person or program proposes an operation.
    Propose {
        /// The operation.
        operation: ConsensusOperation,
        /// `High` only for the Primary and Seeds.
        priority: Priority,
        /// The proposer's own ballot; `None` proposes without voting. For a standard operation the Primary's ballot becomes
        /// its directive.
        ballot: Option<Ballot>,
        /// A random number that distinguishes equal proposals.
        nonce: u64,
    },
    /// An elector votes. The core commits now, and reveals by itself when the commit is frozen.
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
        /// The reason, for people.
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
    /// The randomness for a `Rejoin`, after [`Event::JournalLost`].
    Rejoin {
        /// 32 random bytes.
        nonce: [u8; 32],
    },
    /// This node's key replaces the one of the member that names it as successor. It signs the `Succeed` that says so.
    Succeed {
        /// The digest of the key that may replace this one in turn, see [`Digest::of_successor`]; `None` for none.
        next: Option<Digest>,
    },
    /// A person declares that the union of what all others hold is this node's journal. Then it need not wait for its
    /// `Rejoin` to be sealed, which too few others may be able to do. Refused unless, since this node's start, every other
    /// member that is not banned has shown all that it holds ([`Self::Author`]). Until the present height is sealed, the node
    /// votes only in rounds above those that it was shown.
    DeclareJournal,
    /// A person endorses a plan to found the network anew ([F3]). Refused if it leaves this node out, or takes along somebody whose
    /// equivocation is proved here. Given again, it is the person's fresh word for the same plan.
    Endorse {
        /// The plan.
        plan: Plan,
        /// The network that follows from it, as [`refounded`](crate::ledger::refounded) makes it.
        founding: Box<Founding>,
        /// Whether the person knows that this replaces an endorsement of another plan, or may do so because the journal is lost
        /// ([F5]).
        is_sure: bool,
    },
    /// A person takes this node's endorsement back.
    Abandon,
    /// Another machine has proved that it runs with this node's key: this node signs nothing any more.
    TwinMet,
    /// A person says that of the two machines with this node's key this one lives. Refused until the other one has been
    /// silent for [`TWIN_SILENCE_MS`](crate::base::limits::TWIN_SILENCE_MS). Then the journal counts as lost, because the
    /// other one may have signed what it lacks.
    OutliveTwin,
    /// A peer asks whether another machine runs with this node's key (`true`), or the question is settled (`false`). In
    /// between nothing is signed. The host ends it after about a second: a peer's bare question is no proof.
    Hold(bool),
    /// Records from outside any connection: an import, a custom transport.
    Import {
        /// Canonical bytes of one record each.
        records: Vec<Vec<u8>>,
    },
    /// Sealed blocks from outside any connection, such as a [`crate::exchange::bundle`], in ascending order of heights without
    /// gaps. As with [`Self::ImportUnsealed`], they are only taken in; statements and seals that follow from them come with the
    /// next input, so that the core considers the whole import. After the last part, give [`Self::Tick`].
    ImportBlocks {
        /// Canonical bytes of one [`crate::statement::seal::SealedBlock`] each.
        blocks: Vec<Vec<u8>>,
    },
    /// Unsealed data from outside any connection: records, votes on the next seal, and its proposals with their lists. Only
    /// taken in, as with [`Self::ImportBlocks`].
    ImportUnsealed {
        /// The parts, best in the order of [`super::Core::unsealed`].
        parts: Vec<Unsealed>,
    },
    /// The author behind a connection, which it has proved. It comes before [`Self::PeerUp`]. Without it, what the peer shows
    /// does not count for [`Self::DeclareJournal`].
    Author {
        /// The connection.
        peer: PeerId,
        /// Who it is.
        author: NodeId,
    },
    /// A peer can be reached.
    PeerUp(PeerId),
    /// A peer is gone.
    PeerDown(PeerId),
    /// A message of a peer.
    Message {
        /// The peer.
        from: PeerId,
        /// The message.
        message: Message,
    },
    /// Compare the held records with a peer. The host does this now and then, and so repairs losses. It ends a running
    /// comparison; the cost depends on the difference.
    Sync(PeerId),
    /// "I give up waiting in this step" ([S3]).
    Nudge,
    /// "Do not wait for your turn" ([S11]): this node proposes the next seal in its own next round, if it may and has one that
    /// is worth it.
    Lead,
    /// Time passed.
    Tick,
}

/// A task of the host.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "outputs are consumed one by one; boxing the most frequent write would only cost"
)]
pub enum Output {
    /// Make this durable before the next outputs are done, or later if it can wait ([`Write::can_wait`]).
    Persist(Write),
    /// Send a message.
    Send {
        /// The receiver.
        to: PeerId,
        /// The message.
        message: Message,
    },
    /// Send a peer sealed blocks in one [`Message::Blocks`] ([`Message::blocks`] makes it). The peer asks for more when it has
    /// applied them, so a host needs to keep only one window per peer, and may drop one that it has not begun for a later one.
    Serve {
        /// The receiver.
        to: PeerId,
        /// The first height it lacks.
        from: u64,
        /// The bytes of blocks to send; at least one block.
        bytes: usize,
    },
    /// Disconnect a peer that sent data that no honest node sends. The preceding [`Event::Refused`] has the reason.
    Part(PeerId),
    /// Tell the users.
    Event(Event),
}

/// An event for users.
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
    /// An unsealed proposal became known: electors can already commit. Proposals that become known as sealed are in
    /// [`Applied::opened`].
    Proposed {
        /// The operation.
        operation: OperationId,
    },
    /// The reveals held decide an operation, but no seal has decided it yet.
    Tallied {
        /// The operation.
        operation: OperationId,
        /// The outcome, final if the reveals are sealed in time.
        outcome: Outcome,
    },
    /// A record was refused. Only the first refusal per input, peer and reason ([`Rejection::code`]) is reported.
    Refused {
        /// The sender; `None` for an import.
        from: Option<PeerId>,
        /// The reason.
        rejection: Rejection,
    },
    /// The journal lacks a record of this node: nothing is signed until the node has rejoined. The host answers with
    /// [`Input::Rejoin`]; if it stops before that, it gives [`Input::JournalLost`] after its next start.
    JournalLost,
    /// Another machine runs with this node's key: nothing is signed until a person says which of the two lives
    /// ([`Input::OutliveTwin`]).
    TwinMet,
    /// A member endorsed a plan to found the network anew, or took its endorsement back ([F3]).
    Endorsed {
        /// The member.
        author: NodeId,
        /// The digest of the plan; `None` for none any more.
        plan: Option<Digest>,
    },
    /// The plan that this node endorsed is in force: the node signs nothing in this network any more, and goes on in the new one
    /// ([F4]). It comes again with every start.
    Refounded {
        /// The new network.
        endorsed: Arc<Endorsed>,
    },
    /// A seal listed this node's `Rejoin`: it signs again.
    Rejoined {
        /// The height of that seal.
        height: u64,
    },
    /// Two certificates for one height: more than a third of the weight signed both.
    Forked {
        /// The height.
        height: u64,
        /// The nodes that can be shown to have caused it.
        blame: Blame,
        /// Whether this node stopped sealing because of it.
        compromised: bool,
    },
}

/// The result for a record that was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It is held now.
    New,
    /// It was already held or sealed.
    Known,
    /// It refers to unknown data. It waits, or is asked for again later. With the rejection that applies now.
    Waiting(Rejection),
}

/// The answer to an input.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// Done.
    Done,
    /// The new operation.
    Proposed(OperationId),
    /// The result for each record.
    Imported(Vec<Result<Admission, Rejection>>),
    /// The result for sealed blocks.
    Blocks {
        /// The number of blocks, from the first on, that were applied, already held, or examined because they show a fork. If
        /// it is lower than the number given, and nothing is refused, there is a fork and this node seals nothing more
        /// ([`Event::Forked`]).
        taken: usize,
        /// The number of heights applied.
        applied: u64,
        /// The rejection of the block after these.
        refused: Option<Rejection>,
    },
}

/// The answer to one input, and the tasks that follow from it.
#[derive(Debug)]
pub struct Outputs {
    /// The answer for the caller.
    pub answer: Result<Answer, Refusal>,
    /// The tasks of the host, in order. They must be done even if the answer is a refusal.
    pub list: Vec<Output>,
}

impl Outputs {
    /// The empty result, for an input that the host does not give to its core.
    pub fn nothing() -> Self {
        Self {
            answer: Ok(Answer::Done),
            list: Vec::new(),
        }
    }
}

/// How long a node gathers records and tolerates their omission. The host adapts these times to how often nodes meet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timing {
    /// A record held longer than this must be in a fresh proposal ([S6]): three step patiences.
    pub censorship_ms: u64,
    /// How long a proposer gathers records at most, from the first one on; those of high priority do not wait. 0: not at all. Less
    /// if seals are agreed fast.
    pub gather_ms: u64,
    /// The least time between a seal and this node's next proposal, for a host whose clock stands still until all nodes hold the
    /// same: then what a seal lists does not depend on who heard of it first. Else 0.
    pub apart_ms: u64,
    /// A node joins round r of a proposer that leads out of turn after it has waited r times this at the height itself ([S11]); 0
    /// joins at once. In a mesh it is the step patience: else the last in the queue could make everybody pass all rounds before.
    pub join_ms: u64,
    /// Whether the node holds records of which no seal would be worth it, while nobody has said anything at the height ([S11]): for
    /// nodes that are carried about, for which each seal costs days.
    pub holds: bool,
}

impl Timing {
    /// For hosts that nudge after the parameters' longest step patience, and so join after it: no gathering.
    pub fn of(params: &Params) -> Self {
        Self {
            censorship_ms: 3 * params.step_patience_ms,
            gather_ms: 0,
            apart_ms: 0,
            join_ms: params.step_patience_ms,
            holds: false,
        }
    }
}
