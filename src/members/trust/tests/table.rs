//! The table of scores, line by line. Rules: T1, T3.

use super::*;
use crate::statement::operation::{Ballot, Outcome};

const COHERENT: Participation = Participation::Coherent(Class::Claim);
const CLAIM_DISSENT: Participation = Participation::Dissent(Class::Claim);
const CRITICAL_DISSENT: Participation = Participation::Dissent(Class::Critical);
const WITHHELD: Participation = Participation::Withheld(Class::Claim);

/// An outcome that nobody seconded.
const ALONE: Support = Support {
    seconded: false,
    backed: false,
    carried: false,
    chance: true,
    panel: false,
};

/// A panel's claim that scores its electors.
const PANEL: Support = Support {
    seconded: false,
    backed: false,
    carried: true,
    chance: false,
    panel: true,
};

/// The event, trust and skill before, trust and skill after.
type Line = (Participation, (u32, u32), (u32, u32));

fn check(support: Support, lines: &[Line]) {
    for (event, before, expected) in lines {
        let params = Params {
            founder_trust_ppm: before.0,
            start_skill_ppm: before.1,
            ..Params::default()
        };
        let mut state = TrustState::founder(&params, 0);
        let change = state.apply(&params, &under(support, at(9, *event)));
        let after = (state.trust_ppm(), state.skill_ppm());
        assert_eq!(after, *expected, "{event:?} at {before:?}");
        if let Some(change) = change {
            let said = (change.before_ppm, change.skill_before_ppm);
            assert_eq!(said, *before, "{event:?}");
            let said = (change.after_ppm, change.skill_after_ppm);
            assert_eq!(said, *expected, "{event:?}");
        } else {
            assert_eq!(before, expected, "{event:?} changed without saying so");
        }
    }
}

#[test]
fn each_line_of_the_table() {
    let modified = |delta_ppm| Participation::Modified { delta_ppm };
    check(
        Support::FULL,
        &[
            (COHERENT, (500_000, 500_000), (510_000, 510_000)),
            (COHERENT, (0, 0), (20_000, 20_000)),
            // 2 % of 49 is 0.98: gains are rounded down.
            (COHERENT, (999_951, 999_950), (999_951, 999_951)),
            (COHERENT, (1_000_000, 1_000_000), (1_000_000, 1_000_000)),
            (
                Participation::Coherent(Class::Critical),
                (500_000, 500_000),
                (510_000, 500_000),
            ),
            // Penalties are rounded up: 5 % of 21 is 1.05, 1 % of 500,001 is 5,000.01.
            (CLAIM_DISSENT, (500_001, 21), (495_000, 19)),
            (CLAIM_DISSENT, (1_000_000, 1), (990_000, 0)),
            (CRITICAL_DISSENT, (500_000, 500_000), (495_000, 500_000)),
            (CRITICAL_DISSENT, (101, 500_000), (99, 500_000)),
            (
                Participation::Dissent(Class::Standard),
                (500_000, 7),
                (495_000, 7),
            ),
            (WITHHELD, (500_000, 500_000), (460_000, 460_000)),
            (
                Participation::Withheld(Class::Critical),
                (13, 500_000),
                (11, 500_000),
            ),
            (Participation::Unrevealed, (500_000, 1), (500_000, 1)),
            (Participation::Missed, (500_000, 1), (500_000, 1)),
            (Participation::Neutral, (500_000, 1), (500_000, 1)),
            (Participation::Seen, (500_000, 1), (500_000, 1)),
            (Participation::Revealed, (500_000, 1), (500_000, 1)),
            (Participation::Judged, (500_000, 1), (500_000, 1)),
            (Participation::Overruled, (500_000, 1), (495_000, 1)),
            (Participation::Equivocation, (500_000, 500_000), (0, 0)),
            (modified(1), (500_000, 7), (500_001, 7)),
            (modified(i32::MAX), (1, 7), (1_000_000, 7)),
            (modified(i32::MIN), (999_999, 7), (0, 7)),
        ],
    );
}

fn marks(items: u32, carried: [u32; 2], seconded: [u32; 2], backed: [u32; 2]) -> Participation {
    let marked = |[right, wrong]: [u32; 2]| Marked { right, wrong };
    Participation::Answered(Marks {
        items,
        carried: marked(carried),
        seconded: marked(seconded),
        backed: marked(backed),
    })
}

