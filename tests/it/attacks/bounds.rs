//! One approved parameter must not end a network. On the first edition a reveal window of zero, a commit window of zero and a
//! threshold of one could never be taken back.

use mycnet_consensus::core::Input;
use mycnet_consensus::{Ballot, ConsensusOperation, Params, Priority};

use super::ask;
use crate::net::{APPROVED, Net, genesis};

fn param(name: &str, value: u64) -> ConsensusOperation {
    ConsensusOperation::NetworkConfiguration {
        config_type: format!("param.{name}"),
        proposed_change: value.to_string().into_bytes(),
    }
}

fn is_proposable(net: &mut Net, operation: &ConsensusOperation) -> bool {
    net.advance(1);
    let input = Input::Propose {
        operation: operation.clone(),
        priority: Priority::Normal,
        ballot: None,
        nonce: net.now_ms,
    };
    // A core of its own answers, so that the network stays as it is.
    let answer = net.cores[3].handle(input, net.now_ms).answer;
    answer.is_ok()
}

/// Every parameter at its least, its largest and beyond: what is approved can be taken back.
#[test]
fn every_parameter_can_be_taken_back() {
    for name in Params::NAMES {
        let (least, most) = Params::range_of(name).unwrap();
        for value in [0, 1, least, most, most.saturating_add(1), u64::MAX] {
            let mut net = Net::new(&genesis(4), 4);
            let before = net.genesis.params.clone();
            let text = value.to_string();
            let is_valid = before.with_change(name, text.as_bytes()).is_ok();
            let change = param(name, value);
            let mut trial = Net::new(&genesis(4), 4);
            assert_eq!(
                is_proposable(&mut trial, &change),
                is_valid,
                "{name}={value}"
            );
            if !is_valid {
                continue;
            }
            let everybody = |_| Some(Ballot::Approve);
            ask(&mut net, 1, change, everybody);
            let json = serde_json::to_value(&before).unwrap();
            let good = json[*name].as_u64().unwrap();
            let back = param(name, good);
            let id = ask(&mut net, 2, back, everybody);
            assert_eq!(net.outcome(0, &id), APPROVED, "{name}={value}");
            assert_eq!(*net.state(0).params(), before, "{name}={value}");
        }
    }
}

/// Thresholds within the bounds that would take the vote of more than a third are refused when they would take effect.
#[test]
fn a_threshold_cannot_take_the_vote_of_more_than_a_third() {
    let mut net = Net::new(&genesis(4), 4);
    let everybody = |_| Some(Ballot::Approve);
    ask(&mut net, 1, param("founder_trust_ppm", 900_000), everybody);
    ask(&mut net, 1, param("activate_from_ppm", 900_000), everybody);
    let id = ask(&mut net, 1, param("suspend_below_ppm", 800_000), everybody);
    assert_eq!(net.outcome(0, &id), APPROVED);
    assert_eq!(net.state(0).params().suspend_below_ppm, 300_000);
    assert_eq!(net.state(0).sealers().len(), 4);
    let refused = net.events[0].iter().any(|event| match event {
        mycnet_consensus::core::Event::Sealed { applied, .. } => applied
            .effects
            .iter()
            .any(|effect| effect.operation == id && effect.result.is_err()),
        _ => false,
    });
    assert!(refused, "the refusal is recorded");
}
