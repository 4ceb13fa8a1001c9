//! Sealing and applying 10,000 verified records, compared with the bare check of 10,000 signatures and the bare hash of their
//! bytes.
//!
//! - *one seal*: the largest one, over operations of 100 electors: reveals of 49 that the seal before froze, 50 new
//!   ones with all their commits, and 50 proposals more.
//! - *many seals*: claims with panels of ten, as `mycnet replay` seals them: 20 proposals with their commits in one seal,
//!   their reveals in the next.

#[path = "common/network.rs"]
#[allow(dead_code, reason = "each bench takes what it needs")]
mod network;
#[path = "common/ratio.rs"]
#[allow(dead_code, reason = "each bench takes what it needs")]
mod ratio;

use std::time::Duration;

use criterion::{Criterion, Throughput};
use mycnet_consensus::internals::ledger::{Ledger, Mode};
use mycnet_consensus::internals::record::Verified;
use mycnet_consensus::{Sealing, Signer as _};
use network::{Signature, ballot, claim, genesis, hash_all, member, signed_vote, verify_all};
use ratio::{Ratio, Side, compare, timed};

const MEMBERS: usize = 100;

/// A sample of the signatures: checking all 10,000 takes half a second.
const SIGNATURES: usize = 500;

/// A ledger, and lists of records to seal on it, one after the other.
struct Load {
    ledger: Ledger,
    lists: Vec<Vec<Verified>>,
}

impl Load {
    fn one_seal() -> Self {
        let genesis = genesis(MEMBERS, Sealing::Authorities);
        let net = genesis.network_id();
        let mut ledger = Ledger::new(&genesis);
        let last = ledger.state().seal();
        let (mut before, mut records) = (Vec::new(), Vec::new());
        for nonce in 0..149_u64 {
            let by = member(usize::try_from(nonce).expect("149 fit") % MEMBERS);
            let proposal = claim(&by, net, last, nonce, None);
            let id = proposal.id().into();
            let votes = (0..MEMBERS).map(|n| signed_vote(&member(n), net, id, ballot(n)));
            match nonce {
                0..49 => {
                    before.push(proposal);
                    for [commit, reveal] in votes {
                        before.push(commit);
                        records.push(reveal);
                    }
                }
                49..99 => {
                    records.push(proposal);
                    records.extend(votes.map(|[commit, _]| commit));
                }
                _ => records.push(proposal),
            }
        }
        network::seal(&mut ledger, before);
        Self {
            ledger,
            lists: vec![records],
        }
    }

    fn many_seals() -> Self {
        let genesis = genesis(MEMBERS, Sealing::Authorities);
        let ledger = Ledger::new(&genesis);
        let last = ledger.state().seal();
        let net = genesis.network_id();
        let mut lists = Vec::new();
        for group in 0..24_usize {
            let (mut opening, mut closing) = (Vec::new(), Vec::new());
            for place in 0..20 {
                let nonce = group * 20 + place;
                let mut panel: Vec<usize> =
                    (0..10).map(|k| (nonce * 7 + k * 11) % MEMBERS).collect();
                panel.sort_by_key(|n| member(*n).node_id());
                let keys = panel.iter().map(|n| member(*n).node_id()).collect();
                let proposal = claim(&member(nonce % 4), net, last, nonce as u64, Some(keys));
                let id = proposal.id().into();
                opening.push(proposal);
                for n in panel {
                    let [commit, reveal] = signed_vote(&member(n), net, id, ballot(n));
                    opening.push(commit);
                    closing.push(reveal);
                }
            }
            lists.extend([opening, closing]);
        }
        Self { ledger, lists }
    }

    fn len(&self) -> usize {
        self.lists.iter().map(Vec::len).sum()
    }

    /// Seals and applies all lists on a copy of the ledger.
    fn apply(&self) -> Duration {
        let mut ledger = self.ledger.clone();
        let lists = self.lists.clone();
        timed(|| {
            for list in lists {
                let time_ms = ledger.state().time_ms() + 1;
                let (draft, _) = ledger
                    .draft(0, time_ms, list, Mode::Strict)
                    .expect("the records apply");
                ledger.commit(draft);
            }
            ledger
        })
    }

    fn signatures(&self) -> Vec<Signature> {
        let records = self.lists.iter().flatten();
        records.take(SIGNATURES).map(Signature::of).collect()
    }

    fn encoded(&self) -> Vec<Vec<u8>> {
        self.lists.iter().flatten().map(Verified::encode).collect()
    }
}

fn loads() -> [(&'static str, Load); 2] {
    [
        ("one seal", Load::one_seal()),
        ("many seals", Load::many_seals()),
    ]
}

fn groups(criterion: &mut Criterion) {
    for (name, load) in loads() {
        let mut group = criterion.benchmark_group(format!("sealing/{name}"));
        let (signatures, encoded) = (load.signatures(), load.encoded());
        group.sample_size(10);
        group.throughput(Throughput::Elements(load.len() as u64));
        group.bench_function("Ledger::draft + commit", |b| {
            b.iter_custom(|rounds| (0..rounds).map(|_| load.apply()).sum());
        });
        group.bench_function("bare BLAKE3", |b| b.iter(|| hash_all(&encoded)));
        group.throughput(Throughput::Elements(SIGNATURES as u64));
        group.bench_function("bare verify_strict", |b| b.iter(|| verify_all(&signatures)));
        group.finish();
    }
}

fn ratios() {
    for (name, load) in loads() {
        let (items, signatures, encoded) = (load.len(), load.signatures(), load.encoded());
        println!(
            "sealing/{name}: {items} records in {} seals",
            load.lists.len()
        );
        compare(
            &format!("sealing/{name}"),
            Ratio::Rate,
            None,
            Side::new("Ledger::draft + commit", items, || load.apply()),
            Side::new("bare verify_strict", SIGNATURES, || {
                timed(|| verify_all(&signatures))
            }),
        );
        compare(
            &format!("sealing/{name}, hashing"),
            Ratio::Cost,
            None,
            Side::new("Ledger::draft + commit", items, || load.apply()),
            Side::new("bare BLAKE3", items, || timed(|| hash_all(&encoded))),
        );
    }
}

fn main() {
    ratio::main(groups, ratios);
}
