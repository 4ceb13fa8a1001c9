//! Certificates of operations: a good one convinces a reader who has only the genesis, and any other is refused. Rules: H3.

use super::*;
use mycnet_consensus::core::{Chain, Index, Indexed, LeafOutcome, Precommits, ShownItems};
use mycnet_consensus::internals::digest::SignatureBytes;
use mycnet_consensus::internals::record::{Record, Verified, VoteKind, sign};
use mycnet_consensus::internals::seal::SealCertificate;
use mycnet_consensus::{Certificate, ClaimItem, ClaimRule, Digest, MemberName, NetworkId, SealId};

use crate::net::vote_for;

/// Four nodes that admitted a fifth, gave it a vote, and excluded one, so that the roster and the sealers changed on the way.
async fn network() -> (Vec<BFTConsensusEngine>, OperationId) {
    let (engines, _) = linked(&genesis(4), 5);
    let consent = Consent::sign(
        &identity(4),
        engines[0].network_id(),
        Spore::Latent,
        MemberName::of_key(&identity(4).node_id()),
        None,
    )
    .unwrap();
    let admission = ConsensusOperation::NodeAdmission {
        candidate: node(4),
        role: Spore::Latent,
        consent,
    };
    approve(&engines, 0, admission, &[1, 2, 3]).await;
    let promotion = ConsensusOperation::TrustScoreModification {
        node: node(4),
        delta_ppm: 200_000,
        reason: "everybody knows it".into(),
    };
    approve(&engines, 0, promotion, &[1, 2, 3, 4]).await;
    let exclusion = ConsensusOperation::NodeExclusion {
        node: node(3),
        reason: "it moved".into(),
    };
    approve(&engines, 0, exclusion, &[1, 2, 3, 4]).await;
    let id = approve(&engines, 0, config(b"x"), &[4, 1, 2]).await;
    (engines, id)
}

#[tokio::test]
async fn a_certificate_convinces_whoever_holds_the_genesis() {
    let (engines, id) = network().await;
    let genesis = Genesis::decode(&engines[0].genesis().encode()).unwrap();
    for engine in &engines {
        let bytes = engine.certificate(&id).unwrap().unwrap().encode();
        let certificate = Certificate::decode(&bytes).unwrap();
        let proved = certificate.verify(&genesis).unwrap();
        assert_eq!(proved.operation, id);
        assert_eq!(proved.kind, "network_configuration");
        assert_eq!(proved.outcome, Some(Outcome::Decided(Ballot::Approve)));
        assert_eq!(proved.seal, engine.seal());
        assert_eq!(proved.height, engine.height());
        assert!(proved.decided_height <= proved.height);
        let [(Ballot::Approve, voters)] = &proved.answers[..] else {
            panic!("everybody approved: {:?}", proved.answers);
        };
        // The outcome is final with the votes of more than two thirds.
        assert!(
            voters.len() >= 3 && !voters.contains(&node(3)),
            "{voters:?}"
        );
        assert!(
            voters
                .iter()
                .all(|it| proved.electors.iter().any(|elector| elector.node == *it))
        );
        let changes = &certificate.chain.changes;
        assert_eq!(changes.len(), 2, "one sealer came, and one went");
    }
    assert_eq!(
        engines[0].certificate(&OperationId::default()).unwrap(),
        None
    );
    let open = engines[0].propose_operation(config(b"y")).await.unwrap();
    assert_eq!(
        engines[0].certificate(&open).unwrap(),
        None,
        "nothing is proved yet"
    );
}

