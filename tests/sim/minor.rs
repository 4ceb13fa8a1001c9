//! `T-minor`: no set of members with less than a third of the votes brings an honest member that keeps its promises below the
//! threshold, weighs half in claims, or comes to a third of the votes, by claims, panels, proposals, abstaining, withholding
//! or critical votes.
//!
//! Random coalitions against random towns, without agreement: the production ledger and the oracle apply every seal, and
//! must be equal at the end. `MYCNET_SEEDS=0..10000 cargo test --release --test sim minor::t_minor -- --exact` is
//! the long form, with 500 operations for each coalition.

mod coalition;
mod town;

use coalition::play;
use mycnet_consensus::internals::sim::oracle::Mutation;

use crate::sweep::{is_chosen, seeds, sweep};

#[test]
fn t_minor() {
    let start = std::time::Instant::now();
    let seeds = seeds(12);
    let operations = if is_chosen() { 500 } else { 150 };
    let count = seeds.end - seeds.start;
    let (mut least, mut largest) = (1_000_000, 0);
    sweep(
        seeds,
        |seed| play(seed, operations, None),
        |seen| {
            least = least.min(seen.least_trust_ppm);
            largest = largest.max(seen.largest_share_ppm);
        },
    );
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
