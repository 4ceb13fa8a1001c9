//! Records and seals against `schemas/records.cddl`.

use std::collections::BTreeMap;

use mycnet_consensus::internals::bundle::{Encoder, End, Header, Proposal};
use mycnet_consensus::internals::codec;
use mycnet_consensus::internals::digest::SignatureBytes;
use mycnet_consensus::internals::limits::{
    ITEM_BYTES_MAX, ITEM_SUBJECT_BYTES_MAX, MEMBERS_MAX, PAYLOAD_BYTES_MAX, ROUND_MAX,
    SET_ITEMS_MAX, TEXT_BYTES_MAX, TIME_MS_MAX,
};
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::record::{Body, Proof, Record, Seal, Signed, Statement, VoteKind};
use mycnet_consensus::{
    BFTConsensusEngine, Ballot, ClaimItem, ClaimRule, ConsensusOperation, Digest, NodeId,
    OperationId, Priority, RecordId, SealId, Signer as _, Spore,
};
use serde_bytes::ByteBuf;
use serde_json::Value;

use super::{BAD, BEYOND, GOOD, Verdict, described};
use crate::samples::{self, replaced};

const ENCODINGS: &str = include_str!("../../data/encodings.json");

fn record(statement: Statement) -> Vec<u8> {
    let body = Body {
        v: 1,
        net: samples::net(),
        by: samples::ada().node_id(),
        what: statement,
    };
    let proof = Proof {
        sig: SignatureBytes::from_bytes([0; 64]),
        size: 1,
        index: 0,
        path: Vec::new(),
    };
    codec::encode(&Record { body, proof })
}

fn propose(operation: ConsensusOperation) -> Vec<u8> {
    record(Statement::Propose {
        operation,
        priority: Priority::Normal,
        last: SealId::default(),
        nonce: u64::MAX,
    })
}

