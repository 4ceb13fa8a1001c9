//! The history of a score: one entry per change, with its reason ([T8]).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ParticipationRecord, Standing};
use crate::base::digest::OperationId;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Why a score or a standing changed.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// Revealed the outcome.
    Coherent,
    /// Revealed another result of a claim.
    ClaimDissent,
    /// Revealed the outcomes of some items of a claim set, and other results of others.
    Mixed,
    /// Voted against the outcome of a critical operation.
    CriticalDissent,
    /// No score changed; the standing was judged by new parameters.
    Neutral,
    /// Did not reveal a frozen commit.
    Withheld,
    /// Missed more than half of the last chances to take part.
    Absent,
    /// Objected to a standard operation and was overruled.
    Overruled,
    /// Signed two different statements in one slot.
    Equivocation,
    /// The members decided to change the score.
    Modified,
    /// A key that the member had replaced signed two different statements in one slot.
    FormerKey,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Coherent => "revealed the outcome",
            Self::ClaimDissent => "revealed another result than the outcome",
            Self::Mixed => "revealed the outcomes of some items, and other results of others",
            Self::CriticalDissent => "voted otherwise than the outcome",
            Self::Neutral => "no effect on the scores, standing judged by new parameters",
            Self::Withheld => "did not reveal its commit",
            Self::Absent => "missed too many of its last chances to take part",
            Self::Overruled => "its objection was overruled",
            Self::Equivocation => "signed two different statements in one slot",
            Self::Modified => "its score was modified by decision",
            Self::FormerKey => {
                "a key that it had replaced signed two different statements in one slot"
            }
        })
    }
}

/// A change made by [`super::TrustState::apply`]: of trust, skill, standing, or several of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The reason.
    pub reason: Reason,
    /// The trust before, in parts per million.
    pub before_ppm: u32,
    /// The trust after, in parts per million.
    pub after_ppm: u32,
    /// The skill before, in parts per million.
    pub skill_before_ppm: u32,
    /// The skill after, in parts per million.
    pub skill_after_ppm: u32,
    /// The standing before.
    pub standing_before: Standing,
    /// The standing after.
    pub standing_after: Standing,
}

/// A line of a member's history as `explain` lists it.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustEntry {
    /// The height of the seal that changed it.
    pub height: u64,
    /// That seal's time, milliseconds since 1970.
    pub time_ms: u64,
    /// The operation it is about, if any.
    pub operation: Option<OperationId>,
    /// The reason.
    pub reason: Reason,
    /// The trust before, in parts per million.
    pub before_ppm: u32,
    /// The trust after, in parts per million.
    pub after_ppm: u32,
    /// The skill before, in parts per million.
    pub skill_before_ppm: u32,
    /// The skill after, in parts per million.
    pub skill_after_ppm: u32,
    /// The standing before.
    pub standing_before: Standing,
    /// The standing after.
    pub standing: Standing,
}

impl TrustEntry {
    /// The entry for a change that this record made.
    pub fn new(record: &ParticipationRecord, change: &Change) -> Self {
        Self {
            height: record.height,
            time_ms: record.time_ms,
            operation: record.operation,
            reason: change.reason,
            before_ppm: change.before_ppm,
            after_ppm: change.after_ppm,
            skill_before_ppm: change.skill_before_ppm,
            skill_after_ppm: change.skill_after_ppm,
            standing_before: change.standing_before,
            standing: change.standing_after,
        }
    }
}

impl fmt::Display for TrustEntry {
    /// For people, one line: `height 7: trust 500000 -> 510000 (+10000), skill 500000 -> 510000 (+10000), revealed the
    /// outcome, operation 01020304, active`. A score that did not change is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { height, reason, .. } = self;
        write!(f, "height {height}: ")?;
        for (score, before, after) in [
            ("trust", self.before_ppm, self.after_ppm),
            ("skill", self.skill_before_ppm, self.skill_after_ppm),
        ] {
            if before != after {
                let delta = i64::from(after) - i64::from(before);
                write!(f, "{score} {before} -> {after} ({delta:+}), ")?;
            }
        }
        write!(f, "{reason}")?;
        if let Some(operation) = self.operation {
            write!(f, ", operation {}", hex::encode(&operation.as_bytes()[..4]))?;
        }
        if self.standing == self.standing_before {
            write!(f, ", {}", self.standing)
        } else {
            write!(f, ", {} -> {}", self.standing_before, self.standing)
        }
    }
}
