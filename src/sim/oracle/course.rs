//! The course of one operation, derived from the log each time.

use std::collections::{BTreeMap, BTreeSet};

use super::authority::{self, Authority};
use super::log::Case;
use super::roster::Electorate;
use super::window::at;
use super::{Moment, vote};
use crate::base::digest::{Commitment, NodeId};
use crate::statement::operation::{Ballot, Outcome};

/// Why an operation closed after it froze (P8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Everything frozen is revealed.
    Revealed,
    /// The electors with weight revealed, and a grace has passed.
    Grace,
    /// The reveal window has passed.
    Window,
}

/// The progress of an operation, with times.
#[derive(Debug, Clone, Default)]
pub(super) struct Course {
    /// The electorate; `None` while spore authority decides the operation.
    pub(super) electorate: Option<Electorate>,
    /// The height of the freeze and the commits it fixed.
    pub(super) frozen: Option<(u64, BTreeMap<NodeId, Commitment>)>,
    /// The ballots that were revealed.
    pub(super) revealed: BTreeMap<NodeId, Ballot>,
    /// The height of the seal that made the outcome final, and the outcome.
    pub(super) decided: Option<(u64, Outcome)>,
    /// The height of the seal that closed it.
    pub(super) closed: Option<u64>,
    /// Why it closed, if it froze.
    pub(super) end: Option<End>,
    /// Times from which the next seal changes something without any record.
    pub(super) due_ms: Vec<u64>,
}

impl Course {
    /// The course of `case` after the last of `moments`.
    pub(super) fn of(case: &Case, moments: &[Moment]) -> Self {
        if let Some(electorate) = &case.electorate {
            return vote::course(case, case.opened, electorate, moments);
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
                let electorate = Electorate::critical(&at(moments, height).before);
                if electorate.total() == 0 {
                    return Self {
                        electorate: Some(electorate),
                        decided: Some((height, Outcome::NoQuorum)),
                        closed: Some(height),
                        ..Self::default()
                    };
                }
                vote::course(case, height, &electorate, moments)
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
        } else if self.electorate.is_some() {
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
