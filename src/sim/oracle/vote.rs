//! Commit, freeze, reveal, tally (P2 to P6, P8).

use std::collections::BTreeMap;

use super::Moment;
use super::course::Course;
use super::log::{Case, quorum, weight_of};
use super::window::{Window, at, latest, time_of};
use crate::base::digest::{Commitment, NodeId};
use crate::statement::operation::{Ballot, Class, Outcome};
use crate::statement::record::Statement;

/// Follows a vote that opened at height `opened` to the last seal.
pub(super) fn course(
    case: &Case,
    opened: u64,
    electors: &BTreeMap<NodeId, u64>,
    moments: &[Moment],
) -> Course {
    let committing = Course {
        electors: Some(electors.clone()),
        ..Course::default()
    };
    let window = Window {
        start: opened,
        length_ms: case.params.commit_window_ms,
        grace_ms: grace_ms(case),
    };
    for now in opened..=latest(moments) {
        if can_freeze(case, opened, electors, moments, now) {
            let frozen = Some((now, single_commits(case, now)));
            return follow_reveals(
                case,
                Course {
                    frozen,
                    ..committing
                },
                moments,
            );
        }
        if window.passed(moments, now) {
            return Course {
                decided: Some((now, Outcome::NoQuorum)),
                closed: Some(now),
                ..committing
            };
        }
    }
    let mut due_ms = vec![window.due_ms(moments)];
    if has_quorum(case, electors, latest(moments)) {
        due_ms.push(time_of(moments, opened) + grace_ms(case));
    }
    Course {
        due_ms,
        ..committing
    }
}

/// The commit grace of the operation's class; an operation that fell back from spore authority is voted on as critical.
fn grace_ms(case: &Case) -> u64 {
    match case.class {
        Class::Claim => case.params.claim_grace_ms,
        Class::Critical | Class::Standard => case.params.critical_grace_ms,
    }
}

/// All commits sealed up to `now`, by author.
fn commits(case: &Case, now: u64) -> BTreeMap<NodeId, Vec<Commitment>> {
    let mut commits: BTreeMap<NodeId, Vec<Commitment>> = BTreeMap::new();
    for record in case.records.iter().filter(|record| record.height <= now) {
        if let Statement::Commit { commitment, .. } = record.what {
            commits.entry(record.by).or_default().push(commitment);
        }
    }
    commits
}

/// The commits of the authors who made exactly one.
fn single_commits(case: &Case, now: u64) -> BTreeMap<NodeId, Commitment> {
    commits(case, now)
        .into_iter()
        .filter(|(_, commits)| commits.len() == 1)
        .map(|(author, commits)| (author, commits[0]))
        .collect()
}

fn has_quorum(case: &Case, electors: &BTreeMap<NodeId, u64>, now: u64) -> bool {
    let committed = weight_of(electors, single_commits(case, now).keys());
    quorum(committed, weight_of(electors, electors.keys()))
}

/// P3: a quorum committed, and either all electors with weight did or the grace has passed.
fn can_freeze(
    case: &Case,
    opened: u64,
    electors: &BTreeMap<NodeId, u64>,
    moments: &[Moment],
    now: u64,
) -> bool {
    let commits = commits(case, now);
    let banned = &at(moments, now).banned;
    let all_committed = electors.iter().all(|(elector, weight)| {
        *weight == 0 || banned.contains(elector) || commits.contains_key(elector)
    });
    let grace_passed = time_of(moments, now) >= time_of(moments, opened) + grace_ms(case);
    has_quorum(case, electors, now) && (all_committed || grace_passed)
}

