//! The reasons for which a statement or message of a peer is refused. A rejection is data, never a panic, and does not
//! change the state.

use crate::base::codec::CodecError;
use crate::base::digest::{NetworkId, NodeId, OperationId, RecordId};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A fault of a peer or caller, with a code that never changes its meaning.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// Longer than the limit for a record, or than another wire limit.
    #[error("too large: the limit is {limit} {what}")]
    OverLimit {
        /// The limited quantity.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// Not the canonical bytes of a record.
    #[error("not canonical: {0}")]
    NonCanonical(CodecError),
    /// Readable, but against a rule that can be judged without any state.
    #[error("malformed: {0}")]
    Malformed(&'static str),
    /// Made for another network.
    #[error("made for another network, {0}")]
    WrongNetwork(NetworkId),
    /// The author is not and was never a member.
    #[error("{0} is not a member")]
    UnknownAuthor(NodeId),
    /// The key is of small order, or no point of the curve.
    #[error("{0} is a weak key")]
    WeakKey(NodeId),
    /// The signature or its Merkle path does not verify.
    #[error("the signature of {0} does not verify")]
    BadSignature(NodeId),
    /// The author is banned, and this is not a vote in an electorate that was fixed before the ban.
    #[error("{0} is banned")]
    BannedAuthor(NodeId),
    /// The member has another key now: of this one only what it had committed to, and evidence, is taken.
    #[error("{0} is the former key of a member")]
    FormerKey(NodeId),
    /// Another key of the same member has spoken in this operation already, and a member speaks once.
    #[error("another key of {0} has made this statement already")]
    SaidByFormerKey(NodeId),
    /// The key may not replace the one that the `Succeed` names.
    #[error("{author} does not replace that key: {reason}")]
    NotASuccessor {
        /// The author of the `Succeed`.
        author: NodeId,
        /// The condition that it lacks.
        reason: &'static str,
    },
    /// Refers to an operation that is not known.
    #[error("operation {0} is not known")]
    UnknownOperation(OperationId),
    /// Refers to a seal that is not known.
    #[error("it names a seal that is not known")]
    UnknownSeal,
    /// The operation is not in a phase that takes this statement.
    #[error("operation {operation} takes no {statement} in phase {phase}")]
    WrongPhase {
        /// The operation.
        operation: OperationId,
        /// The kind of statement.
        statement: &'static str,
        /// The phase it is in.
        phase: &'static str,
    },
    /// A reveal that does not open its author's frozen commit.
    #[error("the reveal of {0} does not open its commit")]
    DoesNotOpen(NodeId),
    /// The author's role may not make this statement.
    #[error("{author} may not make this statement: {reason}")]
    WrongRole {
        /// The author.
        author: NodeId,
        /// What the statement would require.
        reason: &'static str,
    },
    /// The author is not in the electorate.
    #[error("{0} is not an elector of this operation")]
    NotAnElector(NodeId),
    /// The author does not seal at this height.
    #[error("{0} is not a sealer at this height")]
    NotASealer(NodeId),
    /// Two other bodies of the slot are already kept.
    #[error("the slot already holds two statements of {0}, which prove its equivocation")]
    SlotFull(NodeId),
    /// The author has reached its limit of open proposals.
    #[error("{author} has {limit} open proposals, the most it may have")]
    OverCap {
        /// The author.
        author: NodeId,
        /// Its limit.
        limit: usize,
    },
    /// For a height that is decided, or too far back.
    #[error("stale: height {height}, the ledger is at {at}")]
    StaleSeal {
        /// The stated height.
        height: u64,
        /// The last sealed height.
        at: u64,
    },
    /// A seal that can never follow the last one.
    #[error("impossible seal: {0}")]
    ImpossibleSeal(&'static str),
    /// The operation would have no effect, or none that makes sense.
    #[error("the operation does not apply: {0}")]
    Inapplicable(&'static str),
    /// An open claim asks exactly the same ([P1]).
    #[error("operation {0}, which is open, asks exactly the same")]
    AlreadyAsked(OperationId),
    /// The author may say this only once per window.
    #[error("too soon: once per {0}")]
    TooSoon(&'static str),
    /// The same record is already sealed.
    #[error("record {0} is already sealed")]
    AlreadySealed(RecordId),
    /// A certificate that does not prove its claim.
    #[error("the certificate proves nothing: {0}")]
    BadCertificate(&'static str),
}

impl Rejection {
    /// A code that never changes its meaning, for programs and logs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::OverLimit { .. } => "over-limit",
            Self::NonCanonical(_) => "non-canonical",
            Self::Malformed(_) => "malformed",
            Self::WrongNetwork(_) => "wrong-network",
            Self::UnknownAuthor(_) => "unknown-author",
            Self::WeakKey(_) => "weak-key",
            Self::BadSignature(_) => "bad-signature",
            Self::BannedAuthor(_) => "banned-author",
            Self::FormerKey(_) => "former-key",
            Self::SaidByFormerKey(_) => "said-by-former-key",
            Self::NotASuccessor { .. } => "not-a-successor",
            Self::UnknownOperation(_) => "unknown-operation",
            Self::UnknownSeal => "unknown-seal",
            Self::WrongPhase { .. } => "wrong-phase",
            Self::DoesNotOpen(_) => "does-not-open",
            Self::WrongRole { .. } => "wrong-role",
            Self::NotAnElector(_) => "not-an-elector",
            Self::NotASealer(_) => "not-a-sealer",
            Self::SlotFull(_) => "slot-full",
            Self::OverCap { .. } => "over-cap",
            Self::StaleSeal { .. } => "stale-seal",
            Self::ImpossibleSeal(_) => "impossible-seal",
            Self::Inapplicable(_) => "inapplicable",
            Self::AlreadyAsked(_) => "already-asked",
            Self::TooSoon(_) => "too-soon",
            Self::AlreadySealed(_) => "already-sealed",
            Self::BadCertificate(_) => "bad-certificate",
        }
    }
}

impl Rejection {
    /// Whether an honest peer can never cause this rejection, whatever it holds: the fault follows from the bytes and
    /// the network alone, and honest nodes check the same before they pass something on.
    ///
    /// All other rejections can be caused by an honest peer that is ahead, behind or on another branch. An author unknown here
    /// may have been admitted there; a certificate that proves nothing to the sealers of this branch can prove something to
    /// those of another; phases, slots, caps and roles change with every seal; and some limits depend on the records held.
    pub fn is_senders_fault(&self) -> bool {
        match self {
            Self::NonCanonical(_)
            | Self::Malformed(_)
            | Self::WrongNetwork(_)
            | Self::WeakKey(_)
            | Self::BadSignature(_) => true,
            Self::OverLimit { .. }
            | Self::UnknownAuthor(_)
            | Self::BannedAuthor(_)
            | Self::FormerKey(_)
            | Self::SaidByFormerKey(_)
            | Self::NotASuccessor { .. }
            | Self::UnknownOperation(_)
            | Self::UnknownSeal
            | Self::WrongPhase { .. }
            | Self::DoesNotOpen(_)
            | Self::WrongRole { .. }
            | Self::NotAnElector(_)
            | Self::NotASealer(_)
            | Self::SlotFull(_)
            | Self::OverCap { .. }
            | Self::StaleSeal { .. }
            | Self::ImpossibleSeal(_)
            | Self::Inapplicable(_)
            | Self::AlreadyAsked(_)
            | Self::TooSoon(_)
            | Self::AlreadySealed(_)
            | Self::BadCertificate(_) => false,
        }
    }
}

impl From<CodecError> for Rejection {
    fn from(error: CodecError) -> Self {
        match error {
            CodecError::TooLong { limit, .. } => Self::OverLimit {
                what: "bytes",
                limit,
            },
            other => Self::NonCanonical(other),
        }
    }
}
