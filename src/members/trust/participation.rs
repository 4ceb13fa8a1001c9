//! The events that the scores depend on ([T3]).

use serde::{Deserialize, Serialize};

use crate::base::digest::OperationId;
use crate::statement::operation::{Ballot, BallotForm, Class, Outcome};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// What a member did in one operation, or a change made to its scores.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Participation {
    /// A record of the member was sealed. It scores nothing; a member that is seen is not absent.
    Seen,
    /// A reveal of the member was sealed. It scores nothing; a member that revealed nothing in a reveal window is charged
    /// for withholding only once in it.
    Revealed,
    /// At the close: it revealed the outcome of an operation of this class.
    Coherent(Class),
    /// At the close: it revealed something else than the outcome.
    Dissent(Class),
    /// At the close: it revealed results of a claim set in which at least one item was decided.
    Answered(Marks),
    /// At the close: it revealed, but there was no outcome to agree with (no quorum), or it abstained.
    Neutral,
    /// At the close: its commit was frozen, and the reveal window passed without its reveal.
    Withheld(Class),
    /// At the close: its commit was frozen and not revealed, but the operation closed before the end of the reveal window,
    /// because the reveals of all electors with weight were there.
    Unrevealed,
    /// At the close: it had no frozen commit (absent or late).
    Missed,
    /// Its objection to a standard operation was overruled.
    Overruled,
    /// Two different statements of the member in one slot were sealed.
    Equivocation,
    /// Two different statements in one slot by a key that the member had replaced before they were sealed.
    FormerKeyEquivocation,
    /// A `TrustScoreModification` took effect.
    Modified {
        /// The change, in parts per million.
        delta_ppm: i32,
    },
    /// The parameters changed, and its standing is judged by the new ones.
    Judged,
}

/// How a member answered those items of a claim set whose outcomes had some support ([T2]), among all its items.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marks {
    /// The items of the set.
    pub items: u32,
    /// Its answers to items whose outcome was carried: they move skill.
    pub carried: Marked,
    /// Its answers to items whose outcome was seconded: right ones earn trust.
    pub seconded: Marked,
    /// Its answers to items whose outcome was backed: wrong ones cost trust.
    pub backed: Marked,
}

/// Numbers of answers.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Marked {
    /// Those that were the outcome.
    pub right: u32,
    /// The others.
    pub wrong: u32,
}

impl Marked {
    pub(crate) fn count(&mut self, is_right: bool) {
        let side = if is_right {
            &mut self.right
        } else {
            &mut self.wrong
        };
        *side += 1;
    }
}

impl Participation {
    /// The event of a member that revealed this ballot, in an operation of this class that asks one question and has this outcome:
    /// [`Self::Coherent`], [`Self::Dissent`] or [`Self::Neutral`]. A ballot that does not fit the class counts as `Abstain` ([P9]).
    pub fn of_ballot(class: Class, outcome: &Outcome, ballot: &Ballot) -> Self {
        let form = match class {
            Class::Claim => BallotForm::Result,
            Class::Critical | Class::Standard => BallotForm::Approval,
        };
        match (outcome, ballot.counted_as(form)) {
            (Outcome::NoQuorum, _) | (_, Ballot::Abstain) => Self::Neutral,
            (Outcome::Decided(decided), counted) if decided == counted => Self::Coherent(class),
            (Outcome::Decided(_), _) => Self::Dissent(class),
        }
    }
}

/// How many stood behind the outcome of an operation, and so which scores it moves ([T2]).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(clippy::struct_excessive_bools, reason = "five independent facts")]
pub struct Support {
    /// Electors with more than half of all votes revealed the outcome: agreement earns trust and a place in the row.
    pub seconded: bool,
    /// Electors with more than two thirds of all votes revealed it: dissent costs trust.
    pub backed: bool,
    /// Electors with more than half of the weight, and more than half of the electors with weight, revealed it: the answers
    /// to a claim move skill. Never in a panel that scores nobody ([P9]).
    pub carried: bool,
    /// The operation is a chance to take part ([T4]): electors with more than two thirds of all votes were frozen.
    pub chance: bool,
    /// A panel decides: trust moves for equivocation only.
    pub panel: bool,
}

impl Support {
    /// An operation in which everybody took part and agreed.
    pub const FULL: Self = Self {
        seconded: true,
        backed: true,
        carried: true,
        chance: true,
        panel: false,
    };
}

/// One event of a member's history.
///
/// Records must be applied in the order of the sealed log: by height, within a seal in the order of [P7], within an operation
/// by member.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ParticipationRecord {
    /// The height of the seal that closed the operation or listed the record or evidence.
    pub height: u64,
    /// That seal's time, milliseconds since 1970.
    pub time_ms: u64,
    /// The operation, if it is about one.
    pub operation: Option<OperationId>,
    /// The support of the operation's outcome; ignored by events without one.
    pub support: Support,
    /// What the member did.
    pub event: Participation,
}

impl ParticipationRecord {
    /// A record of an event that does not come from the outcome of an operation, so that its support does not matter.
    pub(crate) fn apart(height: u64, time_ms: u64, event: Participation) -> Self {
        Self {
            height,
            time_ms,
            operation: None,
            support: Support::FULL,
            event,
        }
    }

    /// A record about an operation in which everybody took part and agreed ([`Support::FULL`]).
    pub fn new(height: u64, time_ms: u64, operation: OperationId, event: Participation) -> Self {
        Self {
            height,
            time_ms,
            operation: Some(operation),
            support: Support::FULL,
            event,
        }
    }
}
