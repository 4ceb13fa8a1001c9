use std::collections::BTreeSet;

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::base::digest::RECORD;
use crate::base::limits::RECONCILE_ROUNDS_MAX;

fn id(n: usize) -> RecordId {
    RecordId::from_bytes(RECORD.hash(&n.to_le_bytes()))
}

fn snapshot(ids: impl IntoIterator<Item = usize>) -> Snapshot {
    Snapshot::new(ids.into_iter().map(|n| (id(n).as_bytes()[0] % 9, id(n))))
}

/// Compares two sets until nothing differs. Gives the ids that the first has and needs, the rounds, and the bytes both ways.
fn compare(a: &Snapshot, b: &Snapshot) -> (BTreeSet<RecordId>, BTreeSet<RecordId>, u32, usize) {
    let (mut have, mut need) = (BTreeSet::new(), BTreeSet::new());
    let (mut rounds, mut bytes) = (0, 0);
    let mut query = Some(a.open());
    while let Some(said) = query.take() {
        assert!(said.len() <= RECONCILE_BYTES_MAX && (rounds > 0 || said.len() <= 1024));
        let answer = b.answer(&said).unwrap();
        assert!(answer.len() <= RECONCILE_BYTES_MAX);
        rounds += 1;
        bytes += said.len() + answer.len();
        let narrowed = a.narrow(&answer).unwrap();
        have.extend(narrowed.have);
        need.extend(narrowed.need);
        query = narrowed.query;
    }
    (have, need, rounds, bytes)
}

fn ids(of: impl IntoIterator<Item = usize>) -> BTreeSet<RecordId> {
    of.into_iter().map(id).collect()
}

#[test]
fn both_differences_are_found_whatever_the_sets() {
    let all = 0..30_000;
    let cases: [(&str, Vec<usize>, Vec<usize>); 7] = [
        ("nothing at all", vec![], vec![]),
        ("the same", (0..10_000).collect(), (0..10_000).collect()),
        ("one has none", (0..10_000).collect(), vec![]),
        ("the other has none", vec![], (0..10_000).collect()),
        (
            "ten each",
            (0..10_000).collect(),
            (10..10_010).chain(10..10_000).collect(),
        ),
        (
            "wholly",
            all.clone().filter(|n| n % 2 == 0).collect(),
            all.clone().filter(|n| n % 2 == 1).collect(),
        ),
        (
            "a fifth",
            all.clone().collect(),
            all.filter(|n| n % 5 > 0).collect(),
        ),
    ];
    for (name, left, right) in cases {
        let (a, b) = (ids(left.clone()), ids(right.clone()));
        let (have, need, rounds, bytes) = compare(&snapshot(left), &snapshot(right));
        println!("{name}: {rounds} rounds, {bytes} bytes");
        assert_eq!(have, &a - &b, "{name}");
        assert_eq!(need, &b - &a, "{name}");
        assert!(rounds <= RECONCILE_ROUNDS_MAX, "{name}");
        let differing = have.len() + need.len();
        // The approximate cost of splitting per differing id; 32 bytes name one.
        assert!(
            bytes <= 1024 + 1024 * differing.min(200) + 128 * differing,
            "{name}"
        );
    }
}

#[test]
fn an_id_that_comes_twice_counts_once() {
    let twice = Snapshot::new((0..200).chain(0..200).map(|n| (1, id(n))));
    assert_eq!(twice.len(), 200);
    assert!(!twice.is_empty());
    let once = Snapshot::new((0..200).map(|n| (1, id(n))));
    assert_eq!(twice.open(), once.open());
}

