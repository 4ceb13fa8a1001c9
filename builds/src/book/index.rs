//! Which set asked what, and who was given which result.

use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use mycnet_consensus::{
    Ballot, ClaimItem, ConsensusOperation, NetworkId, OperationId, Statement, Verified,
};
use redb::{ReadableTable, TableDefinition, WriteTransaction};

use super::entry::{SHORT, item_key, result_key, subject_key};
use super::error::{BookError, Failed};
use super::file::{META, Side};

const FORMAT: u64 = 1;

/// By number: operation, the height that opened it (little-endian `u64`), its items (little-endian `u16`).
const SETS: TableDefinition<'static, u32, &'static [u8; 42]> = TableDefinition::new("sets.v1");
/// By operation: its number.
const NUMBERS: TableDefinition<'static, &'static [u8; 32], u32> =
    TableDefinition::new("numbers.v1");
/// By what stands for the subject, what stands for the input, and the place: nothing more.
const ASKED: TableDefinition<'static, &'static [u8; ASKED_BYTES], ()> =
    TableDefinition::new("asked.v1");
/// By what stands for a result that somebody revealed, and the place: nothing more.
const GIVEN: TableDefinition<'static, &'static [u8; GIVEN_BYTES], ()> =
    TableDefinition::new("given.v1");

/// Bytes of the input's hash in [`ASKED`]. Others can only make this node believe that an item was asked, which they can do by asking.
const INPUT: usize = 8;
/// A place: the number of a set and that of an item, big-endian, so that later ones come later.
const PLACE: usize = 6;
const ASKED_BYTES: usize = SHORT + INPUT + PLACE;
const GIVEN_BYTES: usize = SHORT + PLACE;

/// Records that are filed in one transaction: some seconds of work that a stop can cost.
const RECORDS_TOGETHER: usize = 512;

/// Heights without anything for the index, after which it is written how far it has come.
const HEIGHTS_TOGETHER: u64 = 4096;

/// A set in the index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AskedSet {
    /// The operation.
    pub operation: OperationId,
    /// The seal that opened it.
    pub height: u64,
    /// The number of its items.
    pub items: u16,
}

/// An item of a set in the index. What it says is in the operation: a reader compares, as the index has only short hashes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// The operation.
    pub operation: OperationId,
    /// The seal that opened it.
    pub height: u64,
    /// The number of the item in it, from 0.
    pub item: usize,
}

/// An index of the claim sets in a ledger. It is made from sealed records alone, height by height, and knows how far it has come.
///
/// | question | answer |
/// |---|---|
/// | which sets asked about this subject? | [`Index::asked`] |
/// | did a set ask about exactly this item? | [`Index::asks`] |
/// | where did somebody reveal this result? | [`Index::given`] |
/// | which sets were opened lately? | [`Index::sets`] |
#[derive(Debug)]
pub struct Index(Side);

impl Index {
    /// Where the index of a node is.
    pub fn file(directory: &Path) -> PathBuf {
        directory.join("builds-index.redb")
    }

    /// Opens the index in a node's directory. One that is missing, damaged, of another format or of another network is made anew, and
    /// is empty until [`Index::follow`].
    ///
    /// # Errors
    ///
    /// [`BookError::Locked`], [`BookError::File`] or [`BookError::Disk`].
    pub fn open(directory: &Path, network: NetworkId) -> Result<Self, BookError> {
        let path = Self::file(directory);
        match Self::open_present(&path, network) {
            Ok(Some(index)) => return Ok(index),
            Ok(None) | Err(BookError::Damaged { .. } | BookError::Version { .. }) => {}
            Err(error) => return Err(error),
        }
        std::fs::remove_file(&path).map_err(|error| BookError::File {
            path: path.clone(),
            error,
        })?;
        let index = Self::open_present(&path, network)?;
        index.ok_or_else(|| BookError::Damaged {
            path,
            reason: "it was just made, and is of another network".to_owned(),
        })
    }

