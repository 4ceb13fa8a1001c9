//! The second bound: what the first leaves out, if at each height the node leads that can first.
//!
//! The [first bound](super::bound) lets every operation go alone, has a proposal of everybody who could make one, and lets
//! any reveals count. A real chain has one seal at a time, one proposal gets the votes, and exactly the commits that it lists
//! are frozen. The second bound is the best run of such a chain under one rule about who leads:
//!
//! 1. At each height that node leads which is the first to hold both the certificate of the last seal and a quorum of commits for
//!    an operation that is not frozen yet. It proposes at once, and its seal freezes all such operations, each with exactly
//!    the commits that it holds at that moment. (Of several nodes at the same moment the lowest leads. If they are in contact
//!    it makes no difference: they hold the same.)
//! 2. Everybody prevotes when the proposal arrives, precommits on a quorum of prevotes, and holds the certificate on a
//!    quorum of precommits or when somebody passes it on. Nobody refuses, gives up, or misses a record.
//! 3. Whoever committed in time reveals with the certificate. A node can tally as soon as P5 gives an outcome over the frozen
//!    commits: those not revealed yet may still be for anything, and reveals of commits that were not frozen do not count.
//! 4. Only then does the next height begin, at each node when it holds the certificate.
//!
//! As in the first bound all nodes vote at once, there is no grace, and an opening seal is not needed.
//!
//! # What it bounds
//!
//! Every step of such a run happens at the earliest moment at which the trace allows it, so no run of a protocol of this kind *in
//! which the same nodes lead at the same moments* is faster. It is never earlier than the first bound, for any operation and any node:
//! each step of the run is one of the first bound with fewer sources, and an outcome over the frozen commits is one over any
//! quorum: of the reveals that came, those from outside the frozen set add to a rival, or take from what is missing, no more than
//! the first bound had allowed for already.
//!
//! A run in which somebody else leads can be faster: a later proposal may freeze commits of people who are met sooner, or
//! may carry an operation that would else wait behind a slow seal. That is rare, and no error: a comparison counts it. For the
//! same reason this bound by itself is not monotone in the contacts (a test has the smallest example: without one contact
//! somebody who is then away for long is not frozen). With the leads held fixed it is: [`follow`] never gets
//! earlier when contacts are taken out.

use super::bound::{quorum, tallied};
use super::plan::Planned;
use super::reach::{Arrival, Reach, nth};

/// Who leads one height, when, and with which commits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lead {
    /// The proposer.
    pub by: usize,
    /// When it proposes, seconds since the trace began.
    pub at_s: u64,
    /// Per operation that the seal freezes, by its place in the plan: the authors of the commits.
    pub frozen: Vec<(usize, Vec<usize>)>,
}

/// The second bound for a whole plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Second {
    /// By height, from the first on. The last one may get no certificate within the trace.
    pub leads: Vec<Lead>,
    /// By operation and node: when the node can tally.
    pub tallied: Vec<Vec<Arrival>>,
}

/// The commits of one operation.
struct Commits {
    /// By author and receiver.
    arrivals: Vec<Vec<Arrival>>,
    /// By node: when it holds a quorum of them.
    quorum: Vec<Arrival>,
    is_frozen: bool,
}

impl Commits {
    fn of(reach: &Reach, planned: &Planned) -> Self {
        let nodes = planned.ballots.len();
        let mut starts = vec![None; nodes];
        starts[planned.by] = Some(planned.at_s);
        let arrivals = reach.from_each(&reach.spread(&starts));
        let at_node = |node: usize| nth(arrivals.iter().map(|to| to[node]), quorum(nodes));
        Self {
            quorum: (0..nodes).map(at_node).collect(),
            arrivals,
            is_frozen: false,
        }
    }

    /// When a node could freeze them, if it can lead from a time on.
    fn ripe(&self, node: usize, ready: Arrival) -> Arrival {
        let ripe_s = self.quorum[node].filter(|_| !self.is_frozen)?;
        Some(ripe_s.max(ready?))
    }

    /// The authors whose commits a node holds at a time.
    fn held(&self, node: usize, at_s: u64) -> Vec<usize> {
        let is_held = |author: &usize| self.arrivals[*author][node].is_some_and(|s| s <= at_s);
        (0..self.arrivals.len()).filter(is_held).collect()
    }
}

/// The second bound for all operations of a plan together, among equal nodes.
#[must_use]
pub fn second(reach: &Reach, planned: &[Planned]) -> Second {
    let nodes = planned.first().map_or(0, |planned| planned.ballots.len());
    let mut commits: Vec<Commits> = planned.iter().map(|p| Commits::of(reach, p)).collect();
    let mut tallied = vec![vec![None; nodes]; planned.len()];
    let mut leads = Vec::new();
    // By node: when it holds the certificate of the last seal.
    let mut ready = vec![Some(0); nodes];
    while let Some(lead) = next_lead(&commits, &ready) {
        ready = certified(reach, &lead, nodes);
        for (place, arrivals) in follow(reach, planned, &lead) {
            commits[place].is_frozen = true;
            tallied[place] = arrivals;
        }
        leads.push(lead);
    }
    Second { leads, tallied }
}

/// Who can lead first, if these are ready at these times, and with what.
fn next_lead(commits: &[Commits], ready: &[Arrival]) -> Option<Lead> {
    let by_node = ready.iter().enumerate().filter_map(|(node, ready)| {
        let ripe = commits.iter().filter_map(|c| c.ripe(node, *ready));
        Some((ripe.min()?, node))
    });
    let (at_s, by) = by_node.min()?;
    let is_ripe = |commits: &Commits| commits.ripe(by, ready[by]).is_some_and(|s| s <= at_s);
    let ripe = commits.iter().enumerate().filter(|(_, c)| is_ripe(c));
    Some(Lead {
        by,
        at_s,
        frozen: ripe.map(|(place, c)| (place, c.held(by, at_s))).collect(),
    })
}

/// By node: when it holds the certificate of a seal.
fn certified(reach: &Reach, lead: &Lead, nodes: usize) -> Vec<Arrival> {
    let mut proposed = vec![None; nodes];
    proposed[lead.by] = Some(lead.at_s);
    let prevoted = reach.spread(&proposed);
    let precommitted = reach.gather(&prevoted, quorum(nodes));
    reach.spread(&reach.gather(&precommitted, quorum(nodes)))
}

/// For each operation that a lead freezes, by node: when the node can tally.
#[must_use]
pub fn follow(reach: &Reach, planned: &[Planned], lead: &Lead) -> Vec<(usize, Vec<Arrival>)> {
    let nodes = planned.first().map_or(0, |planned| planned.ballots.len());
    let reveals = reach.from_each(&certified(reach, lead, nodes));
    let of_operation = |(place, authors): &(usize, Vec<usize>)| {
        let at_node = |node: usize| {
            let arrivals = authors
                .iter()
                .map(|author| (*author, reveals[*author][node]));
            tallied(&planned[*place], authors.len(), arrivals)
        };
        (*place, (0..nodes).map(at_node).collect())
    };
    lead.frozen.iter().map(of_operation).collect()
}

#[cfg(test)]
mod tests;
