//! The cost of one reveal, by the number of electors and of earlier reveals: the tally alone, the ledger's filing
//! of a seal's reveals, and a reveal's way through a core. No signature is checked here: the reveals come verified, or in
//! batches whose signature was checked with the commits.

#[path = "common/network.rs"]
#[allow(dead_code, reason = "each bench takes what it needs")]
mod network;
#[path = "common/ratio.rs"]
#[allow(dead_code, reason = "each bench takes what it needs")]
mod ratio;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use mycnet_consensus::core::{Answer, Core, Input, PeerId};
use mycnet_consensus::internals::codec;
use mycnet_consensus::internals::ledger::{Ledger, Mode};
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::record::Verified;
use mycnet_consensus::internals::seal::SealedBlock;
use mycnet_consensus::internals::tally::Tally;
use mycnet_consensus::{Ballot, ClaimRule, Genesis, Sealing, Signer as _};
use network::{ballot, claim, genesis, hash_all, member, seal, signed_vote};
use ratio::{Ratio, Side, compare, timed};
use serde_bytes::ByteBuf;

/// The sizes of electorates.
const ELECTORS: [usize; 3] = [10, 100, 1_000];

/// Skill of a founding member, in parts per million: its weight in claims.
const WEIGHT: u64 = 500_000;

/// Feeds the reveals of a whole electorate into a tally and asks for the outcome after each.
fn tally(ballots: &[Ballot]) -> Tally {
    let total = ballots.len() as u64 * WEIGHT;
    let mut tally = Tally::claim(ClaimRule::MAJORITY, total, total);
    for ballot in ballots {
        tally.reveal(WEIGHT, ballot);
        black_box(tally.outcome());
    }
    tally
}

fn ballots(electors: usize) -> Vec<Ballot> {
    (0..electors).map(ballot).collect()
}

/// A claim whose commits are frozen, and its reveals.
struct Frozen {
    genesis: Genesis,
    ledger: Ledger,
    block: SealedBlock,
    reveals: Vec<Verified>,
}

impl Frozen {
    /// One claim on which all members vote.
    fn new(electors: usize) -> Self {
        Self::of(electors, &[(0..electors).collect()], false)
    }

    /// Claims with panels, every member in one of them.
    fn panels(members: usize, size: usize) -> Self {
        let members_by_key: Vec<usize> = {
            let mut all: Vec<usize> = (0..members).collect();
            all.sort_by_cached_key(|n| member(*n).node_id());
            all
        };
        let panels: Vec<Vec<usize>> = members_by_key.chunks(size).map(<[usize]>::to_vec).collect();
        Self::of(members, &panels, true)
    }

    fn of(members: usize, electorates: &[Vec<usize>], are_panels: bool) -> Self {
        let genesis = genesis(members, Sealing::Authorities);
        let net = genesis.network_id();
        let mut ledger = Ledger::new(&genesis);
        let last = ledger.state().seal();
        let (mut opening, mut reveals) = (Vec::new(), Vec::new());
        for (at, electors) in electorates.iter().enumerate() {
            let panel = are_panels.then(|| electors.iter().map(|n| member(*n).node_id()).collect());
            let proposal = claim(&member(at % 4), net, last, at as u64, panel);
            let id = proposal.id().into();
            opening.push(proposal);
            for n in electors {
                let [commit, reveal] = signed_vote(&member(*n), net, id, ballot(*n));
                opening.push(commit);
                reveals.push(reveal);
            }
        }
        let (block, _) = seal(&mut ledger, opening);
        Self {
            genesis,
            ledger,
            block,
            reveals,
        }
    }

    /// Tries a seal of the first `count` reveals.
    fn draft(&self, count: usize) -> std::time::Duration {
        let reveals = self.reveals[..count].to_vec();
        let time_ms = self.ledger.state().time_ms() + 1;
        timed(|| self.ledger.draft(0, time_ms, reveals, Mode::Strict).is_ok())
    }

    /// A node that watches, at the freezing seal.
    fn observer(&self) -> Core {
        let me = Arc::new(member(usize::MAX));
        let mut core = Core::new(&self.genesis, me).expect("the network is valid");
        let from = PeerId(1);
        let message = Message::Blocks(vec![ByteBuf::from(codec::encode(&self.block))]);
        core.handle(Input::Message { from, message }, 1);
        assert_eq!(core.ledger().state().height(), 1, "the block applies");
        core
    }
}

/// Imports records one by one.
fn import(core: &mut Core, encoded: &[Vec<u8>]) {
    for bytes in encoded {
        let records = vec![bytes.clone()];
        let outputs = core.handle(Input::Import { records }, 1);
        debug_assert!(
            matches!(&outputs.answer, Ok(Answer::Imported(all)) if all[0].is_ok()),
            "the reveal is good"
        );
        black_box(outputs);
    }
}

