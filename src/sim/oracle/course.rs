//! The course of one operation, derived from the log each time.

use std::collections::{BTreeMap, BTreeSet};

use super::authority::{self, Authority};
use super::log::{Case, weight_of};
use super::roster::critical_electorate;
use super::window::at;
use super::{Moment, vote};
use crate::base::digest::{Commitment, NodeId};
use crate::statement::operation::{Ballot, Outcome};

/// The progress of an operation, with times.
#[derive(Debug, Clone, Default)]
pub(super) struct Course {
    /// The electorate; `None` while spore authority decides the operation.
    pub(super) electors: Option<BTreeMap<NodeId, u64>>,
    /// The height of the freeze and the commits it fixed.
    pub(super) frozen: Option<(u64, BTreeMap<NodeId, Commitment>)>,
    /// The ballots that were revealed.
    pub(super) revealed: BTreeMap<NodeId, Ballot>,
    /// The height of the seal that made the outcome final, and the outcome.
    pub(super) decided: Option<(u64, Outcome)>,
    /// The height of the seal that closed it.
    pub(super) closed: Option<u64>,
    /// Times from which the next seal changes something without any record.
    pub(super) due_ms: Vec<u64>,
}

impl Course {
    /// The course of `case` after the last of `moments`.
    pub(super) fn of(case: &Case, moments: &[Moment]) -> Self {
        if let Some(electors) = &case.electors {
            return vote::course(case, case.opened, electors, moments);
        }
        match authority::follow(case, moments) {
            Authority::Open { due_ms } => Self {
                due_ms: vec![due_ms],
                ..Self::default()
            },
            Authority::Decided { height, approve } => {
                let ballot = if approve {
                    Ballot::Approve
                } else {
                    Ballot::Reject
                };
                Self {
                    decided: Some((height, Outcome::Decided(ballot))),
                    closed: Some(height),
                    ..Self::default()
                }
            }
            Authority::Fallen { height } => {
                let electors = critical_electorate(&at(moments, height).before);
                if weight_of(&electors, electors.keys()) == 0 {
                    return Self {
                        electors: Some(electors),
                        decided: Some((height, Outcome::NoQuorum)),
                        closed: Some(height),
                        ..Self::default()
                    };
                }
                vote::course(case, height, &electors, moments)
            }
        }
    }

    pub(super) fn phase(&self) -> &'static str {
        if self.closed.is_some() {
            "closed"
        } else if self.decided.is_some() {
            "decided"
        } else if self.frozen.is_some() {
            "revealing"
        } else if self.electors.is_some() {
            "committing"
        } else {
            "authority"
        }
    }

    pub(super) fn outcome(&self) -> Option<&Outcome> {
        self.decided.as_ref().map(|(_, outcome)| outcome)
    }

    pub(super) fn decided_height(&self) -> Option<u64> {
        self.decided.as_ref().map(|(height, _)| *height)
    }

    pub(super) fn frozen_authors(&self) -> BTreeSet<NodeId> {
        let frozen = self.frozen.iter();
        frozen
            .flat_map(|(_, commits)| commits.keys())
            .copied()
            .collect()
    }
}