/// Rules: T3.
#[test]
fn a_claim_set_counts_in_proportion_to_all_its_items() {
    let all = |right, wrong| marks(3, [right, wrong], [right, wrong], [right, wrong]);
    let half = (500_000, 500_000);
    check(
        Support::FULL,
        &[
            // As one claim.
            (all(3, 0), half, (510_000, 510_000)),
            (all(0, 3), half, (495_000, 475_000)),
            // One sure answer of 512 earns a 512th: 10,000 / 512 is 19.5.
            (marks(512, [1, 0], [1, 0], [1, 0]), half, (500_019, 500_019)),
            // 10,000 * 2 / 3, then 1 % and 5 % of 506,666, a third of each, rounded up.
            (all(2, 1), half, (504_977, 498_221)),
            // What nobody stands behind moves nothing, on either side.
            (marks(3, [0, 0], [2, 0], [0, 0]), half, (506_666, 500_000)),
            (marks(3, [0, 1], [0, 1], [0, 0]), half, (500_000, 491_666)),
            (marks(3, [0, 0], [0, 0], [0, 0]), half, half),
            // Never below what makes a member `Active`.
            (all(0, 3), (400_001, 500_000), (400_000, 475_000)),
            (all(0, 3), (399_999, 500_000), (399_999, 475_000)),
        ],
    );
    check(
        PANEL,
        &[(marks(2, [1, 1], [1, 1], [1, 1]), half, (500_000, 492_375))],
    );
}

/// Rules: T5.
#[test]
fn a_claim_set_counts_for_the_row_if_half_of_it_was_right_and_nothing_wrong() {
    let params = Params::default();
    let window_ms = params.commit_window_ms;
    for (items, seconded, expected) in [
        // Numbers that no seal gives, from a program that scores by itself.
        (0, [0, 0], 1),
        (1, [u32::MAX, u32::MAX], 0),
        (4, [4, 0], 2),
        (4, [2, 0], 2),
        (5, [2, 0], 1),
        (4, [3, 1], 0),
        (4, [0, 0], 1),
    ] {
        let mut state = TrustState::founder(&params, 0);
        for (time_ms, event) in [
            (window_ms, COHERENT),
            (2 * window_ms, marks(items, [0, 0], seconded, [0, 0])),
        ] {
            let record = ParticipationRecord {
                time_ms,
                ..under(Support::FULL, at(9, event))
            };
            state.apply(&params, &record);
        }
        assert_eq!(state.row(), expected, "{items} items, {seconded:?}");
    }
}

/// Rules: T2.
#[test]
fn what_nobody_seconded_moves_no_score() {
    check(
        ALONE,
        &[
            (COHERENT, (500_000, 500_000), (500_000, 500_000)),
            (CLAIM_DISSENT, (500_000, 500_000), (500_000, 500_000)),
            (CRITICAL_DISSENT, (500_000, 500_000), (500_000, 500_000)),
            (WITHHELD, (500_000, 500_000), (460_000, 460_000)),
            (Participation::Equivocation, (500_000, 500_000), (0, 0)),
        ],
    );
    let seconded = Support {
        seconded: true,
        ..ALONE
    };
    check(
        seconded,
        &[
            (COHERENT, (500_000, 500_000), (510_000, 500_000)),
            (CRITICAL_DISSENT, (500_000, 500_000), (500_000, 500_000)),
        ],
    );
}

/// Rules: P9.
#[test]
fn a_panel_moves_skill_only() {
    check(
        PANEL,
        &[
            (COHERENT, (500_000, 500_000), (500_000, 510_000)),
            (CLAIM_DISSENT, (500_000, 500_000), (500_000, 475_000)),
            (WITHHELD, (500_000, 500_000), (500_000, 460_000)),
            (
                Participation::Missed,
                (500_000, 500_000),
                (500_000, 500_000),
            ),
            (Participation::Equivocation, (500_000, 500_000), (0, 0)),
        ],
    );
    let unscored = Support {
        carried: false,
        ..PANEL
    };
    check(
        unscored,
        &[
            (COHERENT, (500_000, 500_000), (500_000, 500_000)),
            (CLAIM_DISSENT, (500_000, 500_000), (500_000, 500_000)),
            (WITHHELD, (500_000, 500_000), (500_000, 460_000)),
        ],
    );
    let row = coherent(0..3);
    for event in [COHERENT, CLAIM_DISSENT, WITHHELD, Participation::Unrevealed] {
        let mut state = founder_after(&row);
        apply_all(&mut state, &[under(PANEL, at(9 * DAY_MS, event))]);
        assert_eq!((state.row(), state.missed_chances()), (3, 0), "{event:?}");
    }
}

