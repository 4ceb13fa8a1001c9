//! Reads any bytes as a bundle: no panic, and no part longer than its kind allows. Checksums are corrected, so that
//! the fuzzer gets past them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mycnet_consensus::internals::bundle::{
    CHECK_BYTES, Decoder, Encoder, Fault, HEAD_BYTES, Kind, Part, START_BYTES,
};

/// Reads parts until a fault, or the end mark.
fn read(bytes: &[u8]) -> Option<()> {
    let (start, mut rest) = bytes.split_first_chunk::<START_BYTES>()?;
    let mut decoder = Decoder::start(start).ok()?;
    loop {
        let (head, after) = rest.split_first_chunk::<HEAD_BYTES>()?;
        let head = decoder.head(*head).ok()?;
        assert!(head.length <= head.kind.bytes_max());
        let (body, after) = after.split_at_checked(head.length)?;
        let (check, after) = after.split_first_chunk::<CHECK_BYTES>()?;
        match decoder.part(head, body.to_vec(), *check) {
            Ok(Part::End(_)) => return Some(()),
            Ok(_) => rest = after,
            Err(fault) => {
                assert!(!matches!(fault, Fault::NotABundle | Fault::TooLong { .. }));
                return None;
            }
        }
    }
}

/// A bundle from the fuzzer's bytes: a kind, a length of two bytes, a body, and so on.
fn framed(mut bytes: &[u8]) -> Vec<u8> {
    let (mut encoder, start) = Encoder::new();
    let mut bundle = start.to_vec();
    while let Some(([kind, low, high], rest)) = bytes.split_first_chunk() {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(rest.len());
        let (body, rest) = rest.split_at(length);
        let kind = match kind % 5 {
            0 => Kind::Header,
            1 => Kind::Block,
            2 => Kind::Proposal,
            3 => Kind::Record,
            _ => Kind::End,
        };
        let around = encoder.part(kind, body);
        bundle.extend(around.head);
        bundle.extend(body);
        bundle.extend(around.check);
        bytes = rest;
    }
    bundle
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    read(&framed(bytes));
});
