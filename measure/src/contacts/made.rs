//! Made-up contact traces: who is about when, and who meets whom, from a few numbers and a seed.
//!
//! The nodes belong to *circles* (teams, groups of friends, hamlets), whose members meet one another most. On each day a circle
//! is about in one [`Span`]; in it every node begins a number of contacts with its own circle and with anybody who is about.
//! [`Gathering`]s bring many together: a market day, the handing over between shifts. All contacts are short, and
//! nothing happens at night except where a span reaches into it. Integers and one seeded generator only: the same
//! numbers and seed give the same trace everywhere.

use std::str::FromStr;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::trace::{Contact, NODES_MAX, Trace};

const DAY_S: u64 = 24 * 3600;
const MINUTE_S: u64 = 60;

/// From one minute of a day to another, later one, which may be on the next day (beyond 1440).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first minute, 0..1440.
    pub from_min: u64,
    /// The minute after the last.
    pub to_min: u64,
}

/// An occasion that brings nodes together, besides their usual contacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gathering {
    /// The first day of it, from 0.
    pub first_day: u64,
    /// After how many days it comes again; at least 1.
    pub every_days: u64,
    /// When on that day.
    pub span: Span,
    /// How many in a thousand of those who can come do.
    pub attend_permille: u32,
    /// Whether all nodes can come, and not only those who are about at some moment of it.
    pub is_open: bool,
    /// How many contacts each who comes begins there.
    pub contacts: u32,
}

/// The numbers that a trace is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shape {
    /// Nodes, 2..=64.
    pub nodes: usize,
    /// Days, at least 1.
    pub days: u64,
    /// Circles, 1..=`nodes`; node *n* belongs to circle *n* mod `circles`.
    pub circles: usize,
    /// When a circle is about on each day: circle *c* in span *c* mod their number; at least one.
    pub spans: Vec<Span>,
    /// By how many minutes, at most, a node begins and ends its day earlier or later than its span.
    pub jitter_min: u64,
    /// How many in a thousand of the nodes are about on a day.
    pub about_permille: u32,
    /// How many contacts a node begins on a day with members of its circle.
    pub inside: u32,
    /// How many it begins with anybody who is about.
    pub outside: u32,
    /// The shortest and the longest contact, seconds.
    pub contact_s: (u64, u64),
    /// Gatherings.
    pub gatherings: Vec<Gathering>,
    /// With how many of the nodes after it, by number and in a ring, a node is in contact all the time; 0: with none.
    pub always_with: usize,
}

/// Shapes with a name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Groups of friends: about from morning to late evening, contacts of 20 to 60 s, one in four with anybody. The main
    /// one.
    Friends,
    /// An office of teams: contacts of 20 s to 5 minutes, all within the working day.
    Office,
    /// Three shifts round the clock: contacts of 20 to 60 s, and between shifts only while one hands over to the next.
    Shifts,
    /// Hamlets that keep to themselves, with a market every third day; contacts of 20 s to 10 minutes.
    Village,
    /// Nodes that are always connected, each with the next two.
    Mesh,
}

