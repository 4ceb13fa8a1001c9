//! The data that must survive a crash ([C2], [C5]).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::endorsed::Endorsed;
use super::journal::JournalEntry;
use crate::base::digest::{OperationId, RecordId, SealId};
use crate::ledger::{Applied, Checkpoint, StoredPast};
use crate::members::sealers::Sealers;
use crate::statement::operation::Ballot;
use crate::statement::record::{Record, Verified};
use crate::statement::seal::{SealCertificate, SealedBlock};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A change of the data that survives a crash.
///
/// Votes and lists are written for liveness: the records that moved a node to its round or lock must be there after a restart.
/// Otherwise a blackout of all nodes could leave locks that no node can prove or propose again.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "the largest is also the most frequent; boxing it would only cost"
)]
pub enum Write {
    /// An own record, under its slot, so that the slot is never signed differently.
    Journal(JournalEntry),
    /// Own records that no rule needs any more.
    Unjournal(Vec<RecordId>),
    /// A record of another node, until a block has it.
    Record(Verified),
    /// A proposal of the next seal or a vote on it by another node, until a block of that height is written.
    Vote(Verified),
    /// The list of a seal that this node proposes or votes for, until a block of that height is written.
    List {
        /// The seal.
        seal: SealId,
        /// The ids of the records that it lists.
        list: Vec<RecordId>,
    },
    /// Records and votes that have no further use and are in no block.
    Forget(Vec<RecordId>),
    /// This node's ballot for a standard operation, in case it becomes a full BFT vote; `None` takes it back.
    Intent {
        /// The operation.
        operation: OperationId,
        /// The ballot.
        ballot: Option<Ballot>,
    },
    /// A person declared the journal complete although no seal lists its `Rejoin`s.
    Declared(Declared),
    /// Whether another machine runs with this node's key.
    Twin(bool),
    /// The plan to found the network anew that this node's person endorsed, and whether it is in force; `None` takes it back.
    Endorsed(Option<Arc<Endorsed>>),
    /// This node has seen a fork, and seals nothing until people choose the branch.
    Compromised,
    /// A sealed block, with its changes. Removes all votes and lists, and the records in the block.
    Block {
        /// The block.
        block: Arc<SealedBlock>,
        /// The changes made by it.
        applied: Arc<Applied>,
    },
}

/// A person's declaration that the journal is complete.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// The `Rejoin`s of the journal that need no seal any more.
    pub rejoins: BTreeSet<RecordId>,
    /// The height that was being sealed.
    pub height: u64,
    /// The first round of that height in which this node votes.
    pub round: u32,
}

/// The data left by [`Write`]s, except blocks. A core takes it up after a start ([`Core::restore`](super::Core::restore)).
///
/// [`Saved::write`] defines each write; a store does the same on a disk.
#[derive(Debug, Clone, Default)]
pub struct Saved {
    /// Own records.
    pub journal: BTreeMap<RecordId, JournalEntry>,
    /// Records that no block has, encoded.
    pub records: BTreeMap<RecordId, Vec<u8>>,
    /// Proposals and votes of others on the next seal, encoded.
    pub votes: BTreeMap<RecordId, Vec<u8>>,
    /// The lists of proposed seals.
    pub lists: BTreeMap<SealId, Vec<RecordId>>,
    /// This node's ballots for operations that do not take commits yet.
    pub intents: BTreeMap<OperationId, Ballot>,
    /// The last declaration of a person that the journal is complete.
    pub declared: Declared,
    /// Whether another machine runs with this node's key: then nothing is signed.
    pub twin: bool,
    /// The plan to found the network anew that this node's person endorsed.
    pub endorsed: Option<Endorsed>,
    /// Whether this node has seen a fork.
    pub compromised: bool,
    /// Whether the journal is known to lack records of this node: then it signs nothing at the start, not even promised
    /// reveals.
    pub journal_lost: bool,
}

/// The sealed past in the form from which a core continues ([`Core::resume`](super::Core::resume)), without applying it again.
///
/// This node verified the records in it before it stored them; they are not verified again.
#[derive(Debug, Clone)]
pub struct Base {
    /// The state after some seal.
    pub checkpoint: Checkpoint,
    /// The parts of the past up to that seal that rules need.
    pub past: StoredPast,
    /// The records of the operations that are open in it.
    pub records: Vec<Record>,
    /// The last [`EVIDENCE_HEIGHTS`](crate::base::limits::EVIDENCE_HEIGHTS) heights up to that seal's, in order: late votes
    /// about them can be evidence.
    pub recent: Vec<RecentSeal>,
}

/// A sealed height for which late votes can be evidence.
#[derive(Debug, Clone)]
pub struct RecentSeal {
    /// The seal.
    pub seal: SealId,
    /// Its certificate.
    pub certificate: SealCertificate,
    /// Its sealers.
    pub sealers: Arc<Sealers>,
}

impl Write {
    /// Whether the write need not be durable before this node's outputs are done, only before the next write that cannot wait: it
    /// keeps what others said, which they show again after a crash, or removes something.
    ///
    /// So a crash leaves a node as it was after an earlier input, since which it has said nothing of its own and applied no block. To
    /// all others it looks like a node that their last messages did not reach. And what moved it to a vote is there with the vote.
    pub fn can_wait(&self) -> bool {
        match self {
            Self::Record(_)
            | Self::Vote(_)
            | Self::List { .. }
            | Self::Forget(_)
            | Self::Unjournal(_) => true,
            Self::Journal(_)
            | Self::Intent { .. }
            | Self::Declared(_)
            | Self::Twin(_)
            | Self::Endorsed(_)
            | Self::Compromised
            | Self::Block { .. } => false,
        }
    }
}

impl Saved {
    /// Takes in one write.
    pub fn write(&mut self, write: &Write) {
        match write {
            Write::Journal(entry) => {
                self.journal.insert(entry.record.body.id(), entry.clone());
            }
            Write::Unjournal(ids) => {
                for id in ids {
                    self.journal.remove(id);
                }
            }
            Write::Record(record) => {
                self.records.insert(record.id(), record.encode());
            }
            Write::Vote(record) => {
                self.votes.insert(record.id(), record.encode());
            }
            Write::List { seal, list } => {
                self.lists.insert(*seal, list.clone());
            }
            Write::Forget(ids) => {
                for id in ids {
                    self.records.remove(id);
                    self.votes.remove(id);
                }
            }
            Write::Intent { operation, ballot } => match ballot {
                Some(ballot) => {
                    self.intents.insert(*operation, ballot.clone());
                }
                None => {
                    self.intents.remove(operation);
                }
            },
            Write::Declared(declared) => self.declared.clone_from(declared),
            Write::Twin(is_there) => self.twin = *is_there,
            Write::Endorsed(own) => self.endorsed = own.as_deref().cloned(),
            Write::Compromised => self.compromised = true,
            Write::Block { applied, .. } => {
                for id in &applied.records {
                    self.records.remove(id);
                }
                self.votes.clear();
                self.lists.clear();
            }
        }
    }
}
