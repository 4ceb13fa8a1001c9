//! The result of a replay: the driver makes it, and the report shows it.

use std::ops::Range;

use mycnet_consensus::{Digest, NetworkId, NodeId, Spore};
use schemars::JsonSchema;
use serde::Serialize;

use super::AUTHORITIES;
use super::answers::Place;

/// A finished replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Replayed {
    /// The network that was made for it.
    pub(crate) network: NetworkId,
    /// The final outcome of each task, in the order of `Answers::tasks`.
    pub(crate) decisions: Vec<Decision>,
    /// The number of signed records: proposals, commits, reveals, seal proposals and votes.
    pub(crate) records: u64,
    /// What was asked, sealed and signed.
    pub(crate) cost: Cost,
    /// When it happened, if tasks were asked in the file's order.
    pub(crate) timeline: Option<Timeline>,
    /// The replicas of the authorities at the end, the Primary's first.
    pub(crate) replicas: [Replica; AUTHORITIES],
    /// All members with authorities, as the first replica has them, in any order.
    pub(crate) members: Vec<Member>,
}

/// What a replay costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, JsonSchema, Serialize)]
pub(crate) struct Cost {
    /// Tasks that were asked alone.
    pub(crate) single_claims: u64,
    /// Claim sets.
    pub(crate) sets: u64,
    /// Tasks in the largest of them.
    pub(crate) largest_set: u64,
    /// Records in seals: proposals, commits and reveals.
    pub(crate) sealed_records: u64,
    /// Their bytes, proofs included: what a node receives of them and keeps.
    pub(crate) sealed_bytes: u64,
    /// Signatures: one for the commits and one for the reveals of a worker between two seals, and one for each record of an authority.
    pub(crate) signatures: u64,
}

/// When tasks were decided, and when skill moved.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Timeline {
    /// Seals that decided something.
    pub(crate) moments: Vec<Moment>,
    /// The waves of each task that were decided, in the order of `Answers::tasks`.
    pub(crate) waves: Vec<Vec<WaveResult>>,
    /// In the order of their beginnings.
    pub(crate) falls: Vec<Fall>,
}

/// What a wave of answers made of its task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WaveResult {
    /// The places of its answers in `Task::answers`.
    pub(crate) answers: Range<usize>,
    /// When it was decided: a place in [`Timeline::moments`].
    pub(crate) moment: usize,
    /// Whether it could move skill: three of its workers had weight (P9).
    pub(crate) is_scored: bool,
    /// The verdict on the task from then on.
    pub(crate) verdict: Option<String>,
}

/// A seal that decided something.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub(crate) struct Moment {
    /// Its height.
    pub(crate) height: u64,
    /// The last answer that it waited for.
    #[serde(flatten)]
    pub(crate) place: Place,
    /// When that was: with a wait, when it was over, and else the time of that answer, in its milliseconds.
    #[serde(skip)]
    pub(crate) ms: Option<u64>,
}

impl Moment {
    /// How long after an answer that was, if the file has times.
    pub(crate) fn after(&self, answer: &Place) -> Option<u64> {
        let answer = answer.time.as_ref()?;
        Some(self.ms?.saturating_sub(answer.ms))
    }
}

/// A time in which a member had less skill than before.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub(crate) struct Fall {
    /// The member.
    pub(crate) name: String,
    /// When its skill fell.
    pub(crate) fell: Moment,
    /// Its skill before, in parts per million.
    pub(crate) from_ppm: u32,
    /// The least skill that it came to, in parts per million.
    pub(crate) lowest_ppm: u32,
    /// When it had as much skill as before, if it ever had.
    pub(crate) recovered: Option<Moment>,
}

/// How a task ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Decision {
    /// This answer was decided.
    Decided(String),
    /// No answer outweighed all others.
    NoQuorum,
    /// None of its workers has skill left.
    NotAsked,
}

/// A replica at the end.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub(crate) struct Replica {
    /// The authority's name.
    pub(crate) name: String,
    /// The height of its last seal.
    pub(crate) height: u64,
    /// The state after that seal.
    pub(crate) state_digest: Digest,
    /// The digest of its documents.
    pub(crate) documents_digest: Digest,
}

/// A member and its score.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub(crate) struct Member {
    /// The worker's name in the file, or the authority's name.
    pub(crate) name: String,
    /// Its key.
    pub(crate) node: NodeId,
    /// Its role: `Latent` for workers.
    pub(crate) role: Spore,
    /// How faithfully it did its part, 0..=1,000,000. Only equivocation moves it in panels.
    pub(crate) trust_ppm: u32,
    /// How often its answers were right, 0..=1,000,000: its weight.
    pub(crate) skill_ppm: u32,
    /// The name of its standing, as in documents: `active`, `suspended`, …
    pub(crate) standing: String,
    /// The changes of its scores by reason, in a fixed order.
    pub(crate) reasons: Vec<ScoreChange>,
}

/// All changes of a member's scores for one reason.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize)]
pub(crate) struct ScoreChange {
    /// The reason's name, as in documents: `coherent`, `claim_dissent`, `withheld`, …
    pub(crate) reason: String,
    /// The number of changes.
    pub(crate) times: u64,
    /// The sum of the changes of trust in parts per million.
    pub(crate) change_ppm: i64,
    /// The sum of the changes of skill in parts per million.
    pub(crate) skill_change_ppm: i64,
}
