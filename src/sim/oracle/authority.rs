//! Spore authority over standard operations (A1 to A4).

use std::collections::{BTreeMap, BTreeSet};

use super::Moment;
use super::log::Case;
use super::roster::Roster;
use super::window::{Window, at, latest};
use crate::base::digest::NodeId;
use crate::statement::operation::{ConsensusOperation, Spore};
use crate::statement::record::Statement;

/// The state of an operation under spore authority.
pub(super) enum Authority {
    /// No decision yet.
    Open {
        /// The time from which the next seal moves it without a record.
        due_ms: u64,
    },
    /// The Primary or the Seeds have decided.
    Decided {
        /// The height of the seal that decided it.
        height: u64,
        /// Whether they approve.
        approve: bool,
    },
    /// It became a full BFT vote.
    Fallen {
        /// The height of the seal at which it did.
        height: u64,
    },
}

/// The authors whose record is awaited, and the seal at which the wait began.
enum Stage {
    Directive {
        since: u64,
    },
    Objection {
        since: u64,
        by: NodeId,
        approve: bool,
    },
    Resolution {
        since: u64,
    },
}

/// Follows a standard operation from its opening to the last seal.
pub(super) fn follow(case: &Case, moments: &[Moment]) -> Authority {
    let mut stage = Stage::Directive { since: case.opened };
    for now in case.opened..=latest(moments) {
        let roster = &at(moments, now).before;
        if let Stage::Directive { since } = stage {
            let directive = directives(case, now).first().copied();
            if objected(case, now) || contradicted(case, now) || active_primary(roster).is_none() {
                stage = Stage::Resolution { since: now };
            } else if let Some((by, approve)) = directive {
                stage = Stage::Objection {
                    since: now,
                    by,
                    approve,
                };
            } else if primary_window(case, since).passed(moments, now) {
                stage = Stage::Resolution { since: now };
            }
        }
        if let Stage::Objection { since, by, approve } = stage {
            if objected(case, now) || contradicted(case, now) || active_primary(roster) != Some(by)
            {
                stage = Stage::Resolution { since: now };
            } else if objection_window(case, since).passed(moments, now) {
                return Authority::Decided {
                    height: now,
                    approve,
                };
            }
        }
        if let Stage::Resolution { since } = stage {
            let seeds = seeds(roster);
            if seeds.is_empty() {
                return Authority::Fallen { height: now };
            }
            if let Some(approve) = resolved(case, &seeds, now) {
                return Authority::Decided {
                    height: now,
                    approve,
                };
            }
            if resolution_window(case, since).passed(moments, now) {
                return Authority::Fallen { height: now };
            }
        }
    }
    let window = match stage {
        Stage::Directive { since } => primary_window(case, since),
        Stage::Objection { since, .. } => objection_window(case, since),
        Stage::Resolution { since } => resolution_window(case, since),
    };
    Authority::Open {
        due_ms: window.due_ms(moments),
    }
}

fn window(case: &Case, start: u64, length_ms: u64) -> Window {
    Window {
        start,
        length_ms,
        // No second step is longer than the window itself.
        second_ms: case.params.claim_grace_ms.min(length_ms),
    }
}

fn primary_window(case: &Case, start: u64) -> Window {
    window(case, start, case.params.primary_window_ms)
}

fn objection_window(case: &Case, start: u64) -> Window {
    let length_ms = match case.operation {
        ConsensusOperation::RoutineMaintenance { .. }
        | ConsensusOperation::PerformanceOptimization { .. } => 0,
        _ => case.params.objection_window_ms,
    };
    window(case, start, length_ms)
}

fn resolution_window(case: &Case, start: u64) -> Window {
    window(case, start, case.params.resolution_window_ms)
}

fn active_primary(roster: &Roster) -> Option<NodeId> {
    roster
        .iter()
        .find(|(_, member)| member.role == Spore::Primary && member.has_vote())
        .map(|(node, _)| *node)
}

/// Directives sealed up to `now`, in the order of their seals.
fn directives(case: &Case, now: u64) -> Vec<(NodeId, bool)> {
    let mut found = Vec::new();
    for record in case.records.iter().filter(|record| record.height <= now) {
        if let Statement::Directive { approve, .. } = record.what {
            found.push((record.by, approve));
        }
    }
    found
}

/// Whether one author gave two different directives.
fn contradicted(case: &Case, now: u64) -> bool {
    let directives = directives(case, now);
    directives
        .iter()
        .any(|(by, approve)| directives.contains(&(*by, !*approve)))
}

fn objected(case: &Case, now: u64) -> bool {
    case.records
        .iter()
        .any(|record| record.height <= now && matches!(record.what, Statement::Objection { .. }))
}

/// The Seeds with a vote.
fn seeds(roster: &Roster) -> BTreeSet<NodeId> {
    roster
        .iter()
        .filter(|(_, member)| member.role == Spore::Seed && member.has_vote())
        .map(|(node, _)| *node)
        .collect()
}

/// The side with more than half of the Seeds' votes. A Seed that resolved both ways counts for none.
fn resolved(case: &Case, seeds: &BTreeSet<NodeId>, now: u64) -> Option<bool> {
    let mut sides: BTreeMap<NodeId, BTreeSet<bool>> = BTreeMap::new();
    for record in case.records.iter().filter(|record| record.height <= now) {
        if let Statement::Resolution { approve, .. } = record.what {
            sides.entry(record.by).or_default().insert(approve);
        }
    }
    [true, false].into_iter().find(|side| {
        let only_this = BTreeSet::from([*side]);
        let votes = seeds
            .iter()
            .filter(|seed| sides.get(*seed) == Some(&only_this));
        2 * votes.count() > seeds.len()
    })
}
