//! Admission of records, from bytes to [`Verified`], compared with the bare signature check and the bare hash of the same bytes.

#[path = "common/network.rs"]
#[allow(dead_code, reason = "each bench takes what it needs")]
mod network;
#[path = "common/ratio.rs"]
#[allow(dead_code, reason = "each bench takes what it needs")]
mod ratio;

use std::hint::black_box;
use std::sync::Arc;

use criterion::{BatchSize, Criterion, Throughput};
use mycnet_consensus::core::{Answer, Core, Input};
use mycnet_consensus::internals::ledger::Ledger;
use mycnet_consensus::internals::record::{Record, Signed, Verified, Verifier, sign, sign_batch};
use mycnet_consensus::{Ballot, Genesis, Sealing};
use network::{Signature, claim, genesis, hash_all, member, tables, verifier, verify_all, vote};
use ratio::{Ratio, Side, compare, timed};

/// Records that one signature covers in the batched measurements.
const BATCH: usize = 64;

/// Members that seal.
const SEALERS: usize = 4;

/// Records that arrive together.
const INBOX: usize = 16;

/// Records to admit: their bytes, and the inputs of the baselines.
struct Load {
    genesis: Genesis,
    proposals: Vec<Verified>,
    encoded: Vec<Vec<u8>>,
    signatures: Vec<Signature>,
}

impl Load {
    fn new(genesis: Genesis, proposals: Vec<Verified>, records: &[Verified]) -> Self {
        Self {
            genesis,
            proposals,
            encoded: records.iter().map(Verified::encode).collect(),
            signatures: records.iter().map(Signature::of).collect(),
        }
    }

    /// Commits of 64 members to one claim, each signed alone.
    fn single() -> Self {
        let genesis = genesis(BATCH, Sealing::Authorities);
        let net = genesis.network_id();
        let last = Ledger::new(&genesis).state().seal();
        let proposal = claim(&member(0), net, last, 0, None);
        let commits: Vec<Verified> = (0..BATCH)
            .map(|n| {
                let [commit, _] = vote(&member(n), net, proposal.id().into(), Ballot::Approve);
                sign(&member(n), net, commit).expect("the commit is valid")
            })
            .collect();
        Self::new(genesis, vec![proposal], &commits)
    }

    /// Commits of two members to 64 claims, each member's signed at once.
    fn batched() -> Self {
        let genesis = genesis(BATCH, Sealing::Authorities);
        let net = genesis.network_id();
        let last = Ledger::new(&genesis).state().seal();
        let proposals: Vec<Verified> = (0..BATCH)
            .map(|n| claim(&member(n), net, last, n as u64, None))
            .collect();
        let commits: Vec<Verified> = (0..2)
            .flat_map(|n| {
                let statements = proposals
                    .iter()
                    .map(|proposal| {
                        let [commit, _] =
                            vote(&member(n), net, proposal.id().into(), Ballot::Approve);
                        commit
                    })
                    .collect();
                sign_batch(&member(n), net, statements).expect("the commits are valid")
            })
            .collect();
        Self::new(genesis, proposals, &commits)
    }

    /// Commits of the sealers to 64 claims, each signed alone.
    fn of_sealers() -> Self {
        let genesis = genesis(BATCH, Sealing::Authorities);
        let net = genesis.network_id();
        let last = Ledger::new(&genesis).state().seal();
        let commits = (0..BATCH).map(|n| {
            let by = member(n % SEALERS);
            let proposal = claim(&by, net, last, n as u64, None);
            let [commit, _] = vote(&by, net, proposal.id().into(), Ballot::Approve);
            sign(&by, net, commit).expect("the commit is valid")
        });
        let commits: Vec<Verified> = commits.collect();
        Self::new(genesis, Vec::new(), &commits)
    }

    /// A verifier that has seen many signatures of the sealers.
    fn experienced(&self) -> Verifier {
        let sealers = (0..SEALERS).map(member);
        tables(verifier(&self.genesis), sealers, self.genesis.network_id())
    }

    fn admit(&self, mut verifier: Verifier) {
        for bytes in &self.encoded {
            black_box(verifier.admit(bytes).expect("the record is good"));
        }
    }

    /// Admits the records as they arrive in inboxes.
    fn admit_together(&self, mut verifier: Verifier) {
        for inbox in self.encoded.chunks(INBOX) {
            let signed = inbox.iter().map(|bytes| Signed::decode(bytes));
            let signed = signed
                .collect::<Result<_, _>>()
                .expect("the records are canonical");
            let results = verifier.verify_all(signed);
            assert!(results.iter().all(Result::is_ok), "the records are good");
            black_box(results);
        }
    }

    /// Decodes the records in the way that was the codec's before: with the crate for DAG-CBOR, and by encoding them again.
    fn decode_twice(&self) {
        for bytes in &self.encoded {
            let record: Record = serde_ipld_dagcbor::from_slice(bytes).expect("it is a record");
            let again = serde_ipld_dagcbor::to_vec(&record).expect("records encode");
            assert!(again == *bytes, "it is canonical");
            black_box(record);
        }
    }

