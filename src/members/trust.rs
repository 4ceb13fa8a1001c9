//! Trust and skill: how reliable a member has been, in parts per million, and what it counts for ([T1], [T7]).
//!
//! *Trust* says how faithfully a member does its part; it decides its standing, and so whether it has a vote. *Skill* says how
//! often its answers to claims were right; it is its weight in claims.
//!
//! [T3]:
//!
//! | event | trust `t` (of 1), by default | skill `k` (of 1), by default |
//! |---|---|---|
//! | coherent: revealed the outcome | seconded: `t += 2 % of (1 - t)` | a claim, carried: `k += 2 % of (1 - k)` |
//! | dissent on a claim | backed: `t -= 1 % of t`, never below the threshold of becoming `Active` | carried: `k -= 5 % of k` |
//! | dissent on a critical vote | backed: `t -= 1 % of t` | |
//! | an objection that was overruled | `t -= 1 % of t`, once per objection window | |
//! | withheld: frozen commit, no reveal until the window passed | `t -= 8 % of t`; once per reveal window for a member that revealed nothing in it | a claim: `k -= 8 % of k` |
//! | absent | nothing until more than half of the last 100 chances were missed, then `t -= 2 % of t`, at most once per commit window, and only for a member none of whose records was sealed in it | |
//! | no quorum, abstention | nothing | nothing |
//! | equivocation | 0, and `Banned` for ever | 0 |
//!
//! A claim set is one event: gains and penalties are in proportion to its items ([`Marks`]).
//!
//! [`Support`] says what seconded, backed and carried mean. So trust moves only by what half or two thirds of all votes stand
//! behind: a minority can neither farm it nor take it.
//!
//! Integers only; gains are rounded down and penalties up. The sealed log alone determines every score: a state is a
//! fold of [`TrustState::apply`] over [`ParticipationRecord`]s. [`TrustScoring`] does this for many nodes and remembers
//! the reasons; the ledger holds a [`TrustState`] per member of its roster.

use std::collections::{BTreeMap, VecDeque};

use crate::base::digest::NodeId;
use crate::statement::params::Params;

mod entry;
mod participation;
mod state;
#[cfg(test)]
mod tests;

pub use entry::{Change, Reason, TrustEntry};
pub use participation::{Marked, Marks, Participation, ParticipationRecord, Support};
pub(crate) use state::is_within;

pub use crate::statement::line::{Standing, TrustState};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Entries kept per node, the oldest dropped first: about 100 kB. The whole history is in the sealed log.
pub const ENTRIES_PER_NODE_MAX: usize = 1024;

/// Trust and skill of many nodes, usable on its own.
///
/// ```
/// use mycnet_consensus::{
///     Class, NodeId, OperationId, Participation, ParticipationRecord, TrustScoring,
/// };
///
/// let node_id = NodeId::from_bytes([1; 32]);
/// let operation_id = OperationId::from_bytes([2; 32]);
/// // At height 7, a claim closed whose outcome is what this node had revealed.
/// let event = Participation::Coherent(Class::Claim);
/// let participation_record =
///     ParticipationRecord::new(7, 1_700_000_000_000, operation_id, event);
///
/// let mut trust_scoring = TrustScoring::new();
/// trust_scoring.update_trust_score(node_id, participation_record);
/// let trust_level = trust_scoring.get_trust_score(&node_id);
///
/// assert_eq!(trust_level, 510_000);
/// assert_eq!(trust_scoring.get_skill_score(&node_id), 510_000);
/// for entry in trust_scoring.explain(&node_id) {
///     println!("{entry}");
/// }
/// ```
#[derive(Debug, Clone, Default)]
pub struct TrustScoring {
    params: Params,
    nodes: BTreeMap<NodeId, Scored>,
}

#[derive(Debug, Clone)]
struct Scored {
    state: TrustState,
    entries: VecDeque<TrustEntry>,
}

impl Scored {
    fn new(state: TrustState) -> Self {
        Self {
            state,
            entries: VecDeque::new(),
        }
    }
}

impl TrustScoring {
    /// Without any node, under the default parameters.
    pub fn new() -> Self {
        Self::default()
    }

    /// Without any node, under these parameters.
    pub fn with_params(params: Params) -> Self {
        Self {
            params,
            nodes: BTreeMap::new(),
        }
    }

    /// Sets the state of a node and clears its history. A node that is never admitted starts as a founding member at
    /// its first record.
    pub fn admit(&mut self, node: NodeId, state: TrustState) {
        self.nodes.insert(node, Scored::new(state));
    }

    /// Applies one event of a node's history. Returns the change of its trust, skill or standing, if there is one.
    pub fn update_trust_score(
        &mut self,
        node: NodeId,
        record: ParticipationRecord,
    ) -> Option<Change> {
        let scored = self
            .nodes
            .entry(node)
            .or_insert_with(|| Scored::new(TrustState::founder(&self.params, 0)));
        let change = scored.state.apply(&self.params, &record)?;
        if scored.entries.len() == ENTRIES_PER_NODE_MAX {
            scored.entries.pop_front();
        }
        scored.entries.push_back(TrustEntry::new(&record, &change));
        Some(change)
    }

    /// The trust of a node in parts per million; the score of a founding member for a node never seen.
    pub fn get_trust_score(&self, node: &NodeId) -> u32 {
        self.state(node).trust_ppm()
    }

    /// The skill of a node in parts per million; the score of a founding member for a node never seen.
    pub fn get_skill_score(&self, node: &NodeId) -> u32 {
        self.state(node).skill_ppm()
    }

    /// The standing of a node; that of a founding member for a node never seen.
    pub fn standing(&self, node: &NodeId) -> Standing {
        self.state(node).standing()
    }

    /// The state of a node; that of a founding member for a node never seen.
    pub fn state(&self, node: &NodeId) -> TrustState {
        self.nodes.get(node).map_or_else(
            || TrustState::founder(&self.params, 0),
            |scored| scored.state,
        )
    }

    /// The last [`ENTRIES_PER_NODE_MAX`] changes of a node's score with their reasons, oldest first.
    pub fn explain(&self, node: &NodeId) -> Vec<TrustEntry> {
        self.nodes
            .get(node)
            .map(|scored| scored.entries.iter().copied().collect())
            .unwrap_or_default()
    }
}
