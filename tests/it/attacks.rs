//! Attacks that broke the first edition of the rules, each with the honest result: what the attacker reaches now is asserted, and
//! what it reached before is said. Where the agreement on seals matters they play against production cores that are directly
//! connected; where only the rules of the ledger do, they seal on a ledger.

mod banned;
mod bounds;
mod closing;
mod floods;
mod limits;
mod log;
mod refounding;
mod scores;
mod time;

use mycnet_consensus::OperationId;
use mycnet_consensus::core::Input;

use crate::net::Net;

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
