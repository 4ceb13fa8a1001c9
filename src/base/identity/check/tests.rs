//! The verdict with a table is that of `verify_strict`, for good signatures, bad ones, and those that looser checks accept.

use curve25519_dalek::constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION};
use curve25519_dalek::edwards::EdwardsPoint;
use curve25519_dalek::scalar::Scalar;
use ed25519_dalek::{Signature, Verifier as _, VerifyingKey};
use proptest::prelude::*;
use serde_json::Value;
use sha2::{Digest as _, Sha512};

use super::*;
use crate::base::identity::tables::TURN;
use crate::base::identity::{Identity, Signer as _};

/// A key, a message and a signature.
#[derive(Debug, Clone)]
struct Case {
    key: NodeId,
    message: Vec<u8>,
    signature: [u8; 64],
}

/// The verdicts with tables on all cases at once, of which each is also the verdict on the case alone and without a table.
/// Cases with keys that nobody may use are left out.
fn verdicts_of(cases: &[Case]) -> Vec<(&Case, bool)> {
    let mut tables: Vec<(NodeId, PublicKey, Arc<Table>)> = Vec::new();
    for case in cases {
        if let Ok(key) = PublicKey::decode(&case.key)
            && !tables.iter().any(|(node, ..)| *node == case.key)
        {
            let table = Arc::new(Table::new(key.inner()));
            tables.push((case.key, key, table));
        }
    }
    let (mut usable, mut checks) = (Vec::new(), Vec::new());
    for case in cases {
        let Some((_, key, table)) = tables.iter().find(|(node, ..)| *node == case.key) else {
            continue;
        };
        usable.push(case);
        checks.push(Check {
            key,
            table: Some(table.clone()),
            message: case.message.clone(),
            signature: SignatureBytes::from_bytes(case.signature),
        });
    }
    let together = at_once(&checks);
    for (at, (case, verdict)) in usable.iter().zip(&together).enumerate() {
        let alone = at_once(&checks[at..=at]);
        assert_eq!(alone, [*verdict], "alone: {case:?}");
        let key = VerifyingKey::from_bytes(case.key.as_bytes()).unwrap();
        let signature = Signature::from_bytes(&case.signature);
        let strict = key.verify_strict(&case.message, &signature);
        assert_eq!(strict.is_ok(), *verdict, "strict: {case:?}");
    }
    usable.into_iter().zip(together).collect()
}

fn good(name: &str, message: &[u8]) -> Case {
    let identity = Identity::from_seed_label(name);
    Case {
        key: identity.node_id(),
        message: message.to_vec(),
        signature: *identity.sign(message).unwrap().as_bytes(),
    }
}

#[test]
fn wycheproof() {
    let file = include_str!("../../../../tests/data/crypto/wycheproof_ed25519_test.json");
    let file: Value = serde_json::from_str(file).unwrap();
    let (mut cases, mut expected) = (Vec::new(), Vec::new());
    for group in file["testGroups"].as_array().unwrap() {
        let key: NodeId = group["publicKey"]["pk"].as_str().unwrap().parse().unwrap();
        for test in group["tests"].as_array().unwrap() {
            let bytes = |field: &str| hex::decode(test[field].as_str().unwrap()).unwrap();
            // A signature of another length is refused where it is decoded.
            if let Ok(signature) = bytes("sig").try_into() {
                expected.push(test["result"] == "valid");
                cases.push(Case {
                    key,
                    message: bytes("msg"),
                    signature,
                });
            }
        }
    }
    let verdicts: Vec<bool> = verdicts_of(&cases).iter().map(|(_, it)| *it).collect();
    assert_eq!(verdicts, expected, "no key of them is unusable");
    assert_eq!(verdicts.iter().filter(|it| **it).count(), 88);
}

