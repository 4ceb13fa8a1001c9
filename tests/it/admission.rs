//! What a core does with records that it has, and what a host may ask of it after every input.

use std::sync::Arc;

use mycnet_consensus::core::{Admission, Answer, Core, Input};
use mycnet_consensus::internals::digest::SignatureBytes;
use mycnet_consensus::internals::record::{Record, Statement, Verified, sign};
use mycnet_consensus::{
    ClaimRule, ConsensusOperation, Genesis, Priority, Rejection, Signer as _, Spore,
};

use super::net::{identity, node};

/// A node that watches a network of four, and a proposal by member 0.
fn observer() -> (Core, Verified) {
    let genesis = (0..4)
        .fold(Genesis::builder("admission"), |builder, n| {
            builder.member(node(n), Spore::Latent)
        })
        .build()
        .expect("the genesis is valid");
    let core = Core::new(&genesis, Arc::new(identity(9))).expect("the genesis is valid");
    let statement = Statement::Propose {
        operation: ConsensusOperation::Claim {
            subject: "build".to_owned(),
            input: Vec::new(),
            panel: None,
            rule: ClaimRule::MAJORITY,
        },
        priority: Priority::Normal,
        last: core.ledger().state().seal(),
        nonce: 0,
    };
    let proposal =
        sign(&identity(0), genesis.network_id(), statement).expect("the statement is valid");
    (core, proposal)
}

fn import(core: &mut Core, record: Vec<u8>) -> Result<Admission, Rejection> {
    let records = vec![record];
    let Ok(Answer::Imported(mut all)) = core.handle(Input::Import { records }, 1).answer else {
        unreachable!("an import is answered record by record");
    };
    all.remove(0)
}

#[test]
fn a_held_record_is_known_and_its_body_under_a_bad_signature_is_not() {
    let (mut core, proposal) = observer();
    assert_eq!(import(&mut core, proposal.encode()), Ok(Admission::New));
    assert_eq!(import(&mut core, proposal.encode()), Ok(Admission::Known));
    let mut forged: Record = proposal.record().clone();
    let mut signature = *forged.proof.sig.as_bytes();
    signature[0] ^= 1;
    forged.proof.sig = SignatureBytes::from_bytes(signature);
    let author = identity(0).node_id();
    assert_eq!(
        import(&mut core, forged.encode()),
        Err(Rejection::BadSignature(author)),
        "that its body is held does not vouch for another signature"
    );
}

#[test]
fn a_node_wants_to_seal_what_it_holds_and_nothing_else() {
    let (mut core, proposal) = observer();
    assert!(!core.wants_to_seal(), "there is nothing to seal");
    import(&mut core, proposal.encode()).unwrap();
    assert!(core.wants_to_seal(), "there is a proposal to seal");
}
