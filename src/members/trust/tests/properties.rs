//! T-range, T-order, and the long run.

use proptest::prelude::*;

use super::log::{SplitMix, any_params, logs};
use super::*;
use crate::base::codec;
use crate::base::limits::TRUST_MAX_PPM;
use crate::statement::operation::Class;

/// T-range over a log: after each record the trust is in range, and 0 if banned.
fn check_range(
    mut state: TrustState,
    log: &[ParticipationRecord],
    trust_of: impl Fn(&TrustState) -> u32,
    step: impl Fn(&mut TrustState, &ParticipationRecord),
) -> Result<(), String> {
    for (index, record) in log.iter().enumerate() {
        step(&mut state, record);
        let trust_ppm = trust_of(&state);
        if trust_ppm > TRUST_MAX_PPM || (state.standing() == Standing::Banned && trust_ppm > 0) {
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
        for start in [TrustState::founder(&params), TrustState::admitted(&params)] {
            let checked = check_range(start, &log, TrustState::trust_ppm, |state, record| {
                state.apply(&params, record);
            });
            prop_assert_eq!(checked, Ok(()));
        }
    }

    /// The same records in the same order give the same state, even if it was stored and read again on the way.
    #[test]
    fn t_order(log in logs(), params in any_params(), stored_after in 0..200_usize) {
        let mut first = TrustState::founder(&params);
        let mut second = first;
        for (index, record) in log.iter().enumerate() {
            let change = first.apply(&params, record);
            if index == stored_after {
                second = codec::decode(&codec::encode(&second), 256).unwrap();
            }
            prop_assert_eq!(second.apply(&params, record), change);
        }
        prop_assert_eq!(first, second);
    }

    /// Every change is reported, with the numbers before and after: the entries add up to the score.
    #[test]
    fn the_entries_explain_the_score(log in logs(), params in any_params()) {
        let mut state = TrustState::founder(&params);
        for record in &log {
            let before = state;
            let change = state.apply(&params, record);
            let said = change.map_or(
                (before.trust_ppm(), before.trust_ppm(), before.standing(), before.standing()),
                |change| (change.before_ppm, change.after_ppm, change.standing_before, change.standing_after),
            );
            let seen = (before.trust_ppm(), state.trust_ppm(), before.standing(), state.standing());
            prop_assert_eq!(said, seen);
        }
    }
}

#[test]
fn t_range_fires_when_the_arithmetic_is_broken() {
    let params = Params::default();
    let log = [at(9, Participation::Coherent); 60];
    let start = TrustState::founder(&params);
    let right = check_range(start, &log, TrustState::trust_ppm, |state, record| {
        state.apply(&params, record);
    });
    assert_eq!(right, Ok(()));
    // Gains of 2 % of full trust instead of the missing trust. The streak counts the gains.
    let flat = |state: &TrustState| 500_000 + 20_000 * state.streak();
    let broken = check_range(start, &log, flat, |state, record| {
        state.apply(&params, record);
    });
    assert!(broken.is_err(), "{broken:?}");
}

#[test]
fn t_order_fires_when_the_order_differs() {
    let coherent = at(9, Participation::Coherent);
    let dissent = at(9, Participation::Dissent(Class::Claim));
    assert_ne!(
        founder_after(&[coherent, dissent]),
        founder_after(&[dissent, coherent])
    );
}

/// The mean score, in parts per million, of a member that is right on claims with this frequency, over a long run.
fn long_run_mean_ppm(right_ppm: u64, seed: u64) -> u64 {
    const SETTLING: u64 = 1_000;
    const CLAIMS: u64 = 200_000;
    let params = Params::default();
    let mut numbers = SplitMix(seed);
    let mut state = TrustState::founder(&params);
    let mut sum = 0;
    for index in 0..SETTLING + CLAIMS {
        let event = if numbers.next() % 1_000_000 < right_ppm {
            Participation::Coherent
        } else {
            Participation::Dissent(Class::Claim)
        };
        state.apply(&params, &at(index, event));
        if index >= SETTLING {
            sum += u64::from(state.trust_ppm());
        }
    }
    sum / CLAIMS
}

/// 0.78 at 90 %, 0.48 at 70 %, 0.286 at 50 %.
#[test]
fn the_long_run_score_is_two_a_in_two_a_and_five_of_the_rest() {
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
        at(9, Participation::Coherent),
        at(10, Participation::Missed),
        withheld(7, 11),
    ]);
    let bytes = codec::encode(&state);
    // A map of 7, the shorter keys first: each line a key and its value.
    let expected = [
        "a7",
        "66 73747265616b 00",                             // streak: 0
        "67 6368616e636573 4d00000000000000000000000002", // chances: 13 bytes
        "68 7374616e64696e67 66616374697665",             // standing: active
        "69 74727573745f70706d 1a000728d0",               // trust_ppm: 469,200
        "6e 6c6173745f72657665616c5f6d73 05",             // last_reveal_ms: 5
        "6f 6c6173745f616273656e63655f6d73 f6",           // last_absence_ms: null
        "70 6c6173745f7769746868656c645f6d73 0b",         // last_withheld_ms: 11
    ];
    assert_eq!(hex::encode(&bytes), expected.concat().replace(' ', ""));
    assert_eq!(codec::decode::<TrustState>(&bytes, 256), Ok(state));
}

#[test]
fn trust_beyond_one_is_not_read() {
    let json = serde_json::to_value(founder_after(&[])).unwrap();
    assert!(serde_json::from_value::<TrustState>(json.clone()).is_ok());
    let mut beyond = json;
    beyond["trust_ppm"] = 1_000_001.into();
    assert!(serde_json::from_value::<TrustState>(beyond).is_err());
}
