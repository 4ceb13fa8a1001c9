use mycnet_consensus::ClaimItem;
use mycnet_consensus::core::Indexed;
use mycnet_consensus::limits::SET_ITEMS_MAX;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::builders::Builders;
use crate::evidence::Hex;
use crate::internals::exercise_index;
use crate::plan::with_mark;
use crate::policy::Policy;
use crate::testing::{TestNetwork, hash, item, seeds};
use crate::verdict::{Verdict, judge};

fn purl(number: usize) -> String {
    let version = number % 97;
    format!("pkg:deb/debian/lib-{number:05}@1.{version}-1?arch=amd64")
}

/// The items of a set of a night, as a coordinator plans them.
fn planned(numbers: std::ops::Range<usize>) -> Vec<ClaimItem> {
    let items = numbers.map(|number| item(&purl(number), &hash(&format!("input {number}"))));
    items.collect()
}

/// What a rebuilder gives in a night with 3 % of the items in dispute, one that is lazy and one that is wrong in 2 %.
fn given(builder: usize, number: usize) -> Option<Vec<u8>> {
    match builder {
        9 if number.is_multiple_of(3) => None,
        8 if number % 50 == 7 => Some(hash(&format!("wrong {number}"))),
        _ if number % 33 == 5 => Some(hash(&format!("result {number} of {}", builder % 5))),
        _ => Some(hash(&format!("result {number}"))),
    }
}

/// The example `night` makes a whole one.
#[tokio::test]
async fn an_item_of_a_night_takes_few_bytes() {
    let network = TestNetwork::new(10);
    network.decide(planned(0..SET_ITEMS_MAX), given).await;
    let index = network.index();
    let packed = pack(&index).unwrap();
    assert_eq!(unpack(&packed[..], index.net).unwrap(), index);
    // 64 of them are the input and the result, which do not compress. The chain takes as much as some items.
    let each = packed.len() / SET_ITEMS_MAX;
    assert!(each < 120, "{each} bytes an item");
}

const ZSH: &str = "pkg:deb/debian/zsh@5.9-8?arch=amd64";

/// Three sets: an item twice, one with another input, a canary.
async fn small() -> TestNetwork {
    let network = TestNetwork::new(3);
    let canary = with_mark(ZSH);
    for (items, what) in [
        (
            vec![item("a", b""), item(ZSH, b""), item(&canary, b"nonce")],
            "first",
        ),
        (vec![item("b", b""), item(ZSH, b"other")], "second"),
        (vec![item(ZSH, b"")], "third"),
    ] {
        network.decide(items, |_, _| Some(hash(what))).await;
    }
    network
}

#[tokio::test]
async fn questions_are_answered_by_subject_or_else_by_result() {
    use Verdict::{Confirmed, InDispute, Unknown};

    let network = small().await;
    let index = network.index();
    let shown = verified(&index, &network.genesis).unwrap();
    let builders = Builders::of_founders(&network.genesis);
    let policy: Policy = "2 of ada,ben,cyd".parse().unwrap();
    let find_member = |name: &str| {
        let found = builders.find(name);
        found.map_err(|_| crate::PolicyFault::Empty)
    };
    let policy = policy.resolve(find_member).unwrap();
    let question = |subject: &str, is_certain, result: &str| Question {
        subject: (!subject.is_empty()).then(|| subject.to_owned()),
        is_certain,
        result: (!result.is_empty()).then(|| Hex(hash(result))),
    };
    let canary = with_mark(ZSH);
    let rows = [
        // What; subject, whether it is certain, result; verdict, cases, sets that were decided before, other subjects.
        ("a subject", ("a", true, ""), (Confirmed, 1, 0, 0)),
        ("again and other", (ZSH, true, ""), (Confirmed, 2, 1, 0)),
        (
            "a canary is apart",
            (&canary, true, ""),
            (Confirmed, 1, 0, 0),
        ),
        ("the last", (ZSH, true, "third"), (Confirmed, 2, 1, 0)),
        (
            "of other input",
            (ZSH, true, "second"),
            (Confirmed, 2, 1, 0),
        ),
        (
            "counts no longer",
            (ZSH, true, "first"),
            (InDispute, 2, 1, 0),
        ),
        ("nobody asked", ("c", true, ""), (Unknown, 0, 0, 0)),
        ("a false name", ("c", true, "second"), (Unknown, 0, 0, 2)),
        ("some name", ("c", false, "second"), (Confirmed, 3, 1, 0)),
        ("a result", ("", false, "second"), (Confirmed, 3, 1, 0)),
        ("of nobody", ("", false, "none"), (Unknown, 0, 0, 0)),
    ];
    let questions =
        rows.map(|(_, (subject, is_certain, result), _)| question(subject, is_certain, result));
    let together = find(&shown, &questions).unwrap();
    for (((desc, _, expected), question), found) in rows.iter().zip(&questions).zip(together) {
        let alone = find(&shown, std::slice::from_ref(question)).unwrap();
        assert_eq!(alone, std::slice::from_ref(&found), "{desc}");
        let judged = judge(question, found, &policy, &builders);
        let before: usize = judged.cases.iter().map(|case| case.before.len()).sum();
        let (cases, known_as) = (judged.cases.len(), judged.known_as.len());
        let seen = (judged.verdict, cases, before, known_as);
        assert_eq!(seen, *expected, "{desc}");
    }
}