impl Preset {
    /// All of them, by name.
    pub const ALL: [(&'static str, Self); 5] = [
        ("friends", Self::Friends),
        ("office", Self::Office),
        ("shifts", Self::Shifts),
        ("village", Self::Village),
        ("mesh", Self::Mesh),
    ];

    /// Its shape with so many nodes, 2..=64.
    #[must_use]
    pub fn shape(self, nodes: usize) -> Shape {
        let friends = Shape {
            nodes,
            days: 7,
            circles: nodes.div_ceil(6),
            spans: vec![span(8, 22)],
            jitter_min: 60,
            about_permille: 900,
            inside: 12,
            outside: 4,
            contact_s: (20, 60),
            gatherings: Vec::new(),
            always_with: 0,
        };
        match self {
            Self::Friends => friends,
            Self::Office => Shape {
                days: 5,
                spans: vec![span(9, 17)],
                about_permille: 850,
                inside: 10,
                outside: 5,
                contact_s: (20, 300),
                ..friends
            },
            Self::Shifts => Shape {
                circles: 3.min(nodes),
                spans: vec![span(6, 14), span(14, 22), span(22, 30)],
                jitter_min: 15,
                inside: 14,
                outside: 0,
                gatherings: [6, 14, 22].map(hand_over).to_vec(),
                ..friends
            },
            Self::Village => Shape {
                days: 8,
                circles: nodes.div_ceil(5),
                spans: vec![span(7, 21)],
                inside: 6,
                outside: 0,
                contact_s: (20, 600),
                gatherings: vec![Gathering {
                    first_day: 1,
                    every_days: 3,
                    span: span(8, 12),
                    attend_permille: 800,
                    is_open: true,
                    contacts: 8,
                }],
                ..friends
            },
            Self::Mesh => Shape {
                days: 1,
                inside: 0,
                outside: 0,
                always_with: 2.min(nodes - 1),
                ..friends
            },
        }
    }
}

impl FromStr for Preset {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let known = Self::ALL.iter().find(|(known, _)| *known == name);
        let names = Self::ALL.map(|(name, _)| name).join(", ");
        known
            .map(|(_, preset)| *preset)
            .ok_or(format!("`{name}` is none of {names}"))
    }
}

/// Between two hours of the day.
fn span(from_h: u64, to_h: u64) -> Span {
    Span {
        from_min: from_h * 60,
        to_min: to_h * 60,
    }
}

/// The quarters of an hour before and after a shift ends, when both shifts are in the house.
fn hand_over(at_h: u64) -> Gathering {
    Gathering {
        first_day: 0,
        every_days: 1,
        span: Span {
            from_min: at_h * 60 - 15,
            to_min: at_h * 60 + 15,
        },
        attend_permille: 800,
        is_open: false,
        contacts: 3,
    }
}

/// The contacts of a shape. The same shape and seed give the same trace.
///
/// # Panics
///
/// If a number of the shape is outside of its range.
#[must_use]
pub fn made(shape: &Shape, seed: u64) -> Trace {
    shape.check();
    let mut maker = Maker {
        shape,
        rng: ChaCha8Rng::seed_from_u64(seed ^ 0x7ace_5eed),
        days: Vec::new(),
        contacts: Vec::new(),
    };
    for day in 0..shape.days {
        maker.begin(day);
    }
    for day in 0..shape.days {
        maker.live(day);
        for gathering in &shape.gatherings {
            let since = day.checked_sub(gathering.first_day);
            if since.is_some_and(|since| since.is_multiple_of(gathering.every_days)) {
                maker.gather(day, gathering);
            }
        }
    }
    maker.stay_connected();
    Trace::from_contacts(shape.nodes, &maker.contacts)
}

impl Shape {
    fn check(&self) {
        assert!((2..=NODES_MAX).contains(&self.nodes) && self.days >= 1);
        assert!((1..=self.nodes).contains(&self.circles) && !self.spans.is_empty());
        let gatherings = &self.gatherings;
        let spans = self.spans.iter().chain(gatherings.iter().map(|g| &g.span));
        for span in spans {
            assert!(span.from_min < 1440 && span.from_min < span.to_min);
        }
        assert!(gatherings.iter().all(|g| g.every_days >= 1));
        let shares = gatherings.iter().map(|g| g.attend_permille);
        assert!(
            shares
                .chain([self.about_permille])
                .all(|share| share <= 1000)
        );
        assert!(self.contact_s.0 <= self.contact_s.1 && self.always_with < self.nodes);
    }
}

/// From one second of the trace to another, excluded.
type Stay = (u64, u64);

struct Maker<'a> {
    shape: &'a Shape,
    rng: ChaCha8Rng,
    /// By day and node: when it is about.
    days: Vec<Vec<Option<Stay>>>,
    contacts: Vec<Contact>,
}

