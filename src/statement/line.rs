//! A member's line: its scores, its standing, and the times that rules need. A founding member of a network that follows another
//! brings its line along ([F2]).

mod chances;

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Error as _};

pub(crate) use chances::Chances;

use crate::base::digest::NodeId;
use crate::base::limits::{FORMER_KEYS_MAX, TIME_MS_MAX, TRUST_MAX_PPM};
use crate::base::rejection::Rejection;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// What a member counts for.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// Newly admitted: votes along without vote or weight.
    Probation,
    /// It has one vote, and weighs in claims by its skill.
    Active,
    /// Its trust fell too low: it has no vote, and weight in claims only.
    Suspended,
    /// Equivocated: trust and skill 0 for ever.
    Banned,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Probation => "probation",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Banned => "banned",
        })
    }
}

/// The scores of one member, with the parts of its past that rules need. Part of the sealed state: its encoding is canonical.
///
/// Trust and skill always stay in `0..=1_000_000`, and are 0 if the standing is `Banned`.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_field_names, reason = "units stand last in every name")]
pub struct TrustState {
    #[serde(deserialize_with = "bounded_ppm")]
    pub(crate) trust_ppm: u32,
    #[serde(deserialize_with = "bounded_ppm")]
    pub(crate) skill_ppm: u32,
    pub(crate) standing: Standing,
    /// Coherent outcomes since the last dissent or withholding ([T5]).
    pub(crate) row: u32,
    pub(crate) chances: Chances,
    /// Seal time of its last sealed record; at first the time when it joined.
    pub(crate) seen_ms: u64,
    /// Seal time of the last outcome that the row counted.
    pub(crate) row_ms: Option<u64>,
    /// Seal time of its last sealed reveal, in any operation.
    pub(crate) reveal_ms: Option<u64>,
    /// Seal time of the last charge of trust for withholding.
    pub(crate) withheld_ms: Option<u64>,
    /// Seal time of the last charge of skill for withholding.
    pub(crate) skill_withheld_ms: Option<u64>,
    /// Seal time of the last charge for absence.
    pub(crate) absence_ms: Option<u64>,
    /// Seal time of the last charge for an objection that was overruled.
    pub(crate) objection_ms: Option<u64>,
}

fn bounded_ppm<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    let ppm = u32::deserialize(deserializer)?;
    if ppm > TRUST_MAX_PPM {
        return Err(D::Error::custom("a score beyond one"));
    }
    Ok(ppm)
}

/// A key that a member replaced.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FormerKey {
    /// The key.
    pub node: NodeId,
    /// Whether an equivocation by it was sealed after it had been replaced. It costs the member its standing once.
    pub has_equivocated: bool,
}

/// What a founding member brings from the network that the new one follows ([F2]). All times are in milliseconds since 1970, at
/// most that of the seal that is followed.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FoundingLine {
    /// Trust, skill, standing, and the history that determines them.
    pub trust: TrustState,
    /// Seal time of its last `Rejoin`.
    pub rejoined_ms: Option<u64>,
    /// Seal time at which it was last moved from the front of the queue because it had led for too long.
    pub moved_ms: Option<u64>,
    /// Seal time of the last operation of its own that counted as a chance.
    pub chance_ms: Option<u64>,
    /// Seal time of its last change of key.
    pub succeeded_ms: Option<u64>,
    /// The keys that it replaced, in this order; at most 64.
    pub former: Vec<FormerKey>,
}

impl FoundingLine {
    /// Judges a line of a genesis: no banned member, no time after the genesis, no more former keys than a line can have.
    pub(crate) fn check(&self, genesis_ms: u64) -> Result<(), Rejection> {
        if self.trust.standing == Standing::Banned {
            return Err(Rejection::Malformed("a banned member founds no network"));
        }
        let times = [
            Some(self.trust.seen_ms),
            self.trust.row_ms,
            self.trust.reveal_ms,
            self.trust.withheld_ms,
            self.trust.skill_withheld_ms,
            self.trust.absence_ms,
            self.trust.objection_ms,
            self.rejoined_ms,
            self.moved_ms,
            self.chance_ms,
            self.succeeded_ms,
        ];
        let latest_ms = genesis_ms.min(TIME_MS_MAX);
        if times.iter().flatten().any(|time_ms| *time_ms > latest_ms) {
            return Err(Rejection::Malformed("a member's line knows the future"));
        }
        if self.former.len() > FORMER_KEYS_MAX {
            return Err(Rejection::OverLimit {
                what: "former keys of a member",
                limit: FORMER_KEYS_MAX,
            });
        }
        Ok(())
    }
}
