//! S-order: decisions, kept records and blame are functions of the set of records.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mycnet_consensus::internals::finality::{Agreement, Blame, Sealers, blame};
use mycnet_consensus::internals::record::{Statement, Verified, VoteKind, sign};
use mycnet_consensus::internals::seal::SealCertificate;
use mycnet_consensus::{Identity, NodeId, RecordId, SealId, Signer as _};

use super::network::{net, seal};
use super::random::Random;

const HEIGHT: u64 = 5;

fn identities() -> Vec<Identity> {
    (0..4)
        .map(|member| Identity::from_seed_label(&format!("orderly {member}")))
        .collect()
}

fn sealers() -> Arc<Sealers> {
    Arc::new(Sealers::new(
        identities().iter().map(Identity::node_id).collect(),
    ))
}

/// Votes of four sealers. The first ones equivocate; the others have one body per slot.
fn votes(random: &mut Random, rounds: u32, equivocators: usize, percent: usize) -> Vec<Verified> {
    let values = [None, Some(seal(1, 0).id()), Some(seal(2, 0).id())];
    let mut votes = Vec::new();
    for (member, identity) in identities().iter().enumerate() {
        for round in 0..rounds {
            for kind in [VoteKind::Prevote, VoteKind::Precommit] {
                let bodies = if member < equivocators {
                    1 + random.below(4)
                } else {
                    1
                };
                // Votes for one seal are frequent, so that there are quorums.
                for _ in 0..bodies {
                    let value = if random.chance(70) {
                        values[1]
                    } else {
                        values[random.below(3)]
                    };
                    if random.chance(percent) {
                        let vote = Statement::SealVote {
                            height: HEIGHT,
                            round,
                            kind,
                            seal: value,
                        };
                        votes.push(sign(identity, net(), vote).unwrap());
                    }
                }
            }
        }
    }
    votes
}

#[derive(Debug, PartialEq)]
struct Answers {
    decisions: BTreeSet<(SealId, u32)>,
    certificate: Option<SealCertificate>,
    kept: Vec<RecordId>,
    blame: Blame,
}

/// Adds the records in their order. Fails if a decision disappears on the way.
fn answers(records: &[Verified], seed: u64) -> Answers {
    let sealers = sealers();
    let mut agreement = Agreement::new(HEIGHT, Arc::clone(&sealers), None);
    let mut before = BTreeSet::new();
    for record in records {
        let _ = agreement.add(record.clone());
        let now: BTreeSet<_> = agreement.decisions().collect();
        assert!(
            now.is_superset(&before),
            "a decision was taken back, seed {seed}"
        );
        before = now;
    }
    Answers {
        decisions: before,
        certificate: agreement.certificate(),
        kept: agreement.records().map(Verified::id).collect(),
        blame: blame(HEIGHT, &sealers, records),
    }
}

#[test]
fn s_order() {
    let mut decided = 0;
    for seed in 0..100 {
        let mut random = Random::new(seed);
        let equivocators = random.below(3);
        let mut records = votes(&mut random, 3, equivocators, 80);
        let expected = answers(&records, seed);
        decided += usize::from(!expected.decisions.is_empty());
        for _ in 0..5 {
            random.shuffle(&mut records);
            // Some arrive twice.
            let again = records[random.below(records.len())].clone();
            records.push(again);
            assert_eq!(answers(&records, seed), expected, "seed {seed}");
        }
    }
    assert!(
        (20..100).contains(&decided),
        "{decided} of 100 sets decide, which tests only one answer"
    );
}

#[test]
fn s_order_holds_when_rounds_are_dropped() {
    for seed in 0..5 {
        let mut random = Random::new(seed);
        // Too few votes for any quorum: without one, the limits alone say what is kept.
        let mut records = votes(&mut random, 90, 1, 90);
        let liars: BTreeSet<NodeId> = identities()[..2].iter().map(Identity::node_id).collect();
        records.retain(|record| liars.contains(&record.author()));
        let expected = answers(&records, seed);
        assert!(expected.kept.len() < records.len());
        for _ in 0..3 {
            random.shuffle(&mut records);
            assert_eq!(answers(&records, seed), expected, "seed {seed}");
        }
    }
}

/// The rule that S1 replaces: an author's first vote counts, as in engines that take votes as a stream.
fn decided_by_first_votes(records: &[Verified]) -> BTreeSet<(SealId, u32)> {
    let sealers = sealers();
    let mut first = BTreeMap::new();
    for record in records {
        if let Statement::SealVote {
            round,
            kind: VoteKind::Precommit,
            seal,
            ..
        } = record.statement()
        {
            first.entry((record.author(), *round)).or_insert(*seal);
        }
    }
    let mut counts: BTreeMap<(SealId, u32), usize> = BTreeMap::new();
    for ((_, round), value) in first {
        if let Some(value) = value {
            *counts.entry((value, round)).or_default() += 1;
        }
    }
    counts.retain(|_, count| sealers.is_quorum(*count));
    counts.into_keys().collect()
}

#[test]
fn s_order_fires_when_first_votes_count() {
    let differs = (0..100).any(|seed| {
        let mut random = Random::new(seed);
        let mut records = votes(&mut random, 3, 2, 80);
        let expected = decided_by_first_votes(&records);
        random.shuffle(&mut records);
        decided_by_first_votes(&records) != expected
    });
    assert!(differs);
}
