//! The statements that records carry, and their slots. An author signs one statement per slot; two different ones are
//! equivocation ([R7]).

use serde::{Deserialize, Serialize};

use super::plan::Plan;
use crate::base::digest::{Commitment, Digest, NetworkId, NodeId, OperationId, Salt, SealId};
use crate::base::limits::{
    RECORD_BYTES_MAX, ROUND_MAX, SET_RECORD_BYTES_MAX, TEXT_BYTES_MAX, TIME_MS_MAX,
};
use crate::base::rejection::Rejection;
use crate::statement::operation::{Ballot, ConsensusOperation, Priority};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// One of the eleven kinds of statement ([R5]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Statement {
    /// Puts an operation up for decision. Any member.
    Propose {
        /// What is to be decided.
        operation: ConsensusOperation,
        /// `High` only from the Primary and Seeds.
        priority: Priority,
        /// The last seal its author held.
        last: SealId,
        /// Distinguishes equal proposals; any value.
        nonce: u64,
    },
    /// Binds an elector to a ballot without showing it.
    Commit {
        /// The operation.
        operation: OperationId,
        /// The commitment, see [`crate::statement::commitment`].
        commitment: Commitment,
    },
    /// Opens a frozen commit.
    Reveal {
        /// The operation.
        operation: OperationId,
        /// The ballot that was committed.
        ballot: Ballot,
        /// The salt that was committed.
        salt: Salt,
    },
    /// The Primary's decision of a standard operation.
    Directive {
        /// The operation.
        operation: OperationId,
        /// Approve or reject.
        approve: bool,
    },
    /// A Seed's objection to a directive.
    Objection {
        /// The operation.
        operation: OperationId,
        /// The reason, for people.
        reason: String,
    },
    /// A Seed's vote on a standard operation that was objected to.
    Resolution {
        /// The operation.
        operation: OperationId,
        /// Approve or reject.
        approve: bool,
    },
    /// The round's proposer proposes the next seal.
    SealProposal {
        /// The round, from 0.
        round: u32,
        /// The proof-of-lock round, if the value comes from an earlier one.
        lock: Option<u32>,
        /// The seal.
        seal: Seal,
    },
    /// A sealer's vote.
    SealVote {
        /// The height to be decided.
        height: u64,
        /// The round.
        round: u32,
        /// Prevote or precommit.
        kind: VoteKind,
        /// The seal voted for, or nil.
        seal: Option<SealId>,
    },
    /// A member that lost its journal asks to sign again ([C3]).
    Rejoin {
        /// 32 random bytes.
        nonce: Digest,
    },
    /// Replaces a member's key. Its author is the key that the member's line names as successor.
    Succeed {
        /// The member's key so far.
        old: NodeId,
        /// The digest of the key that may replace the author's in turn, see [`Digest::of_successor`].
        next: Option<Digest>,
    },
    /// Endorses a plan to found the network anew ([F3]), or takes the author's endorsement back. Never sealed.
    Refound {
        /// The plan; `None` for none any more.
        plan: Option<Plan>,
        /// The attempt: of each author only the highest counts.
        attempt: u32,
    },
}

/// The two kinds of vote on a seal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum VoteKind {
    /// First vote: this proposal is acceptable.
    Prevote,
    /// Second vote: a quorum found it acceptable.
    Precommit,
}

/// Checkpoint `height` of the ledger ([H1]).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seal {
    /// The network.
    pub net: NetworkId,
    /// One more than the seal before; the genesis is height 0.
    pub height: u64,
    /// The seal before.
    pub prev: SealId,
    /// Milliseconds since 1970, larger than those of the seal before.
    pub time_ms: u64,
    /// The number of records it adds.
    pub count: u32,
    /// The digest of their sorted ids, see [`crate::statement::seal::list_digest`].
    pub records: Digest,
    /// The digest of the state after it.
    pub state: Digest,
    /// The digest of the roster after it.
    pub roster: Digest,
    /// The digest of the nodes that seal the next height, see [`crate::statement::seal::sealers_digest`].
    pub sealers: Digest,
    /// The round of its fresh proposal. Later rounds may propose it again.
    pub round: u32,
}

impl Seal {
    /// BLAKE3 of the canonical form.
    pub fn id(&self) -> SealId {
        SealId::from_bytes(crate::base::digest::SEAL.hash(&crate::base::codec::encode(self)))
    }
}

/// A slot of an author: it may make only one statement in each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// `Commit` to an operation.
    Commit(OperationId),
    /// `Directive` on an operation.
    Directive(OperationId),
    /// `Objection` to an operation.
    Objection(OperationId),
    /// `Resolution` of an operation.
    Resolution(OperationId),
    /// `SealProposal` of a height and round.
    Proposal(u64, u32),
    /// Prevote of a height and round.
    Prevote(u64, u32),
    /// Precommit of a height and round.
    Precommit(u64, u32),
}

impl Slot {
    /// The operation, if the slot is one of an operation.
    pub fn operation(&self) -> Option<OperationId> {
        match self {
            Self::Commit(operation)
            | Self::Directive(operation)
            | Self::Objection(operation)
            | Self::Resolution(operation) => Some(*operation),
            _ => None,
        }
    }

    /// The height, if the slot is one of the agreement on a seal.
    pub fn height(&self) -> Option<u64> {
        match self {
            Self::Proposal(height, _) | Self::Prevote(height, _) | Self::Precommit(height, _) => {
                Some(*height)
            }
            _ => None,
        }
    }
}

