//! Endorsements kept back, plans without everybody else, two plans at once: founding anew is no way to take a network over.
//! Rules: F3, F4, F5, F6.

use mycnet_consensus::core::{Founding, Input, Plan};
use mycnet_consensus::internals::ledger::refounded;
use mycnet_consensus::internals::record::{Statement, sign};

use crate::net::{Net, config, genesis, identity, node};

fn without(net: &Net, by: usize, gone: &[usize]) -> (Plan, Founding) {
    let state = net.state(by);
    let mut plan = Plan {
        without: gone.iter().map(|n| node(*n)).collect(),
        ..Plan::new(state.height(), state.seal())
    };
    plan.sort();
    let founding = refounded(&net.genesis, state, &plan).unwrap();
    (plan, founding)
}

fn endorse(net: &mut Net, n: usize, (plan, founding): &(Plan, Founding)) {
    let input = Input::Endorse {
        plan: plan.clone(),
        founding: Box::new(founding.clone()),
        is_sure: false,
    };
    net.input(n, input).unwrap();
    net.pump();
}

/// One member endorses a plan without everybody else: it has all votes of that plan, and nobody else moves.
#[test]
fn a_plan_without_everybody_else_takes_nobody_along() {
    let mut net = Net::new(&genesis(4), 4);
    net.decide(0, config(b"one"), &[0, 1, 2, 3]);
    let alone = without(&net, 3, &[0, 1, 2]);
    endorse(&mut net, 3, &alone);
    assert!(net.cores[3].left_for().is_some());
    let backing = net.cores[3].backing(&alone.1);
    assert!(backing.is_secession(), "{backing:?}");
    for n in 0..3 {
        assert_eq!(net.cores[n].left_for(), None);
        assert_eq!(net.cores[n].endorsed_plans().len(), 1, "they know");
    }
    // The others are still a quorum of the old network.
    let id = net.propose(0, config(b"two"), Some(mycnet_consensus::Ballot::Approve));
    net.approve(&[1, 2], id);
    net.nudge(20);
    assert_eq!(net.outcome(1, &id), crate::net::APPROVED);
}

/// An endorsement is kept back until it suits: months later, after the network has gone on, it moves nobody by itself.
#[test]
fn an_endorsement_that_is_kept_back_moves_nobody() {
    let mut net = Net::new(&genesis(4), 4);
    net.decide(0, config(b"one"), &[0, 1, 2, 3]);
    let plan = without(&net, 0, &[2]);
    for n in [0, 1] {
        endorse(&mut net, n, &plan);
    }
    for value in [b"two", b"six", b"ten"] {
        net.decide(0, config(value), &[0, 1, 2, 3]);
        net.advance(net.genesis.params.commit_window_ms);
    }
    let statement = Statement::Refound {
        plan: Some(plan.0.clone()),
        attempt: 0,
    };
    let late = sign(&identity(3), net.network_id(), statement).unwrap();
    net.allow(std::slice::from_ref(&late));
    for n in [0, 1] {
        net.import(n, &late).unwrap();
        assert!(net.cores[n].backing(&plan.1).is_enough());
        assert_eq!(net.cores[n].left_for(), None, "it is asked again");
        assert!(net.cores[n].asks_again());
    }
}

/// A liar endorses two plans at once, each to one of the others: each counts it once, and both plans need the same honest ones.
#[test]
fn two_plans_at_once_are_not_both_in_force() {
    let mut net = Net::new(&genesis(4), 4);
    net.decide(0, config(b"one"), &[0, 1, 2, 3]);
    let (one, two) = (without(&net, 0, &[0]), without(&net, 0, &[1]));
    net.down = vec![true; 4];
    endorse(&mut net, 1, &one);
    endorse(&mut net, 0, &two);
    endorse(&mut net, 2, &one);
    for (n, plan) in [(1, &one), (2, &one), (0, &two)] {
        let statement = Statement::Refound {
            plan: Some(plan.0.clone()),
            attempt: 0,
        };
        let shown = sign(&identity(3), net.network_id(), statement).unwrap();
        net.allow(std::slice::from_ref(&shown));
        net.import(n, &shown).unwrap();
    }
    net.down = vec![false; 4];
    for n in 0..4 {
        net.meet(n);
    }
    net.pump();
    let left: Vec<bool> = net
        .cores
        .iter()
        .map(|core| core.left_for().is_some())
        .collect();
    let plans: std::collections::BTreeSet<_> = net
        .cores
        .iter()
        .filter_map(mycnet_consensus::core::Core::left_for)
        .collect();
    assert!(plans.len() <= 1, "{left:?}");
    assert!(!left[0], "its plan has two of three");
}
