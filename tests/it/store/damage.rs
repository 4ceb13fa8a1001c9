//! Damaged rows: they are named in errors, and never cause a panic.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use mycnet_consensus::core::{JournalEntry, Prover, Write};
use mycnet_consensus::internals::codec;
use mycnet_consensus::store::{Store, StoreError};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};

use super::disk::{Disk, Random, Survives};
use super::host::open;
use super::journal::entry;
use super::questions::lived;
use crate::net::{genesis, identity, node};

type Bytes = TableDefinition<'static, &'static [u8; 32], &'static [u8]>;
type Heights = TableDefinition<'static, u64, &'static [u8]>;
type Members = TableDefinition<'static, (&'static [u8; 32], u64), ()>;
type Places = TableDefinition<'static, (u64, u32), &'static [u8]>;
type Texts = TableDefinition<'static, &'static str, &'static [u8]>;

/// A store whose rows are of every kind, closed in good order.
fn whole() -> Disk {
    let mut net = lived();
    let host = &mut net.hosts[0];
    let store = host.store.take().unwrap();
    store.checkpoint(host.core.ledger()).unwrap();
    let own = entry(store.network_id(), 0, 7);
    store.write(&[Write::Journal(own)]).unwrap();
    drop(store);
    host.disk.restart(Survives::All, 0);
    host.disk.clone()
}

fn database(disk: &Disk, journal: bool) -> Database {
    let [ledger, own] = disk.files();
    let file = if journal { own } else { ledger };
    Database::builder().create_with_backend(file).unwrap()
}

