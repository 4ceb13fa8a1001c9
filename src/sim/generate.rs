//! Random sealed logs: structurally plausible, judged by the oracle, for comparing it with the production ledger.
//!
//! A log is a network of one to ten founders with random roles, habits and parameters (windows of a second or so), who
//! propose operations of every kind, commit, reveal, direct, object and resolve, late, twice, falsely and out of turn.
//! Its seals have no certificates: they have the right height, predecessor, time, count and list digest, and zero state and
//! roster digests. The same seed gives the same log.
//!
//! Records that the oracle refuses are kept beside a block ([`Block::refused`]). A ledger must refuse them too.

mod coverage;
mod network;
mod operations;
mod people;
mod voices;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::base::digest::{OperationId, RecordId, SealId};
use crate::base::identity::remember_verdicts;
use crate::sim::blocks::{Chain, genesis_seal};
use crate::sim::oracle::{Oracle, Sealed};
use crate::statement::genesis::Genesis;
use crate::statement::operation::{Ballot, ConsensusOperation};
use crate::statement::record::{Record, Seal, Statement, Verified};

pub use coverage::Coverage;
use people::Person;

/// A network and its sealed blocks.
#[derive(Debug, Clone)]
pub struct Log {
    /// Its genesis.
    pub genesis: Genesis,
    /// Its blocks from height 1 on.
    pub blocks: Vec<Block>,
}

/// A sealed block.
#[derive(Debug, Clone)]
pub struct Block {
    /// Its seal, with zero state and roster digests.
    pub seal: Seal,
    /// The listed records, sorted by id.
    pub records: Vec<Verified>,
    /// Records that it must not list.
    pub refused: Vec<Refused>,
}

/// Records that make a block invalid if they are listed in addition.
#[derive(Debug, Clone)]
pub struct Refused {
    /// One record, or a few that are valid only together.
    pub records: Vec<Verified>,
    /// The oracle's reason.
    pub reason: String,
}

/// A random log of `blocks` blocks: genesis, and each block's seal and records (sorted by id).
///
/// # Panics
///
/// If the oracle contradicts itself.
#[must_use]
pub fn generate(seed: u64, blocks: usize) -> (Genesis, Vec<(Seal, Vec<Verified>)>) {
    let log = generate_log(seed, blocks, |genesis| genesis_seal(genesis).id());
    let blocks = log.blocks.into_iter();
    (
        log.genesis,
        blocks.map(|block| (block.seal, block.records)).collect(),
    )
}

/// Like [`generate`], with the refused records, and with the id of seal 0 that `genesis_seal` gives. A log ends
/// early if no member is left that could propose.
///
/// # Panics
///
/// If the oracle contradicts itself.
#[must_use]
pub fn generate_log(seed: u64, blocks: usize, genesis_seal: impl Fn(&Genesis) -> SealId) -> Log {
    generate_log_with(seed, blocks, genesis_seal, Box::new(|seal, _| seal))
}

/// Adds to a seal what the oracle does not know: the digests of state and roster.
pub type Complete = Box<dyn FnMut(Seal, &[Verified]) -> Seal>;

/// Like [`generate_log`], with every seal completed before anything refers to it.
///
/// # Panics
///
/// If the oracle contradicts itself.
#[must_use]
pub fn generate_log_with(
    seed: u64,
    blocks: usize,
    genesis_seal: impl Fn(&Genesis) -> SealId,
    complete: Complete,
) -> Log {
    remember_verdicts();
    let mut generator = Generator::new(seed, genesis_seal, complete);
    // Some attempts have nothing to seal.
    for _ in 0..blocks * 8 {
        if generator.blocks.len() == blocks {
            break;
        }
        generator.attempt_block();
    }
    Log {
        genesis: generator.genesis,
        blocks: generator.blocks,
    }
}

/// Records that are listed together or not at all, proposals before the records about them.
type Group = Vec<Verified>;

struct Generator {
    rng: ChaCha8Rng,
    genesis: Genesis,
    people: Vec<Person>,
    /// How many operations this network usually opens at a time.
    busy: usize,
    /// Percent of the standard operations on which the Primary, and the Seeds, act at each seal.
    primary_care: u32,
    seeds_care: u32,
    /// Percent of the seals that the front of the queue proposes.
    punctuality: u32,
    oracle: Oracle,
    chain: Chain,
    seals: Vec<SealId>,
    nonce: u64,
    /// The time at which the next seal is attempted.
    next_ms: u64,
    /// Every claim and claim set that was proposed.
    claims: Vec<ConsensusOperation>,
    /// The ballot of most people on an operation.
    leanings: BTreeMap<OperationId, Ballot>,
    /// The ballot behind each commit that may be sealed.
    promised: BTreeMap<RecordId, Ballot>,
    /// The ballots of each person's sealed commits, in order.
    promises: BTreeMap<(OperationId, usize), Vec<Ballot>>,
    blocks: Vec<Block>,
    complete: Complete,
}

