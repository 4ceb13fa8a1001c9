//! Closed operations: their outcomes in full, and the summaries that the ledger remembers for ever.

use serde::{Deserialize, Serialize};

use crate::base::codec;
use crate::base::digest::{Digest, RESULT};
use crate::base::limits::REMEMBERED_RESULT_BYTES_MAX;
use crate::decision::open::OpenOperation;
use crate::statement::operation::{Ballot, Outcome};

/// The full outcome of a closed operation, as stores and documents keep it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closed {
    /// The outcome.
    pub outcome: Outcome,
    /// The seal that decided it.
    pub decided_height: u64,
    /// The seal that closed it.
    pub closed_height: u64,
}

/// The summary that the ledger remembers after the operation's records have gone to their document. Of a result longer than
/// [`REMEMBERED_RESULT_BYTES_MAX`] only the document has the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RememberedOperation {
    /// The outcome.
    pub outcome: RememberedOutcome,
    /// The seal that decided it.
    pub decided_height: u64,
    /// The seal that closed it.
    pub closed_height: u64,
}

/// An outcome of bounded length.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RememberedOutcome {
    /// The whole outcome.
    Whole(Outcome),
    /// Decided for a long result, or for the results of a claim set, encoded as a ballot; this is the digest in the domain
    /// [`RESULT`].
    Result(Digest),
}

impl RememberedOutcome {
    fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Decided(Ballot::Result(result))
                if result.len() > REMEMBERED_RESULT_BYTES_MAX =>
            {
                Self::Result(Digest::from_bytes(RESULT.hash(result)))
            }
            Outcome::Decided(results @ Ballot::Results(_)) => {
                Self::Result(Digest::from_bytes(RESULT.hash(&codec::encode(results))))
            }
            outcome => Self::Whole(outcome.clone()),
        }
    }
}

impl RememberedOperation {
    /// The summary of an operation that closed at this height.
    ///
    /// # Panics
    ///
    /// If it is not decided: an operation closes only when it is.
    pub fn of(operation: &OpenOperation, closed_height: u64) -> Self {
        let decision = operation.decision();
        let decision = decision.expect("an operation closes only when it is decided");
        Self {
            outcome: RememberedOutcome::of(&decision.outcome),
            decided_height: decision.height,
            closed_height,
        }
    }

    /// The outcome, if it is remembered in full.
    pub fn outcome(&self) -> Option<&Outcome> {
        match &self.outcome {
            RememberedOutcome::Whole(outcome) => Some(outcome),
            RememberedOutcome::Result(_) => None,
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
            RememberedOutcome::of(&Outcome::Decided(result))
        };
        let longest = remembered(REMEMBERED_RESULT_BYTES_MAX);
        assert!(matches!(longest, RememberedOutcome::Whole(_)));
        let longer = remembered(REMEMBERED_RESULT_BYTES_MAX + 1);
        assert!(matches!(longer, RememberedOutcome::Result(_)));
        assert_ne!(longer, remembered(REMEMBERED_RESULT_BYTES_MAX + 2));
        // The memory that a closed operation takes for ever, besides a short result.
        assert!(size_of::<(crate::base::digest::OperationId, RememberedOperation)>() <= 96);
    }
}
