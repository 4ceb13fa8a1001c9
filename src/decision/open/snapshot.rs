//! The canonical form of an operation's state: the state digest commits to it and certificates show it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use super::{Decision, Filed, OpenOperation, Phase};
use crate::base::codec;
use crate::base::digest::{Digest, NodeId, OPERATION, OperationId, RecordId, STATE_PART};
use crate::members::roster::Elector;
use crate::statement::operation::{Class, Priority};
use crate::statement::record::Verified;

/// Everything about an operation that rules depend on, with records as ids.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    /// The operation.
    pub id: OperationId,
    /// How it is decided.
    pub class: Class,
    /// Its priority.
    pub priority: Priority,
    /// Whether its answers move skill.
    pub scored: bool,
    /// The digest of the parameters it was opened under.
    pub params: Digest,
    /// The seal that opened it.
    pub opened_height: u64,
    /// The time of that seal.
    pub opened_ms: u64,
    /// The digest of the electors and their weights, see [`Snapshot::electorate_digest`].
    pub electorate: Digest,
    /// Its phase.
    pub phase: Phase,
    /// Sealed commits by author; the second id is that of a second, different commit.
    pub commits: Vec<(RecordId, Option<RecordId>)>,
    /// By the author of a commit whose key is not the elector's: the elector, which had that key at the opening.
    pub heirs: Vec<(NodeId, NodeId)>,
    /// The frozen commits.
    pub frozen: Option<FrozenLine>,
    /// Sealed reveals by author.
    pub reveals: Vec<RecordId>,
    /// Sealed directives by author.
    pub directives: Vec<(RecordId, Option<RecordId>)>,
    /// Sealed objections by author.
    pub objections: Vec<(RecordId, Option<RecordId>)>,
    /// Sealed resolutions by author.
    pub resolutions: Vec<(RecordId, Option<RecordId>)>,
    /// The final outcome.
    pub decision: Option<Decision>,
}

/// The frozen commits and the seal that fixed them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrozenLine {
    /// The freezing seal.
    pub height: u64,
    /// Its time.
    pub time_ms: u64,
    /// The frozen commits in the order of their authors.
    pub commits: Vec<RecordId>,
}

impl Snapshot {
    /// BLAKE3 of the canonical form: the operation's leaf in the state.
    pub fn digest(&self) -> Digest {
        Digest::from_bytes(OPERATION.hash(&codec::encode(self)))
    }

    /// Every record that was sealed about the operation, its proposal included.
    pub fn records(&self) -> BTreeSet<RecordId> {
        let slots = [
            &self.commits,
            &self.directives,
            &self.objections,
            &self.resolutions,
        ];
        let filed = slots.into_iter().flatten();
        filed
            .flat_map(|(first, second)| std::iter::once(first).chain(second))
            .chain(&self.reveals)
            .copied()
            .chain([self.id.into()])
            .collect()
    }

    /// The digest in [`Snapshot::electorate`] for these electors, in the order of their keys.
    pub fn electorate_digest(electors: &[Elector]) -> Digest {
        Digest::from_bytes(STATE_PART.hash(&codec::encode(electors)))
    }
}

fn lines<'a>(slots: impl Iterator<Item = &'a Filed>) -> Vec<(RecordId, Option<RecordId>)> {
    slots
        .map(|filed| {
            let second = filed.second.as_ref().map(Verified::id);
            (filed.first.id(), second)
        })
        .collect()
}

impl OpenOperation {
    /// The canonical form of this state. The cost is proportional to the number of its sealed records.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            id: self.id,
            class: self.class,
            priority: self.priority,
            scored: self.scored,
            params: self.params.digest(),
            opened_height: self.opened_height,
            opened_ms: self.opened_ms,
            electorate: Snapshot::electorate_digest(&self.electorate.electors),
            phase: self.phase.clone(),
            commits: lines(self.commits.values()),
            heirs: self
                .heirs
                .iter()
                .map(|(author, elector)| (*author, *elector))
                .collect(),
            frozen: self.frozen.as_ref().map(|frozen| FrozenLine {
                height: frozen.height,
                time_ms: frozen.time_ms,
                commits: frozen.commits.values().map(Verified::id).collect(),
            }),
            reveals: self.reveals.values().map(Verified::id).collect(),
            directives: lines(self.directives.values()),
            objections: lines(self.objections.values()),
            resolutions: lines(self.resolutions.values()),
            decision: self.decision.clone(),
        }
    }
}