/// The forms that only bundles have.
fn bundle_parts() -> [(&'static str, Vec<u8>); 3] {
    let seal = samples::seal();
    let header = Header {
        net: samples::net(),
        from: 1,
        height: seal.height,
        seal: seal.id(),
    };
    let (_, record) = samples::records().swap_remove(0);
    let proposal = Proposal {
        list: vec![record.id()],
        record: record.encode().into(),
    };
    let (encoder, _) = Encoder::new();
    [
        ("bundle-header", codec::encode(&header)),
        ("bundle-proposal", codec::encode(&proposal)),
        ("bundle-end", codec::encode(&encoder.end())),
    ]
}

#[test]
fn wrong_parts_of_bundles() {
    let [(header, good), (proposal, with_list), (end, last)] = bundle_parts();
    let cases = [
        (header, replaced(&good, b"\x64from\x01", b"\x64from\x20")),
        (header, replaced(&good, b"\x64from\x01", b"\x64frum\x01")),
        (
            header,
            replaced(&good, b"\xa4\x63net", b"\xa5\x61a\x01\x63net"),
        ),
        (
            proposal,
            replaced(&with_list, b"\x64list\x81\x58\x20", b"\x64list\x81\x78\x20"),
        ),
        (proposal, replaced(&with_list, b"\x66record", b"\x66racord")),
        (end, replaced(&last, b"\x65parts\x00", b"\x65parts\xf6")),
        (end, replaced(&last, b"digest\x58\x20", b"digest\x58\x1f")),
    ];
    for (n, (rule, bytes)) in cases.into_iter().enumerate() {
        assert!(!described(rule, &bytes), "case {n}: {rule}");
        let is_read = match rule {
            "bundle-header" => codec::decode::<Header>(&bytes, 256).is_ok(),
            "bundle-proposal" => codec::decode::<Proposal>(&bytes, 1 << 20).is_ok(),
            _ => codec::decode::<End>(&bytes, 256).is_ok(),
        };
        assert!(!is_read, "case {n}: {rule}");
    }
}

#[test]
fn the_cddl_describes_every_sample() {
    let mut described_records = 0;
    for (name, sample) in samples::records() {
        assert!(described("record", &sample.encode()), "{name}");
        assert!(described("body", &codec::encode(sample.body())), "{name}");
        assert!(described("statement", &codec::encode(sample.statement())));
        described_records += 1;
    }
    for sample in samples::batch() {
        assert!(described("record", &sample.encode()));
    }
    for (name, operation) in samples::operations() {
        assert!(described("operation", &codec::encode(&operation)), "{name}");
    }
    let block = samples::block();
    assert!(described("seal", &codec::encode(&block.seal)));
    assert!(described(
        "seal-certificate",
        &codec::encode(&block.certificate)
    ));
    assert!(described("sealed-block", &codec::encode(&block)));
    assert!(described("genesis", &samples::genesis().encode()));
    for (rule, sample) in bundle_parts() {
        assert!(described(rule, &sample), "{rule}");
    }
    println!("{described_records} records, each a statement kind in one of its shapes");
}

#[tokio::test]
async fn the_cddl_describes_proofs() {
    let engine = BFTConsensusEngine::new(samples::ada());
    let set = ConsensusOperation::ClaimSet {
        subject: "night".into(),
        items: ["a", "b"]
            .map(|subject| ClaimItem {
                subject: subject.into(),
                input: vec![1],
            })
            .into(),
        panel: None,
        rule: ClaimRule::MAJORITY,
    };
    let set = engine
        .propose_claim_set(set, vec![Some(vec![7]), None])
        .await
        .unwrap();
    let config = ConsensusOperation::NetworkConfiguration {
        config_type: "motd".into(),
        proposed_change: b"x".to_vec(),
    };
    let config = engine.propose_operation(config).await.unwrap();
    for id in [set, config] {
        engine.execute_reveal_phase(id).await.unwrap();
    }
    let made = engine.prove(|prover| {
        let mut made = vec![("index", prover.index(&mut |id, _| *id == set)?.encode())];
        for (id, item) in [(set, None), (set, Some(1)), (config, None)] {
            let certificate = prover.certificate(&id, item)?.unwrap();
            made.push(("certificate", certificate.encode()));
        }
        Ok(made)
    });
    for (rule, bytes) in made.unwrap().unwrap() {
        assert!(described(rule, &bytes), "{rule}: {}", hex::encode(&bytes));
        let wrong = replaced(&bytes, b"\x65chain", b"\x65chein");
        assert!(!described(rule, &wrong), "{rule}");
    }
}

#[test]
fn the_cddl_describes_every_message() {
    let (bytes, id) = (
        ByteBuf::from(record(Statement::Rejoin {
            nonce: Digest::default(),
        })),
        RecordId::default(),
    );
    let (height, seal, session, round) = (7, SealId::default(), 1, 0);
    let ranges = ByteBuf::from([97]);
    let messages = [
        Message::Status { height: 0, seal },
        Message::Records(vec![bytes.clone()]),
        Message::Proposal {
            record: bytes.clone(),
            list: vec![id],
        },
        Message::Reconcile {
            height,
            seal,
            session,
            round,
            ranges: ranges.clone(),
        },
        Message::Reconciled {
            session,
            round,
            ranges,
        },
        Message::Want(vec![id]),
        Message::Offer(Vec::new()),
        Message::Repeated(vec![id]),
        Message::AskBlocks { from: 1 },
        Message::Blocks(vec![bytes]),
    ];
    for message in messages {
        assert!(described("message", &message.encode()), "{message:?}");
    }
    let other = codec::encode(&BTreeMap::from([("gossip", 1)]));
    assert!(!described("message", &other));
}

#[test]
fn the_cddl_describes_every_frozen_encoding() {
    let frozen: BTreeMap<String, Value> = serde_json::from_str(ENCODINGS).expect("it is JSON");
    assert!(frozen.len() > 30);
    for (name, value) in frozen {
        let bytes = value["bytes"].as_str().map(hex::decode);
        let bytes = bytes.expect("there are bytes").expect("in hexadecimal");
        let rule = match name.as_str() {
            "genesis that follows" => "genesis",
            "genesis" | "seal" => name.as_str(),
            "sealed block" => "sealed-block",
            _ => "record",
        };
        assert!(described(rule, &bytes), "{name}");
    }
}

/// What schema and decoder say must be `(schema, decoder)`.
fn judge(cases: Vec<(&str, Vec<u8>, Verdict)>) {
    for (name, bytes, expected) in cases {
        let judged = (described("record", &bytes), Signed::decode(&bytes).is_ok());
        assert_eq!(judged, expected, "{name}: (schema, decoder)");
    }
}

/// A name, bytes of a good record, and their replacement.
type Damage<'a> = (&'a str, &'a [u8], &'a [u8]);

fn judge_damages(good: &[u8], expected: Verdict, damages: &[Damage]) {
    for (name, old, new) in damages {
        judge(vec![(name, replaced(good, old, new), expected)]);
    }
}

