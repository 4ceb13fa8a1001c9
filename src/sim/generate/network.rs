//! Random networks.

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use super::people::{Habits, Person};
use crate::statement::genesis::{Genesis, PanelScoring, Sealing};
use crate::statement::operation::Spore;
use crate::statement::params::Params;

const START_MS: u64 = 1_700_000_000_000;
/// People who are not founders.
const CANDIDATES: usize = 4;

/// A genesis of one to ten founders, and all people: founders first, then candidates.
pub(super) fn found(rng: &mut ChaCha8Rng, seed: u64) -> (Genesis, Vec<Person>) {
    let founders = match rng.random_range(0..20) {
        0 => rng.random_range(1..=2),
        1..5 => rng.random_range(3..=4),
        _ => rng.random_range(4..=10),
    };
    // In a few networks all people have the same habits: all absent, or all two-faced.
    let alike = rng.random_ratio(1, 20).then(|| Habits::any(rng));
    let people: Vec<Person> = (0..founders + CANDIDATES)
        .map(|number| {
            let habits = Habits::random(rng);
            Person::new(&format!("log {seed} {number}"), alike.unwrap_or(habits))
        })
        .collect();
    let mut nonce = [0; 32];
    nonce[..8].copy_from_slice(&seed.to_le_bytes());
    let mut builder = Genesis::builder("random")
        .nonce(nonce)
        .time_ms(START_MS)
        .sealing(pick(rng, [Sealing::Members, Sealing::Authorities]))
        .panel_scoring(pick(rng, [PanelScoring::Quorum, PanelScoring::Authorities]))
        .params(params(rng));
    for (number, person) in people.iter().take(founders).enumerate() {
        let role = if number == 0 && rng.random_ratio(4, 5) {
            Spore::Primary
        } else {
            pick(rng, [Spore::Seed, Spore::Latent, Spore::Latent])
        };
        builder = builder.member(person.id, role);
    }
    let genesis = builder.build().expect("random genesis are valid");
    (genesis, people)
}

fn pick<T: Copy, const N: usize>(rng: &mut ChaCha8Rng, from: [T; N]) -> T {
    from[rng.random_range(0..N)]
}

/// Small windows; shares mostly as usual, some extreme.
fn params(rng: &mut ChaCha8Rng) -> Params {
    let usual = Params::default();
    let mut params = shares(rng, &usual);
    if rng.random_ratio(1, 8) {
        // Windows so short that what is counted once per window is counted at most seals.
        params.drift_ms = 1;
        params.step_patience_ms = 1;
        for grace in [&mut params.claim_grace_ms, &mut params.critical_grace_ms] {
            *grace = rng.random_range(4..=12);
        }
        for window in windows(&mut params) {
            *window = rng.random_range(12..=60);
        }
        return params;
    }
    params.drift_ms = rng.random_range(1..=20);
    params.step_patience_ms = rng.random_range(1..80);
    for grace in [&mut params.claim_grace_ms, &mut params.critical_grace_ms] {
        *grace = rng.random_range(80..=300);
    }
    for window in windows(&mut params) {
        *window = rng.random_range(300..=1500);
    }
    for window in [
        &mut params.primary_window_ms,
        &mut params.resolution_window_ms,
    ] {
        // Also shorter than the grace.
        *window = rng.random_range(80..=1500);
    }
    params
}

fn windows(params: &mut Params) -> [&mut u64; 5] {
    [
        &mut params.commit_window_ms,
        &mut params.reveal_window_ms,
        &mut params.primary_window_ms,
        &mut params.objection_window_ms,
        &mut params.resolution_window_ms,
    ]
}

fn shares(rng: &mut ChaCha8Rng, usual: &Params) -> Params {
    let founder_trust_ppm = pick(rng, [500_000, 500_000, 500_000, 450_000, 777_777, 900_000]);
    Params {
        coherent_gain_ppm: pick(rng, [20_000, 20_000, 1, 200_000]),
        skill_gain_ppm: pick(rng, [20_000, 20_000, 1, 200_000]),
        claim_dissent_ppm: pick(rng, [10_000, 10_000, 1, 0]),
        skill_dissent_ppm: share(rng, usual.skill_dissent_ppm),
        overruled_ppm: share(rng, usual.overruled_ppm),
        critical_dissent_ppm: share(rng, usual.critical_dissent_ppm),
        withheld_ppm: share(rng, usual.withheld_ppm),
        absent_ppm: share(rng, usual.absent_ppm),
        founder_trust_ppm,
        admitted_trust_ppm: pick(rng, [200_000, 200_000, 0, 399_000, 450_000]),
        suspend_below_ppm: pick(rng, [300_000, 300_000, 300_000, 50_000, 320_000]),
        activate_from_ppm: pick(rng, [400_000, 400_000, 400_000, 330_000]),
        activate_row: pick(rng, [1, 2, 3, 3, 5, 10]),
        start_skill_ppm: pick(rng, [500_000, 500_000, 0, 1_000_000]),
        skill_floor_ppm: pick(rng, [500_000, 500_000, 500_000, 0, 1_000_000]),
        claim_share_ppm: pick(rng, [500_000, 500_000, 0, 666_667]),
        claim_electors: pick(rng, [1, 1, 2]),
        ..usual.clone()
    }
}

fn share(rng: &mut ChaCha8Rng, usual: u32) -> u32 {
    match rng.random_range(0..20) {
        0 => 0,
        1 => pick(rng, [1, 499_999, 500_000]),
        2..7 => rng.random_range(0..=200_000),
        _ => usual,
    }
}
