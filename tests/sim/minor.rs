//! `T-minor`: no set of members with less than a third of the votes brings an honest member that keeps its promises below the
//! threshold, weighs half in claims, or comes to a third of the votes, by claims, panels, proposals, abstaining, withholding
//! or critical votes.
//!
//! Random coalitions against random towns, without agreement: the production ledger and the oracle apply every seal, and
//! must be equal at the end. `MYCNET_COALITIONS=10000 cargo test --release --features sim --test sim t_minor` is the long form,
//! with 500 operations for each coalition; `MYCNET_SEED=n` repeats one of them.

mod coalition;
mod town;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use coalition::play;
use mycnet_consensus::internals::sim::oracle::Mutation;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Plays all seeds on all processors; returns the least trust of an honest member and the largest share of a coalition in
/// claims, both in parts per million.
fn play_all(seeds: std::ops::Range<u64>, operations: usize) -> (u32, u32) {
    let next = AtomicU64::new(seeds.start);
    let extremes = Mutex::new((1_000_000, 0));
    let failures = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    match play(seed, operations, None) {
                        Ok(seen) => {
                            let mut extremes = extremes.lock().unwrap();
                            extremes.0 = extremes.0.min(seen.least_trust_ppm);
                            extremes.1 = extremes.1.max(seen.largest_share_ppm);
                        }
                        Err(broken) => {
                            let line = format!("MYCNET_SEED={seed} repeats this: {broken}");
                            failures.lock().unwrap().push(line);
                        }
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{failures:#?}");
    extremes.into_inner().unwrap()
}

#[test]
fn t_minor() {
    let start = std::time::Instant::now();
    let all = number("MYCNET_COALITIONS");
    let seeds = match number("MYCNET_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..all.unwrap_or(12),
    };
    let operations = if all.is_some() { 500 } else { 150 };
    let count = seeds.end - seeds.start;
    let (least, largest) = play_all(seeds, operations);
    println!(
        "{count} coalitions, {operations} operations each, in {:?}: least trust of an honest member {least} ppm, largest \
         share of a coalition in claims {largest} ppm",
        start.elapsed()
    );
}

fn fires(mutation: Mutation) -> Option<String> {
    (0..40).find_map(|seed| play(seed, 400, Some(mutation)).err())
}

// That a coalition can weigh half without the floor of skill is shown by `tests/it/attacks/scores.rs`.

/// The first edition's scores let a coalition suspend honest members, and take their weight.
#[test]
fn t_minor_fires_with_the_scores_of_the_first_edition() {
    println!("{}", fires(Mutation::FirstEdition).expect("it is broken"));
}

#[test]
fn t_minor_fires_when_dissent_on_claims_can_suspend() {
    let broken = fires(Mutation::DissentSuspends).expect("it is broken");
    assert!(broken.contains("suspended"), "{broken}");
}
