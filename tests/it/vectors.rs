//! Published vectors, through the paths that records take: Wycheproof for signatures, the BLAKE3 team's for hashes; and
//! the keys that nobody may use. Rules: R3.

use mycnet_consensus::internals::codec;
use mycnet_consensus::internals::digest::{self, Domain, SignatureBytes};
use mycnet_consensus::internals::identity::{KeyError, PublicKey};
use mycnet_consensus::internals::record::Verifier;
use mycnet_consensus::{
    Consent, Genesis, Identity, MemberName, NetworkId, NodeId, Rejection, Signer as _, Spore,
};
use serde_json::Value;

const WYCHEPROOF: &str = include_str!("../data/crypto/wycheproof_ed25519_test.json");
const BLAKE3: &str = include_str!("../data/crypto/blake3_test_vectors.json");

/// Every encoding that decodes to one of the eight points of small order: the eight canonical ones, then those whose y is
/// not reduced or whose sign bit is set on x = 0. Found by enumerating the subgroup.
const SMALL_ORDER: [&str; 14] = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
];

const DOMAINS: [&Domain; 21] = [
    &digest::NETWORK,
    &digest::RECORD,
    &digest::SEAL,
    &digest::COMMITMENT,
    &digest::SALT,
    &digest::MERKLE_LEAF,
    &digest::MERKLE_NODE,
    &digest::RECORD_LIST,
    &digest::STATE,
    &digest::STATE_PART,
    &digest::ROSTER,
    &digest::OPERATION,
    &digest::RESULT,
    &digest::DOCUMENTS,
    &digest::SEEDED_KEY,
    &digest::ANNOUNCED,
    &digest::BUNDLE,
    &digest::SUCCESSOR,
    &digest::PLAN,
    &digest::SEALERS,
    &digest::STORED,
];

fn text<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().expect("the field is a text")
}

fn array<'a>(value: &'a Value, field: &str) -> &'a [Value] {
    value[field].as_array().expect("the field is an array")
}

fn bytes(value: &Value, field: &str) -> Vec<u8> {
    hex::decode(text(value, field)).expect("the field is hexadecimal")
}

/// Whether a case verifies as the signature of a record would: key, then signature in the forms they arrive in, then the
/// strict check. A signature of another length than 64 is refused where it is decoded, alike in JSON and in CBOR.
fn verifies(key: &str, message: &[u8], signature: &[u8]) -> bool {
    let node: NodeId = key.parse().expect("keys are 32 bytes");
    let Ok(key) = PublicKey::decode(&node) else {
        return false;
    };
    let from_json = serde_json::from_value::<SignatureBytes>(hex::encode(signature).into());
    let cbor = codec::encode(serde_bytes::Bytes::new(signature));
    let from_cbor = codec::decode::<SignatureBytes>(&cbor, 128);
    assert_eq!(from_json.is_ok(), signature.len() == 64);
    assert_eq!(from_cbor.clone().ok(), from_json.ok());
    from_cbor.is_ok_and(|signature| key.verifies(message, &signature))
}

#[test]
fn wycheproof_ed25519() {
    let file: Value = serde_json::from_str(WYCHEPROOF).expect("the file is JSON");
    let (mut right, mut valid, mut total) = (0, 0, 0);
    let mut wrong = Vec::new();
    for group in array(&file, "testGroups") {
        let key = text(&group["publicKey"], "pk");
        for case in array(group, "tests") {
            let expected = text(case, "result") == "valid";
            let verified = verifies(key, &bytes(case, "msg"), &bytes(case, "sig"));
            total += 1;
            valid += u32::from(expected);
            if verified == expected {
                right += 1;
            } else {
                wrong.push(case["tcId"].clone());
            }
        }
    }
    println!("Wycheproof Ed25519: {right}/{total}, of them {valid} valid");
    assert_eq!(wrong, Vec::<Value>::new(), "cases with another result");
    assert_eq!((right, total, valid), (151, 151, 88));
}

/// The input of the vectors: 0, 1, .. 250, 0, 1, ..
fn input(length: u64) -> Vec<u8> {
    (0..length)
        .map(|i| u8::try_from(i % 251).expect("below 251"))
        .collect()
}

