//! Random schedules: any weather, any liars below a third.

use std::collections::BTreeMap;

use mycnet_consensus::internals::sim::plan::Plan;
use mycnet_consensus::internals::sim::world::{Report, run};

use crate::sweep::{seeds, sweep};

/// Runs a plan.
///
/// # Errors
///
/// What was found broken.
pub fn run_checked(plan: Plan) -> Result<Report, String> {
    let shown = format!("{:?} {:?}", plan.hosts, plan.network);
    let report = run(plan);
    if report.violations.is_empty() {
        return Ok(report);
    }
    Err(format!("{:#?}\n{shown}", report.violations))
}

/// Runs a plan and fails with its seed if anything was found.
pub fn run_clean(plan: Plan) -> Report {
    let seed = plan.seed;
    run_checked(plan).unwrap_or_else(|broken| panic!("MYCNET_SEED={seed} repeats this: {broken}"))
}

/// Sums over schedules, to see that they exercise something.
#[derive(Debug, Default)]
struct Sums {
    schedules: u64,
    seals: u64,
    operations_closed: u64,
    crashes: u64,
    frames: u64,
    equivocations_proved: u64,
    assumption_lost: u64,
    outcomes: BTreeMap<String, u64>,
    refused: BTreeMap<&'static str, u64>,
}

impl Sums {
    fn add(&mut self, report: Report) {
        self.schedules += 1;
        self.seals += report.height;
        self.operations_closed += report.operations.1;
        self.crashes += report.crashes;
        self.frames += report.frames;
        self.equivocations_proved += report.evidence;
        self.assumption_lost += u64::from(report.assumption_lost.is_some());
        for (outcome, times) in report.outcomes {
            *self.outcomes.entry(outcome).or_default() += times;
        }
        for (code, times) in report.refused {
            *self.refused.entry(code).or_default() += times;
        }
    }
}

#[test]
fn random_schedules_keep_every_property() {
    let start = std::time::Instant::now();
    let mut sums = Sums::default();
    sweep(
        seeds(60),
        |seed| run_checked(Plan::random(seed)),
        |report| sums.add(report),
    );
    println!("{sums:?} in {:?}", start.elapsed());
    if sums.schedules >= 60 {
        for outcome in [
            "approve",
            "reject",
            "result",
            "results",
            "no_quorum",
            "approve unfrozen",
            "reject unfrozen",
        ] {
            assert!(
                sums.outcomes.contains_key(outcome),
                "{outcome} never happened: {sums:?}"
            );
        }
        assert!(
            sums.crashes > 0 && sums.equivocations_proved > 0,
            "{sums:?}"
        );
    }
}

/// A schedule of the long form that found a fault: two Primaries in turn gave the same directive, and an objection that the outcome
/// overruled was not charged.
#[test]
fn the_schedule_of_two_primaries_keeps_every_property() {
    run_clean(Plan::random(300));
}
