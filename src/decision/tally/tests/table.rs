//! P5 case by case. `yes` and `no` stand for `Approve` and `Reject`, `-` for `Abstain`, any other word is a result.

use super::super::*;

/// The case; the reveals, each a word and its weight; the unrevealed weight; the weight without a frozen commit; and the
/// decided word, `none` without a quorum, or `open` while that can change.
type Row = (
    &'static str,
    &'static [(&'static str, u64)],
    u64,
    u64,
    &'static str,
);

fn ballot(word: &str) -> Ballot {
    match word {
        "yes" => Ballot::Approve,
        "no" => Ballot::Reject,
        "-" => Ballot::Abstain,
        text => Ballot::Result(text.into()),
    }
}

fn outcome(word: &str) -> Option<Outcome> {
    match word {
        "open" => None,
        "none" => Some(Outcome::NoQuorum),
        decided => Some(Outcome::Decided(ballot(decided))),
    }
}

/// `None` stands for a critical operation.
type By = Option<ClaimRule>;

const CRITICAL: By = None;
const PLURALITY: By = Some(ClaimRule::PLURALITY);
const MAJORITY: By = Some(ClaimRule::MAJORITY);
const TWO_THIRDS_AND_TWO: By = Some(ClaimRule {
    share_ppm: 666_667,
    electors: 2,
});

fn tally(by: By, (_, reveals, unrevealed, absent, _): Row) -> Tally {
    let frozen = reveals.iter().map(|(_, weight)| weight).sum::<u64>() + unrevealed;
    let mut tally = match by {
        None => Tally::critical(frozen + absent, frozen),
        Some(rule) => Tally::claim(rule, frozen + absent, frozen),
    };
    for (word, weight) in reveals {
        tally.reveal(*weight, &ballot(word));
    }
    tally
}

fn check(by: By, rows: &[Row]) {
    for row in rows {
        let (desc, _, unrevealed, _, expected) = *row;
        let tally = tally(by, *row);
        assert_eq!(tally.unrevealed(), unrevealed, "{desc}");
        assert_eq!(tally.outcome(), outcome(expected), "{desc}");
    }
}

const THIRD: u64 = u64::MAX / 3;
const HALF: u64 = u64::MAX / 2;

#[test]
fn critical_operations_need_more_than_two_thirds_of_all() {
    let rows: &[Row] = &[
        ("nothing yet", &[], 7, 2, "open"),
        (
            "two thirds exactly, more may come",
            &[("yes", 6)],
            1,
            2,
            "open",
        ),
        (
            "two thirds exactly, for good",
            &[("yes", 6), ("no", 1)],
            0,
            2,
            "none",
        ),
        ("one more", &[("yes", 7)], 0, 2, "yes"),
        (
            "decided while some are unrevealed",
            &[("yes", 7)],
            2,
            0,
            "yes",
        ),
        ("rejected", &[("yes", 1), ("no", 7)], 0, 2, "no"),
        (
            "neither can get there",
            &[("yes", 3), ("no", 3)],
            2,
            1,
            "none",
        ),
        (
            "one can reach exactly two thirds",
            &[("yes", 3), ("no", 3)],
            3,
            0,
            "none",
        ),
        ("one still can", &[("yes", 4), ("no", 2)], 3, 0, "open"),
        (
            "abstentions are for nobody",
            &[("yes", 6), ("-", 3)],
            0,
            0,
            "none",
        ),
        ("a result does not fit", &[("a", 9)], 0, 0, "none"),
        ("nobody has weight", &[("yes", 0)], 0, 0, "none"),
        (
            "two thirds of the largest weight",
            &[("yes", 2 * THIRD)],
            THIRD,
            0,
            "open",
        ),
        (
            "all of the largest weight",
            &[("yes", u64::MAX)],
            0,
            0,
            "yes",
        ),
    ];
    check(CRITICAL, rows);
}

