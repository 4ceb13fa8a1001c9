//! Certificates of operations: a good one convinces a reader who has only the genesis, and any other is refused. Rules: H3.

use super::*;
use mycnet_consensus::internals::record::{Statement, VoteKind, sign};
use mycnet_consensus::internals::seal::SealCertificate;
use mycnet_consensus::limits::CERTIFICATE_BYTES_MAX;
use mycnet_consensus::{Certificate, Digest, MemberName, NetworkId, Rejection, SealId};

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
        assert_eq!(proved.outcome, Outcome::Decided(Ballot::Approve));
        assert_eq!(proved.seal, engine.seal());
        assert_eq!(proved.closed_height, engine.height());
        assert!(proved.decided_height <= proved.closed_height);
        let changes = certificate
            .path
            .iter()
            .filter(|step| step.sealers.is_some());
        assert!(changes.count() > 1, "the sealers changed on the way");
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
    for _ in 0..3 {
        clock.advance(params.commit_window_ms + 1);
        engines[0].tick();
    }
    let expected = [
        (split, Outcome::Decided(Ballot::Reject)),
        (expired, Outcome::NoQuorum),
        (directed, Outcome::Decided(Ballot::Approve)),
    ];
    for (id, outcome) in expected {
        let certificate = engines[3].certificate(&id).unwrap().unwrap();
        assert_eq!(certificate.verify(&genesis).unwrap().outcome, outcome);
    }
}

