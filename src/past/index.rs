//! The index ([H3]): one seal and every leaf of its log of decided operations, to answer questions offline.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::base::codec;
use crate::base::digest::{Digest, NetworkId};
use crate::base::limits::INDEX_BYTES_MAX;
use crate::base::merkle::Frontier;
use crate::base::rejection::Rejection;
use crate::decision::leaf::{ItemLeaf, Leaf, LeafOutcome, items_tree};
use crate::decision::open::Snapshot;
use crate::members::roster::Elector;
use crate::past::chain::Chain;
use crate::statement::genesis::Genesis;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The version of [`Index`].
pub const INDEX_VERSION: u8 = 1;

/// Every decided operation up to a seal, or as many of them as somebody needs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Index {
    /// The version of this form: 1.
    pub v: u8,
    /// The network.
    pub net: NetworkId,
    /// The way from the genesis to the seal.
    pub chain: Chain,
    /// The log of decided operations, from its beginning.
    pub log: Vec<Indexed>,
    /// The electors of all operations that are shown, each electorate once, in the order of their keys.
    pub electorates: Vec<Vec<Elector>>,
}

/// An operation in an [`Index`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Indexed {
    /// One that is left out: the hash of its leaf.
    Hidden(Digest),
    /// One that is shown, with the items if it is a claim set.
    Shown(Leaf, Vec<ItemLeaf>),
}

/// An operation that a verified [`Index`] shows.
#[derive(Debug, Clone, Copy)]
pub struct ShownOperation<'a> {
    /// Its leaf.
    pub leaf: &'a Leaf,
    /// The items of a claim set.
    pub items: &'a [ItemLeaf],
    /// Its electors, in the order of their keys.
    pub electors: &'a [Elector],
}

fn bad(reason: &'static str) -> Rejection {
    Rejection::BadCertificate(reason)
}

impl Index {
    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads an index from its canonical bytes, without verifying it ([`Index::verify`]).
    ///
    /// # Errors
    ///
    /// [`Rejection::OverLimit`] or [`Rejection::NonCanonical`].
    pub fn decode(bytes: &[u8]) -> Result<Self, Rejection> {
        Ok(codec::decode(bytes, INDEX_BYTES_MAX)?)
    }

    /// Verifies the index, given only the genesis, and gives the operations that it shows, in the order of their decision. The cost is that of
    /// [`Chain::verify`], and some two hashes for each operation and item.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadCertificate`] with the failing step, or the verifier's rejection of a vote.
    pub fn verify(&self, genesis: &Genesis) -> Result<Vec<ShownOperation<'_>>, Rejection> {
        if self.v != INDEX_VERSION {
            return Err(bad("a version other than 1"));
        }
        self.chain.verify(self.net, genesis)?;
        let mut log = Frontier::default();
        for indexed in &self.log {
            log.push(match indexed {
                Indexed::Hidden(hash) => *hash,
                Indexed::Shown(leaf, _) => leaf.hash(),
            });
        }
        let parts = &self.chain.parts;
        if (log.size, log.root()) != (parts.decisions, parts.decided) {
            return Err(bad("the operations are not those that were decided"));
        }
        let electorates = self.electorates.iter();
        let electorates: BTreeMap<Digest, &[Elector]> = electorates
            .map(|electors| (Snapshot::electorate_digest(electors), &electors[..]))
            .collect();
        let mut shown = Vec::new();
        for indexed in &self.log {
            let Indexed::Shown(leaf, items) = indexed else {
                continue;
            };
            let is_whole = match &leaf.decided {
                LeafOutcome::Whole { .. } => items.is_empty(),
                LeafOutcome::Items { count, root } => {
                    items.len() == *count as usize && items_tree(items).root() == *root
                }
            };
            if !is_whole {
                return Err(bad("the items are not those of the set"));
            }
            let electors = electorates.get(&leaf.electors);
            let electors = *electors.ok_or(bad("the electors of an operation are missing"))?;
            shown.push(ShownOperation {
                leaf,
                items,
                electors,
            });
        }
        Ok(shown)
    }
}