#[test]
fn what_is_too_long_or_no_message_is_refused() {
    let snapshot = snapshot(0..100);
    // Version, a bound at infinity, "these are the ids", and a count of 2^63 or of 2^28 ids.
    let huge = [
        0x61,
        0,
        0,
        2,
        0x80 | 1,
        0x80,
        0x80,
        0x80,
        0x80,
        0x80,
        0x80,
        0x80,
        0x80,
        0,
    ];
    let cases: [(&str, Vec<u8>, &str); 9] = [
        ("nothing", vec![], "malformed"),
        ("no version", vec![0], "malformed"),
        ("a version to come, cut", vec![0x61, 0, 0, 1], "malformed"),
        ("an unknown mode", vec![0x61, 0, 0, 9], "malformed"),
        (
            "a bound longer than an id",
            [vec![0x61, 1, 33], vec![0; 40]].concat(),
            "malformed",
        ),
        (
            "a bound longer than the message",
            vec![0x61, 1, 0xff, 0xff, 0x7f],
            "malformed",
        ),
        ("2^63 ids", huge.to_vec(), "malformed"),
        (
            "2^28 ids",
            vec![0x61, 0, 0, 2, 0x81, 0x80, 0x80, 0x80, 0],
            "malformed",
        ),
        (
            "too long",
            vec![0x61; RECONCILE_BYTES_MAX + 1],
            "over-limit",
        ),
    ];
    for (name, bytes, code) in cases {
        assert_eq!(snapshot.answer(&bytes).unwrap_err().code(), code, "{name}");
        assert_eq!(snapshot.narrow(&bytes).unwrap_err().code(), code, "{name}");
    }
}

/// Messages of the greatest length in which every few bytes ask for work.
#[test]
fn the_worst_messages_are_answered_within_the_limit() {
    let snapshot = snapshot(0..20_000);
    let fill = |range: &[u8]| {
        let mut bytes = vec![0x61];
        while bytes.len() + range.len() <= RECONCILE_BYTES_MAX {
            bytes.extend(range);
        }
        bytes
    };
    // Ranges that end where the last did, ranges by the first byte of an id, and one over everything.
    let fingerprint = [vec![1, 1, 7, 1], vec![9; 16]].concat();
    let everything = [vec![0, 0, 1], vec![9; 16]].concat();
    let ranges: [&[u8]; 6] = [
        &[1, 0, 2, 0],
        &[2, 0, 2, 0],
        &[1, 1, 200, 2, 0],
        &[0, 0, 2, 0],
        &fingerprint,
        &everything,
    ];
    for range in ranges {
        let bytes = fill(range);
        let answer = snapshot.answer(&bytes).unwrap();
        assert!(
            answer.len() <= RECONCILE_BYTES_MAX,
            "{range:?}: {}",
            answer.len()
        );
        let narrowed = snapshot.narrow(&bytes).unwrap();
        assert!(narrowed.have.len() <= snapshot.len(), "{range:?}");
        assert!(
            narrowed
                .query
                .is_none_or(|query| query.len() <= RECONCILE_BYTES_MAX)
        );
    }
}

proptest! {
    #[test]
    fn bytes_of_no_meaning_do_no_harm(mut bytes in vec(any::<u8>(), 0..400), is_headed in any::<bool>()) {
        if is_headed && !bytes.is_empty() {
            bytes[0] = 0x61;
        }
        check(&snapshot(0..1000), &bytes);
    }

    #[test]
    fn changed_messages_do_no_harm(
        changes in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in any::<prop::sample::Index>(),
        is_cut in any::<bool>(),
    ) {
        let (a, b) = (snapshot(0..1000), snapshot(100..1100));
        for original in [a.open(), b.answer(&a.open()).unwrap()] {
            let mut bytes = original;
            for (at, value) in &changes {
                let at = at.index(bytes.len());
                bytes[at] = *value;
            }
            if is_cut {
                bytes.truncate(cut.index(bytes.len()));
            }
            check(&a, &bytes);
        }
    }
}

fn check(snapshot: &Snapshot, bytes: &[u8]) {
    if let Ok(answer) = snapshot.answer(bytes) {
        assert!(answer.len() <= RECONCILE_BYTES_MAX);
    }
    if let Ok(narrowed) = snapshot.narrow(bytes) {
        assert!(narrowed.have.len() <= snapshot.len());
        assert!(narrowed.need.len() <= bytes.len() / 32);
        assert!(
            narrowed
                .query
                .is_none_or(|query| query.len() <= RECONCILE_BYTES_MAX)
        );
    }
}
