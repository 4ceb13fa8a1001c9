//! The oracle compares every seal; a rule broken in one of the two is found.

use mycnet_consensus::internals::record::{Record, Seal, Statement};
use mycnet_consensus::internals::sim::oracle::Oracle;
use mycnet_consensus::internals::sim::plan::Plan;
use mycnet_consensus::internals::sim::world::{Report, run, run_with};

fn finds(apply: fn(&mut Oracle, &Seal, &[Record]) -> Result<(), String>) -> bool {
    let found = |report: Report| report.violations.iter().any(|v| v.property == "oracle");
    (0..10).any(|seed| found(run_with(Plan::quiet(seed, 4), apply)))
}

#[test]
fn the_same_rules_give_the_same() {
    for seed in 0..10 {
        assert_eq!(run(Plan::quiet(seed, 4)).violations, []);
    }
}

#[test]
fn an_oracle_that_forgets_a_reveal_is_found() {
    assert!(finds(|oracle, seal, records| {
        let mut records = records.to_vec();
        if let Some(at) = records
            .iter()
            .position(|r| matches!(r.body.what, Statement::Reveal { .. }))
        {
            records.remove(at);
        }
        let ids: Vec<_> = records.iter().map(|record| record.body.id()).collect();
        let mut seal = seal.clone();
        seal.count = u32::try_from(ids.len()).unwrap();
        seal.records = mycnet_consensus::internals::seal::list_digest(&ids);
        oracle.apply(&seal, &records)
    }));
}

#[test]
fn an_oracle_with_another_clock_is_found() {
    assert!(finds(|oracle, seal, records| {
        let mut seal = seal.clone();
        seal.time_ms += 10_000;
        oracle.apply(&seal, records)
    }));
}

/// The same seed twice gives an equal digest; another seed another.
#[test]
fn a_schedule_is_a_function_of_its_seed() {
    for seed in 0..6 {
        let (first, second) = (run(Plan::random(seed)), run(Plan::random(seed)));
        assert_eq!(first.digest, second.digest, "seed {seed}");
        assert_ne!(first.digest, run(Plan::random(seed + 1000)).digest);
    }
}
