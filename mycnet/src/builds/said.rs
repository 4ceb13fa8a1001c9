//! Who gave which result for what, as the leaves of decided sets say.

use mycnet_builds::book::{Index, Place};
use mycnet_builds::{EVIDENCE_MAX, Evidence};
use mycnet_consensus::node::Node;
use mycnet_consensus::{ClaimItem, Digest, NodeId, OperationId};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::find::Finder;
use super::keeper::Keeper;
use crate::failure::Failure;

/// Bits of a build's number that say which of the sets of one height it is.
const RANK_BITS: u32 = 16;

/// Which items of sets are meant.
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, JsonSchema, Serialize, Deserialize)]
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
    let mut finder = Finder::new(node, &index);
    let mut all = Vec::new();
    for place in places {
        let sets = index.sets(place.height..=place.height);
        let sets = sets.map_err(|error| keeper.failure(&error))?;
        let rank = sets.iter().position(|it| it.operation == place.operation);
        let rank = u64::try_from(rank.unwrap_or_default()).unwrap_or_default();
        let build = place.height << RANK_BITS | rank;
        let said = finder.at(&place)?.and_then(|it| said_of(it, build));
        all.extend(said.filter(|said| said.is_about(about)));
    }
    Ok(all)
}

fn places(index: &Index, about: &About) -> Result<Vec<Place>, mycnet_builds::book::BookError> {
    match about {
        About::Subjects(subjects) => {
            let mut places = Vec::new();
            for subject in subjects {
                places.extend(index.asked(subject, EVIDENCE_MAX)?);
            }
            Ok(places)
        }
        About::Result(result) => index.given(result.as_bytes(), EVIDENCE_MAX),
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

/// What was revealed about an item before it was decided.
fn said_of(evidence: Evidence, build: u64) -> Option<Said> {
    let answers = evidence.decided.map(|decided| decided.answers);
    let mut given: Vec<(NodeId, Digest)> = Vec::new();
    for answer in answers.unwrap_or_default() {
        if let Ok(result) = <[u8; 32]>::try_from(answer.result.0) {
            let result = Digest::from_bytes(result);
            given.extend(answer.by.into_iter().map(|by| (by, result)));
        }
    }
    given.sort_unstable();
    Some(Said {
        operation: evidence.operation,
        build,
        artifact: u64::try_from(evidence.item).ok()?,
        item: ClaimItem {
            subject: evidence.subject,
            input: evidence.input.0,
        },
        given,
    })
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