    /// Opens the file, or makes it; `None` if it is of another network.
    fn open_present(path: &Path, network: NetworkId) -> Result<Option<Self>, BookError> {
        let side = Side::open(path, FORMAT, |transaction| {
            transaction.open_table(SETS)?;
            transaction.open_table(NUMBERS)?;
            transaction.open_table(ASKED)?;
            transaction.open_table(GIVEN)?;
            let mut meta = transaction.open_table(META)?;
            meta.insert("network", &network.as_bytes()[..])?;
            meta.insert("height", &0_u64.to_le_bytes()[..])?;
            Ok(())
        })?;
        let is_same = side.read(|reading| {
            // A table that is gone is noticed here.
            reading.open_table(SETS)?;
            reading.open_table(NUMBERS)?;
            reading.open_table(ASKED)?;
            reading.open_table(GIVEN)?;
            let row = reading.open_table(META)?.get("network")?;
            Ok(row.is_some_and(|row| row.value() == network.as_bytes()))
        })?;
        Ok(is_same.then_some(Self(side)))
    }

    /// The height up to which it has followed.
    ///
    /// # Errors
    ///
    /// [`BookError`]
    pub fn height(&self) -> Result<u64, BookError> {
        self.0.read(|reading| height_in(&reading.open_table(META)?))
    }

    /// Follows the ledger from the height that it has reached. `records_at` gives the records that the seal of a height lists, and
    /// `None` above the last height. What was written before an error stays.
    ///
    /// # Errors
    ///
    /// [`BookError::Ledger`] with what `records_at` said, and errors of the index itself.
    pub fn follow<E: std::fmt::Display>(
        &self,
        mut records_at: impl FnMut(u64) -> Result<Option<Vec<Verified>>, E>,
    ) -> Result<u64, BookError> {
        let written = self.height()?;
        let (mut height, mut since, mut waiting) = (written, written, Vec::new());
        loop {
            let records = records_at(height + 1);
            let records = records.map_err(|error| BookError::Ledger(error.to_string()))?;
            let is_last = records.is_none();
            if let Some(records) = records {
                height += 1;
                let told = records.into_iter().filter(is_about_sets);
                waiting.extend(told.map(|record| (height, record)));
            }
            let is_due = waiting.len() >= RECORDS_TOGETHER || height - since >= HEIGHTS_TOGETHER;
            if is_due || (is_last && !waiting.is_empty()) {
                let filed = std::mem::take(&mut waiting);
                self.0.write(|transaction| {
                    for (height, record) in &filed {
                        file(transaction, *height, record)?;
                    }
                    let mut meta = transaction.open_table(META)?;
                    meta.insert("height", &height.to_le_bytes()[..])?;
                    Ok(())
                })?;
                since = height;
            }
            if is_last {
                return Ok(height);
            }
        }
    }

    /// The items about this subject, whatever their input, in the order in which they were asked; the latest `most` of them.
    ///
    /// # Errors
    ///
    /// [`BookError`]
    pub fn asked(&self, subject: &str, most: usize) -> Result<Vec<Place>, BookError> {
        let (mut first, mut last) = ([0; ASKED_BYTES], [u8::MAX; ASKED_BYTES]);
        let key = subject_key(subject);
        first[..SHORT].copy_from_slice(&key);
        last[..SHORT].copy_from_slice(&key);
        self.0.read(|reading| {
            let asked = reading.open_table(ASKED)?;
            let mut tails = Vec::new();
            for row in asked.range::<&[u8; ASKED_BYTES]>(&first..=&last)? {
                tails.push(tail(row?.0.value()));
            }
            tails.sort_unstable();
            let skipped = tails.len().saturating_sub(most);
            places(&reading.open_table(SETS)?, &tails[skipped..])
        })
    }

    /// The first item that asks exactly this, if a set has asked it.
    ///
    /// # Errors
    ///
    /// [`BookError`]
    pub fn asks(&self, item: &ClaimItem) -> Result<Option<Place>, BookError> {
        let (first, last) = bounds(item);
        self.0.read(|reading| {
            let asked = reading.open_table(ASKED)?;
            let mut rows = asked.range::<&[u8; ASKED_BYTES]>(&first..=&last)?;
            let Some(row) = rows.next() else {
                return Ok(None);
            };
            let tail = tail(row?.0.value());
            Ok(places(&reading.open_table(SETS)?, &[tail])?.pop())
        })
    }

