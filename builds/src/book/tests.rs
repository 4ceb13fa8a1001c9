use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mycnet_consensus::engine::new_identity;
use mycnet_consensus::{
    BFTConsensusEngine, ClaimItem, ClaimRule, ConsensusOperation, NetworkId, OperationId, Verified,
};
use sha2::{Digest as _, Sha256};

use super::*;
use crate::Finding;

/// A directory that is removed with the test.
struct Directory(std::path::PathBuf);

impl Directory {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let next = NEXT.fetch_add(1, Ordering::SeqCst);
        let path = std::env::temp_dir().join(format!("mycnet-book-{}-{next}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl std::ops::Deref for Directory {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn item(subject: &str, input: &[u8]) -> ClaimItem {
    ClaimItem {
        subject: subject.into(),
        input: input.into(),
    }
}

fn finding(subject: &str, input: &[u8], result: u8) -> Finding {
    Finding {
        item: item(subject, input),
        result: [result; 32],
        original: None,
    }
}

const SET: OperationId = OperationId::from_bytes([1; 32]);

fn results(book: &Book, items: &[ClaimItem]) -> Vec<Option<u8>> {
    let answers = book.answers(items).unwrap();
    answers
        .iter()
        .map(|it| Some(it.as_ref()?.result[0]))
        .collect()
}

#[test]
fn a_finding_is_kept_once_and_replaced_only_on_request() {
    let directory = Directory::new();
    let book = Book::open(&directory).unwrap();
    let differs = || Taken::Refused(Refused::Differs([1; 32]));
    for (desc, finding, replace, expected) in [
        ("it is new", finding("a", b"", 1), false, Taken::New),
        ("it is there", finding("a", b"", 1), true, Taken::Known),
        ("it differs", finding("a", b"", 2), false, differs()),
        ("of another input", finding("a", b"x", 2), false, Taken::New),
        (
            "it is replaced",
            finding("a", b"", 3),
            true,
            Taken::Replaced,
        ),
    ] {
        let done = book
            .submit(std::slice::from_ref(&finding), replace)
            .unwrap();
        let is_news = matches!(expected, Taken::New | Taken::Replaced);
        assert_eq!(done.news.contains(&finding.item), is_news, "{desc}");
        assert_eq!(done.taken, [expected], "{desc}");
    }
    drop(book);
    let book = Book::open(&directory).unwrap();
    assert_eq!(book.counts().unwrap(), (2, 0));
    assert_eq!(
        results(&book, &[item("a", b"x"), item("b", b"")]),
        [Some(2), None]
    );
}

#[cfg(unix)]
#[test]
fn both_files_are_their_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let directory = Directory::new();
    Book::open(&directory).unwrap();
    Index::open(&directory, NETWORK).unwrap();
    for file in [Book::file(&directory), Index::file(&directory)] {
        let mode = std::fs::metadata(&file).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", file.display());
    }
}

#[test]
fn what_no_set_can_ask_for_is_refused() {
    let directory = Directory::new();
    let book = Book::open(&directory).unwrap();
    let mut long = finding("a", b"", 1);
    long.original = Some(vec![0; ORIGINAL_BYTES_MAX + 1].into());
    for (desc, bad) in [
        ("no subject", finding("", b"", 1)),
        ("a long subject", finding(&"a".repeat(257), b"", 1)),
        ("a long input", finding("a", &[0; 65], 1)),
        ("a long original", long),
    ] {
        let done = book.submit(&[bad, finding("good", b"", 1)], false).unwrap();
        assert!(matches!(done.taken[0], Taken::Refused(_)), "{desc}");
        assert!(!matches!(done.taken[1], Taken::Refused(_)), "{desc}");
    }
    assert_eq!(book.counts().unwrap(), (1, 0));
}

#[test]
fn an_item_is_answered_by_its_input_or_by_any_if_it_names_none() {
    let directory = Directory::new();
    let book = Book::open(&directory).unwrap();
    let all = [
        finding("one", b"x", 1),
        finding("none", b"", 2),
        finding("both", b"", 3),
        finding("both", b"x", 4),
        finding("two", b"x", 5),
        finding("two", b"y", 6),
        finding("same", b"x", 7),
        finding("same", b"y", 7),
    ];
    book.submit(&all, false).unwrap();
    for (asked, expected) in [
        (item("one", b"x"), Some(1)),
        (item("one", b""), Some(1)),
        (item("one", b"y"), None),
        (item("none", b""), Some(2)),
        (item("none", b"x"), None),
        (item("both", b""), Some(3)),
        (item("both", b"x"), Some(4)),
        (item("two", b""), None),
        (item("two", b"y"), Some(6)),
        (item("same", b""), Some(7)),
    ] {
        assert_eq!(
            results(&book, std::slice::from_ref(&asked)),
            [expected],
            "{asked:?}"
        );
    }
}

#[test]
fn what_is_committed_stays_and_what_was_refused_waits_again() {
    let directory = Directory::new();
    let book = Book::open(&directory).unwrap();
    book.submit(&[finding("a", b"", 1), finding("b", b"", 1)], false)
        .unwrap();
    let asked = [item("a", b""), item("c", b"")];
    let note = |book: &Book, set| {
        let answers = book.answers(&asked).unwrap();
        book.note_commit(set, &answers).unwrap();
    };
    note(&book, SET);
    assert_eq!(book.counts().unwrap(), (1, 1));
    // A stop here leaves it pending.
    drop(book);
    let book = Book::open(&directory).unwrap();
    assert_eq!(book.pending().unwrap(), [SET]);
    let refused = Taken::Refused(Refused::Committed {
        result: [1; 32],
        operation: SET,
    });
    let other = [finding("a", b"", 2)];
    assert_eq!(book.submit(&other, true).unwrap().taken, [refused]);
    book.release(SET).unwrap();
    assert_eq!(book.counts().unwrap(), (2, 0));
    assert_eq!(book.pending().unwrap(), []);
    note(&book, SET);
    book.confirm(SET).unwrap();
    // Without effect on what is not pending.
    book.release(SET).unwrap();
    assert_eq!(book.counts().unwrap(), (1, 1));
    // Another set that asks for it gets the same result, and takes nothing away.
    let second = OperationId::from_bytes([2; 32]);
    assert_eq!(results(&book, &asked), [Some(1), None]);
    note(&book, second);
    book.release(second).unwrap();
    assert_eq!(book.entries("a").unwrap()[0].operation, Some(SET));
}

#[test]
fn an_original_is_found_by_its_hash_and_may_come_later() {
    let directory = Directory::new();
    let book = Book::open(&directory).unwrap();
    let signed: Arc<[u8]> = b"signed".as_slice().into();
    let hash: [u8; 32] = Sha256::digest(&signed).into();
    let plain = finding("a", b"", 1);
    book.submit(std::slice::from_ref(&plain), false).unwrap();
    assert_eq!(book.original(&hash).unwrap(), None);
    let with = Finding {
        original: Some(signed.clone()),
        ..plain
    };
    let done = book.submit(&[with], false).unwrap();
    assert_eq!((done.taken, done.news), (vec![Taken::Known], vec![]));
    assert_eq!(book.original(&hash).unwrap(), Some(signed));
    assert_eq!(book.entries("a").unwrap()[0].original, Some(hash));
    drop(book);
    let report = Book::check(&directory).unwrap();
    let expected = BookReport {
        waiting: 1,
        originals: 1,
        ..BookReport::default()
    };
    assert_eq!(report, expected);
}

#[test]
fn a_damaged_book_is_reported_and_left_as_it_is() {
    let directory = Directory::new();
    let many: Vec<Finding> = (0..200)
        .map(|n| finding(&format!("subject {n}"), b"", 1))
        .collect();
    let book = Book::open(&directory).unwrap();
    book.submit(&many, false).unwrap();
    drop(book);
    let path = Book::file(&directory);
    let whole = std::fs::read(&path).unwrap();
    for (desc, bytes) in [
        ("empty", vec![]),
        ("cut", whole[..5000].to_vec()),
        ("not a database", vec![7; 5000]),
    ] {
        std::fs::write(&path, &bytes).unwrap();
        let error = Book::open(&directory).unwrap_err();
        assert!(error.is_damage(), "{desc}: {error}");
        assert_eq!(std::fs::read(&path).unwrap(), bytes, "{desc}");
    }
    // One letter of a subject, and nothing else.
    let at = whole
        .windows(11)
        .position(|it| it == b"subject 123")
        .unwrap();
    let mut changed = whole.clone();
    changed[at] ^= 1;
    std::fs::write(&path, &changed).unwrap();
    let book = Book::open(&directory).unwrap();
    let error = book.answers(&[item("subject 123", b"")]).unwrap_err();
    assert!(error.is_damage(), "{error}");
    drop(book);
    let found = Book::check(&directory);
    assert!(found.is_err() || !found.unwrap().faults.is_empty());
}

/// A network of one that asked these items and answered them, and the records that say so.
async fn asked(
    items: Vec<ClaimItem>,
    results: Vec<Option<Vec<u8>>>,
) -> (OperationId, Vec<Verified>) {
    let engine = BFTConsensusEngine::new(new_identity().unwrap());
    let set = ConsensusOperation::ClaimSet {
        subject: "night".into(),
        items,
        panel: None,
        rule: ClaimRule::MAJORITY,
    };
    let id = engine.propose_claim_set(set, results).await.unwrap();
    engine.execute_reveal_phase(id).await.unwrap();
    (id, engine.records_about(&id).unwrap())
}

const NETWORK: NetworkId = NetworkId::from_bytes([9; 32]);

/// Two sets in a ledger of 5,002 heights: one at height 1, one at height 5,002.
async fn ledger() -> (
    OperationId,
    OperationId,
    impl Fn(u64) -> Result<Option<Vec<Verified>>, String>,
) {
    let items = vec![item("a", b""), item("b", b"x"), item("c", b"")];
    let given = vec![Some(vec![1]), None, Some(vec![2])];
    let (first, early) = asked(items, given).await;
    let (second, late) = asked(
        vec![item("a", b"y"), item("d", b"")],
        vec![Some(vec![1]), None],
    )
    .await;
    let records_at = move |height| {
        Ok(match height {
            1 => Some(early.clone()),
            2..5002 => Some(Vec::new()),
            5002 => Some(late.clone()),
            _ => None,
        })
    };
    (first, second, records_at)
}

#[tokio::test]
async fn an_index_knows_what_was_asked_and_given_and_goes_on_where_it_was() {
    let directory = Directory::new();
    let (first, second, records_at) = ledger().await;
    let index = Index::open(&directory, NETWORK).unwrap();
    let early = |height| records_at(height).map(|found| found.filter(|_| height <= 4500));
    assert_eq!(index.follow(early).unwrap(), 4500);
    drop(index);
    let index = Index::open(&directory, NETWORK).unwrap();
    // Heights without anything to note are noted now and then.
    let reached = index.height().unwrap();
    assert_eq!(reached, 4096);
    let mut read = BTreeSet::new();
    let counted = |height| {
        read.insert(height);
        records_at(height)
    };
    assert_eq!(index.follow(counted).unwrap(), 5002);
    assert_eq!(read.first(), Some(&(reached + 1)));

    let at = |operation, height, item| Place {
        operation,
        height,
        item,
    };
    let (a, later) = (at(first, 1, 0), at(second, 5002, 0));
    assert_eq!(index.asked("a", 9).unwrap(), [a, later]);
    assert_eq!(index.asked("a", 1).unwrap(), [later]);
    assert_eq!(index.asked("e", 9).unwrap(), []);
    assert_eq!(index.asks(&item("a", b"")).unwrap(), Some(a));
    assert_eq!(index.asks(&item("b", b"x")).unwrap(), Some(at(first, 1, 1)));
    assert_eq!(index.asks(&item("b", b"")).unwrap(), None);
    assert_eq!(index.given(&[1], 9).unwrap(), [a, later]);
    assert_eq!(index.given(&[2], 9).unwrap(), [at(first, 1, 2)]);
    assert_eq!(index.given(&[3], 9).unwrap(), []);
    let sets = |heights| -> Vec<OperationId> {
        let sets = index.sets(heights).unwrap().into_iter();
        sets.map(|set| set.operation).collect()
    };
    assert_eq!(sets(0..=9999), [first, second]);
    assert_eq!(sets(2..=9999), [second]);
    assert_eq!(sets(0..=5001), [first]);
    assert_eq!(index.set(&second).unwrap().unwrap().items, 2);
    assert_eq!(index.set(&SET).unwrap(), None);
}

#[tokio::test]
async fn an_index_that_is_damaged_or_of_another_network_is_made_anew() {
    let directory = Directory::new();
    let (first, _, records_at) = ledger().await;
    let follow = |network| {
        let index = Index::open(&directory, network).unwrap();
        assert_eq!(index.height().unwrap(), 0);
        index.follow(&records_at).unwrap();
        index.asks(&item("c", b"")).unwrap().unwrap().operation
    };
    assert_eq!(follow(NETWORK), first);
    assert_eq!(follow(NetworkId::from_bytes([8; 32])), first);
    let path = Index::file(&directory);
    let whole = std::fs::read(&path).unwrap();
    for damaged in [&[][..], &whole[..5000], &[7; 5000]] {
        std::fs::write(&path, damaged).unwrap();
        assert!(Index::check(&directory, NETWORK).is_err());
        assert_eq!(follow(NETWORK), first);
    }
    std::fs::remove_file(&path).unwrap();
    assert_eq!(follow(NETWORK), first);
    Index::check(&directory, NETWORK).unwrap();
    let index = Index::open(&directory, NETWORK).unwrap();
    let failing = |height| match height {
        5003 => Err("no disk"),
        _ => Ok(None),
    };
    let error = index.follow(failing).unwrap_err().to_string();
    assert_eq!(error, "the ledger cannot be followed: no disk");
}
