//! Bundles that are cut off, damaged, forged, of elsewhere or of another branch.

use std::sync::Arc;

use mycnet_consensus::core::Event;
use mycnet_consensus::engine::{
    BundleError, BundleReader, EngineError, Hub, ImportError, ManualClock,
};
use mycnet_consensus::internals::bundle::{
    Fault, Header, Kind, Part, Proposal, START_BYTES, Unsealed,
};
use mycnet_consensus::internals::codec;
use mycnet_consensus::internals::limits::{BLOCK_BYTES_MAX, SET_RECORD_BYTES_MAX};
use mycnet_consensus::internals::seal::SealedBlock;
use mycnet_consensus::{BFTConsensusEngine, Ballot, Genesis};
use proptest::prelude::*;
use serde_bytes::ByteBuf;

use super::{apart, carry, exported, framed, pass_round};
use crate::net::{config, genesis, identity};

/// A bundle with heights, a proposal with its list, votes and records.
async fn good() -> (Vec<u8>, Genesis) {
    let genesis = genesis(3);
    let (engines, _) = apart(&genesis, 3);
    let all: Vec<&BFTConsensusEngine> = engines.iter().collect();
    let id = engines[0].propose_operation(config(b"x")).await.unwrap();
    for n in [1, 2] {
        carry(&engines[n - 1], &engines[n]).await;
        engines[n].vote(id, Ballot::Approve).await.unwrap();
    }
    carry(&engines[2], &engines[0]).await;
    let closed = |engine: &BFTConsensusEngine| engine.outcome(&id).is_some();
    pass_round(&all, 40, closed).await;
    // Whose turn it is proposes a seal at once.
    let leads =
        |engine: &&BFTConsensusEngine| engine.seal_status().proposer == Some(engine.node_id());
    let leader = engines.iter().find(leads).unwrap();
    leader.propose_operation(config(b"later")).await.unwrap();
    (exported(leader, 1), genesis)
}

/// A node that holds nothing yet.
fn fresh(genesis: &Genesis) -> BFTConsensusEngine {
    apart(genesis, 1).0.remove(0)
}

/// Header and bodies of a bundle, its end mark left out.
fn bodies(bundle: &[u8]) -> Vec<(Kind, Vec<u8>)> {
    let mut reader = BundleReader::new(bundle).unwrap();
    let mut bodies = vec![(Kind::Header, codec::encode(reader.header()))];
    while let Some(part) = reader.next_part().unwrap() {
        bodies.push(match part {
            Part::Block { bytes, .. } => (Kind::Block, bytes),
            Part::Unsealed(Unsealed::Record(bytes)) => (Kind::Record, bytes),
            Part::Unsealed(Unsealed::Proposal(it)) => (Kind::Proposal, codec::encode(&it)),
            Part::Header(_) | Part::End(_) => continue,
        });
    }
    bodies
}

/// The bytes at which the parts begin, and the end of the last one.
fn edges(bundle: &[u8]) -> Vec<usize> {
    let mut edges = vec![START_BYTES];
    while let Some(head) = bundle
        .get(edges[edges.len() - 1]..)
        .filter(|it| it.len() > 4)
    {
        let length = u32::from_be_bytes(head[1..5].try_into().unwrap());
        edges.push(edges[edges.len() - 1] + 5 + length as usize + 8);
    }
    edges
}

/// What a reader says of it in the end.
fn read(bundle: &[u8]) -> Result<usize, BundleError> {
    let mut reader = BundleReader::new(bundle)?;
    let mut parts = 1;
    while reader.next_part()?.is_some() {
        parts += 1;
    }
    Ok(parts)
}

/// The fault, and the number and place of the part in which it is.
fn fault(error: BundleError) -> (Fault, u64, u64) {
    match error {
        BundleError::Unreadable { place, fault } => (fault, place.part, place.byte),
        other => panic!("{other}"),
    }
}

async fn refused(engine: &BFTConsensusEngine, bundle: &[u8]) -> ImportError {
    let before = (engine.height(), engine.export());
    let error = engine.import_bundle(bundle).await.unwrap_err();
    assert_eq!(error.imported.height_before, before.0);
    assert_eq!(error.imported.height, engine.height());
    if error.imported.header.is_none() {
        assert_eq!((engine.height(), engine.export()), before);
    }
    error
}

