//! Rejections of records, seals, authors and consents, one by one. Most limits are tested with the largest accepted value too.

use mycnet_consensus::internals::digest::SignatureBytes;
use mycnet_consensus::internals::limits::{ROUND_MAX, TIME_MS_MAX};
use mycnet_consensus::internals::record::{Seal, Statement, VoteKind};
use mycnet_consensus::{
    ConsensusOperation, Consent, Digest, MemberName, NetworkId, NodeId, OperationId, Rejection,
    Signer as _, Spore,
};

use super::offer::{judge, malformed, propose};
use super::{body, forge, forged};
use crate::samples::{ada, bob, eve, net, seal};

/// Rules: R5, H1.
#[test]
fn malformed_records_and_seals() {
    let mut versioned = body(Statement::Rejoin {
        nonce: Digest::default(),
    });
    versioned.v = 2;
    let proposal = |round, lock: Option<u32>, height, time_ms| {
        let seal = Seal {
            round: lock.map_or(round, |_| 0),
            height,
            time_ms,
            ..seal()
        };
        forged(Statement::SealProposal { round, lock, seal })
    };
    let vote = |height, round| {
        forged(Statement::SealVote {
            height,
            round,
            kind: VoteKind::Prevote,
            seal: None,
        })
    };
    let round = malformed("a round beyond the limit");
    let lock = malformed("the proof-of-lock round is not before the round");
    let genesis = Some(Rejection::ImpossibleSeal("height 0 is the genesis"));
    let far = Some(Rejection::ImpossibleSeal("a height or time beyond 2^53"));
    let height = Some(Rejection::ImpossibleSeal("a height out of range"));
    judge(vec![
        (
            "a later version",
            forge(&ada(), versioned).encode(),
            malformed("a record version other than 1"),
        ),
        ("a last round", proposal(ROUND_MAX, None, 1, 1), None),
        (
            "a round too far",
            proposal(ROUND_MAX + 1, None, 1, 1),
            round.clone(),
        ),
        ("a lock before the round", proposal(3, Some(2), 1, 1), None),
        (
            "a lock in the round",
            proposal(3, Some(3), 1, 1),
            lock.clone(),
        ),
        ("a lock in round 0", proposal(0, Some(0), 1, 1), lock),
        ("the genesis again", proposal(0, None, 0, 1), genesis),
        (
            "the last height and time",
            proposal(0, None, TIME_MS_MAX - 1, TIME_MS_MAX),
            None,
        ),
        (
            "a height too far",
            proposal(0, None, TIME_MS_MAX, 1),
            far.clone(),
        ),
        ("a time too far", proposal(0, None, 1, TIME_MS_MAX + 1), far),
        ("a vote in the last round", vote(1, ROUND_MAX), None),
        ("a vote in a round too far", vote(1, ROUND_MAX + 1), round),
        ("a vote on the genesis", vote(0, 0), height.clone()),
        ("a vote on the last height", vote(TIME_MS_MAX - 1, 0), None),
        (
            "a vote on a height too far",
            vote(TIME_MS_MAX, 0),
            height.clone(),
        ),
        ("a vote on no height", vote(u64::MAX, 0), height),
    ]);
}

#[test]
fn wrong_network_unknown_author_bad_signature() {
    let rejoin = Statement::Rejoin {
        nonce: Digest::default(),
    };
    let elsewhere = NetworkId::from_bytes([1; 32]);
    let mut foreign = body(rejoin.clone());
    foreign.net = elsewhere;
    let mut strange = body(rejoin.clone());
    strange.by = eve().node_id();
    let good = forge(&ada(), body(rejoin.clone()));
    let mut unsigned = good.clone();
    unsigned.proof.sig = SignatureBytes::from_bytes([0; 64]);
    let mut misplaced = good.clone();
    misplaced.proof.index = 1;
    let mut renamed = good.clone();
    renamed.body.by = bob().node_id();
    let bad = Some(Rejection::BadSignature(ada().node_id()));
    judge(vec![
        ("a good record", good.encode(), None),
        (
            "another network",
            forge(&ada(), foreign).encode(),
            Some(Rejection::WrongNetwork(elsewhere)),
        ),
        (
            "a stranger",
            forge(&eve(), strange).encode(),
            Some(Rejection::UnknownAuthor(eve().node_id())),
        ),
        ("no signature", unsigned.encode(), bad.clone()),
        (
            "another's signature",
            forge(&bob(), body(rejoin)).encode(),
            bad.clone(),
        ),
        ("a place outside the batch", misplaced.encode(), bad),
        (
            "in another's name",
            renamed.encode(),
            Some(Rejection::BadSignature(bob().node_id())),
        ),
    ]);
}

