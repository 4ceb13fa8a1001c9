//! Reading a contact trace.

use std::collections::{BTreeMap, BTreeSet};

/// The most nodes of a trace: all of them are founders, and reachability keeps a set of nodes in 64 bits.
pub(super) const NODES_MAX: usize = 64;

/// Two nodes in reach of each other, from `from_s` to `to_s`, both included: seconds since the trace began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Contact {
    /// When they came into reach.
    pub from_s: u64,
    /// When they were last in reach.
    pub to_s: u64,
    /// The two nodes, by their place among the trace's nodes; the lower one first.
    pub nodes: (usize, usize),
}

/// The contacts between nodes over time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    names: Vec<u64>,
    contacts: Vec<Contact>,
    end_s: u64,
}

/// What is wrong with a trace, and in which line (the first is 1).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct TraceError {
    /// The line.
    pub line: usize,
    /// What is wrong with it.
    pub what: String,
}

/// One line of a trace.
struct Event {
    at_s: u64,
    /// The nodes as the line names them: each node notes its own sightings.
    nodes: (u64, u64),
    is_up: bool,
}

impl Event {
    fn read(line: &str) -> Result<Self, String> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let [time, action, first, second, kind] = fields.as_slice() else {
            return Err(format!(
                "five fields are expected (time, CONN, node, node, up or down), there are {}",
                fields.len()
            ));
        };
        if *action != "CONN" {
            return Err(format!("the action is `{action}`, only CONN is known"));
        }
        let number = |what: &str, text: &str| {
            let parsed = text.parse::<u64>();
            parsed.map_err(|_| format!("the {what} `{text}` is not a whole number"))
        };
        let is_up = match *kind {
            "up" => true,
            "down" => false,
            other => return Err(format!("the last field is `{other}`, not up or down")),
        };
        let nodes = (number("node", first)?, number("node", second)?);
        if nodes.0 == nodes.1 {
            return Err(format!("node {} meets itself", nodes.0));
        }
        Ok(Self {
            at_s: number("time", time)?,
            nodes,
            is_up,
        })
    }
}

impl Trace {
    /// Reads the connection events of the ONE simulator's `StandardEventsReader`: lines of `time CONN node node up|down`,
    /// separated by white space, in order of time (whole seconds). Empty lines and lines that begin with `#` are
    /// skipped.
    ///
    /// Both nodes may have noted the same meeting: sightings of a pair that overlap or touch are one contact. A contact
    /// that is still up at the end lasts until the last line's time.
    ///
    /// # Errors
    ///
    /// [`TraceError`] for a line of another form, a time before that of an earlier line, a node that meets itself, an `up`
    /// of a pair that is up or a `down` of one that is not, more than 64 nodes, and a text without any event.
    pub fn read(text: &str) -> Result<Self, TraceError> {
        let mut open: BTreeMap<(u64, u64), u64> = BTreeMap::new();
        let mut sightings: BTreeMap<(u64, u64), Vec<(u64, u64)>> = BTreeMap::new();
        let mut names = BTreeSet::new();
        let mut end_s = 0;
        for (at, line) in text.lines().enumerate() {
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let fail = |what| TraceError { line: at + 1, what };
            let event = Event::read(line).map_err(fail)?;
            let (at_s, (first, second)) = (event.at_s, event.nodes);
            if at_s < end_s {
                return Err(fail(format!("time {at_s} comes after time {end_s}")));
            }
            end_s = at_s;
            names.extend([first, second]);
            if names.len() > NODES_MAX {
                return Err(fail(format!("there are more than {NODES_MAX} nodes")));
            }
            if event.is_up {
                if open.insert(event.nodes, at_s).is_some() {
                    return Err(fail(format!("{first} and {second} are up already")));
                }
            } else {
                let since = open.remove(&event.nodes);
                let since =
                    since.ok_or_else(|| fail(format!("{first} and {second} are not up")))?;
                let pair = (first.min(second), first.max(second));
                sightings.entry(pair).or_default().push((since, at_s));
            }
        }
        for ((first, second), since) in open {
            let pair = (first.min(second), first.max(second));
            sightings.entry(pair).or_default().push((since, end_s));
        }
        if names.is_empty() {
            let what = "there is no contact in it".to_owned();
            return Err(TraceError { line: 1, what });
        }
        let names: Vec<u64> = names.into_iter().collect();
        let place = |name: &u64| names.binary_search(name).expect("every name was noted");
        let contacts = sightings.into_iter().flat_map(|((first, second), times)| {
            let nodes = (place(&first), place(&second));
            merged(times)
                .into_iter()
                .map(move |(from_s, to_s)| Contact {
                    from_s,
                    to_s,
                    nodes,
                })
        });
        Ok(Self::new(names.clone(), contacts.collect(), end_s))
    }

    fn new(names: Vec<u64>, mut contacts: Vec<Contact>, end_s: u64) -> Self {
        contacts.sort_unstable();
        Self {
            names,
            contacts,
            end_s,
        }
    }