#[tokio::test]
async fn whoever_cuts_a_bundle_off_is_told_where() {
    let (bundle, genesis) = good().await;
    let edges = edges(&bundle);
    assert_eq!(read(&bundle).unwrap() + 1, edges.len());
    for length in 0..bundle.len() {
        let (fault, part, byte) = fault(read(&bundle[..length]).unwrap_err());
        assert_eq!(fault, Fault::CutOff, "at {length}");
        let begun = edges.iter().take_while(|edge| **edge <= length).count();
        let (n, start) = match begun {
            0 => (0, 0),
            _ => (begun - 1, edges[begun - 1]),
        };
        assert_eq!((part, byte), (n as u64, start as u64), "at {length}");
    }
    // What stands before is as good as in a bundle that ends there.
    let heights = exported_heights(&bundle);
    for (n, edge) in edges[1..edges.len() - 1].iter().enumerate() {
        for cut in [*edge, edge + 3, edge + 7] {
            let engine = fresh(&genesis);
            let error = refused(&engine, &bundle[..cut]).await;
            let expected = (n as u64).min(heights);
            assert_eq!(error.imported.applied, expected, "cut at {cut}: {error}");
            assert_eq!(fault(error.error).0, Fault::CutOff);
        }
    }
}

fn exported_heights(bundle: &[u8]) -> u64 {
    BundleReader::new(bundle).unwrap().header().height
}

#[tokio::test]
async fn a_flipped_byte_is_found_in_its_part() {
    let (bundle, genesis) = good().await;
    let edges = edges(&bundle);
    for at in 0..bundle.len() {
        let mut damaged = bundle.clone();
        damaged[at] ^= 1 << (at % 8);
        let (fault, part, _) = fault(read(&damaged).unwrap_err());
        let expected = edges.iter().filter(|edge| **edge <= at).count();
        assert_eq!(part, (expected as u64).saturating_sub(1), "{fault} at {at}");
        let is_expected = match at {
            0..15 => fault == Fault::NotABundle,
            15 => matches!(fault, Fault::UnknownVersion(_)),
            _ => matches!(
                fault,
                Fault::Damaged | Fault::CutOff | Fault::UnknownKind(_) | Fault::TooLong { .. }
            ),
        };
        assert!(is_expected, "{fault:?} at {at}");
        // An import takes a while, and the reader was asked about every byte.
        if at % 97 == 0 {
            let engine = fresh(&genesis);
            let error = refused(&engine, &damaged).await;
            let whole = part.saturating_sub(1).min(exported_heights(&bundle));
            assert_eq!(error.imported.applied, whole, "at {at}");
        }
    }
}

#[test]
fn lengths_are_judged_before_anything_is_kept() {
    let header = Header {
        net: genesis(1).network_id(),
        from: 1,
        height: 0,
        seal: [0; 32].into(),
    };
    let good = framed(&[(Kind::Header, codec::encode(&header))]);
    let cases: [(u8, usize, bool); 6] = [
        (Kind::Record as u8, SET_RECORD_BYTES_MAX, false),
        (Kind::Record as u8, SET_RECORD_BYTES_MAX + 1, true),
        (Kind::Block as u8, BLOCK_BYTES_MAX, false),
        (Kind::Block as u8, BLOCK_BYTES_MAX + 1, true),
        (Kind::End as u8, 257, true),
        (Kind::Proposal as u8, u32::MAX as usize, true),
    ];
    for (kind, length, is_too_long) in cases {
        let mut bundle = good.clone();
        bundle.push(kind);
        bundle.extend(u32::try_from(length).unwrap().to_be_bytes());
        let (fault, part, byte) = fault(read(&bundle).unwrap_err());
        assert_eq!((part, byte), (1, good.len() as u64));
        let judged = matches!(fault, Fault::TooLong { .. });
        assert_eq!(judged, is_too_long, "{length}: {fault}");
        assert!(judged || fault == Fault::CutOff, "{length}: {fault}");
    }
    let mut unknown = good;
    unknown.extend([9, 0, 0, 0, 0]);
    assert_eq!(fault(read(&unknown).unwrap_err()).0, Fault::UnknownKind(9));
}