#[tokio::test]
async fn every_way_to_an_outcome_has_a_certificate() {
    let (engines, clock) = linked(&genesis(4), 4);
    let genesis = engines[0].genesis().clone();
    let params = Params::dev();
    let split = engines[0]
        .propose_operation(config(b"split"))
        .await
        .unwrap();
    for engine in &engines[1..] {
        engine.vote(split, Ballot::Reject).await.unwrap();
    }
    let expired = engines[0]
        .propose_operation(config(b"expired"))
        .await
        .unwrap();
    let directed = engines[0].propose_operation(deployment()).await.unwrap();
    // Everybody says something else about each item of a set.
    let set = |subject: &str| ConsensusOperation::ClaimSet {
        subject: subject.into(),
        items: ["a", "b"]
            .map(|subject| ClaimItem {
                subject: subject.into(),
                input: Vec::new(),
            })
            .to_vec(),
        panel: None,
        rule: ClaimRule::MAJORITY,
    };
    let scattered = |by: u8| vec![Some(vec![by]), None];
    let dispute = engines[0].propose_claim_set(set("scattered"), scattered(0));
    let dispute = dispute.await.unwrap();
    for (engine, by) in engines[1..].iter().zip(1..) {
        let ballot = Ballot::Results(scattered(by));
        engine.vote(dispute, ballot).await.unwrap();
    }
    let unanswered = engines[0].propose_with(set("unanswered"), Priority::Normal, None);
    let unanswered = unanswered.await.unwrap();
    for _ in 0..3 {
        clock.advance(params.commit_window_ms + 1);
        engines[0].tick();
    }
    let expected = [
        (split, Outcome::Decided(Ballot::Reject)),
        (expired, Outcome::NoQuorum),
        (dispute, Outcome::NoQuorum),
        (unanswered, Outcome::NoQuorum),
        (directed, Outcome::Decided(Ballot::Approve)),
    ];
    for (id, outcome) in expected.clone() {
        let certificate = engines[3].certificate(&id).unwrap().unwrap();
        let proved = certificate.verify(&genesis).unwrap();
        assert_eq!(proved.outcome, Some(outcome));
    }
    // A set without quorum says who gave what, too.
    let answers = |id: &OperationId, at: usize| {
        let decided = engines[3].decided(id).unwrap().unwrap();
        (
            decided.items[at].result.clone(),
            decided.items[at].answers.len(),
        )
    };
    assert_eq!(
        (answers(&dispute, 0), answers(&dispute, 1)),
        ((None, 4), (None, 0))
    );
    assert_eq!(answers(&unanswered, 1), (None, 0));
    let item = engines[3].prove(|prover| prover.certificate(&dispute, Some(0)));
    let proved = item.unwrap().unwrap().unwrap().verify(&genesis).unwrap();
    assert_eq!((proved.outcome, proved.items[0].answers.len()), (None, 4));
    // What was decided since a height, or since a time.
    let since = |height| engines[1].decided_since(height).unwrap();
    assert_eq!(since(0).len(), expected.len());
    let last = since(0).last().unwrap().height;
    assert!(since(last).iter().all(|it| it.height == last) && !since(last).is_empty());
    assert_eq!(since(last + 1), []);
    let (height, time_ms) = (engines[1].height(), engines[1].last_seal().time_ms);
    let first = |time_ms| engines[1].first_height_from(time_ms).unwrap();
    assert_eq!(
        (first(0), first(time_ms), first(time_ms + 1)),
        (1, height, height + 1)
    );
}

/// A certificate of ten electors takes some two kilobytes, and grows with the logarithm of the height.
#[tokio::test]
async fn a_certificate_stays_small() {
    let (engines, _) = linked(&genesis(10), 10);
    let mut lengths = Vec::new();
    let mut first = None;
    while engines[0].height() < 100 {
        let id = answered(&engines).await;
        let first = *first.get_or_insert(id);
        let certificate = engines[0].certificate(&first).unwrap().unwrap();
        assert!(certificate.verify(engines[0].genesis()).is_ok());
        lengths.push((engines[0].height(), certificate.encode().len()));
    }
    let (height, length) = lengths[0];
    assert!(length <= 3 * 1024, "{length} at height {height}");
    for (height, length) in &lengths {
        // Two paths, with a hash for each doubling.
        let more = 2 * 34 * (height.ilog2() as usize + 1) + 64;
        assert!(
            *length <= lengths[0].1 + more,
            "{length} at height {height}"
        );
    }
}

/// A claim that all answer alike.
async fn answered(engines: &[BFTConsensusEngine]) -> OperationId {
    let claim = ConsensusOperation::Claim {
        subject: format!("question at {}", engines[0].height()),
        input: vec![7; 32],
        panel: None,
        rule: mycnet_consensus::ClaimRule::MAJORITY,
    };
    let id = engines[0].propose_claim(claim, vec![1; 32]).await.unwrap();
    for engine in &engines[1..] {
        let ballot = Ballot::Result(vec![1; 32]);
        engine.vote(id, ballot).await.unwrap();
    }
    id
}

