//! `P-agree`, `S-agree`, `S-blame`: no two replicas differ below a third; above, they can, more than a third is named, and the
//! honest ones found the network anew without them.

use mycnet_consensus::internals::sim::actors::ActorKind;
use mycnet_consensus::internals::sim::plan::Plan;
use mycnet_consensus::internals::sim::world::run;

use crate::hand::{Hand, broken};
use crate::refounding::of_founding;
use crate::schedules::run_checked;
use crate::sweep::{seeds, sweep};

/// Fails the seed with what was said.
macro_rules! check {
    ($holds:expr, $($said:tt)+) => {
        if !$holds {
            return Err(format!($($said)+));
        }
    };
}

#[test]
fn s_agree() {
    let play = |seed| {
        run_checked(Plan::with_actor(seed, ActorKind::DoubleVoter))?;
        // Less than a third are twins: one side stands still.
        let mut plan = Plan::twins(seed, 4, 1);
        plan.goes_on_above_a_third = false;
        let report = run(plan);
        check!(report.forks.is_empty(), "{:?}", report.forks);
        let mut found = report.violations.iter();
        check!(
            found.all(|v| v.property == "p_live"),
            "{:?}",
            report.violations
        );
        Ok(())
    };
    sweep(seeds(5), play, |()| {});
}

/// A colluding half of twins decides on both sides of a partition; the checker sees it, the honest see it when they meet,
/// and whom they name weighs more than a third and is not honest. Every fork ends refounded: all honest hosts go on in one new
/// network, without those who made the fork, with everything that was sealed before it. Rules: F1, F2, F3, F4, F5.
#[test]
fn s_agree_fires_above_a_third_and_s_blame_names_them() {
    for (members, twinned) in [(4, 2), (7, 3)] {
        fork_and_refound(members, twinned);
    }
}

fn fork_and_refound(members: usize, twinned: usize) {
    let play = |seed| {
        let report = run(Plan::twins(seed, members, twinned));
        let found: Vec<_> = report.violations.iter().map(|v| v.property).collect();
        for property in ["innocent", "s_blame"] {
            check!(!found.contains(&property), "{:?}", report.violations);
        }
        // A side that proposed nothing decides nothing.
        let is_forked = found.contains(&"s_agree");
        check!(
            !is_forked || !report.forks.is_empty(),
            "nobody noticed the fork of {members}/{twinned}"
        );
        let broken = of_founding(&report);
        check!(broken.is_empty(), "{members}/{twinned}: {broken:#?}");
        check!(
            report.founded.is_some() != report.forks.is_empty(),
            "{members}/{twinned}: founded {:?}",
            report.founded
        );
        Ok((is_forked, report.founded))
    };
    let (mut forks, mut founded) = (0, Vec::new());
    sweep(seeds(5), play, |(is_forked, network)| {
        forks += u64::from(is_forked);
        founded.extend(network);
    });
    assert!(forks > 0, "twins of a majority fork the chain");
    println!(
        "{members}/{twinned}: {forks} forks, {} refounded, {} words replaced, {} old seals meanwhile, {} seals and {} operations after",
        founded.len(),
        founded.iter().map(|it| it.replaced).sum::<u64>(),
        founded.iter().map(|it| it.sealed_meanwhile).sum::<u64>(),
        founded.iter().map(|it| it.height).sum::<u64>(),
        founded.iter().map(|it| it.operations.1).sum::<u64>(),
    );
}

#[test]
fn s_blame() {
    let play = |seed| {
        let report = run(Plan::twins(seed, 7, 2));
        check!(report.forks.is_empty(), "less than a third cannot fork");
        let mut plan = Plan::twins(seed, 4, 2);
        plan.refounding = None;
        for (height, blame, percent) in run(plan).forks {
            check!(percent > 33, "height {height}: {percent} % for {blame:?}");
        }
        Ok(())
    };
    sweep(seeds(5), play, |()| {});
}

#[test]
fn p_agree() {
    let play = |seed| run_checked(Plan::random(seed ^ 0xa9_1e_e0));
    sweep(seeds(8), play, drop);
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