fn with(bytes: &[u8], change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    change(&mut bytes);
    bytes
}

/// A file that states this length and has this content, with the network of another one.
fn stating(of: &[u8], length: u64, content: &[u8]) -> Vec<u8> {
    let mut bytes = of[..45].to_vec();
    bytes.extend(length.to_le_bytes());
    bytes.extend(zstd::bulk::compress(content, 1).unwrap());
    bytes
}

/// An index with an operation that was changed.
fn tampered(index: &Index, change: impl FnOnce(&mut Indexed)) -> Vec<u8> {
    let mut index = index.clone();
    change(&mut index.log[0]);
    pack(&index).unwrap()
}

#[tokio::test]
async fn bad_files_are_refused_each_for_its_own_reason() {
    let network = small().await;
    let index = network.index();
    let (good, content) = (pack(&index).unwrap(), index.encode());
    let length = content.len() as u64;
    let leaf = tampered(&index, |set| match set {
        Indexed::Shown(leaf, _) => leaf.height += 1,
        Indexed::Hidden(_) => unreachable!("all are shown"),
    });
    let item_of_set = tampered(&index, |set| match set {
        Indexed::Shown(_, items) => items[0].result = None,
        Indexed::Hidden(_) => unreachable!("all are shown"),
    });
    let seal = {
        let mut index = index.clone();
        index.chain.head.time_ms += 1;
        pack(&index).unwrap()
    };
    let other = TestNetwork::new(3);
    other
        .decide(vec![item("a", b"")], |_, _| Some(vec![1]))
        .await;
    let other = other.index();
    let (foreign, other) = (pack(&other).unwrap(), other.encode());
    let disguised = stating(&good, other.len() as u64, &other);
    let bomb = stating(&good, length, &vec![0; 64 * 1024 * 1024]);
    let cut = |at: usize| good[..at].to_vec();
    let foreign_says = "it is of network";
    let forged = "it is not what the network decided";
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("empty", vec![], "it is no index"),
        (
            "another file",
            b"PK\x03\x04 and so on".to_vec(),
            "it is no index",
        ),
        (
            "later version",
            with(&good, |it| it[12] = 2),
            "it has version 2",
        ),
        ("another network", foreign, foreign_says),
        ("another one in disguise", disguised, foreign_says),
        ("cut in its head", cut(20), "it was cut"),
        ("cut before its content", cut(53), "it was cut"),
        ("cut in its content", cut(good.len() - 1), "it was cut"),
        (
            "too long",
            stating(&good, CONTENT_BYTES_MAX + 1, &content),
            "more than the 268435456",
        ),
        ("a bomb", bomb, "does not unpack to"),
        (
            "less",
            stating(&good, length + 1, &content),
            "does not unpack to",
        ),
        ("damaged", with(&good, |it| it[53] ^= 0xff), "it is damaged"),
        (
            "more behind it",
            with(&good, |it| it.push(0)),
            "something follows",
        ),
        (
            "other content",
            stating(&good, 3, b"abc"),
            "is not an index",
        ),
        ("a leaf was changed", leaf, forged),
        (
            "an item was changed",
            item_of_set,
            "the items are not those of the set",
        ),
        ("the seal was changed", seal, forged),
    ];
    for (desc, bytes, says) in rows {
        let read = unpack(&bytes[..], index.net);
        let fault = match read {
            Ok(index) => verified(&index, &network.genesis).map(drop).unwrap_err(),
            Err(fault) => fault,
        };
        assert!(fault.to_string().contains(says), "{desc}: {fault}");
    }
}

#[tokio::test]
async fn damage_is_never_believed() {
    let network = small().await;
    let index = network.index();
    let (good, content) = (pack(&index).unwrap(), index.encode());
    for seed in seeds() {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let mut damage = |bytes: &mut Vec<u8>| {
            for _ in 0..random.random_range(1..4) {
                let at = random.random_range(0..bytes.len());
                bytes[at] ^= 1 << random.random_range(0..8);
            }
        };
        exercise_index(&with(&good, &mut damage));
        let changed = with(&content, &mut damage);
        exercise_index(&changed);
        let packed = stating(&good, content.len() as u64, &changed);
        if let Ok(read) = unpack(&packed[..], index.net) {
            assert_eq!(
                changed == content,
                verified(&read, &network.genesis).is_ok()
            );
        }
    }
}