/// From the freeze on.
fn follow_reveals(case: &Case, mut course: Course, moments: &[Moment]) -> Course {
    let Some((frozen_at, commits)) = course.frozen.clone() else {
        return course;
    };
    let window = Window {
        start: frozen_at,
        length_ms: case.params.reveal_window_ms,
        grace_ms: grace_ms(case),
    };
    for now in frozen_at..=latest(moments) {
        course.revealed = reveals(case, now);
        let forfeited = window.passed(moments, now);
        if course.decided.is_none() {
            course.decided = tally(case, &course, forfeited).map(|outcome| (now, outcome));
        }
        let all_revealed = commits.keys().all(|a| course.revealed.contains_key(a));
        if course.decided.is_some() && (all_revealed || forfeited) {
            course.closed = Some(now);
            return course;
        }
    }
    course.due_ms = vec![window.due_ms(moments)];
    course
}

/// The ballots revealed up to `now`. Each reveal in the log opened a frozen commit.
fn reveals(case: &Case, now: u64) -> BTreeMap<NodeId, Ballot> {
    let mut reveals = BTreeMap::new();
    for record in case.records.iter().filter(|record| record.height <= now) {
        if let Statement::Reveal { ballot, .. } = &record.what {
            reveals.insert(record.by, ballot.clone());
        }
    }
    reveals
}

/// P9: a ballot that does not fit the class counts as `Abstain`.
pub(super) fn counts_as(ballot: &Ballot, class: Class) -> Ballot {
    let fits = match ballot {
        Ballot::Abstain => true,
        Ballot::Approve | Ballot::Reject => class != Class::Claim,
        Ballot::Result(_) => class == Class::Claim,
    };
    if fits {
        ballot.clone()
    } else {
        Ballot::Abstain
    }
}

/// P5 and P6: the outcome, if the reveals give one; with `forfeited`, unrevealed commits weigh nothing.
fn tally(case: &Case, course: &Course, forfeited: bool) -> Option<Outcome> {
    let electors = course.electors.as_ref()?;
    let (_, commits) = course.frozen.as_ref()?;
    let total = weight_of(electors, electors.keys());
    let revealed = weight_of(electors, course.revealed.keys());
    let unrevealed = if forfeited {
        0
    } else {
        weight_of(electors, commits.keys()) - revealed
    };
    let mut weights: BTreeMap<Ballot, u128> = BTreeMap::new();
    for (author, ballot) in &course.revealed {
        let weight = weight_of(electors, [author].into_iter());
        *weights.entry(counts_as(ballot, case.class)).or_default() += weight;
    }
    weights.remove(&Ballot::Abstain);
    if case.class == Class::Claim {
        tally_claim(&weights, revealed, unrevealed, total)
    } else {
        tally_critical(&weights, unrevealed, total)
    }
}

fn tally_critical(
    weights: &BTreeMap<Ballot, u128>,
    unrevealed: u128,
    total: u128,
) -> Option<Outcome> {
    let sides = [Ballot::Approve, Ballot::Reject];
    let weight = |side: &Ballot| weights.get(side).copied().unwrap_or(0);
    if let Some(side) = sides.iter().find(|side| quorum(weight(side), total)) {
        return Some(Outcome::Decided(side.clone()));
    }
    let hopeless = sides
        .iter()
        .all(|side| !quorum(weight(side) + unrevealed, total));
    hopeless.then_some(Outcome::NoQuorum)
}

fn tally_claim(
    weights: &BTreeMap<Ballot, u128>,
    revealed: u128,
    unrevealed: u128,
    total: u128,
) -> Option<Outcome> {
    let winner = weights.iter().find(|(result, weight)| {
        let rivals = weights.iter().filter(|(rival, _)| rival != result);
        let beats_seen = rivals
            .into_iter()
            .all(|(_, rival_weight)| **weight > rival_weight + unrevealed);
        // A result that no reveal has shown yet weighs nothing so far.
        beats_seen && **weight > unrevealed
    });
    match winner {
        Some((result, _)) if 2 * revealed > total => Some(Outcome::Decided(result.clone())),
        _ if unrevealed == 0 => Some(Outcome::NoQuorum),
        _ => None,
    }
}
