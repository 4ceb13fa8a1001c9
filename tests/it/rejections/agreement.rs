//! Stale and impossible seals, and certificates that prove nothing.

use super::*;
use crate::net::{block, blocks_message, vote_for};
use mycnet_consensus::SealId;
use mycnet_consensus::core::Event;
use mycnet_consensus::internals::codec;
use mycnet_consensus::internals::record::Seal;
use mycnet_consensus::internals::seal::{SealedBlock, list_digest};

/// Four nodes at height 1, node 1 alone, and a block that it could take.
fn next_block() -> (Net, SealedBlock) {
    let mut net = Net::new(&genesis(4), 4);
    net.propose(0, config(b"one"), Some(Ballot::Approve));
    assert_eq!(net.state(1).height(), 1);
    net.down = vec![true, false, true, true];
    let proposal = net.forge(0, proposal_of(config(b"two"), net.state(1).seal(), 1));
    let draft = net.draft(1, net.now_ms + 10, vec![proposal]);
    let good = block(net.network_id(), &draft.seal, &draft.records, 0, &[0, 2, 3]);
    (net, good)
}

fn certified(net: &Net, good: &SealedBlock, change: impl Fn(&mut Seal)) -> SealedBlock {
    let mut seal = good.seal.clone();
    change(&mut seal);
    let certified = block(net.network_id(), &seal, &[], 0, &[0, 2, 3]);
    SealedBlock {
        records: good.records.clone(),
        ..certified
    }
}

fn with_certificate(good: &SealedBlock, of: SealedBlock) -> SealedBlock {
    SealedBlock {
        certificate: of.certificate,
        ..good.clone()
    }
}

/// Rules: H4.
#[test]
fn blocks_that_cannot_follow_are_refused() {
    let (mut net, good) = next_block();
    let id = net.network_id();
    let other = Digest::from_bytes([1; 32]);
    let state = net.state(1);
    let last_ms = state.time_ms();
    let change = |change: &dyn Fn(&mut Seal)| certified(&net, &good, change);
    let empty = net.draft(1, last_ms + 5, Vec::new());
    let banned_record = sign(&identity(99), id, directive(OperationId::default())).unwrap();
    let listed = list_digest(&[banned_record.id()]);
    let stranger = SealedBlock {
        records: vec![banned_record.record().clone()],
        ..change(&|seal| seal.records = listed)
    };
    let unlisted = SealedBlock {
        records: vec![banned_record.record().clone()],
        ..good.clone()
    };
    let mut forged = good.clone();
    forged.records[0].proof.sig = SignatureBytes::from_bytes([1; 64]);
    let mut genesis_block = good.clone();
    genesis_block.seal.height = 0;
    let (elsewhere, no_seal) = (NetworkId::from_bytes([1; 32]), SealId::from_bytes([1; 32]));
    let impossible = [
        ("after another seal", change(&|seal| seal.prev = no_seal)),
        ("at the last time", change(&|seal| seal.time_ms = last_ms)),
        ("with another state", change(&|seal| seal.state = other)),
        ("with another roster", change(&|seal| seal.roster = other)),
        ("with another count", change(&|seal| seal.count = 2)),
        ("with another list", change(&|seal| seal.records = other)),
        ("without change", block(id, &empty.seal, &[], 0, &[0, 2, 3])),
        ("with a record it does not list", unlisted),
    ];
    let mut cases: Vec<(&str, SealedBlock, &str)> = vec![
        (
            "elsewhere",
            change(&|seal| seal.net = elsewhere),
            "wrong-network",
        ),
        (
            "the next but one",
            change(&|seal| seal.height = 3),
            "unknown-seal",
        ),
        ("a genesis", genesis_block, "stale-seal"),
        ("with a stranger's record", stranger, "unknown-author"),
        ("with a forged record", forged, "bad-signature"),
    ];
    cases.extend(impossible.map(|(desc, block)| (desc, block, "impossible-seal")));
    refuse_all(&mut net, cases);
    let message = blocks_message([&good]);
    net.tell(1, 0, message);
    assert_eq!(net.state(1).seal(), good.seal.id(), "the good one");
}

