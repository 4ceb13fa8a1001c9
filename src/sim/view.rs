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
    /// The sealers of the next height, one vote each.
    pub sealers: BTreeMap<NodeId, u64>,
}

/// A member of the roster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberView {
    /// Its role.
    pub role: Spore,
    /// Its trust, 0..=1,000,000 parts per million.
    pub trust_ppm: u32,
    /// `probation`, `active`, `suspended` or `banned`.
    pub standing: String,
    /// Coherent votes in a row.
    pub streak: u32,
    /// Missed chances among the last 100.
    pub missed: u32,
}

/// An operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperationView {
    /// `authority`, `committing`, `revealing`, `decided` (and not closed) or `closed`.
    pub phase: &'static str,
    /// The final outcome, from `decided` on.
    pub outcome: Option<Outcome>,
    /// The electorate with its weights, shadow voters included; empty while spore authority decides the operation.
    pub electors: BTreeMap<NodeId, u64>,
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
        differ_maps(&mut lines, "sealer", &self.sealers, &other.sealers);
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