#[test]
fn heights_that_cannot_be_are_refused() {
    for (from, height) in [(0, 0), (0, 5), (2, 0), (7, 5), (1, u64::MAX)] {
        let header = Header {
            net: genesis(1).network_id(),
            from,
            height,
            seal: [0; 32].into(),
        };
        let bundle = framed(&[(Kind::Header, codec::encode(&header))]);
        let expected = Fault::ImpossibleHeights { from, height };
        assert_eq!(fault(read(&bundle).unwrap_err()).0, expected);
    }
}

#[tokio::test]
async fn another_network_and_a_gap_are_seen_at_the_header() {
    let (bundle, genesis) = good().await;
    let elsewhere = fresh(&crate::net::genesis(2));
    let error = refused(&elsewhere, &bundle).await;
    assert!(matches!(error.error, BundleError::WrongNetwork(net) if net == genesis.network_id()));
    let engine = fresh(&genesis);
    carry_bytes(&engine, &bundle).await;
    let ahead = exported(&engine, 3);
    let behind = fresh(&genesis);
    let error = refused(&behind, &ahead).await;
    let BundleError::Gap { begins, lacks } = error.error else {
        panic!("{error}");
    };
    assert_eq!((begins, lacks), (3, 1));
    let said = BundleError::Gap { begins, lacks }.to_string();
    assert!(said.contains("ask for a bundle from height 1"), "{said}");
}

async fn carry_bytes(engine: &BFTConsensusEngine, bundle: &[u8]) {
    engine.import_bundle(bundle).await.unwrap();
}

#[tokio::test]
async fn parts_have_their_order() {
    let (bundle, _) = good().await;
    let good = bodies(&bundle);
    assert!(good.len() > 5 && good[2].0 == Kind::Block);
    let swapped = |a: usize, b: usize| {
        let mut bodies = good.clone();
        bodies.swap(a, b);
        framed(&bodies)
    };
    let without = |n: usize| {
        let mut bodies = good.clone();
        bodies.remove(n);
        framed(&bodies)
    };
    let out_of_order = |expected, found| Fault::OutOfOrder { expected, found };
    let last = good.len() - 1;
    let mut twice = good.clone();
    twice.push(good[0].clone());
    let cases = [
        ("blocks swapped", swapped(1, 2), out_of_order(1, 2)),
        ("the first block missing", without(1), out_of_order(1, 2)),
        ("no header", without(0), Fault::Misplaced("block")),
        ("two headers", framed(&twice), Fault::Misplaced("header")),
        ("no end", framed(&good), Fault::CutOff),
        (
            "records before blocks",
            swapped(1, last),
            Fault::Misplaced(good[last].0.name()),
        ),
    ];
    for (name, bundle, expected) in cases {
        assert_eq!(fault(read(&bundle).unwrap_err()).0, expected, "{name}");
    }
    let height = usize::try_from(exported_heights(&bundle)).unwrap();
    let (missing, _, _) = fault(read(&without(height)).unwrap_err());
    assert!(matches!(missing, Fault::Misplaced(_)), "{missing:?}");
    // The end of another bundle.
    let end_at = edges(&bundle).len() - 2;
    let mut other = good.clone();
    let end = &bundle[edges(&bundle)[end_at] + 5..bundle.len() - 8];
    other.remove(last);
    other.push((Kind::End, end.to_vec()));
    assert_eq!(fault(read(&framed(&other)).unwrap_err()).0, Fault::WrongEnd);
}

/// Good checks and good forms do not make a block good.
#[tokio::test]
async fn forged_blocks_are_refused_and_what_follows_is_not_taken() {
    let (bundle, genesis) = good().await;
    let bodies = bodies(&bundle);
    let forge = |n: usize, change: &dyn Fn(&mut SealedBlock)| {
        let mut bodies = bodies.clone();
        let mut block: SealedBlock = codec::decode(&bodies[n].1, BLOCK_BYTES_MAX).unwrap();
        change(&mut block);
        bodies[n].1 = codec::encode(&block);
        framed(&bodies)
    };
    let cases: [(&str, Vec<u8>, u64, &str); 5] = [
        (
            "too few votes",
            forge(2, &|block| block.certificate.votes.truncate(1)),
            2,
            "bad-certificate",
        ),
        (
            "no votes",
            forge(1, &|block| block.certificate.votes.clear()),
            1,
            "bad-certificate",
        ),
        (
            "another seal",
            forge(2, &|block| block.seal.time_ms += 1),
            2,
            "bad-certificate",
        ),
        (
            "a record less",
            forge(1, &|block| drop(block.records.pop())),
            1,
            "impossible-seal",
        ),
        (
            "not canonical",
            {
                let mut bodies = bodies.clone();
                bodies[1].1.push(0);
                framed(&bodies)
            },
            1,
            "non-canonical",
        ),
    ];
    for (name, forged, at, code) in cases {
        let engine = fresh(&genesis);
        let error = refused(&engine, &forged).await;
        let BundleError::Refused { height, rejection } = &error.error else {
            panic!("{name}: {error}");
        };
        assert_eq!((*height, rejection.code()), (at, code), "{name}");
        assert_eq!(engine.height(), at - 1, "{name}");
        assert_eq!(engine.export(), Vec::<Vec<u8>>::new(), "{name}");
    }
}