    /// A trace made of contacts between `nodes` nodes. Contacts of a pair that touch become one.
    ///
    /// # Panics
    ///
    /// If there are more than 64 nodes, or a contact names an unknown node, or the same node twice, or ends before it begins.
    #[must_use]
    pub fn from_contacts(nodes: usize, contacts: &[Contact]) -> Self {
        assert!(nodes <= NODES_MAX);
        let mut pairs: BTreeMap<(usize, usize), Vec<(u64, u64)>> = BTreeMap::new();
        for contact in contacts {
            let (a, b) = contact.nodes;
            assert!(a != b && a.max(b) < nodes && contact.from_s <= contact.to_s);
            let times = pairs.entry((a.min(b), a.max(b))).or_default();
            times.push((contact.from_s, contact.to_s));
        }
        let end_s = contacts
            .iter()
            .map(|contact| contact.to_s)
            .max()
            .unwrap_or(0);
        let contacts = pairs.into_iter().flat_map(|(nodes, times)| {
            merged(times)
                .into_iter()
                .map(move |(from_s, to_s)| Contact {
                    from_s,
                    to_s,
                    nodes,
                })
        });
        Self::new((0..nodes as u64).collect(), contacts.collect(), end_s)
    }

    /// How many nodes there are.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.names.len()
    }

    /// The name of a node in the trace.
    #[must_use]
    pub fn name(&self, node: usize) -> u64 {
        self.names[node]
    }

    /// All contacts, by the time they begin. Those of one pair do not touch.
    #[must_use]
    pub fn contacts(&self) -> &[Contact] {
        &self.contacts
    }

    /// The time of the last event, seconds.
    #[must_use]
    pub fn end_s(&self) -> u64 {
        self.end_s
    }

    /// The node that was longest in contact with others up to a time: the best choice of a Primary at that time.
    #[must_use]
    pub fn longest_met(&self, until_s: u64) -> usize {
        let met_s = |node: usize| -> u64 {
            let theirs = self.contacts.iter().filter(|contact| {
                (contact.nodes.0 == node || contact.nodes.1 == node) && contact.from_s <= until_s
            });
            theirs
                .map(|contact| contact.to_s.min(until_s) - contact.from_s)
                .sum()
        };
        (0..self.nodes())
            .max_by_key(|node| (met_s(*node), std::cmp::Reverse(*node)))
            .unwrap_or(0)
    }

    /// The part up to a time, for quick looks. The nodes stay.
    #[must_use]
    pub fn until(&self, end_s: u64) -> Self {
        let contacts = self
            .contacts
            .iter()
            .filter(|contact| contact.from_s <= end_s);
        let contacts = contacts.map(|contact| Contact {
            to_s: contact.to_s.min(end_s),
            ..*contact
        });
        Self::new(
            self.names.clone(),
            contacts.collect(),
            self.end_s.min(end_s),
        )
    }
}

/// Joins spans that overlap or touch.
fn merged(mut spans: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    spans.sort_unstable();
    let mut joined: Vec<(u64, u64)> = Vec::new();
    for (from, to) in spans {
        match joined.last_mut() {
            Some((_, end)) if from <= *end => *end = to.max(*end),
            _ => joined.push((from, to)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sightings_by_both_are_one_contact() {
        let text = "0\tCONN\t7\t3\tup\n5 CONN 3 7 up\n# a remark\n\n9 CONN 7 3 down\n12 CONN 3 7 down\n20 CONN 7 9 up\n30 CONN 3 9 up\n30 CONN 3 9 down\n";
        let trace = Trace::read(text).unwrap();
        let contact = |from_s, to_s, nodes| Contact {
            from_s,
            to_s,
            nodes,
        };
        assert_eq!(
            trace.contacts(),
            [
                contact(0, 12, (0, 1)),
                contact(20, 30, (1, 2)),
                contact(30, 30, (0, 2)),
            ]
        );
        assert_eq!((trace.nodes(), trace.name(2), trace.end_s()), (3, 9, 30));
        assert_eq!((trace.longest_met(15), trace.longest_met(30)), (0, 1));
        assert_eq!(trace.until(25).contacts()[1], contact(20, 25, (1, 2)));
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        for (text, line, what) in [
            ("", 1, "no contact"),
            ("0 CONN 1 2", 1, "five fields"),
            ("0 CONN 1 2 up\n1 LINK 1 2 down", 2, "LINK"),
            ("0 CONN 1 2 up\n1 CONN 1 2 left", 2, "left"),
            ("# first\nx CONN 1 2 up", 2, "time `x`"),
            ("0 CONN 1 -2 up", 1, "node `-2`"),
            ("0 CONN 1 1 up", 1, "meets itself"),
            ("5 CONN 1 2 up\n4 CONN 1 2 down", 2, "after time 5"),
            ("5 CONN 1 2 up\n5 CONN 1 2 up", 2, "up already"),
            ("5 CONN 1 2 down", 1, "not up"),
        ] {
            let error = Trace::read(text).unwrap_err();
            assert_eq!(error.line, line, "{text}");
            assert!(error.to_string().contains(what), "{text}: {error}");
        }
        let crowd: Vec<String> = (1..=NODES_MAX)
            .map(|node| format!("0 CONN 0 {node} up"))
            .collect();
        let crowd = crowd.join("\n");
        assert_eq!(Trace::read(&crowd).unwrap_err().line, NODES_MAX);
    }
}