/// Claims can be made so that one member's honest answers differ; that may not cost it its vote.
#[test]
fn claims_alone_suspend_nobody() {
    let wrong = vec![at(9, CLAIM_DISSENT); 10_000];
    let state = founder_after(&wrong);
    assert_eq!(state.trust_ppm(), 400_000);
    assert_eq!(state.standing(), Standing::Active);
    let mut low = founder_after(&[modified(-150_000)]);
    apply_all(&mut low, &wrong);
    assert_eq!(low.trust_ppm(), 350_000, "below the floor nothing is taken");
    let against = vec![at(9, CRITICAL_DISSENT); 60];
    assert_eq!(founder_after(&against).standing(), Standing::Suspended);
}

/// No charge for withholding is below the price of being wrong.
#[test]
fn withholding_costs_at_least_what_dissent_costs() {
    let params = Params {
        withheld_ppm: 0,
        critical_dissent_ppm: 30_000,
        ..Params::default()
    };
    for (class, trust_ppm, skill_ppm) in [
        (Class::Claim, 495_000, 475_000),
        (Class::Critical, 485_000, 500_000),
    ] {
        let mut state = TrustState::founder(&params, 0);
        state.apply(&params, &at(9, Participation::Withheld(class)));
        assert_eq!(
            (state.trust_ppm(), state.skill_ppm()),
            (trust_ppm, skill_ppm)
        );
    }
}

#[test]
fn each_change_has_its_reason() {
    for (event, reason) in [
        (COHERENT, Reason::Coherent),
        (CLAIM_DISSENT, Reason::ClaimDissent),
        (CRITICAL_DISSENT, Reason::CriticalDissent),
        (WITHHELD, Reason::Withheld),
        (Participation::Overruled, Reason::Overruled),
        (Participation::Equivocation, Reason::Equivocation),
        (Participation::Modified { delta_ppm: 5 }, Reason::Modified),
    ] {
        let change = founder_after(&[]).apply(&Params::default(), &at(9, event));
        assert_eq!(change.unwrap().reason, reason);
    }
}

/// Rules: T5.
#[test]
fn seconded_dissent_withholding_and_silence_end_a_row() {
    let day = 3 * DAY_MS;
    for (event, seconded, alone) in [
        (COHERENT, 4, 3),
        (Participation::Neutral, 3, 3),
        (Participation::Missed, 3, 3),
        (Participation::Revealed, 3, 3),
        (Participation::Overruled, 3, 3),
        (Participation::Modified { delta_ppm: -5 }, 3, 3),
        (CLAIM_DISSENT, 0, 3),
        (CRITICAL_DISSENT, 0, 3),
        (WITHHELD, 0, 3),
        (Participation::Unrevealed, 0, 3),
        (Participation::Equivocation, 0, 0),
    ] {
        for (support, expected) in [(Support::FULL, seconded), (ALONE, alone)] {
            let mut state = founder_after(&coherent(0..3));
            apply_all(&mut state, &[under(support, at(day, event))]);
            assert_eq!(state.row(), expected, "{event:?}, {support:?}");
        }
    }
}

/// The oldest of a hundred chances was missed; every further chance makes it forgotten.
/// Rules: T4.
#[test]
fn only_chances_are_remembered() {
    let mut records = vec![at(1, Participation::Missed)];
    records.extend([at(1, Participation::Neutral); 99]);
    let full = founder_after(&records);
    assert_eq!(full.missed_chances(), 1);
    let no_chance = Support {
        chance: false,
        ..Support::FULL
    };
    for (record, expected) in [
        (at(9, COHERENT), 0),
        (at(9, CLAIM_DISSENT), 0),
        (at(9, CRITICAL_DISSENT), 0),
        (at(9, Participation::Neutral), 0),
        (at(9, WITHHELD), 0),
        (at(9, Participation::Missed), 1),
        (at(9, Participation::Unrevealed), 1),
        (at(9, Participation::Revealed), 1),
        (at(9, Participation::Overruled), 1),
        (at(9, Participation::Modified { delta_ppm: 1 }), 1),
        (under(no_chance, at(9, COHERENT)), 1),
        (under(PANEL, at(9, WITHHELD)), 1),
    ] {
        let mut state = full;
        apply_all(&mut state, &[record]);
        assert_eq!(state.missed_chances(), expected, "{record:?}");
    }
}

