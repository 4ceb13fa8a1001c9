//! Attacks that broke the first edition of the rules, each with the honest result. A coalition plays its best cards against
//! production cores that are directly connected; what it reaches is asserted, with what it reached before.

mod bounds;
mod closing;
mod floods;
mod scores;

use mycnet_consensus::core::Input;
use mycnet_consensus::{Ballot, ConsensusOperation, OperationId, Standing};

use crate::net::{Net, node};

/// Lets time pass until an operation is closed at node 0, and returns the milliseconds that it took.
fn close(net: &mut Net, id: &OperationId) -> u64 {
    let begun_ms = net.now_ms;
    for _ in 0..2000 {
        if net.phase(0, id) == "closed" {
            return net.now_ms - begun_ms;
        }
        net.advance(100);
        net.all(&Input::Nudge);
    }
    panic!("{id} does not close: {:?}", net.cores[0].status(id));
}

/// Proposes, lets everybody vote as `ballot` says (`None`: it does not vote), and waits for the close.
fn ask(
    net: &mut Net,
    by: usize,
    operation: ConsensusOperation,
    ballot: impl Fn(usize) -> Option<Ballot>,
) -> OperationId {
    net.advance(1);
    let id = net.propose(by, operation, ballot(by));
    let members = net.state(0).roster().len();
    for n in (0..members).filter(|n| *n != by) {
        if let Some(ballot) = ballot(n) {
            net.vote(n, id, ballot);
        }
    }
    close(net, &id);
    id
}

fn standing(net: &Net, n: usize) -> Standing {
    let member = net.state(0).roster().get(&node(n)).unwrap();
    member.trust.standing()
}

fn skill(net: &Net, n: usize) -> u32 {
    let member = net.state(0).roster().get(&node(n)).unwrap();
    member.trust.skill_ppm()
}

/// Whether these members weigh half in claims.
fn weigh_half(net: &Net, coalition: std::ops::Range<usize>) -> bool {
    let (roster, params) = (net.state(0).roster(), net.state(0).params());
    let weight = |n: usize| {
        let member = roster.get(&node(n)).unwrap();
        member.trust.claim_weight(params)
    };
    let theirs: u64 = coalition.map(weight).sum();
    let all: u64 = (0..roster.len()).map(weight).sum();
    2 * theirs >= all
}
