//! Bytes from an enemy: damaged, random, deeply nested, or claiming lengths that nothing could hold.

use std::sync::LazyLock;

use mycnet_consensus::internals::record::{Record, Signed, Statement, Verified, sign};
use mycnet_consensus::{Ballot, Genesis, OperationId, Rejection};
use proptest::prelude::*;
use proptest::sample::Index;

use super::damage::{apply, cbor, damage, statement};
use super::{forged, verifier};
use crate::samples::{ada, batch, genesis, net, records, replaced};
use crate::usage::kilobytes;

/// The canonical bytes of every sample record, some with a Merkle path.
static ENCODED: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    records()
        .into_iter()
        .map(|(_, record)| record.encode())
        .chain(batch().iter().map(Verified::encode))
        .collect()
});

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn damaged_records_never_verify(
        which in any::<Index>(),
        damages in prop::collection::vec(damage(), 1..4),
    ) {
        let all: &[Vec<u8>] = &ENCODED;
        let mut bytes = which.get(all).clone();
        for damage in damages {
            apply(damage, &mut bytes, all);
        }
        let mut verifier = verifier();
        match verifier.admit(&bytes) {
            Ok(record) => {
                prop_assert!(all.contains(&bytes), "other bytes than a sample's were admitted");
                prop_assert_eq!(record.encode(), bytes);
            }
            Err(_) => prop_assert!(!all.contains(&bytes), "a good record was refused"),
        }
        // The refused bytes left nothing behind.
        for good in &all[all.len() - 3..] {
            prop_assert!(verifier.admit(good).is_ok());
        }
    }

    #[test]
    fn a_damaged_genesis_is_another_network(damages in prop::collection::vec(damage(), 1..4)) {
        let good = genesis().encode();
        let mut bytes = good.clone();
        for damage in damages {
            apply(damage, &mut bytes, std::slice::from_ref(&good));
        }
        if let Ok(genesis) = Genesis::decode(&bytes) {
            prop_assert_eq!(genesis.encode(), bytes.clone(), "one value has one encoding");
            prop_assert_eq!(genesis.network_id() == net(), bytes == good);
        }
    }

    #[test]
    fn random_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        prop_assert!(verifier().admit(&bytes).is_err());
        prop_assert!(Genesis::decode(&bytes).is_err());
    }

    #[test]
    fn random_cbor_is_refused(bytes in cbor()) {
        prop_assert!(verifier().admit(&bytes).is_err());
        prop_assert!(Genesis::decode(&bytes).is_err());
    }

    #[test]
    fn what_is_signed_is_read_back(statement in statement()) {
        let record = sign(&ada(), net(), statement.clone()).unwrap();
        let bytes = record.encode();
        let read = verifier().admit(&bytes).unwrap();
        prop_assert_eq!(read.statement(), &statement);
        prop_assert_eq!((read.id(), read.encode()), (record.id(), bytes));
    }

    /// In JSON, as people see records, nothing is lost either.
    #[test]
    fn json_says_the_same(statement in statement()) {
        let record = sign(&ada(), net(), statement).unwrap();
        let json = serde_json::to_string(record.record()).unwrap();
        let read: Record = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(Signed::try_from(read).unwrap().id(), record.id());
    }
}

/// 40,000 levels within the limit of a record, at the top and where a path is expected, on a small stack.
#[test]
fn deep_nesting_needs_no_stack() {
    let good = batch()[0].encode();
    let hostile: Vec<Vec<u8>> = [&b"\x81"[..], b"\xa1\x61a", b"\xd8\x2a", b"\x9f", b"\xc1"]
        .iter()
        .flat_map(|level| {
            let deep = level.repeat(40_000 / level.len());
            let inside = replaced(&good, b"\x64path\x82", &[b"\x64path", &deep[..]].concat());
            [deep, inside]
        })
        .collect();
    let judged = std::thread::Builder::new()
        .stack_size(128 * 1024)
        .spawn(move || {
            for bytes in hostile {
                let code = Signed::decode(&bytes).map_err(|rejection| rejection.code());
                assert_eq!(code.err(), Some("non-canonical"));
                assert!(Genesis::decode(&bytes).is_err());
            }
        })
        .expect("a thread starts");
    judged.join().expect("nothing overflowed");
}

/// Set for the process that [`claimed_lengths_allocate_nothing`] starts.
const ALONE: &str = "MYCNET_TEST_ALONE";

/// In a process of its own: the tests beside it would fill the address space that it measures.
#[test]
fn claimed_lengths_allocate_nothing() {
    if std::env::var_os(ALONE).is_none() {
        let output = std::process::Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "records::bytes::claimed_lengths_allocate_nothing",
            ])
            .env(ALONE, "")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && said.contains("1 passed"),
            "{said}"
        );
        return;
    }
    let good = batch()[0].encode();
    let claim = forged(Statement::Reveal {
        operation: OperationId::default(),
        ballot: Ballot::Result(vec![1, 2, 3]),
        salt: [0; 32].into(),
    });
    let genesis = genesis().encode();
    let before = kilobytes("self", "VmPeak");
    for length in [1_u64 << 28, 1 << 32, 1 << 40, 1 << 60, u64::MAX] {
        let head = |major: u8| [&[(major << 5) | 0x1b][..], &length.to_be_bytes()].concat();
        for major in 2..=5 {
            refuse(&head(major));
        }
        let with = |bytes: &[u8], old: &[u8], new: [&[u8]; 2]| {
            refuse(&replaced(bytes, old, &new.concat()));
        };
        with(&good, b"\x64path\x82", [b"\x64path", &head(4)]);
        with(&good, b"\xa2\x64body", [&head(5), b"\x64body"]);
        with(&good, b"\x63net\x58\x20", [b"\x63net", &head(2)]);
        for major in [2, 4] {
            with(&claim, b"\x43\x01\x02\x03", [&head(major), b"\x01\x02\x03"]);
        }
        with(&genesis, b"\x67members\x83", [b"\x67members", &head(4)]);
        with(&genesis, b"\x66sample", [&head(3), b"sample"]);
    }
    let grown = kilobytes("self", "VmPeak") - before;
    assert!(grown < 256 * 1024, "the address space grew by {grown} kB");
}

fn refuse(bytes: &[u8]) {
    let code = Signed::decode(bytes).map_err(|rejection| rejection.code());
    assert_eq!(code.err(), Some("non-canonical"), "{}", hex::encode(bytes));
    let genesis = Genesis::decode(bytes);
    assert!(matches!(genesis, Err(Rejection::NonCanonical(_))));
}
