//! Losing a third: two certificates for one height, and votes that prove their author's double signing. Rules: H5.

use std::collections::BTreeSet;

use mycnet_consensus::core::{Admission, Event, PeerId};
use mycnet_consensus::internals::finality::Blame;
use mycnet_consensus::internals::record::{Statement, Verified, VoteKind};
use mycnet_consensus::internals::seal::SealedBlock;
use mycnet_consensus::{Ballot, NodeId};

use crate::net::{
    APPROVED, Net, block, blocks_message, commit_of, config, genesis, nil_vote, node, proposal_of,
    vote_for,
};

/// Nodes 0 and 1 are dishonest. They sealed height 1 with node 2, and height 1 otherwise with node 3.
struct Fork {
    net: Net,
    /// The other block of height 1, as node 3 has it.
    other: SealedBlock,
}

fn fork(round: u32) -> Fork {
    let mut net = Net::new(&genesis(4), 4);
    let proposal = net.forge(3, proposal_of(config(b"other"), net.state(3).seal(), 1));
    let draft = net.draft(3, net.now_ms + 3, vec![proposal]);
    let other = block(
        net.network_id(),
        &draft.seal,
        &draft.records,
        round,
        &[0, 1, 3],
    );
    net.down[3] = true;
    net.propose(2, config(b"one"), Some(Ballot::Approve));
    assert_eq!(net.state(2).height(), 1);
    net.down[3] = false;
    Fork { net, other }
}

fn forked(net: &Net, n: usize) -> Vec<(u64, Blame, bool)> {
    let events = net.events[n].iter();
    events
        .filter_map(|event| match event {
            Event::Forked {
                height,
                blame,
                compromised,
            } => Some((*height, blame.clone(), *compromised)),
            _ => None,
        })
        .collect()
}

fn check_blame(net: &Net, n: usize) {
    let reports = forked(net, n);
    let [(1, blame, true)] = reports.as_slice() else {
        panic!("{reports:?}");
    };
    assert_eq!(blame.culprits(), BTreeSet::from([node(0), node(1)]));
    let signers: BTreeSet<NodeId> = blame.double_signers.keys().copied().collect();
    assert_eq!(signers, blame.culprits(), "two records each prove it");
    let sealers = net.state(n).sealers();
    assert!(sealers.is_over_third(blame.votes(sealers)));
    assert_eq!(net.cores[n].seal_status().signing, "compromised");
}

#[test]
fn two_certificates_for_one_height_stop_the_node_and_name_who_signed_both() {
    let Fork { mut net, other } = fork(0);
    net.down = vec![true, true, false, true];
    let before = net.state(2).seal();
    let again = blocks_message([net.blocks[2][0].as_ref()]);
    net.tell(2, 0, again);
    assert!(forked(&net, 2).is_empty(), "the same seal again is no fork");
    for _ in 0..2 {
        net.tell(2, 3, blocks_message([&other]));
    }
    check_blame(&net, 2);
    assert_eq!(net.state(2).seal(), before, "it stays on its branch");
}

/// A node that only has blocks knows no votes except those of the certificates.
#[test]
fn a_fork_is_blamed_on_nobody_honest_after_a_restart_too() {
    let Fork { mut net, other } = fork(0);
    net.down = vec![true, true, false, true];
    net.restart(2);
    net.tell(2, 3, blocks_message([&other]));
    check_blame(&net, 2);
}

#[test]
fn a_compromised_node_answers_and_changes_nothing_more() {
    let Fork { mut net, other } = fork(0);
    net.down = vec![true, true, false, true];
    net.tell(2, 3, blocks_message([&other]));
    check_blame(&net, 2);
    let seal = net.state(2).seal();
    let journalled = net.journals[2].len();
    let proposal = net.forge(1, proposal_of(config(b"two"), seal, 5));
    assert_eq!(net.import(2, &proposal), Ok(Admission::New));
    net.nudge(5);
    assert_eq!(net.journals[2].len(), journalled, "it signs nothing");
    assert!(!net.cores[2].wants_to_seal());
    // It does not take later seals of others either, neither by votes nor as a block.
    let draft = net.draft(2, net.now_ms + 1, vec![proposal]);
    for n in [0, 1, 3] {
        let vote = net.forge(n, vote_for(2, 5, VoteKind::Precommit, &draft.seal));
        net.import(2, &vote).unwrap();
    }
    let next = block(net.network_id(), &draft.seal, &draft.records, 5, &[0, 1, 3]);
    net.tell(2, 1, blocks_message([&next]));
    assert_eq!(net.state(2).seal(), seal);
    assert_eq!(net.cores[2].trust().len(), 4, "it answers");
    let state = net.state(2);
    let id = state.operations().next().unwrap().id();
    assert!(net.cores[2].status(&id).is_some());
}

