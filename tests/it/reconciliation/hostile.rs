//! Peers that lie about their records, or send messages without meaning.

use mycnet_consensus::RecordId;
use mycnet_consensus::core::{Core, Event, Input, Output, PeerId};
use mycnet_consensus::internals::limits::{
    FRAME_BYTES_MAX, RECONCILE_BYTES_MAX, RECONCILE_ROUNDS_MAX,
};
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::reconciliation::Snapshot;
use mycnet_consensus::internals::record::Statement;
use proptest::collection::vec;
use proptest::prelude::*;
use serde_bytes::ByteBuf;

use super::{RECORDS, reader, reconcile};
use crate::net::{Net, config, fingerprint, genesis, proposal_of};

const PEER: PeerId = PeerId(7);

/// A node that holds some records and has a peer.
fn victim() -> Core {
    let mut core = reader(0, &RECORDS[..400]);
    let _ = core.handle(Input::PeerUp(PEER), 0);
    core
}

fn hear(core: &mut Core, message: Message) -> Vec<Output> {
    let from = PEER;
    // The own greeting is long ago.
    core.handle(Input::Message { from, message }, 10_000).list
}

/// The number, the round and the ranges of what a node says when it goes on comparing.
fn said(outputs: &[Output]) -> Option<(u32, u32, ByteBuf)> {
    outputs.iter().find_map(|output| match output {
        Output::Send {
            message:
                Message::Reconcile {
                    session,
                    round,
                    ranges,
                    ..
                },
            ..
        } => Some((*session, *round, ranges.clone())),
        _ => None,
    })
}

fn codes(outputs: &[Output]) -> Vec<&'static str> {
    let refused = outputs.iter().filter_map(|output| match output {
        Output::Event(Event::Refused { from, rejection }) => {
            assert_eq!(*from, Some(PEER));
            Some(rejection.code())
        }
        _ => None,
    });
    refused.collect()
}

fn frame_bytes(outputs: &[Output]) -> usize {
    let frames = outputs.iter().filter_map(|output| match output {
        Output::Send { message, .. } => Some(message.encode().len()),
        _ => None,
    });
    frames.sum()
}

/// Says `ranges` as an opening and as an answer to what the node said; gives the refusals of both.
fn try_both(ranges: &[u8]) -> [Vec<&'static str>; 2] {
    let mut core = victim();
    let before = fingerprint(&core);
    let opening = reconcile(0, &core, 0, ranges.to_vec());
    let as_opening = hear(&mut core, opening);
    let (session, round, _) = said(&core.handle(Input::Sync(PEER), 0).list).unwrap();
    let ranges = ByteBuf::from(ranges.to_vec());
    let answer = Message::Reconciled {
        session,
        round,
        ranges,
    };
    let as_answer = hear(&mut core, answer.clone());
    for outputs in [&as_opening, &as_answer] {
        assert!(frame_bytes(outputs) <= 2 * FRAME_BYTES_MAX);
        assert!(outputs.len() <= 4);
    }
    // The comparison is over, or goes on by one more step: the same again is late.
    assert!(hear(&mut core, answer).is_empty());
    assert_eq!(fingerprint(&core), before);
    [codes(&as_opening), codes(&as_answer)]
}

#[test]
fn bytes_of_no_meaning_are_refused_with_a_code() {
    let good = Snapshot::new(RECORDS[..300].iter().map(|record| (0, record.id()))).open();
    let huge = [
        0x61, 0, 0, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ];
    let cases: [(&str, Vec<u8>, &str); 5] = [
        ("nothing", Vec::new(), "malformed"),
        ("another protocol", b"GET / HTTP/1.1".to_vec(), "malformed"),
        ("cut", good[..good.len() - 5].to_vec(), "malformed"),
        ("more ids than bytes", huge.to_vec(), "malformed"),
        (
            "too long",
            vec![0x61; RECONCILE_BYTES_MAX + 1],
            "over-limit",
        ),
    ];
    for (name, ranges, code) in cases {
        assert_eq!(try_both(&ranges), [vec![code], vec![code]], "{name}");
    }
    assert_eq!(try_both(&good), [Vec::<&str>::new(), Vec::new()]);
}

/// A comparison ends whatever the peer answers, and the node never sends more than it receives.
#[test]
fn an_endless_comparison_is_refused() {
    let mut core = victim();
    let before = fingerprint(&core);
    let mut outputs = core.handle(Input::Sync(PEER), 0).list;
    let mut rounds = 0;
    while let Some((session, round, _)) = said(&outputs) {
        // "Everything differs."
        let ranges = ByteBuf::from([&[0x61, 0, 0, 1][..], &[round.to_le_bytes()[0]; 16]].concat());
        outputs = hear(
            &mut core,
            Message::Reconciled {
                session,
                round,
                ranges,
            },
        );
        rounds += 1;
        assert!(outputs.len() == 1 && frame_bytes(&outputs) <= 1024 && rounds <= 1000);
    }
    assert_eq!(codes(&outputs), ["over-limit"]);
    assert_eq!(rounds, RECONCILE_ROUNDS_MAX);
    assert_eq!(fingerprint(&core), before);
    // The next one is not affected.
    assert!(said(&core.handle(Input::Sync(PEER), 0).list).is_some());
}