fn groups(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("tally");
    for electors in ELECTORS {
        let ballots = ballots(electors);
        let frozen = Frozen::new(electors);
        let encoded: Vec<Vec<u8>> = frozen.reveals.iter().map(Verified::encode).collect();
        group.throughput(Throughput::Elements(electors as u64));
        group.bench_function(BenchmarkId::new("Tally::reveal + outcome", electors), |b| {
            b.iter(|| tally(&ballots));
        });
        group.bench_function(
            BenchmarkId::new("Ledger::draft of all reveals", electors),
            |b| {
                b.iter_custom(|rounds| (0..rounds).map(|_| frozen.draft(electors)).sum());
            },
        );
        group.bench_function(
            BenchmarkId::new("bare BLAKE3 of the reveals", electors),
            |b| {
                b.iter(|| hash_all(&encoded));
            },
        );
    }
    let frozen = Frozen::new(1_000);
    let encoded: Vec<Vec<u8>> = frozen.reveals.iter().map(Verified::encode).collect();
    group.sample_size(10);
    group.bench_function("Core::handle(Import) of 1,000 reveals", |b| {
        b.iter_batched(
            || frozen.observer(),
            |mut core| {
                import(&mut core, &encoded);
                core
            },
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

/// The same number of reveals through electorates of 10 and of 1,000.
fn tally_alone() {
    let [few, some, many] = ELECTORS.map(ballots);
    let all_few = || {
        timed(|| {
            for _ in 0..100 {
                black_box(tally(&few));
            }
        })
    };
    for (name, more, target) in [("100", &some, None), ("1,000", &many, Some(1.5))] {
        let rounds = 1_000 / more.len();
        let all_more = || {
            timed(|| {
                for _ in 0..rounds {
                    black_box(tally(more));
                }
            })
        };
        compare(
            &format!("tally/Tally::reveal + outcome, {name} electors to 10"),
            Ratio::Cost,
            target,
            Side::new("of more", 1_000, all_more),
            Side::new("of 10", 1_000, all_few),
        );
    }
    let frozen = Frozen::new(1_000);
    let encoded: Vec<Vec<u8>> = frozen.reveals.iter().map(Verified::encode).collect();
    compare(
        "tally/1,000 electors, hashing",
        Ratio::Cost,
        None,
        Side::new("Tally::reveal + outcome", 1_000, || timed(|| tally(&many))),
        Side::new("bare BLAKE3 of the reveals", 1_000, || {
            timed(|| hash_all(&encoded))
        }),
    );
}

/// A seal of 1,000 reveals in the ledger (judged, filed, tallied, settled, digested): of one operation with 1,000 electors,
/// and of 100 operations with panels of 10. Roster and number of reveals are the same.
fn in_the_ledger() {
    let (one, panels) = (Frozen::new(1_000), Frozen::panels(1_000, 10));
    compare(
        "tally/Ledger::draft of 1,000 reveals, 1,000 electors to 10",
        Ratio::Cost,
        Some(1.5),
        Side::new("of 1,000", 1_000, || one.draft(1_000)),
        Side::new("of 10", 1_000, || panels.draft(1_000)),
    );
}

/// A reveal's way through a core, after 10 and after 990 others.
fn in_the_core() {
    let frozen = Frozen::new(1_000);
    let encoded: Vec<Vec<u8>> = frozen.reveals.iter().map(Verified::encode).collect();
    let after = |before: usize| {
        let mut core = frozen.observer();
        import(&mut core, &encoded[..before]);
        timed(|| import(&mut core, &encoded[before..before + 10]))
    };
    let asked_after = |before: usize| {
        let mut core = frozen.observer();
        import(&mut core, &encoded[..before]);
        timed(|| {
            for bytes in &encoded[before..before + 10] {
                import(&mut core, std::slice::from_ref(bytes));
                black_box((core.next_due_ms(), core.wants_to_seal()));
            }
        })
    };
    compare(
        "tally/Core::handle(Import) of a reveal, after 990 to after 10",
        Ratio::Cost,
        Some(1.5),
        Side::new("after 990", 10, || after(990)),
        Side::new("after 10", 10, || after(10)),
    );
    // After each input a host asks for the next deadline and whether to run its timer.
    compare(
        "tally/the same with what a host asks, after 990 to after 10",
        Ratio::Cost,
        Some(1.5),
        Side::new("after 990", 10, || asked_after(990)),
        Side::new("after 10", 10, || asked_after(10)),
    );
}

fn main() {
    ratio::main(groups, || {
        tally_alone();
        in_the_ledger();
        in_the_core();
    });
}
