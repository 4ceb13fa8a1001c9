//! Temporal reachability: the earliest time at which a node's records can be at other nodes.
//!
//! In a contact all records are exchanged and passed on at once: nodes that are in reach of one another,
//! directly or through others, always share all that one of them has.

use std::collections::{BTreeMap, BTreeSet};

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
///
/// Sets of nodes are masks of 64 bits, so that one pass over the trace follows what all nodes have at once.
#[derive(Debug)]
pub struct Reach {
    nodes: usize,
    /// From each of these times on, up to the next, excluded, the groups of two nodes and more. An instant at which contacts
    /// begin or end has an entry of its own, with all that begin or end then.
    spans: Vec<(u64, Vec<u64>)>,
    end_s: u64,
}

/// What each node holds during one pass over a trace.
struct Pass {
    /// By node: whose things it holds.
    holds: Vec<u64>,
    /// By source and receiver.
    arrivals: Vec<Vec<Arrival>>,
}

impl Pass {
    /// Gives a node the things of the sources in `given`, unless it holds them.
    fn give(&mut self, node: usize, given: u64, at_s: u64) {
        for source in members(given & !self.holds[node]) {
            self.arrivals[source][node] = Some(at_s);
        }
        self.holds[node] |= given;
    }

    /// Lets a group share all that one of it holds.
    fn share(&mut self, group: u64, at_s: u64) {
        let held = members(group).fold(0, |held, node| held | self.holds[node]);
        for node in members(group) {
            self.give(node, held, at_s);
        }
    }
}

impl Reach {
    /// Looks at a whole trace.
    #[must_use]
    pub fn new(trace: &Trace) -> Self {
        // Contacts include their last second: they are gone one second later.
        let mut changes: BTreeMap<u64, [Vec<(usize, usize)>; 2]> = BTreeMap::new();
        for contact in trace.contacts() {
            let [begin, _] = changes.entry(contact.from_s).or_default();
            begin.push(contact.nodes);
            let [_, end] = changes.entry(contact.to_s + 1).or_default();
            end.push(contact.nodes);
        }
        let mut up = BTreeSet::new();
        let spans = changes.into_iter().map(|(at_s, [begin, end])| {
            for pair in end {
                up.remove(&pair);
            }
            up.extend(begin);
            (at_s, groups(&up))
        });
        Self {
            nodes: trace.nodes(),
            spans: std::iter::once((0, Vec::new())).chain(spans).collect(),
            end_s: trace.end_s(),
        }
    }

    /// When each node can first hold something that the nodes have on their own at `starts`.
    #[must_use]
    pub fn spread(&self, starts: &[Arrival]) -> Vec<Arrival> {
        let from_each = self.from_each(starts);
        let at_node = |node: usize| from_each.iter().map(|to| to[node]).fold(None, earlier);
        (0..self.nodes).map(at_node).collect()
    }

    /// For each node the time at which it can first hold something of `count` different nodes, which have it at `starts`.
    #[must_use]
    pub fn gather(&self, starts: &[Arrival], count: usize) -> Vec<Arrival> {
        let from_each = self.from_each(starts);
        let at_node = |node: usize| nth(from_each.iter().map(|to| to[node]), count);
        (0..self.nodes).map(at_node).collect()
    }

