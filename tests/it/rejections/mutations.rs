//! Mutated bytes cause no panic, and change neither the state nor the pool.

use std::sync::LazyLock;

use mycnet_consensus::core::PeerId;
use mycnet_consensus::internals::reconciliation::Snapshot;
use mycnet_consensus::internals::record::Signed;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::*;
use crate::net::{block, blocks_message, vote_for};

/// One change to a byte string.
#[derive(Debug, Clone)]
enum Mutation {
    Flip(Index, u8),
    Insert(Index, u8),
    Remove(Index),
    Cut(Index),
    Repeat(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        4 => (any::<Index>(), 0_u8..8).prop_map(|(at, bit)| Mutation::Flip(at, bit)),
        1 => (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        1 => any::<Index>().prop_map(Mutation::Remove),
        1 => any::<Index>().prop_map(Mutation::Cut),
        1 => (any::<Index>(), any::<Index>()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
    ]
}

impl Mutation {
    fn apply(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        match self {
            Self::Flip(at, bit) => {
                let at = at.index(bytes.len());
                bytes[at] ^= 1 << bit;
            }
            Self::Insert(at, byte) => bytes.insert(at.index(bytes.len() + 1), *byte),
            Self::Remove(at) => {
                bytes.remove(at.index(bytes.len()));
            }
            Self::Cut(at) => bytes.truncate(at.index(bytes.len())),
            Self::Repeat(from, to) => {
                let (from, to) = (from.index(bytes.len()), to.index(bytes.len()));
                let part = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.extend(part);
            }
        }
    }
}

/// Node 1 of [`World`] as bytes: what to restore it from, and valid records and frames that it would take.
struct Corpus {
    saved: mycnet_consensus::core::Saved,
    blocks: Vec<mycnet_consensus::internals::seal::SealedBlock>,
    records: Vec<Vec<u8>>,
    frames: Vec<Vec<u8>>,
}

static CORPUS: LazyLock<Corpus> = LazyLock::new(|| {
    let world = World::new();
    let net = &world.net;
    let core = &net.cores[1];
    let statements = vec![
        (
            4,
            commit_of(net.network_id(), world.committing, 4, &Ballot::Reject),
        ),
        (4, world.propose(config(b"new"), Priority::Normal)),
        (3, world.propose(claim(Some(&[0, 1, 2, 3])), Priority::High)),
        (0, directive(world.standard)),
        (3, objection(world.standard)),
        (3, resolution(world.standard)),
        (
            3,
            Statement::Rejoin {
                nonce: Digest::from_bytes([3; 32]),
            },
        ),
    ];
    let mut records: Vec<Vec<u8>> = statements
        .into_iter()
        .map(|(n, statement)| world.signed(n, statement))
        .collect();
    let height = core.ledger().state().height() + 1;
    let pooled: Vec<Verified> = core.pool().iter().map(|held| held.record.clone()).collect();
    let draft = net.draft(1, net.now_ms + 50, pooled);
    let vote = vote_for(height, 0, VoteKind::Prevote, &draft.seal);
    records.push(world.signed(3, vote));
    let proposal = Statement::SealProposal {
        round: 0,
        lock: None,
        seal: draft.seal.clone(),
    };
    let proposal = world.signed(0, proposal);
    let list = draft.records.iter().map(Verified::id).collect::<Vec<_>>();
    let sealed = block(
        net.network_id(),
        &draft.seal,
        &draft.records,
        0,
        &[0, 2, 3, 4],
    );
    let snapshot = Snapshot::new(list.iter().map(|id| (0, *id)));
    let frames = vec![
        Message::Records(records.iter().cloned().map(ByteBuf::from).collect()).encode(),
        Message::Proposal {
            record: ByteBuf::from(proposal.clone()),
            list: list.clone(),
        }
        .encode(),
        Message::Reconcile {
            height: height - 1,
            seal: core.ledger().state().seal(),
            session: 1,
            round: 0,
            ranges: ByteBuf::from(snapshot.open()),
        }
        .encode(),
        Message::Offer(list.clone()).encode(),
        Message::Status {
            height,
            seal: draft.seal.id(),
        }
        .encode(),
        Message::Repeated(list.clone()).encode(),
        Message::Want(list).encode(),
        Message::AskBlocks { from: 1 }.encode(),
        blocks_message([&sealed]).encode(),
    ];
    Corpus {
        saved: net.saved[1].clone(),
        blocks: net.blocks[1]
            .iter()
            .map(|block| block.as_ref().clone())
            .collect(),
        records,
        frames,
    }
});

fn core() -> mycnet_consensus::core::Core {
    let signer = std::sync::Arc::new(identity(1));
    let mut core = mycnet_consensus::core::Core::new(&genesis(6), signer).unwrap();
    let corpus = &*CORPUS;
    core.restore(corpus.saved.clone(), corpus.blocks.clone(), 0)
        .unwrap();
    core
}

/// The parts of [`crate::net::fingerprint`] that only good records may change.
fn held(core: &mycnet_consensus::core::Core) -> (u64, Vec<mycnet_consensus::RecordId>) {
    let pool = core.pool().iter().map(|held| held.record.id()).collect();
    (core.ledger().state().height(), pool)
}

#[test]
fn the_corpus_is_good() {
    for bytes in &CORPUS.records {
        let mut core = core();
        let id = Signed::decode(bytes).unwrap().id();
        assert!(core.record(&id).is_none());
        let records = vec![bytes.clone()];
        let outputs = core.handle(Input::Import { records }, 0);
        assert!(
            format!("{:?}", outputs.answer).contains("New"),
            "{:?}",
            outputs.answer
        );
        assert!(core.record(&id).is_some());
    }
    let mut core = core();
    let before = held(&core);
    let blocks = Message::decode(CORPUS.frames.last().unwrap()).unwrap();
    let from = PeerId(0);
    let _ = core.handle(
        Input::Message {
            from,
            message: blocks,
        },
        0,
    );
    assert_eq!(held(&core).0, before.0 + 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn mutated_records_change_nothing(
        which in any::<Index>(),
        mutations in vec(mutation(), 1..4),
    ) {
        let original = which.get(&CORPUS.records);
        let mut bytes = original.clone();
        for mutation in &mutations {
            mutation.apply(&mut bytes);
        }
        prop_assume!(bytes != *original);
        let mut core = core();
        let before = crate::net::fingerprint(&core);
        let records = vec![bytes];
        let outputs = core.handle(Input::Import { records }, 0);
        prop_assert_eq!(crate::net::fingerprint(&core), before);
        prop_assert!(outputs.list.is_empty(), "{:?}", outputs.list);
    }

    #[test]
    fn mutated_frames_bring_in_nothing_that_was_not_signed(
        which in any::<Index>(),
        mutations in vec(mutation(), 1..4),
    ) {
        let original = which.get(&CORPUS.frames);
        let mut bytes = original.clone();
        for mutation in &mutations {
            mutation.apply(&mut bytes);
        }
        prop_assume!(bytes != *original);
        let Ok(message) = Message::decode(&bytes) else { return Ok(()) };
        // The good records of a frame stay good when other records of it are damaged.
        let good: Vec<_> = match &message {
            Message::Records(records) => records
                .iter()
                .filter(|record| CORPUS.records.contains(&record.to_vec()))
                .map(|record| mycnet_consensus::internals::record::Signed::decode(record).unwrap().id())
                .collect(),
            _ => Vec::new(),
        };
        let mut core = core();
        let before = held(&core);
        let from = PeerId(4);
        let _ = core.handle(Input::Message { from, message }, 0);
        let (height, pool) = held(&core);
        prop_assert_eq!(height, before.0);
        for id in pool {
            // A good vote beside one that was held already proves an equivocation, and both are pooled.
            let is_known = before.1.contains(&id) || CORPUS.saved.votes.contains_key(&id);
            prop_assert!(is_known || good.contains(&id));
        }
    }

    #[test]
    fn bytes_of_no_meaning_change_nothing(bytes in vec(any::<u8>(), 0..300)) {
        let mut core = core();
        let before = crate::net::fingerprint(&core);
        let records = vec![bytes.clone()];
        let outputs = core.handle(Input::Import { records }, 0);
        prop_assert!(outputs.list.is_empty());
        if let Ok(message) = Message::decode(&bytes) {
            let from = PeerId(4);
            let _ = core.handle(Input::Message { from, message }, 0);
        }
        prop_assert_eq!(crate::net::fingerprint(&core), before);
    }
}