    fn decode(&self) {
        for bytes in &self.encoded {
            black_box(Signed::decode(bytes).expect("the record is canonical"));
        }
    }

    fn records(&self) -> Vec<Record> {
        let signed = self.encoded.iter().map(|bytes| Signed::decode(bytes));
        signed
            .map(|signed| signed.expect("the record is canonical").record().clone())
            .collect()
    }

    /// A watching node that signs nothing and holds the proposals.
    fn observer(&self) -> Core {
        let me = Arc::new(member(usize::MAX));
        let mut core = Core::new(&self.genesis, me).expect("the network is valid");
        let records = self.proposals.iter().map(Verified::encode).collect();
        core.handle(Input::Import { records }, 1);
        core
    }

    /// Imports the records one by one.
    fn import(&self, core: &mut Core) {
        for bytes in &self.encoded {
            let records = vec![bytes.clone()];
            let outputs = core.handle(Input::Import { records }, 1);
            debug_assert!(
                matches!(&outputs.answer, Ok(Answer::Imported(all)) if all[0].is_ok()),
                "the record is good"
            );
            black_box(outputs);
        }
    }
}

fn groups(criterion: &mut Criterion) {
    for (name, load) in [("single", Load::single()), ("batch of 64", Load::batched())] {
        let mut group = criterion.benchmark_group(format!("admission/{name}"));
        group.throughput(Throughput::Elements(load.encoded.len() as u64));
        let fresh = verifier(&load.genesis);
        group.bench_function("Verifier::admit", |bencher| {
            bencher.iter_batched(
                || fresh.clone(),
                |verifier| load.admit(verifier),
                BatchSize::SmallInput,
            );
        });
        group.bench_function("Core::handle(Import)", |bencher| {
            bencher.iter_batched(
                || load.observer(),
                |mut core| {
                    load.import(&mut core);
                    core
                },
                BatchSize::SmallInput,
            );
        });
        group.bench_function("bare verify_strict", |bencher| {
            bencher.iter(|| verify_all(&load.signatures));
        });
        group.bench_function("bare BLAKE3", |bencher| {
            bencher.iter(|| hash_all(&load.encoded));
        });
        group.finish();
    }
}

/// Our codec against the crate for DAG-CBOR, which was used before.
fn codec_ratios() {
    let load = Load::batched();
    let (items, records) = (load.encoded.len(), load.records());
    compare(
        "codec/reading records",
        Ratio::Cost,
        Some(0.5),
        Side::new("Signed::decode with the id", items, || {
            timed(|| load.decode())
        }),
        Side::new("decoding, encoding again", items, || {
            timed(|| load.decode_twice())
        }),
    );
    let ours = || {
        for record in &records {
            black_box(record.encode());
        }
    };
    let its = || {
        for record in &records {
            black_box(serde_ipld_dagcbor::to_vec(record).expect("records encode"));
        }
    };
    compare(
        "codec/writing records",
        Ratio::Cost,
        Some(0.5),
        Side::new("Record::encode", items, || timed(ours)),
        Side::new("serde_ipld_dagcbor", items, || timed(its)),
    );
}

fn ratios() {
    codec_ratios();
    let load = Load::of_sealers();
    let experienced = load.experienced();
    let bare = || timed(|| verify_all(&load.signatures));
    compare(
        "admission/sealers, single",
        Ratio::Rate,
        Some(1.3),
        Side::new("Verifier::admit", BATCH, || {
            let verifier = experienced.clone();
            timed(|| load.admit(verifier))
        }),
        Side::new("bare verify_strict", BATCH, bare),
    );
    compare(
        "admission/sealers, inboxes of 16",
        Ratio::Rate,
        Some(1.5),
        Side::new("Verifier::verify_all", BATCH, || {
            let verifier = experienced.clone();
            timed(|| load.admit_together(verifier))
        }),
        Side::new("bare verify_strict", BATCH, bare),
    );
    for (name, load, target) in [
        ("single", Load::single(), 0.85),
        ("batch of 64", Load::batched(), 8.0),
    ] {
        let items = load.encoded.len();
        let fresh = verifier(&load.genesis);
        let admit = || {
            let verifier = fresh.clone();
            timed(|| load.admit(verifier))
        };
        let bare = || timed(|| verify_all(&load.signatures));
        compare(
            &format!("admission/{name}"),
            Ratio::Rate,
            Some(target),
            Side::new("Verifier::admit", items, admit),
            Side::new("bare verify_strict", items, bare),
        );
        let import = || {
            let mut core = load.observer();
            timed(|| load.import(&mut core))
        };
        compare(
            &format!("admission/{name}, whole path"),
            Ratio::Rate,
            None,
            Side::new("Core::handle(Import)", items, import),
            Side::new("bare verify_strict", items, bare),
        );
        compare(
            &format!("admission/{name}, hashing"),
            Ratio::Cost,
            None,
            Side::new("Verifier::admit", items, admit),
            Side::new("bare BLAKE3", items, || timed(|| hash_all(&load.encoded))),
        );
    }
}

fn main() {
    ratio::main(groups, ratios);
}
