//! Standings, votes and weights.

use super::*;

#[test]
fn standings_count_for_what_the_table_says() {
    let params = Params::default();
    let founder = TrustState::founder(&params, 0);
    let admitted = TrustState::admitted(&params, 0);
    let suspended = founder_after(&[modified(-200_001)]);
    let banned = founder_after(&[at(9, Participation::Equivocation)]);
    for (state, standing, trust, has_vote, weight) in [
        (founder, Standing::Active, 500_000, true, 500_000),
        (admitted, Standing::Probation, 200_000, false, 0),
        (suspended, Standing::Suspended, 299_999, false, 500_000),
        (banned, Standing::Banned, 0, false, 0),
    ] {
        assert_eq!(state.standing(), standing);
        assert_eq!(state.trust_ppm(), trust, "{standing}");
        assert_eq!(state.has_vote(), has_vote, "{standing}");
        assert_eq!(state.claim_weight(&params), weight, "{standing}");
    }
}

#[test]
fn the_weight_in_claims_is_skill_above_a_floor() {
    let right = vec![at(9, Participation::Coherent(Class::Claim)); 5];
    let wrong = vec![at(9, Participation::Dissent(Class::Claim)); 5];
    let (params, no_floor) = (
        Params::default(),
        Params {
            skill_floor_ppm: 0,
            ..Params::default()
        },
    );
    let (right, wrong) = (founder_after(&right), founder_after(&wrong));
    assert_eq!(right.claim_weight(&params), u64::from(right.skill_ppm()));
    assert!(wrong.skill_ppm() < 500_000);
    assert_eq!(wrong.claim_weight(&params), 500_000);
    assert_eq!(wrong.claim_weight(&no_floor), u64::from(wrong.skill_ppm()));
}

#[test]
fn active_members_are_suspended_below_the_threshold() {
    let mut state = founder_after(&[modified(-200_000)]);
    assert_eq!(state.standing(), Standing::Active, "300,000 is not below");
    let change = state.apply(&Params::default(), &modified(-1)).unwrap();
    assert_eq!(change.standing_before, Standing::Active);
    assert_eq!(change.standing_after, Standing::Suspended);
}

#[test]
fn suspended_members_return_with_trust_and_a_row() {
    let mut state = founder_after(&[modified(-215_000)]);
    assert_eq!(state.standing(), Standing::Suspended);
    apply_all(&mut state, &coherent(0..9));
    assert!(state.trust_ppm() >= 400_000, "the trust is there");
    assert_eq!(state.standing(), Standing::Suspended, "but not the row");
    let mut broken_off = state;
    apply_all(&mut state, &coherent(9..10));
    assert_eq!(state.standing(), Standing::Active);

    let dissent = at(9 * DAY_MS, Participation::Dissent(Class::Critical));
    apply_all(&mut broken_off, &[dissent]);
    apply_all(&mut broken_off, &coherent(10..19));
    assert_eq!(broken_off.standing(), Standing::Suspended, "a new row");
    apply_all(&mut broken_off, &coherent(19..20));
    assert_eq!(broken_off.standing(), Standing::Active);
}

#[test]
fn probation_ends_with_trust_and_a_row_and_never_in_suspension() {
    let params = Params::default();
    let mut state = TrustState::admitted(&params, 0);
    for day in 1..4 {
        apply_all(
            &mut state,
            &[at(day * DAY_MS, Participation::Withheld(Class::Critical))],
        );
    }
    assert!(state.trust_ppm() < 200_000);
    assert_eq!(state.standing(), Standing::Probation);

    let mut state = TrustState::admitted(&params, 0);
    apply_all(&mut state, &coherent(0..14));
    assert!(state.row() >= 10, "the row is there");
    assert_eq!(state.standing(), Standing::Probation, "but not the trust");
    apply_all(&mut state, &coherent(14..15));
    assert_eq!(state.standing(), Standing::Active);
}

/// A thousand outcomes of one day lengthen the row once: nobody becomes `Active` overnight.
#[test]
fn the_row_counts_once_per_commit_window() {
    let mut records = vec![at(0, Participation::Coherent(Class::Claim)); 1000];
    assert_eq!(founder_after(&records).row(), 1);
    records.push(at(DAY_MS - 1, Participation::Coherent(Class::Claim)));
    assert_eq!(founder_after(&records).row(), 1);
    records.push(at(DAY_MS, Participation::Coherent(Class::Claim)));
    assert_eq!(founder_after(&records).row(), 2);
}

#[test]
fn a_modification_to_the_threshold_needs_no_row() {
    let params = Params::default();
    for (delta_ppm, standing) in [
        (199_999, Standing::Probation),
        (200_000, Standing::Active),
        (800_000, Standing::Active),
    ] {
        let mut state = TrustState::admitted(&params, 0);
        state.apply(&params, &modified(delta_ppm));
        assert_eq!(state.standing(), standing, "{delta_ppm}");
    }
}

#[test]
fn banned_is_for_ever() {
    let mut state = founder_after(&coherent(0..3));
    let ban = at(9, Participation::Equivocation);
    let change = state.apply(&Params::default(), &ban).unwrap();
    assert_eq!((change.before_ppm, change.after_ppm), (529_404, 0));
    assert_eq!(
        (state.trust_ppm(), state.skill_ppm(), state.row()),
        (0, 0, 0)
    );
    let banned = state;
    assert_eq!(state.apply(&Params::default(), &ban), None, "once");
    apply_all(&mut state, &[modified(1_000_000), revealed(9)]);
    apply_all(&mut state, &coherent(3..50));
    apply_all(
        &mut state,
        &[
            at(9, Participation::Withheld(Class::Claim)),
            at(9, Participation::Missed),
        ],
    );
    assert_eq!(state, banned, "unscored");
}

#[test]
fn a_changed_threshold_is_judged_at_once() {
    let strict = Params {
        suspend_below_ppm: 600_000,
        ..Params::default()
    };
    let mut state = founder_after(&[]);
    let change = state.apply(&strict, &at(9, Participation::Judged)).unwrap();
    assert_eq!(change.reason, Reason::Neutral);
    assert_eq!(change.before_ppm, change.after_ppm);
    assert_eq!(state.standing(), Standing::Suspended);
}
