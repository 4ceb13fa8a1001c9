//! The table of T3, line by line.

use super::*;
use crate::statement::operation::{Ballot, Class, Outcome};

const COHERENT: Participation = Participation::Coherent;
const CLAIM_DISSENT: Participation = Participation::Dissent(Class::Claim);
const CRITICAL_DISSENT: Participation = Participation::Dissent(Class::Critical);
const WITHHELD: Participation = Participation::Withheld { frozen_ms: 1 };

#[test]
fn each_line_of_the_table() {
    for (event, before_ppm, expected_ppm) in [
        (COHERENT, 500_000, 510_000),
        (COHERENT, 0, 20_000),
        (COHERENT, 999_951, 999_951), // 2 % of 49 is 0.98: gains are rounded down.
        (COHERENT, 999_950, 999_951),
        (COHERENT, 1_000_000, 1_000_000),
        (CLAIM_DISSENT, 500_000, 475_000),
        (CLAIM_DISSENT, 21, 19), // 5 % of 21 is 1.05: penalties are rounded up.
        (CLAIM_DISSENT, 20, 19),
        (CLAIM_DISSENT, 1, 0),
        (CLAIM_DISSENT, 0, 0),
        (CRITICAL_DISSENT, 500_000, 495_000),
        (CRITICAL_DISSENT, 101, 99),
        (Participation::Dissent(Class::Standard), 500_000, 495_000),
        (WITHHELD, 500_000, 460_000),
        (WITHHELD, 1_000_000, 920_000),
        (WITHHELD, 13, 11),
        (Participation::Missed, 500_000, 500_000),
        (Participation::Neutral, 500_000, 500_000),
        (Participation::Revealed, 500_000, 500_000),
        (Participation::Equivocation, 500_000, 0),
        (Participation::Modified { delta_ppm: 1 }, 500_000, 500_001),
        (
            Participation::Modified {
                delta_ppm: i32::MAX,
            },
            1,
            1_000_000,
        ),
        (
            Participation::Modified {
                delta_ppm: i32::MIN,
            },
            999_999,
            0,
        ),
    ] {
        let params = Params {
            founder_trust_ppm: before_ppm,
            ..Params::default()
        };
        let mut state = TrustState::founder(&params);
        let change = state.apply(&params, &at(9, event));
        assert_eq!(state.trust_ppm(), expected_ppm, "{event:?} at {before_ppm}");
        if let Some(change) = change {
            assert_eq!(change.before_ppm, before_ppm, "{event:?} at {before_ppm}");
            assert_eq!(change.after_ppm, expected_ppm, "{event:?} at {before_ppm}");
        } else {
            assert_eq!(
                before_ppm, expected_ppm,
                "{event:?} changed without saying so"
            );
        }
    }
}

#[test]
fn each_change_has_its_reason() {
    for (event, reason) in [
        (COHERENT, Reason::Coherent),
        (CLAIM_DISSENT, Reason::ClaimDissent),
        (CRITICAL_DISSENT, Reason::CriticalDissent),
        (WITHHELD, Reason::Withheld),
        (Participation::Equivocation, Reason::Equivocation),
        (Participation::Modified { delta_ppm: 5 }, Reason::Modified),
    ] {
        let change = founder_after(&[]).apply(&Params::default(), &at(9, event));
        assert_eq!(change.unwrap().reason, reason);
    }
}

#[test]
fn only_coherent_votes_in_a_row_make_a_streak() {
    for (event, expected) in [
        (COHERENT, 4),
        (Participation::Neutral, 3),
        (Participation::Missed, 3),
        (Participation::Revealed, 3),
        (Participation::Modified { delta_ppm: -5 }, 3),
        (CLAIM_DISSENT, 0),
        (CRITICAL_DISSENT, 0),
        (WITHHELD, 0),
        (Participation::Equivocation, 0),
    ] {
        let records = [
            at(9, COHERENT),
            at(9, COHERENT),
            at(9, COHERENT),
            at(9, event),
        ];
        assert_eq!(founder_after(&records).streak(), expected, "{event:?}");
    }
}

