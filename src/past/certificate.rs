//! Certificates of operations and of items of claim sets ([H3]): proof of an outcome for someone who holds only the genesis.
//!
//! A certificate is the way from the genesis to a seal ([`Chain`]), and a path of hashes from that seal's state to what the operation
//! left in the log of decided operations ([`Leaf`]). The seal need not be the one that decided: any later one has the same leaf.

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::base::codec;
use crate::base::digest::{Digest, NetworkId, NodeId, OperationId, SealId};
use crate::base::limits::CERTIFICATE_BYTES_MAX;
use crate::base::merkle;
use crate::base::rejection::Rejection;
use crate::decision::bits::places;
use crate::decision::leaf::{ItemLeaf, Leaf, LeafOutcome, items_tree};
use crate::decision::open::Snapshot;
use crate::members::roster::Elector;
use crate::past::chain::Chain;
use crate::statement::genesis::Genesis;
use crate::statement::operation::{Ballot, Outcome};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The version of [`Certificate`].
pub const CERTIFICATE_VERSION: u8 = 3;

/// Proof of an operation's outcome, or of that of one item of a claim set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// The version of this form: 3.
    pub v: u8,
    /// The network.
    pub net: NetworkId,
    /// The way from the genesis to a seal after the decision.
    pub chain: Chain,
    /// The operation's place in the log of decided operations.
    pub index: u64,
    /// Its path in that log.
    pub path: Vec<Digest>,
    /// Its leaf.
    pub leaf: Leaf,
    /// The electors in the order of their keys.
    pub electors: Vec<Elector>,
    /// The items of a claim set that are shown.
    pub items: ShownItems,
}

/// The items that a certificate shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ShownItems {
    /// None: the outcome is not decided item by item.
    None,
    /// All items of the set, in its order.
    All(Vec<ItemLeaf>),
    /// One item.
    One {
        /// Its place in the set.
        index: u32,
        /// Its path in the tree over the items.
        path: Vec<Digest>,
        /// Its leaf.
        leaf: ItemLeaf,
    },
}

/// The facts that a certificate proves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Proved {
    /// The operation.
    pub operation: OperationId,
    /// Its kind.
    pub kind: String,
    /// Its subject.
    pub subject: String,
    /// A claim's input; of an operation that is no claim the digest of its canonical form.
    pub input: ByteBuf,
    /// Its outcome; `None` if only one item of a claim set is shown.
    pub outcome: Option<Outcome>,
    /// The ballots that were revealed before it was final, and by whom. Of a claim set, [`Proved::items`] say it.
    pub answers: Vec<(Ballot, Vec<NodeId>)>,
    /// The items of a claim set that are shown.
    pub items: Vec<ProvedItem>,
    /// Everybody who might vote, with weights.
    pub electors: Vec<Elector>,
    /// The height that made it final.
    pub decided_height: u64,
    /// The height of the seal that the certificate leads to.
    pub height: u64,
    /// That seal.
    pub seal: SealId,
}

/// A decided item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProvedItem {
    /// Its subject.
    pub subject: String,
    /// Its input.
    pub input: ByteBuf,
    /// The result that was decided; `None` if none was.
    pub result: Option<ByteBuf>,
    /// The results that were revealed before it was final, and by whom.
    pub answers: Vec<(ByteBuf, Vec<NodeId>)>,
}

fn bad(reason: &'static str) -> Rejection {
    Rejection::BadCertificate(reason)
}

/// The electors whose bits are set.
fn voters(by: &[u8], electors: &[Elector]) -> Result<Vec<NodeId>, Rejection> {
    let places = places(by, electors.len());
    let places = places.ok_or(bad("an answer is by somebody who is no elector"))?;
    Ok(places.into_iter().map(|at| electors[at].node).collect())
}

