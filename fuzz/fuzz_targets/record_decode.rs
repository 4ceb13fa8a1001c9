//! Reads any bytes as a record: no panic, a record that is read encodes to exactly these bytes, and its id is its body's.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mycnet_consensus::internals::record::{Signed, Verifier};

fuzz_target!(|bytes: &[u8]| {
    let Ok(signed) = Signed::decode(bytes) else {
        return;
    };
    let body = &signed.record().body;
    assert_eq!(signed.record().encode(), bytes);
    assert_eq!(body.id(), signed.id());
    // A verifier of this record's network that knows its author, so that it checks path and signature.
    let mut verifier = Verifier::new(body.net);
    if verifier.add_author(body.by).is_ok()
        && let Ok(verified) = verifier.verify(signed)
    {
        assert_eq!(verified.encode(), bytes);
    }
});