/// A peer that claims records which do not exist is asked for them, with no more bytes than its claim took.
#[test]
fn ids_that_do_not_exist_cost_as_much_as_they_took() {
    let mut core = victim();
    let before = fingerprint(&core);
    for n in 0..20_u8 {
        let ids: Vec<RecordId> = (0..1000_u16)
            .map(|m| RecordId::from_bytes(hash_of(n, m)))
            .collect();
        let offer = Message::Offer(ids);
        let bytes = offer.encode().len();
        let outputs = hear(&mut core, offer);
        assert!(outputs.len() == 1 && frame_bytes(&outputs) <= bytes);
    }
    assert_eq!(fingerprint(&core), before);
}

fn hash_of(n: u8, m: u16) -> [u8; 32] {
    let bytes = [&[n][..], &m.to_le_bytes()].concat();
    mycnet_consensus::internals::digest::RECORD.hash(&bytes)
}

/// One message is answered by one window, however much the peer says that it lacks.
#[test]
fn a_peer_that_holds_nothing_gets_a_window_at_a_time() {
    let large = super::propose(1, 30 * 1024);
    let mut core = reader(0, &large);
    let _ = core.handle(Input::PeerUp(PEER), 0);
    for _ in 0..3 {
        let (session, round, _) = said(&core.handle(Input::Sync(PEER), 0).list).unwrap();
        // "These are the ids of everything: none."
        let ranges = ByteBuf::from(vec![0x61, 0, 0, 2, 0]);
        let outputs = hear(
            &mut core,
            Message::Reconciled {
                session,
                round,
                ranges,
            },
        );
        assert!(frame_bytes(&outputs) <= FRAME_BYTES_MAX + 8192);
    }
}

/// The same opening a thousand times gets the same answer a thousand times, and leaves nothing behind.
#[test]
fn a_flood_of_openings_leaves_nothing_behind() {
    let mut core = victim();
    let before = fingerprint(&core);
    let other = Snapshot::new([(0, RecordId::from_bytes([5; 32]))]).open();
    let mut last = None;
    for _ in 0..1000 {
        let opening = reconcile(0, &core, 0, other.clone());
        let outputs = hear(&mut core, opening);
        let shown = format!("{outputs:?}");
        assert!(outputs.len() == 1 && last.is_none_or(|last| last == shown));
        last = Some(shown);
    }
    assert_eq!(fingerprint(&core), before);
}

/// A node that lacks listed records asks the peer it compares with, but not at each such claim of a peer.
#[test]
fn a_flood_of_openings_does_not_make_a_node_ask_over_and_over() {
    let mut net = Net::new(&genesis(4), 4);
    net.down[0] = true;
    let unknown = net.forge(0, proposal_of(config(b"unknown"), net.state(1).seal(), 1));
    let seal = net.draft(1, net.now_ms + 9, vec![unknown.clone()]).seal;
    let proposal = Statement::SealProposal {
        round: 0,
        lock: None,
        seal,
    };
    let record = ByteBuf::from(net.forge(0, proposal).encode());
    let list = vec![unknown.id()];
    net.down = vec![false, false, true, true];
    net.tell(1, 0, Message::Proposal { record, list });
    net.advance(5000);
    let (said, floods) = (net.said, 100);
    for _ in 0..floods {
        let opening = reconcile(0, &net.cores[1], 0, Snapshot::new([]).open());
        net.tell(1, 2, opening);
    }
    assert_eq!(
        net.said - said,
        floods + 1,
        "an answer each, and one request"
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn random_ranges_do_no_harm(mut ranges in vec(any::<u8>(), 0..600), is_headed in any::<bool>()) {
        if is_headed && !ranges.is_empty() {
            ranges[0] = 0x61;
        }
        for codes in try_both(&ranges) {
            prop_assert!(codes.iter().all(|code| ["malformed", "over-limit"].contains(code)));
        }
    }

    #[test]
    fn changed_ranges_do_no_harm(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let snapshot = |range: std::ops::Range<usize>| Snapshot::new(
            RECORDS[range].iter().map(|record| (record.statement().rank(), record.id())),
        );
        let (theirs, ours) = (snapshot(200..600), snapshot(0..400));
        for original in [theirs.open(), theirs.answer(&ours.open()).unwrap()] {
            let mut ranges = original;
            for (at, value) in &changes {
                let at = at.index(ranges.len());
                ranges[at] = *value;
            }
            if let Some(cut) = cut {
                ranges.truncate(cut.index(ranges.len()));
            }
            for codes in try_both(&ranges) {
                prop_assert!(codes.iter().all(|code| *code == "malformed"));
            }
        }
    }
}