#[test]
fn blake3_vectors() {
    let file: Value = serde_json::from_str(BLAKE3).expect("the file is JSON");
    let key = text(&file, "key")
        .as_bytes()
        .try_into()
        .expect("32 bytes of key");
    let context = text(&file, "context_string");
    let cases = array(&file, "cases");
    let mut right = 0;
    for case in cases {
        let length = case["input_len"].as_u64().expect("a number");
        let input = input(length);
        let hashers = [
            ("hash", blake3::Hasher::new()),
            ("keyed_hash", blake3::Hasher::new_keyed(&key)),
            ("derive_key", blake3::Hasher::new_derive_key(context)),
        ];
        for (mode, mut hasher) in hashers {
            let expected = bytes(case, mode);
            let mut output = vec![0; expected.len()];
            hasher.update(&input).finalize_xof().fill(&mut output);
            assert_eq!(output, expected, "{mode} of {length} bytes");
        }
        let derived = blake3::derive_key(context, &input);
        assert_eq!(
            derived[..],
            bytes(case, "derive_key")[..32],
            "{length} bytes"
        );
        // Our own hashing keeps the derived context key; on every input it must be what `derive_key` is.
        for domain in DOMAINS {
            assert_eq!(
                domain.hash(&input),
                blake3::derive_key(domain.context(), &input),
                "{} on {length} bytes",
                domain.context()
            );
        }
        right += 1;
    }
    println!(
        "BLAKE3: {right}/{} in all three modes and in all {} domains",
        cases.len(),
        DOMAINS.len()
    );
    assert_eq!((right, cases.len()), (35, 35));
}

/// Rules: R4.
#[test]
fn no_two_domains_share_a_context() {
    let declared = include_str!("../../src/base/digest.rs")
        .matches(": Domain = Domain::new(")
        .count();
    assert_eq!(declared, DOMAINS.len(), "a new domain belongs into DOMAINS");
    let mut contexts = DOMAINS.map(Domain::context);
    contexts.sort_unstable();
    assert!(contexts.is_sorted_by(|a, b| a < b));
    let signed = [
        digest::signing::BATCH,
        digest::signing::CONSENT,
        digest::signing::SALT,
        digest::signing::HELLO,
        digest::signing::TWIN,
    ];
    for (i, one) in signed.iter().enumerate() {
        for (j, other) in signed.iter().enumerate() {
            assert!(i == j || !one.starts_with(other));
        }
    }
}

#[test]
fn keys_of_small_order_are_refused_everywhere() {
    let net = NetworkId::from_bytes([7; 32]);
    let honest = Identity::from_seed_label("honest");
    for encoding in SMALL_ORDER {
        let node: NodeId = encoding.parse().expect("32 bytes");
        assert_eq!(PublicKey::decode(&node), Err(KeyError::Weak), "{encoding}");
        let weak = Rejection::WeakKey(node);
        let genesis = Genesis::builder("weak")
            .member(honest.node_id(), Spore::Primary)
            .member(node, Spore::Latent)
            .build();
        assert_eq!(genesis, Err(weak.clone()), "{encoding} in a genesis");
        let consent = Consent {
            name: MemberName::of_key(&node),
            successor: None,
            sig: forged_signature(),
        };
        assert_eq!(
            consent.verify(net, node, Spore::Latent),
            Err(weak.clone()),
            "{encoding} in an admission"
        );
        assert_eq!(Verifier::new(net).add_author(node), Err(weak));
    }
}

/// R is the identity and s is 0, the signature that a small-order key verifies for some or all messages.
fn forged_signature() -> SignatureBytes {
    let mut bytes = [0; 64];
    bytes[0] = 1;
    SignatureBytes::from_bytes(bytes)
}

#[test]
fn without_the_refusal_anyone_could_sign() {
    use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};

    let mut identity_point = [0; 32];
    identity_point[0] = 1;
    let key = VerifyingKey::from_bytes(&identity_point).expect("it is a point of the curve");
    let signature = Signature::from_bytes(forged_signature().as_bytes());
    for message in [&b"admit me"[..], b"pay me"] {
        assert!(key.verify(message, &signature).is_ok());
        assert!(key.verify_strict(message, &signature).is_err());
    }
}

#[test]
fn bytes_that_are_no_point_are_refused() {
    // y = 2 is on no point of the curve.
    let mut off_curve = [0; 32];
    off_curve[0] = 2;
    let node = NodeId::from_bytes(off_curve);
    assert_eq!(PublicKey::decode(&node), Err(KeyError::NotAPoint));
    let genesis = Genesis::builder("no point")
        .member(node, Spore::Primary)
        .build();
    assert_eq!(genesis, Err(Rejection::WeakKey(node)));
}