/// Rules: H3.
#[test]
fn certificates_that_prove_nothing_are_refused() {
    let (mut net, good) = next_block();
    let id = net.network_id();
    let of = |round, by: &[usize]| block(id, &good.seal, &[], round, by);
    let with = |certificate| with_certificate(&good, certificate);
    let mut unsorted = of(0, &[0, 2, 3]);
    unsorted.certificate.votes.reverse();
    let mut twice = of(0, &[0, 2]);
    twice
        .certificate
        .votes
        .push(twice.certificate.votes[1].clone());
    let mut rounds = of(0, &[0, 2]);
    rounds
        .certificate
        .votes
        .extend(of(1, &[3]).certificate.votes);
    rounds.certificate.votes.sort_by_key(|vote| vote.body.id());
    let mut forged = of(0, &[0, 2, 3]);
    forged.certificate.votes[0].proof.sig = SignatureBytes::from_bytes([1; 64]);
    let mut prevotes = of(0, &[0, 2]);
    let prevote = sign(
        &identity(3),
        id,
        vote_for(2, 0, VoteKind::Prevote, &good.seal),
    )
    .unwrap();
    prevotes.certificate.votes.push(prevote.record().clone());
    prevotes
        .certificate
        .votes
        .sort_by_key(|vote| vote.body.id());
    let elsewhere = certified(&net, &good, |seal| seal.time_ms += 1);
    let cases = vec![
        ("two of four", with(of(0, &[0, 2])), "bad-certificate"),
        ("nobody", with(of(0, &[])), "bad-certificate"),
        ("not in order", with(unsorted), "bad-certificate"),
        ("one twice", with(twice), "bad-certificate"),
        ("of two rounds", with(rounds), "bad-certificate"),
        ("a prevote", with(prevotes), "bad-certificate"),
        ("for another seal", with(elsewhere), "bad-certificate"),
        ("a stranger", with(of(0, &[0, 2, 9])), "not-a-sealer"),
        ("a forged vote", with(forged), "bad-signature"),
    ];
    refuse_all(&mut net, cases);
}

fn refuse_all(net: &mut Net, cases: Vec<(&str, SealedBlock, &str)>) {
    let before = net.fingerprint(1);
    for (desc, block, code) in cases {
        let seen = net.refusals(1).len();
        net.tell(1, 0, blocks_message([&block]));
        let refusals = net.refusals(1);
        assert_eq!(refusals.len(), seen + 1, "{desc}");
        assert_eq!(refusals[0].code(), code, "{desc}: {}", refusals[0]);
        assert_eq!(net.fingerprint(1), before, "{desc}");
    }
}

#[test]
fn votes_and_proposals_of_others_are_refused() {
    let (mut net, good) = next_block();
    let seal = good.seal.clone();
    let proposal = |round, seal: &Seal| Statement::SealProposal {
        round,
        lock: None,
        seal: seal.clone(),
    };
    let vote = vote_for(2, 0, VoteKind::Prevote, &seal);
    let not_the_proposer = net.forge(2, proposal(0, &seal));
    let not_a_sealer = {
        // Node 9 is not a member; a member without weight would need an admission.
        sign(&identity(9), net.network_id(), vote).unwrap()
    };
    let at_1 = Seal {
        height: 1,
        ..seal.clone()
    };
    let of_the_past = net.forge(2, proposal(0, &at_1));
    let before = net.fingerprint(1);
    for (desc, record, code) in [
        ("not the proposer", &not_the_proposer, "wrong-role"),
        ("not a sealer", &not_a_sealer, "unknown-author"),
        ("of the past, not its proposer", &of_the_past, "wrong-role"),
    ] {
        let refused = net.import(1, record).map_err(|r| r.code());
        assert_eq!(refused, Err(code), "{desc}");
        assert_eq!(net.fingerprint(1), before, "{desc}");
    }
    let list = vec![good.records[0].body.id()];
    let right = net.forge(0, proposal(0, &seal));
    let directive = net.forge(0, directive(OperationId::default()));
    for (desc, record, list, code) in [
        ("no proposal", &directive, list.clone(), "malformed"),
        ("another list", &right, vec![right.id()], "impossible-seal"),
    ] {
        let record = ByteBuf::from(record.encode());
        net.tell(1, 0, Message::Proposal { record, list });
        assert_eq!(net.refusals(1)[0].code(), code, "{desc}");
        assert_eq!(net.state(1).height(), 1, "{desc}");
    }
    // A peer that has the record without the list is honest; other holders of the record may ask it for the list.
    let refused = net.refusals(1).len();
    let (record, list) = (ByteBuf::from(right.encode()), Vec::new());
    net.tell(1, 0, Message::Proposal { record, list });
    assert_eq!(net.refusals(1).len(), refused);
}

/// Node 5 is banned: a member, but no sealer.
#[test]
fn a_member_without_weight_does_not_vote_on_seals() {
    let mut world = World::new();
    let height = world.net.state(1).height() + 1;
    let vote = world.net.forge(5, nil_vote(height, 0, VoteKind::Prevote));
    let before = world.net.fingerprint(1);
    let refused = world.net.import(1, &vote).map_err(|r| r.code());
    assert_eq!(refused, Err("not-a-sealer"));
    assert_eq!(world.net.fingerprint(1), before);
}