    /// The items of which somebody revealed this result, in the order in which they were asked; the latest `most` of them.
    ///
    /// # Errors
    ///
    /// [`BookError`]
    pub fn given(&self, result: &[u8], most: usize) -> Result<Vec<Place>, BookError> {
        let (mut first, mut last) = ([0; GIVEN_BYTES], [u8::MAX; GIVEN_BYTES]);
        let key = result_key(result);
        first[..SHORT].copy_from_slice(&key);
        last[..SHORT].copy_from_slice(&key);
        self.0.read(|reading| {
            let given = reading.open_table(GIVEN)?;
            let rows = given.range::<&[u8; GIVEN_BYTES]>(&first..=&last)?;
            let mut tails = Vec::new();
            for row in rows.rev().take(most) {
                tails.push(tail(row?.0.value()));
            }
            tails.reverse();
            places(&reading.open_table(SETS)?, &tails)
        })
    }

    /// The sets that were opened at these heights, in order. Reads no others.
    ///
    /// # Errors
    ///
    /// [`BookError`]
    pub fn sets(&self, heights: RangeInclusive<u64>) -> Result<Vec<AskedSet>, BookError> {
        self.0.read(|reading| {
            let mut sets = Vec::new();
            for row in reading.open_table(SETS)?.iter()?.rev() {
                let set = read_set(row?.1.value());
                if set.height < *heights.start() {
                    break;
                }
                if heights.contains(&set.height) {
                    sets.push(set);
                }
            }
            sets.reverse();
            Ok(sets)
        })
    }

    /// A set; `None` if the index does not know the operation, or it is no set.
    ///
    /// # Errors
    ///
    /// [`BookError`]
    pub fn set(&self, operation: &OperationId) -> Result<Option<AskedSet>, BookError> {
        self.0.read(|reading| {
            let number = reading.open_table(NUMBERS)?.get(operation.as_bytes())?;
            let Some(number) = number.map(|number| number.value()) else {
                return Ok(None);
            };
            let row = reading.open_table(SETS)?.get(number)?;
            Ok(row.map(|row| read_set(row.value())))
        })
    }

    /// Compares every page with its checksum, if there is an index.
    ///
    /// # Errors
    ///
    /// [`BookError::Damaged`]: [`Index::open`] makes it anew.
    pub fn check(directory: &Path, network: NetworkId) -> Result<(), BookError> {
        let path = Self::file(directory);
        if !path.try_exists().unwrap_or(true) {
            return Ok(());
        }
        match Self::open_present(&path, network)? {
            Some(mut index) => index.0.check_pages(),
            None => Ok(()),
        }
    }
}

fn is_about_sets(record: &Verified) -> bool {
    match record.statement() {
        Statement::Propose { operation, .. } => {
            matches!(operation, ConsensusOperation::ClaimSet { .. })
        }
        Statement::Reveal { ballot, .. } => matches!(ballot, Ballot::Results(_)),
        _ => false,
    }
}

