//! One member makes all others work without end.

use mycnet_consensus::core::Input;
use mycnet_consensus::internals::digest::Digest;
use mycnet_consensus::internals::record::Statement;
use mycnet_consensus::{Ballot, ConsensusOperation, Priority, Spore};

use crate::authority::admission;
use crate::net::{Net, claim, genesis};

/// On the first edition 500 `Rejoin`s of a member without weight made 500 seals in no time.
#[test]
fn a_rejoin_counts_once_per_grace() {
    let mut net = Net::new(&genesis(4), 5);
    let operation = admission(&net, 4, Spore::Latent);
    net.decide(0, operation, &[1, 2, 3]);
    net.down[4] = true;
    let grace_ms = net.genesis.params.critical_grace_ms;
    let (height, began_ms) = (net.state(0).height(), net.now_ms);
    for k in 0..500_u64 {
        let mut nonce = [0; 32];
        nonce[..8].copy_from_slice(&k.to_be_bytes());
        let rejoin = Statement::Rejoin {
            nonce: Digest::from_bytes(nonce),
        };
        let rejoin = net.forge(4, rejoin);
        let _ = net.import(0, &rejoin);
        net.advance(20);
    }
    let graces = (net.now_ms - began_ms).div_ceil(grace_ms) + 1;
    let seals = net.state(0).height() - height;
    assert!(seals <= graces, "{seals} seals in {graces} graces");
}

/// The same question again, while it is open, is refused with the name of the open one and takes no place.
#[test]
fn a_question_is_asked_once_at_a_time() {
    let mut net = Net::new(&genesis(4), 4);
    let id = net.propose(1, claim(None), None);
    net.advance(10);
    assert_eq!(net.phase(0, &id), "committing");
    let again = Input::Propose {
        operation: claim(None),
        priority: Priority::Normal,
        ballot: None,
        nonce: 77,
    };
    let refused = net.input(2, again.clone()).unwrap_err().to_string();
    assert!(refused.contains(&id.to_string()), "{refused}");
    let mut other = claim(None);
    if let ConsensusOperation::Claim { input, .. } = &mut other {
        input.push(1);
    }
    net.propose(2, other, None);
    for n in 0..4 {
        net.vote(n, id, Ballot::Result(b"42".to_vec()));
    }
    assert_eq!(net.phase(2, &id), "closed");
    net.input(2, again).unwrap();
}
