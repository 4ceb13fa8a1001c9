//! Signatures that are checked together have the results that they have one by one.

use super::*;
use crate::base::digest::OperationId;
use crate::base::identity::{Identity, Signer as _};
use crate::statement::consent::Consent;
use crate::statement::name::MemberName;
use crate::statement::operation::Priority;
use crate::statement::record::{Record, sign, sign_batch};
use crate::statement::spore::Spore;

fn net() -> NetworkId {
    NetworkId::from_bytes([1; 32])
}

fn identity(name: &str) -> Identity {
    Identity::from_seed_label(name)
}

fn directive(byte: u8) -> Statement {
    Statement::Directive {
        operation: OperationId::from_bytes([byte; 32]),
        approve: true,
    }
}

fn admission(sig: Option<SignatureBytes>) -> Statement {
    let candidate = identity("candidate");
    let name = MemberName::of_key(&candidate.node_id());
    let mut consent = Consent::sign(&candidate, net(), Spore::Latent, name, None).unwrap();
    consent.sig = sig.unwrap_or(consent.sig);
    Statement::Propose {
        operation: ConsensusOperation::NodeAdmission {
            candidate: candidate.node_id(),
            role: Spore::Latent,
            consent,
        },
        priority: Priority::Normal,
        last: crate::base::digest::SealId::default(),
        nonce: 0,
    }
}

fn spoilt(record: &Verified, bit: usize) -> Signed {
    let mut record = record.record().clone();
    let mut sig = *record.proof.sig.as_bytes();
    sig[bit / 8] ^= 1 << (bit % 8);
    record.proof.sig = SignatureBytes::from_bytes(sig);
    signed(record)
}

fn signed(record: Record) -> Signed {
    Signed::try_from(record).unwrap()
}

/// A verifier that knows two sealers well, one member, and a key that may succeed.
fn verifier() -> Verifier {
    let mut verifier = Verifier::new(net());
    let sealers = ["ada", "bob"].map(identity);
    for who in sealers.iter().chain([&identity("cyd")]) {
        verifier.add_author(who.node_id()).unwrap();
    }
    verifier.set_successors([Digest::of_successor(&identity("next").node_id())].into());
    verifier.set_sealers(sealers.iter().map(Identity::node_id));
    for sealer in &sealers {
        let record = sign(sealer, net(), directive(0)).unwrap();
        for _ in 0..70 {
            verifier.verify(signed(record.record().clone())).unwrap();
        }
    }
    verifier
}

/// Good and bad records of all kinds, mixed.
fn mixed() -> Vec<Signed> {
    let mut all = Vec::new();
    for (at, name) in (0_u8..).zip(["ada", "bob", "cyd", "stranger", "next"]) {
        let one = sign(&identity(name), net(), directive(at)).unwrap();
        let batch = sign_batch(&identity(name), net(), vec![directive(at), directive(9)]).unwrap();
        let elsewhere = NetworkId::from_bytes([2; 32]);
        let foreign = sign(&identity(name), elsewhere, directive(at)).unwrap();
        all.extend([0, 255, 256, 511].map(|bit| spoilt(&one, bit)));
        all.push(spoilt(&batch[1], 3));
        for record in batch.iter().chain([&one, &foreign, &one]) {
            all.push(signed(record.record().clone()));
        }
        let mut beside = batch[0].record().clone();
        beside.proof.index = 1;
        all.push(signed(beside));
    }
    for sig in [None, Some(SignatureBytes::from_bytes([7; 64]))] {
        let record = sign(&identity("bob"), net(), admission(sig)).unwrap();
        all.push(signed(record.record().clone()));
    }
    all
}

fn one_by_one(mut verifier: Verifier, records: &[Signed]) -> Vec<Result<Verified, Rejection>> {
    let records = records.iter().cloned();
    records.map(|signed| verifier.verify(signed)).collect()
}

#[test]
fn together_is_as_one_by_one() {
    let (records, fresh) = (mixed(), verifier());
    let expected = one_by_one(fresh.clone(), &records);
    let good = expected.iter().filter(|result| result.is_ok()).count();
    assert_eq!(good, 4 * 4 + 1, "of four authors, and an admission");
    assert_eq!(fresh.clone().verify_all(records.clone()), expected);
    for size in [1, 2, 3, 16] {
        let mut verifier = fresh.clone();
        let results = records
            .chunks(size)
            .flat_map(|some| verifier.verify_all(some.to_vec()));
        assert_eq!(results.collect::<Vec<_>>(), expected, "{size} at once");
    }
}

#[test]
fn the_first_bad_record_of_a_block_refuses_it() {
    let all = mixed();
    let expected = one_by_one(verifier(), &all);
    let good = all.iter().zip(&expected).filter(|(_, it)| it.is_ok());
    let good: Vec<Signed> = good.map(|(signed, _)| signed.clone()).collect();
    let verified = verifier().verify_until_bad(good.clone()).unwrap();
    assert!(
        verified
            .iter()
            .map(Verified::id)
            .eq(good.iter().map(Signed::id))
    );
    for (bad, result) in all.iter().zip(expected).filter(|(_, it)| it.is_err()) {
        let mut records = good.clone();
        records.insert(good.len() / 2, bad.clone());
        assert_eq!(verifier().verify_until_bad(records).err(), result.err());
    }
}

#[test]
fn what_is_checked_ahead_changes_no_result() {
    let (records, mut verifier) = (mixed(), verifier());
    let expected = one_by_one(verifier.clone(), &records);
    verifier.check_ahead(&records);
    assert!(!verifier.ahead.is_empty(), "the sealers' good ones");
    assert_eq!(one_by_one(verifier.clone(), &records), expected);
    verifier.check_ahead(&[]);
    assert!(verifier.ahead.is_empty(), "nothing is kept for ever");
}