/// The rows of all tables, whatever the type of their keys.
#[derive(Debug, Clone, Copy)]
enum Table {
    Bytes(&'static str),
    Heights(&'static str),
    Texts(&'static str),
    Places(&'static str),
}

const TABLES: [(Table, bool); 21] = [
    (Table::Texts("meta.v1"), false),
    (Table::Heights("heights.v2"), false),
    (Table::Places("groups.v2"), false),
    (Table::Heights("ends.v1"), false),
    (Table::Heights("seals.v2"), false),
    (Table::Heights("sealers.v2"), false),
    (Table::Heights("sealer-changes.v1"), false),
    (Table::Heights("leaves.v1"), false),
    (Table::Heights("rest.v1"), false),
    (Table::Bytes("places.v2"), false),
    (Table::Bytes("records.v1"), false),
    (Table::Bytes("votes.v1"), false),
    (Table::Bytes("lists.v1"), false),
    (Table::Bytes("own.v1"), false),
    (Table::Bytes("effects.v1"), false),
    (Table::Bytes("intents.v1"), false),
    (Table::Bytes("peers.v1"), false),
    (Table::Heights("ledger.v1"), false),
    (Table::Places("evidence.v1"), false),
    (Table::Texts("owner.v1"), true),
    (Table::Bytes("entries.v1"), true),
];

/// Changes a byte in the middle of a row, if the row exists.
fn flip(disk: &Disk, (table, journal): (Table, bool), place: usize, of: usize) -> bool {
    macro_rules! flip_in {
        ($definition:expr, $owned:expr, $borrowed:expr) => {{
            let database = database(disk, journal);
            let row = {
                let reading = database.begin_read().unwrap();
                let table = reading.open_table($definition).unwrap();
                let mut rows = table.iter().unwrap();
                rows.nth(place).map(|row| {
                    let (key, value) = row.unwrap();
                    ($owned(key.value()), value.value().to_vec())
                })
            };
            let Some((key, mut value)) = row.filter(|(_, value)| !value.is_empty()) else {
                return false;
            };
            let at = value.len() * of / 8;
            let at = at.min(value.len() - 1);
            value[at] ^= 0x15;
            let writing = database.begin_write().unwrap();
            writing
                .open_table($definition)
                .unwrap()
                .insert($borrowed(&key), &value[..])
                .unwrap();
            writing.commit().unwrap();
            true
        }};
    }
    match table {
        Table::Bytes(name) => {
            flip_in!(Bytes::new(name), |key: &[u8; 32]| *key, |key| key)
        }
        Table::Heights(name) => flip_in!(Heights::new(name), |key: u64| key, |key: &u64| *key),
        Table::Places(name) => flip_in!(Places::new(name), |key: (u64, u32)| key, |key: &(
            u64,
            u32
        )| *key),
        Table::Texts(name) => flip_in!(Texts::new(name), str::to_owned, |key: &String| {
            Box::leak(key.clone().into_boxed_str()) as &'static str
        }),
    }
}

/// Why operations have no certificates.
fn unproved(store: &Store) -> Vec<String> {
    let prover = match Prover::new(store, store.genesis()) {
        Ok(prover) => prover,
        Err(error) => return vec![error.to_string()],
    };
    let closed = store.all_closed().unwrap_or_default().into_iter();
    let proved = closed.map(|it| prover.as_ref()?.certificate(&it.operation, None).err());
    proved.flatten().map(|error| error.to_string()).collect()
}

/// Opens the store, starts a node, asks all queries, checks, and returns the reported faults.
pub fn live(disk: &Disk) -> Vec<String> {
    let [ledger, journal] = disk.files();
    let mut store = match Store::open_on(ledger, journal) {
        Ok(store) => store,
        Err(error) => return vec![error.to_string()],
    };
    let mut wrong = Vec::new();
    let mut ask = |asked: Result<(), StoreError>| {
        if let Err(error) = asked {
            let expected = matches!(
                error,
                StoreError::Damaged { .. }
                    | StoreError::NotSealed { .. }
                    | StoreError::Document(_)
                    | StoreError::OtherNode { .. }
                    | StoreError::OtherJournal(_)
                    | StoreError::Version { .. }
                    | StoreError::EarlierRules { .. }
            );
            assert!(expected, "{error:?}");
            wrong.push(error.to_string());
        }
    };
    ask(store.load(Arc::new(identity(0)), 1_000_000).map(|_| ()));
    ask(store.blocks_from(1, usize::MAX).map(|_| ()));
    ask(store.all_closed().map(|_| ()));
    for operation in store.all_closed().unwrap_or_default() {
        let id = operation.operation;
        ask(store.closed(&id).map(|_| ()));
        ask(store.operation_document(&id).map(|_| ()));
        ask(store.effect(&id).map(|_| ()));
    }
    ask(store.ledger_document().map(|_| ()));
    for n in 0..4 {
        ask(store.explain(&node(n)).map(|_| ()));
        ask(store.trust_at(&node(n), u64::MAX).map(|_| ()));
        ask(store.newest_changes(&node(n), u64::MAX, &mut |_| true));
    }
    ask(store.newest_seals(u64::MAX, usize::MAX).map(|_| ()));
    ask(store.evidence().map(|_| ()));
    wrong.extend(unproved(&store));
    wrong.extend(store.check(|_| ()).unwrap().faults);
    wrong
}

#[test]
fn a_damaged_row_is_named_and_nothing_panics() {
    let disk = whole();
    assert_eq!(live(&disk), Vec::<String>::new());
    let mut flipped = 0;
    for table in TABLES {
        for place in [0, 3, 7] {
            for of in [0, 1, 4, 7] {
                let copy = disk.copy();
                if !flip(&copy, table, place, of) {
                    continue;
                }
                flipped += 1;
                let lived = std::panic::catch_unwind(AssertUnwindSafe(|| live(&copy)));
                let wrong = lived.unwrap_or_else(|_| panic!("{table:?}, row {place}, {of}/8"));
                // A journal's count of what the ledger knows, and what the network layer keeps, prove nothing.
                let proves = !matches!(
                    table.0,
                    Table::Texts("meta.v1" | "owner.v1") | Table::Bytes("peers.v1" | "intents.v1")
                );
                assert!(
                    !proves || !wrong.is_empty(),
                    "{table:?}, row {place}, {of}/8"
                );
            }
        }
    }
    assert!(flipped > 60, "only {flipped}");
}

/// What a disk does by itself: bytes anywhere in the files, not through redb.
#[test]
fn a_damaged_page_is_noticed_and_nothing_panics() {
    let disk = whole();
    let mut random = Random(7);
    let mut noticed = 0;
    for _ in 0..40 {
        let copy = disk.copy();
        let places = copy.flip_any(&mut random);
        let lived = std::panic::catch_unwind(AssertUnwindSafe(|| live(&copy)));
        let wrong = lived.unwrap_or_else(|_| panic!("{places:?}"));
        noticed += usize::from(!wrong.is_empty());
    }
    // Many pages are free.
    assert!(noticed > 5, "only {noticed}");
}

#[test]
fn a_missing_row_is_named() {
    let disk = whole();
    let places: [(Change, &str); 2] = [
        (
            |writing, _| {
                let mut heights = writing.open_table(Heights::new("heights.v2")).unwrap();
                heights.pop_last().unwrap();
            },
            "it is missing",
        ),
        (
            |writing, _| {
                let mut groups = writing.open_table(Places::new("groups.v2")).unwrap();
                groups.remove((1, 0)).unwrap();
            },
            "height 1: it is missing",
        ),
    ];
    for (remove, fault) in places {
        let copy = disk.copy();
        write(&copy, false, |writing| remove(writing, &[0; 32]));
        let wrong = live(&copy);
        assert!(wrong.iter().any(|it| it.contains(fault)), "{wrong:?}");
    }
}

fn write<T>(disk: &Disk, journal: bool, change: impl FnOnce(&redb::WriteTransaction) -> T) -> T {
    let database = database(disk, journal);
    let writing = database.begin_write().unwrap();
    let changed = change(&writing);
    writing.commit().unwrap();
    changed
}

type Change = fn(&redb::WriteTransaction, &'static [u8; 32]);

#[test]
fn a_row_of_what_was_not_sealed_is_named() {
    let disk = whole();
    let changes: [(&str, Change); 8] = [
        ("members", |writing, id| {
            let mut table = writing.open_table(Members::new("members.v2")).unwrap();
            table.insert((id, 1), ()).unwrap();
        }),
        ("leaves", |writing, _| {
            let mut table = writing.open_table(Heights::new("leaves.v1")).unwrap();
            let (number, mut row) = table
                .pop_last()
                .unwrap()
                .map(|(number, row)| (number.value(), row.value().to_vec()))
                .unwrap();
            row.extend([1; 32]);
            table.insert(number, &row[..]).unwrap();
        }),
        ("sealer-changes", |writing, _| {
            let mut table = writing
                .open_table(Heights::new("sealer-changes.v1"))
                .unwrap();
            table.insert(2, &[0x80][..]).unwrap();
        }),
        ("places", |writing, id| {
            let mut table = writing.open_table(Bytes::new("places.v2")).unwrap();
            table.insert(id, &[0x82, 0x81, 1, 0xf6][..]).unwrap();
        }),
        ("effects", |writing, id| {
            let mut table = writing.open_table(Bytes::new("effects.v1")).unwrap();
            table.insert(id, &[0xf6][..]).unwrap();
        }),
        ("rejoins", |writing, id| {
            let rejoins = TableDefinition::<&[u8; 32], u64>::new("rejoins.v1");
            writing.open_table(rejoins).unwrap().insert(id, 1).unwrap();
        }),
        ("ends", |writing, _| {
            let mut table = writing.open_table(Heights::new("ends.v1")).unwrap();
            table.pop_first().unwrap().unwrap();
        }),
        ("evidence", |writing, _| {
            let mut table = writing.open_table(Places::new("evidence.v1")).unwrap();
            let (key, row) = table
                .pop_first()
                .unwrap()
                .map(|(key, row)| (key.value(), row.value().to_vec()))
                .unwrap();
            table.insert((key.0, 7), &row[..]).unwrap();
        }),
    ];
    let nobody: &'static [u8; 32] = Box::leak(Box::new([9; 32]));
    for (name, change) in changes {
        let copy = disk.copy();
        write(&copy, false, |writing| change(writing, nobody));
        let wrong = live(&copy);
        assert!(
            wrong.iter().any(|it| it.starts_with(name)),
            "{name}: {wrong:?}"
        );
    }
}

/// The entry decodes but holds no record: that is no fault of the ledger.
#[test]
fn a_damaged_entry_of_the_journal_is_named() {
    let disk = whole();
    write(&disk, true, |writing| {
        let mut table = writing.open_table(Bytes::new("entries.v1")).unwrap();
        let (id, row) = table
            .first()
            .unwrap()
            .map(|(id, row)| (*id.value(), row.value().to_vec()))
            .unwrap();
        let mut entry: JournalEntry = codec::decode(&row, usize::MAX).unwrap();
        entry.record.proof.size = 0;
        table.insert(&id, &codec::encode(&entry)[..]).unwrap();
    });
    let [ledger, journal] = disk.files();
    let store = Store::open_on(ledger, journal).unwrap();
    let refused = store.load(Arc::new(identity(0)), 1_000_000).unwrap_err();
    let place = refused.to_string();
    assert!(place.contains("entries: record "), "{place}");
}

#[test]
fn another_format_is_refused() {
    for format in [3, 5] {
        let disk = Disk::default();
        drop(open(&disk, &genesis(4), 0).unwrap());
        write(&disk, false, |writing| {
            let mut meta = writing.open_table(Texts::new("meta.v1")).unwrap();
            meta.insert("format", &[format][..]).unwrap();
        });
        let [ledger, journal] = disk.files();
        let refused = Store::open_on(ledger, journal).unwrap_err();
        let expected = matches!(
            refused,
            StoreError::EarlierRules { found: 3 } | StoreError::Version { found: 5, known: 4 }
        );
        assert!(expected, "{refused:?}");
    }
}
