//! Standings and their weights. Rules: T7.

use super::*;

fn coherent(times: usize) -> Vec<ParticipationRecord> {
    vec![at(9, Participation::Coherent); times]
}

fn apply_all(state: &mut TrustState, records: &[ParticipationRecord]) {
    for record in records {
        state.apply(&Params::default(), record);
    }
}

#[test]
fn standings_weigh_what_the_table_says() {
    let params = Params::default();
    let founder = TrustState::founder(&params);
    let admitted = TrustState::admitted(&params);
    let mut suspended = founder;
    suspended.modify(&params, -200_001);
    let mut banned = founder;
    banned.ban();
    for (state, standing, trust, critical, claim) in [
        (founder, Standing::Active, 500_000, 500_000, 500_000),
        (admitted, Standing::Probation, 200_000, 0, 0),
        (suspended, Standing::Suspended, 299_999, 0, 299_999),
        (banned, Standing::Banned, 0, 0, 0),
    ] {
        assert_eq!(state.standing(), standing);
        assert_eq!(state.trust_ppm(), trust, "{standing}");
        assert_eq!(state.critical_weight(), critical, "{standing}");
        assert_eq!(state.claim_weight(), claim, "{standing}");
    }
}

#[test]
fn active_members_are_suspended_below_the_threshold() {
    let params = Params::default();
    let mut state = TrustState::founder(&params);
    state.modify(&params, -200_000);
    assert_eq!(state.standing(), Standing::Active, "300,000 is not below");
    let change = state.modify(&params, -1).unwrap();
    assert_eq!(change.standing_before, Standing::Active);
    assert_eq!(change.standing_after, Standing::Suspended);
}

#[test]
fn suspended_members_return_with_trust_and_a_streak() {
    let params = Params::default();
    let mut state = TrustState::founder(&params);
    state.modify(&params, -215_000);
    assert_eq!(state.standing(), Standing::Suspended);
    apply_all(&mut state, &coherent(9));
    assert!(
        state.trust_ppm() >= params.activate_from_ppm,
        "the trust is there"
    );
    assert_eq!(
        state.standing(),
        Standing::Suspended,
        "but not the tenth vote"
    );
    let mut broken_off = state;
    apply_all(&mut state, &coherent(1));
    assert_eq!(state.standing(), Standing::Active);

    apply_all(
        &mut broken_off,
        &[at(
            9,
            Participation::Dissent(crate::statement::operation::Class::Critical),
        )],
    );
    apply_all(&mut broken_off, &coherent(9));
    assert_eq!(
        broken_off.standing(),
        Standing::Suspended,
        "the streak began anew"
    );
    apply_all(&mut broken_off, &coherent(1));
    assert_eq!(broken_off.standing(), Standing::Active);
}

#[test]
fn probation_ends_with_trust_and_a_streak_and_never_in_suspension() {
    let params = Params::default();
    let mut state = TrustState::admitted(&params);
    apply_all(
        &mut state,
        &[withheld(1, 9), withheld(9, 19), withheld(19, 29)],
    );
    assert!(state.trust_ppm() < 200_000);
    assert_eq!(state.standing(), Standing::Probation);

    let mut state = TrustState::admitted(&params);
    apply_all(&mut state, &coherent(14));
    assert!(state.streak() >= 10, "the streak is there");
    assert_eq!(state.standing(), Standing::Probation, "but not the trust");
    apply_all(&mut state, &coherent(1));
    assert_eq!(state.standing(), Standing::Active);
    assert_eq!(state.critical_weight(), u64::from(state.trust_ppm()));
}

#[test]
fn a_modification_alone_makes_nobody_active() {
    let params = Params::default();
    let mut state = TrustState::admitted(&params);
    state.modify(&params, 800_000);
    assert_eq!(
        (state.trust_ppm(), state.standing()),
        (1_000_000, Standing::Probation)
    );
    apply_all(&mut state, &coherent(10));
    assert_eq!(state.standing(), Standing::Active);
}

#[test]
fn banned_is_for_ever() {
    let params = Params::default();
    let mut state = founder_after(&coherent(3));
    let change = state.ban().unwrap();
    assert_eq!((change.before_ppm, change.after_ppm), (529_404, 0));
    assert_eq!((state.trust_ppm(), state.streak()), (0, 0));
    let banned = state;
    assert_eq!(state.ban(), None, "once");
    assert_eq!(state.modify(&params, 1_000_000), None);
    apply_all(&mut state, &coherent(50));
    apply_all(
        &mut state,
        &[revealed(9), withheld(1, 9), at(9, Participation::Missed)],
    );
    assert_eq!(state, banned, "unscored");
}

/// The standing is judged under the parameters of the operation, which may have changed since the last one.
#[test]
fn a_standing_can_change_without_the_trust() {
    let strict = Params {
        suspend_below_ppm: 600_000,
        ..Params::default()
    };
    for event in [Participation::Neutral, Participation::Missed] {
        for record in [at(9, event), unscored(at(9, event))] {
            let mut state = founder_after(&[]);
            let change = state.apply(&strict, &record).unwrap();
            assert_eq!(change.reason, Reason::Neutral);
            assert_eq!(change.before_ppm, change.after_ppm);
            assert_eq!(state.standing(), Standing::Suspended);
        }
    }
}
