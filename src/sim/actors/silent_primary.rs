//! A Primary that takes part in everything except seals.
//!
//! What must hold: the others seal without it, one step patience later.

use super::{Actor, Desk, edit};
use crate::exchange::message::Message;

pub(super) struct SilentPrimary;

impl Actor for SilentPrimary {
    fn outgoing(&mut self, desk: &mut Desk<'_>, _to: usize, message: Message) -> Option<Message> {
        let me = desk.core.node_id();
        edit(message, |body, bytes| {
            let is_about_seals = body.what.slot().is_some_and(|slot| slot.height().is_some());
            if body.by == me && is_about_seals {
                Vec::new()
            } else {
                vec![bytes]
            }
        })
    }
}