    /// For each node that has something at `starts`, when it can be at the others: by source, then by receiver.
    #[must_use]
    pub fn from_each(&self, starts: &[Arrival]) -> Vec<Vec<Arrival>> {
        let mut pass = Pass {
            holds: vec![0; self.nodes],
            arrivals: vec![vec![None; self.nodes]; self.nodes],
        };
        let known = starts.iter().enumerate();
        let mut sources: Vec<(u64, usize)> = known
            .filter_map(|(source, at)| Some(((*at)?, source)))
            .collect();
        sources.sort_unstable();
        let mut sources = sources.into_iter().peekable();
        let first_s = sources.peek().map_or(u64::MAX, |(at_s, _)| *at_s);
        let after = self.spans.partition_point(|(at_s, _)| *at_s <= first_s);
        for (place, (at_s, groups)) in self.spans.iter().enumerate().skip(after - 1) {
            if *at_s > self.end_s {
                break;
            }
            for group in groups {
                pass.share(*group, *at_s);
            }
            let next_s = self
                .spans
                .get(place + 1)
                .map_or(u64::MAX, |(at_s, _)| *at_s);
            let until_s = next_s.min(self.end_s + 1);
            while let Some((start_s, source)) = sources.next_if(|(at_s, _)| *at_s < until_s) {
                pass.give(source, 1 << source, start_s);
                let group = groups.iter().find(|group| **group & (1 << source) != 0);
                pass.share(group.copied().unwrap_or(0), start_s);
            }
        }
        // What begins after the end stays where it is.
        for (start_s, source) in sources {
            pass.give(source, 1 << source, start_s);
        }
        pass.arrivals
    }
}

/// The nodes in a mask, in ascending order.
pub(super) fn members(mut mask: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let lowest = (mask != 0).then_some(mask.trailing_zeros() as usize)?;
        mask &= mask - 1;
        Some(lowest)
    })
}

/// The `count`-th smallest arrival; with a count of 0 there is none.
pub(super) fn nth(arrivals: impl Iterator<Item = Arrival>, count: usize) -> Arrival {
    let mut known: Vec<u64> = arrivals.flatten().collect();
    known.sort_unstable();
    known.get(count.checked_sub(1)?).copied()
}

/// The groups of two nodes and more that these pairs connect.
fn groups(pairs: &BTreeSet<(usize, usize)>) -> Vec<u64> {
    let mut groups: Vec<u64> = Vec::new();
    for (a, b) in pairs {
        let mut joined = (1 << a) | (1 << b);
        groups.retain(|group| {
            let is_apart = group & joined == 0;
            if !is_apart {
                joined |= group;
            }
            is_apart
        });
        groups.push(joined);
    }
    groups
}

#[cfg(test)]
mod tests {
    use rand::{RngExt as _, SeedableRng as _};
    use rand_chacha::ChaCha8Rng;

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

    /// Second by second, with each pair on its own.
    fn slowly(trace: &Trace, source: usize, start_s: u64) -> Vec<Arrival> {
        let mut holds = vec![None; trace.nodes()];
        holds[source] = Some(start_s);
        for now_s in start_s..=trace.end_s() {
            let contacts = trace.contacts().iter();
            let up = contacts.filter(|c| c.from_s <= now_s && now_s <= c.to_s);
            for _ in 0..trace.nodes() {
                for Contact { nodes: (a, b), .. } in up.clone() {
                    for (from, to) in [(*a, *b), (*b, *a)] {
                        if holds[from].is_some() {
                            holds[to].get_or_insert(now_s);
                        }
                    }
                }
            }
        }
        holds
    }

    #[test]
    fn one_pass_finds_what_the_slow_way_finds() {
        for seed in 0..40 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let nodes = rng.random_range(2..=7);
            let contact = |rng: &mut ChaCha8Rng| {
                let (from_s, one) = (rng.random_range(0..200), rng.random_range(0..nodes));
                Contact {
                    from_s,
                    to_s: from_s + rng.random_range(0..20),
                    nodes: (one, (one + rng.random_range(1..nodes)) % nodes),
                }
            };
            let contacts: Vec<Contact> = (0..nodes * 5).map(|_| contact(&mut rng)).collect();
            let trace = Trace::from_contacts(nodes, &contacts);
            let starts: Vec<Arrival> = (0..nodes)
                .map(|_| rng.random_ratio(4, 5).then(|| rng.random_range(0..250)))
                .collect();
            let found = Reach::new(&trace).from_each(&starts);
            for (source, start) in starts.iter().enumerate() {
                let slowly = start.map(|start_s| slowly(&trace, source, start_s));
                let expected = slowly.unwrap_or(vec![None; nodes]);
                assert_eq!(found[source], expected, "seed {seed}, from {source}");
            }
        }
    }
}