#[test]
fn claims_go_to_what_none_can_overtake() {
    let rows: &[Row] = &[
        ("nothing yet", &[], 7, 3, "open"),
        ("as much as may still come", &[("a", 5)], 5, 0, "open"),
        ("more than may still come", &[("a", 6)], 5, 0, "a"),
        (
            "out of the second's reach",
            &[("a", 6), ("b", 3)],
            2,
            0,
            "a",
        ),
        (
            "the second can draw level",
            &[("a", 6), ("b", 3)],
            3,
            0,
            "open",
        ),
        ("not yet a majority", &[("a", 4)], 3, 3, "open"),
        ("a tie", &[("a", 5), ("b", 5)], 0, 0, "none"),
        ("half is no majority", &[("a", 5)], 0, 5, "none"),
        ("more than half", &[("a", 5)], 0, 4, "a"),
        (
            "abstentions count as revealed",
            &[("a", 2), ("-", 3)],
            0,
            4,
            "a",
        ),
        ("and so do misfits", &[("a", 2), ("yes", 3)], 0, 4, "a"),
        ("only abstentions", &[("-", 5)], 0, 4, "none"),
        (
            "a shadow vote weighs nothing",
            &[("a", 0), ("-", 5)],
            0,
            0,
            "none",
        ),
        (
            "a draw, then one for the smaller",
            &[("a", 4), ("b", 4), ("a", 1)],
            0,
            0,
            "a",
        ),
        (
            "a draw, then one for the larger",
            &[("b", 4), ("a", 4), ("b", 1)],
            0,
            0,
            "b",
        ),
        (
            "a third overtakes both",
            &[("a", 3), ("b", 3), ("c", 4)],
            0,
            0,
            "c",
        ),
        (
            "nothing beats the former leader",
            &[("a", 3), ("b", 4), ("c", 3)],
            1,
            0,
            "open",
        ),
        (
            "half of the largest weight",
            &[("a", HALF)],
            HALF,
            1,
            "open",
        ),
        ("all of the largest weight", &[("a", u64::MAX)], 0, 0, "a"),
    ];
    check(PLURALITY, rows);
}

#[test]
fn claims_by_a_share_count_what_was_not_an_abstention() {
    let rows: &[Row] = &[
        ("nothing yet", &[], 7, 3, "open"),
        ("half of what may come", &[("a", 5)], 5, 0, "open"),
        ("more than half of it", &[("a", 6)], 5, 0, "a"),
        (
            "half, and all is there",
            &[("a", 5), ("b", 3), ("c", 2)],
            0,
            0,
            "none",
        ),
        (
            "the most is not enough",
            &[("a", 4), ("b", 3), ("c", 3)],
            0,
            0,
            "none",
        ),
        ("more than half", &[("a", 6), ("b", 3), ("c", 2)], 0, 0, "a"),
        (
            "abstentions are for no value",
            &[("a", 3), ("b", 2), ("-", 4)],
            0,
            0,
            "a",
        ),
        ("but they are answers", &[("a", 3), ("-", 4)], 0, 6, "a"),
        ("too few answers", &[("a", 3), ("-", 3)], 0, 6, "none"),
        ("all of the largest weight", &[("a", u64::MAX)], 0, 0, "a"),
    ];
    check(MAJORITY, rows);
}

#[test]
fn claims_may_ask_for_electors() {
    let rows: &[Row] = &[
        ("one alone", &[("a", 9)], 0, 0, "none"),
        ("one alone, more may come", &[("a", 9)], 1, 0, "open"),
        ("two", &[("a", 8), ("a", 1)], 0, 0, "a"),
        (
            "a shadow vote is no second",
            &[("a", 9), ("a", 0)],
            0,
            0,
            "none",
        ),
        (
            "two thirds of the weight",
            &[("a", 3), ("a", 3), ("b", 3)],
            0,
            0,
            "none",
        ),
        (
            "more than two thirds",
            &[("a", 4), ("a", 3), ("b", 3)],
            0,
            0,
            "a",
        ),
    ];
    check(TWO_THIRDS_AND_TWO, rows);
}

#[test]
fn what_is_not_revealed_in_time_is_forfeited() {
    let claim: &[Row] = &[
        ("enough of a claim", &[("a", 6), ("b", 4)], 9, 0, "a"),
        ("too little of a claim", &[("a", 6)], 9, 0, "none"),
        ("a tie of a claim", &[("a", 5), ("b", 5)], 1, 0, "none"),
    ];
    let critical: &[Row] = &[
        ("too little of a critical vote", &[("yes", 6)], 9, 0, "none"),
        ("two thirds of a critical vote", &[("yes", 6)], 3, 0, "none"),
    ];
    for (by, rows) in [(PLURALITY, claim), (MAJORITY, claim), (CRITICAL, critical)] {
        for row in rows {
            let tally = tally(by, *row);
            assert_eq!(tally.outcome(), None, "{}", row.0);
            assert_eq!(Some(tally.forfeited()), outcome(row.4), "{}", row.0);
        }
    }
}

#[test]
#[should_panic(expected = "each frozen commit is revealed once")]
fn a_reveal_of_what_is_not_frozen_is_a_broken_invariant() {
    let mut tally = Tally::critical(9, 7);
    tally.reveal(7, &Ballot::Approve);
    tally.reveal(1, &Ballot::Approve);
}
