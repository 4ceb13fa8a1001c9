//! A member's next key takes its line, by connection, across restarts, and reveals what the old key had committed to (K1 to K3).

use std::sync::Arc;

use mycnet_consensus::core::{Input, Refusal};
use mycnet_consensus::internals::record::{Statement, sign};
use mycnet_consensus::{Ballot, Digest, Founder, Genesis, NodeId, Params, Rejection, Spore};

use crate::net::{APPROVED, Net, config, identity, node, proposal_of};

/// The digest of the key of node `n`, as a line names it.
#[allow(clippy::unnecessary_wraps, reason = "as the field has it")]
fn named(n: usize) -> Option<Digest> {
    Some(Digest::of_successor(&node(n)))
}

/// Four members, of which node 1 names the key of node 4.
fn genesis() -> Genesis {
    let roles = [Spore::Primary, Spore::Seed, Spore::Seed, Spore::Seed];
    let mut genesis = Genesis::builder("test")
        .params(Params::dev())
        .time_ms(1_000_000);
    for (n, role) in roles.into_iter().enumerate() {
        genesis = genesis.founder(Founder {
            successor: (n == 1).then(|| named(4)).flatten(),
            ..Founder::new(node(n), role)
        });
    }
    genesis.build().unwrap()
}

fn has_line(net: &Net, n: usize, key: NodeId) -> bool {
    net.state(n).roster().get(&key).is_some()
}

/// Node 4 takes the line of node 1.
fn succeed(net: &mut Net) {
    net.input(4, Input::Succeed { next: named(5) }).unwrap();
    net.pump();
    net.nudge(1);
    for n in 0..5 {
        if !net.down[n] {
            assert!(
                has_line(net, n, node(4)) && !has_line(net, n, node(1)),
                "node {n}"
            );
        }
    }
}

#[test]
fn the_next_key_seals_and_votes_in_the_place_of_the_old_one() {
    let mut net = Net::new(&genesis(), 5);
    let refused = net.input(3, Input::Succeed { next: None });
    assert_eq!(refused, Err(Refusal::NoSuccessor));
    net.down[1] = true;
    succeed(&mut net);
    let line = net.state(0).roster().get(&node(4)).unwrap();
    assert_eq!((line.role, line.successor), (Spore::Seed, named(5)));
    // Without node 3 the others are a quorum only with the new key.
    net.down[3] = true;
    let id = net.propose(4, config(b"x"), Some(Ballot::Approve));
    net.approve(&[0, 2], id);
    for _ in 0..20 {
        net.nudge(1);
    }
    assert_eq!(net.outcome(0, &id), APPROVED);
    assert_eq!(net.outcome(4, &id), APPROVED);
    let seal = net.state(4).seal();
    net.restart(4);
    assert_eq!(net.state(4).seal(), seal);
    assert!(has_line(&net, 4, node(4)));
    // The old key, started again, has nothing to say.
    net.down[1] = false;
    net.meet(1);
    net.pump();
    let again = Input::Propose {
        operation: config(b"y"),
        priority: mycnet_consensus::Priority::Normal,
        ballot: None,
        nonce: 1,
    };
    let refused = net.input(1, again);
    assert_eq!(
        refused,
        Err(Refusal::Rejected(Rejection::FormerKey(node(1))))
    );
}

#[test]
fn a_key_that_no_line_names_is_no_author() {
    let mut net = Net::new(&genesis(), 5);
    let (id, old) = (net.network_id(), node(1));
    let stranger = sign(&identity(7), id, Statement::Succeed { old, next: None }).unwrap();
    let unknown = Err(Rejection::UnknownAuthor(node(7)));
    assert_eq!(net.import(0, &stranger), unknown);
    // A named key signs nothing but its `Succeed`.
    let early = proposal_of(config(b"x"), net.state(0).seal(), 1);
    let early = net.forge(4, early);
    assert_eq!(
        net.import(0, &early),
        Err(Rejection::UnknownAuthor(node(4)))
    );
    // Of many bodies few are kept.
    net.down = vec![false, true, true, true, true];
    let bodies = [None, named(5), named(6)];
    let results = bodies.map(|next| {
        let record = net.forge(4, Statement::Succeed { old, next });
        net.import(0, &record)
    });
    assert!(results[0].is_ok() && results[1].is_ok());
    assert_eq!(results[2], Err(Rejection::SlotFull(node(4))));
    net.down = vec![false; 5];
    for n in 0..5 {
        net.meet(n);
    }
    net.pump();
    net.nudge(2);
    assert!(has_line(&net, 2, node(4)), "one of the two is sealed");
    assert!(net.cores[2].pool().is_empty(), "and the other one is gone");
}

#[test]
fn the_new_key_reveals_what_the_old_one_had_committed_to() {
    for has_journal in [true, false] {
        let mut net = Net::new(&genesis(), 5);
        let id = net.propose(1, config(b"x"), Some(Ballot::Approve));
        net.down[1] = true;
        net.approve(&[0, 2, 3], id);
        net.nudge(2);
        assert_ne!(net.phase(0, &id), "closed", "one reveal is missing");
        // The machine goes on with the new key, in the same directory or without it.
        if has_journal {
            net.saved[4].journal = net.saved[1].journal.clone();
        }
        net.restart(4);
        succeed(&mut net);
        net.cores[4].hold_former(vec![Arc::new(identity(1))]);
        net.nudge(3);
        for n in [0, 4] {
            assert_eq!(net.phase(n, &id), "closed", "node {n}");
            assert_eq!(net.outcome(n, &id), APPROVED);
        }
        assert_eq!(net.trust(0, 4), 510_000, "the line gains");
        net.restart(4);
        assert!(has_line(&net, 4, node(4)));
    }
}
