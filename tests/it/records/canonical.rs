//! A value has one encoding: every other form of the same record is refused, although its signature is good. Rules: R1.

use mycnet_consensus::internals::limits::BATCH_RECORDS_MAX;
use mycnet_consensus::internals::record::Statement;
use mycnet_consensus::{Digest, OperationId};

use super::forged;
use super::offer::{claim, over, refusal};
use crate::samples::{batch, replaced};

#[test]
fn not_canonical() {
    let good = forged(Statement::Directive {
        operation: OperationId::from_bytes([9; 32]),
        approve: true,
    });
    assert_eq!(refusal(&good), None);
    let cases: [(&str, Vec<u8>); 17] = [
        ("nothing", Vec::new()),
        ("a number", vec![7]),
        ("half", good[..good.len() / 2].to_vec()),
        ("a byte too many", [&good[..], &[0]].concat()),
        ("twice", [&good[..], &good[..]].concat()),
        (
            "a long number",
            replaced(&good, b"\x61v\x01", b"\x61v\x18\x01"),
        ),
        (
            "a float",
            replaced(&good, b"\x61v\x01", b"\x61v\xf9\x3c\x00"),
        ),
        ("null", replaced(&good, b"\x61v\x01", b"\x61v\xf6")),
        (
            "a long length",
            replaced(&good, b"\xa2\x64body", b"\xb8\x02\x64body"),
        ),
        (
            "an endless path",
            replaced(&good, b"\x64path\x80", b"\x64path\x9f\xff"),
        ),
        (
            "an unknown field",
            replaced(&good, b"\xa2\x64body", b"\xa3\x61a\x01\x64body"),
        ),
        (
            "a field twice",
            replaced(&good, b"\xa4\x61v\x01", b"\xa5\x61v\x01\x61v\x01"),
        ),
        (
            "a missing field",
            replaced(&good, b"\xa4\x61v\x01", b"\xa3"),
        ),
        (
            "an unknown statement",
            replaced(&good, b"\x69directive", b"\x69dirictive"),
        ),
        (
            "two statements",
            replaced(&good, b"\xa1\x69directive", b"\xa2\x61a\x01\x69directive"),
        ),
        (
            "a short id",
            replaced(&good, &[b"\x58\x20", &[9; 32][..]].concat(), b"\x41\x09"),
        ),
        (
            "an id as a text",
            replaced(
                &good,
                &[b"\x58\x20", &[9; 32][..]].concat(),
                &[b"\x78\x40", "09".repeat(32).as_bytes()].concat(),
            ),
        ),
    ];
    for (name, bytes) in cases {
        let code = refusal(&bytes).map(|rejection| rejection.code());
        assert_eq!(code, Some("non-canonical"), "{name}");
    }
}

/// `serde_bytes` also reads texts and arrays of numbers as bytes; the comparison with the canonical form does not.
#[test]
fn a_payload_has_one_form() {
    let good = claim("x", 3, None);
    assert_eq!(refusal(&good), None);
    for (name, other) in [
        ("a text", &b"\x65input\x63\0\0\0"[..]),
        ("an array", b"\x65input\x83\0\0\0"),
        ("a tagged string", b"\x65input\xd8\x2a\x43\0\0\0"),
        ("chunks", b"\x65input\x5f\x43\0\0\0\xff"),
    ] {
        let bytes = replaced(&good, b"\x65input\x43\0\0\0", other);
        let code = refusal(&bytes).map(|rejection| rejection.code());
        assert_eq!(code, Some("non-canonical"), "{name}");
    }
}

#[test]
fn over_the_limits_of_a_batch() {
    let over = over("records in a batch", BATCH_RECORDS_MAX as usize);
    for (name, size, path) in [
        ("no records", 0, 0),
        ("too many records", BATCH_RECORDS_MAX + 1, 0),
        ("too long a path", 3, 17),
    ] {
        let mut record = batch()[0].record().clone();
        record.proof.size = size;
        record.proof.path = vec![Digest::default(); path];
        assert_eq!(refusal(&record.encode()), over, "{name}");
    }
}
