//! Temporal reachability: the earliest time at which a node's records can be at other nodes.
//!
//! In a contact all records are exchanged and passed on at once: nodes that are in reach of one another,
//! directly or through others, always share all that one of them has.

use super::trace::Trace;

/// A time in seconds since the trace began; `None`: not within it.
pub type Arrival = Option<u64>;

/// The earlier of two arrivals.
pub(super) fn earlier(one: Arrival, other: Arrival) -> Arrival {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    }
}

/// When the first node got there.
pub(super) fn first(arrivals: &[Arrival]) -> Arrival {
    arrivals.iter().flatten().min().copied()
}

/// When the last node got there, if all did.
pub(super) fn last(arrivals: &[Arrival]) -> Arrival {
    let all: Option<Vec<u64>> = arrivals.iter().copied().collect();
    all?.into_iter().max()
}

/// The groups of connected nodes, between any two changes of the trace.
#[derive(Debug)]
pub struct Reach {
    nodes: usize,
    /// From each of these times on, up to the next, excluded, the group of each node. An instant at which contacts begin or
    /// end has an entry of its own, with all that begin or end then.
    spans: Vec<(u64, Vec<usize>)>,
    end_s: u64,
}

impl Reach {
    /// Looks at a whole trace.
    #[must_use]
    pub fn new(trace: &Trace) -> Self {
        let contacts = trace.contacts();
        // Contacts include their last second: they are gone one second later.
        let mut times: Vec<u64> = contacts
            .iter()
            .flat_map(|contact| [contact.from_s, contact.to_s + 1])
            .chain([0])
            .collect();
        times.sort_unstable();
        times.dedup();
        let spans = times.into_iter().map(|at_s| {
            let up = contacts
                .iter()
                .filter(|c| c.from_s <= at_s && at_s <= c.to_s);
            (at_s, groups(trace.nodes(), up.map(|contact| contact.nodes)))
        });
        Self {
            nodes: trace.nodes(),
            spans: spans.collect(),
            end_s: trace.end_s(),
        }
    }

    /// When each node can first hold something that the nodes have on their own at `starts`.
    #[must_use]
    pub fn spread(&self, starts: &[Arrival]) -> Vec<Arrival> {
        let mut holds: Vec<Arrival> = starts.to_vec();
        let Some(first_s) = starts.iter().flatten().min() else {
            return holds;
        };
        let begin = self.spans.partition_point(|(at_s, _)| at_s <= first_s) - 1;
        for (place, (at_s, group)) in self.spans.iter().enumerate().skip(begin) {
            if *at_s > self.end_s {
                break;
            }
            let next = self.spans.get(place + 1);
            let until_s = next
                .map_or(self.end_s, |(next_s, _)| next_s - 1)
                .min(self.end_s);
            for node in 0..self.nodes {
                // The first in the group that holds it in this span gives it to all of the group.
                let members = (0..self.nodes).filter(|other| group[*other] == group[node]);
                let first = members.filter_map(|other| holds[other]).min();
                if let Some(first_s) = first.filter(|first_s| *first_s <= until_s) {
                    holds[node] = earlier(holds[node], Some(first_s.max(*at_s)));
                }
            }
        }
        holds
    }

    /// For each node the time at which it can first hold something of `count` different nodes, which have it at `starts`.
    #[must_use]
    pub fn gather(&self, starts: &[Arrival], count: usize) -> Vec<Arrival> {
        let from_each = self.from_each(starts);
        let at_node = |node: usize| {
            let mut arrivals: Vec<u64> = from_each.iter().filter_map(|to| to[node]).collect();
            arrivals.sort_unstable();
            count
                .checked_sub(1)
                .and_then(|place| arrivals.get(place))
                .copied()
        };
        (0..self.nodes).map(at_node).collect()
    }

    /// For each node that has something at `starts`, when it can be at the others: by source, then by receiver.
    #[must_use]
    pub fn from_each(&self, starts: &[Arrival]) -> Vec<Vec<Arrival>> {
        let alone = |source: usize| {
            let mut only = vec![None; self.nodes];
            only[source] = starts[source];
            self.spread(&only)
        };
        (0..self.nodes).map(alone).collect()
    }
}

/// The group of each node, named by its lowest member.
fn groups(nodes: usize, pairs: impl Iterator<Item = (usize, usize)>) -> Vec<usize> {
    let mut group: Vec<usize> = (0..nodes).collect();
    for (a, b) in pairs {
        let (kept, gone) = (group[a].min(group[b]), group[a].max(group[b]));
        for name in &mut group {
            if *name == gone {
                *name = kept;
            }
        }
    }
    group
}

#[cfg(test)]
mod tests {
    use super::super::trace::Contact;
    use super::*;

    /// 0 meets 1 in 10..=20, 1 meets 2 in 15..=15 and 30..=40, 0 meets 3 in 5..=8.
    fn line() -> Reach {
        let contact = |from_s, to_s, nodes| Contact {
            from_s,
            to_s,
            nodes,
        };
        Reach::new(&Trace::from_contacts(
            4,
            &[
                contact(10, 20, (0, 1)),
                contact(15, 15, (1, 2)),
                contact(30, 40, (1, 2)),
                contact(5, 8, (0, 3)),
            ],
        ))
    }

    fn from(source: usize, at_s: u64) -> Vec<Arrival> {
        let mut starts = vec![None; 4];
        starts[source] = Some(at_s);
        line().spread(&starts)
    }

    #[test]
    fn what_is_held_travels_forward_in_time_only() {
        assert_eq!(from(0, 0), [Some(0), Some(10), Some(15), Some(5)]);
        assert_eq!(from(0, 9), [Some(9), Some(10), Some(15), None]);
        assert_eq!(from(0, 16), [Some(16), Some(16), Some(30), None]);
        assert_eq!(from(0, 20), [Some(20), Some(20), Some(30), None]);
        assert_eq!(from(0, 21), [Some(21), None, None, None]);
        assert_eq!(from(2, 0), [Some(15), Some(15), Some(0), None]);
        assert_eq!(from(3, 8), [Some(8), Some(10), Some(15), Some(8)]);
        assert_eq!(from(2, 41), [None, None, Some(41), None]);
    }

    #[test]
    fn several_sources_give_the_earliest_and_the_nth() {
        let starts = [Some(12), None, Some(14), Some(0)];
        assert_eq!(
            line().spread(&starts),
            [Some(5), Some(10), Some(14), Some(0)]
        );
        assert_eq!(
            line().gather(&starts, 2),
            [Some(12), Some(12), Some(15), None]
        );
        assert_eq!(line().gather(&starts, 0), [None; 4]);
    }
}
