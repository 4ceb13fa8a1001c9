//! Records that refer to something unknown wait, and are judged when it arrives.

use super::*;
use mycnet_consensus::Rejection;

#[test]
fn records_about_an_unknown_operation_wait_for_its_proposal() {
    let mut net = Net::new(&genesis(4), 4);
    net.down = vec![false, true, true, true];
    let proposal = net.forge(1, proposal_of(config(b"x"), net.state(0).seal(), 1));
    let id = OperationId::from(proposal.id());
    let commit = net.forge(2, commit_of(net.network_id(), id, 2, &Ballot::Approve));
    let wrong = net.forge(2, directive(id));
    let before = net.fingerprint(0);
    for early in [&commit, &wrong] {
        let waiting = Admission::Waiting(Rejection::UnknownOperation(id));
        assert_eq!(net.import(0, early), Ok(waiting));
        assert_eq!(
            net.import(0, early),
            Ok(Admission::Known),
            "it waits already"
        );
    }
    assert_eq!(net.fingerprint(0), before);

    assert_eq!(net.import(0, &proposal), Ok(Admission::New));
    let pool = net.cores[0].pool();
    assert!(pool.get(&commit.id()).is_some(), "it was admitted");
    assert!(pool.get(&wrong.id()).is_none(), "it was judged and refused");
    assert_eq!(net.refusals(0)[0].code(), "wrong-phase");
}

#[test]
fn a_commit_to_a_standard_operation_waits_until_all_vote() {
    let mut world = World::new();
    let id = world.standard;
    let commit = world.net.forge(
        4,
        commit_of(world.net.network_id(), id, 4, &Ballot::Approve),
    );
    let before = world.net.fingerprint(1);
    let Ok(Admission::Waiting(reason)) = world.net.import(1, &commit) else {
        panic!("it has to wait");
    };
    assert_eq!(reason.code(), "wrong-phase");
    assert_eq!(world.net.fingerprint(1), before);
}

#[test]
fn a_reveal_waits_for_the_freeze() {
    let mut net = Net::new(&genesis(4), 4);
    net.down[3] = true;
    let id = net.propose(0, config(b"x"), Some(Ballot::Approve));
    let commit = net.forge(3, commit_of(net.network_id(), id, 3, &Ballot::Approve));
    let reveal = net.forge(3, reveal_of(id, Ballot::Approve));
    net.import(1, &commit).unwrap();
    let before = net.fingerprint(1);
    let Ok(Admission::Waiting(reason)) = net.import(1, &reveal) else {
        panic!("it has to wait");
    };
    assert_eq!(reason.code(), "wrong-phase");
    assert_eq!(net.fingerprint(1), before);
    assert_eq!(net.phase(1, &id), "committing");
    net.approve(&[1, 2], id);
    net.settle();
    // Frozen with all four commits, and closed only because the reveal that waited was taken up.
    assert_eq!(net.phase(1, &id), "closed");
    assert_eq!(net.phase(0, &id), "closed");
}

#[test]
fn a_reveal_that_waited_and_does_not_open_is_refused_then() {
    let mut net = Net::new(&genesis(4), 4);
    net.down[3] = true;
    let id = net.propose(0, config(b"x"), Some(Ballot::Approve));
    let commit = net.forge(3, commit_of(net.network_id(), id, 3, &Ballot::Approve));
    let reveal = net.forge(3, reveal_of(id, Ballot::Reject));
    net.import(1, &commit).unwrap();
    net.import(1, &reveal).unwrap();
    net.approve(&[1, 2], id);
    net.settle();
    assert_eq!(net.refusals(1)[0].code(), "does-not-open");
    assert_eq!(
        net.phase(1, &id),
        "decided",
        "it is decided without node 3, not closed"
    );
}

#[test]
fn what_names_a_seal_of_the_future_waits_for_it() {
    let mut net = Net::new(&genesis(4), 4);
    net.down[3] = true;
    net.decide_without_close();
    let last = net.state(0).seal();
    let proposal = net.forge(0, proposal_of(config(b"y"), last, 1));
    net.down = vec![true, true, true, false];
    let waiting = Admission::Waiting(Rejection::UnknownSeal);
    assert_eq!(net.import(3, &proposal), Ok(waiting));
    net.down = vec![false, true, true, false];
    net.meet(3);
    net.pump();
    assert_eq!(net.state(3).seal(), last);
    let id = OperationId::from(proposal.id());
    assert_eq!(net.phase(3, &id), "proposed", "it was taken up");
}

impl Net {
    /// Seals something that nodes 0 to 2 can seal without node 3.
    fn decide_without_close(&mut self) {
        let id = self.propose(0, config(b"x"), Some(Ballot::Approve));
        assert_eq!(self.phase(1, &id), "committing");
    }
}
