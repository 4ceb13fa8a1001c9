use mycnet_consensus::core::{Admission, Input};
use mycnet_consensus::internals::digest::SignatureBytes;
use mycnet_consensus::{Ballot, Rejection};

use crate::net::{APPROVED, Net, config, genesis, node};

#[test]
fn four_nodes_decide_a_critical_operation() {
    let mut net = Net::new(&genesis(4), 4);
    let id = net.propose(1, config(b"hello"), Some(Ballot::Approve));
    net.approve(&[0, 2, 3], id);
    for _ in 0..5 {
        net.advance(100);
    }
    for core in &net.cores {
        let status = core.status(&id).unwrap();
        assert_eq!(
            status.outcome.map(|(outcome, _)| outcome),
            APPROVED,
            "{:?}",
            core.seal_status()
        );
        assert_eq!(
            core.ledger().state().config().get("motd"),
            Some(&b"hello".to_vec())
        );
        assert_eq!(core.ledger().state().seal(), net.state(0).seal());
    }
}

/// A proposal comes right behind the vote that decides the seal before it: in two nodes nobody else has that vote.
#[test]
fn two_nodes_decide_without_any_comparison() {
    let mut net = Net::new(&genesis(2), 2);
    for value in [b"one", b"two"] {
        net.decide(0, config(value), &[0, 1]);
        assert_eq!(net.state(0).seal(), net.state(1).seal());
    }
}

/// Rules: S3.
#[test]
fn a_silent_primary_is_stepped_over() {
    let mut net = Net::new(&genesis(4), 4);
    net.down[0] = true;
    let id = net.propose(1, config(b"hello"), Some(Ballot::Approve));
    net.approve(&[2, 3], id);
    for _ in 0..40 {
        net.advance(300);
        net.all(&Input::Nudge);
    }
    for core in &net.cores[1..] {
        let status = core.status(&id).unwrap();
        assert_eq!(
            status.outcome.map(|(outcome, _)| outcome),
            APPROVED,
            "{:?}",
            core.seal_status()
        );
    }
    // The Primary comes back and catches up from certificates.
    net.down[0] = false;
    net.input(0, Input::Sync(mycnet_consensus::core::PeerId(1)))
        .unwrap();
    net.pump();
    assert_eq!(net.state(0).seal(), net.state(1).seal());
}

#[test]
fn a_copy_is_known_and_another_proof_is_checked() {
    let mut net = Net::new(&genesis(4), 4);
    // Without its Primary the network does not seal at once.
    net.down[0] = true;
    let id = net.propose(1, config(b"hello"), None);
    let held = net.cores[2].pool().get(&id.into()).unwrap().record.clone();
    assert_eq!(net.import(2, &held), Ok(Admission::Known));
    let mut damaged = held.record().clone();
    let mut sig = *damaged.proof.sig.as_bytes();
    sig[40] ^= 1;
    damaged.proof.sig = SignatureBytes::from_bytes(sig);
    let refused = Err(Rejection::BadSignature(node(1)));
    assert_eq!(net.import_bytes(2, damaged.encode()), refused);
}
