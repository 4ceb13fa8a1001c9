use mycnet_consensus::internals::operation::{Ballot, Class};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::super::bound::bound;
use super::super::plan::operations;
use super::super::trace::{Contact, Trace};
use super::*;

/// Meetings of a moment.
fn moments(nodes: usize, meetings: &[(u64, usize, usize)]) -> Trace {
    let contacts: Vec<Contact> = meetings
        .iter()
        .map(|(at_s, a, b)| Contact {
            from_s: *at_s,
            to_s: *at_s,
            nodes: (*a, *b),
        })
        .collect();
    Trace::from_contacts(nodes, &contacts)
}

/// Three nodes that meet in turn, every ten seconds from 10 on: 0 and 1, 0 and 2, 1 and 2.
fn round_of_three() -> Vec<(u64, usize, usize)> {
    let pairs = [(0, 1), (0, 2), (1, 2)].into_iter().cycle();
    let times = (10..=90).step_by(10);
    times.zip(pairs).map(|(s, (a, b))| (s, a, b)).collect()
}

fn critical(nodes: usize, by: usize, at_s: u64) -> Planned {
    Planned {
        at_s,
        by,
        class: Class::Critical,
        ballots: vec![Ballot::Approve; nodes],
    }
}

#[test]
fn one_operation_alone_of_all_is_at_the_first_bound() {
    let reach = Reach::new(&moments(3, &round_of_three()));
    let planned = [critical(3, 0, 0)];
    let second = second(&reach, &planned);
    // 0 and 2 hold all three commits at 20. 1 has the proposal at 30, all prevotes are at 1 and 2 then, and at 0 at 40, which makes
    // the certificate with 1; 2 has it at 50 and with 0 all reveals, 1 at 60.
    let lead = Lead {
        by: 0,
        at_s: 20,
        frozen: vec![(0, vec![0, 1, 2])],
    };
    assert_eq!(second.leads, [lead]);
    assert_eq!(second.tallied[0], [Some(50), Some(60), Some(50)]);
    assert_eq!(second.tallied[0], bound(&reach, &planned[0]).tallied);
}

#[test]
fn a_seal_in_flight_is_waited_for() {
    let reach = Reach::new(&moments(3, &round_of_three()));
    let planned = [critical(3, 0, 0), critical(3, 2, 11)];
    // 1 and 2 hold all commits for the second at 30, and alone it would go on then. But the seal for the first has its
    // certificate only at 40, at 0 and 1, and 0 holds all commits for the second then.
    let second = second(&reach, &planned);
    let leads: Vec<(usize, u64)> = second
        .leads
        .iter()
        .map(|lead| (lead.by, lead.at_s))
        .collect();
    assert_eq!(leads, [(0, 20), (0, 40)]);
    assert_eq!(
        bound(&reach, &planned[1]).tallied,
        [Some(70), Some(60), Some(60)]
    );
    assert_eq!(second.tallied[1], [Some(70), Some(70), Some(80)]);
}

/// Four nodes, of whom 3 meets 0 at 10, if at all, and then only at 1000.
fn one_goes_away(met_before: bool) -> Trace {
    let mut meetings = round_of_three();
    for meeting in &mut meetings {
        meeting.0 += 10;
    }
    meetings.extend(met_before.then_some((10, 0, 3)));
    meetings.extend([(1000, 0, 3), (1010, 0, 1)]);
    moments(4, &meetings)
}

#[test]
fn who_was_frozen_is_waited_for() {
    let planned = [critical(4, 0, 0)];
    let reach = Reach::new(&one_goes_away(true));
    let found = second(&reach, &planned);
    // 0, 1 and 3 are frozen at 20, and an approval takes three of four. The first bound takes the reveal of 2 instead.
    assert_eq!(found.leads[0].frozen, [(0, vec![0, 1, 3])]);
    assert_eq!(found.tallied[0], [Some(1000), Some(1010), None, Some(1000)]);
    let first = bound(&reach, &planned[0]);
    assert_eq!(first.tallied, [Some(50), Some(50), Some(60), Some(1000)]);
}

/// The smallest example that one contact less can help, if the lead is left open: who then is not frozen is not waited for.
#[test]
fn without_a_contact_the_lead_may_be_a_better_one() {
    let planned = [critical(4, 0, 0)];
    let found = second(&Reach::new(&one_goes_away(false)), &planned);
    assert_eq!(found.leads[0].frozen, [(0, vec![0, 1, 2])]);
    assert_eq!(found.tallied[0][..3], [Some(60), Some(70), Some(60)]);
}

