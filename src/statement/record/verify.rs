//! The check of signatures ([R2], [R3]), which makes a [`Verified`] record of a [`Signed`] one.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use super::{Signed, Statement, Verified, batch_message};
use crate::base::digest::{Digest, NetworkId, NodeId, SignatureBytes};
use crate::base::identity::{Check, PublicKey, Tables, verdicts};
use crate::base::limits::{CHECKED_TOGETHER_MAX, VERIFIED_ROOTS_MAX};
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
    tables: Tables,
    roots: VerifiedRoots,
    /// Batches that were checked ahead, and are good.
    ahead: BTreeSet<Batch>,
}

impl Verifier {
    /// A verifier that knows no author yet.
    pub fn new(net: NetworkId) -> Self {
        Self {
            net,
            keys: BTreeMap::new(),
            successors: BTreeSet::new(),
            tables: Tables::default(),
            roots: VerifiedRoots::default(),
            ahead: BTreeSet::new(),
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

    /// Says who seals: these keys sign most, and may have tables that make their checks cheaper.
    pub fn set_sealers(&mut self, sealers: impl IntoIterator<Item = NodeId>) {
        self.tables.set_sealers(sealers);
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
        let mut verified = self.verify_all(vec![signed]);
        verified.pop().expect("one record gives one result")
    }

    /// Checks records as [`Self::verify`] does one after the other, with the same results, but their signatures together, which
    /// costs less. All signatures are checked, however many are bad: the caller bounds the number of records.
    pub fn verify_all(&mut self, records: Vec<Signed>) -> Vec<Result<Verified, Rejection>> {
        let batches = records.iter().map(|signed| self.batch_of(signed));
        let batches: Vec<Result<Batch, Rejection>> = batches.collect();
        let bad = self.bad_ones(batches.iter().flatten().copied().collect());
        let pairs = records.into_iter().zip(batches);
        pairs
            .map(|(signed, batch)| {
                let batch = batch?;
                if bad.binary_search(&batch).is_ok() {
                    return Err(Rejection::BadSignature(batch.author));
                }
                self.check_consent(&signed)?;
                Ok(Verified(Arc::new(signed)))
            })
            .collect()
    }

    /// Checks records that are of use only together, such as those of a block.
    ///
    /// # Errors
    ///
    /// As [`Self::verify`], for the first record that is refused. Not many more are checked then.
    pub fn verify_until_bad(&mut self, records: Vec<Signed>) -> Result<Vec<Verified>, Rejection> {
        let mut verified = Vec::with_capacity(records.len());
        let mut records = records.into_iter();
        loop {
            let some: Vec<Signed> = records.by_ref().take(CHECKED_TOGETHER_MAX).collect();
            if some.is_empty() {
                return Ok(verified);
            }
            for record in self.verify_all(some) {
                verified.push(record?);
            }
        }
    }

    /// Checks together the signatures of sealers with tables, so that records which are verified one by one later find them
    /// checked. Only good ones are remembered, and only until the next call: no result depends on it. The caller bounds the
    /// number of records.
    pub fn check_ahead(&mut self, records: &[Signed]) {
        self.ahead.clear();
        let batches = records.iter().filter_map(|signed| {
            let author = signed.record.body.by;
            self.tables
                .has(&author)
                .then(|| self.batch_of(signed).ok())?
        });
        let batches: Vec<Batch> = batches.collect();
        // Alone, a signature costs the same when its turn comes.
        if batches.len() > 1 {
            let bad = self.bad_ones(batches.clone());
            let is_good = |batch: &Batch| bad.binary_search(batch).is_err();
            self.ahead.extend(batches.into_iter().filter(is_good));
        }
    }

    /// The batch that a record states to be of, if it is of this network and its author is known.
    fn batch_of(&mut self, signed: &Signed) -> Result<Batch, Rejection> {
        let body = &signed.record.body;
        if body.net != self.net {
            return Err(Rejection::WrongNetwork(body.net));
        }
        let author = body.by;
        self.learn_successor(author)?;
        if !self.knows(&author) {
            return Err(Rejection::UnknownAuthor(author));
        }
        let proof = &signed.record.proof;
        let leaf = merkle::leaf(signed.id.as_bytes());
        let root = merkle::root_of(leaf, proof.index.into(), proof.size.into(), &proof.path)
            .ok_or(Rejection::BadSignature(author))?;
        Ok(Batch {
            root,
            sig: proof.sig,
            author,
            size: proof.size,
        })
    }

    /// Checks the signatures of those batches that were not checked before, each once. Returns the bad ones, sorted, and
    /// remembers the good ones.
    fn bad_ones(&mut self, mut batches: Vec<Batch>) -> Vec<Batch> {
        batches.retain(|batch| !self.roots.contains(batch) && !self.ahead.contains(batch));
        batches.sort_unstable();
        batches.dedup();
        let checks = batches.iter().map(|batch| {
            let key = self.keys.get(&batch.author);
            let key = key.expect("a batch is of a known author: see `batch_of`");
            let message = batch_message(self.net, batch.root, batch.size);
            let author = (&batch.author, key);
            Check::new(author, &mut self.tables, message, batch.sig)
        });
        let verdicts = verdicts(&checks.collect::<Vec<_>>());
        let mut verdicts = verdicts.into_iter();
        batches.retain(|batch| {
            let is_good = verdicts.next() == Some(true);
            // No second record can come with the same batch of one.
            if is_good && batch.size > 1 {
                self.roots.insert(*batch);
            }
            !is_good
        });
        batches
    }

    /// A candidate's consent is a signature too, and is checked with the record's.
    fn check_consent(&self, signed: &Signed) -> Result<(), Rejection> {
        let Statement::Propose {
            operation:
                ConsensusOperation::NodeAdmission {
                    candidate,
                    role,
                    consent,
                },
            ..
        } = &signed.record.body.what
        else {
            return Ok(());
        };
        consent.verify(self.net, *candidate, *role)
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

/// A signature with everything it covers. The signature itself belongs to it: otherwise a known root with another signature
/// would pass, and a proof that convinces no other node would be stored and passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Batch {
    root: Digest,
    sig: SignatureBytes,
    author: NodeId,
    size: u32,
}

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

#[cfg(test)]
mod tests;
