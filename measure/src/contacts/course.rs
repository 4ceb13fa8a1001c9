//! The course of the operations.

use std::collections::{BTreeMap, BTreeSet};

use super::host::Host;
use super::reach::Arrival;
use mycnet_consensus::core::{Core, Write};
use mycnet_consensus::internals::digest::{OperationId, SealId};
use mycnet_consensus::internals::record::Statement;
use mycnet_consensus::internals::sim::plan::START_MS;

/// The course of one operation; times in seconds since the trace began, `None`: not within it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Course {
    /// By node: when it heard of it, and voted.
    pub heard: Vec<Arrival>,
    /// When some node applied the seal that opened it.
    pub opened: Arrival,
    /// When the seal that froze its commits was first proposed.
    pub proposed: Arrival,
    /// When some node applied that seal.
    pub frozen: Arrival,
    /// By node: when it could tally.
    pub tallied: Vec<Arrival>,
}

/// The courses of all operations, during the replay.
pub(super) struct Courses {
    all: Vec<Course>,
    places: BTreeMap<OperationId, usize>,
    /// Operations that some node cannot tally yet.
    open: BTreeSet<OperationId>,
    proposed: BTreeMap<SealId, u64>,
    rounds: BTreeMap<u64, u32>,
}

fn seconds(now_ms: u64) -> u64 {
    (now_ms - START_MS) / 1000
}

impl Courses {
    pub(super) fn new(operations: usize, nodes: usize) -> Self {
        let course = Course {
            heard: vec![None; nodes],
            tallied: vec![None; nodes],
            ..Course::default()
        };
        Self {
            all: vec![course; operations],
            places: BTreeMap::new(),
            open: BTreeSet::new(),
            proposed: BTreeMap::new(),
            rounds: BTreeMap::new(),
        }
    }

    pub(super) fn proposed(&mut self, place: usize, id: OperationId) {
        self.places.insert(id, place);
        self.open.insert(id);
    }

    /// The operations that were proposed.
    pub(super) fn operations(&self) -> impl Iterator<Item = OperationId> {
        self.places.keys().copied()
    }

    pub(super) fn heard(&mut self, now_ms: u64, node: usize, id: &OperationId) {
        let place = self.places[id];
        self.all[place].heard[node].get_or_insert(seconds(now_ms));
    }

    /// Takes note of a write of a host.
    pub(super) fn note(&mut self, now_ms: u64, write: &Write) {
        let at_s = seconds(now_ms);
        match write {
            Write::Journal(entry) => {
                if let Statement::SealProposal { seal, .. } = &entry.record.body.what {
                    self.proposed.entry(seal.id()).or_insert(at_s);
                }
            }
            Write::Block { block, applied } => {
                let precommits = block.certificate.votes.iter();
                let rounds = precommits.filter_map(|vote| match vote.body.what {
                    Statement::SealVote { round, .. } => Some(round),
                    _ => None,
                });
                let round = rounds.max().unwrap_or(0);
                self.rounds.entry(block.seal.height).or_insert(round);
                let proposed = self.proposed.get(&block.seal.id()).copied();
                for id in &applied.opened {
                    self.all[self.places[id]].opened.get_or_insert(at_s);
                }
                for id in &applied.frozen {
                    let course = &mut self.all[self.places[id]];
                    course.frozen.get_or_insert(at_s);
                    course.proposed = course.proposed.or(proposed);
                }
            }
            _ => {}
        }
    }

    /// Notes which hosts can tally which operations now.
    pub(super) fn observe(&mut self, now_ms: u64, hosts: &mut [Host]) {
        let at_s = seconds(now_ms);
        for (node, host) in hosts.iter_mut().enumerate() {
            if !std::mem::take(&mut host.may_tally_more) {
                continue;
            }
            for id in &self.open {
                let tallied = &mut self.all[self.places[id]].tallied[node];
                if tallied.is_none() && can_tally(&host.core, id) {
                    *tallied = Some(at_s);
                }
            }
        }
        let (places, courses) = (&self.places, &self.all);
        self.open
            .retain(|id| courses[places[id]].tallied.iter().any(Option::is_none));
    }

    /// The courses, and per height the round in which it was decided.
    pub(super) fn finish(self) -> (Vec<Course>, Vec<u32>) {
        (self.all, self.rounds.into_values().collect())
    }
}

/// Whether no reveal can change the outcome any more, as far as this node knows.
fn can_tally(core: &Core, id: &OperationId) -> bool {
    if core.ledger().past().closed(id).is_some() {
        return true;
    }
    let open = core.ledger().state().operation(id);
    let tally = core.pool().tallied(id).or_else(|| open?.tally());
    open.is_some_and(|open| open.decision().is_some())
        || tally.is_some_and(|tally| tally.outcome().is_some())
}
