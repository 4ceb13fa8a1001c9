//! The plain values by which the oracle and the production ledger are compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;

use crate::base::digest::{NodeId, OperationId};
use crate::statement::operation::{Outcome, Spore};
use crate::statement::params::Params;

/// The ledger after a seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Height of the last seal.
    pub height: u64,
    /// Its time, milliseconds since 1970.
    pub time_ms: u64,
    /// The roster, Banned members included.
    pub members: BTreeMap<NodeId, MemberView>,
    /// Every operation that was ever opened, closed ones included.
    pub operations: BTreeMap<OperationId, OperationView>,
    /// The configuration map.
    pub config: BTreeMap<String, Vec<u8>>,
    /// The parameters that the next operation opens under.
    pub params: Params,
    /// The sealers of the next height.
    pub sealers: BTreeSet<NodeId>,
    /// The queue of the proposers, front first.
    pub queue: Vec<NodeId>,
    /// How many seals in a row the front of the queue has proposed.
    pub tenure: u64,
}

/// A member of the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// Its name.
    pub name: String,
    /// Its role.
    pub role: Spore,
    /// Its trust, 0..=1,000,000 parts per million.
    pub trust_ppm: u32,
    /// Its skill, 0..=1,000,000 parts per million.
    pub skill_ppm: u32,
    /// `probation`, `active`, `suspended` or `banned`.
    pub standing: &'static str,
    /// Coherent outcomes in a row.
    pub row: u32,
    /// Missed chances among the last 100.
    pub missed: u32,
    /// The seal times that its line keeps, by what happened last then.
    pub times_ms: BTreeMap<&'static str, Option<u64>>,
}

/// What an elector counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ElectorView {
    /// Its weight.
    pub weight: u64,
    /// Whether it had a vote at the opening.
    pub vote: bool,
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationView {
    /// `authority`, `committing`, `revealing`, `decided` (and not closed) or `closed`.
    pub phase: &'static str,
    /// The final outcome, from `decided` on.
    pub outcome: Option<Outcome>,
    /// The electorate, shadow voters included; empty while spore authority decides the operation.
    pub electors: BTreeMap<NodeId, ElectorView>,
    /// The authors of frozen commits.
    pub frozen: BTreeSet<NodeId>,
    /// The authors of frozen commits that revealed.
    pub revealed: BTreeSet<NodeId>,
    /// Whether the effect was applied (`true`) or refused (`false`); `None` unless `Decided(Approve)`.
    pub effect: Option<bool>,
}

impl View {
    /// Every difference to another view, one per line; empty if and only if the two are equal.
    #[must_use]
    pub fn differences(&self, other: &Self) -> Vec<String> {
        let mut lines = Vec::new();
        differ(&mut lines, "height", &self.height, &other.height);
        differ(&mut lines, "time_ms", &self.time_ms, &other.time_ms);
        differ_maps(&mut lines, "member", &self.members, &other.members);
        differ_maps(&mut lines, "operation", &self.operations, &other.operations);
        differ_maps(&mut lines, "config", &self.config, &other.config);
        differ(&mut lines, "params", &self.params, &other.params);
        differ(&mut lines, "sealers", &self.sealers, &other.sealers);
        differ(&mut lines, "queue", &self.queue, &other.queue);
        differ(&mut lines, "tenure", &self.tenure, &other.tenure);
        lines
    }
}

fn differ<T: Debug + PartialEq>(lines: &mut Vec<String>, what: &str, a: &T, b: &T) {
    if a != b {
        lines.push(format!("{what}: {a:?} against {b:?}"));
    }
}

fn differ_maps<K: Debug + Ord, V: Debug + PartialEq>(
    lines: &mut Vec<String>,
    what: &str,
    a: &BTreeMap<K, V>,
    b: &BTreeMap<K, V>,
) {
    let keys: BTreeSet<&K> = a.keys().chain(b.keys()).collect();
    for key in keys {
        differ(lines, &format!("{what} {key:?}"), &a.get(key), &b.get(key));
    }
}
