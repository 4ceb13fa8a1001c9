//! A node disconnects from a peer whose message no honest node would pass on, but not from one that is ahead, behind or wrong.

use mycnet_consensus::core::{Event, Input, Output, PeerId};
use mycnet_consensus::internals::codec;
use mycnet_consensus::internals::digest::Commitment;
use mycnet_consensus::internals::limits::{
    RECONCILE_BYTES_MAX, SET_RECORD_BYTES_MAX, WANT_IDS_MAX,
};
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::record::{
    Record, Statement, Verified, VoteKind, sign, sign_batch,
};
use mycnet_consensus::internals::seal::SealedBlock;
use mycnet_consensus::{Digest, Identity, NetworkId, OperationId, RecordId, SealId};
use serde_bytes::ByteBuf;

use crate::net::{Net, block, config, genesis, identity, nil_vote, proposal_of};

const PEER: PeerId = PeerId(3);

fn net() -> Net {
    Net::new(&genesis(4), 4)
}

fn propose(net: &Net, nonce: u64) -> Statement {
    proposal_of(config(b"x"), net.state(0).seal(), nonce)
}

fn good(net: &Net, nonce: u64) -> Verified {
    sign(&identity(3), net.network_id(), propose(net, nonce)).unwrap()
}

fn bytes(record: &Record) -> ByteBuf {
    ByteBuf::from(record.encode())
}

fn records(records: &[&Record]) -> Message {
    Message::Records(records.iter().map(|record| bytes(record)).collect())
}

/// If many records of a message are refused, each reason is reported once, so that other events are not crowded out.
#[test]
fn a_message_full_of_refused_records_is_told_of_once() {
    let mut net = net();
    let rejoins = (0..40).map(|n| Statement::Rejoin {
        nonce: Digest::from_bytes([n; 32]),
    });
    let proposals = (0..100).map(|nonce| propose(&net, nonce));
    let statements = rejoins.chain(proposals).collect();
    let signed = sign_batch(&identity(3), net.network_id(), statements).unwrap();
    let all: Vec<&Record> = signed.iter().map(Verified::record).collect();
    let (codes, parts) = hear(&mut net, records(&all));
    assert_eq!(codes, ["slot-full", "over-cap"]);
    assert!(!parts);
    let (again, _) = hear(&mut net, records(&all));
    assert_eq!(again, codes, "of each message");
}

/// What the node makes of a message: the codes of its refusals, and whether it parts from the peer.
fn hear(net: &mut Net, message: Message) -> (Vec<&'static str>, bool) {
    let from = PEER;
    let outputs = net.cores[0].handle(Input::Message { from, message }, 1_000_000);
    let codes = outputs.list.iter().filter_map(|output| match output {
        Output::Event(Event::Refused { from, rejection }) => {
            assert_eq!(*from, Some(PEER));
            Some(rejection.code())
        }
        _ => None,
    });
    let parts = outputs.list.iter().filter_map(|output| match output {
        Output::Part(peer) => Some(*peer),
        _ => None,
    });
    let parts: Vec<PeerId> = parts.collect();
    assert!(parts.iter().all(|peer| *peer == PEER) && parts.len() <= 1);
    (codes.collect(), !parts.is_empty())
}

/// A block that follows the last seal, with a certificate of the first `sealers` members.
fn next_block(net: &Net, sealers: usize) -> SealedBlock {
    let draft = net.draft(0, 1_000_001, vec![good(net, 1)]);
    let by: Vec<usize> = (0..sealers).collect();
    block(net.network_id(), &draft.seal, &draft.records, 0, &by)
}

