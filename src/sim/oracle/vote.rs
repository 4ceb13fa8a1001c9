//! Commit, freeze, reveal, tally, close (P2 to P6, P8).

use std::collections::BTreeMap;

use super::Moment;
use super::course::{Course, End};
use super::log::{Case, quorum};
use super::mutation::Mutation;
use super::roster::{Electorate, Roster, Standing, within};
use super::window::{Window, at, latest, time_of};
use crate::base::digest::{Commitment, NodeId};
use crate::statement::claim_rule::ClaimRule;
use crate::statement::operation::{Ballot, Class, ConsensusOperation, Outcome};
use crate::statement::record::Statement;

type Commits = BTreeMap<NodeId, Vec<Commitment>>;

/// Follows a vote that opened at height `opened` to the last seal.
pub(super) fn course(
    case: &Case,
    opened: u64,
    electorate: &Electorate,
    moments: &[Moment],
) -> Course {
    let committing = Course {
        electorate: Some(electorate.clone()),
        ..Course::default()
    };
    let window = Window {
        start: opened,
        length_ms: case.params.commit_window_ms,
        second_ms: grace_ms(case),
    };
    let opened_ms = time_of(moments, opened);
    for now in opened..=latest(moments) {
        let commits = commits(case, now);
        let moment = at(moments, now);
        if can_freeze(
            case,
            opened_ms,
            electorate,
            &commits,
            &moment.during,
            moment.time_ms,
        ) {
            let frozen = Some((now, single_commits(&commits)));
            let revealing = Course {
                frozen,
                ..committing
            };
            return follow_reveals(case, revealing, moments);
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
    due_ms.extend(freeze_ms(case, opened_ms, electorate, moments));
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

fn quarter_ms(case: &Case) -> u64 {
    match case.mutation {
        Some(Mutation::FreezeAtOnce) => 0,
        _ => grace_ms(case).div_ceil(4),
    }
}

/// All commits sealed up to `now`, by author.
fn commits(case: &Case, now: u64) -> Commits {
    let mut commits = Commits::new();
    for record in case.records.iter().filter(|record| record.height <= now) {
        if let Statement::Commit { commitment, .. } = record.what {
            commits.entry(record.by).or_default().push(commitment);
        }
    }
    commits
}

/// The commits of the authors who made exactly one.
fn single_commits(commits: &Commits) -> BTreeMap<NodeId, Commitment> {
    let single = commits.iter().filter(|(_, made)| made.len() == 1);
    single.map(|(author, made)| (*author, made[0])).collect()
}

/// P3 at a time: a quorum of heads; everybody who is waited for, or the grace; everybody, or a quarter of it.
fn can_freeze(
    case: &Case,
    opened_ms: u64,
    electorate: &Electorate,
    commits: &Commits,
    roster: &Roster,
    now_ms: u64,
) -> bool {
    let single = single_commits(commits);
    let has_quorum = if case.mutation == Some(Mutation::FreezeByWeight) {
        quorum(electorate.weight_of(single.keys()), electorate.total())
    } else {
        let heads = electorate.heads_of(single.keys());
        quorum(heads as u128, electorate.heads() as u128)
    };
    if !has_quorum {
        return false;
    }
    let mut is_waited_for = false;
    let mut is_complete = true;
    for (node, elector) in &electorate.electors {
        let line = roster.get(node);
        let is_banned = line.is_some_and(|line| line.standing == Standing::Banned);
        if is_banned || commits.contains_key(node) {
            continue;
        }
        is_complete = false;
        let is_seen = line.is_some_and(|line| {
            within(Some(line.times.seen), now_ms, case.params.commit_window_ms)
                || case.mutation == Some(Mutation::WaitForTheUnseen)
        });
        let is_in_time = elector.weight > 0
            || now_ms < opened_ms + case.params.claim_grace_ms
            || case.mutation == Some(Mutation::WaitForTheWeightless);
        is_waited_for |= is_seen && is_in_time;
    }
    (!is_waited_for || now_ms >= opened_ms + grace_ms(case))
        && (is_complete || now_ms >= opened_ms + quarter_ms(case))
}

/// The time at which the vote would freeze if nothing more were sealed.
fn freeze_ms(
    case: &Case,
    opened_ms: u64,
    electorate: &Electorate,
    moments: &[Moment],
) -> Option<u64> {
    let commits = commits(case, latest(moments));
    let roster = &at(moments, latest(moments)).during;
    let lines = electorate.electors.keys().filter_map(|it| roster.get(it));
    let unseen = lines.map(|line| line.times.seen + case.params.commit_window_ms);
    let mut changes: Vec<u64> = [quarter_ms(case), case.params.claim_grace_ms, grace_ms(case)]
        .iter()
        .map(|after| opened_ms + after)
        .chain(unseen)
        .filter(|change| *change > time_of(moments, latest(moments)))
        .collect();
    changes.sort_unstable();
    changes
        .into_iter()
        .find(|now_ms| can_freeze(case, opened_ms, electorate, &commits, roster, *now_ms))
}

/// From the freeze on.
fn follow_reveals(case: &Case, mut course: Course, moments: &[Moment]) -> Course {
    let (Some((frozen_at, commits)), Some(electorate)) =
        (course.frozen.clone(), course.electorate.clone())
    else {
        return course;
    };
    let window = Window {
        start: frozen_at,
        length_ms: case.params.reveal_window_ms,
        second_ms: grace_ms(case),
    };
    let grace_end_ms = time_of(moments, frozen_at) + grace_ms(case);
    for now in frozen_at..=latest(moments) {
        course.revealed = reveals(case, now);
        let has_passed = window.passed(moments, now);
        if course.decided.is_none() {
            course.decided = tally(case, &course, has_passed).map(|outcome| (now, outcome));
        }
        let end = if commits.keys().all(|it| course.revealed.contains_key(it)) {
            Some(End::Revealed)
        } else if time_of(moments, now) >= grace_end_ms
            && is_revealed_by_weight(case, &course, &electorate)
        {
            Some(End::Grace)
        } else {
            has_passed.then_some(End::Window)
        };
        if course.decided.is_some() && end.is_some() {
            (course.closed, course.end) = (Some(now), end);
            return course;
        }
    }
    course.due_ms = vec![window.due_ms(moments)];
    if is_revealed_by_weight(case, &course, &electorate) {
        course.due_ms.push(grace_end_ms);
    }
    course
}

/// Whether the frozen commits of all electors with weight are revealed.
fn is_revealed_by_weight(case: &Case, course: &Course, electorate: &Electorate) -> bool {
    let authors = course.frozen_authors();
    let missing = authors
        .iter()
        .filter(|it| !course.revealed.contains_key(it));
    electorate.heads_of(missing) == 0 && case.mutation != Some(Mutation::WeightlessKeepOpen)
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

/// What a ballot says to each question of an operation: a claim set asks one per item, everything else one. An answer is
/// no `Results`; a ballot that does not fit the operation counts as `Abstain` for all of them (P9).
pub(super) fn answers(case: &Case, ballot: &Ballot) -> Vec<Ballot> {
    match &case.operation {
        ConsensusOperation::ClaimSet { items, .. } => {
            let given = match ballot {
                Ballot::Results(results) if fits_set(case, results.len(), items.len()) => results,
                _ => &Vec::new(),
            };
            let answer = |item: usize| match given.get(item) {
                Some(Some(result)) => Ballot::Result(result.clone()),
                Some(None) | None => Ballot::Abstain,
            };
            (0..items.len()).map(answer).collect()
        }
        _ => vec![counts_as(ballot, case.class)],
    }
}

fn fits_set(case: &Case, results: usize, items: usize) -> bool {
    results == items || case.mutation == Some(Mutation::OtherLengthsCount)
}

fn counts_as(ballot: &Ballot, class: Class) -> Ballot {
    let fits = match ballot {
        Ballot::Abstain => true,
        Ballot::Approve | Ballot::Reject => class != Class::Claim,
        Ballot::Result(_) => class == Class::Claim,
        Ballot::Results(_) => false,
    };
    if fits {
        ballot.clone()
    } else {
        Ballot::Abstain
    }
}

/// The weight and the number of electors with weight that revealed a value.
#[derive(Debug, Clone, Copy, Default)]
struct Share {
    weight: u128,
    heads: usize,
}

/// P5 and P6: the outcome, if the reveals give one; with `is_forfeited`, unrevealed commits weigh nothing.
fn tally(case: &Case, course: &Course, is_forfeited: bool) -> Option<Outcome> {
    let electorate = course.electorate.as_ref()?;
    let authors = course.frozen_authors();
    let hidden = authors
        .iter()
        .filter(|it| !course.revealed.contains_key(it));
    let unrevealed = if is_forfeited {
        0
    } else {
        electorate.weight_of(hidden)
    };
    let revealed = course.revealed.iter();
    let answered: Vec<(&NodeId, Vec<Ballot>)> = revealed
        .map(|(author, ballot)| (author, answers(case, ballot)))
        .collect();
    let outcome_of = |question: usize| {
        let given = answered
            .iter()
            .map(|(author, answers)| (*author, &answers[question]));
        tally_question(case, electorate, given, unrevealed)
    };
    match &case.operation {
        ConsensusOperation::ClaimSet { items, .. } => {
            let outcomes = (0..items.len()).map(outcome_of).collect();
            tally_set(case, outcomes)
        }
        _ => outcome_of(0),
    }
}

/// The outcome of one question, if the answers give one.
fn tally_question<'a>(
    case: &Case,
    electorate: &Electorate,
    given: impl Iterator<Item = (&'a NodeId, &'a Ballot)>,
    unrevealed: u128,
) -> Option<Outcome> {
    let mut shares: BTreeMap<Ballot, Share> = BTreeMap::new();
    for (author, answer) in given {
        let share = shares.entry(answer.clone()).or_default();
        share.weight += electorate.weight_of([author]);
        share.heads += electorate.heads_of([author]);
    }
    let abstained = shares.remove(&Ballot::Abstain).unwrap_or_default().weight;
    match &case.operation {
        ConsensusOperation::Claim { rule, .. } | ConsensusOperation::ClaimSet { rule, .. } => {
            let rule = rule_followed(case.mutation, *rule);
            tally_claim(&shares, rule, abstained, unrevealed, electorate.total())
        }
        _ => tally_critical(&shares, unrevealed, electorate.total()),
    }
}

/// The outcome of a claim set, once each of its items has one. If no item is decided, there is no quorum.
fn tally_set(case: &Case, outcomes: Vec<Option<Outcome>>) -> Option<Outcome> {
    let is_final = outcomes.iter().all(Option::is_some);
    let results: Vec<Option<Vec<u8>>> = outcomes
        .into_iter()
        .map(|outcome| match outcome {
            Some(Outcome::Decided(Ballot::Result(result))) => Some(result),
            _ => None,
        })
        .collect();
    let is_decided = results.iter().any(Option::is_some);
    match (is_final, is_decided) {
        (true, false) => Some(Outcome::NoQuorum),
        (false, _) if !is_decided || case.mutation != Some(Mutation::SetsAtOnce) => None,
        _ => Some(Outcome::Decided(Ballot::Results(results))),
    }
}

fn rule_followed(mutation: Option<Mutation>, rule: ClaimRule) -> ClaimRule {
    match mutation {
        Some(Mutation::FirstEdition | Mutation::PluralityOnly) => ClaimRule {
            share_ppm: 0,
            ..rule
        },
        Some(Mutation::ElectorsUncounted) => ClaimRule {
            electors: 1,
            ..rule
        },
        _ => rule,
    }
}

fn tally_critical(
    shares: &BTreeMap<Ballot, Share>,
    unrevealed: u128,
    total: u128,
) -> Option<Outcome> {
    let sides = [Ballot::Approve, Ballot::Reject];
    let weight = |side: &Ballot| shares.get(side).copied().unwrap_or_default().weight;
    if let Some(side) = sides.iter().find(|side| quorum(weight(side), total)) {
        return Some(Outcome::Decided(side.clone()));
    }
    let hopeless = sides
        .iter()
        .all(|side| !quorum(weight(side) + unrevealed, total));
    hopeless.then_some(Outcome::NoQuorum)
}

fn tally_claim(
    shares: &BTreeMap<Ballot, Share>,
    rule: ClaimRule,
    abstained: u128,
    unrevealed: u128,
    total: u128,
) -> Option<Outcome> {
    let valued: u128 = shares.values().map(|share| share.weight).sum();
    let wins = |result: &Ballot, share: &Share| {
        let is_heavy = if rule.share_ppm == 0 {
            let mut rivals = shares.iter().filter(|(rival, _)| *rival != result);
            // A result that no reveal has shown yet weighs nothing so far.
            share.weight > unrevealed
                && rivals.all(|(_, rival)| share.weight > rival.weight + unrevealed)
        } else {
            1_000_000 * share.weight > u128::from(rule.share_ppm) * (valued + unrevealed)
        };
        is_heavy && share.heads >= rule.electors as usize && 2 * (valued + abstained) > total
    };
    let winner = shares.iter().find(|(result, share)| wins(result, share));
    match winner {
        Some((result, _)) => Some(Outcome::Decided(result.clone())),
        None => (unrevealed == 0).then_some(Outcome::NoQuorum),
    }
}
