//! How operations ended, as the ledger remembers it.

use serde::{Deserialize, Serialize};

use crate::base::digest::{Digest, RESULT};
use crate::base::limits::REMEMBERED_RESULT_BYTES_MAX;
use crate::decision::open::OpenOperation;
use crate::statement::operation::{Ballot, Outcome};

/// How an operation ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The outcome.
    pub outcome: Outcome,
    /// The seal that decided it.
    pub decided_height: u64,
    /// The seal that closed it.
    pub closed_height: u64,
}

/// How an operation ended, as the ledger remembers it for ever after its records have gone to their document: a result that is
/// longer than [`REMEMBERED_RESULT_BYTES_MAX`] stands there only.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClosedSummary {
    /// The outcome.
    pub outcome: OutcomeSummary,
    /// The seal that decided it.
    pub decided_height: u64,
    /// The seal that closed it.
    pub closed_height: u64,
}

/// An outcome of bounded length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutcomeSummary {
    /// As it is.
    Whole(Outcome),
    /// Decided for a long result, of which this is the digest in the domain [`RESULT`].
    Result(Digest),
}

impl OutcomeSummary {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Decided(Ballot::Result(result))
                if result.len() > REMEMBERED_RESULT_BYTES_MAX =>
            {
                Self::Result(Digest::from_bytes(RESULT.hash(result)))
            }
            outcome => Self::Whole(outcome.clone()),
        }
    }
}

impl ClosedSummary {
    /// How an operation ended that closed at this height.
    ///
    /// # Panics
    ///
    /// If it is not decided: an operation closes only when it is.
    #[must_use]
    pub fn of(operation: &OpenOperation, closed_height: u64) -> Self {
        let decision = operation.decision();
        let decision = decision.expect("an operation closes only when it is decided");
        Self {
            outcome: OutcomeSummary::of(&decision.outcome),
            decided_height: decision.height,
            closed_height,
        }
    }

    /// The outcome, if it is remembered as it is.
    #[must_use]
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.outcome {
            OutcomeSummary::Whole(outcome) => Some(outcome),
            OutcomeSummary::Result(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_results_are_remembered_by_their_digest() {
        let remembered = |length: usize| {
            let result = Ballot::Result(vec![1; length]);
            OutcomeSummary::of(&Outcome::Decided(result))
        };
        let longest = remembered(REMEMBERED_RESULT_BYTES_MAX);
        assert!(matches!(longest, OutcomeSummary::Whole(_)));
        let longer = remembered(REMEMBERED_RESULT_BYTES_MAX + 1);
        assert!(matches!(longer, OutcomeSummary::Result(_)));
        assert_ne!(longer, remembered(REMEMBERED_RESULT_BYTES_MAX + 2));
        // What a closed operation takes of memory for ever, besides the results that are as they are.
        assert!(size_of::<(crate::base::digest::OperationId, ClosedSummary)>() <= 96);
    }
}
