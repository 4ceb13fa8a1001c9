//! Commits and never reveals.
//!
//! What must hold: everything closes without it, and it is charged for withholding.

use super::{Actor, Desk, edit};
use crate::exchange::message::Message;
use crate::statement::record::Statement;

pub(super) struct Withholder;

impl Actor for Withholder {
    fn outgoing(&mut self, desk: &mut Desk<'_>, _to: usize, message: Message) -> Option<Message> {
        let me = desk.core.node_id();
        edit(message, |body, bytes| {
            let is_own_reveal = body.by == me && matches!(body.what, Statement::Reveal { .. });
            if is_own_reveal {
                Vec::new()
            } else {
                vec![bytes]
            }
        })
    }
}
