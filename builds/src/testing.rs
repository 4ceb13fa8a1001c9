//! A ledger in memory, for tests.

use std::sync::Arc;

use mycnet_consensus::engine::{Hub, new_identity};
use mycnet_consensus::{
    BFTConsensusEngine, Ballot, ClaimItem, ClaimRule, ConsensusOperation, Founder, Genesis,
    Identity, MemberName, OperationId, Signer as _, Spore,
};
use sha2::Digest as _;

/// Names of rebuilders.
pub(crate) const NAMES: [&str; 10] = [
    "ada", "ben", "cyd", "dan", "eve", "fay", "gus", "hal", "ivy", "joe",
];

/// What a rebuilder gives for an item.
pub(crate) type Given = Option<Vec<u8>>;

/// A network of so many rebuilders.
pub(crate) struct TestNetwork {
    pub(crate) engines: Vec<BFTConsensusEngine>,
    pub(crate) genesis: Genesis,
}

impl TestNetwork {
    pub(crate) fn new(rebuilders: usize) -> Self {
        let new = |_| new_identity().unwrap();
        let identities: Vec<Identity> = (0..rebuilders).map(new).collect();
        let mut genesis = Genesis::builder("rebuilders");
        for (identity, name) in identities.iter().zip(NAMES) {
            let mut founder = Founder::new(identity.node_id(), Spore::Seed);
            founder.name = MemberName::new(name).unwrap();
            genesis = genesis.founder(founder);
        }
        let genesis = genesis.build().unwrap();
        let hub: Arc<Hub> = Hub::new(genesis.clone()).unwrap();
        let engines = identities.into_iter().map(|it| hub.join(it).unwrap());
        Self {
            engines: engines.collect(),
            genesis,
        }
    }

    /// Decides a set. `given` says what each rebuilder gives for each item, by their numbers.
    pub(crate) async fn decide(
        &self,
        items: Vec<ClaimItem>,
        given: impl Fn(usize, usize) -> Given,
    ) -> OperationId {
        let count = items.len();
        let results = |builder| (0..count).map(|item| given(builder, item)).collect();
        let set = ConsensusOperation::ClaimSet {
            subject: "night".into(),
            items,
            panel: None,
            rule: ClaimRule::MAJORITY,
        };
        let (first, others) = self.engines.split_first().unwrap();
        let id = first.propose_claim_set(set, results(0)).await.unwrap();
        for (engine, builder) in others.iter().zip(1..) {
            let ballot = Ballot::Results(results(builder));
            engine.vote(id, ballot).await.unwrap();
        }
        first.execute_reveal_phase(id).await.unwrap();
        id
    }

    /// The index of everything.
    pub(crate) fn index(&self) -> mycnet_consensus::core::Index {
        let index = self.engines[0].prove(|prover| prover.index(&mut |_, _| true));
        index.unwrap().unwrap()
    }
}

pub(crate) fn item(subject: &str, input: &[u8]) -> ClaimItem {
    ClaimItem {
        subject: subject.into(),
        input: input.into(),
    }
}

/// The SHA-256 that stands for this.
pub(crate) fn hash(of: &str) -> Vec<u8> {
    sha2::Sha256::digest(of).to_vec()
}

/// The seeds of a random test: that of `MYCNET_SEED`, or two hundred. The last one that was printed repeats a failure.
pub(crate) fn seeds() -> impl Iterator<Item = u64> {
    let seeds = match std::env::var("MYCNET_SEED") {
        Ok(seed) => {
            let seed: u64 = seed.parse().expect("MYCNET_SEED is a number");
            seed..seed + 1
        }
        Err(_) => 0..200,
    };
    seeds.inspect(|seed| println!("MYCNET_SEED={seed}"))
}