/// A wrong part spoils no other part, and the report stays short.
#[tokio::test]
async fn bad_records_are_counted_by_their_codes() {
    let (bundle, genesis) = good().await;
    let mut bodies = bodies(&bundle);
    let is_proposal = |(kind, _): &(Kind, Vec<u8>)| *kind == Kind::Proposal;
    let proposal = bodies.iter().position(is_proposal).unwrap();
    let mut other: Proposal = codec::decode(&bodies[proposal].1, 1 << 20).unwrap();
    assert!(!other.list.is_empty());
    other.list.push([0xff; 32].into());
    let record = bodies.iter().find(|(kind, _)| *kind == Kind::Record);
    let not_a_proposal = Proposal {
        record: ByteBuf::from(record.unwrap().1.clone()),
        list: Vec::new(),
    };
    let spoiled = {
        let mut bytes = record.unwrap().1.clone();
        let at = bytes.len() - 20;
        bytes[at] ^= 1;
        bytes
    };
    let first = usize::try_from(exported_heights(&bundle)).unwrap() + 1;
    for _ in 0..100 {
        bodies.insert(first, (Kind::Record, Vec::new()));
    }
    bodies.insert(first, (Kind::Record, spoiled));
    bodies.insert(first, (Kind::Proposal, codec::encode(&not_a_proposal)));
    bodies.insert(first, (Kind::Proposal, codec::encode(&other)));
    let engine = fresh(&genesis);
    // It ends without an end mark, after everything was taken.
    let error = refused(&engine, &framed(&bodies)).await;
    let imported = error.imported;
    assert_eq!(fault(error.error).0, Fault::CutOff);
    let counts: Vec<(&str, u64)> = imported
        .refused
        .iter()
        .map(|(code, refusals)| (*code, refusals.count))
        .collect();
    assert_eq!(imported.applied, exported_heights(&bundle));
    assert!(counts.contains(&("malformed", 1)), "{counts:?}");
    assert!(counts.contains(&("impossible-seal", 1)), "{counts:?}");
    let bad: u64 = counts.iter().map(|(_, count)| count).sum();
    assert_eq!(bad, 103, "{counts:?}");
    // Where it stands is where a good bundle brings a node.
    let other = fresh(&genesis);
    carry_bytes(&other, &bundle).await;
    assert_eq!(engine.export(), other.export());
    assert_eq!(engine.seal_status(), other.seal_status());
}

