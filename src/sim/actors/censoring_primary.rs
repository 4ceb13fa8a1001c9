//! A Primary that ignores its victim: it lists none of the victim's records and never votes for a seal that lists one.
//!
//! What must hold: the victim's records are still sealed, because honest sealers refuse seals that leave out records
//! they have held for long, and later rounds have other proposers.

use super::{Actor, Desk, hide};
use crate::exchange::message::Message;
use crate::sim::people::node;

pub(super) struct CensoringPrimary {
    victim: usize,
}

impl CensoringPrimary {
    pub(super) fn new(victim: usize) -> Self {
        Self { victim }
    }
}

impl Actor for CensoringPrimary {
    fn incoming(&mut self, _desk: &mut Desk<'_>, message: Message) -> Option<Message> {
        // Votes on seals are records too: without the victim's votes the Primary sees fewer quorums, which harms only itself.
        hide(message, node(self.victim))
    }
}