impl Generator {
    fn new(seed: u64, genesis_seal: impl Fn(&Genesis) -> SealId, complete: Complete) -> Self {
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let (genesis, people) = network::found(&mut rng, seed);
        let zero = genesis_seal(&genesis);
        Self {
            busy: [1, 2, 3, 4, 7][rng.random_range(0..5)],
            primary_care: [0, 30, 60, 90][rng.random_range(0..4)],
            seeds_care: [0, 10, 25, 40][rng.random_range(0..4)],
            punctuality: [50, 80, 95, 100][rng.random_range(0..4)],
            oracle: Oracle::new(&genesis),
            chain: Chain::after(&genesis, zero),
            seals: vec![zero],
            nonce: 0,
            next_ms: 0,
            claims: Vec::new(),
            leanings: BTreeMap::new(),
            promised: BTreeMap::new(),
            promises: BTreeMap::new(),
            blocks: Vec::new(),
            complete,
            rng,
            genesis,
            people,
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_ratio(percent.min(100), 100)
    }

    fn rarely(&mut self, per_mille: u32) -> bool {
        self.rng.random_ratio(per_mille, 1000)
    }

    fn sign(&self, person: usize, statement: Statement) -> Verified {
        self.people[person].sign(self.genesis.network_id(), statement)
    }

    /// Gathers the people's records, and seals those that the oracle accepts, if there are any.
    fn attempt_block(&mut self) {
        self.next_ms = self.time();
        let mut groups = self.proposals();
        groups.extend(self.votes(&groups));
        groups.extend(self.disorder());

        let mut taken = Vec::new();
        let mut refused = Vec::new();
        let candidates: Vec<Candidate> = groups.into_iter().map(|g| self.candidate(g)).collect();
        self.take(&mut taken, &candidates, &mut refused);
        if taken.is_empty() {
            // A seal without records would not be valid before something is due.
            let Some(due_ms) = self.oracle.next_due_ms() else {
                return;
            };
            self.next_ms = self.next_ms.max(due_ms);
        }
        let refused = self.still_refused(&taken, refused);
        let mut records: Vec<Verified> = taken.into_iter().map(|(_, record)| record).collect();
        records.sort_by_key(Verified::id);
        self.seal(records, refused);
    }

    fn candidate(&self, group: Group) -> Candidate {
        let height = self.chain.height() + 1;
        let sealed = group
            .iter()
            .map(|record| Sealed::new(height, record.body()))
            .collect();
        (sealed, group)
    }

    /// Takes the candidates that can be listed together with those taken already; a refused list is halved.
    fn take(
        &self,
        taken: &mut Vec<(Arc<Sealed>, Verified)>,
        candidates: &[Candidate],
        refused: &mut Vec<Candidate>,
    ) {
        if self.judge(taken, candidates).is_ok() {
            for (sealed, group) in candidates {
                taken.extend(sealed.iter().cloned().zip(group.iter().cloned()));
            }
        } else if let [one] = candidates {
            refused.push(one.clone());
        } else {
            let (first, second) = candidates.split_at(candidates.len() / 2);
            self.take(taken, first, refused);
            self.take(taken, second, refused);
        }
    }

    fn judge(
        &self,
        taken: &[(Arc<Sealed>, Verified)],
        candidates: &[Candidate],
    ) -> Result<(), String> {
        let taken = taken.iter().map(|(sealed, _)| sealed);
        let added = candidates.iter().flat_map(|(sealed, _)| sealed);
        let listed = taken.chain(added).cloned().collect();
        self.oracle.accepts(self.chain.last(), self.next_ms, listed)
    }

    /// A candidate that was refused before the block was complete may be valid with all of it.
    fn still_refused(
        &self,
        taken: &[(Arc<Sealed>, Verified)],
        refused: Vec<Candidate>,
    ) -> Vec<Refused> {
        let judged = refused.into_iter().filter_map(|candidate| {
            let reason = self.judge(taken, std::slice::from_ref(&candidate)).err()?;
            let records = candidate.1;
            Some(Refused { records, reason })
        });
        judged.collect()
    }

    /// The next seal's time: soon, later, much later, or close to when a window falls due.
    fn time(&mut self) -> u64 {
        let now = self.chain.time_ms();
        let due = self.oracle.next_due_ms();
        let time_ms = match (self.rng.random_range(0..100), due) {
            (0..30, _) => now + self.rng.random_range(1..=50),
            (30..50, _) => now + self.rng.random_range(50..=600),
            (50..55, _) => now + self.rng.random_range(1000..=20_000),
            (_, Some(due)) => due - 1 + self.rng.random_range(0..3),
            _ => now + self.rng.random_range(50..=600),
        };
        time_ms.max(now + 1)
    }

    /// Most seals are proposed by the front of the queue.
    fn round(&mut self) -> u32 {
        if self.chance(self.punctuality) {
            return 0;
        }
        self.rng.random_range(0..=8)
    }

    fn seal(&mut self, records: Vec<Verified>, refused: Vec<Refused>) {
        let fresh = Seal {
            round: self.round(),
            ..self.chain.next(self.next_ms, &records)
        };
        let seal = (self.complete)(fresh, &records);
        let wire: Vec<Record> = records.iter().map(|r| r.record().clone()).collect();
        self.oracle
            .apply(&seal, &wire)
            .expect("every record was judged by the oracle");
        self.chain.advance(&seal);
        self.seals.push(self.chain.last());
        for record in &records {
            self.remember(record);
        }
        self.blocks.push(Block {
            seal,
            records,
            refused,
        });
    }

    fn remember(&mut self, record: &Verified) {
        let Statement::Commit { operation, .. } = record.statement() else {
            return;
        };
        let author = self
            .people
            .iter()
            .position(|person| person.id == record.author())
            .expect("people are all who sign");
        let ballot = self.promised.get(&record.id());
        let ballot = ballot.expect("commits are remembered when made").clone();
        self.promises
            .entry((*operation, author))
            .or_default()
            .push(ballot);
    }
}

/// A group, as the oracle and as the log take it.
type Candidate = (Vec<Arc<Sealed>>, Group);
