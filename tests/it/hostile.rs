//! What one hostile member could do to a height, and what an old disk could. Rules: S8.

use std::sync::Arc;

use mycnet_consensus::core::{Admission, Answer, Core, Event, Input, Output, PeerId};
use mycnet_consensus::internals::codec;
use mycnet_consensus::internals::digest::SignatureBytes;
use mycnet_consensus::internals::ledger::Mode;
use mycnet_consensus::internals::limits::{
    BLOCK_BYTES_MAX, PAYLOAD_BYTES_MAX, SEAL_BODY_BYTES_MAX,
};
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::record::{
    Record, Seal, Statement, Verified, VoteKind, sign, sign_batch,
};
use mycnet_consensus::internals::seal::list_digest;
use mycnet_consensus::{Ballot, Digest, RecordId, Rejection};
use serde_bytes::ByteBuf;

use crate::net::{
    APPROVED, Net, blocks_message, config, genesis, identity, nil_vote, node, proposal_of,
    records_of,
};

fn import(net: &mut Net, n: usize, records: &[Verified]) -> Vec<Result<Admission, Rejection>> {
    let records = records.iter().map(Verified::encode).collect();
    let Ok(Answer::Imported(results)) = net.input(n, Input::Import { records }) else {
        panic!("an import is answered record by record");
    };
    results
}

fn height(net: &Net, n: usize) -> u64 {
    net.state(n).height()
}

/// Signatures are checked together, and still a message is taken up to its first bad record, whose sender is told from others.
#[test]
fn a_bad_record_ends_its_message_and_spoils_nothing_before_it() {
    let (genesis, from) = (genesis(4), PeerId(3));
    for (bad_at, is_ahead) in [0, 1, 9, 15, 16, 17, 39].map(|at| (at, at % 2 == 0)) {
        let mut core = Core::new(&genesis, Arc::new(identity(0))).unwrap();
        core.handle(Input::PeerUp(from), 1);
        let last = core.ledger().state().seal();
        let proposal = |n: u8| {
            let statement = proposal_of(config(&[n]), last, n.into());
            sign(&identity(1), genesis.network_id(), statement).unwrap()
        };
        let mut records: Vec<Record> = (0..40).map(|n| proposal(n).record().clone()).collect();
        let mut sig = *records[bad_at].proof.sig.as_bytes();
        sig[7] ^= 1;
        records[bad_at].proof.sig = SignatureBytes::from_bytes(sig);
        let all: Vec<ByteBuf> = records.iter().map(|it| it.encode().into()).collect();
        let (first, rest) = all.split_at(bad_at / 2);
        let mut outputs = Vec::new();
        let messages = [first, rest].map(|records| Message::Records(records.to_vec()));
        if is_ahead {
            core.check_ahead(&messages);
        }
        for message in messages {
            outputs.extend(core.handle(Input::Message { from, message }, 1).list);
        }
        assert_eq!(core.pool().len(), bad_at);
        let blamed = outputs
            .iter()
            .filter(|it| matches!(it, Output::Part(peer) if *peer == from));
        assert_eq!(blamed.count(), 1, "record {bad_at}");
    }
}

/// A member makes more proposals than it may, and shows each node a different part of them.
#[test]
fn different_proposals_of_one_author_do_not_stop_a_height() {
    let mut net = Net::new(&genesis(4), 4);
    let last = net.state(0).seal();
    net.down = vec![true; 4];
    for n in 0..3_u64 {
        let proposals = (0..64).map(|k| proposal_of(config(b"x"), last, 100 * n + k));
        let records = sign_batch(&identity(3), net.network_id(), proposals.collect()).unwrap();
        net.allow(&records);
        for result in import(&mut net, usize::try_from(n).unwrap(), &records) {
            assert_eq!(result, Ok(Admission::New));
        }
    }
    net.pump();
    net.down = vec![false, false, false, true];
    for n in 0..3 {
        net.meet(n);
    }
    net.nudge(8);
    assert!((0..3).all(|n| height(&net, n) >= 1), "{:?}", net.cores[0]);
    for n in 0..3 {
        let state = net.state(n);
        assert_eq!(state.open_by(&node(3)), 64);
        assert_eq!(
            net.cores[n].pool().proposals_of(&node(3)).count(),
            0,
            "no more than may be open"
        );
    }
}