impl Maker<'_> {
    fn stay(&self, day: u64, span: Span) -> Stay {
        let start_s = day * DAY_S;
        (
            start_s + span.from_min * MINUTE_S,
            start_s + span.to_min * MINUTE_S,
        )
    }

    /// Draws who is about on a day, and when.
    fn begin(&mut self, day: u64) {
        let shape = self.shape;
        let jitter_s = (shape.jitter_min * MINUTE_S).cast_signed();
        let mut about = Vec::new();
        for node in 0..shape.nodes {
            let span = shape.spans[node % shape.circles % shape.spans.len()];
            let (from_s, to_s) = self.stay(day, span);
            let mut shifted =
                |at_s: u64| at_s.saturating_add_signed(self.rng.random_range(-jitter_s..=jitter_s));
            let stay = (shifted(from_s), shifted(to_s));
            let comes = self.rng.random_ratio(shape.about_permille, 1000);
            about.push((comes && stay.0 < stay.1).then_some(stay));
        }
        self.days.push(about);
    }

    /// Whether a node is about, by a span that began on this day or the day before.
    fn is_about(&self, node: usize, at_s: u64) -> bool {
        let today = usize::try_from(at_s / DAY_S).unwrap_or(usize::MAX);
        let days = today.saturating_sub(1)..=today.saturating_add(1);
        let mut stays = days.filter_map(|day| *self.days.get(day)?.get(node)?);
        stays.any(|(from_s, to_s)| (from_s..to_s).contains(&at_s))
    }

    /// The usual contacts of a day.
    fn live(&mut self, day: u64) {
        let shape = self.shape;
        let place = usize::try_from(day).expect("a day that was drawn");
        for node in 0..shape.nodes {
            let Some((from_s, to_s)) = self.days[place][node] else {
                continue;
            };
            for number in 0..shape.inside + shape.outside {
                let at_s = self.rng.random_range(from_s..to_s);
                let is_inside = number < shape.inside;
                let others = (0..shape.nodes).filter(|other| {
                    let is_near = !is_inside || other % shape.circles == node % shape.circles;
                    is_near && self.is_about(*other, at_s)
                });
                let others: Vec<usize> = others.collect();
                self.meet(node, &others, at_s);
            }
        }
    }

    /// The contacts of a gathering.
    fn gather(&mut self, day: u64, gathering: &Gathering) {
        let (from_s, to_s) = self.stay(day, gathering.span);
        let mut here = Vec::new();
        for node in 0..self.shape.nodes {
            let can_come = gathering.is_open
                || (from_s..to_s)
                    .step_by(60)
                    .any(|at_s| self.is_about(node, at_s));
            if can_come && self.rng.random_ratio(gathering.attend_permille, 1000) {
                here.push(node);
            }
        }
        for node in here.clone() {
            for _ in 0..gathering.contacts {
                let at_s = self.rng.random_range(from_s..to_s);
                self.meet(node, &here, at_s);
            }
        }
    }

    /// Lets a node meet one of the others; not itself.
    fn meet(&mut self, node: usize, others: &[usize], at_s: u64) {
        let others: Vec<usize> = others.iter().copied().filter(|o| *o != node).collect();
        if others.is_empty() {
            return;
        }
        let other = others[self.rng.random_range(0..others.len())];
        let (shortest_s, longest_s) = self.shape.contact_s;
        self.contacts.push(Contact {
            from_s: at_s,
            to_s: at_s + self.rng.random_range(shortest_s..=longest_s),
            nodes: (node, other),
        });
    }

    /// The contacts that last from the beginning to the end.
    fn stay_connected(&mut self) {
        let nodes = self.shape.nodes;
        for node in 0..nodes {
            for step in 1..=self.shape.always_with {
                self.contacts.push(Contact {
                    from_s: 0,
                    to_s: self.shape.days * DAY_S,
                    nodes: (node, (node + step) % nodes),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