/// Signatures by a key and with an R that have parts of small order, as only their own author can make them. The looser check
/// accepts more of them.
fn with_torsion() -> Vec<Case> {
    let secret = Scalar::from_bytes_mod_order([7; 32]);
    let mut cases = Vec::new();
    for (at, of_key) in EIGHT_TORSION.iter().enumerate() {
        let key = (ED25519_BASEPOINT_POINT * secret + of_key).compress();
        for of_r in &EIGHT_TORSION {
            for message in 0..16_u8 {
                // Once in eight, R has nothing but the part of small order.
                let r = match message % 8 {
                    0 => Scalar::ZERO,
                    _ => Scalar::from(u64::from(message) + at as u64),
                };
                let encoded = (ED25519_BASEPOINT_POINT * r + of_r).compress();
                let hash = Sha512::new()
                    .chain_update(encoded.as_bytes())
                    .chain_update(key.as_bytes())
                    .chain_update([message]);
                let s = r + Scalar::from_hash(hash) * secret;
                let signature = [encoded.to_bytes(), s.to_bytes()].concat();
                cases.push(Case {
                    key: NodeId::from_bytes(key.to_bytes()),
                    message: vec![message],
                    signature: signature.try_into().unwrap(),
                });
            }
        }
    }
    cases
}

#[test]
fn parts_of_small_order() {
    let cases = with_torsion();
    let verdicts = verdicts_of(&cases);
    let accepted = verdicts.iter().filter(|(_, verdict)| *verdict).count();
    let loosely = cases.iter().filter(|case| {
        let key = VerifyingKey::from_bytes(case.key.as_bytes()).unwrap();
        let signature = Signature::from_bytes(&case.signature);
        key.verify(&case.message, &signature).is_ok()
    });
    let loosely = loosely.count();
    assert_eq!(verdicts.len(), 1_024);
    assert!(
        0 < accepted && accepted < loosely,
        "{accepted} of {loosely}"
    );
}

/// Every encoding of R that stands for a point of small order, in its canonical form and in others.
#[test]
fn every_small_r() {
    let mut small: Vec<[u8; 32]> = EIGHT_TORSION
        .iter()
        .map(|point| point.compress().to_bytes())
        .collect();
    // y of 1 and 0, each with the modulus added, and the sign of x = 0.
    let p = |add: u8| {
        let mut bytes = [0xff; 32];
        bytes[0] = 0xed + add;
        bytes[31] = 0x7f;
        bytes
    };
    small.extend([p(0), p(1)]);
    for at in 0..small.len() {
        let mut other_sign = small[at];
        other_sign[31] ^= 0x80;
        small.push(other_sign);
    }
    let honest = good("ada", b"message");
    let mut cases = Vec::new();
    for r in small {
        let hash = Sha512::new()
            .chain_update(r)
            .chain_update(honest.key.as_bytes())
            .chain_update(&honest.message);
        let secret =
            ed25519_dalek::SigningKey::from_bytes(&Identity::from_seed_label("ada").secret());
        let s = Scalar::from_hash(hash) * secret.to_scalar();
        for s in [s, Scalar::ZERO] {
            let signature = [r, s.to_bytes()].concat().try_into().unwrap();
            cases.push(Case {
                signature,
                ..honest.clone()
            });
        }
    }
    assert!(verdicts_of(&cases).iter().all(|(_, verdict)| !verdict));
}

#[test]
fn every_bit_counts() {
    let good: Vec<Case> = ["ada", "bob"]
        .map(|name| good(name, b"a vote on a seal"))
        .into();
    let mut cases = good.clone();
    for case in &good {
        for bit in 0..512 {
            let mut changed = case.clone();
            changed.signature[bit / 8] ^= 1 << (bit % 8);
            cases.push(changed);
        }
        for bit in 0..8 * case.message.len() {
            let mut changed = case.clone();
            changed.message[bit / 8] ^= 1 << (bit % 8);
            cases.push(changed);
        }
    }
    // The signature of the other.
    cases.push(Case {
        key: good[1].key,
        ..good[0].clone()
    });
    let verdicts = verdicts_of(&cases);
    let accepted = verdicts.iter().filter(|(_, verdict)| *verdict).count();
    assert_eq!(accepted, 2, "the unchanged ones");
}

