//! The state digest of a seal and its parts ([H1]).
//!
//! Two logs only grow: the ids of all seals before, and the leaves of all decided operations ([`crate::decision::leaf`]). So from any later
//! seal a path of hashes proves an old header, operation or item.

use serde::{Deserialize, Serialize};

use super::{Held, State};
use crate::base::codec;
use crate::base::digest::{Digest, STATE, STATE_PART};
use crate::base::merkle;
use crate::statement::seal::sealers_digest;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The parts of the state digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateParts {
    /// The root of the tree over the ids of all seals before, the genesis seal first.
    pub seals: Digest,
    /// The number of decided operations.
    pub decisions: u64,
    /// The root of the tree over their leaves, by deciding seal and in the order of [P7].
    pub decided: Digest,
    /// The digest of the rest of the state.
    pub rest: Digest,
}

impl StateParts {
    /// The digest that the seal states.
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(STATE.hash(&codec::encode(self)))
    }
}

/// The state apart from the two logs.
#[derive(Serialize)]
struct Rest {
    height: u64,
    time_ms: u64,
    /// Role, scores and standing of every member.
    roster: Digest,
    /// Everything kept per member.
    members: Digest,
    /// The queue of sealers ([S5]).
    queue: Digest,
    params: Digest,
    config: Digest,
    /// The root of a Merkle tree over the operations that stay open, by id.
    open: Digest,
}

impl State {
    /// The parts of this state's digest; `roster` is that of its roster.
    pub(super) fn parts(&self, roster: Digest) -> StateParts {
        let rest = Rest {
            height: self.height,
            time_ms: self.time_ms,
            roster,
            members: self.roster.full_digest(),
            queue: self.queue_digest(),
            params: self.params.digest(),
            config: self.config.digest,
            open: self.open_root(),
        };
        StateParts {
            seals: self.seals.root(),
            decisions: self.decided.size,
            decided: self.decided.root(),
            rest: Digest::from_bytes(STATE_PART.hash(&codec::encode(&rest))),
        }
    }

    fn open_root(&self) -> Digest {
        let leaf = |held: &Held| merkle::leaf(held.digest.as_bytes());
        merkle::Tree::new(self.open.values().map(leaf).collect()).root()
    }

    fn queue_digest(&self) -> Digest {
        let queue = (self.sealers.as_ref(), self.tenure);
        Digest::from_bytes(STATE_PART.hash(&codec::encode(&queue)))
    }

    /// The digest of the sealers of the next height, as the seal states it.
    pub(super) fn sealers_digest(&self) -> Digest {
        sealers_digest(self.sealers.iter())
    }
}
