//! Building the document of a decided operation, compared with the bare hash of its records and their canonical encoding.

#[path = "common/network.rs"]
#[allow(dead_code, reason = "each bench takes what it needs")]
mod network;
#[path = "common/ratio.rs"]
#[allow(dead_code, reason = "each bench takes what it needs")]
mod ratio;

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use mycnet_consensus::document::OperationDocument;
use mycnet_consensus::internals::record::Verified;
use mycnet_consensus::{Ballot, NetworkId, SealId};
use network::{claim, hash_all, member, signed_vote};
use ratio::{Ratio, Side, compare, timed};

const ELECTORS: [usize; 2] = [10, 300];

/// A proposal and the commits and reveals of all electors.
fn decided(electors: usize) -> Vec<Verified> {
    let net = NetworkId::from_bytes([7; 32]);
    let proposal = claim(&member(0), net, SealId::default(), 0, None);
    let id = proposal.id().into();
    let votes = (0..electors).flat_map(|n| {
        let ballot = Ballot::Result(b"sha256".to_vec());
        signed_vote(&member(n), net, id, ballot)
    });
    std::iter::once(proposal).chain(votes).collect()
}

fn build(records: &[Verified]) -> OperationDocument {
    OperationDocument::build(records).expect("the records are of one operation")
}

fn encode(records: &[Verified]) -> usize {
    records
        .iter()
        .map(|record| black_box(record.encode()).len())
        .sum()
}

fn groups(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("document");
    for electors in ELECTORS {
        let records = decided(electors);
        let encoded: Vec<Vec<u8>> = records.iter().map(Verified::encode).collect();
        group.throughput(Throughput::Elements(records.len() as u64));
        group.bench_function(
            BenchmarkId::new("OperationDocument::build", electors),
            |b| {
                b.iter(|| build(&records));
            },
        );
        group.bench_function(BenchmarkId::new("bare encoding", electors), |b| {
            b.iter(|| encode(&records));
        });
        group.bench_function(BenchmarkId::new("bare BLAKE3", electors), |b| {
            b.iter(|| hash_all(&encoded));
        });
    }
    group.finish();
}

fn ratios() {
    for electors in ELECTORS {
        let records = decided(electors);
        let encoded: Vec<Vec<u8>> = records.iter().map(Verified::encode).collect();
        let items = records.len();
        let ours = || timed(|| build(&records));
        compare(
            &format!("document/{electors} electors, encoding"),
            Ratio::Cost,
            None,
            Side::new("OperationDocument::build", items, ours),
            Side::new("bare encoding", items, || timed(|| encode(&records))),
        );
        compare(
            &format!("document/{electors} electors, hashing"),
            Ratio::Cost,
            None,
            Side::new("OperationDocument::build", items, ours),
            Side::new("bare BLAKE3", items, || timed(|| hash_all(&encoded))),
        );
    }
}

fn main() {
    ratio::main(groups, ratios);
}
