//! Keys that follow one another ([K2], [K3]): this node takes the place of a member's former key, and reveals what that had committed to.

use std::sync::Arc;

use super::{Answer, Core, Refusal};
use crate::base::digest::{Digest, NetworkId, NodeId, Salt};
use crate::base::identity::Signer;
use crate::decision::open::{OpenOperation, Phase};
use crate::statement::commitment::{commitment, salt};
use crate::statement::operation::Ballot;
use crate::statement::record::{SignError, Statement, Verified, sign};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Signs with a member's next key that it replaces the present one, `old` ([K2]), for a node that still runs with that:
/// [`Input::Import`](super::Input::Import) takes it, and the old key goes on sealing until a seal lists it. `next` is the digest of
/// the key that may follow in turn ([`Digest::of_successor`]).
///
/// # Errors
///
/// [`SignError::Signer`] if the key fails.
pub fn sign_succession(
    signer: &dyn Signer,
    network: NetworkId,
    old: NodeId,
    next: Option<Digest>,
) -> Result<Verified, SignError> {
    sign(signer, network, Statement::Succeed { old, next })
}

impl Core {
    /// Gives this node the keys that its key replaced. They sign nothing but the reveals of their frozen commits, for which
    /// their member answers.
    pub fn hold_former(&mut self, former: Vec<Arc<dyn Signer>>) {
        self.former = former;
        self.keep_promises();
    }

    /// Signs the `Succeed` by which this node's key replaces that of the member which names it as successor.
    pub(super) fn succeed(&mut self, next: Option<Digest>) -> Result<Answer, Refusal> {
        let roster = self.ledger.state().roster();
        let old = roster.succeeds(&self.me).ok_or(Refusal::NoSuccessor)?;
        self.sign_unless_refused(Statement::Succeed { old, next })?;
        Ok(Answer::Done)
    }

    /// Reveals the frozen commits of former keys.
    pub(super) fn reveal_as_former<'a>(
        &mut self,
        operations: impl Iterator<Item = &'a OpenOperation>,
    ) {
        if self.former.is_empty() || self.left_for().is_some() {
            return;
        }
        let reveals: Vec<Verified> = operations
            .flat_map(|operation| self.former_reveals(operation))
            .collect();
        for reveal in reveals {
            // There is no slot to guard: only one body opens a commit.
            let _ = self.admit(None, reveal);
        }
    }

    fn former_reveals(&self, operation: &OpenOperation) -> Vec<Verified> {
        if !matches!(operation.phase(), Phase::Revealing(_)) {
            return Vec::new();
        }
        let signers = self.former.iter();
        signers
            .filter_map(|it| self.former_reveal(operation, it.as_ref()))
            .collect()
    }

    fn former_reveal(&self, operation: &OpenOperation, signer: &dyn Signer) -> Option<Verified> {
        let (id, key) = (operation.id(), signer.node_id());
        let commit = operation.frozen()?.commits.get(&key)?;
        if operation.reveals().contains_key(&key) || self.has_pooled_reveal(&id, &key) {
            return None;
        }
        let (ballot, salt) = match self.journal.former_opening(&commit.id()) {
            Some(opening) => opening.clone(),
            None => self.find_opening(operation, commit, signer)?,
        };
        let statement = Statement::Reveal {
            operation: id,
            ballot,
            salt,
        };
        sign(signer, self.net, statement).ok()
    }

    /// Ballot and salt of a commit without a journal: the salt follows from the key, and the ballot is one of three, or one
    /// that others revealed.
    pub(super) fn find_opening(
        &self,
        operation: &OpenOperation,
        commit: &Verified,
        signer: &dyn Signer,
    ) -> Option<(Ballot, Salt)> {
        let Statement::Commit {
            commitment: committed,
            ..
        } = commit.statement()
        else {
            return None;
        };
        let (id, key) = (operation.id(), signer.node_id());
        let salt = salt(signer, self.net, id).ok()?;
        let revealed = operation
            .reveals()
            .keys()
            .filter_map(|node| operation.ballot(node).cloned());
        [Ballot::Approve, Ballot::Reject, Ballot::Abstain]
            .into_iter()
            .chain(revealed)
            .find(|ballot| commitment(self.net, id, key, ballot, &salt) == *committed)
            .map(|ballot| (ballot, salt))
    }
}