/// A sealer lists 10,000 votes of its own, each of another slot: no seal can take them.
#[test]
fn single_votes_in_a_list_crowd_nothing_out() {
    let mut net = Net::new(&genesis(4), 4);
    let sealers = net.state(0).sealers().clone();
    let round = (0..4).find(|round| sealers.proposer(*round) == Some(node(1)));
    let votes = (100..10_100).map(|round| nil_vote(1, round, VoteKind::Prevote));
    let votes = sign_batch(&identity(1), net.network_id(), votes.collect()).unwrap();
    let mut list: Vec<RecordId> = votes.iter().map(Verified::id).collect();
    list.sort();
    let state = net.state(0);
    let seal = Seal {
        net: net.network_id(),
        height: 1,
        prev: state.seal(),
        time_ms: state.time_ms() + 1,
        count: 10_000,
        records: list_digest(&list),
        state: Digest::from_bytes([1; 32]),
        roster: Digest::from_bytes([2; 32]),
        sealers: Digest::from_bytes([3; 32]),
        round: round.unwrap(),
    };
    let proposal = Statement::SealProposal {
        round: round.unwrap(),
        lock: None,
        seal,
    };
    let proposal = net.forge(1, proposal);
    net.allow(&votes);
    net.down[1] = true;
    for n in [0, 2, 3] {
        let record = ByteBuf::from(proposal.encode());
        let list = list.clone();
        net.tell(n, 1, Message::Proposal { record, list });
        for votes in votes.chunks(2000) {
            let records = votes.iter().map(|vote| ByteBuf::from(vote.encode()));
            net.tell(n, 1, Message::Records(records.collect()));
        }
        assert!(
            net.cores[n].pool().len() >= 10_000,
            "they are listed, and so held"
        );
    }
    net.propose(2, config(b"x"), Some(Ballot::Approve));
    net.nudge(8);
    assert!([0, 2, 3].iter().all(|n| height(&net, *n) >= 1));
    assert!(net.cores[0].pool().len() < 100, "they go with their height");
}

/// Members propose many records of the largest size: a seal takes four megabytes, and the rest comes later. With a
/// bound on the number alone, a block could take 656 MB, and nodes would have to receive it unasked.
/// Rules: S9.
#[test]
fn a_seal_takes_no_more_bytes_than_a_node_receives_at_once() {
    const NODES: usize = 9;
    let mut net = Net::new(&genesis(12), NODES);
    net.down = vec![true; NODES];
    let last = net.state(0).seal();
    let mut expected = Vec::new();
    for author in NODES..12 {
        let proposals =
            (0..64).map(|nonce| proposal_of(config(&vec![7; PAYLOAD_BYTES_MAX]), last, nonce));
        let proposals = sign_batch(&identity(author), net.network_id(), proposals.collect());
        let proposals = proposals.unwrap();
        net.allow(&proposals);
        for n in 0..NODES {
            assert!(import(&mut net, n, &proposals).iter().all(Result::is_ok));
        }
        expected.extend(proposals.iter().map(Verified::id));
    }
    let ledger = net.cores[0].ledger().clone();
    let pooled = net.cores[0].pool().iter().map(|it| it.record.clone());
    let all: Vec<Verified> = pooled.collect();
    let bytes: usize = all.iter().map(Verified::body_len).sum();
    assert!(bytes > SEAL_BODY_BYTES_MAX * 5 / 4, "{bytes}");
    let time_ms = ledger.state().time_ms() + 1;
    let refused = ledger
        .draft(0, time_ms, all.clone(), Mode::Strict)
        .unwrap_err();
    assert_eq!(refused.reason.code(), "over-limit");
    let (draft, left_out) = ledger.draft(0, time_ms, all, Mode::Lenient).unwrap();
    let taken: usize = draft.records.iter().map(Verified::body_len).sum();
    assert!(taken <= SEAL_BODY_BYTES_MAX);
    assert_eq!(draft.records.len() + left_out.len(), expected.len());

    // A full seal is not taken for censorship, however long the other records wait.
    net.down = vec![false; NODES];
    net.now_ms += 100 * 60_000;
    let is_open = |net: &Net, n: usize| {
        let state = net.state(n);
        let mut expected = expected.iter();
        expected.all(|id| state.operation(&(*id).into()).is_some())
    };
    for _ in 0..12 {
        net.nudge(6);
        if (0..NODES).all(|n| is_open(&net, n)) {
            break;
        }
    }
    for n in 0..NODES {
        let state = net.state(n);
        assert!(state.height() >= 2, "{}", state.height());
        assert!(is_open(&net, n), "node {n} at height {}", state.height());
        for block in &net.blocks[n] {
            assert!(codec::encode(block.as_ref()).len() <= BLOCK_BYTES_MAX);
            // The first proposer that is present is followed: three proposers are absent.
            let rounds = block.certificate.votes.iter();
            let rounds = rounds.filter_map(|vote| match vote.body.what {
                Statement::SealVote { round, .. } => Some(round),
                _ => None,
            });
            assert!(rounds.max().is_some_and(|round| round <= 3));
        }
    }
}