impl ProvedItem {
    /// What an item's leaf says; `electors` are those of its set.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadCertificate`] if an answer is by somebody else.
    pub fn of(leaf: &ItemLeaf, electors: &[Elector]) -> Result<Self, Rejection> {
        let answers = leaf.answers.iter();
        let answers = answers.map(|answer| {
            let by = voters(&answer.by, electors)?;
            Ok((answer.result.clone(), by))
        });
        Ok(Self {
            subject: leaf.subject.clone(),
            input: leaf.input.clone(),
            result: leaf.result.clone(),
            answers: answers.collect::<Result<_, Rejection>>()?,
        })
    }
}

impl Certificate {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a certificate from its canonical bytes, without verifying it ([`Certificate::verify`]).
    ///
    /// # Errors
    ///
    /// [`Rejection::OverLimit`] or [`Rejection::NonCanonical`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Rejection> {
        Ok(codec::decode(bytes, CERTIFICATE_BYTES_MAX)?)
    }

    /// Verifies the certificate, given only the genesis. The cost is that of [`Chain::verify`], and a hash for each item and for each step of
    /// the paths.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadCertificate`] with the failing step, or the verifier's rejection of a vote.
    pub fn verify(&self, genesis: &Genesis) -> Result<Proved, Rejection> {
        if self.v != CERTIFICATE_VERSION {
            return Err(bad("a version other than 3"));
        }
        self.chain.verify(self.net, genesis)?;
        let (leaf, parts) = (&self.leaf, &self.chain.parts);
        let root = merkle::root_of(leaf.hash(), self.index, parts.decisions, &self.path);
        if root != Some(parts.decided) {
            return Err(bad("the operation is not in the log of decided operations"));
        }
        let electors = &self.electors;
        if Snapshot::electorate_digest(electors) != leaf.electors {
            return Err(bad("the electors are not the sealed ones"));
        }
        let (items, mut outcome) = (self.proved_items()?, None);
        let mut answers = Vec::new();
        match (&leaf.decided, &self.items) {
            (
                LeafOutcome::Whole {
                    outcome: whole,
                    answers: given,
                },
                _,
            ) => {
                outcome = Some(whole.clone());
                for answer in given {
                    let by = voters(&answer.by, electors)?;
                    answers.push((answer.ballot.clone(), by));
                }
            }
            (LeafOutcome::Items { .. }, ShownItems::All(all)) => {
                let results = all.iter().map(|item| item.result.clone());
                let results = results.map(|result| result.map(ByteBuf::into_vec));
                let results: Vec<Option<Vec<u8>>> = results.collect();
                // A set of which no item is decided has no quorum.
                outcome = Some(if results.iter().any(Option::is_some) {
                    Outcome::Decided(Ballot::Results(results))
                } else {
                    Outcome::NoQuorum
                });
            }
            (LeafOutcome::Items { .. }, _) => {}
        }
        Ok(Proved {
            operation: leaf.id,
            kind: leaf.kind.clone(),
            subject: leaf.subject.clone(),
            input: leaf.input.clone(),
            outcome,
            answers,
            items,
            electors: electors.clone(),
            decided_height: leaf.height,
            height: self.chain.head.height,
            seal: self.chain.head.id(),
        })
    }

    /// The shown items, which must be in the tree that the leaf states.
    fn proved_items(&self) -> Result<Vec<ProvedItem>, Rejection> {
        let not_of_set = bad("an item is not one of the set");
        match (&self.leaf.decided, &self.items) {
            (LeafOutcome::Whole { .. }, ShownItems::None) => Ok(Vec::new()),
            (LeafOutcome::Items { count, root }, ShownItems::All(all)) => {
                if all.len() != *count as usize || items_tree(all).root() != *root {
                    return Err(not_of_set);
                }
                let items = all.iter();
                items.map(|it| ProvedItem::of(it, &self.electors)).collect()
            }
            (LeafOutcome::Items { count, root }, ShownItems::One { index, path, leaf }) => {
                let found = merkle::root_of(leaf.hash(), (*index).into(), (*count).into(), path);
                if found != Some(*root) {
                    return Err(not_of_set);
                }
                Ok(vec![ProvedItem::of(leaf, &self.electors)?])
            }
            _ => Err(bad("it shows items where there are none, or none of them")),
        }
    }
}
