//! The state digest of a seal and its parts.

use serde::{Deserialize, Serialize};

use super::{Held, State};
use crate::base::codec;
use crate::base::digest::{Digest, HISTORY, STATE, STATE_PART};
use crate::base::merkle;
use crate::decision::open::Snapshot;
use crate::statement::seal::sealers_digest;

/// The parts of the state digest. A light client that knows them can check one part without the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateParts {
    /// The height.
    pub height: u64,
    /// The seal's time.
    pub time_ms: u64,
    /// Role, scores and standing of every member.
    pub roster: Digest,
    /// Everything kept per member.
    pub members: Digest,
    /// The queue of sealers (S5).
    pub queue: Digest,
    /// The parameters.
    pub params: Digest,
    /// The configuration map.
    pub config: Digest,
    /// The root of a Merkle tree over the operations that stay open, by id.
    pub open: Digest,
    /// The root of a Merkle tree over the operations that this seal closed, by id.
    pub closed: Digest,
    /// The running digest over all closed operations.
    pub history: Digest,
}

impl StateParts {
    /// The digest that the seal states.
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(STATE.hash(&codec::encode(self)))
    }
}

/// The proof that an operation closed at a seal with a given snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OperationProof {
    /// The parts of the closing seal's state.
    pub parts: StateParts,
    /// The operation's index among those that closed.
    pub index: u32,
    /// The number of operations that closed.
    pub size: u32,
    /// The Merkle path.
    pub path: Vec<Digest>,
}

impl OperationProof {
    /// Whether the proof leads from the snapshot to a state with this digest.
    #[must_use]
    pub fn proves(&self, snapshot: &Snapshot, state: Digest) -> bool {
        let leaf = merkle::leaf(snapshot.digest().as_bytes());
        self.parts.digest() == state
            && merkle::root_of(leaf, self.index, self.size, &self.path) == Some(self.parts.closed)
    }
}

pub(super) fn tree(held: &[Held]) -> merkle::Tree {
    let leaves = held
        .iter()
        .map(|held| merkle::leaf(held.digest.as_bytes()))
        .collect();
    merkle::Tree::new(leaves)
}

/// The root over the operations that a seal closed, by id.
pub(super) fn closed_root(closed: &[Held]) -> Digest {
    tree(closed).root()
}

impl State {
    /// The digests of this state; `closed` are the operations closed by its seal, by id.
    pub(super) fn parts(&self, closed: &[Held]) -> StateParts {
        let open: Vec<Held> = self.open.values().cloned().collect();
        StateParts {
            height: self.height,
            time_ms: self.time_ms,
            roster: self.roster.digest(),
            members: self.roster.full_digest(),
            queue: self.queue_digest(),
            params: self.params.digest(),
            config: self.config.digest,
            open: tree(&open).root(),
            closed: closed_root(closed),
            history: self.history,
        }
    }

    fn queue_digest(&self) -> Digest {
        let queue = (self.sealers.as_ref(), self.tenure);
        Digest::from_bytes(STATE_PART.hash(&codec::encode(&queue)))
    }

    /// The digest of the sealers of the next height, as the seal states it.
    pub(super) fn sealers_digest(&self) -> Digest {
        sealers_digest(self.sealers.iter().map(|(node, _)| node))
    }

    /// Adds closed operations to the running digest.
    pub(super) fn extend_history(&mut self, closed: &[Held]) {
        for held in closed {
            let next = HISTORY.hash_parts(&[self.history.as_bytes(), held.digest.as_bytes()]);
            self.history = Digest::from_bytes(next);
        }
    }
}