#[test]
fn consents_bind_network_candidate_and_role() {
    let candidate = eve().node_id();
    let consent = Consent::sign(
        &eve(),
        net(),
        Spore::Seed,
        MemberName::of_key(&eve().node_id()),
        None,
    )
    .unwrap();
    assert_eq!(consent.verify(net(), candidate, Spore::Seed), Ok(()));
    let bad = Err(Rejection::BadSignature(candidate));
    assert_eq!(consent.verify(net(), candidate, Spore::Latent), bad);
    let elsewhere = NetworkId::default();
    assert_eq!(consent.verify(elsewhere, candidate, Spore::Seed), bad);
    let other = bob().node_id();
    assert_eq!(
        consent.verify(net(), other, Spore::Seed),
        Err(Rejection::BadSignature(other))
    );
}

/// The consent is judged with the record that carries it, so that no admission of an unwilling or weak key is ever voted on.
#[test]
fn an_admission_without_consent_is_refused() {
    let admission = |candidate, role, consent: &Consent| {
        propose(ConsensusOperation::NodeAdmission {
            candidate,
            role,
            consent: consent.clone(),
        })
    };
    let candidate = eve().node_id();
    let consent = Consent::sign(
        &eve(),
        net(),
        Spore::Seed,
        MemberName::of_key(&eve().node_id()),
        None,
    )
    .unwrap();
    let elsewhere = Consent::sign(
        &eve(),
        NetworkId::default(),
        Spore::Seed,
        MemberName::of_key(&eve().node_id()),
        None,
    )
    .unwrap();
    let other = Consent::sign(
        &bob(),
        net(),
        Spore::Seed,
        MemberName::of_key(&bob().node_id()),
        None,
    )
    .unwrap();
    let bad = Some(Rejection::BadSignature(candidate));
    let mut identity_point = [0; 32];
    identity_point[0] = 1;
    let weak = NodeId::from_bytes(identity_point);
    judge(vec![
        ("agreed", admission(candidate, Spore::Seed, &consent), None),
        (
            "to another role",
            admission(candidate, Spore::Latent, &consent),
            bad.clone(),
        ),
        (
            "to another network",
            admission(candidate, Spore::Seed, &elsewhere),
            bad.clone(),
        ),
        ("by another", admission(candidate, Spore::Seed, &other), bad),
        (
            "a weak key",
            admission(weak, Spore::Seed, &consent),
            Some(Rejection::WeakKey(weak)),
        ),
    ]);
}

#[test]
fn codes_are_stable_and_distinct() {
    let node = NodeId::default();
    let codes = [
        (Rejection::OverLimit { what: "", limit: 0 }, "over-limit"),
        (Rejection::Malformed(""), "malformed"),
        (
            Rejection::WrongNetwork(NetworkId::default()),
            "wrong-network",
        ),
        (Rejection::UnknownAuthor(node), "unknown-author"),
        (Rejection::WeakKey(node), "weak-key"),
        (Rejection::BadSignature(node), "bad-signature"),
        (Rejection::BannedAuthor(node), "banned-author"),
        (Rejection::FormerKey(node), "former-key"),
        (Rejection::SaidByFormerKey(node), "said-by-former-key"),
        (
            Rejection::NotASuccessor {
                author: node,
                reason: "",
            },
            "not-a-successor",
        ),
        (
            Rejection::UnknownOperation(OperationId::default()),
            "unknown-operation",
        ),
        (Rejection::UnknownSeal, "unknown-seal"),
        (Rejection::DoesNotOpen(node), "does-not-open"),
        (Rejection::NotAnElector(node), "not-an-elector"),
        (Rejection::NotASealer(node), "not-a-sealer"),
        (Rejection::SlotFull(node), "slot-full"),
        (
            Rejection::OverCap {
                author: node,
                limit: 0,
            },
            "over-cap",
        ),
        (Rejection::StaleSeal { height: 0, at: 0 }, "stale-seal"),
        (Rejection::ImpossibleSeal(""), "impossible-seal"),
        (Rejection::Inapplicable(""), "inapplicable"),
        (Rejection::AlreadySealed([0; 32].into()), "already-sealed"),
        (Rejection::BadCertificate(""), "bad-certificate"),
    ];
    for (rejection, code) in codes {
        assert_eq!(rejection.code(), code);
        assert!(!rejection.to_string().is_empty());
    }
}
