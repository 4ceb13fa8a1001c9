//! A node keeps the records that a seal's proposal lists if that seal could take them, and only while it may still be sealed. Rules: R8.

use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::record::{Seal, Statement, Verified, VoteKind, sign_batch};
use mycnet_consensus::internals::seal::list_digest;
use mycnet_consensus::{Digest, RecordId};
use serde_bytes::ByteBuf;

use crate::net::{Net, config, genesis, identity, nil_vote, node, proposal_of};

/// Who lists records, and whom this file watches.
const SEALER: usize = 1;
const WATCHED: usize = 2;

/// Records of a hostile member.
fn signed(
    net: &mut Net,
    by: usize,
    statements: impl IntoIterator<Item = Statement>,
) -> Vec<Verified> {
    let statements = statements.into_iter().collect();
    let records = sign_batch(&identity(by), net.network_id(), statements).unwrap();
    net.allow(&records);
    records
}

fn proposals(net: &mut Net, nonces: std::ops::Range<u64>) -> Vec<Verified> {
    let last = net.state(WATCHED).seal();
    let proposals = nonces.map(|nonce| proposal_of(config(b"x"), last, nonce));
    signed(net, SEALER, proposals)
}

fn rounds_of_sealer(net: &Net) -> Vec<u32> {
    let sealers = net.state(WATCHED).sealers().clone();
    let rounds = (0..).filter(|round| sealers.proposer(*round) == Some(node(SEALER)));
    rounds.take(40).collect()
}

/// Shows a proposal of the first seal that lists these records, then the records.
fn list(net: &mut Net, round: u32, records: &[Verified]) {
    let mut list: Vec<RecordId> = records.iter().map(Verified::id).collect();
    list.sort();
    let state = net.state(WATCHED);
    let seal = Seal {
        net: net.network_id(),
        height: 1,
        prev: state.seal(),
        time_ms: state.time_ms() + 1,
        count: u32::try_from(list.len()).unwrap(),
        records: list_digest(&list),
        state: Digest::from_bytes([1; 32]),
        roster: Digest::from_bytes([2; 32]),
        sealers: Digest::from_bytes([3; 32]),
        round,
    };
    let lock = None;
    let proposal = Statement::SealProposal { round, lock, seal };
    let proposal = net.forge(SEALER, proposal);
    let record = ByteBuf::from(proposal.encode());
    net.tell(WATCHED, SEALER, Message::Proposal { record, list });
    for records in records.chunks(2000) {
        let records = records.iter().map(|it| ByteBuf::from(it.encode()));
        net.tell(WATCHED, SEALER, Message::Records(records.collect()));
    }
}

/// Two members, more than a third, are in a later round, and so the watched node follows.
fn skip_to(net: &mut Net, round: u32) {
    for n in [SEALER, 3] {
        let vote = net.forge(n, nil_vote(1, round, VoteKind::Prevote));
        let vote = ByteBuf::from(vote.encode());
        net.tell(WATCHED, n, Message::Records(vec![vote]));
    }
}

fn alone() -> Net {
    let mut net = Net::new(&genesis(4), 4);
    net.down = vec![true, true, false, true];
    net
}

#[test]
fn a_list_does_not_lift_the_cap_on_proposals() {
    let mut net = alone();
    let proposals = proposals(&mut net, 0..200);
    let round = rounds_of_sealer(&net)[0];
    list(&mut net, round, &proposals);
    let held = || {
        net.cores[WATCHED]
            .pool()
            .proposals_of(&node(SEALER))
            .count()
    };
    assert_eq!(held(), 64, "as many as may be open");
    assert_eq!(net.saved[WATCHED].records.len(), 64);
}

#[test]
fn what_a_list_may_open_is_taken_beside_what_is_there() {
    let mut net = alone();
    let others = proposals(&mut net, 0..64);
    for record in &others {
        net.import(WATCHED, record).unwrap();
    }
    let listed = proposals(&mut net, 100..164);
    let round = rounds_of_sealer(&net)[0];
    list(&mut net, round, &listed);
    let pool = net.cores[WATCHED].pool();
    assert!(listed.iter().all(|record| pool.get(&record.id()).is_some()));
    assert_eq!(pool.proposals_of(&node(SEALER)).count(), 128);
}

#[test]
fn lists_of_past_rounds_leave_nothing_behind() {
    let mut net = alone();
    let rounds = rounds_of_sealer(&net);
    for (round, n) in rounds.into_iter().zip(0..) {
        skip_to(&mut net, round);
        let first = 1000 * n;
        let proposals = proposals(&mut net, first..first + 64);
        list(&mut net, round, &proposals);
        // Of another: votes of so late rounds would displace what makes the sealer's own round.
        let pairs = (0..200).map(|k| Statement::SealVote {
            height: 1,
            round: 10_000 + 200 * u32::try_from(n).unwrap() + k / 2,
            kind: VoteKind::Prevote,
            seal: (k % 2 == 0).then(|| net.state(WATCHED).seal()),
        });
        let pairs: Vec<Statement> = pairs.collect();
        let pairs = signed(&mut net, 0, pairs);
        list(&mut net, round, &pairs);
        // Until the next cleaning, the lists of a few rounds remain with the records they name.
        let core = &net.cores[WATCHED];
        let held = core.pool().proposals_of(&node(SEALER)).count();
        assert!(held <= 64 * 9, "{held} proposals after list {n}");
        assert!(
            core.pool().len() - held <= 200 * 9,
            "{:?}",
            core.pool().len()
        );
        let saved = &net.saved[WATCHED];
        assert!(saved.records.len() <= 264 * 9, "{}", saved.records.len());
        assert!(saved.votes.len() <= 264 * 9, "{}", saved.votes.len());
    }
}

#[test]
fn a_list_takes_one_rejoin_and_two_of_a_slot() {
    let mut net = alone();
    let nonces = (0..30).map(|n| Digest::from_bytes([n; 32]));
    let rejoins = signed(
        &mut net,
        SEALER,
        nonces.map(|nonce| Statement::Rejoin { nonce }),
    );
    let rounds = rounds_of_sealer(&net);
    list(&mut net, rounds[0], &rejoins);
    let pool = net.cores[WATCHED].pool();
    assert!(pool.about_author(&node(SEALER)).count() <= 2);
    let seals = (0..30).map(|n| mycnet_consensus::SealId::from_bytes([n; 32]));
    let votes = seals.map(|seal| Statement::SealVote {
        height: 1,
        round: 0,
        kind: VoteKind::Prevote,
        seal: Some(seal),
    });
    let votes = signed(&mut net, SEALER, votes);
    list(&mut net, rounds[0], &votes);
    assert!(
        net.cores[WATCHED].pool().len() <= 6,
        "{:?}",
        net.cores[WATCHED].pool()
    );
}
