//! `P-agree`, `S-agree`, `S-blame`: no two replicas differ below a third; above, they can, more than a third is named, and the
//! honest ones found the network anew without them.

use mycnet_consensus::internals::sim::actors::ActorKind;
use mycnet_consensus::internals::sim::plan::Plan;
use mycnet_consensus::internals::sim::world::run;

use crate::hand::{Hand, broken};
use crate::refounding::of_founding;
use crate::schedules::{run_clean, seeds};

#[test]
fn s_agree() {
    for seed in seeds(5) {
        run_clean(Plan::with_actor(seed, ActorKind::DoubleVoter));
        // Less than a third are twins: one side stands still.
        let mut plan = Plan::twins(seed, 4, 1);
        plan.goes_on_above_a_third = false;
        let report = run(plan);
        assert!(report.forks.is_empty(), "seed {seed}");
        assert!(
            report.violations.iter().all(|v| v.property == "p_live"),
            "seed {seed}: {:?}",
            report.violations
        );
    }
}

/// A colluding half of twins decides on both sides of a partition; the checker sees it, the honest see it when they meet,
/// and whom they name weighs more than a third and is not honest. Every fork ends refounded: all honest hosts go on in one new
/// network, without those who made the fork, with everything that was sealed before it. Rules: F1, F2, F3, F4, F5.
#[test]
fn s_agree_fires_above_a_third_and_s_blame_names_them() {
    let mut forks = 0;
    let mut founded = Vec::new();
    for (seed, (members, twinned)) in seeds(5).flat_map(|seed| [(seed, (4, 2)), (seed, (7, 3))]) {
        let report = run(Plan::twins(seed, members, twinned));
        let found: Vec<_> = report.violations.iter().map(|v| v.property).collect();
        for property in ["innocent", "s_blame"] {
            assert!(
                !found.contains(&property),
                "seed {seed}: {:?}",
                report.violations
            );
        }
        // A side that proposed nothing decides nothing.
        if found.contains(&"s_agree") {
            assert!(
                !report.forks.is_empty(),
                "seed {seed}: nobody noticed the fork of {members}/{twinned}"
            );
            forks += 1;
        }
        let broken = of_founding(&report);
        assert!(
            broken.is_empty(),
            "MYCNET_SEED={seed}, {members}/{twinned}: {broken:#?}"
        );
        assert_eq!(
            report.founded.is_some(),
            !report.forks.is_empty(),
            "seed {seed}"
        );
        founded.extend(report.founded.map(|it| (members, it)));
    }
    assert!(forks > 0, "twins of a majority fork the chain");
    for size in [4, 7] {
        let of_size = founded.iter().filter(|(members, _)| *members == size);
        let of_size: Vec<_> = of_size.map(|(_, it)| it).collect();
        println!(
            "{} forks of {size} members refounded, {} words replaced, {} old seals meanwhile, {} seals and {} operations after",
            of_size.len(),
            of_size.iter().map(|it| it.replaced).sum::<u64>(),
            of_size.iter().map(|it| it.sealed_meanwhile).sum::<u64>(),
            of_size.iter().map(|it| it.height).sum::<u64>(),
            of_size.iter().map(|it| it.operations.1).sum::<u64>(),
        );
    }
}

#[test]
fn s_blame() {
    for seed in seeds(5) {
        let report = run(Plan::twins(seed, 7, 2));
        assert!(
            report.forks.is_empty(),
            "seed {seed}: less than a third cannot fork"
        );
        let mut plan = Plan::twins(seed, 4, 2);
        plan.refounding = None;
        let report = run(plan);
        for (height, blame, percent) in report.forks {
            assert!(
                percent > 33,
                "seed {seed}, height {height}: {percent} % for {blame:?}"
            );
        }
    }
}

#[test]
fn p_agree() {
    for seed in seeds(8) {
        run_clean(Plan::random(seed ^ 0xa9_1e_e0));
    }
}

/// Two seals of one height, one with the reveals and one without: above a third that is possible, and must be seen.
#[test]
fn p_agree_fires_when_outcomes_differ() {
    let mut one = Hand::new();
    let mut checker = one.checker();
    let (operation, block, applied) = one.open();
    let mut other = one.clone();
    checker.sealed(0, &block, &applied);
    checker.sealed(1, &block, &applied);
    let (block, applied) = one.close(operation);
    checker.sealed(0, &block, &applied);
    assert_eq!(broken(&checker), [""; 0]);
    let (marked, applied) = other.seal(5000, Vec::new());
    checker.sealed(1, &marked, &applied);
    let (passed, applied) = other.seal(5000, Vec::new());
    checker.sealed(1, &passed, &applied);
    assert!(broken(&checker).contains(&"s_agree"));
    assert!(broken(&checker).contains(&"p_agree"));
}