#[test]
fn a_proposal_that_does_not_apply_gets_a_nil_prevote() {
    let (net, good) = next_block();
    let last_ms = net.state(1).time_ms();
    let drift_ms = net.genesis.params.drift_ms;
    let now_ms = net.now_ms;
    let changes: Vec<(&str, Box<dyn Fn(&mut Seal)>, bool)> = vec![
        ("good", Box::new(|_| {}), true),
        (
            "after another seal",
            Box::new(|seal| seal.prev = SealId::default()),
            false,
        ),
        (
            "with another state",
            Box::new(|seal| seal.state = Digest::default()),
            false,
        ),
        (
            "before the last",
            Box::new(move |seal| seal.time_ms = last_ms),
            false,
        ),
    ];
    for (desc, change, is_good) in changes {
        let mut seal = good.seal.clone();
        change(&mut seal);
        assert_eq!(prevote_on(&seal, &good), Some(is_good), "{desc}");
    }
    // Time is judged by one's own clock, with drift.
    for (time_ms, is_good) in [(now_ms + drift_ms, true), (now_ms + drift_ms + 1, false)] {
        let draft = {
            let record = verified(&net, &good);
            net.draft(1, time_ms, vec![record])
        };
        assert_eq!(
            prevote_on(&draft.seal, &good),
            Some(is_good),
            "at {time_ms}"
        );
    }
    let nothing = net.draft(1, now_ms + 1, Vec::new());
    assert_eq!(
        prevote_on(&nothing.seal, &good),
        Some(false),
        "nothing to seal"
    );
}

fn verified(net: &Net, good: &SealedBlock) -> Verified {
    let Statement::Propose { .. } = &good.records[0].body.what else {
        panic!("the block has one proposal");
    };
    sign(
        &identity(0),
        net.network_id(),
        good.records[0].body.what.clone(),
    )
    .unwrap()
}

/// Whether node 1 prevotes for this proposal, in the situation of [`next_block`].
fn prevote_on(seal: &Seal, good: &SealedBlock) -> Option<bool> {
    let (mut net, _) = next_block();
    let record = verified(&net, good);
    net.import(1, &record).unwrap();
    let proposal = Statement::SealProposal {
        round: 0,
        lock: None,
        seal: seal.clone(),
    };
    let proposal = net.forge(0, proposal);
    let list = if seal.count == 0 {
        Vec::new()
    } else {
        vec![record.id()]
    };
    let message = Message::Proposal {
        record: ByteBuf::from(proposal.encode()),
        list,
    };
    net.tell(1, 0, message);
    let mut votes = net.journals[1].iter().rev();
    votes.find_map(|entry| match &entry.record.body.what {
        Statement::SealVote {
            height: 2,
            kind: VoteKind::Prevote,
            seal: vote,
            ..
        } => Some(*vote == Some(seal.id())),
        _ => None,
    })
}

#[test]
fn votes_of_heights_far_back_are_stale() {
    let genesis = genesis(1);
    let mut net = Net::new(&genesis, 1);
    while net.state(0).height() < 101 {
        net.advance(1);
        net.propose(0, config(b"x"), Some(Ballot::Approve));
    }
    let at = net.state(0).height();
    for (height, code) in [(at - 100, Some("stale-seal")), (at - 99, None)] {
        let vote = net.forge(0, nil_vote(height, 7, VoteKind::Prevote));
        let before = net.fingerprint(0);
        let refused = net.import(0, &vote).err().map(|r| r.code());
        assert_eq!(refused, code, "height {height} at {at}");
        if code.is_some() {
            assert_eq!(net.fingerprint(0), before);
        }
    }
}

/// A ledger says the same about seals without any core around it.
#[test]
fn a_ledger_judges_seals_by_itself() {
    let (net, good) = next_block();
    let ledger = net.cores[1].ledger();
    let records = || vec![verified(&net, &good)];
    assert!(ledger.check(&good.seal, records()).is_ok());
    let at_5 = Seal {
        height: 5,
        ..good.seal.clone()
    };
    assert_eq!(
        ledger.check(&at_5, records()).unwrap_err().code(),
        "stale-seal"
    );
    let without = ledger.check(&good.seal, Vec::new()).unwrap_err();
    assert_eq!(without.code(), "impossible-seal");
    let vote = sign(
        &identity(0),
        net.network_id(),
        vote_for(2, 0, VoteKind::Precommit, &good.seal),
    )
    .unwrap();
    let alone = ledger.check(&good.seal, vec![vote]).unwrap_err();
    assert_eq!(
        alone.code(),
        "impossible-seal",
        "a vote alone is no evidence"
    );
    assert_eq!(list_digest(&[good.records[0].body.id()]), good.seal.records);
}

#[test]
fn bytes_that_are_no_block_are_refused() {
    let (mut net, good) = next_block();
    let bytes = codec::encode(&good);
    let before = net.fingerprint(1);
    for cut in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        net.tell(
            1,
            0,
            Message::Blocks(vec![ByteBuf::from(bytes[..cut].to_vec())]),
        );
        assert_eq!(net.refusals(1)[0].code(), "non-canonical", "cut at {cut}");
    }
    assert_eq!(net.fingerprint(1), before);
    let events = &net.events[1];
    assert!(
        !events
            .iter()
            .any(|event| matches!(event, Event::Forked { .. }))
    );
}
