//! Waits for reveals of others and then commits and reveals the same, or sends their commitments as its own and their
//! openings after them.
//!
//! What must hold: its copies are never counted. A commit after the freeze is late, and a copied commitment does not
//! open, because it binds to its author.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt as _;

use super::{Actor, Desk, bodies, hide};
use crate::base::digest::{OperationId, Salt};
use crate::exchange::message::Message;
use crate::statement::commitment::commitment;
use crate::statement::operation::Ballot;
use crate::statement::record::Statement;

#[derive(Default)]
pub(super) struct LateCopier {
    copied: BTreeSet<OperationId>,
    revealed: BTreeMap<OperationId, Ballot>,
}

impl LateCopier {
    fn copy_reveal(
        &mut self,
        desk: &mut Desk<'_>,
        operation: OperationId,
        ballot: Ballot,
        salt: Salt,
    ) {
        if self.revealed.contains_key(&operation) {
            return;
        }
        self.revealed.insert(operation, ballot.clone());
        let mut salt = salt;
        if self.copied.insert(operation) {
            salt = Salt::from_bytes(desk.rng.random());
            let (net, me) = (desk.core.network_id(), desk.core.node_id());
            let commitment = commitment(net, operation, me, &ballot, &salt);
            let commit = desk.sign(Statement::Commit {
                operation,
                commitment,
            });
            desk.send_all(&commit);
        }
        let reveal = desk.sign(Statement::Reveal {
            operation,
            ballot,
            salt,
        });
        desk.send_all(&reveal);
    }
}

impl Actor for LateCopier {
    fn incoming(&mut self, desk: &mut Desk<'_>, message: Message) -> Option<Message> {
        let me = desk.core.node_id();
        for body in bodies(&message) {
            match body.what {
                Statement::Commit {
                    operation,
                    commitment,
                } if body.by != me
                    && !self.copied.contains(&operation)
                    && desk.rng.random_ratio(1, 10) =>
                {
                    self.copied.insert(operation);
                    let commit = desk.sign(Statement::Commit {
                        operation,
                        commitment,
                    });
                    desk.send_all(&commit);
                }
                Statement::Reveal {
                    operation,
                    ballot,
                    salt,
                } if body.by != me => self.copy_reveal(desk, operation, ballot, salt),
                _ => {}
            }
        }
        hide(message, me)
    }
}
