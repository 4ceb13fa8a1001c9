//! Records against hostile input: every rejection that bytes, records, consents and a genesis can earn, one by one and by
//! property.

mod batches;
mod bytes;
mod canonical;
mod damage;
mod genesis;
mod offer;
mod operations;
mod rejections;

use mycnet_consensus::internals::digest::{SignatureBytes, signing};
use mycnet_consensus::internals::record::{Body, Proof, Record, Statement, Verifier};
use mycnet_consensus::internals::{codec, merkle};
use mycnet_consensus::{Digest, Identity, NetworkId, Signer as _};

use crate::samples;

/// A verifier that knows Ada and Bob.
fn verifier() -> Verifier {
    let mut verifier = Verifier::new(samples::net());
    for author in [samples::ada(), samples::bob()] {
        verifier
            .add_author(author.node_id())
            .expect("the samples' keys are good");
    }
    verifier
}

/// Ada's body around any statement, valid or not.
fn body(statement: Statement) -> Body {
    Body {
        v: 1,
        net: samples::net(),
        by: samples::ada().node_id(),
        what: statement,
    }
}

/// The signature of a batch: what `sign_batch` makes, without its checks.
fn signature(signer: &Identity, net: NetworkId, root: Digest, size: u32) -> SignatureBytes {
    let message = [
        signing::BATCH,
        net.as_bytes(),
        root.as_bytes(),
        &size.to_le_bytes(),
    ]
    .concat();
    signer.sign(&message).expect("keys in memory sign")
}

/// A record with any body and a good signature of its author, as a hostile member could send it.
fn forge(signer: &Identity, body: Body) -> Record {
    let root = merkle::leaf(body.id().as_bytes());
    let sig = signature(signer, body.net, root, 1);
    let proof = Proof {
        sig,
        size: 1,
        index: 0,
        path: Vec::new(),
    };
    Record { body, proof }
}

/// The bytes of a record by Ada with any statement.
fn forged(statement: Statement) -> Vec<u8> {
    codec::encode(&forge(&samples::ada(), body(statement)))
}