/// The number s is below the order of the base point. One that is not could be changed by anybody.
#[test]
fn s_has_one_form() {
    let mut case = good("ada", b"message");
    let order = (-Scalar::ONE).to_bytes();
    let mut carry = 1;
    for (byte, add) in case.signature[32..].iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(add) + carry;
        *byte = sum.to_le_bytes()[0];
        carry = sum >> 8;
    }
    assert!(!verdicts_of(&[case])[0].1);
}

#[test]
fn a_bad_one_is_told_from_good_ones() {
    let mut cases: Vec<Case> = (0..16).map(|n| good("ada", &[n])).collect();
    cases[5].signature[0] ^= 1;
    cases[11].signature[40] ^= 1;
    let verdicts = verdicts_of(&cases);
    for (at, (_, verdict)) in verdicts.into_iter().enumerate() {
        assert_eq!(verdict, at != 5 && at != 11, "signature {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_signature(
        secret in any::<[u8; 32]>(),
        messages in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..100), 1..6),
        damage in prop::collection::vec((0..64_usize, any::<u8>()), 6),
    ) {
        let identity = Identity::from_secret(&secret);
        let cases = messages.into_iter().zip(damage).enumerate().map(|(at, (message, (place, change)))| {
            let mut signature = *identity.sign(&message).unwrap().as_bytes();
            if at % 2 == 1 {
                signature[place] = change;
            }
            Case { key: identity.node_id(), message, signature }
        });
        let cases: Vec<Case> = cases.collect();
        for (at, (_, verdict)) in verdicts_of(&cases).into_iter().enumerate() {
            prop_assert!(verdict || at % 2 == 1, "a good one was refused");
        }
    }

    /// Nothing of these is a signature, but the points are those of the curve.
    #[test]
    fn any_points(r in any::<u64>(), s in any::<[u8; 32]>(), torsion in 0..8_usize) {
        let r: EdwardsPoint = ED25519_BASEPOINT_POINT * Scalar::from(r) + EIGHT_TORSION[torsion];
        let case = Case {
            signature: [r.compress().to_bytes(), s].concat().try_into().unwrap(),
            ..good("ada", b"message")
        };
        prop_assert!(!verdicts_of(&[case])[0].1);
    }
}

/// A table is made for who signs much, for so many of them, and those that seal come first.
#[test]
fn tables_are_for_sealers_first_and_bounded() {
    let nodes: Vec<NodeId> = ["ada", "bob", "cyd", "dan"]
        .map(|name| good(name, b"").key)
        .into();
    let mut tables = Tables::at_most(2);
    tables.set_sealers(nodes[..3].iter().copied());
    let check = |tables: &mut Tables, count: usize| {
        let mut with = Vec::new();
        for node in &nodes {
            let key = PublicKey::decode(node).unwrap();
            let last = (0..count).map(|_| tables.take(node, &key).is_some()).last();
            with.push(last.unwrap());
        }
        with
    };
    assert_eq!(check(&mut tables, 16), [false; 4], "none so far");
    assert_eq!(check(&mut tables, 1), [true, true, false, false]);
    tables.set_sealers(nodes[1..].iter().copied());
    assert_eq!(check(&mut tables, 1), [false, true, true, false]);
    assert_eq!(check(&mut tables, 64), [false, true, true, false]);
    // Others have what sealers leave, as long as they sign much.
    tables.set_sealers(nodes[1..2].iter().copied());
    assert_eq!(check(&mut tables, 1), [false, true, true, false]);
    let (bob, key) = (nodes[1], PublicKey::decode(&nodes[1]).unwrap());
    for _ in 0..2 * TURN {
        tables.take(&bob, &key);
    }
    assert_eq!(check(&mut tables, 17), [true, true, false, false]);
}
