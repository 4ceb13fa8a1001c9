//! A Primary that proposes only after somebody gave up waiting for it, without ever failing.
//!
//! What must hold: its seals count, but it does not lead for ever: tenure moves it to the end of the queue.

use super::{Actor, Desk, bodies, hide};
use crate::exchange::message::Message;
use crate::statement::record::{Signed, Statement};

#[derive(Default)]
pub(super) struct LateLeader {
    height: u64,
    held: Vec<(usize, Message)>,
}

impl LateLeader {
    /// The height of a proposal of its own core.
    fn own_height(desk: &Desk<'_>, message: &Message) -> Option<u64> {
        let Message::Proposal { record, .. } = message else {
            return None;
        };
        let signed = Signed::decode(record).ok()?;
        let body = &signed.record().body;
        match &body.what {
            Statement::SealProposal { seal, .. } if body.by == desk.core.node_id() => {
                Some(seal.height)
            }
            _ => None,
        }
    }
}

impl Actor for LateLeader {
    fn outgoing(&mut self, desk: &mut Desk<'_>, to: usize, message: Message) -> Option<Message> {
        let Some(height) = Self::own_height(desk, &message) else {
            return Some(message);
        };
        if height > self.height {
            self.height = height;
            self.held.clear();
        }
        self.held.push((to, message));
        None
    }

    fn incoming(&mut self, desk: &mut Desk<'_>, message: Message) -> Option<Message> {
        let gave_up = bodies(&message).iter().any(|body| {
            matches!(body.what, Statement::SealVote { height, seal: None, .. } if height == self.height)
        });
        if gave_up {
            desk.said.append(&mut self.held);
        }
        let me = desk.core.node_id();
        hide(message, me)
    }
}
