//! Decodes any bytes as a frame: no panic, one canonical form, and ranges of a reconciliation are
//! answered within their limit.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mycnet_consensus::RecordId;
use mycnet_consensus::internals::digest::RECORD;
use mycnet_consensus::internals::limits::RECONCILE_BYTES_MAX;
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::reconciliation::Snapshot;

/// The node's records: enough that its ranges split twice.
static HELD: LazyLock<Snapshot> = LazyLock::new(|| {
    Snapshot::new((0..1000_u32).map(|n| {
        let hash = RECORD.hash(&n.to_le_bytes());
        (hash[0] % 9, RecordId::from_bytes(hash))
    }))
});

fn compare(ranges: &[u8]) {
    if let Ok(answer) = HELD.answer(ranges) {
        assert!(answer.len() <= RECONCILE_BYTES_MAX);
    }
    if let Ok(narrowed) = HELD.narrow(ranges) {
        assert!(narrowed.have.len() <= HELD.len());
        assert!(narrowed.need.len() <= ranges.len() / 32);
        assert!(
            narrowed
                .query
                .is_none_or(|query| query.len() <= RECONCILE_BYTES_MAX)
        );
    }
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(message) = Message::decode(bytes) {
        assert_eq!(message.encode(), bytes);
        if let Message::Reconcile { ranges, .. } | Message::Reconciled { ranges, .. } = &message {
            compare(ranges);
        }
    }
    // The fuzzer finds the frame quickly; here all its bytes are ranges.
    compare(bytes);
});
