//! `P-order`, `S-order`: any order and grouping of arrival gives the same state. `T-order`: the sealed log alone determines
//! trust.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mycnet_consensus::core::{Core, Input, PeerId, Saved};
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::seal::SealedBlock;
use mycnet_consensus::internals::sim::people::identity;
use mycnet_consensus::internals::sim::plan::{Plan, START_MS};
use mycnet_consensus::internals::sim::remember_verdicts;
use mycnet_consensus::internals::sim::world::run;
use mycnet_consensus::{Genesis, NodeId, RecordId, SealId};
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use serde_bytes::ByteBuf;

use crate::sweep::seeds;

/// A node that watches and is not a member.
fn observer(genesis: &Genesis) -> Core {
    remember_verdicts();
    Core::new(genesis, Arc::new(identity(99))).unwrap()
}

fn hear(core: &mut Core, message: Message) {
    let from = PeerId(0);
    core.handle(Input::Message { from, message }, START_MS + 1_000_000);
}

/// What a core holds: its seal and its unsealed records.
fn holding(core: &Core) -> (SealId, BTreeSet<RecordId>) {
    let pool = core
        .pool()
        .iter()
        .map(|pooled| pooled.record.id())
        .collect();
    (core.ledger().state().seal(), pool)
}

/// Gives a core blocks in order and records in any order and grouping between them.
fn deliver(
    genesis: &Genesis,
    blocks: &[Arc<SealedBlock>],
    all: &[ByteBuf],
    rng: &mut ChaCha8Rng,
) -> Core {
    let mut core = observer(genesis);
    let mut records = all.to_vec();
    records.shuffle(rng);
    let mut blocks = blocks.iter();
    loop {
        if rng.random_ratio(1, 2) || records.is_empty() {
            let Some(block) = blocks.next() else { break };
            let bytes = mycnet_consensus::internals::codec::encode(block.as_ref());
            hear(&mut core, Message::Blocks(vec![ByteBuf::from(bytes)]));
        } else {
            let group =
                records.split_off(records.len() - rng.random_range(1..=records.len().min(9)));
            hear(&mut core, Message::Records(group));
        }
    }
    // A record that was ahead of this core was refused. Its holders offer it again, as nodes do when they
    // compare what they hold.
    hear(&mut core, Message::Records(all.to_vec()));
    core
}

/// A schedule's genesis, the blocks up to some height, and all records, also those that only later blocks seal.
fn material(seed: u64) -> (Genesis, Vec<Arc<SealedBlock>>, Vec<ByteBuf>) {
    let mut plan = Plan::honest(seed);
    plan.proposals = 5;
    let genesis = plan.genesis.clone();
    let report = run(plan);
    let mut blocks = report
        .disks
        .into_iter()
        .map(|disk| disk.blocks)
        .max_by_key(Vec::len)
        .unwrap();
    let records = blocks
        .iter()
        .flat_map(|block| &block.records)
        .map(|record| ByteBuf::from(record.encode()))
        .collect();
    blocks.truncate(blocks.len() / 2);
    (genesis, blocks, records)
}