/// Two parts of a network on different branches meet: their messages have to show the fork.
#[test]
fn nodes_of_two_branches_find_out_when_they_meet() {
    for ahead in [0, 1] {
        let Fork { mut net, other } = fork(0);
        net.down = vec![true, true, true, false];
        net.tell(3, 0, blocks_message([&other]));
        assert_eq!(net.state(3).seal(), other.seal.id());
        // The one that is behind and the one that is ahead ask each other for different things.
        if ahead == 1 {
            let proposal = net.forge(3, proposal_of(config(b"next"), other.seal.id(), 2));
            let draft = net.draft(3, net.now_ms + 9, vec![proposal]);
            let next = block(net.network_id(), &draft.seal, &draft.records, 0, &[0, 1, 3]);
            net.tell(3, 0, blocks_message([&next]));
            assert_eq!(net.state(3).height(), 2);
        }
        net.down = vec![true, true, false, false];
        net.meet(3);
        net.pump();
        for n in [2, 3] {
            check_blame(&net, n);
        }
    }
}

/// The first window does not hold the block where the branches part: both nodes go on looking, whichever is behind.
#[test]
fn branches_that_parted_beyond_the_first_window_are_found() {
    for asks in [2, 3] {
        let mut net = Net::new(&genesis(4), 4);
        net.window_bytes = 1;
        for n in 0..2_u8 {
            net.decide(0, config(&[n]), &[1, 2, 3]);
        }
        let parted = net.state(3).height() + 1;
        assert!(parted > 3);
        let proposal = net.forge(3, proposal_of(config(b"other"), net.state(3).seal(), 1));
        let draft = net.draft(3, net.state(3).time_ms() + 1, vec![proposal]);
        let other = block(net.network_id(), &draft.seal, &draft.records, 0, &[0, 1, 3]);
        net.down[3] = true;
        for n in 0..2_u8 {
            net.propose(0, config(&[10 + n]), Some(Ballot::Approve));
            net.nudge(2);
        }
        net.down = vec![true, true, true, false];
        net.tell(3, 0, blocks_message([&other]));
        let refused = net.refusals(3);
        assert_eq!(net.state(3).height(), parted, "{refused:?}");
        assert!(net.state(2).height() > parted);
        net.down = vec![true, true, false, false];
        let said = net.said;
        net.now_ms += mycnet_consensus::internals::limits::AGAIN_MS;
        net.input(
            asks,
            mycnet_consensus::core::Input::Sync(PeerId(5 - asks as u64)),
        )
        .unwrap();
        net.pump();
        for n in [2, 3] {
            let found = forked(&net, n);
            assert!(
                found.iter().any(|(height, ..)| *height == parted),
                "node {n}"
            );
        }
        assert!(
            net.said - said < 60,
            "they do not answer each other for ever"
        );
    }
}

#[test]
fn one_vote_too_many_is_no_fork() {
    let Fork { mut net, other } = fork(0);
    net.down = vec![true, true, false, true];
    let votes: Vec<Verified> = [0, 1]
        .into_iter()
        .map(|n| {
            let vote = vote_for(1, 0, VoteKind::Precommit, &other.seal);
            net.forge(n, vote)
        })
        .collect();
    net.import(2, &votes[0]).unwrap();
    assert!(forked(&net, 2).is_empty());
    // The second, with two equivocators that count for both, is a quorum for the other seal only together with node 3.
    net.import(2, &votes[1]).unwrap();
    assert!(forked(&net, 2).is_empty());
    let third = net.forge(3, vote_for(1, 0, VoteKind::Precommit, &other.seal));
    net.import(2, &third).unwrap();
    check_blame(&net, 2);
}