#[test]
fn an_operation_that_scores_nobody_charges_withholding_and_equivocation_only() {
    let mut before = founder_after(&[at(9, COHERENT), at(9, Participation::Missed)]);
    for event in [
        COHERENT,
        CLAIM_DISSENT,
        Participation::Neutral,
        Participation::Missed,
    ] {
        let mut after = before;
        assert_eq!(
            after.apply(&Params::default(), &unscored(at(9, event))),
            None
        );
        assert_eq!(after, before, "{event:?}");
    }
    assert_eq!(before.missed_chances(), 1);
    before.apply(&Params::default(), &unscored(at(9, WITHHELD)));
    assert_eq!(before.trust_ppm(), 510_000 - 40_800);
    assert_eq!(before.streak(), 0);
    before.apply(
        &Params::default(),
        &unscored(at(9, Participation::Equivocation)),
    );
    assert_eq!(before.standing(), Standing::Banned);
}

/// The oldest of a hundred chances was missed; every further chance makes it forgotten.
#[test]
fn each_vote_that_scores_is_a_chance() {
    let mut records = vec![at(1, Participation::Missed)];
    records.extend([at(1, Participation::Neutral); 99]);
    let full = founder_after(&records);
    assert_eq!(full.missed_chances(), 1);
    for (record, expected) in [
        (at(9, COHERENT), 0),
        (at(9, CLAIM_DISSENT), 0),
        (at(9, CRITICAL_DISSENT), 0),
        (at(9, Participation::Neutral), 0),
        (at(9, WITHHELD), 0),
        (at(9, Participation::Missed), 1),
        (at(9, Participation::Revealed), 1),
        (at(9, Participation::Modified { delta_ppm: 1 }), 1),
        (unscored(at(9, COHERENT)), 1),
        (unscored(at(9, WITHHELD)), 1),
    ] {
        let mut state = full;
        state.apply(&Params::default(), &record);
        assert_eq!(state.missed_chances(), expected, "{record:?}");
    }
}

/// Freeze and close times of the withheld commits, the sealed reveals between them, and the number of charges of 8 %.
#[test]
fn silence_is_charged_once_per_reveal_window() {
    for (desc, records, charges) in [
        ("one", vec![withheld(10, 100)], 1),
        (
            "silent in both",
            vec![withheld(10, 100), withheld(12, 100)],
            1,
        ),
        (
            "silent, closed later",
            vec![withheld(10, 100), withheld(99, 190)],
            1,
        ),
        (
            "frozen after the charge",
            vec![withheld(10, 100), withheld(101, 200)],
            2,
        ),
        (
            "frozen at the charge",
            vec![withheld(10, 100), withheld(100, 200)],
            2,
        ),
        (
            "revealed something else",
            vec![revealed(13), withheld(10, 100), withheld(12, 100)],
            2,
        ),
        (
            "revealed before the second",
            vec![revealed(11), withheld(10, 100), withheld(12, 100)],
            1,
        ),
        (
            "revealed as it froze",
            vec![revealed(12), withheld(10, 100), withheld(12, 100)],
            1,
        ),
        (
            "revealed after the first charge",
            vec![withheld(10, 100), revealed(101), withheld(12, 102)],
            2,
        ),
        (
            "a late one after three",
            vec![
                withheld(1, 50),
                withheld(2, 50),
                withheld(3, 60),
                withheld(51, 99),
            ],
            2,
        ),
        (
            "frozen before the second charge",
            vec![withheld(10, 100), withheld(101, 200), withheld(150, 210)],
            2,
        ),
        (
            "windows one after the other",
            vec![withheld(10, 20), withheld(20, 30), withheld(30, 40)],
            3,
        ),
    ] {
        let mut expected_ppm = 500_000_u32;
        for _ in 0..charges {
            expected_ppm -= (expected_ppm * 8).div_ceil(100);
        }
        assert_eq!(founder_after(&records).trust_ppm(), expected_ppm, "{desc}");
    }
}

