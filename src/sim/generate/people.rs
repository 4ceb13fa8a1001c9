//! People and their habits.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::base::digest::{NetworkId, NodeId};
use crate::base::identity::{Identity, Signer as _};
use crate::statement::record::{Statement, Verified, sign};

/// The acts of a person, in percent of the occasions that each seal gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Habits {
    pub(super) commits: u32,
    pub(super) agrees: u32,
    pub(super) reveals: u32,
    pub(super) equivocates: u32,
}

const DILIGENT: Habits = habits(75, 93, 80, 0);
const LAZY: Habits = habits(25, 90, 40, 0);
const ABSENT: Habits = habits(0, 90, 50, 0);
const CONTRARY: Habits = habits(70, 15, 75, 0);
const WITHHOLDING: Habits = habits(80, 90, 4, 0);
const TWO_FACED: Habits = habits(70, 80, 70, 6);

const fn habits(commits: u32, agrees: u32, reveals: u32, equivocates: u32) -> Habits {
    Habits {
        commits,
        agrees,
        reveals,
        equivocates,
    }
}

impl Habits {
    pub(super) fn any(rng: &mut ChaCha8Rng) -> Self {
        let all = [DILIGENT, LAZY, ABSENT, CONTRARY, WITHHOLDING, TWO_FACED];
        all[rng.random_range(0..all.len())]
    }

    /// Most people are diligent.
    pub(super) fn random(rng: &mut ChaCha8Rng) -> Self {
        match rng.random_range(0..100) {
            0..64 => DILIGENT,
            64..73 => LAZY,
            73..80 => ABSENT,
            80..87 => CONTRARY,
            87..94 => WITHHOLDING,
            _ => TWO_FACED,
        }
    }
}

/// A founder, or somebody who may be admitted.
pub(super) struct Person {
    pub(super) identity: Identity,
    pub(super) id: NodeId,
    pub(super) habits: Habits,
}

impl Person {
    pub(super) fn new(label: &str, habits: Habits) -> Self {
        let identity = Identity::from_seed_label(label);
        Self {
            id: identity.node_id(),
            identity,
            habits,
        }
    }

    pub(super) fn sign(&self, net: NetworkId, statement: Statement) -> Verified {
        sign(&self.identity, net, statement).expect("a key in memory signs what is well-formed")
    }
}
