//! The check of signatures ([R2], [R3]), which makes a [`Verified`] record of a [`Signed`] one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::{Signed, Statement, Verified, batch_message};
use crate::base::digest::{Digest, NetworkId, NodeId, SignatureBytes};
use crate::base::identity::PublicKey;
use crate::base::limits::VERIFIED_ROOTS_MAX;
use crate::base::merkle;
use crate::base::rejection::Rejection;
use crate::statement::operation::ConsensusOperation;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Checks records of one network's authors. Holds their decoded keys and the batch roots that verified before.
#[derive(Debug, Clone)]
pub struct Verifier {
    net: NetworkId,
    keys: BTreeMap<NodeId, PublicKey>,
    /// The digests of keys that are no author's yet. Such a key signs the `Succeed` by which it becomes one.
    successors: BTreeSet<Digest>,
    roots: VerifiedRoots,
}

impl Verifier {
    /// A verifier that knows no author yet.
    pub fn new(net: NetworkId) -> Self {
        Self {
            net,
            keys: BTreeMap::new(),
            successors: BTreeSet::new(),
            roots: VerifiedRoots::default(),
        }
    }

    /// Adds an author. Authors are never removed: the votes of an excluded elector must verify until its operations close.
    ///
    /// # Errors
    ///
    /// [`Rejection::WeakKey`] for keys of small order and for bytes that are no key.
    pub fn add_author(&mut self, node: NodeId) -> Result<(), Rejection> {
        let key = PublicKey::decode(&node).map_err(|_| Rejection::WeakKey(node))?;
        self.keys.insert(node, key);
        Ok(())
    }

    /// Lets the keys with these digests be authors too, and no others besides those that were added.
    pub fn set_successors(&mut self, successors: BTreeSet<Digest>) {
        self.successors = successors;
    }

    /// Adds the author if its key is one that may succeed. There are no more of them than members.
    fn learn_successor(&mut self, node: NodeId) -> Result<(), Rejection> {
        if !self.knows(&node) && self.successors.contains(&Digest::of_successor(&node)) {
            self.add_author(node)?;
        }
        Ok(())
    }

    /// Whether the author is known.
    pub fn knows(&self, node: &NodeId) -> bool {
        self.keys.contains_key(node)
    }

    /// Checks network, author, Merkle path and signature, in this order. Costs one signature check per batch and
    /// `log2(size)` hashes per record.
    ///
    /// # Errors
    ///
    /// [`Rejection::WrongNetwork`], [`Rejection::UnknownAuthor`] or [`Rejection::BadSignature`].
    pub fn verify(&mut self, signed: Signed) -> Result<Verified, Rejection> {
        let body = &signed.record.body;
        if body.net != self.net {
            return Err(Rejection::WrongNetwork(body.net));
        }
        let author = body.by;
        self.learn_successor(author)?;
        let key = self
            .keys
            .get(&author)
            .ok_or(Rejection::UnknownAuthor(author))?;
        let proof = &signed.record.proof;
        let leaf = merkle::leaf(signed.id.as_bytes());
        let root = merkle::root_of(leaf, proof.index, proof.size, &proof.path)
            .ok_or(Rejection::BadSignature(author))?;
        let batch = (root, proof.sig, author, proof.size);
        if !self.roots.contains(&batch) {
            if !key.verifies(&batch_message(self.net, root, proof.size), &proof.sig) {
                return Err(Rejection::BadSignature(author));
            }
            // No second record can come with the same batch of one.
            if proof.size > 1 {
                self.roots.insert(batch);
            }
        }
        // A candidate's consent is a signature too, and is checked with the record's.
        if let Statement::Propose {
            operation:
                ConsensusOperation::NodeAdmission {
                    candidate,
                    role,
                    consent,
                },
            ..
        } = &signed.record.body.what
        {
            consent.verify(self.net, *candidate, *role)?;
        }
        Ok(Verified(Arc::new(signed)))
    }

    /// Decodes and checks a record.
    ///
    /// # Errors
    ///
    /// Those of [`Signed::decode`] and [`Verifier::verify`].
    pub fn admit(&mut self, bytes: &[u8]) -> Result<Verified, Rejection> {
        self.verify(Signed::decode(bytes)?)
    }
}

/// A verified signature with everything it covers. The signature itself belongs to it: otherwise a known root with
/// another signature would pass, and a proof that convinces no other node would be stored and passed on.
type Batch = (Digest, SignatureBytes, NodeId, u32);

/// The last [`VERIFIED_ROOTS_MAX`] batches whose signature verified, oldest dropped first.
#[derive(Debug, Clone, Default)]
struct VerifiedRoots {
    known: BTreeSet<Batch>,
    order: VecDeque<Batch>,
}

impl VerifiedRoots {
    fn contains(&self, batch: &Batch) -> bool {
        self.known.contains(batch)
    }

    fn insert(&mut self, batch: Batch) {
        if self.known.insert(batch) {
            self.order.push_back(batch);
            if self.order.len() > VERIFIED_ROOTS_MAX
                && let Some(oldest) = self.order.pop_front()
            {
                self.known.remove(&oldest);
            }
        }
    }
}