#[test]
fn p_order() {
    let mut unsealed = 0;
    for seed in seeds(6) {
        let (genesis, blocks, records) = material(seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let first = holding(&deliver(&genesis, &blocks, &records, &mut rng));
        unsealed += first.1.len();
        for order in 0..5 {
            let other = holding(&deliver(&genesis, &blocks, &records, &mut rng));
            assert_eq!(first, other, "MYCNET_SEED={seed}, order {order}");
        }
    }
    assert!(unsealed > 0 || seeds(6).count() < 6);
}

#[test]
fn p_order_fires_when_a_record_is_missing() {
    let found = (0..1000).find_map(|seed| {
        let (genesis, blocks, records) = material(seed);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let first = holding(&deliver(&genesis, &blocks, &records, &mut rng));
        let missing = *first.1.first()?;
        Some(((genesis, blocks, records), rng, first, missing))
    });
    let ((genesis, blocks, mut records), mut rng, first, missing) =
        found.expect("some logs are not sealed to the end");
    records.retain(|bytes| {
        mycnet_consensus::internals::record::Signed::decode(bytes)
            .unwrap()
            .id()
            != missing
    });
    assert_ne!(
        first,
        holding(&deliver(&genesis, &blocks, &records, &mut rng))
    );
}

/// Gives an observer all messages except blocks, in random order, until nothing changes any more. Returns
/// the seals that the observer applied.
fn overhear(
    genesis: &Genesis,
    messages: &[Message],
    rng: &mut ChaCha8Rng,
) -> BTreeMap<u64, SealId> {
    let mut core = observer(genesis);
    let genesis_seal = core.ledger().state().seal();
    let mut seals = BTreeMap::from([(0, genesis_seal)]);
    let mut idle = 0;
    while idle < 2 {
        let before = core.ledger().state().height();
        let mut order: Vec<&Message> = messages.iter().collect();
        order.shuffle(rng);
        for message in order {
            hear(&mut core, message.clone());
            let state = core.ledger().state();
            seals.insert(state.height(), state.seal());
        }
        idle = if core.ledger().state().height() == before {
            idle + 1
        } else {
            0
        };
    }
    seals
}

fn said(plan: Plan) -> (u64, Vec<Message>) {
    let report = run(Plan {
        keeps_messages: true,
        ..plan
    });
    let messages = report.messages.into_iter();
    let votes = messages.filter(|m| matches!(m, Message::Records(_) | Message::Proposal { .. }));
    (report.height, votes.collect())
}

/// Two nodes that hear all votes decide the same seals, in any order of arrival.
#[test]
fn s_order() {
    for seed in seeds(4) {
        let mut plan = Plan::random(seed);
        plan.proposals = 2;
        let genesis = plan.genesis.clone();
        let (height, messages) = said(plan);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let first = overhear(&genesis, &messages, &mut rng);
        assert_eq!(first.keys().max(), Some(&height), "MYCNET_SEED={seed}");
        assert_eq!(
            first,
            overhear(&genesis, &messages, &mut rng),
            "MYCNET_SEED={seed}"
        );
    }
}

/// With more than a third of dishonest weight, the order of arrival can change the decision.
#[test]
fn s_order_fires_above_a_third() {
    let differs = (0..10).any(|seed| {
        let plan = Plan::twins(seed, 4, 2);
        let genesis = plan.genesis.clone();
        let (_, messages) = said(plan);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let first = overhear(&genesis, &messages, &mut rng);
        (0..6).any(|_| first != overhear(&genesis, &messages, &mut rng))
    });
    assert!(differs);
}

fn restored(
    genesis: &Genesis,
    blocks: &[Arc<SealedBlock>],
) -> Option<(SealId, BTreeMap<NodeId, u32>)> {
    let mut core = observer(genesis);
    let blocks = blocks.iter().map(|block| block.as_ref().clone());
    core.restore(Saved::default(), blocks, 0).ok()?;
    Some((core.ledger().state().seal(), core.trust()))
}

#[test]
fn t_order() {
    for seed in seeds(8) {
        let plan = Plan::random(seed);
        let genesis = plan.genesis.clone();
        let report = run(plan);
        let longest = report
            .disks
            .iter()
            .map(|disk| disk.blocks.len())
            .max()
            .unwrap();
        let replicas: BTreeSet<_> = report
            .disks
            .iter()
            .filter(|disk| disk.blocks.len() == longest)
            .map(|disk| restored(&genesis, &disk.blocks))
            .collect();
        assert_eq!(replicas.len(), 1, "MYCNET_SEED={seed}");
        assert!(replicas.iter().all(Option::is_some), "MYCNET_SEED={seed}");
    }
}

#[test]
fn t_order_fires_for_another_log() {
    let seed = (0..1000).find(|seed| material(*seed).1.len() > 4).unwrap();
    let (genesis, blocks, _) = material(seed);
    let whole = restored(&genesis, &blocks);
    assert!(whole.is_some());
    // Two blocks swapped, a block without one of its records, a log that ends early.
    let mut swapped = blocks.clone();
    swapped.swap(1, 2);
    assert_eq!(restored(&genesis, &swapped), None);
    let mut poorer = blocks.clone();
    let place = poorer
        .iter()
        .position(|block| !block.records.is_empty())
        .unwrap();
    let mut block = poorer[place].as_ref().clone();
    block.records.pop();
    poorer[place] = Arc::new(block);
    assert_eq!(restored(&genesis, &poorer), None);
    assert_ne!(restored(&genesis, &blocks[..blocks.len() - 1]), whole);
}
