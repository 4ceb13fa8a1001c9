//! The events that trust depends on: the lines of the table of DESIGN section 6.

use serde::{Deserialize, Serialize};

use crate::base::digest::OperationId;
use crate::statement::operation::{Ballot, Class, Outcome};

/// What a member did in one operation, or a change made to its score.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Participation {
    /// A reveal of the member was sealed. It scores nothing and is no chance. It is remembered because a member that
    /// revealed nothing in a reveal window is charged for withholding only once in it.
    Revealed,
    /// At the close: it revealed the outcome.
    Coherent,
    /// At the close: it revealed something else than the outcome of an operation of this class.
    Dissent(Class),
    /// At the close: it revealed, but there was no outcome to agree with (no quorum), or it abstained.
    Neutral,
    /// At the close: its commit was frozen and never revealed.
    Withheld {
        /// The seal time of the freeze, from which on the member could reveal.
        frozen_ms: u64,
    },
    /// At the close: it had no frozen commit (absent or late). Only operations that froze are chances.
    Missed,
    /// Two different statements of the member in one slot were sealed.
    Equivocation,
    /// A `TrustScoreModification` took effect.
    Modified {
        /// The change, in parts per million.
        delta_ppm: i32,
    },
}

impl Participation {
    /// The event of a member that revealed this ballot, in an operation of this class with this outcome: [`Self::Coherent`],
    /// [`Self::Dissent`] or [`Self::Neutral`]. A ballot that does not fit the class counts as `Abstain` (P9).
    pub fn of_ballot(class: Class, outcome: &Outcome, ballot: &Ballot) -> Self {
        match (outcome, ballot.counted_for(class)) {
            (Outcome::NoQuorum, _) | (_, Ballot::Abstain) => Self::Neutral,
            (Outcome::Decided(decided), counted) if decided == counted => Self::Coherent,
            (Outcome::Decided(_), _) => Self::Dissent(class),
        }
    }
}

/// One event of a member's history.
///
/// Records must be applied in the order of the sealed log: by height, within a seal in the order of P7, within an operation
/// by member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParticipationRecord {
    /// The height of the seal that closed the operation or listed the reveal or evidence.
    pub height: u64,
    /// That seal's time, milliseconds since 1970.
    pub time_ms: u64,
    /// The operation, if it is about one.
    pub operation: Option<OperationId>,
    /// Whether the operation scores its electors. In an unscored one (small panels, P9) only withholding and
    /// equivocation count.
    pub scored: bool,
    /// What the member did.
    pub event: Participation,
}

impl ParticipationRecord {
    /// A record about an operation that scores its electors.
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