#[test]
fn a_member_has_two_rejoins_in_a_pool() {
    let mut net = Net::new(&genesis(4), 4);
    net.down = vec![true; 4];
    let rejoins = (0..30).map(|n| Statement::Rejoin {
        nonce: Digest::from_bytes([n; 32]),
    });
    let rejoins = sign_batch(&identity(3), net.network_id(), rejoins.collect()).unwrap();
    net.allow(&rejoins);
    let results = import(&mut net, 1, &rejoins);
    assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 2);
    assert_eq!(net.cores[1].pool().about_author(&node(3)).count(), 2);
}

/// The Primary is gone, and there is always a record to seal: windows still end.
#[test]
fn seal_time_goes_on_without_the_first_proposer() {
    let mut net = Net::new(&genesis(4), 4);
    net.down[0] = true;
    let id = net.propose(1, config(b"x"), Some(Ballot::Approve));
    net.approve(&[2, 3], id);
    for n in 0..60 {
        net.propose(2, config(&[n]), None);
        net.nudge(1);
    }
    let expected = APPROVED;
    assert_eq!(
        net.outcome(1, &id),
        expected,
        "{:?}",
        net.cores[1].status(&id)
    );
}

/// A single vote is no reason to seal, and wakes no node (S7).
#[test]
fn a_lone_vote_wakes_nobody() {
    let mut net = Net::new(&genesis(4), 4);
    let vote = net.forge(3, nil_vote(1, 3, VoteKind::Prevote));
    assert_eq!(net.import(0, &vote), Ok(Admission::New));
    let said = net.said;
    net.nudge(10);
    assert!((0..3).all(|n| !net.cores[n].wants_to_seal()));
    assert_eq!(net.said, said);
}

fn has_lost(net: &Net, n: usize) -> bool {
    let mut events = net.events[n].iter();
    events.any(|event| matches!(event, Event::JournalLost))
}

/// A node starts from an old image of its disk. It first notices its later votes as precommits in the
/// certificates of other nodes.
#[test]
fn a_disk_of_before_some_votes_is_noticed_by_certificates() {
    let mut net = Net::new(&genesis(4), 4);
    net.decide(1, config(b"a"), &[0, 2, 3]);
    let image = (net.saved[3].clone(), net.blocks[3].clone());
    let from = height(&net, 3);
    let id = net.propose(1, config(b"b"), Some(Ballot::Approve));
    net.approve(&[0, 2], id);
    net.nudge(20);
    assert_eq!(net.phase(0, &id), "closed");
    let journal = net.journals[3].clone();
    (net.saved[3], net.blocks[3]) = image;
    net.down = vec![true; 4];
    net.restart(3);
    assert!(!has_lost(&net, 3));
    let since = net.blocks[0]
        .iter()
        .filter(|block| block.seal.height > from);
    let signed_by_3 = |block: &&std::sync::Arc<_>| {
        let block: &mycnet_consensus::internals::seal::SealedBlock = block;
        block
            .certificate
            .votes
            .iter()
            .any(|vote| vote.body.by == node(3))
    };
    assert!(
        since.clone().any(|block| signed_by_3(&block)),
        "{}",
        journal.len()
    );
    let message = blocks_message(since.map(AsRef::as_ref));
    let from = PeerId(0);
    let now_ms = net.now_ms;
    let outputs = net.cores[3].handle(Input::Message { from, message }, now_ms);
    let is_lost = |output: &Output| matches!(output, Output::Event(Event::JournalLost));
    assert!(outputs.list.iter().any(is_lost));
    for output in &outputs.list {
        if let Output::Send { message, .. } = output {
            let own = records_of(message).into_iter();
            assert!(own.into_iter().all(|it| it.record().body.by != node(3)));
        }
    }
}

/// No operation is open whose records could tell: the own precommits in the stored certificates do.
#[test]
fn a_lost_journal_is_noticed_by_stored_certificates() {
    let mut net = Net::new(&genesis(4), 4);
    net.decide(1, config(b"a"), &[0, 2, 3]);
    net.nudge(2);
    assert_eq!(net.state(1).operations().count(), 0);
    net.down = vec![true; 4];
    net.restart_without_journal(1);
    net.input(1, Input::Tick).unwrap();
    assert!(has_lost(&net, 1));
}

/// Its journal has records of an author that the genesis does not know.
#[test]
fn an_admitted_member_restarts() {
    let mut net = Net::new(&genesis(4), 5);
    net.decide(
        1,
        crate::authority::admission(&net, 4, mycnet_consensus::Spore::Latent),
        &[0, 2, 3],
    );
    net.nudge(2);
    net.propose(4, config(b"new"), Some(Ballot::Approve));
    assert!(!net.journals[4].is_empty());
    net.restart(4);
    net.pump();
    assert!(!has_lost(&net, 4));
    assert_eq!(net.cores[4].seal_status().signing, "ready");
}
