//! Bytes that claim to be a genesis: nothing panics, and what is read is valid and has exactly these bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mycnet_consensus::Genesis;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(genesis) = Genesis::decode(bytes) {
        assert_eq!(genesis.encode(), bytes);
        assert_eq!(genesis.check(), Ok(()));
    }
});
