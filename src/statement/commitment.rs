//! Commitments ([R6]): how an elector binds itself to a ballot without showing it.
//!
//! A commitment contains its author, so one copied from another author never opens. The salt is derived from the
//! author's signature over the operation: the key alone is enough to reveal, and there is no salt to lose.

use crate::base::codec;
use crate::base::digest::{
    COMMITMENT, Commitment, NetworkId, NodeId, OperationId, SALT, Salt, signing,
};
use crate::base::identity::{Signer, SignerError};
use crate::statement::operation::Ballot;
use crate::statement::record::{SignError, Statement, Verified, sign_batch};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The commitment of `author` to `ballot` on `operation`.
pub fn commitment(
    net: NetworkId,
    operation: OperationId,
    author: NodeId,
    ballot: &Ballot,
    salt: &Salt,
) -> Commitment {
    Commitment::from_bytes(COMMITMENT.hash_parts(&[
        net.as_bytes(),
        operation.as_bytes(),
        author.as_bytes(),
        &codec::encode(ballot),
        salt.as_bytes(),
    ]))
}

/// The salt of the signer's commitment on `operation`: the same each time for a deterministic signer.
///
/// # Errors
///
/// [`SignerError`] if the key cannot be used.
pub fn salt(
    signer: &dyn Signer,
    net: NetworkId,
    operation: OperationId,
) -> Result<Salt, SignerError> {
    let message = [signing::SALT, net.as_bytes(), operation.as_bytes()].concat();
    let signature = signer.sign(&message)?;
    Ok(Salt::from_bytes(SALT.hash(signature.as_bytes())))
}

/// The two statements of a vote: the commit, and the reveal that opens it.
///
/// # Errors
///
/// [`SignerError`] if the key cannot be used.
pub fn vote(
    signer: &dyn Signer,
    net: NetworkId,
    operation: OperationId,
    ballot: Ballot,
) -> Result<[Statement; 2], SignerError> {
    let salt = salt(signer, net, operation)?;
    let commitment = commitment(net, operation, signer.node_id(), &ballot, &salt);
    let commit = Statement::Commit {
        operation,
        commitment,
    };
    let reveal = Statement::Reveal {
        operation,
        ballot,
        salt,
    };
    Ok([commit, reveal])
}

/// Signs the votes of a member that runs no node: its commits with one signature and its reveals with another, as canonical
/// bytes for an import. The reveals are refused until a seal has frozen the commits.
///
/// # Errors
///
/// [`SignError`] if the key cannot be used, or a ballot exceeds a limit.
pub fn sign_votes(
    signer: &dyn Signer,
    net: NetworkId,
    votes: impl IntoIterator<Item = (OperationId, Ballot)>,
) -> Result<[Vec<Vec<u8>>; 2], SignError> {
    let (mut commits, mut reveals) = (Vec::new(), Vec::new());
    for (operation, ballot) in votes {
        let [commit, reveal] = vote(signer, net, operation, ballot)?;
        commits.push(commit);
        reveals.push(reveal);
    }
    let encoded = |records: Vec<Verified>| records.iter().map(Verified::encode).collect();
    Ok([
        encoded(sign_batch(signer, net, commits)?),
        encoded(sign_batch(signer, net, reveals)?),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::identity::Identity;

    #[test]
    fn a_commitment_binds_every_part() {
        let (ada, bob) = (
            Identity::from_seed_label("ada"),
            Identity::from_seed_label("bob"),
        );
        let net = NetworkId::from_bytes([1; 32]);
        let operation = OperationId::from_bytes([2; 32]);
        let salt_a = salt(&ada, net, operation).unwrap();
        assert_eq!(salt(&ada, net, operation), Ok(salt_a));
        assert_ne!(salt(&bob, net, operation), Ok(salt_a));
        let made = commitment(net, operation, ada.node_id(), &Ballot::Approve, &salt_a);
        let others = [
            commitment(
                NetworkId::default(),
                operation,
                ada.node_id(),
                &Ballot::Approve,
                &salt_a,
            ),
            commitment(
                net,
                OperationId::default(),
                ada.node_id(),
                &Ballot::Approve,
                &salt_a,
            ),
            commitment(net, operation, bob.node_id(), &Ballot::Approve, &salt_a),
            commitment(net, operation, ada.node_id(), &Ballot::Reject, &salt_a),
            commitment(
                net,
                operation,
                ada.node_id(),
                &Ballot::Approve,
                &Salt::default(),
            ),
        ];
        assert!(!others.contains(&made));
    }
}