type Change = (&'static str, Box<dyn Fn(&mut Certificate)>);

fn change(desc: &'static str, change: impl Fn(&mut Certificate) + 'static) -> Change {
    (desc, Box::new(change))
}

fn other() -> Digest {
    Digest::from_bytes([1; 32])
}

/// The place of the last step before the closing one whose sealers changed.
fn changed(certificate: &Certificate) -> usize {
    let steps = &certificate.path[..certificate.path.len() - 1];
    let at = steps.iter().rposition(|step| step.sealers.is_some());
    at.expect("the sealers changed on the way")
}

fn headers() -> Vec<Change> {
    vec![
        change("version", |c| c.v = 3),
        change("network", |c| c.net = NetworkId::from_bytes([1; 32])),
        change("no headers", |c| c.path.clear()),
        change("the first header is missing", |c| {
            c.path.remove(0);
        }),
        change("the last header is missing", |c| {
            c.path.pop();
        }),
        change("a header's network", |c| {
            c.path[0].seal.net = NetworkId::from_bytes([1; 32]);
        }),
        change("a header's height", |c| c.path[0].seal.height += 1),
        change("a header's prev", |c| {
            c.path[1].seal.prev = SealId::from_bytes([1; 32]);
        }),
        change("a header's time", |c| c.path[0].seal.time_ms += 1),
        change("the last header's time", |c| {
            c.path.last_mut().unwrap().seal.time_ms += 1;
        }),
        change("a header's count", |c| c.path[0].seal.count += 1),
        change("a header's list", |c| c.path[0].seal.records = other()),
        change("a header's state", |c| c.path[0].seal.state = other()),
        change("a header's roster", |c| c.path[0].seal.roster = other()),
        change("a header's sealers", |c| c.path[0].seal.sealers = other()),
        change("a header's first round", |c| c.path[0].seal.round += 1),
        change("sealers are missing", |c| {
            let at = changed(c);
            c.path[at].sealers = None;
        }),
        change("a sealer is left out", |c| {
            let at = changed(c);
            c.path[at].sealers.as_mut().unwrap().pop();
        }),
        change("sealers of nothing", |c| {
            let sealers = c.path[changed(c)].sealers.clone();
            c.path[0].sealers = sealers;
        }),
    ]
}

fn of(certificate: &mut Certificate, at: usize) -> &mut SealCertificate {
    certificate.path[at].certificate.as_mut().unwrap()
}

fn votes() -> Vec<Change> {
    let last = |c: &mut Certificate| -> usize { c.path.len() - 1 };
    vec![
        change("the last certificate is missing", move |c| {
            let at = last(c);
            c.path[at].certificate = None;
        }),
        change("the certificate of a change is missing", |c| {
            let at = changed(c);
            c.path[at].certificate = None;
        }),
        change("the certificate of the freeze is missing", |c| {
            let height = c.snapshot.frozen.as_ref().unwrap().height;
            let step = c.path.iter_mut().find(|step| step.seal.height == height);
            step.unwrap().certificate = None;
        }),
        change("a vote is missing", move |c| {
            let at = last(c);
            of(c, at).votes.pop();
        }),
        change("a vote is forged", move |c| {
            let at = last(c);
            let vote = &mut of(c, at).votes[0];
            let mut sig = *vote.proof.sig.as_bytes();
            sig[0] ^= 1;
            vote.proof.sig = mycnet_consensus::internals::digest::SignatureBytes::from_bytes(sig);
        }),
        change("a vote is another's", move |c| {
            let at = last(c);
            let by = of(c, at).votes[1].body.by;
            of(c, at).votes[0].body.by = by;
        }),
        change("a vote is of another round", move |c| {
            let at = last(c);
            let vote = &mut of(c, at).votes[0];
            if let Statement::SealVote { round, .. } = &mut vote.body.what {
                *round += 1;
            }
        }),
        change("votes are for another height", move |c| {
            let at = last(c);
            let votes = c.path[at - 1].certificate.clone();
            if let Some(votes) = votes {
                c.path[at].certificate = Some(votes);
            } else {
                of(c, at).votes.clear();
            }
        }),
        change(
            "an excluded sealer votes in the place of another",
            move |c| {
                let at = last(c);
                let seal = c.path[at].seal.clone();
                let vote = sign(
                    &identity(3),
                    c.net,
                    vote_for(seal.height, 0, VoteKind::Precommit, &seal),
                )
                .unwrap();
                let votes = &mut of(c, at).votes;
                votes[0] = vote.record().clone();
                votes.sort_by_key(|vote| vote.body.id());
            },
        ),
    ]
}

fn contents() -> Vec<Change> {
    fn frozen(c: &mut Certificate) -> &mut mycnet_consensus::internals::open::FrozenLine {
        c.snapshot.frozen.as_mut().unwrap()
    }
    let mut all = vec![
        change("the operation", |c| {
            c.snapshot.id = OperationId::from_bytes([1; 32]);
        }),
        change("the class", |c| {
            c.snapshot.class = mycnet_consensus::Class::Claim;
        }),
        change("whether it scores", |c| {
            c.snapshot.scored = !c.snapshot.scored;
        }),
        change("the parameters", |c| c.snapshot.params = other()),
        change("the opening height", |c| c.snapshot.opened_height += 1),
        change("the electorate's digest", |c| {
            c.snapshot.electorate = other();
        }),
        change("the outcome", |c| {
            c.snapshot.decision.as_mut().unwrap().0 = Outcome::Decided(Ballot::Reject);
        }),
        change("the deciding height", |c| {
            c.snapshot.decision.as_mut().unwrap().1 += 1;
        }),
        change("no decision", |c| c.snapshot.decision = None),
        change("the freezing height", |c| frozen(c).height -= 1),
        change("a frozen commit is missing", |c| {
            frozen(c).commits.pop();
        }),
        change("nothing was frozen", |c| c.snapshot.frozen = None),
        change("a reveal is missing", |c| {
            c.snapshot.reveals.pop();
        }),
        change("a commit is missing", |c| {
            c.snapshot.commits.pop();
        }),
        change("the proof's place", |c| c.proof.index += 1),
        change("the proof's size", |c| c.proof.size += 1),
        change("the proof's path", |c| c.proof.path.push(other())),
        change("the proof's parts", |c| c.proof.parts.config = other()),
        change("an elector's weight", |c| c.electorate[0].weight += 1),
        change("an elector is missing", |c| {
            c.electorate.pop();
        }),
        change("an elector twice", |c| {
            let first = c.electorate[0];
            c.electorate.push(first);
        }),
        change("no records", |c| c.records.clear()),
        change("a record twice", |c| {
            let first = c.records[0].clone();
            c.records.push(first);
        }),
        change("a record that has nothing to do with it", |c| {
            let operation = c.snapshot.id;
            let what = Statement::Directive {
                operation,
                approve: false,
            };
            let record = sign(&identity(0), c.net, what).unwrap();
            c.records.push(record.record().clone());
        }),
        change("a forged record", |c| {
            let by = c.records[1].body.by;
            c.records[0].body.by = by;
        }),
        change("a record's place in its batch", |c| {
            c.records[0].proof.index += 1;
        }),
    ];
    for at in 0..9 {
        all.push(change("a record is missing", move |c| {
            c.records.remove(at);
        }));
    }
    all
}

#[tokio::test]
async fn a_certificate_that_was_tampered_with_is_refused() {
    let (engines, id) = network().await;
    let genesis = engines[0].genesis();
    let good = engines[0].certificate(&id).unwrap().unwrap();
    assert_eq!(
        good.records.len(),
        1 + 4 + 4,
        "proposal, commits and reveals"
    );
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
    // A field that is left out, where an empty one is written.
    let find = |bytes: &[u8], part: &[u8]| bytes.windows(part.len()).rposition(|it| it == part);
    let (name, before) = (b"\x6bcertificate\xf6", b"\xa3\x64seal");
    let end = find(&good, name).expect("a step has no certificate");
    let start = find(&good[..end], before).expect("the step begins before");
    let mut shorter = good.clone();
    shorter.drain(end..end + name.len());
    shorter[start] -= 1;
    assert!(serde_ipld_dagcbor::from_slice::<Certificate>(&shorter).is_ok());
    assert!(judge(&shorter).is_none());
    assert!(Certificate::decode(&shorter).is_err());
}

#[tokio::test]
async fn a_certificate_that_nobody_would_read_says_so() {
    let (engines, id) = network().await;
    let mut certificate = engines[0].certificate(&id).unwrap().unwrap();
    assert_eq!(certificate.check_length(), Ok(()));
    let length = certificate.encode().len();
    let step = certificate.path[0].clone();
    let steps = CERTIFICATE_BYTES_MAX * certificate.path.len() / length + 1;
    certificate.path.resize(4 * steps, step);
    let expected = Err(Rejection::OverLimit {
        what: "bytes of a certificate",
        limit: CERTIFICATE_BYTES_MAX,
    });
    assert_eq!(certificate.check_length(), expected);
    assert!(Certificate::decode(&certificate.encode()).is_err());
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

/// Excluded former sealers certify a closing seal that they made themselves.
#[tokio::test]
async fn old_sealers_cannot_certify_what_came_after_them() {
    let (engines, id) = network().await;
    let good = engines[0].certificate(&id).unwrap().unwrap();
    let last = good.path.len() - 1;
    let seal = good.path[last].seal.clone();
    let vote = vote_for(seal.height, 0, VoteKind::Precommit, &seal);
    let mut votes: Vec<_> = [0, 1, 3]
        .map(|n| sign(&identity(n), good.net, vote.clone()).unwrap())
        .into();
    votes.sort_by_key(mycnet_consensus::internals::record::Verified::id);
    let mut bad = good;
    bad.path[last].certificate = Some(SealCertificate {
        votes: votes.iter().map(|vote| vote.record().clone()).collect(),
    });
    let refused = bad.verify(engines[0].genesis()).unwrap_err();
    assert_eq!(refused.code(), "not-a-sealer");
}
