//! Founding the network anew after a fork, a loss and a capture, with all disorder, and the short life of the new network under all
//! checks. The forks are in `agree.rs`. Properties: R-same, R-guard. Rules: F1, F2, F3, F4, F5, F6.

use mycnet_consensus::NodeId;
use mycnet_consensus::Spore;
use mycnet_consensus::core::Plan as Refound;
use mycnet_consensus::internals::ledger::{Ledger, State, refounded};
use mycnet_consensus::internals::sim::checker::Violation;
use mycnet_consensus::internals::sim::generate::Log;
use mycnet_consensus::internals::sim::oracle::{Omission, Oracle};
use mycnet_consensus::internals::sim::plan::Plan;
use mycnet_consensus::internals::sim::refounding::{Cause, Flaw, Late, Loss, Refounding};
use mycnet_consensus::internals::sim::world::{NewNetwork, Report, run};
use rand::seq::IteratorRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::differential;
use crate::schedules::run_checked;
use crate::sweep::{seeds, sweep};

/// What was found of the founding and of the new network. Of the old network after a fork nothing else can be said.
pub fn of_founding(report: &Report) -> Vec<&Violation> {
    let properties = [
        "founding",
        "innocent",
        "journal",
        "one_network",
        "r_guard",
        "r_live",
        "r_same",
        "r_without",
        "restore",
    ];
    let violations = report.violations.iter();
    violations
        .filter(|it| properties.contains(&it.property) || it.text.starts_with("in the new network"))
        .collect()
}

/// A random schedule after which people found the network anew for this reason.
fn random(seed: u64, cause: Cause) -> Plan {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Plan {
        refounding: Some(Refounding::random(&mut rng, cause)),
        ..Plan::random(seed ^ 0xf0_11d)
    }
}

/// Runs schedules of these seeds, and prints what became of them.
fn found_all(seeds: std::ops::Range<u64>, cause: Cause) -> Vec<NewNetwork> {
    let mut all = Vec::new();
    sweep(
        seeds,
        |seed| run_checked(random(seed, cause)),
        |report| all.extend(report.founded),
    );
    let sum = |count: fn(&NewNetwork) -> u64| all.iter().map(count).sum::<u64>();
    println!(
        "{cause:?}: {} founded, {} secessions, {} words replaced, {} given again, {} by ticket, {} old seals meanwhile, {} ms, {} seals, {} closed",
        all.len(),
        sum(|it| u64::from(it.is_secession)),
        sum(|it| it.replaced),
        sum(|it| it.asked_again),
        sum(|it| it.by_ticket),
        sum(|it| it.sealed_meanwhile),
        sum(|it| it.took_ms),
        sum(|it| it.height),
        sum(|it| it.operations.1),
    );
    all
}

/// Members with one plan found one network: a third and more is gone for ever, the others have what they have.
#[test]
fn r_same() {
    let seeds = seeds(4);
    let founded = found_all(seeds.clone(), Cause::Gone);
    assert_eq!(founded.len() as u64, seeds.end - seeds.start);
}

/// More than two thirds were captured for a while. Seals of theirs come in meanwhile, and every person is asked again.
#[test]
fn r_guard() {
    let seeds = seeds(4);
    let founded = found_all(seeds.clone(), Cause::Captured);
    let is_long = seeds.end - seeds.start >= 4;
    assert!(!is_long || !founded.is_empty(), "some schedules settle");
}

/// Whether this property is found broken if a host does something wrong.
fn fires(flaw: Flaw, property: &'static str) -> bool {
    let is_found = |seed: u64| {
        let mut plan = if seed.is_multiple_of(2) {
            Plan::twins(seed, 4, 2)
        } else {
            Plan::twins(seed, 7, 3)
        };
        plan.refounding = Some(Refounding {
            flaw: Some(flaw),
            loses: (flaw == Flaw::SilentLoss).then_some(Loss::Journal),
            late: (flaw == Flaw::SilentLoss).then_some(Late::Off),
            ..Refounding::quiet(Cause::Fork)
        });
        let report = run(plan);
        let mut found = report.violations.iter();
        found.any(|it| it.property == property)
    };
    (0..20).any(is_found)
}

