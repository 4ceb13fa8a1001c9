//! Reads any bytes as a genesis: no panic, and a genesis that is read is valid and encodes to exactly these bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mycnet_consensus::Genesis;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(genesis) = Genesis::decode(bytes) {
        assert_eq!(genesis.encode(), bytes);
        assert_eq!(genesis.check(), Ok(()));
    }
});
