//! How much one answer holds, and how a peer gets the rest.

use std::collections::BTreeSet;

use mycnet_consensus::Ballot;
use mycnet_consensus::core::{Event, Input, Output, PeerId};
use mycnet_consensus::internals::limits::{AGAIN_MS, FRAME_BYTES_MAX, WANT_IDS_MAX};
use mycnet_consensus::internals::message::Message;

use super::{Pair, RECORDS, content, ids, propose, reader, want};
use crate::net::{Net, config, genesis};

#[test]
fn records_beyond_a_window_are_offered_and_asked_for_again() {
    // 120 records of 30 KiB: three and a half frames.
    let large = propose(1, 30 * 1024);
    for (left, right) in [(&[][..], large.as_slice()), (large.as_slice(), &[])] {
        let mut pair = Pair::new(left, right);
        pair.sync(0);
        pair.report("large records");
        pair.assert_level();
        assert_eq!(pair.records, large.len());
        assert!(pair.largest <= FRAME_BYTES_MAX);
    }
}

#[test]
fn a_request_is_answered_within_a_window() {
    let large = propose(1, 30 * 1024);
    let mut core = reader(0, &large);
    // The same over and over counts once.
    let wanted: Vec<_> = ids(&core).into_iter().collect();
    let outputs = want(
        &mut core,
        wanted.iter().copied().cycle().take(WANT_IDS_MAX).collect(),
    );
    let (mut sent, mut offered) = (0, BTreeSet::new());
    for output in &outputs {
        let Output::Send { message, .. } = output else {
            panic!("{output:?}");
        };
        assert!(message.encode().len() <= FRAME_BYTES_MAX);
        sent += content(message).1;
        if let Message::Offer(rest) = message {
            offered.extend(rest.iter().copied());
        }
    }
    assert!(outputs.len() == 2 && sent > 0 && sent + offered.len() == wanted.len());
    // A record that is longer than the rest of a window comes alone.
    let rest = want(&mut core, offered.into_iter().take(1).collect());
    assert_eq!(rest.len(), 1);
    assert!(want(&mut core, Vec::new()).is_empty());
}

#[test]
fn a_request_or_offer_of_too_many_is_refused() {
    let mut core = reader(0, &RECORDS[..100]);
    let before = crate::net::fingerprint(&core);
    let id = RECORDS[0].id();
    for message in [
        Message::Want(vec![id; WANT_IDS_MAX + 1]),
        Message::Offer(vec![id; WANT_IDS_MAX + 1]),
        Message::Repeated(vec![id; WANT_IDS_MAX + 1]),
    ] {
        let from = PeerId(0);
        let outputs = core.handle(Input::Message { from, message }, 0).list;
        let [
            Output::Event(Event::Refused { rejection, .. }),
            Output::Part(_),
        ] = outputs.as_slice()
        else {
            panic!("{outputs:?}");
        };
        assert_eq!(rejection.code(), "over-limit");
    }
    assert_eq!(want(&mut core, vec![id; WANT_IDS_MAX]).len(), 1);
    assert_eq!(crate::net::fingerprint(&core), before);
}

/// Decides something although node 3 says nothing: the grace for its commit has to pass.
fn decide_without_the_last(net: &mut Net, n: u8) {
    let id = net.propose(0, config(&[n]), Some(Ballot::Approve));
    net.vote(1, id, Ballot::Approve);
    net.vote(2, id, Ballot::Approve);
    net.settle();
    net.advance(net.genesis.params.critical_grace_ms + 100);
    net.settle();
    assert!(net.outcome(0, &id).is_some());
}

/// A network where node 3 missed some seals, and where each window has one block.
fn left_behind() -> Net {
    let mut net = Net::new(&genesis(4), 4);
    net.window_bytes = 1;
    net.down[3] = true;
    for n in 0..4_u8 {
        decide_without_the_last(&mut net, n);
    }
    assert!(net.state(0).height() >= 8);
    // Something unsealed, that only a comparison brings.
    net.down[1] = true;
    net.down[2] = true;
    net.propose(0, config(b"unsealed"), Some(Ballot::Approve));
    net.down[3] = false;
    net
}

/// Rules: H4, N2.
#[test]
fn who_is_behind_catches_up_window_by_window_and_then_compares() {
    for (begins, asks_ahead) in [(0, false), (3, false), (0, true), (3, true)] {
        let mut net = left_behind();
        net.asks_ahead = asks_ahead;
        let (said, height) = (net.said, net.state(0).height());
        let other = PeerId(3 - begins as u64);
        net.input(begins, Input::Sync(other)).unwrap();
        net.pump();
        assert_eq!(net.state(3).height(), height);
        assert_eq!(ids(&net.cores[3]), ids(&net.cores[0]));
        assert_eq!(net.served as u64, height, "each block once");
        assert!(net.said - said < 2 * net.served + 60);
        assert!(net.refusals(3).is_empty());
    }
}

#[test]
fn a_lost_window_costs_until_the_next_comparison() {
    let mut net = left_behind();
    net.input(3, Input::Sync(PeerId(0))).unwrap();
    while net.served < 3 {
        assert!(net.pump_one());
    }
    // The third block is on its way when the link breaks.
    net.down[3] = true;
    net.pump();
    net.down[3] = false;
    assert_eq!(net.state(3).height(), 2);
    net.now_ms += AGAIN_MS;
    net.input(3, Input::Sync(PeerId(0))).unwrap();
    net.pump();
    let height = net.state(0).height();
    assert_eq!(net.state(3).height(), height);
    assert_eq!(net.served as u64, height + 1);
}

/// A node does not wait for blocks that it asked for ahead and did not get.
#[test]
fn an_answer_that_was_asked_for_ahead_and_is_lost_costs_until_the_next_comparison() {
    let mut net = left_behind();
    net.asks_ahead = true;
    net.input(3, Input::Sync(PeerId(0))).unwrap();
    while net.served < 3 {
        assert!(net.pump_one());
    }
    net.down[3] = true;
    net.pump();
    net.down[3] = false;
    assert!(net.state(3).height() < 3);
    net.now_ms += AGAIN_MS;
    net.input(3, Input::Sync(PeerId(0))).unwrap();
    net.pump();
    let height = net.state(0).height();
    assert_eq!(net.state(3).height(), height);
}

#[test]
fn who_asks_in_a_loop_is_served_once() {
    let mut net = left_behind();
    net.down[3] = true;
    for _ in 0..500 {
        net.tell(0, 3, Message::AskBlocks { from: 1 });
        net.tell(0, 3, Message::AskBlocks { from: u64::MAX });
        net.tell(0, 3, Message::AskBlocks { from: 0 });
    }
    assert_eq!(net.served, 1);
    // Lost records are served again later, and a new connection starts without limits from before.
    net.now_ms += AGAIN_MS;
    net.tell(0, 3, Message::AskBlocks { from: 1 });
    assert_eq!(net.served, 2);
    net.input(0, Input::PeerUp(PeerId(3))).unwrap();
    net.tell(0, 3, Message::AskBlocks { from: 1 });
    assert_eq!(net.served, 3);
}

/// Who says that it stands on another branch makes both look at each other's last blocks, but not over and over.
#[test]
fn a_made_up_branch_costs_no_blocks() {
    let mut net = left_behind();
    net.down[3] = true;
    let seal = mycnet_consensus::SealId::from_bytes([9; 32]);
    let said = net.said;
    for _ in 0..500 {
        net.tell(0, 3, Message::Status { height: 4, seal });
    }
    assert_eq!((net.served, net.said - said), (0, 2));
}