impl Statement {
    /// The statement's slot; `Propose`, `Reveal`, `Rejoin`, `Succeed` and `Refound` have none.
    pub fn slot(&self) -> Option<Slot> {
        match self {
            Self::Propose { .. }
            | Self::Reveal { .. }
            | Self::Rejoin { .. }
            | Self::Succeed { .. }
            | Self::Refound { .. } => None,
            Self::Commit { operation, .. } => Some(Slot::Commit(*operation)),
            Self::Directive { operation, .. } => Some(Slot::Directive(*operation)),
            Self::Objection { operation, .. } => Some(Slot::Objection(*operation)),
            Self::Resolution { operation, .. } => Some(Slot::Resolution(*operation)),
            Self::SealProposal { round, seal, .. } => Some(Slot::Proposal(seal.height, *round)),
            Self::SealVote {
                height,
                round,
                kind,
                ..
            } => Some(match kind {
                VoteKind::Prevote => Slot::Prevote(*height, *round),
                VoteKind::Precommit => Slot::Precommit(*height, *round),
            }),
        }
    }

    /// Whether it is a proposal of a seal or a vote on one.
    pub fn is_about_seals(&self) -> bool {
        matches!(self, Self::SealProposal { .. } | Self::SealVote { .. })
    }

    /// Whether it is about its author: a lost journal, or a change of key.
    pub fn is_about_author(&self) -> bool {
        matches!(self, Self::Rejoin { .. } | Self::Succeed { .. })
    }

    /// The kind's name, as in records and documents.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Propose { .. } => "propose",
            Self::Commit { .. } => "commit",
            Self::Reveal { .. } => "reveal",
            Self::Directive { .. } => "directive",
            Self::Objection { .. } => "objection",
            Self::Resolution { .. } => "resolution",
            Self::SealProposal { .. } => "seal_proposal",
            Self::SealVote { .. } => "seal_vote",
            Self::Rejoin { .. } => "rejoin",
            Self::Succeed { .. } => "succeed",
            Self::Refound { .. } => "refound",
        }
    }

    /// The position of this kind when a seal is applied ([H2]): proposals first, evidence about seals last. A `Refound` is never
    /// sealed; its position counts only where records are sent.
    pub fn rank(&self) -> u8 {
        match self {
            Self::Propose { .. } => 0,
            Self::Commit { .. } => 1,
            Self::Reveal { .. } => 2,
            Self::Directive { .. } => 3,
            Self::Objection { .. } => 4,
            Self::Resolution { .. } => 5,
            Self::Rejoin { .. } => 6,
            Self::Succeed { .. } => 7,
            Self::SealProposal { .. } => 8,
            Self::SealVote { .. } => 9,
            Self::Refound { .. } => 10,
        }
    }

    /// The operation that the statement is about; `None` for `Propose`, and for statements about seals or about the author.
    pub fn operation(&self) -> Option<OperationId> {
        match self {
            Self::Commit { operation, .. }
            | Self::Reveal { operation, .. }
            | Self::Directive { operation, .. }
            | Self::Objection { operation, .. }
            | Self::Resolution { operation, .. } => Some(*operation),
            _ => None,
        }
    }

    /// How many bytes a record of it may have, encoded.
    pub(crate) fn bytes_max(&self) -> usize {
        match self {
            Self::Propose {
                operation: ConsensusOperation::ClaimSet { .. },
                ..
            }
            | Self::Reveal {
                ballot: Ballot::Results(_),
                ..
            } => SET_RECORD_BYTES_MAX,
            _ => RECORD_BYTES_MAX,
        }
    }

    /// Checks everything that needs no state.
    ///
    /// # Errors
    ///
    /// [`Rejection::Malformed`] or [`Rejection::OverLimit`].
    pub fn check(&self) -> Result<(), Rejection> {
        match self {
            Self::Propose { operation, .. } => operation.check(),
            Self::Reveal { ballot, .. } => ballot.check(),
            Self::Objection { reason, .. } if reason.len() > TEXT_BYTES_MAX => {
                Err(Rejection::OverLimit {
                    what: "text bytes",
                    limit: TEXT_BYTES_MAX,
                })
            }
            Self::Refound {
                plan: Some(plan), ..
            } => plan.check(),
            Self::SealProposal { round, lock, seal } => {
                if *round > ROUND_MAX {
                    return Err(Rejection::Malformed("a round beyond the limit"));
                }
                if lock.is_some_and(|lock| lock >= *round) {
                    return Err(Rejection::Malformed(
                        "the proof-of-lock round is not before the round",
                    ));
                }
                if lock.map_or(seal.round != *round, |lock| seal.round > lock) {
                    return Err(Rejection::ImpossibleSeal(
                        "its round is not the one in which it was first proposed",
                    ));
                }
                if seal.height == 0 {
                    return Err(Rejection::ImpossibleSeal("height 0 is the genesis"));
                }
                if seal.height >= TIME_MS_MAX || seal.time_ms > TIME_MS_MAX {
                    return Err(Rejection::ImpossibleSeal("a height or time beyond 2^53"));
                }
                Ok(())
            }
            Self::SealVote { height, round, .. } => {
                if *round > ROUND_MAX {
                    return Err(Rejection::Malformed("a round beyond the limit"));
                }
                if *height == 0 || *height >= TIME_MS_MAX {
                    return Err(Rejection::ImpossibleSeal("a height out of range"));
                }
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
