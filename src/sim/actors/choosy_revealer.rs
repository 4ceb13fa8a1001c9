//! Reveals only after somebody else has revealed the same, and otherwise lets its commit lapse.
//!
//! What must hold: everything closes without it, and withholding costs it more than being wrong.

use std::collections::BTreeSet;

use super::{Actor, Desk, bodies, edit, hide};
use crate::base::digest::OperationId;
use crate::exchange::message::Message;
use crate::statement::operation::Ballot;
use crate::statement::record::Statement;

#[derive(Default)]
pub(super) struct ChoosyRevealer {
    heard: BTreeSet<(OperationId, Ballot)>,
}

impl Actor for ChoosyRevealer {
    fn outgoing(&mut self, desk: &mut Desk<'_>, _to: usize, message: Message) -> Option<Message> {
        let me = desk.core.node_id();
        edit(message, |body, bytes| match &body.what {
            Statement::Reveal {
                operation, ballot, ..
            } if body.by == me && !self.heard.contains(&(*operation, ballot.clone())) => Vec::new(),
            _ => vec![bytes],
        })
    }

    fn incoming(&mut self, desk: &mut Desk<'_>, message: Message) -> Option<Message> {
        let me = desk.core.node_id();
        for body in bodies(&message) {
            if let Statement::Reveal {
                operation, ballot, ..
            } = body.what
                && body.by != me
            {
                self.heard.insert((operation, ballot));
            }
        }
        hide(message, me)
    }
}
