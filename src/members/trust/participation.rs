//! What members did: the lines of the table of DESIGN section 6.

use serde::{Deserialize, Serialize};

use crate::base::digest::OperationId;
use crate::statement::operation::{Ballot, Class, Outcome};

/// What a member did in one operation, or what was done to its score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Participation {
    /// A reveal of the member was sealed. Scores nothing and is no chance; it is remembered, because withholding is
    /// charged once per reveal window for a member that revealed nothing at all in it.
    Revealed,
    /// At the close: it had revealed the outcome.
    Coherent,
    /// At the close: it had revealed something else than the outcome of an operation of this class.
    Dissent(Class),
    /// At the close: it had revealed, and there was nothing to agree with (no quorum) or it had abstained.
    Neutral,
    /// At the close: its commit was frozen and never revealed.
    Withheld {
        /// When the commits were frozen, in seal time: from then on the member could reveal.
        frozen_ms: u64,
    },
    /// At the close: it had no frozen commit (absent or late). Only operations that froze are chances.
    Missed,
    /// Two different statements of the member in one slot were sealed.
    Equivocation,
    /// A `TrustScoreModification` took effect.
    Modified {
        /// What it adds, in parts per million.
        delta_ppm: i32,
    },
}

impl Participation {
    /// What a member did that revealed this ballot, in an operation of this class with this outcome: [`Self::Coherent`],
    /// [`Self::Dissent`] or [`Self::Neutral`]. A ballot that does not fit the class counts as `Abstain` (P9).
    #[must_use]
    pub fn of_ballot(class: Class, outcome: &Outcome, ballot: &Ballot) -> Self {
        match (outcome, ballot.counted_for(class)) {
            (Outcome::NoQuorum, _) | (_, Ballot::Abstain) => Self::Neutral,
            (Outcome::Decided(decided), counted) if decided == counted => Self::Coherent,
            (Outcome::Decided(_), _) => Self::Dissent(class),
        }
    }
}

/// One line of a member's history: what it did, where and when.
///
/// Records must be applied in the order of the sealed log: by height, within a seal in the order of P7, within an operation
/// by member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParticipationRecord {
    /// The height of the seal at which it counts: where the operation closed, the reveal or the evidence was sealed.
    pub height: u64,
    /// That seal's time, milliseconds since 1970.
    pub time_ms: u64,
    /// The operation, if it is about one.
    pub operation: Option<OperationId>,
    /// Whether the operation scores its electors. If not (small panels, P9), only withholding and equivocation count.
    pub scored: bool,
    /// What the member did.
    pub event: Participation,
}

impl ParticipationRecord {
    /// A record about an operation that scores its electors.
    #[must_use]
    pub fn new(height: u64, time_ms: u64, operation: OperationId, event: Participation) -> Self {
        Self {
            height,
            time_ms,
            operation: Some(operation),
            scored: true,
            event,
        }
    }
}
