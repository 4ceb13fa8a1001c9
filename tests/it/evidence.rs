//! `E-same`: whatever the order and the way of arrival, the same votes convict the same authors (S10). Two votes of one slot meet
//! wherever the first is held: live, in a certificate, in a block, in a bundle, and in two honest hands after the height is
//! sealed.

use mycnet_consensus::core::{Admission, Answer, Input, PeerId, Unsealed};
use mycnet_consensus::internals::bundle::Proposal;
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::record::{Statement, Verified, VoteKind};
use mycnet_consensus::{Ballot, SealId};
use serde_bytes::ByteBuf;

use crate::net::{Net, config, genesis, nil_vote, node, vote_for};

/// Everybody compares with everybody, and gives up waiting, until the evidence had its chance.
fn settle(net: &mut Net) {
    for _ in 0..4 {
        net.nudge(1);
        for n in 0..net.cores.len() {
            for peer in (0..net.cores.len()).filter(|peer| *peer != n) {
                if !net.down[n] && !net.down[peer] {
                    net.input(n, Input::Sync(PeerId(peer as u64))).unwrap();
                    net.pump();
                }
            }
        }
    }
}

fn is_banned(net: &Net, at: usize, liar: usize) -> bool {
    let roster = net.state(at).roster();
    roster.get(&node(liar)).unwrap().is_banned()
}

/// The ways on which a vote reaches a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Import,
    Peer,
    Bundle,
}

const WAYS: [Way; 3] = [Way::Import, Way::Peer, Way::Bundle];

fn hand(net: &mut Net, to: usize, way: Way, vote: &Verified) {
    match way {
        Way::Import => {
            net.import(to, vote).unwrap();
        }
        Way::Peer => {
            let votes = vec![ByteBuf::from(vote.encode())];
            net.tell(to, 1, Message::Records(votes));
        }
        Way::Bundle => {
            let parts = vec![Unsealed::Record(vote.encode())];
            net.input(to, Input::ImportUnsealed { parts }).unwrap();
            net.input(to, Input::Tick).unwrap();
        }
    }
    net.pump();
}

/// Node 3 precommits nil to node 2 and the seal to the others. Node 2 gets the seal's certificate in a block.
#[test]
fn a_vote_in_a_certificate_meets_the_one_that_came_before_or_comes_after() {
    for way in WAYS {
        for comes_before in [true, false] {
            let mut net = Net::new(&genesis(4), 4);
            net.down[2] = true;
            let nil = net.forge(3, nil_vote(1, 0, VoteKind::Precommit));
            if comes_before {
                hand(&mut net, 2, way, &nil);
            }
            net.propose(1, config(b"x"), Some(Ballot::Approve));
            net.nudge(1);
            let votes = &net.blocks[0][0].certificate.votes;
            assert!(votes.iter().any(|vote| vote.body.by == node(3)));
            net.down = vec![false, false, false, true];
            net.meet(2);
            net.pump();
            if !comes_before {
                hand(&mut net, 2, way, &nil);
            }
            settle(&mut net);
            for n in 0..3 {
                assert!(is_banned(&net, n, 3), "{way:?} {comes_before}, node {n}");
            }
        }
    }
}

/// Node 6 signs two prevotes. Node 2, away, gets one and node 0 the other, and a height is sealed between.
#[test]
fn votes_in_two_honest_hands_meet_after_the_height_is_sealed() {
    for seals_between in [0, 1, 3] {
        for way in WAYS {
            let mut net = Net::new(&genesis(7), 7);
            net.down[2] = true;
            net.down[6] = true;
            let prevote = |seal: Option<SealId>| Statement::SealVote {
                height: 1,
                round: 0,
                kind: VoteKind::Prevote,
                seal,
            };
            let one = net.forge(6, prevote(None));
            let other = net.forge(6, prevote(Some(SealId::from_bytes([9; 32]))));
            hand(&mut net, 2, way, &other);
            hand(&mut net, 0, way, &one);
            for k in 0..seals_between {
                net.propose(1, config(&[k]), None);
                net.nudge(1);
            }
            net.down[2] = false;
            net.meet(2);
            net.pump();
            settle(&mut net);
            for n in 0..6 {
                let desc = format!("{seals_between} seals between, {way:?}, node {n}");
                assert!(is_banned(&net, n, 6), "{desc}");
            }
        }
    }
}

/// Two proposals of one round are shown to different members, and one of them is sealed.
#[test]
fn proposals_in_two_honest_hands_meet_too() {
    let mut net = Net::new(&genesis(7), 7);
    net.down[2] = true;
    net.down[6] = true;
    let round = net.state(0).sealers().place(&node(6)).unwrap();
    let draft = |time_ms| net.draft(2, time_ms, Vec::new()).seal;
    let seals = [net.now_ms + 1, net.now_ms + 2].map(draft);
    let [one, other] = seals.map(|mut seal| {
        seal.round = round;
        let lock = None;
        net.forge(6, Statement::SealProposal { round, lock, seal })
    });
    for (to, proposal) in [(2, &one), (0, &other)] {
        let record = ByteBuf::from(proposal.encode());
        let list = Vec::new();
        let parts = vec![Unsealed::Proposal(Proposal { record, list })];
        let answer = net.input(to, Input::ImportUnsealed { parts }).unwrap();
        assert_eq!(answer, Answer::Imported(vec![Ok(Admission::New)]));
    }
    net.propose(1, config(b"x"), None);
    net.nudge(1);
    assert!(net.state(0).height() > 0);
    net.down[2] = false;
    net.meet(2);
    net.pump();
    settle(&mut net);
    for n in 0..6 {
        assert!(is_banned(&net, n, 6), "node {n}");
    }
}

/// What is held alike costs nothing, and nobody honest is convicted by meeting late.
#[test]
fn an_exchange_of_old_votes_ends_and_convicts_nobody() {
    let mut net = Net::new(&genesis(4), 4);
    for k in 0..5 {
        net.down[2] = k % 2 == 0;
        net.propose(1, config(&[k]), Some(Ballot::Approve));
        net.nudge(2);
        net.down[2] = false;
        net.meet(2);
        net.pump();
    }
    settle(&mut net);
    let said = net.said;
    for n in [0, 2] {
        net.input(n, Input::Sync(PeerId(1))).unwrap();
        net.pump();
    }
    assert!(net.said - said <= 8, "{} messages", net.said - said);
    let prevote = net.forge(3, vote_for(1, 0, VoteKind::Prevote, &net.blocks[0][0].seal));
    net.import(0, &prevote).unwrap();
    settle(&mut net);
    for n in 0..4 {
        assert!((0..4).all(|other| !is_banned(&net, n, other)), "node {n}");
    }
}
