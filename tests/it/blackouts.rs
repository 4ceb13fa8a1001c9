//! The power fails everywhere at once, and one node never comes back: the others can go on, because the records
//! behind their votes are on their disks (C2, C5; [`mycnet_consensus::core::Write`]).

use mycnet_consensus::core::{Answer, Input};
use mycnet_consensus::{Ballot, OperationId, Priority};

use crate::net::{Net, config, genesis};

/// The proposer of every round 0.
const GONE: usize = 0;

/// Node 1 proposes; after `delivered` messages all nodes stop. The returning nodes vote. Returns how many messages there were
/// before, and whether the operation closes afterwards.
fn blackout(delivered: usize, forgets: fn(&mut Net)) -> (usize, bool) {
    let mut net = Net::new(&genesis(4), 4);
    let propose = Input::Propose {
        operation: config(b"x"),
        priority: Priority::Normal,
        ballot: Some(Ballot::Approve),
        nonce: 1,
    };
    let Ok(Answer::Proposed(id)) = net.input(1, propose) else {
        panic!("the proposal was refused");
    };
    let mut left = delivered;
    while left > 0 && net.pump_one() {
        left -= 1;
    }
    forgets(&mut net);
    net.down[GONE] = true;
    net.stop_all();
    for _ in 0..20 {
        net.pump();
        for n in 1..4 {
            vote(&mut net, n, id);
        }
        net.nudge(2);
    }
    let is_closed = (1..4).all(|n| net.phase(n, &id) == "closed");
    (delivered - left, is_closed)
}

fn vote(net: &mut Net, n: usize, operation: OperationId) {
    // It may have voted, or not know the operation yet.
    let _ = net.input(
        n,
        Input::Vote {
            operation,
            ballot: Ballot::Approve,
        },
    );
    net.pump();
}

/// The first number of delivered messages after which a blackout stops the federation for good.
fn fatal(forgets: fn(&mut Net)) -> Option<usize> {
    let (calm, _) = blackout(usize::MAX, |_| ());
    assert!(calm > 20, "there is something to interrupt");
    (0..=calm).find(|delivered| !blackout(*delivered, forgets).1)
}

#[test]
fn a_federation_goes_on_after_a_blackout() {
    assert_eq!(fatal(|_| ()), None);
}

#[test]
fn without_the_lists_it_would_stop() {
    let forgets = |net: &mut Net| net.saved.iter_mut().for_each(|it| it.lists.clear());
    assert!(fatal(forgets).is_some());
}

#[test]
fn without_the_votes_of_others_it_would_stop() {
    let forgets = |net: &mut Net| net.saved.iter_mut().for_each(|it| it.votes.clear());
    assert!(fatal(forgets).is_some());
}