#[test]
fn withholding_uncharged_still_ends_a_streak() {
    let mut records = vec![withheld(10, 100)];
    records.extend([at(101, COHERENT); 3]);
    assert_eq!(founder_after(&records).streak(), 3);
    let before_ppm = founder_after(&records).trust_ppm();
    records.push(withheld(12, 102));
    let after = founder_after(&records);
    assert_eq!((after.streak(), after.trust_ppm()), (0, before_ppm));
}

#[test]
fn absence_costs_nothing_up_to_half_of_the_last_hundred_chances() {
    let missed = [at(1, Participation::Missed); 51];
    assert_eq!(founder_after(&missed[..50]).trust_ppm(), 500_000);
    assert_eq!(founder_after(&missed).trust_ppm(), 490_000);
    // A chance taken, then as many missed: 51 of the last 52 and so of the last 100.
    for taken in [COHERENT, CLAIM_DISSENT, WITHHELD, Participation::Neutral] {
        let mut records = vec![at(1, taken)];
        records.extend(missed);
        let charged = founder_after(&records).trust_ppm();
        let before = founder_after(&records[..51]).trust_ppm();
        assert_eq!(
            before,
            founder_after(&records[..1]).trust_ppm(),
            "{taken:?}"
        );
        assert_eq!(charged, before - (before * 2).div_ceil(100), "{taken:?}");
    }
    // Every second chance for ever is no more than half.
    let alternating = [at(1, Participation::Missed), at(1, Participation::Neutral)].repeat(500);
    assert_eq!(founder_after(&alternating).trust_ppm(), 500_000);
}

#[test]
fn absence_is_charged_at_most_once_per_commit_window() {
    let mut records = vec![at(1000, Participation::Missed); 60];
    assert_eq!(founder_after(&records).trust_ppm(), 490_000);
    records.push(at(1000 + DAY_MS - 1, Participation::Missed));
    assert_eq!(founder_after(&records).trust_ppm(), 490_000);
    records.push(at(1000 + DAY_MS, Participation::Missed));
    assert_eq!(founder_after(&records).trust_ppm(), 480_200);
    records.push(at(1000 + DAY_MS + 1, Participation::Missed));
    assert_eq!(founder_after(&records).trust_ppm(), 480_200);
}

#[test]
fn a_ballot_is_judged_by_class_and_outcome() {
    let result = |byte| Ballot::Result(vec![byte]);
    let decided = Outcome::Decided;
    for (class, outcome, ballot, expected) in [
        (
            Class::Critical,
            decided(Ballot::Reject),
            Ballot::Reject,
            COHERENT,
        ),
        (
            Class::Critical,
            decided(Ballot::Reject),
            Ballot::Approve,
            CRITICAL_DISSENT,
        ),
        (
            Class::Critical,
            decided(Ballot::Reject),
            Ballot::Abstain,
            Participation::Neutral,
        ),
        (
            Class::Critical,
            decided(Ballot::Reject),
            result(1),
            Participation::Neutral,
        ),
        (
            Class::Critical,
            Outcome::NoQuorum,
            Ballot::Approve,
            Participation::Neutral,
        ),
        (Class::Claim, decided(result(1)), result(1), COHERENT),
        (Class::Claim, decided(result(1)), result(2), CLAIM_DISSENT),
        (
            Class::Claim,
            decided(result(1)),
            Ballot::Approve,
            Participation::Neutral,
        ),
        (
            Class::Claim,
            Outcome::NoQuorum,
            result(1),
            Participation::Neutral,
        ),
    ] {
        let event = Participation::of_ballot(class, &outcome, &ballot);
        assert_eq!(event, expected, "{class:?}, {outcome}, {ballot}");
    }
}
