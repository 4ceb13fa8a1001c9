//! How new records spread: how often each crosses a link, and how soon everybody has it.
//!
//! Rules: N4.

mod town;

use std::collections::BTreeSet;

use mycnet_consensus::core::Input;
use mycnet_consensus::core::Network as _;
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::record::{Statement, Verified};
use mycnet_consensus::{Ballot, Priority, RecordId};

use town::{LATENCY_MS, Town};

#[test]
fn in_a_mesh_each_record_crosses_a_link_once_and_ids_are_not_needed() {
    const NODES: u64 = 8;
    let mut town = Town::mesh(8);
    // Who has which other sources shows in the first operations.
    for n in 0..8 {
        town.decide(n, &[0, u8::try_from(n).unwrap()]);
    }
    let (offers, heights) = (town.offers, town.blocks[0].len());
    town.crossings.clear();
    let (mut messages, mut records) = (0, 0);
    for n in 0..8 {
        let (more_messages, more_records) = town.decide(n, &[1, u8::try_from(n).unwrap()]);
        (messages, records) = (messages + more_messages, records + more_records);
    }
    let different: BTreeSet<RecordId> = town.crossings.keys().map(|(_, _, id, _)| *id).collect();
    let least = different.len() as u64 * (NODES - 1);
    println!(
        "{messages} messages, {records} records sent of at least {least}, {} offers, {} seals",
        town.offers - offers,
        town.blocks[0].len() - heights
    );
    assert!(records <= least + least / 20, "{records} of {least}");
    assert!(town.offers - offers <= 8 * NODES);
    assert_eq!(
        town.blocks[0].len() - heights,
        16,
        "two seals for an operation"
    );
}

/// While a link was slow, others were sooner with an author's records. Once the author is, they are told, and each record crosses a
/// link once again.
#[test]
fn who_was_sooner_than_the_author_once_does_not_pass_its_records_on_for_ever() {
    let mut town = Town::mesh(4);
    town.slow.insert((0, 3), 5 * LATENCY_MS);
    for n in 0..4 {
        town.decide(n, &[0, u8::try_from(n).unwrap()]);
    }
    town.slow.clear();
    town.decide(0, b"told");
    town.crossings.clear();
    town.decide(0, b"once");
    let of_author = |(one, other, _, kind): &(usize, usize, RecordId, &str)| {
        *kind == "propose" && (*one == 0 || *other == 3)
    };
    let proposals = town.crossings.keys().filter(|key| of_author(key));
    let links: Vec<_> = proposals.map(|(one, other, ..)| (*one, *other)).collect();
    assert_eq!(links, [(0, 1), (0, 2), (0, 3)], "only from its author");
}

/// A proposer lists what reached it by the fast links. What is still on the slow one is not asked of it.
#[test]
fn a_listed_record_that_is_on_its_way_is_not_asked_for() {
    let mut town = Town::mesh(4);
    for n in 0..4 {
        town.decide(n, &[0, u8::try_from(n).unwrap()]);
    }
    town.slow.insert((1, 3), 5 * LATENCY_MS / 2);
    town.crossings.clear();
    for n in [0, 2] {
        // No comparison comes between.
        town.pass(5000);
        town.decide(n, &[2, u8::try_from(n).unwrap()]);
    }
    let kinds = ["propose", "commit", "reveal"];
    let is_statement =
        |((_, _, _, kind), _): &(&(usize, usize, RecordId, &str), &u64)| kinds.contains(kind);
    let crossed = town.crossings.iter().filter(is_statement);
    let crossed: u64 = crossed.map(|(_, times)| times).sum();
    assert_eq!(crossed, 2 * 9 * 3, "each record once to each other node");
}

#[test]
fn in_a_chain_and_a_star_a_record_arrives_at_once_and_crosses_each_link_once() {
    let mut chain = Town::chain(6);
    for round in 0..3 {
        let delays = chain.delays(0, &[round], 3000);
        let expected = (0..6)
            .map(|hops| Some(hops * LATENCY_MS))
            .collect::<Vec<_>>();
        assert_eq!(delays, expected, "round {round}");
    }
    let mut star = Town::new(6, (1..6).map(|n| (0, n)));
    let delays = star.delays(1, b"star", 1000);
    let expected = [1, 0, 2, 2, 2, 2].map(|hops| Some(hops * LATENCY_MS));
    assert_eq!(delays, expected);
    for town in [chain, star] {
        // Votes that come when their seal is decided are left to comparisons.
        let is_again = |((_, _, _, kind), times): &(&(usize, usize, RecordId, &str), &u64)| {
            *kind != "seal_vote" && **times > 1
        };
        let again: Vec<_> = town.crossings.iter().filter(is_again).collect();
        assert!(again.is_empty(), "{again:?}");
    }
}

