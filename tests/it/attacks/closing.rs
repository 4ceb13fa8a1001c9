//! Members that hold up freezes and closings, or choose when to reveal.

use mycnet_consensus::{Ballot, ConsensusOperation, Spore, Standing};

use super::{close, standing};
use crate::authority::admission;
use crate::net::{APPROVED, Net, commit_of, config, deployment, genesis, node};

/// On the first edition a member without weight that commits and never reveals delayed every closing by the reveal window.
#[test]
fn a_member_without_weight_delays_a_closing_by_a_grace_at_most() {
    let mut net = Net::new(&genesis(4), 5);
    let operation = admission(&net, 4, Spore::Latent);
    net.decide(0, operation, &[1, 2, 3]);
    net.advance(10);
    let id = net.propose(1, config(b"x"), Some(Ballot::Approve));
    let commit = commit_of(net.network_id(), id, 4, &Ballot::Approve);
    let commit = net.forge(4, commit);
    net.import(0, &commit).unwrap();
    net.pump();
    net.approve(&[0, 2, 3], id);
    net.advance(10);
    assert_eq!(
        net.outcome(0, &id),
        APPROVED,
        "the outcome is final at once"
    );
    let took_ms = close(&mut net, &id);
    let params = net.genesis.params.clone();
    assert!(took_ms <= params.critical_grace_ms + 1000, "{took_ms} ms");
    assert!(
        took_ms >= params.critical_grace_ms - 1000,
        "it was waited for"
    );
    assert_eq!(net.trust(0, 4), params.admitted_trust_ppm, "not charged");
}

/// On the first edition members who never commit made every freeze wait for the whole grace.
#[test]
fn members_that_are_gone_are_not_waited_for() {
    let mut net = Net::new(&genesis(4), 4);
    net.down[3] = true;
    let params = net.genesis.params.clone();
    let mut took_ms = Vec::new();
    // Everybody joined at the genesis, so node 3 counts as about for a commit window.
    for k in 0..12_u8 {
        net.advance(2000);
        let id = net.propose(1, config(&[k]), Some(Ballot::Approve));
        net.approve(&[0, 2], id);
        took_ms.push(close(&mut net, &id));
    }
    let quarter_ms = params.critical_grace_ms / 4;
    assert!(took_ms[0] >= params.critical_grace_ms, "{took_ms:?}");
    let last = took_ms.last().unwrap();
    assert!(
        *last >= quarter_ms && *last <= quarter_ms + 300,
        "{took_ms:?}"
    );
}

/// A quorum that commits at once cannot shut the others out: they have a quarter of the grace.
#[test]
fn a_quick_quorum_waits_a_quarter_of_the_grace_for_the_others() {
    let mut net = Net::new(&genesis(4), 4);
    net.down[3] = true;
    net.advance(net.genesis.params.commit_window_ms);
    let id = net.propose(1, config(b"y"), Some(Ballot::Approve));
    net.approve(&[0, 2], id);
    net.down[3] = false;
    net.meet(3);
    net.pump();
    assert_eq!(net.phase(0, &id), "committing");
    net.vote(3, id, Ballot::Approve);
    assert_eq!(net.outcome(0, &id), APPROVED, "its vote is among them");
    let reveals = net.blocks[0].iter().flat_map(|block| &block.records);
    let reveals = reveals.filter(|record| record.body.what.kind() == "reveal");
    assert_eq!(reveals.count(), 4);
}

/// On the first edition objections cost nothing, and each one moved a decision to the Seeds.
#[test]
fn objections_that_are_overruled_cost_trust() {
    let mut net = Net::new(&genesis(4), 4);
    let before = net.trust(0, 3);
    for k in 0..3_u8 {
        net.advance(1);
        let ConsensusOperation::ServiceDeployment { service, .. } = deployment() else {
            unreachable!()
        };
        let operation = ConsensusOperation::ServiceDeployment {
            service,
            manifest: vec![k],
        };
        let id = net.propose(0, operation, Some(Ballot::Approve));
        let objection = mycnet_consensus::core::Input::Object {
            operation: id,
            reason: "no".into(),
        };
        net.input(3, objection).unwrap();
        net.pump();
        for n in [1, 2] {
            let input = mycnet_consensus::core::Input::Resolve {
                operation: id,
                approve: true,
            };
            net.input(n, input).unwrap();
            net.pump();
        }
        close(&mut net, &id);
        assert_eq!(net.outcome(0, &id), APPROVED);
    }
    // Once per objection window, in which all three closed.
    assert_eq!(net.trust(0, 3), before - before.div_ceil(100));
    assert_eq!(standing(&net, 3), Standing::Active);
    let _ = node(3);
}