/// Two branches of one network, each certified by all its members.
#[tokio::test]
async fn a_bundle_of_another_branch_shows_the_fork() {
    let genesis = genesis(4);
    let mut branches = Vec::new();
    for value in [&b"one"[..], b"other"] {
        let clock = ManualClock::new(genesis.time_ms);
        let hub = Hub::with_clock(genesis.clone(), Arc::new(clock)).unwrap();
        let engines: Vec<BFTConsensusEngine> =
            (0..4).map(|n| hub.join(identity(n)).unwrap()).collect();
        let id = engines[0].propose_operation(config(value)).await.unwrap();
        for engine in &engines[1..] {
            engine.vote(id, Ballot::Approve).await.unwrap();
        }
        assert!(engines[0].outcome(&id).is_some());
        branches.push(engines);
    }
    // A node that is not a member and has seen only one branch.
    let hub = Hub::with_clock(genesis.clone(), Arc::new(ManualClock::new(2_000_000))).unwrap();
    let reader = hub.join(identity(7)).unwrap();
    let mut events = reader.subscribe();
    let short = exported(&branches[0][0], 1);
    carry_bytes(&reader, &short).await;
    let (height, seal) = (reader.height(), reader.seal());
    // The other branch, to a height that the reader has sealed.
    let other = bodies(&exported(&branches[1][0], 1));
    let other: Vec<_> = other
        .into_iter()
        .filter(|(kind, _)| matches!(kind, Kind::Header | Kind::Block))
        .collect();
    let error = refused(&reader, &framed(&other)).await;
    assert_eq!(fault(error.error).0, Fault::CutOff, "it has no end mark");
    assert_eq!((reader.height(), reader.seal()), (height, seal));
    assert_eq!(reader.seal_status().signing, "compromised");
    let forks = super::heard(&mut events)
        .await
        .into_iter()
        .filter(
            |event| matches!(event, Event::Forked { blame, .. } if blame.double_signers.len() >= 2),
        )
        .count();
    assert!(forks >= 1);
    // Nothing above the fork is applied, and the import says why.
    let id = branches[0][0].propose_operation(config(b"on")).await;
    branches[0][1]
        .vote(id.unwrap(), Ballot::Approve)
        .await
        .unwrap();
    assert!(branches[0][0].height() > height);
    let error = refused(&reader, &exported(&branches[0][0], 1)).await;
    assert!(matches!(error.error, BundleError::Forked), "{error}");
    assert_eq!((error.imported.held, error.imported.applied), (height, 0));
}

#[tokio::test]
async fn readers_and_writers_may_fail() {
    struct Failing(usize);
    impl std::io::Write for Failing {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0 = self
                .0
                .checked_sub(bytes.len())
                .ok_or(std::io::ErrorKind::StorageFull)?;
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    impl std::io::Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::ErrorKind::PermissionDenied.into())
        }
    }
    let engine = fresh(&genesis(1));
    engine.propose_operation(config(b"x")).await.unwrap();
    let whole = exported(&engine, 1).len();
    for room in [0, 20, whole - 1] {
        let error = engine.export_bundle(1, &mut Failing(room)).unwrap_err();
        assert!(matches!(error, BundleError::Io(_)), "{error}");
    }
    assert!(engine.export_bundle(1, &mut Failing(whole)).is_ok());
    let error = engine.import_bundle(Failing(0)).await.unwrap_err();
    assert!(matches!(error.error, BundleError::Io(_)), "{error}");
    let stopped = BundleError::from(EngineError::Stopped("full".into()));
    assert!(stopped.to_string().contains("full"));
}

/// Bodies like those of bundles, and other ones.
fn body() -> impl Strategy<Value = (Kind, Vec<u8>)> {
    let kind = prop_oneof![
        Just(Kind::Header),
        Just(Kind::Block),
        Just(Kind::Proposal),
        Just(Kind::Record),
        Just(Kind::End),
    ];
    let bytes = proptest::collection::vec(any::<u8>(), 0..200);
    // A block as far as its seal's name.
    let named = bytes
        .clone()
        .prop_map(|bytes| [&b"\xa3\x64seal"[..], &bytes].concat());
    (kind, prop_oneof![bytes, named])
}

proptest! {
    #[test]
    fn whatever_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..2_000)) {
        prop_assert!(read(&bytes).is_err());
        let begun = [&framed(&[])[..], &bytes].concat();
        prop_assert!(read(&begun).is_err());
    }

    #[test]
    fn whatever_bodies_are_no_panic(bodies in proptest::collection::vec(body(), 0..8)) {
        let genesis = genesis(1);
        let header = Header {
            net: genesis.network_id(),
            from: 1,
            height: bodies.iter().filter(|(kind, _)| *kind == Kind::Block).count() as u64,
            seal: [0; 32].into(),
        };
        let mut all = vec![(Kind::Header, codec::encode(&header))];
        all.extend(bodies);
        let bundle = framed(&all);
        prop_assert!(read(&bundle).is_err());
        let engine = fresh(&genesis);
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let error = runtime.block_on(engine.import_bundle(bundle.as_slice())).unwrap_err();
        prop_assert_eq!(error.imported.new, 0);
        prop_assert_eq!(engine.height(), 0);
    }
}
