//! Says `Rejoin` again and again.
//!
//! What must hold: of one author at most one is sealed per grace of critical operations, so that nobody drives the chain.

use rand::RngExt as _;

use super::{Actor, Desk, hide};
use crate::base::digest::Digest;
use crate::exchange::message::Message;
use crate::statement::record::Statement;

/// So many in all: a schedule must come to its end.
const REJOINS: u32 = 40;

#[derive(Default)]
pub(super) struct RejoinFlooder {
    said: u32,
}

impl Actor for RejoinFlooder {
    fn incoming(&mut self, desk: &mut Desk<'_>, message: Message) -> Option<Message> {
        if self.said < REJOINS && desk.rng.random_ratio(1, 6) {
            self.said += 1;
            let nonce = Digest::from_bytes(desk.rng.random());
            let rejoin = desk.sign(Statement::Rejoin { nonce });
            desk.send_all(&rejoin);
        }
        let me = desk.core.node_id();
        hide(message, me)
    }
}
