//! What has to survive a crash (DESIGN section 8).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::journal::JournalEntry;
use crate::base::digest::{OperationId, RecordId, SealId};
use crate::ledger::{Applied, Checkpoint, StoredPast};
use crate::members::sealers::Sealers;
use crate::statement::operation::Ballot;
use crate::statement::record::{Record, Verified};
use crate::statement::seal::{SealCertificate, SealedBlock};

/// A change of what survives a crash.
///
/// Votes and lists are written for the sake of liveness: what moved a node to its round or its lock must be there after a
/// restart, or a blackout of all could leave locks behind that nobody is able to prove or to propose again.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[allow(
    clippy::large_enum_variant,
    reason = "the largest is also the most frequent; boxing it would only cost"
)]
pub enum Write {
    /// An own record, under its slot: what was signed once is never signed differently.
    Journal(JournalEntry),
    /// Own records that no rule asks for any more.
    Unjournal(Vec<RecordId>),
    /// A record that is acknowledged to whoever sent it, until a block has it.
    Record(Verified),
    /// Somebody's proposal of the next seal or vote on it, until a block of that height is written.
    Vote(Verified),
    /// What a seal lists that this node proposes or votes for, until a block of that height is written.
    List {
        /// The seal.
        seal: SealId,
        /// The ids of the records that it lists.
        list: Vec<RecordId>,
    },
    /// Records and votes that are of no more use, although no block has them.
    Forget(Vec<RecordId>),
    /// What this node wants to vote on a standard operation if it becomes a vote of all; `None`: it is taken back.
    Intent {
        /// The operation.
        operation: OperationId,
        /// The ballot.
        ballot: Option<Ballot>,
    },
    /// A person declared that the journal is complete although no seal lists these `Rejoin`s of it.
    Declared(BTreeSet<RecordId>),
    /// This node has seen a fork, and seals nothing any more until people say which branch goes on.
    Compromised,
    /// A sealed block, with what it changed. All votes and lists go, and of the records those that it has.
    Block {
        /// The block.
        block: Arc<SealedBlock>,
        /// What it changed.
        applied: Arc<Applied>,
    },
}

/// What [`Write`]s leave behind, blocks aside: what a core takes up again after a start
/// ([`Core::restore`](super::Core::restore)).
///
/// [`Saved::write`] is the meaning of each write; a store does the same on a disk.
#[derive(Debug, Clone, Default)]
pub struct Saved {
    /// Own records.
    pub journal: BTreeMap<RecordId, JournalEntry>,
    /// Records that no block has, encoded.
    pub records: BTreeMap<RecordId, Vec<u8>>,
    /// Proposals and votes of others on the next seal, encoded.
    pub votes: BTreeMap<RecordId, Vec<u8>>,
    /// What proposed seals list.
    pub lists: BTreeMap<SealId, Vec<RecordId>>,
    /// What this node wants to vote.
    pub intents: BTreeMap<OperationId, Ballot>,
    /// The `Rejoin`s that a person declared to be answered.
    pub declared: BTreeSet<RecordId>,
    /// Whether it has seen a fork.
    pub compromised: bool,
    /// Whether the journal is known to lack what this node has signed: then not even what it promised is signed at the start.
    pub journal_lost: bool,
}

/// The sealed past as a store takes a core up from it ([`Core::resume`](super::Core::resume)), without applying it again.
///
/// The records in it were verified by this node before it stored them; they are not verified again.
#[derive(Debug, Clone)]
pub struct Base {
    /// The state after some seal.
    pub checkpoint: Checkpoint,
    /// What the rules ask for of the past up to that seal.
    pub past: StoredPast,
    /// The records of the operations that are open in it.
    pub records: Vec<Record>,
    /// The last [`EVIDENCE_HEIGHTS`](crate::base::limits::EVIDENCE_HEIGHTS) heights up to that seal's, in order: late votes
    /// about them can be evidence.
    pub recent: Vec<RecentSeal>,
}

/// A sealed height of which late votes may tell something.
#[derive(Debug, Clone)]
pub struct RecentSeal {
    /// The seal.
    pub seal: SealId,
    /// Its certificate.
    pub certificate: SealCertificate,
    /// Who sealed it.
    pub sealers: Arc<Sealers>,
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
            Write::Declared(rejoins) => self.declared.clone_from(rejoins),
            Write::Compromised => self.compromised = true,
            Write::Block { block, .. } => {
                for record in &block.records {
                    self.records.remove(&record.body.id());
                }
                self.votes.clear();
                self.lists.clear();
            }
        }
    }
}
