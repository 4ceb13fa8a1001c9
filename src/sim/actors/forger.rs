//! Reveals other ballots than it committed, and sends others' reveals with other ballots under their old signatures.
//!
//! What must hold: no node admits these reveals, and its own commits end as withheld.

use rand::RngExt as _;
use serde_bytes::ByteBuf;

use super::{Actor, Desk, edit};
use crate::base::digest::Salt;
use crate::exchange::message::Message;
use crate::statement::operation::Ballot;
use crate::statement::record::{Body, Record, Signed, Statement};

pub(super) struct Forger;

/// The same reveal with another ballot.
fn with_ballot(body: &Body, ballot: Ballot) -> Option<Statement> {
    match &body.what {
        Statement::Reveal {
            operation, salt, ..
        } => Some(Statement::Reveal {
            operation: *operation,
            ballot,
            salt: *salt,
        }),
        _ => None,
    }
}

/// A record of another author with its statement changed and its proof kept.
fn falsified(bytes: &[u8]) -> Option<ByteBuf> {
    let mut record: Record = Signed::decode(bytes).ok()?.record().clone();
    record.body.what = with_ballot(&record.body, Ballot::Result(b"forged".to_vec()))?;
    Some(ByteBuf::from(record.encode()))
}

impl Actor for Forger {
    fn outgoing(&mut self, desk: &mut Desk<'_>, _to: usize, message: Message) -> Option<Message> {
        let me = desk.core.node_id();
        edit(message, |body, bytes| {
            let Statement::Reveal { operation, .. } = &body.what else {
                return vec![bytes];
            };
            if body.by != me {
                let falsified = falsified(&bytes);
                return [falsified, Some(bytes)].into_iter().flatten().collect();
            }
            let other = with_ballot(body, Ballot::Result(b"forged".to_vec()));
            let random = Statement::Reveal {
                operation: *operation,
                ballot: Ballot::Approve,
                salt: Salt::from_bytes(desk.rng.random()),
            };
            other
                .into_iter()
                .chain([random])
                .map(|statement| ByteBuf::from(desk.sign(statement).encode()))
                .collect()
        })
    }
}