/// A random trace of short contacts, a plan for it, and the same trace with some of the contacts taken out.
fn random(seed: u64) -> (Trace, Vec<Planned>, Trace) {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let nodes = rng.random_range(3..=10);
    let contact = |rng: &mut ChaCha8Rng| {
        let (from_s, one) = (rng.random_range(0..5000), rng.random_range(0..nodes));
        Contact {
            from_s,
            to_s: from_s + rng.random_range(0..60),
            nodes: (one, (one + rng.random_range(1..nodes)) % nodes),
        }
    };
    let contacts: Vec<Contact> = (0..nodes * 20).map(|_| contact(&mut rng)).collect();
    let trace = Trace::from_contacts(nodes, &contacts);
    let planned = operations(seed, &trace, 6, &[Class::Claim, Class::Critical]);
    let fewer: Vec<Contact> = contacts
        .into_iter()
        .filter(|_| rng.random_ratio(9, 10))
        .collect();
    (trace, planned, Trace::from_contacts(nodes, &fewer))
}

fn is_earlier(one: &Arrival, other: &Arrival) -> bool {
    one.is_some_and(|one| other.is_none_or(|other| one < other))
}

/// In how many places the one is earlier than the other.
fn earlier_places(one: &[Arrival], other: &[Arrival]) -> usize {
    let pairs = one.iter().zip(other);
    pairs.filter(|(one, other)| is_earlier(one, other)).count()
}

const SEEDS: u64 = 300;

#[test]
fn the_second_bound_is_never_earlier_than_the_first() {
    let (mut later, mut too_early) = (0, 0);
    for seed in 0..SEEDS {
        let (trace, planned, _) = random(seed);
        let reach = Reach::new(&trace);
        let found = second(&reach, &planned);
        for (place, second) in found.tallied.iter().enumerate() {
            let first = bound(&reach, &planned[place]).tallied;
            assert_eq!(earlier_places(second, &first), 0, "seed {seed}, {place}");
            later += earlier_places(&first, second);
        }
        // A model that forgets what was frozen and not revealed: it must be found to be too early.
        for lead in &found.leads {
            let nodes = trace.nodes();
            let reveals = reach.from_each(&certified(&reach, lead, nodes));
            for (place, authors) in &lead.frozen {
                let at_node = |node: usize| {
                    tallied(
                        &planned[*place],
                        0,
                        authors
                            .iter()
                            .map(|author| (*author, reveals[*author][node])),
                    )
                };
                let forgetful: Vec<Arrival> = (0..nodes).map(at_node).collect();
                let first = bound(&reach, &planned[*place]).tallied;
                too_early += earlier_places(&forgetful, &first);
            }
        }
    }
    assert!(later > 1000, "the second bound adds something: {later}");
    assert!(too_early > 100, "the check fires: {too_early}");
}

#[test]
fn fewer_contacts_make_nothing_earlier_with_the_same_leads() {
    let (mut later, mut earlier) = (0, 0);
    for seed in 0..SEEDS {
        let (trace, planned, fewer) = random(seed);
        let (reach, poorer) = (Reach::new(&trace), Reach::new(&fewer));
        for planned in &planned {
            let (rich, poor) = (bound(&reach, planned), bound(&poorer, planned));
            assert_eq!(
                earlier_places(&poor.tallied, &rich.tallied),
                0,
                "seed {seed}"
            );
        }
        let found = second(&reach, &planned);
        for (lead, next) in found.leads.iter().zip(&found.leads[1..]) {
            assert!(lead.at_s <= next.at_s, "seed {seed}: one seal at a time");
        }
        for lead in &found.leads {
            for (place, poor) in follow(&poorer, &planned, lead) {
                let rich = &found.tallied[place];
                assert_eq!(earlier_places(&poor, rich), 0, "seed {seed}, {place}");
                later += earlier_places(rich, &poor);
            }
        }
        let free = second(&poorer, &planned);
        for (poor, rich) in free.tallied.iter().zip(&found.tallied) {
            earlier += earlier_places(poor, rich);
        }
    }
    assert!(later > 1000, "contacts matter: {later}");
    assert!(
        earlier > 0,
        "with the leads left open the bound is not monotone"
    );
}

#[test]
fn every_lead_holds_a_quorum_and_freezes_once() {
    for seed in 0..SEEDS {
        let (trace, planned, _) = random(seed);
        let found = second(&Reach::new(&trace), &planned);
        let frozen = found.leads.iter().flat_map(|lead| &lead.frozen);
        let mut seen = std::collections::BTreeSet::new();
        for (place, authors) in frozen {
            assert!(seen.insert(place), "seed {seed}: {place} is frozen twice");
            assert!(authors.len() >= quorum(trace.nodes()), "seed {seed}");
        }
    }
}
