//! Random schedules: any weather, any liars below a third.

use std::collections::BTreeMap;

use mycnet_consensus::sim::plan::Plan;
use mycnet_consensus::sim::world::{Report, run};

/// How many schedules all tests of this binary run together when nothing is said.
const SCHEDULES: u64 = 350;

/// The seeds of a test that runs `slice` of the [`SCHEDULES`], or its share of `MYCNET_SCHEDULES`.
pub fn seeds(slice: u64) -> std::ops::Range<u64> {
    let number = |name| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    if let Some(seed) = number("MYCNET_SEED") {
        return seed..seed + 1;
    }
    0..number("MYCNET_SCHEDULES").map_or(slice, |all| (slice * all).div_ceil(SCHEDULES))
}

/// Runs a plan and fails with its seed if anything was found.
pub fn run_clean(plan: Plan) -> Report {
    let shown = format!("{:?} {:?}", plan.hosts, plan.network);
    let report = run(plan);
    assert!(
        report.violations.is_empty(),
        "MYCNET_SEED={} repeats this: {:#?}\n{shown}",
        report.seed,
        report.violations
    );
    report
}

#[test]
fn random_schedules_keep_every_property() {
    let (mut schedules, mut heights, mut operations, mut crashes, mut evidence, mut lost, mut frames) = (0, 0, 0, 0, 0, 0, 0);
    let mut refused: BTreeMap<&str, u64> = BTreeMap::new();
    let start = std::time::Instant::now();
    for seed in seeds(100) {
        let report = run_clean(Plan::random(seed));
        schedules += 1;
        heights += report.height;
        operations += report.operations.1;
        crashes += report.crashes;
        evidence += report.evidence;
        frames += report.frames;
        lost += u64::from(report.assumption_lost.is_some());
        for (code, times) in report.refused {
            *refused.entry(code).or_default() += times;
        }
    }
    println!(
        "{schedules} schedules in {:?}: {heights} seals, {operations} operations closed, {crashes} crashes, {frames} frames, {evidence} \
         equivocations proved, assumption lost in {lost}; refused {refused:?}",
        start.elapsed()
    );
}
