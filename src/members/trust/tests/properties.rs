//! T-range, T-order, and the long run.

use proptest::prelude::*;

use super::log::{SplitMix, any_params, logs};
use super::*;
use crate::base::codec;
use crate::base::limits::TRUST_MAX_PPM;

/// T-range over a log: after each record both scores are in range, and 0 if banned.
fn check_range(
    mut state: TrustState,
    log: &[ParticipationRecord],
    trust_of: impl Fn(&TrustState) -> u32,
    step: impl Fn(&mut TrustState, &ParticipationRecord),
) -> Result<(), String> {
    for (index, record) in log.iter().enumerate() {
        step(&mut state, record);
        let trust_ppm = trust_of(&state);
        let is_banned = state.standing() == Standing::Banned;
        let most_ppm = if is_banned { 0 } else { TRUST_MAX_PPM };
        if trust_ppm > most_ppm || state.skill_ppm() > most_ppm {
            return Err(format!(
                "{trust_ppm} ppm, {}, after record {index}",
                state.standing()
            ));
        }
    }
    Ok(())
}

proptest! {
    #[test]
    fn t_range(log in logs(), params in any_params()) {
        for start in [TrustState::founder(&params, 0), TrustState::admitted(&params, 0)] {
            let checked = check_range(start, &log, TrustState::trust_ppm, |state, record| {
                state.apply(&params, record);
            });
            prop_assert_eq!(checked, Ok(()));
        }
    }

    /// The same records in the same order give the same state, even if it was stored and read again on the way.
    #[test]
    fn t_order(log in logs(), params in any_params(), stored_after in 0..200_usize) {
        let mut first = TrustState::founder(&params, 0);
        let mut second = first;
        for (index, record) in log.iter().enumerate() {
            let change = first.apply(&params, record);
            if index == stored_after {
                second = codec::decode(&codec::encode(&second), 512).unwrap();
            }
            prop_assert_eq!(second.apply(&params, record), change);
        }
        prop_assert_eq!(first, second);
    }

    /// Every change is reported, with the numbers before and after: the entries add up to the score.
    #[test]
    fn the_entries_explain_the_score(log in logs(), params in any_params()) {
        let mut state = TrustState::founder(&params, 0);
        for record in &log {
            let before = state;
            let change = state.apply(&params, record);
            let view = |state: &TrustState| (state.trust_ppm(), state.skill_ppm(), state.standing());
            let said = change.map_or((view(&before), view(&before)), |change| (
                (change.before_ppm, change.skill_before_ppm, change.standing_before),
                (change.after_ppm, change.skill_after_ppm, change.standing_after),
            ));
            let seen = (view(&before), view(&state));
            prop_assert_eq!(said, seen);
        }
    }
}

#[test]
fn t_range_fires_when_the_arithmetic_is_broken() {
    let params = Params::default();
    let log = coherent(0..60);
    let start = TrustState::founder(&params, 0);
    let right = check_range(start, &log, TrustState::trust_ppm, |state, record| {
        state.apply(&params, record);
    });
    assert_eq!(right, Ok(()));
    // Gains of 2 % of full trust instead of the missing trust. The row counts the gains.
    let flat = |state: &TrustState| 500_000 + 20_000 * state.row();
    let broken = check_range(start, &log, flat, |state, record| {
        state.apply(&params, record);
    });
    assert!(broken.is_err(), "{broken:?}");
}

#[test]
fn t_order_fires_when_the_order_differs() {
    let coherent = at(9, Participation::Coherent(Class::Claim));
    let dissent = at(9, Participation::Dissent(Class::Claim));
    assert_ne!(
        founder_after(&[coherent, dissent]),
        founder_after(&[dissent, coherent])
    );
}

/// The mean skill, in parts per million, of a member that is right on claims with this frequency, over a long run.
fn long_run_mean_ppm(right_ppm: u64, seed: u64) -> u64 {
    const SETTLING: u64 = 1_000;
    const CLAIMS: u64 = 200_000;
    let params = Params::default();
    let mut numbers = SplitMix(seed);
    let mut state = TrustState::founder(&params, 0);
    let mut sum = 0;
    for index in 0..SETTLING + CLAIMS {
        let event = if numbers.next() % 1_000_000 < right_ppm {
            Participation::Coherent(Class::Claim)
        } else {
            Participation::Dissent(Class::Claim)
        };
        state.apply(&params, &at(index, event));
        if index >= SETTLING {
            sum += u64::from(state.skill_ppm());
        }
    }
    sum / CLAIMS
}

/// 0.78 at 90 %, 0.48 at 70 %, 0.286 at 50 %.
#[test]
fn the_long_run_skill_is_two_a_in_two_a_and_five_of_the_rest() {
    const TOLERANCE_PPM: u64 = 5_000;
    for (right_ppm, stated_ppm) in [
        (900_000_u64, 782_609),
        (700_000, 482_759),
        (500_000, 285_714),
    ] {
        let twice_right = 2 * right_ppm;
        let expected_ppm = 1_000_000 * twice_right / (twice_right + 5 * (1_000_000 - right_ppm));
        assert!(expected_ppm.abs_diff(stated_ppm) <= 1);
        for seed in 1..=3 {
            let mean_ppm = long_run_mean_ppm(right_ppm, seed);
            assert!(
                mean_ppm.abs_diff(expected_ppm) <= TOLERANCE_PPM,
                "right {right_ppm} ppm of the time, seed {seed}: {mean_ppm} instead of {expected_ppm}"
            );
        }
    }
}

/// The encoding enters the digest of the sealed state: it may not change within a version of the protocol.
#[test]
fn the_encoding_of_a_state_is_fixed() {
    let state = founder_after(&[
        revealed(5),
        at(9, Participation::Coherent(Class::Claim)),
        at(10, Participation::Missed),
        at(11, Participation::Withheld(Class::Claim)),
        at(12, Participation::Overruled),
        at(13, Participation::Seen),
    ]);
    let bytes = codec::encode(&state);
    // A map of 12, the shorter keys first: each line a key and its value.
    let expected = [
        "ac",
        "63 726f77 00",                                   // row: 0
        "66 726f775f6d73 09",                             // row_ms: 9
        "67 6368616e636573 4d00000000000000000000000002", // chances: 13 bytes
        "67 7365656e5f6d73 0d",                           // seen_ms: 13
        "68 7374616e64696e67 66616374697665",             // standing: active
        "69 72657665616c5f6d73 05",                       // reveal_ms: 5
        "69 736b696c6c5f70706d 1a000728d0",               // skill_ppm: 469,200
        "69 74727573745f70706d 1a0007167c",               // trust_ppm: 464,508
        "6a 616273656e63655f6d73 f6",                     // absence_ms: null
        "6b 7769746868656c645f6d73 0b",                   // withheld_ms: 11
        "6c 6f626a656374696f6e5f6d73 0c",                 // objection_ms: 12
        "71 736b696c6c5f7769746868656c645f6d73 0b",       // skill_withheld_ms: 11
    ];
    assert_eq!(hex::encode(&bytes), expected.concat().replace(' ', ""));
    assert_eq!(codec::decode::<TrustState>(&bytes, 512), Ok(state));
}

#[test]
fn a_score_beyond_one_is_not_read() {
    let json = serde_json::to_value(founder_after(&[])).unwrap();
    assert!(serde_json::from_value::<TrustState>(json.clone()).is_ok());
    for score in ["trust_ppm", "skill_ppm"] {
        let mut beyond = json.clone();
        beyond[score] = 1_000_001.into();
        assert!(serde_json::from_value::<TrustState>(beyond).is_err());
    }
}