#[test]
fn r_same_fires_when_a_host_makes_another_genesis_of_the_plan() {
    assert!(fires(Flaw::FoundsOtherwise, "r_same"));
}

#[test]
fn r_guard_fires_when_a_journal_is_lost_in_silence() {
    assert!(fires(Flaw::SilentLoss, "r_guard"));
}

#[test]
fn r_guard_fires_when_a_host_forgets_that_it_left() {
    assert!(fires(Flaw::ForgetsLeaving, "r_guard"));
}

/// A plan from this state: without the banned, mostly, and somebody else; with new roles.
fn random_plan(rng: &mut ChaCha8Rng, state: &State) -> Refound {
    let members: Vec<NodeId> = state.roster().iter().map(|(node, _)| node).collect();
    let mut plan = Refound::new(state.height(), state.seal());
    if rng.random_ratio(9, 10) {
        let banned = state
            .roster()
            .iter()
            .filter(|(_, member)| member.is_banned());
        plan.without.extend(banned.map(|(node, _)| node));
    }
    for _ in 0..rng.random_range(0..3) {
        plan.without.extend(members.iter().choose(rng).copied());
    }
    for _ in 0..rng.random_range(0..3) {
        let role = [Spore::Primary, Spore::Seed, Spore::Latent][rng.random_range(0..3)];
        plan.roles
            .extend(members.iter().choose(rng).map(|node| (*node, role)));
    }
    if rng.random_ratio(1, 20) {
        plan.without.push(NodeId::from_bytes([7; 32]));
    }
    plan.sort();
    plan
}

/// Calls back with the production ledger, the oracle and a plan, after every eighth seal of a random log.
fn visit_plans(seed: u64, log: &Log, mut visit: impl FnMut(&State, &Oracle, &Refound)) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let (mut ledger, mut oracle) = (Ledger::new(&log.genesis), Oracle::new(&log.genesis));
    for block in &log.blocks {
        let draft = ledger.check(&block.seal, block.records.clone()).unwrap();
        ledger.commit(draft);
        let wire: Vec<_> = block.records.iter().map(|r| r.record().clone()).collect();
        oracle.apply(&block.seal, &wire).unwrap();
        if rng.random_ratio(1, 8) {
            let plan = random_plan(&mut rng, ledger.state());
            visit(ledger.state(), &oracle, &plan);
        }
    }
}

/// The genesis that production makes of a plan is the one that the oracle says, bit by bit, and they refuse the same plans.
#[test]
fn production_and_oracle_found_the_same_network() {
    let (mut made, mut refused) = (0, 0);
    for seed in seeds(10) {
        let (log, _) = differential::log(seed, 60);
        visit_plans(seed, &log, |state, oracle, plan| {
            let founding = refounded(&log.genesis, state, plan);
            let genesis = founding.as_ref().map_or(&log.genesis, |it| it.genesis());
            let what = || format!("seed {seed}, height {}: {plan:?}", plan.height);
            match oracle.refounded(plan, genesis) {
                Ok(rules) => {
                    assert!(founding.is_ok(), "{}: {founding:?}", what());
                    assert_eq!(rules.differences(genesis), [""; 0], "{}", what());
                    made += 1;
                }
                Err(error) => {
                    assert!(founding.is_err(), "{}: {error}", what());
                    refused += 1;
                }
            }
        });
    }
    println!("{made} made, {refused} refused");
    assert!(seeds(10).count() < 12 || (made > 40 && refused > 3));
}

/// A part of F2 that is taken back shows.
#[test]
fn every_part_of_a_genesis_that_is_left_out_is_noticed() {
    let mut unnoticed = Omission::ALL.to_vec();
    for seed in 0..40 {
        let (log, _) = differential::log(seed, 60);
        visit_plans(seed, &log, |state, oracle, plan| {
            let Ok(founding) = refounded(&log.genesis, state, plan) else {
                return;
            };
            let genesis = founding.genesis();
            unnoticed.retain(|omission| {
                let rules = oracle.refounded_without(plan, genesis, Some(*omission));
                rules.is_ok_and(|rules| rules.differences(genesis).is_empty())
            });
        });
        if unnoticed.is_empty() {
            return;
        }
    }
    panic!("nobody notices {unnoticed:?}");
}