/// A sealed height, and a prevote of node 3 in it that it contradicts afterwards.
/// Rules: R7.
#[test]
fn a_late_double_vote_gets_its_author_banned() {
    let mut net = Net::new(&genesis(4), 4);
    let first = net.propose(1, config(b"one"), Some(Ballot::Approve));
    net.approve(&[0, 2, 3], first);
    net.down[3] = true;
    let at = net.state(1).height();
    let second = net.forge(3, nil_vote(1, 0, VoteKind::Precommit));
    // Only node 1 hears of it.
    assert_eq!(net.import(1, &second), Ok(Admission::New));
    net.advance(1);
    net.settle();
    for n in 0..3 {
        let state = net.state(n);
        assert!(state.height() > at, "node {n}");
        assert!(
            state.roster().get(&node(3)).unwrap().is_banned(),
            "node {n}"
        );
        assert_eq!(net.trust(n, 3), 0);
        assert!(net.cores[n].pool().is_empty(), "the evidence is sealed");
    }
    // The others go on without it.
    let next = net.propose(1, config(b"two"), Some(Ballot::Approve));
    net.approve(&[0, 2], next);
    assert_eq!(net.outcome(2, &next), APPROVED);
    // And it is not banned twice.
    let third = net.forge(3, nil_vote(2, 0, VoteKind::Precommit));
    let _ = net.import(1, &third);
    net.advance(1);
    assert!(net.cores[1].pool().is_empty());
}

/// The same for a node that has the height from a block only: the vote to compare with is in the certificate.
#[test]
fn a_double_vote_against_a_certificate_is_evidence_too() {
    let mut net = Net::new(&genesis(4), 4);
    let first = net.propose(1, config(b"one"), Some(Ballot::Approve));
    net.approve(&[0, 2, 3], first);
    let certificate = &net.blocks[1][0].certificate;
    let signer = certificate.votes[0].body.by;
    let n = (0..4).find(|n| node(*n) == signer).unwrap();
    let witness = (n + 1) % 4;
    net.restart(witness);
    net.pump();
    net.down[n] = true;
    let second = net.forge(n, nil_vote(1, 0, VoteKind::Precommit));
    net.import(witness, &second).unwrap();
    net.nudge(6);
    for other in (0..4).filter(|other| *other != n) {
        let roster = net.state(other).roster();
        assert!(roster.get(&signer).unwrap().is_banned(), "node {other}");
    }
}

/// An equivocator with three bodies shows different pairs to different nodes. A proposal may list any of the pairs.
#[test]
fn a_proposal_may_list_any_two_of_three_bodies() {
    let net = Net::new(&genesis(4), 4);
    let votes = |net: &mut Net| {
        let mut votes: Vec<Verified> = (0..3_u8)
            .map(|value| {
                let seal = mycnet_consensus::SealId::from_bytes([value; 32]);
                let vote = Statement::SealVote {
                    height: 1,
                    round: 0,
                    kind: VoteKind::Precommit,
                    seal: Some(seal),
                };
                net.forge(3, vote)
            })
            .collect();
        votes.sort_by_key(Verified::id);
        votes
    };
    let mut net = net;
    net.down[3] = true;
    let votes = votes(&mut net);
    // The Primary holds the first and the last vote, the others the two smallest, and they are not connected.
    let hold = |net: &mut Net, n: usize, which: [usize; 2]| {
        let was = net.down.clone();
        net.down = vec![true; 4];
        net.down[n] = false;
        for vote in which {
            net.import(n, &votes[vote]).unwrap();
        }
        net.down = was;
    };
    hold(&mut net, 1, [0, 1]);
    hold(&mut net, 2, [0, 1]);
    hold(&mut net, 0, [0, 2]);
    net.down[3] = true;
    for n in [0, 1, 2] {
        net.meet(n);
    }
    net.pump();
    for n in 0..3 {
        let roster = net.state(n).roster();
        assert!(roster.get(&node(3)).unwrap().is_banned(), "node {n}");
    }
}

/// Pairs about operations reach seals by themselves; this is the way of a commit.
/// Rules: R7.
#[test]
fn a_double_commit_gets_its_author_banned() {
    let mut net = Net::new(&genesis(5), 5);
    net.down[4] = true;
    let id = net.propose(1, config(b"one"), Some(Ballot::Approve));
    for ballot in [Ballot::Approve, Ballot::Reject] {
        let commit = net.forge(4, commit_of(net.network_id(), id, 4, &ballot));
        net.import(1, &commit).unwrap();
    }
    let roster = net.state(0).roster();
    assert!(roster.get(&node(4)).unwrap().is_banned());
    net.approve(&[0, 2, 3], id);
    assert_eq!(
        net.phase(0, &id),
        "closed",
        "the banned one is not waited for"
    );
}
