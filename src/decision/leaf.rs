//! What a decided operation leaves in the log of decided operations ([H3]): its question, its outcome, and who had revealed what.
//!
//! A leaf is made at the deciding seal and never changes. A later reveal counts for scores, not for the leaf.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use crate::base::codec;
use crate::base::digest::{Digest, OPERATION, OperationId};
use crate::base::merkle;
use crate::decision::bits::{Bits, places};
use crate::decision::open::{OpenOperation, Snapshot};
use crate::members::roster::Elector;
use crate::statement::operation::{Ballot, ClaimItem, ConsensusOperation, Outcome};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A decided operation in the log of decided operations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leaf {
    /// The operation.
    pub id: OperationId,
    /// Its kind ([`ConsensusOperation::kind`]).
    pub kind: String,
    /// Its subject: that of a claim or claim set as it was asked, of any other operation a line for people.
    pub subject: String,
    /// A claim's input, empty for a claim set; of any other operation the digest of its canonical form.
    pub input: ByteBuf,
    /// The seal that decided it.
    pub height: u64,
    /// The digest of its electors ([`Snapshot::electorate_digest`]).
    pub electors: Digest,
    /// What was decided.
    pub decided: LeafOutcome,
}

/// What an operation's leaf says of its outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum LeafOutcome {
    /// The outcome as a whole, and who had revealed what.
    Whole {
        /// The outcome.
        outcome: Outcome,
        /// The ballots that were revealed, in the order of their canonical forms.
        answers: Vec<LeafAnswer>,
    },
    /// The outcome of a claim set, item by item. A set without quorum is one without any result.
    Items {
        /// The number of items.
        count: u32,
        /// The root of the Merkle tree over the items' leaves, in the order of the set.
        root: Digest,
    },
}

/// A revealed ballot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LeafAnswer {
    /// The ballot.
    pub ballot: Ballot,
    /// Who revealed it: [`Bits`].
    pub by: ByteBuf,
}

/// An item of a decided claim set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemLeaf {
    /// The item's subject.
    pub subject: String,
    /// The item's input.
    pub input: ByteBuf,
    /// The result that was decided; `None` if none was.
    pub result: Option<ByteBuf>,
    /// The results that were revealed, in their order.
    pub answers: Vec<ItemAnswer>,
}

/// A revealed result of an item.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ItemAnswer {
    /// The result.
    pub result: ByteBuf,
    /// Who revealed it, as in [`LeafAnswer::by`].
    pub by: ByteBuf,
}

impl Leaf {
    /// The leaf's hash in the log.
    pub fn hash(&self) -> Digest {
        merkle::leaf(&codec::encode(self))
    }
}

impl ItemLeaf {
    /// The hash in the tree over the items of its set.
    pub fn hash(&self) -> Digest {
        merkle::leaf(&codec::encode(self))
    }
}

/// The tree over the items of a claim set.
pub fn items_tree(items: &[ItemLeaf]) -> merkle::Tree {
    merkle::Tree::new(items.iter().map(ItemLeaf::hash).collect())
}

/// The electors that had revealed when the outcome became final, by their places, with their ballots.
fn voices(operation: &OpenOperation) -> Vec<(usize, &Ballot)> {
    let revealed = operation.decision().map(|decision| &decision.revealed);
    let revealed = revealed.and_then(|by| places(by, operation.electorate().iter().count()));
    let mut revealed = revealed.unwrap_or_default().into_iter().peekable();
    let electors = operation.electorate().iter().enumerate();
    let voices = electors.filter_map(|(place, elector)| {
        revealed.next_if_eq(&place)?;
        let ballot = operation.ballot(&operation.voter(&elector.node))?;
        Some((place, ballot))
    });
    voices.collect()
}

/// A decided operation's leaf, and those of its items; `None` before the decision. The cost is that of the answers.
pub fn leaf_of(operation: &OpenOperation) -> Option<(Leaf, Vec<ItemLeaf>)> {
    let decision = operation.decision()?;
    let electors: Vec<Elector> = operation.electorate().iter().copied().collect();
    let voices = voices(operation);
    let content = operation.operation();
    let input = match content {
        ConsensusOperation::Claim { input, .. } => input.clone(),
        ConsensusOperation::ClaimSet { .. } => Vec::new(),
        _ => OPERATION.hash(&codec::encode(content)).to_vec(),
    };
    let (decided, items) = match (content, &decision.outcome) {
        (ConsensusOperation::ClaimSet { items, .. }, outcome) => {
            let none = vec![None; items.len()];
            let results = match outcome {
                Outcome::Decided(Ballot::Results(results)) => results,
                _ => &none,
            };
            let items = item_leaves(items, results, &voices, electors.len());
            let count = u32::try_from(items.len()).expect("a set has few items");
            let root = items_tree(&items).root();
            (LeafOutcome::Items { count, root }, items)
        }
        (_, outcome) => {
            let answers = answers(&voices, electors.len());
            let outcome = outcome.clone();
            (LeafOutcome::Whole { outcome, answers }, Vec::new())
        }
    };
    let leaf = Leaf {
        id: operation.id(),
        kind: content.kind().to_owned(),
        subject: content.subject(),
        input: ByteBuf::from(input),
        height: decision.height,
        electors: Snapshot::electorate_digest(&electors),
        decided,
    };
    Some((leaf, items))
}

fn answers(voices: &[(usize, &Ballot)], electors: usize) -> Vec<LeafAnswer> {
    let mut answers: BTreeMap<Vec<u8>, (&Ballot, Bits)> = BTreeMap::new();
    for (place, ballot) in voices {
        let none = || (*ballot, Bits::none(electors));
        let (_, by) = answers.entry(codec::encode(*ballot)).or_insert_with(none);
        by.set(*place);
    }
    let answers = answers.into_values().map(|(ballot, by)| LeafAnswer {
        ballot: ballot.clone(),
        by: by.into_bytes(),
    });
    answers.collect()
}

fn item_leaves(
    items: &[ClaimItem],
    results: &[Option<Vec<u8>>],
    voices: &[(usize, &Ballot)],
    electors: usize,
) -> Vec<ItemLeaf> {
    let mut answers: Vec<BTreeMap<&[u8], Bits>> = vec![BTreeMap::new(); items.len()];
    for (place, ballot) in voices {
        let Ballot::Results(given) = ballot else {
            continue;
        };
        for (answers, result) in answers.iter_mut().zip(given) {
            if let Some(result) = result {
                let by = answers.entry(result);
                by.or_insert_with(|| Bits::none(electors)).set(*place);
            }
        }
    }
    let items = items.iter().zip(results).zip(answers);
    let leaves = items.map(|((item, result), answers)| ItemLeaf {
        subject: item.subject.clone(),
        input: ByteBuf::from(item.input.clone()),
        result: result.clone().map(ByteBuf::from),
        answers: answers
            .into_iter()
            .map(|(result, by)| ItemAnswer {
                result: ByteBuf::from(result),
                by: by.into_bytes(),
            })
            .collect(),
    });
    leaves.collect()
}