#[test]
fn forms_that_are_wrong() {
    let id = [9; 32];
    let good = record(Statement::Directive {
        operation: OperationId::from_bytes(id),
        approve: true,
    });
    let named = [b"\x58\x20", &id[..]].concat();
    let vote = record(Statement::SealVote {
        height: 1,
        round: 0,
        kind: VoteKind::Prevote,
        seal: None,
    });
    let reveal = record(Statement::Reveal {
        operation: OperationId::default(),
        ballot: Ballot::Abstain,
        salt: id.into(),
    });
    let as_text = [b"\x78\x20", &[b'x'; 32][..]].concat();
    judge(vec![
        ("good", good.clone(), GOOD),
        ("cut", good[..good.len() - 1].to_vec(), BAD),
        ("a vote for nil", vote.clone(), GOOD),
    ]);
    judge_damages(
        &good,
        BAD,
        &[
            ("version 2", b"\x61v\x01", b"\x61v\x02"),
            ("version as a float", b"\x61v\x01", b"\x61v\xf9\x3c\x00"),
            ("no version", b"\xa4\x61v\x01", b"\xa3"),
            ("a new field", b"\xa4\x61v\x01", b"\xa5\x61a\x01\x61v\x01"),
            ("a short id", &named, b"\x41\x09"),
            ("an id as a text", &named, &as_text),
            ("a new statement", b"\x69directive", b"\x69dirictive"),
            ("another's fields", b"\x69directive", b"\x69objection"),
            (
                "approval as a number",
                b"\x67approve\xf5",
                b"\x67approve\x01",
            ),
        ],
    );
    judge_damages(
        &reveal,
        BAD,
        &[
            ("an unknown ballot", b"\x67abstain", b"\x67abstein"),
            ("a result without bytes", b"\x67abstain", b"\x66result"),
        ],
    );
    judge_damages(
        &vote,
        BAD,
        &[
            ("a vote for nothing", b"\x64seal\xf6", b"\x64seal\xf4"),
            ("an unknown vote", b"\x67prevote", b"\x67postvot"),
        ],
    );
    let long: Damage = ("a long number", b"\x61v\x01", b"\x61v\x18\x01");
    judge_damages(&good, BEYOND, &[long]);
}

#[test]
fn proofs_that_are_wrong() {
    const SIZE: &[u8] = b"\x64size\x01";
    let good = record(Statement::Directive {
        operation: OperationId::default(),
        approve: true,
    });
    let path = |length: usize, hash: usize| {
        let mut bytes = b"\x64path".to_vec();
        bytes.push(0x80 | u8::try_from(length).expect("short"));
        for _ in 0..length {
            bytes.extend([0x58, u8::try_from(hash).expect("short")]);
            bytes.extend(vec![0; hash]);
        }
        replaced(&good, b"\x64path\x80", &bytes)
    };
    judge(vec![
        ("a path", path(16, 32), GOOD),
        ("a long path", path(17, 32), BAD),
        ("a path of short hashes", path(2, 31), BAD),
    ]);
    let most: Damage = ("65,536 records", SIZE, b"\x64size\x1a\x00\x01\x00\x00");
    judge_damages(&good, GOOD, &[most]);
    let wide = b"\x65index\x1b\0\0\0\x01\0\0\0\0";
    judge_damages(
        &good,
        BAD,
        &[
            ("no records", SIZE, b"\x64size\x00"),
            ("65,537 records", SIZE, b"\x64size\x1a\x00\x01\x00\x01"),
            ("a wide index", b"\x65index\x00", wide),
        ],
    );
    let endless: Damage = ("an endless path", b"\x64path\x80", b"\x64path\x9f\xff");
    judge_damages(&good, BEYOND, &[endless]);
}

#[test]
fn limits_of_statements() {
    let objection = |length| {
        record(Statement::Objection {
            operation: OperationId::default(),
            reason: "x".repeat(length),
        })
    };
    let reveal = |length| {
        record(Statement::Reveal {
            operation: OperationId::default(),
            ballot: Ballot::Result(vec![0; length]),
            salt: [0; 32].into(),
        })
    };
    let reveal_of = |count, length| {
        record(Statement::Reveal {
            operation: OperationId::default(),
            ballot: Ballot::Results(vec![Some(vec![0; length]); count]),
            salt: [0; 32].into(),
        })
    };
    let proposal = |round, lock: Option<u32>, height, time_ms| {
        let seal = Seal {
            round: lock.map_or(round, |_| 0),
            height,
            time_ms,
            ..samples::seal()
        };
        record(Statement::SealProposal { round, lock, seal })
    };
    let far = TIME_MS_MAX;
    judge(vec![
        ("no reason", objection(0), GOOD),
        ("a reason", objection(TEXT_BYTES_MAX), GOOD),
        ("a long reason", objection(TEXT_BYTES_MAX + 1), BAD),
        ("a result", reveal(PAYLOAD_BYTES_MAX), GOOD),
        ("a long result", reveal(PAYLOAD_BYTES_MAX + 1), BAD),
        (
            "most results",
            reveal_of(SET_ITEMS_MAX, ITEM_BYTES_MAX),
            GOOD,
        ),
        ("too many results", reveal_of(SET_ITEMS_MAX + 1, 0), BAD),
        ("a long one", reveal_of(1, ITEM_BYTES_MAX + 1), BAD),
        ("the last round", proposal(ROUND_MAX, None, 1, 1), GOOD),
        ("a round too far", proposal(ROUND_MAX + 1, None, 1, 1), BAD),
        ("the genesis again", proposal(0, None, 0, 1), BAD),
        (
            "the last height and time",
            proposal(0, None, far - 1, far),
            GOOD,
        ),
        ("a height too far", proposal(0, None, far, 1), BAD),
        ("a time too far", proposal(0, None, 1, far + 1), BAD),
        ("a lock of the round", proposal(1, Some(1), 1, 1), BEYOND),
    ]);
}