/// A link breaks after both ends had noted that they have other sources.
#[test]
fn after_a_link_is_cut_records_come_late_once_and_then_at_once() {
    let mut town = Town::mesh(4);
    for n in 0..4 {
        town.decide(n, &[0, u8::try_from(n).unwrap()]);
    }
    town.cut(0, 3);
    town.pass(100);
    // Nobody offers what is sealed soon: node 3 asks for what a proposal lists.
    town.delays(0, b"first", 2000);
    assert_eq!(town.blocks[3].len(), town.blocks[0].len());
    let second = town.delays(0, b"second", 2000)[3].unwrap();
    assert_eq!(second, 2 * LATENCY_MS, "pushed by the one whom it asked");
}

/// Who keeps back what others wrote delays it, no more.
#[test]
fn selfish_nodes_only_delay() {
    let ring = (0..6).map(|n| (n, (n + 1) % 6));
    let mut town = Town::new(6, ring.chain([(0, 3), (1, 4)]));
    for n in 0..6 {
        town.decide(n, &[0, u8::try_from(n).unwrap()]);
    }
    town.selfish = BTreeSet::from([1]);
    let delays = town.delays(0, b"kept back", 5000);
    let longest = delays.iter().map(|it| it.unwrap()).max().unwrap();
    assert!(longest <= 3000, "{delays:?}");
}

/// Who is asked and does not answer is not waited for: the next one is asked.
#[test]
fn one_peer_is_asked_after_the_other() {
    let mut town = Town::new(4, [(0, 1), (0, 2), (0, 3)]);
    let record = {
        let mut author = Town::new(4, []);
        author.propose(3, b"offered", Priority::Normal);
        let pool: Vec<_> = author.cores[3]
            .pool()
            .iter()
            .map(|it| it.record.clone())
            .collect();
        let is_proposal = |it: &&Verified| matches!(it.statement(), Statement::Propose { .. });
        pool.iter().find(is_proposal).unwrap().clone()
    };
    let id = record.id();
    let wants = |town: &Town| -> Vec<usize> {
        let under_way = town.under_way.values();
        let wants = under_way.filter(|(from, _, message)| {
            *from == 0 && matches!(message, Message::Want(ids) if ids.contains(&id))
        });
        wants.map(|(_, to, _)| *to).collect()
    };
    town.arrive(1, 0, Message::Offer(vec![id]));
    town.arrive(2, 0, Message::Offer(vec![id]));
    town.arrive(3, 0, Message::Offer(vec![id]));
    assert_eq!(wants(&town), [1], "only one at a time");
    town.pass(1001);
    assert_eq!(wants(&town), [2]);
    town.cut(0, 2);
    assert_eq!(wants(&town).last(), Some(&3), "at once, if it is gone");
    town.arrive(3, 0, Message::Records(vec![record.encode().into()]));
    town.pass(5000);
    assert_eq!(wants(&town), [0; 0], "it is here");
}

/// How long until the first seal after a proposal of node 0, the Primary. All but node 3 commit to it at once.
fn first_seal_ms(town: &mut Town, priority: Priority, all_vote: bool) -> u64 {
    let height = town.blocks[0].len();
    let operation = town.propose(0, b"timed", priority);
    let began_ms = town.now_ms;
    let mut left: Vec<usize> = if all_vote { vec![1, 2, 3] } else { vec![1, 2] };
    while town.blocks[0].len() == height {
        town.pass(1);
        assert!(town.now_ms < began_ms + 1000);
        let ballot = Ballot::Approve;
        left.retain(|n| {
            let vote = Input::Vote {
                operation,
                ballot: ballot.clone(),
            };
            town.cores[*n].status(&operation).is_none() || town.input(*n, vote).is_err()
        });
    }
    town.now_ms - began_ms
}

/// A proposer waits until all commits are in, else as long as two exchanges take; nothing urgent waits.
#[test]
fn a_proposer_gathers_what_is_expected_and_no_longer() {
    // The agreement itself: a proposal and two rounds of votes.
    let agreed_ms = 3 * LATENCY_MS;
    let mut town = Town::mesh(4);
    for n in 0..4_u8 {
        town.decide(n.into(), &[n]);
    }
    let all_ms = first_seal_ms(&mut town, Priority::Normal, true);
    assert!(
        all_ms <= 2 * LATENCY_MS + agreed_ms + 5,
        "a question and its answers: {all_ms}"
    );
    town.pass(10_000);
    let some_ms = first_seal_ms(&mut town, Priority::Normal, false);
    assert!(
        some_ms > all_ms && some_ms <= 100 + agreed_ms,
        "one does not answer: {some_ms}"
    );
    town.pass(10_000);
    let urgent_ms = first_seal_ms(&mut town, Priority::High, false);
    assert!(urgent_ms <= agreed_ms + 2, "urgent: {urgent_ms}");
}
