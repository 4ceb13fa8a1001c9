//! Commits differently to different peers.
//!
//! What must hold: its commit counts at most once, the two commits prove equivocation, and it is banned when both are sealed.

use std::collections::BTreeMap;

use rand::RngExt as _;
use serde_bytes::ByteBuf;

use super::{Actor, Desk, edit};
use crate::base::digest::{OperationId, Salt};
use crate::exchange::message::Message;
use crate::statement::commitment::commitment;
use crate::statement::operation::Ballot;
use crate::statement::record::{Statement, Verified};

#[derive(Default)]
pub(super) struct EquivocatingCommitter {
    others: BTreeMap<OperationId, Verified>,
}

impl EquivocatingCommitter {
    fn other(&mut self, desk: &mut Desk<'_>, operation: OperationId) -> Verified {
        if let Some(other) = self.others.get(&operation) {
            return other.clone();
        }
        let (net, me) = (desk.core.network_id(), desk.core.node_id());
        let salt = Salt::from_bytes(desk.rng.random());
        let commitment = commitment(net, operation, me, &Ballot::Reject, &salt);
        let other = desk.sign(Statement::Commit {
            operation,
            commitment,
        });
        self.others.insert(operation, other.clone());
        other
    }
}

impl Actor for EquivocatingCommitter {
    fn outgoing(&mut self, desk: &mut Desk<'_>, to: usize, message: Message) -> Option<Message> {
        let me = desk.core.node_id();
        edit(message, |body, bytes| match &body.what {
            Statement::Commit { operation, .. } if body.by == me => {
                let other = ByteBuf::from(self.other(desk, *operation).encode());
                match to % 3 {
                    0 => vec![bytes],
                    1 => vec![other],
                    _ => vec![bytes, other],
                }
            }
            _ => vec![bytes],
        })
    }
}