/// Files a record. Records of one seal are filed in the order of their ids, so a reveal never comes before its proposal: it is sealed
/// later.
fn file(transaction: &WriteTransaction, height: u64, record: &Verified) -> Result<(), Failed> {
    let mut numbers = transaction.open_table(NUMBERS)?;
    let mut sets = transaction.open_table(SETS)?;
    match record.statement() {
        Statement::Propose {
            operation: ConsensusOperation::ClaimSet { items, .. },
            ..
        } => {
            let id = OperationId::from(record.id());
            if numbers.get(id.as_bytes())?.is_some() {
                return Ok(());
            }
            let number = sets.last()?.map_or(0, |(number, _)| number.value() + 1);
            numbers.insert(id.as_bytes(), number)?;
            let count = u16::try_from(items.len()).unwrap_or(u16::MAX);
            sets.insert(number, &write_set(id, height, count))?;
            let mut asked = transaction.open_table(ASKED)?;
            for (item, place) in items.iter().zip(0_u16..) {
                let mut key = bounds(item).0;
                key[SHORT + INPUT..].copy_from_slice(&write_tail(number, place));
                asked.insert(&key, ())?;
            }
        }
        Statement::Reveal {
            operation,
            ballot: Ballot::Results(results),
            ..
        } => {
            let Some(number) = numbers.get(operation.as_bytes())?.map(|it| it.value()) else {
                return Ok(());
            };
            let items = sets
                .get(number)?
                .map_or(0, |row| read_set(row.value()).items);
            if results.len() != usize::from(items) {
                // It counts as an abstention.
                return Ok(());
            }
            let mut given = transaction.open_table(GIVEN)?;
            for (result, place) in results.iter().zip(0_u16..) {
                let Some(result) = result else { continue };
                let mut key = [0; GIVEN_BYTES];
                key[..SHORT].copy_from_slice(&result_key(result));
                key[SHORT..].copy_from_slice(&write_tail(number, place));
                given.insert(&key, ())?;
            }
        }
        _ => {}
    }
    Ok(())
}

fn height_in(meta: &impl ReadableTable<&'static str, &'static [u8]>) -> Result<u64, Failed> {
    let row = meta.get("height")?;
    let height = row.and_then(|row| row.value().try_into().ok());
    let height = height.map(u64::from_le_bytes);
    height.ok_or(Failed::Changed("meta"))
}

/// The first and the last key of an item.
fn bounds(item: &ClaimItem) -> ([u8; ASKED_BYTES], [u8; ASKED_BYTES]) {
    let (mut first, mut last) = ([0; ASKED_BYTES], [u8::MAX; ASKED_BYTES]);
    let key = item_key(item);
    first[..SHORT + INPUT].copy_from_slice(&key[..SHORT + INPUT]);
    last[..SHORT + INPUT].copy_from_slice(&key[..SHORT + INPUT]);
    (first, last)
}

fn write_tail(number: u32, item: u16) -> [u8; PLACE] {
    let mut tail = [0; PLACE];
    tail[..4].copy_from_slice(&number.to_be_bytes());
    tail[4..].copy_from_slice(&item.to_be_bytes());
    tail
}

/// The number of the set and of the item at the end of a key.
fn tail(key: &[u8]) -> (u32, u16) {
    let (number, item) = key[key.len() - PLACE..].split_at(4);
    let number = number.try_into().expect("four bytes");
    let item = item.try_into().expect("two bytes");
    (u32::from_be_bytes(number), u16::from_be_bytes(item))
}

fn write_set(operation: OperationId, height: u64, items: u16) -> [u8; 42] {
    let mut row = [0; 42];
    row[..32].copy_from_slice(operation.as_bytes());
    row[32..40].copy_from_slice(&height.to_le_bytes());
    row[40..].copy_from_slice(&items.to_le_bytes());
    row
}

fn read_set(row: &[u8; 42]) -> AskedSet {
    let (operation, rest) = row.split_first_chunk().expect("it has 42 bytes");
    let (height, items) = rest.split_first_chunk().expect("it has 42 bytes");
    let items = items.try_into().expect("it has 42 bytes");
    AskedSet {
        operation: OperationId::from_bytes(*operation),
        height: u64::from_le_bytes(*height),
        items: u16::from_le_bytes(items),
    }
}

fn places(
    sets: &impl ReadableTable<u32, &'static [u8; 42]>,
    tails: &[(u32, u16)],
) -> Result<Vec<Place>, Failed> {
    let mut places = Vec::new();
    for (number, item) in tails {
        let row = sets.get(number)?.ok_or(Failed::Changed("sets"))?;
        let set = read_set(row.value());
        places.push(Place {
            operation: set.operation,
            height: set.height,
            item: usize::from(*item),
        });
    }
    Ok(places)
}