#[test]
fn limits_of_claim_sets() {
    use ConsensusOperation as Op;
    let set = |count: usize, subject: usize, input: usize| {
        let item = |n: usize| ClaimItem {
            subject: match subject {
                0 => String::new(),
                _ => format!("{n:0subject$}"),
            },
            input: vec![0; input],
        };
        propose(Op::ClaimSet {
            subject: "x".into(),
            items: (0..count).map(item).collect(),
            panel: None,
            rule: ClaimRule::MAJORITY,
        })
    };
    judge(vec![
        ("the largest set", set(SET_ITEMS_MAX, 256, 0), GOOD),
        ("too large a set", set(SET_ITEMS_MAX + 1, 4, 0), BAD),
        ("a set of nothing", set(0, 1, 0), BAD),
        (
            "too long an item",
            set(1, ITEM_SUBJECT_BYTES_MAX + 1, 0),
            BAD,
        ),
        ("an item of no name", set(1, 0, 0), BAD),
        ("the longest input", set(1, 1, ITEM_BYTES_MAX), GOOD),
        ("too long an input", set(1, 1, ITEM_BYTES_MAX + 1), BAD),
        ("too much in all", set(SET_ITEMS_MAX, 256, 1), BEYOND),
    ]);
}

#[test]
fn limits_of_operations() {
    use ConsensusOperation as Op;
    let node = |i: usize| {
        let mut key = [0; 32];
        key[..8].copy_from_slice(&(i as u64).to_be_bytes());
        NodeId::from_bytes(key)
    };
    let ruled = |panel: Option<Vec<NodeId>>, share_ppm, electors| {
        propose(Op::Claim {
            subject: "x".into(),
            input: Vec::new(),
            panel,
            rule: ClaimRule {
                share_ppm,
                electors,
            },
        })
    };
    let claim = |panel| ruled(panel, 500_000, 1);
    let deployed = |length, bytes| {
        propose(Op::ServiceDeployment {
            service: "x".repeat(length),
            manifest: vec![0; bytes],
        })
    };
    let trusted = |delta_ppm| {
        propose(Op::TrustScoreModification {
            node: node(1),
            delta_ppm,
            reason: String::new(),
        })
    };
    let (_, mut admission) = samples::operations().swap_remove(3);
    let admitted = propose(admission.clone());
    let Op::NodeAdmission { role, .. } = &mut admission else {
        panic!("the fourth sample is an admission");
    };
    *role = Spore::Primary;
    judge(vec![
        ("everybody", claim(None), GOOD),
        (
            "the largest panel",
            claim(Some((0..MEMBERS_MAX).map(node).collect())),
            GOOD,
        ),
        (
            "too large a panel",
            claim(Some((0..=MEMBERS_MAX).map(node).collect())),
            BAD,
        ),
        (
            "an unsorted panel",
            claim(Some(vec![node(2), node(1)])),
            BEYOND,
        ),
        ("a plurality", ruled(None, 0, u32::MAX), GOOD),
        ("nearly all", ruled(None, 999_999, 1), GOOD),
        ("all", ruled(None, 1_000_000, 1), BAD),
        ("less than half", ruled(None, 499_999, 1), BAD),
        ("nobody agrees", ruled(None, 500_000, 0), BAD),
        (
            "the longest name",
            deployed(TEXT_BYTES_MAX, PAYLOAD_BYTES_MAX),
            GOOD,
        ),
        ("too long a name", deployed(TEXT_BYTES_MAX + 1, 0), BAD),
        ("no name", deployed(0, 0), BAD),
        (
            "too long a manifest",
            deployed(1, PAYLOAD_BYTES_MAX + 1),
            BAD,
        ),
        ("all trust", trusted(-1_000_000), GOOD),
        ("more than all trust", trusted(-1_000_001), BAD),
        ("too much trust", trusted(1_000_001), BAD),
        ("an admission", admitted.clone(), GOOD),
        // The schema says so too, but this reader of schemas does not anchor regular expressions, as RFC 8610 does.
        (
            "a capital",
            replaced(&admitted, b"eve-2", b"Eve-2"),
            (true, false),
        ),
        (
            "a space",
            replaced(&admitted, b"eve-2", b"eve 2"),
            (true, false),
        ),
        (
            "no name",
            replaced(&admitted, b"\x64name\x65eve-2", b"\x64name\x60"),
            BAD,
        ),
        ("an admission as Primary", propose(admission), BAD),
    ]);
}
