//! One approved parameter must not end a network. On the first edition a reveal window of zero, a commit window of zero and a
//! threshold of one could never be taken back.

use mycnet_consensus::core::Input;
use mycnet_consensus::{Ballot, ConsensusOperation, Params, Priority};

use super::log::Log;
use crate::net::{APPROVED, Net, genesis};

fn param(name: &str, value: u64) -> ConsensusOperation {
    ConsensusOperation::NetworkConfiguration {
        config_type: format!("param.{name}"),
        proposed_change: value.to_string().into_bytes(),
    }
}

fn is_proposable(operation: &ConsensusOperation) -> bool {
    let mut net = Net::new(&genesis(4), 1);
    let input = Input::Propose {
        operation: operation.clone(),
        priority: Priority::Normal,
        ballot: None,
        nonce: 7,
    };
    net.input(0, input).is_ok()
}

/// Every parameter at its least, its largest and beyond: what is approved can be taken back.
#[test]
fn every_parameter_can_be_taken_back() {
    for name in Params::NAMES {
        let (least, most) = Params::range_of(name).unwrap();
        for value in [0, 1, least, most, most.saturating_add(1), u64::MAX] {
            let before = genesis(4).params;
            let text = value.to_string();
            let is_valid = before.with_change(name, text.as_bytes()).is_ok();
            let change = param(name, value);
            assert_eq!(is_proposable(&change), is_valid, "{name}={value}");

            if !is_valid {
                continue;
            }
            let mut log = Log::new(&genesis(4));
            let everybody = |_| Some(Ballot::Approve);
            log.ask(1, change, everybody);
            let json = serde_json::to_value(&before).unwrap();
            let good = json[*name].as_u64().unwrap();
            let outcome = log.ask(2, param(name, good), everybody);
            assert_eq!(outcome, APPROVED, "{name}={value}");
            assert_eq!(*log.ledger.state().params(), before, "{name}={value}");
        }
    }
}

/// Thresholds within the bounds that would take the vote of more than a third are refused when they would take effect.
#[test]
fn a_threshold_cannot_take_the_vote_of_more_than_a_third() {
    let mut log = Log::new(&genesis(4));
    let everybody = |_| Some(Ballot::Approve);
    log.ask(1, param("founder_trust_ppm", 900_000), everybody);
    log.ask(1, param("activate_from_ppm", 900_000), everybody);
    let outcome = log.ask(1, param("suspend_below_ppm", 800_000), everybody);
    assert_eq!(outcome, APPROVED);
    assert_eq!(log.ledger.state().params().suspend_below_ppm, 300_000);
    assert_eq!(log.ledger.state().sealers().len(), 4);
}
