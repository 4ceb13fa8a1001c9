//! Who gave which result for what, as far as it is revealed.

use mycnet_builds::book::{Index, Place};
use mycnet_consensus::node::Node;
use mycnet_consensus::{
    BFTConsensusEngine, Ballot, ClaimItem, ConsensusOperation, Digest, NodeId, OperationId,
    Statement,
};
use serde::{Deserialize, Serialize};

use super::keeper::Keeper;
use crate::failure::Failure;

/// The latest sets that are looked at for one question: whoever asks again and again makes no question slow.
const PLACES_MAX: usize = 32;

/// Bits of a build's number that say which of the sets of one height it is.
const RANK_BITS: u32 = 16;

/// Which items of sets are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum About {
    /// Those with one of these subjects.
    Subjects(Vec<String>),
    /// Those of which somebody revealed this result.
    Result(Digest),
    /// The one with these numbers.
    Build { build: u64, artifact: u64 },
}

/// An item of a set, and what was revealed about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Said {
    pub(crate) operation: OperationId,
    /// The set, and the item in it, as numbers: the same on every node of the network.
    pub(crate) build: u64,
    pub(crate) artifact: u64,
    pub(crate) item: ClaimItem,
    /// Results that are a SHA-256, by the keys of then.
    pub(crate) given: Vec<(NodeId, Digest)>,
}

/// What was revealed about the items that are meant.
pub(super) fn said(keeper: &Keeper, node: &Node, about: &About) -> Result<Vec<Said>, Failure> {
    let index = keeper.index(node)?;
    let places = places(&index, about).map_err(|error| keeper.failure(&error))?;
    let mut all = Vec::new();
    for place in places {
        let sets = index.sets(place.height..=place.height);
        let sets = sets.map_err(|error| keeper.failure(&error))?;
        let rank = sets.iter().position(|it| it.operation == place.operation);
        let rank = u64::try_from(rank.unwrap_or_default()).unwrap_or_default();
        let said = of_place(node.engine(), place, rank)?;
        all.extend(said.filter(|said| said.is_about(about)));
    }
    Ok(all)
}

fn places(index: &Index, about: &About) -> Result<Vec<Place>, mycnet_builds::book::BookError> {
    match about {
        About::Subjects(subjects) => {
            let mut places = Vec::new();
            for subject in subjects {
                places.extend(index.asked(subject, PLACES_MAX)?);
            }
            Ok(places)
        }
        About::Result(result) => index.given(result.as_bytes(), PLACES_MAX),
        About::Build { build, artifact } => {
            let (height, rank) = (build >> RANK_BITS, build & ((1 << RANK_BITS) - 1));
            let sets = index.sets(height..=height)?;
            let set = usize::try_from(rank).ok().and_then(|rank| sets.get(rank));
            let item = usize::try_from(*artifact).ok();
            Ok(set
                .zip(item)
                .map(|(set, item)| Place {
                    operation: set.operation,
                    height: set.height,
                    item,
                })
                .into_iter()
                .collect())
        }
    }
}

/// What was revealed about one item; `None` if the set has none there.
fn of_place(engine: &BFTConsensusEngine, place: Place, rank: u64) -> Result<Option<Said>, Failure> {
    let operation = place.operation;
    let (mut set, mut given) = (None, Vec::new());
    for record in engine.records_about(&operation)? {
        match record.statement() {
            Statement::Propose {
                operation: ConsensusOperation::ClaimSet { items, .. },
                ..
            } => {
                let item = items.get(place.item).cloned();
                set = item.map(|item| (item, items.len()));
            }
            Statement::Reveal {
                ballot: Ballot::Results(results),
                ..
            } => given.push((record.author(), results.clone())),
            _ => {}
        }
    }
    let Some((item, count)) = set else {
        return Ok(None);
    };
    // A ballot of another length counts as an abstention.
    given.retain(|(_, results)| results.len() == count);
    let given = given.into_iter().filter_map(|(by, mut results)| {
        let result: [u8; 32] = results.swap_remove(place.item)?.try_into().ok()?;
        Some((by, Digest::from_bytes(result)))
    });
    let mut given: Vec<_> = given.collect();
    given.sort_unstable();
    given.dedup();
    Ok(Some(Said {
        operation,
        build: place.height << RANK_BITS | rank,
        artifact: u64::try_from(place.item).unwrap_or(u64::MAX),
        item,
        given,
    }))
}

impl Said {
    /// Whether it is what was meant: the index has only short hashes.
    fn is_about(&self, about: &About) -> bool {
        match about {
            About::Subjects(subjects) => subjects.contains(&self.item.subject),
            About::Result(result) => self.given.iter().any(|(_, given)| given == result),
            About::Build { .. } => true,
        }
    }
}