type Change = (&'static str, Box<dyn Fn(&mut Certificate)>);

fn change(desc: &'static str, change: impl Fn(&mut Certificate) + 'static) -> Change {
    (desc, Box::new(change))
}

fn other() -> Digest {
    Digest::from_bytes([1; 32])
}

fn headers() -> Vec<Change> {
    vec![
        change("version", |c| c.v = 2),
        change("network", |c| c.net = NetworkId::from_bytes([1; 32])),
        change("the head's network", |c| {
            c.chain.head.net = NetworkId::from_bytes([1; 32]);
        }),
        change("the head's height", |c| c.chain.head.height += 1),
        change("the head's prev", |c| {
            c.chain.head.prev = SealId::from_bytes([1; 32]);
        }),
        change("the head's time", |c| c.chain.head.time_ms += 1),
        change("the head's list", |c| c.chain.head.records = other()),
        change("the head's state", |c| c.chain.head.state = other()),
        change("the head's sealers", |c| c.chain.head.sealers = other()),
        change("the state's seals", |c| c.chain.parts.seals = other()),
        change("the state's decisions", |c| c.chain.parts.decisions += 1),
        change("the state's log", |c| c.chain.parts.decided = other()),
        change("the rest of the state", |c| c.chain.parts.rest = other()),
        change("a changing header's height", |c| {
            c.chain.changes[0].seal.height += 1;
        }),
        change("a changing header's state", |c| {
            c.chain.changes[0].seal.state = other();
        }),
        change("a changing header's sealers", |c| {
            c.chain.changes[0].seal.sealers = other();
        }),
        change("a changing header's path", |c| {
            c.chain.changes[0].path[0] = other();
        }),
        change("a changing header's path is short", |c| {
            c.chain.changes[0].path.pop();
        }),
        change("no changes of sealers", |c| c.chain.changes.clear()),
        change("the first change is missing", |c| {
            c.chain.changes.remove(0);
        }),
        change("the last change is missing", |c| {
            c.chain.changes.pop();
        }),
        change("a change twice", |c| {
            let first = c.chain.changes[0].clone();
            c.chain.changes.insert(0, first);
        }),
        change("changes in another order", |c| c.chain.changes.swap(0, 1)),
        change("a sealer is left out", |c| {
            c.chain.changes[1].sealers.pop();
        }),
        change("a sealer twice", |c| {
            let first = c.chain.changes[1].sealers[0];
            c.chain.changes[1].sealers.insert(0, first);
        }),
        change("sealers in another order", |c| {
            c.chain.changes[1].sealers.swap(0, 1);
        }),
    ]
}

fn forge(votes: &mut Precommits) {
    let mut sig = *votes.votes[0].1.sig.as_bytes();
    sig[0] ^= 1;
    votes.votes[0].1.sig = SignatureBytes::from_bytes(sig);
}

/// The same changes of the votes for the head and of those for a change of sealers.
fn votes() -> Vec<Change> {
    type Tamper = fn(&mut Precommits);
    let tampers: [(&'static str, Tamper); 8] = [
        ("a vote is missing", |votes| {
            votes.votes.pop();
        }),
        ("no votes", |votes| votes.votes.clear()),
        ("a vote is forged", forge),
        ("a vote is another's", |votes| {
            let proof = votes.votes[0].1.clone();
            votes.votes[1].1 = proof;
        }),
        ("a vote twice", |votes| {
            let first = votes.votes[0].clone();
            votes.votes.insert(0, first);
        }),
        ("votes in another order", |votes| votes.votes.swap(0, 1)),
        ("a vote of nobody", |votes| votes.votes[0].0 = 1_000_000),
        ("the round", |votes| votes.round += 1),
    ];
    let tampers = tampers.into_iter();
    let all = tampers.flat_map(|(desc, tamper)| {
        [
            change(desc, move |c| tamper(&mut c.chain.precommits)),
            change(desc, move |c| tamper(&mut c.chain.changes[1].precommits)),
        ]
    });
    all.chain([change("the head's votes are those of a change", |c| {
        c.chain.precommits = c.chain.changes[1].precommits.clone();
    })])
    .collect()
}

fn contents() -> Vec<Change> {
    fn whole(c: &mut Certificate) -> (&mut Outcome, &mut Vec<mycnet_consensus::core::LeafAnswer>) {
        match &mut c.leaf.decided {
            LeafOutcome::Whole { outcome, answers } => (outcome, answers),
            LeafOutcome::Items { .. } => unreachable!("it is no set"),
        }
    }
    vec![
        change("the operation", |c| {
            c.leaf.id = OperationId::from_bytes([1; 32]);
        }),
        change("the kind", |c| c.leaf.kind.push('s')),
        change("the subject", |c| c.leaf.subject.push('s')),
        change("the input", |c| c.leaf.input[0] ^= 1),
        change("the deciding height", |c| c.leaf.height += 1),
        change("the outcome", |c| {
            *whole(c).0 = Outcome::Decided(Ballot::Reject);
        }),
        change("no answers", |c| whole(c).1.clear()),
        change("an answer", |c| whole(c).1[0].ballot = Ballot::Abstain),
        change("who answered", |c| whole(c).1[0].by[0] ^= 1),
        change("more who answered", |c| whole(c).1[0].by.push(1)),
        change("the electors' digest", |c| c.leaf.electors = other()),
        change("an elector's weight", |c| c.electors[0].weight += 1),
        change("an elector's vote", |c| c.electors[0].has_vote ^= true),
        change("an elector is missing", |c| {
            c.electors.pop();
        }),
        change("an elector twice", |c| {
            let first = c.electors[0];
            c.electors.push(first);
        }),
        change("the place in the log", |c| c.index -= 1),
        change("a place beyond the log", |c| c.index = u64::MAX),
        change("the path", |c| c.path[0] = other()),
        change("a longer path", |c| c.path.push(other())),
        change("a shorter path", |c| {
            c.path.pop();
        }),
        change("items of no set", |c| c.items = ShownItems::All(Vec::new())),
    ]
}

#[tokio::test]
async fn a_certificate_that_was_tampered_with_is_refused() {
    let (engines, id) = network().await;
    let genesis = engines[0].genesis();
    let good = engines[0].certificate(&id).unwrap().unwrap();
    for (desc, tamper) in headers().into_iter().chain(votes()).chain(contents()) {
        let mut bad = good.clone();
        tamper(&mut bad);
        assert_ne!(bad, good, "{desc}");
        let bytes = bad.encode();
        let refused = Certificate::decode(&bytes).and_then(|bad| bad.verify(genesis));
        assert!(refused.is_err(), "{desc}: {refused:?}");
    }
    assert!(good.verify(genesis).is_ok());
}

/// As the other values are, by the library's own tests. Rules: R1.
#[tokio::test]
async fn only_the_canonical_form_of_a_certificate_is_read() {
    let (engines, id) = network().await;
    let good = engines[0].certificate(&id).unwrap().unwrap().encode();
    let judge = |bytes: &[u8]| {
        let read: Certificate = serde_ipld_dagcbor::from_slice(bytes).ok()?;
        (serde_ipld_dagcbor::to_vec(&read).unwrap() == bytes).then_some(read)
    };
    let mut read = 0;
    for at in 0..good.len() {
        let mut changed = good.clone();
        changed[at] ^= 1 << (at % 8);
        let right = judge(&changed);
        read += usize::from(right.is_some());
        assert_eq!(Certificate::decode(&changed).ok(), right, "byte {at}");
    }
    assert!(read > 1_000, "most bytes are those of hashes: {read}");
}

#[tokio::test]
async fn a_certificate_of_another_network_is_refused() {
    let (engines, id) = network().await;
    let certificate = engines[0].certificate(&id).unwrap().unwrap();
    let mut other = engines[0].genesis().clone();
    other.nonce = Digest::from_bytes([1; 32]);
    let refused = certificate.verify(&other).unwrap_err();
    assert_eq!(refused.code(), "wrong-network");
}

fn precommit(chain: &Chain, by: usize) -> Verified {
    let seal = &chain.head;
    let vote = vote_for(seal.height, 0, VoteKind::Precommit, seal);
    sign(&identity(by), seal.net, vote).unwrap()
}

/// Excluded former sealers certify a seal that they made themselves.
#[tokio::test]
async fn old_sealers_cannot_certify_what_came_after_them() {
    let (engines, id) = network().await;
    let mut bad = engines[0].certificate(&id).unwrap().unwrap();
    let votes = [0, 1, 3].map(|by| precommit(&bad.chain, by).record().clone());
    bad.chain.precommits = Precommits {
        round: 0,
        votes: Vec::new(),
        pairs: votes.to_vec(),
    };
    let refused = bad.verify(engines[0].genesis()).unwrap_err();
    assert_eq!(refused.code(), "not-a-sealer");
}

/// The short form gives back the certificate, also where a sealer counts by two different precommits.
#[tokio::test]
async fn precommits_in_short_are_the_certificate() {
    let (engines, id) = network().await;
    let chain = engines[0].certificate(&id).unwrap().unwrap().chain;
    let sealers = chain.changes[1].sealers.clone();
    let in_order = mycnet_consensus::core::Sealers::new(sealers.clone());
    let nil = mycnet_consensus::internals::record::Statement::SealVote {
        height: chain.head.height,
        round: 0,
        kind: VoteKind::Precommit,
        seal: None,
    };
    let nil = sign(&identity(0), chain.head.net, nil).unwrap();
    for (desc, votes, pairs) in [
        (
            "one each",
            vec![precommit(&chain, 1), precommit(&chain, 2)],
            0,
        ),
        (
            "two of one",
            vec![precommit(&chain, 1), precommit(&chain, 0), nil.clone()],
            2,
        ),
        ("none", vec![], 0),
    ] {
        let mut votes: Vec<Record> = votes.iter().map(|vote| vote.record().clone()).collect();
        votes.sort_by_key(|vote| vote.body.id());
        let whole = SealCertificate { votes };
        let short = Precommits::of(&whole, &chain.head, &sealers);
        assert_eq!(short.pairs.len(), pairs, "{desc}");
        assert_eq!(
            short.certificate(&chain.head, &in_order),
            Ok(whole),
            "{desc}"
        );
    }
}

/// An index answers for every operation, and whoever changes one is found out.
#[tokio::test]
async fn an_index_is_one_seal_and_every_decision() {
    let (engines, id) = network().await;
    let genesis = engines[0].genesis();
    let make = |is_shown: fn(&OperationId, u64) -> bool| {
        let index = engines[1].prove(|prover| prover.index(&mut |id, at| is_shown(id, at)));
        Index::decode(&index.unwrap().unwrap().encode()).unwrap()
    };
    let whole = make(|_, _| true);
    let shown = whole.verify(genesis).unwrap();
    assert_eq!(shown.len(), 4);
    assert!(shown.is_sorted_by_key(|it| it.leaf.height));
    let last = shown.last().unwrap();
    assert_eq!(last.leaf.id, id);
    let certificate = engines[0].certificate(&id).unwrap().unwrap();
    assert_eq!(*last.leaf, certificate.leaf);
    assert_eq!(last.electors, certificate.electors);
    let hidden = make(|_, height| height > 20);
    assert!(hidden.encode().len() < whole.encode().len());
    let some = hidden.verify(genesis).unwrap().len();
    assert!(some < 4, "{some}");
    let tampers: [(&str, fn(&mut Index)); 8] = [
        ("a version", |index| index.v = 2),
        ("the head", |index| index.chain.head.time_ms += 1),
        ("an operation is missing", |index| {
            index.log.pop();
        }),
        ("no operations", |index| index.log.clear()),
        ("an operation twice", |index| {
            let first = index.log[0].clone();
            index.log.push(first);
        }),
        ("another order", |index| index.log.swap(0, 1)),
        ("an outcome", |index| {
            let Indexed::Shown(leaf, _) = &mut index.log[0] else {
                unreachable!("all are shown");
            };
            leaf.subject.push('s');
        }),
        ("electors", |index| index.electorates.clear()),
    ];
    for (desc, tamper) in tampers {
        let mut bad = whole.clone();
        tamper(&mut bad);
        assert!(bad.verify(genesis).is_err(), "{desc}");
    }
}