/// Close times of withheld commits, the sealed reveals between them, and the number of charges of 8 %.
/// Rules: W2.
#[test]
fn silence_is_charged_once_per_reveal_window() {
    let withheld = |days_and_a_bit: (u64, u64)| {
        let (days, more) = days_and_a_bit;
        at(
            days * DAY_MS + more,
            Participation::Withheld(Class::Critical),
        )
    };
    for (desc, records, charges) in [
        ("one", vec![withheld((2, 0))], 1),
        (
            "silent in both",
            vec![withheld((2, 0)), withheld((2, 0))],
            1,
        ),
        (
            "silent until the window ends",
            vec![withheld((2, 0)), withheld((2, DAY_MS - 1))],
            1,
        ),
        (
            "a window later",
            vec![withheld((2, 0)), withheld((3, 0))],
            2,
        ),
        (
            "revealed something else",
            vec![revealed(DAY_MS + 1), withheld((2, 0)), withheld((2, 0))],
            2,
        ),
        (
            "revealed a window ago",
            vec![revealed(DAY_MS), withheld((2, 0)), withheld((2, 0))],
            1,
        ),
        (
            "revealed after the first charge",
            vec![withheld((2, 0)), revealed(2 * DAY_MS + 1), withheld((2, 2))],
            2,
        ),
        (
            "64 operations a day, for three days",
            (0..192).map(|n| withheld((2 + n / 64, n % 64))).collect(),
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

/// What a panel charges does not hide what is charged to trust.
#[test]
fn a_panel_does_not_shield_a_withholder() {
    let in_panel = under(PANEL, at(2 * DAY_MS, WITHHELD));
    let state = founder_after(&[in_panel, at(2 * DAY_MS, WITHHELD)]);
    assert_eq!((state.trust_ppm(), state.skill_ppm()), (460_000, 460_000));
}

/// Rules: T4.
#[test]
fn absence_costs_nothing_up_to_half_of_the_last_hundred_chances() {
    let missed = [at(2 * DAY_MS, Participation::Missed); 51];
    assert_eq!(founder_after(&missed[..50]).trust_ppm(), 500_000);
    assert_eq!(founder_after(&missed).trust_ppm(), 490_000);
    // Every second chance for ever is no more than half.
    let both = [Participation::Missed, Participation::Neutral];
    let alternating = both.map(|event| at(2 * DAY_MS, event)).repeat(500);
    assert_eq!(founder_after(&alternating).trust_ppm(), 500_000);
}

#[test]
fn who_is_seen_is_not_absent() {
    let mut records = vec![at(DAY_MS + 1, Participation::Seen)];
    records.extend([at(2 * DAY_MS, Participation::Missed); 60]);
    assert_eq!(founder_after(&records).trust_ppm(), 500_000);
    records.push(at(2 * DAY_MS + 1, Participation::Missed));
    assert_eq!(founder_after(&records).trust_ppm(), 490_000);
    let newcomer = TrustState::founder(&Params::default(), 2 * DAY_MS);
    let mut state = newcomer;
    apply_all(&mut state, &[at(3 * DAY_MS - 1, Participation::Missed); 60]);
    assert_eq!(state.trust_ppm(), 500_000, "it joined within the window");
}

#[test]
fn absence_is_charged_at_most_once_per_commit_window() {
    let mut records = vec![at(2 * DAY_MS, Participation::Missed); 60];
    assert_eq!(founder_after(&records).trust_ppm(), 490_000);
    records.push(at(3 * DAY_MS - 1, Participation::Missed));
    assert_eq!(founder_after(&records).trust_ppm(), 490_000);
    records.push(at(3 * DAY_MS, Participation::Missed));
    assert_eq!(founder_after(&records).trust_ppm(), 480_200);
    records.push(at(3 * DAY_MS + 1, Participation::Missed));
    assert_eq!(founder_after(&records).trust_ppm(), 480_200);
}

#[test]
fn objections_are_charged_once_per_objection_window() {
    let overruled = |time_ms| at(time_ms, Participation::Overruled);
    let mut records = vec![overruled(0), overruled(1), overruled(DAY_MS - 1)];
    assert_eq!(founder_after(&records).trust_ppm(), 495_000);
    records.push(overruled(DAY_MS));
    assert_eq!(founder_after(&records).trust_ppm(), 490_050);
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
            Participation::Coherent(Class::Critical),
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