#[test]
fn forgeries_are_the_senders_fault() {
    let forged = |net: &Net| {
        let mut record = good(net, 1).record().clone();
        record.proof.sig = good(net, 2).proof().sig;
        record
    };
    let other_net = |net: &Net| {
        let other = NetworkId::from_bytes([9; 32]);
        sign(&identity(3), other, propose(net, 1)).unwrap()
    };
    let cases: [(&str, &str, fn(&Net) -> Message); 12] = [
        ("garbage", "non-canonical", |_| {
            Message::Records(vec![ByteBuf::from(vec![7; 100])])
        }),
        ("a long record", "over-limit", |_| {
            Message::Records(vec![ByteBuf::from(vec![7; SET_RECORD_BYTES_MAX + 1])])
        }),
        ("a record in a proposal's place", "malformed", |net| {
            let record = bytes(good(net, 1).record());
            let list = Vec::new();
            Message::Proposal { record, list }
        }),
        ("a garbage proposal", "non-canonical", |_| {
            let (record, list) = (ByteBuf::from(vec![7]), Vec::new());
            Message::Proposal { record, list }
        }),
        ("too many questions", "over-limit", |_| {
            Message::Want(vec![RecordId::from_bytes([1; 32]); WANT_IDS_MAX + 1])
        }),
        ("too many offers", "over-limit", |_| {
            Message::Offer(vec![RecordId::from_bytes([1; 32]); WANT_IDS_MAX + 1])
        }),
        ("an endless comparison", "over-limit", |net| {
            let state = net.state(0);
            Message::Reconcile {
                height: state.height(),
                seal: state.seal(),
                session: 1,
                round: 1,
                ranges: ByteBuf::from(vec![0x61; RECONCILE_BYTES_MAX + 1]),
            }
        }),
        ("a garbage block", "non-canonical", |_| {
            Message::Blocks(vec![ByteBuf::from(vec![7; 100])])
        }),
        ("a forged record in a block", "bad-signature", |net| {
            let mut block = next_block(net, 3);
            block.records[0].proof.sig = good(net, 2).proof().sig;
            Message::Blocks(vec![ByteBuf::from(codec::encode(&block))])
        }),
        (
            "a next block that no quorum signed",
            "bad-certificate",
            |net| {
                let block = next_block(net, 1);
                Message::Blocks(vec![ByteBuf::from(codec::encode(&block))])
            },
        ),
        (
            "a next block that a stranger signed",
            "not-a-sealer",
            |net| {
                let mut block = next_block(net, 3);
                let vote = &mut block.certificate.votes[0];
                let by = Identity::from_seed_label("nobody");
                let signed = sign(&by, net.network_id(), vote.body.what.clone());
                *vote = signed.unwrap().record().clone();
                Message::Blocks(vec![ByteBuf::from(codec::encode(&block))])
            },
        ),
        (
            "a next block with another count",
            "impossible-seal",
            |net| {
                let mut block = next_block(net, 3);
                block.seal.count = 2;
                Message::Blocks(vec![ByteBuf::from(codec::encode(&block))])
            },
        ),
    ];
    for (desc, code, message) in cases {
        let mut net = net();
        let message = message(&net);
        assert_eq!(hear(&mut net, message), (vec![code], true), "{desc}");
    }
    let records_cases: [(&str, Box<dyn Fn(&Net) -> Record>); 2] = [
        ("bad-signature", Box::new(forged)),
        (
            "wrong-network",
            Box::new(move |net| other_net(net).record().clone()),
        ),
    ];
    for (code, bad) in records_cases {
        let mut net = net();
        let (before, bad, after) = (good(&net, 7), bad(&net), good(&net, 8));
        let message = records(&[before.record(), &bad, &bad, after.record()]);
        assert_eq!(hear(&mut net, message), (vec![code], true));
        let core = &net.cores[0];
        assert!(core.record(&before.id()).is_some(), "what came before");
        assert!(core.record(&after.id()).is_none(), "nothing after it");
    }
}

#[test]
fn who_is_ahead_behind_or_wrong_is_heard_on() {
    let stranger = |net: &Net| {
        let by = Identity::from_seed_label("admitted where the peer is");
        sign(&by, net.network_id(), propose(net, 1)).unwrap()
    };
    let commit = |net: &Net| {
        let statement = Statement::Commit {
            operation: OperationId::from_bytes([5; 32]),
            commitment: Commitment::from_bytes([6; 32]),
        };
        sign(&identity(3), net.network_id(), statement).unwrap()
    };
    let ahead = |net: &Net| {
        let vote = nil_vote(9, 0, VoteKind::Prevote);
        sign(&identity(3), net.network_id(), vote).unwrap()
    };
    let cases: [(&[&str], &dyn Fn(&Net) -> Verified); 3] = [
        (&["unknown-author"], &stranger),
        (&[], &commit),
        (&[], &ahead),
    ];
    for (codes, odd) in cases {
        let mut net = net();
        let (odd, after) = (odd(&net), good(&net, 8));
        let message = records(&[odd.record(), after.record()]);
        assert_eq!(hear(&mut net, message), (codes.to_vec(), false));
        assert!(
            net.cores[0].record(&after.id()).is_some(),
            "what comes after"
        );
    }
    // More proposals than it may have open.
    let mut net = net();
    let many: Vec<Verified> = (0..70).map(|nonce| good(&net, nonce)).collect();
    let message = records(&many.iter().map(Verified::record).collect::<Vec<_>>());
    assert_eq!(hear(&mut net, message), (vec!["over-cap"], false));
    // A peer on another branch has other sealers, and is behind or ahead.
    let blocks: [(&str, &dyn Fn(&mut SealedBlock)); 3] = [
        ("bad-certificate", &|_| {}),
        ("unknown-seal", &|block| block.seal.height = 7),
        ("impossible-seal", &|block| block.seal.count = 2),
    ];
    for (code, change) in blocks {
        let mut net = self::net();
        let mut block = next_block(&net, 1);
        block.seal.prev = SealId::from_bytes([3; 32]);
        change(&mut block);
        block.certificate.votes.clear();
        let message = Message::Blocks(vec![ByteBuf::from(codec::encode(&block))]);
        assert_eq!(hear(&mut net, message), (vec![code], false));
    }
}
