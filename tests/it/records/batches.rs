//! Batches: one signature for many records, each of which stands alone; proofs fit one place only; commitments open for
//! their author only. Rules: R2, R6.

use mycnet_consensus::internals::commitment::{commitment, salt};
use mycnet_consensus::internals::digest::SignatureBytes;
use mycnet_consensus::internals::limits::{BATCH_RECORDS_MAX, PATH_HASHES_MAX};
use mycnet_consensus::internals::record::{
    Record, SignError, Signed, Statement, Verified, sign_batch,
};
use mycnet_consensus::{Ballot, Digest, OperationId, Rejection, Signer as _};

use super::{signature, verifier};
use crate::samples::{ada, bob, net};

fn directives(count: u32) -> Vec<Statement> {
    (0..count)
        .map(|i| {
            let mut id = [0; 32];
            id[..4].copy_from_slice(&i.to_le_bytes());
            Statement::Directive {
                operation: OperationId::from_bytes(id),
                approve: true,
            }
        })
        .collect()
}

fn signed(count: u32) -> Vec<Verified> {
    sign_batch(&ada(), net(), directives(count)).expect("the batch is within its limit")
}

/// Whether a verifier that has seen nothing admits the record.
fn admitted(record: &Record) -> bool {
    verifier().admit(&record.encode()).is_ok()
}

#[test]
fn each_record_of_a_batch_verifies_alone() {
    for count in [1, 2, 3, 64, 1000] {
        let records = signed(count);
        let mut together = verifier();
        for (record, statement) in records.iter().zip(directives(count)) {
            assert_eq!(*record.statement(), statement, "the order is kept");
            let bytes = record.encode();
            assert_eq!(bytes.len(), record.encoded_len());
            let alone = verifier().admit(&bytes).expect("it verifies alone");
            assert_eq!(alone.record(), record.record());
            assert!(
                together.admit(&bytes).is_ok(),
                "it verifies with the others"
            );
        }
        assert_eq!(records.len(), count as usize);
    }
}

#[test]
fn the_largest_batch() {
    let records = signed(BATCH_RECORDS_MAX);
    for index in [0, records.len() / 2 + 1, records.len() - 1] {
        assert_eq!(records[index].proof().path.len(), PATH_HASHES_MAX);
        assert!(admitted(records[index].record()));
    }
    let over = SignError::Rejected(Rejection::OverLimit {
        what: "records in a batch",
        limit: BATCH_RECORDS_MAX as usize,
    });
    let more = sign_batch(&ada(), net(), directives(BATCH_RECORDS_MAX + 1));
    assert_eq!(more.err(), Some(over));
    assert_eq!(sign_batch(&ada(), net(), Vec::new()), Ok(Vec::new()));
}

#[test]
fn a_proof_fits_one_place_only() {
    let records = signed(5);
    let later: Vec<Statement> = directives(10).split_off(5);
    let own = sign_batch(&ada(), net(), later).unwrap();
    let others = sign_batch(&bob(), net(), directives(5)).unwrap();
    for (i, record) in records.iter().enumerate() {
        let good = record.record();
        assert!(admitted(good));
        let damaged = |damage: &dyn Fn(&mut Record)| {
            let mut record = good.clone();
            damage(&mut record);
            admitted(&record)
        };
        assert!(!damaged(&|r| r.proof.path.clear()), "no path");
        assert!(
            !damaged(&|r| r.proof.path.truncate(r.proof.path.len() - 1)),
            "a shorter path"
        );
        assert!(!damaged(&|r| r.proof.path.push(Digest::default())));
        assert!(!damaged(&|r| r.proof.path.reverse()) || good.proof.path.len() < 2);
        for step in 0..good.proof.path.len() {
            assert!(!damaged(&|r| r.proof.path[step] = Digest::default()));
        }
        for index in (0..8).filter(|index| *index as usize != i) {
            assert!(!damaged(&|r| r.proof.index = index), "place {index}");
        }
        for size in [1, 2, 3, 4, 6, 7, 8, 9, BATCH_RECORDS_MAX] {
            assert!(!damaged(&|r| r.proof.size = size), "size {size}");
        }
        for (j, swapped) in records.iter().enumerate().filter(|(j, _)| *j != i) {
            let proof = swapped.proof();
            assert!(!damaged(&|r| r.proof = proof.clone()), "proof of {j}");
        }
        for foreign in [&own[i], &others[i]] {
            let proof = foreign.proof();
            assert!(!damaged(&|r| r.proof = proof.clone()), "another batch");
        }
    }
}

/// What a verifier remembers of a batch must not admit a record that a newcomer would refuse.
#[test]
fn a_remembered_root_with_another_signature_is_verified_anew() {
    let records = signed(3);
    let mut verifier = verifier();
    verifier.admit(&records[0].encode()).unwrap();
    let root_of_another = signed(2)[0].proof().sig;
    for sig in [SignatureBytes::from_bytes([0; 64]), root_of_another] {
        let mut record = records[1].record().clone();
        record.proof.sig = sig;
        assert_eq!(
            verifier.admit(&record.encode()),
            Err(Rejection::BadSignature(ada().node_id()))
        );
        assert!(!admitted(&record), "a newcomer refuses it too");
    }
    assert!(verifier.admit(&records[1].encode()).is_ok());
}

/// The signature covers the size: else an author could deny how many records it signed at once.
#[test]
fn the_size_is_signed() {
    let record = signed(1).remove(0);
    let root = mycnet_consensus::internals::merkle::leaf(record.id().as_bytes());
    let mut resigned = record.record().clone();
    resigned.proof.sig = signature(&ada(), net(), root, 1);
    assert!(admitted(&resigned));
    resigned.proof.sig = signature(&ada(), net(), root, 2);
    assert!(!admitted(&resigned));
}

#[test]
fn one_bad_statement_stops_the_whole_batch() {
    let mut statements = directives(3);
    statements.push(Statement::Objection {
        operation: OperationId::default(),
        reason: "x".repeat(2000),
    });
    let refused = sign_batch(&ada(), net(), statements);
    assert!(matches!(
        refused,
        Err(SignError::Rejected(Rejection::OverLimit { .. }))
    ));
}

#[test]
fn the_same_body_signed_twice_is_one_record() {
    let alone = signed(1).remove(0);
    let among = signed(3).remove(0);
    assert_eq!(alone, among, "records are equal by their bodies");
    assert_eq!(alone.id(), among.id());
    assert_ne!(alone.proof(), among.proof());
    assert_eq!(
        Signed::decode(&among.encode()).map(|record| record.id()),
        Ok(alone.id())
    );
}

#[test]
fn a_copied_commitment_does_not_open() {
    let operation = OperationId::from_bytes([3; 32]);
    let ballot = Ballot::Result(b"42".to_vec());
    let made_with = salt(&ada(), net(), operation).unwrap();
    let made = commitment(net(), operation, ada().node_id(), &ballot, &made_with);
    // Bob signs Ada's commitment as his own, and later learns her ballot and salt.
    let copied = bob().node_id();
    assert_ne!(
        commitment(net(), operation, copied, &ballot, &made_with),
        made
    );
    assert_ne!(salt(&bob(), net(), operation), Ok(made_with));
    // It opens for Ada, and only with what she committed.
    let opens =
        |ballot: &Ballot| commitment(net(), operation, ada().node_id(), ballot, &made_with) == made;
    assert!(opens(&ballot));
    assert!(!opens(&Ballot::Result(b"43".to_vec())));
    assert!(!opens(&Ballot::Abstain));
}
