//! Reads any bytes as a certificate and as an index: no panic, what is read encodes to exactly these bytes, and nothing is believed that
//! the genesis does not lead to.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mycnet_consensus::core::Index;
use mycnet_consensus::{Certificate, Genesis, Identity, Signer as _, Spore};

fuzz_target!(|bytes: &[u8]| {
    let genesis = || {
        let founder = Identity::from_seed_label("founder").node_id();
        let genesis = Genesis::builder("fuzz").member(founder, Spore::Primary);
        genesis.build().expect("it is valid")
    };
    if let Ok(certificate) = Certificate::decode(bytes) {
        assert_eq!(certificate.encode(), bytes);
        assert!(certificate.verify(&genesis()).is_err());
    }
    if let Ok(index) = Index::decode(bytes) {
        assert_eq!(index.encode(), bytes);
        assert!(index.verify(&genesis()).is_err());
    }
});
