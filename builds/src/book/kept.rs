//! Results and originals.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mycnet_consensus::limits::{ITEM_BYTES_MAX, ITEM_SUBJECT_BYTES_MAX};
use mycnet_consensus::{ClaimItem, OperationId};
use redb::{ReadableTable, ReadableTableMetadata as _, TableDefinition};
use sha2::{Digest as _, Sha256};

use super::ORIGINAL_BYTES_MAX;
use super::entry::{Entry, Key, item_key, keys_of};
use super::error::{BookError, Failed};
use super::file::Side;
use crate::Finding;

const FORMAT: u64 = 1;

type Rows = TableDefinition<'static, &'static Key, &'static [u8]>;

/// By item: an [`Entry`] that no set was answered with.
const WAITING: Rows = TableDefinition::new("waiting.v1");
/// By item: an [`Entry`] with the set that was answered, or is about to be.
const COMMITTED: Rows = TableDefinition::new("committed.v1");
/// By SHA-256: a signed original.
const ORIGINALS: Rows = TableDefinition::new("originals.v1");
/// By operation: the keys of what is about to be committed to it.
const PENDING: Rows = TableDefinition::new("pending.v1");

/// What came of a finding that was submitted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Taken {
    /// It is in the book now.
    New,
    /// The book has the same result already.
    Known,
    /// It is in the book now, and a different one that waited is not any more.
    Replaced,
    /// The book stays as it was.
    Refused(Refused),
}

/// Why a finding is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Refused {
    /// Another result waits, and was not to be replaced.
    #[error("the book has another result, {}, which --replace would replace", hex::encode(.0))]
    Differs([u8; 32]),
    /// Another result is committed.
    #[error(
        "another result, {}, is committed to operation {operation}, and a vote cannot be changed",
        hex::encode(result)
    )]
    Committed {
        /// The committed result.
        result: [u8; 32],
        /// The set.
        operation: OperationId,
    },
    /// No set can ask for it.
    #[error("its {0}")]
    NoItem(&'static str),
    /// The original is too long to be kept.
    #[error("its original has more than {ORIGINAL_BYTES_MAX} bytes")]
    LongOriginal,
}

/// What came of several findings, in their order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Submission {
    /// One for each finding.
    pub taken: Vec<Taken>,
    /// The items of which there is a result that was not there before.
    pub news: Vec<ClaimItem>,
}

/// What the book knows about an item that a set asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    key: Key,
    /// The result.
    pub result: [u8; 32],
}

/// What a check of the book found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BookReport {
    /// Results that wait.
    pub waiting: u64,
    /// Results that are committed.
    pub committed: u64,
    /// Signed originals.
    pub originals: u64,
    /// What is damaged.
    pub faults: Vec<String>,
}

/// Results and originals of this node. All methods can be called from several threads.
#[derive(Debug)]
pub struct Book(Side);

impl Book {
    /// Where the book of a node is.
    pub fn file(directory: &Path) -> PathBuf {
        directory.join("builds.redb")
    }

    /// Whether the node has one: a node that has nothing to do with builds has none.
    ///
    /// # Errors
    ///
    /// [`BookError::File`]
    pub fn exists(directory: &Path) -> Result<bool, BookError> {
        let path = Self::file(directory);
        let exists = path.try_exists();
        exists.map_err(|error| BookError::File { path, error })
    }

    /// Opens the book in a node's directory, or makes an empty one.
    ///
    /// # Errors
    ///
    /// [`BookError::Damaged`] if there is a file that is none; it stays as it is.
    pub fn open(directory: &Path) -> Result<Self, BookError> {
        let side = Side::open(&Self::file(directory), FORMAT, |transaction| {
            for table in [WAITING, COMMITTED, ORIGINALS, PENDING] {
                transaction.open_table(table)?;
            }
            Ok(())
        })?;
        let book = Self(side);
        // A table that is gone is noticed here.
        book.counts()?;
        Ok(book)
    }

    /// The numbers of results that wait and that are committed.
    ///
    /// # Errors
    ///
    /// [`BookError`]
    pub fn counts(&self) -> Result<(u64, u64), BookError> {
        self.0.read(|reading| {
            Ok((
                reading.open_table(WAITING)?.len()?,
                reading.open_table(COMMITTED)?.len()?,
            ))
        })
    }

    /// Keeps findings: all those that are good, durable on return. `replace` lets a result take the place of one that waits.
    ///
    /// # Errors
    ///
    /// [`BookError`]; then nothing of these is kept.
    pub fn submit(&self, findings: &[Finding], replace: bool) -> Result<Submission, BookError> {
        self.0.write(|transaction| {
            let mut waiting = transaction.open_table(WAITING)?;
            let mut committed = transaction.open_table(COMMITTED)?;
            let mut originals = transaction.open_table(ORIGINALS)?;
            let mut done = Submission::default();
            for finding in findings {
                if let Err(refused) = check(finding) {
                    done.taken.push(Taken::Refused(refused));
                    continue;
                }
                let key = item_key(&finding.item);
                let (known, waits) = (found(&committed, &key)?, found(&waiting, &key)?);
                let taken = judge(finding, known.as_ref(), waits.as_ref(), replace);
                let before = known.or(waits);
                let is_known = taken == Taken::Known;
                let lacks = |entry: &Entry| entry.original.is_none() && finding.original.is_some();
                let is_kept = match &taken {
                    Taken::New | Taken::Replaced => true,
                    // A later copy may bring the signature.
                    Taken::Known => before.as_ref().is_some_and(lacks),
                    Taken::Refused(_) => false,
                };
                if is_kept {
                    let original = finding.original.as_deref();
                    let entry = Entry {
                        item: finding.item.clone(),
                        result: finding.result,
                        original: original.map(sha256_of),
                        operation: before.filter(|_| is_known).and_then(|it| it.operation),
                    };
                    let table = match entry.operation {
                        None => &mut waiting,
                        Some(_) => &mut committed,
                    };
                    table.insert(&key, &entry.row()[..])?;
                    if let (Some(hash), Some(bytes)) = (&entry.original, original) {
                        originals.insert(hash, bytes)?;
                    }
                }
                if is_kept && !is_known {
                    done.news.push(finding.item.clone());
                }
                done.taken.push(taken);
            }
            Ok(done)
        })
    }

    /// What the book knows about each of these items. A result with the input that an item names answers it. An item without input is
    /// answered by a result without input, else by one with any, unless there are different ones.
    ///
    /// # Errors
    ///
    /// [`BookError`]
    pub fn answers(&self, items: &[ClaimItem]) -> Result<Vec<Option<Answer>>, BookError> {
        self.0.read(|reading| {
            let waiting = reading.open_table(WAITING)?;
            let committed = reading.open_table(COMMITTED)?;
            let mut answers = Vec::new();
            for item in items {
                let mut known = all_for(&committed, item)?;
                known.extend(all_for(&waiting, item)?);
                let exact = known.iter().find(|entry| entry.item.input == item.input);
                let is_one = known.iter().all(|entry| entry.result == known[0].result);
                let meant = exact.or_else(|| known.first().filter(|_| is_one));
                answers.push(meant.map(|entry| Answer {
                    key: item_key(&entry.item),
                    result: entry.result,
                }));
            }
            Ok(answers)
        })
    }

    /// The results of a subject, whatever their inputs.
    ///
    /// # Errors
    ///
    /// [`BookError`]
    pub fn entries(&self, subject: &str) -> Result<Vec<Entry>, BookError> {
        let any = ClaimItem {
            subject: subject.to_owned(),
            input: Vec::new(),
        };
        self.0.read(|reading| {
            let mut entries = all_for(&reading.open_table(COMMITTED)?, &any)?;
            entries.extend(all_for(&reading.open_table(WAITING)?, &any)?);
            Ok(entries)
        })
    }

    /// A signed original, by its SHA-256.
    ///
    /// # Errors
    ///
    /// [`BookError`]
    pub fn original(&self, sha256: &[u8; 32]) -> Result<Option<Arc<[u8]>>, BookError> {
        self.0.read(|reading| {
            let Some(row) = reading.open_table(ORIGINALS)?.get(sha256)? else {
                return Ok(None);
            };
            if sha256_of(row.value()) == *sha256 {
                Ok(Some(Arc::from(row.value())))
            } else {
                Err(Failed::Changed("originals"))
            }
        })
    }

    /// Notes that these answers are about to be committed to a set: from here on nobody replaces them. Durable on return.
    ///
    /// # Errors
    ///
    /// [`BookError`]; then nothing is noted.
    pub fn note_commit(
        &self,
        operation: OperationId,
        answers: &[Option<Answer>],
    ) -> Result<(), BookError> {
        let moved: Vec<Key> = answers.iter().flatten().map(|answer| answer.key).collect();
        self.0.write(|transaction| {
            let mut waiting = transaction.open_table(WAITING)?;
            let mut committed = transaction.open_table(COMMITTED)?;
            for key in &moved {
                // What another set was answered with before stays with that one.
                if let Some(mut entry) = found(&waiting, key)? {
                    entry.operation = Some(operation);
                    committed.insert(key, &entry.row()[..])?;
                    waiting.remove(key)?;
                }
            }
            let mut pending = transaction.open_table(PENDING)?;
            pending.insert(operation.as_bytes(), moved.as_flattened())?;
            Ok(())
        })
    }

    /// The sets of which it is not known here whether the node has committed to them.
    ///
    /// # Errors
    ///
    /// [`BookError`]
    pub fn pending(&self) -> Result<Vec<OperationId>, BookError> {
        self.0.read(|reading| {
            let pending = reading.open_table(PENDING)?;
            let rows = pending.iter()?;
            rows.map(|row| Ok(OperationId::from_bytes(*row?.0.value())))
                .collect()
        })
    }

    /// The node has committed to the set.
    ///
    /// # Errors
    ///
    /// [`BookError`]
    pub fn confirm(&self, operation: OperationId) -> Result<(), BookError> {
        self.0.write(|transaction| {
            let mut pending = transaction.open_table(PENDING)?;
            pending.remove(operation.as_bytes())?;
            Ok(())
        })
    }

    /// The node has not committed to the set, and does not: its results wait again. Without effect on a set that is not pending.
    ///
    /// # Errors
    ///
    /// [`BookError`]; then it stays pending.
    pub fn release(&self, operation: OperationId) -> Result<(), BookError> {
        self.0.write(|transaction| {
            let mut pending = transaction.open_table(PENDING)?;
            let mut waiting = transaction.open_table(WAITING)?;
            let mut committed = transaction.open_table(COMMITTED)?;
            let Some(row) = pending.remove(operation.as_bytes())? else {
                return Ok(());
            };
            let (keys, []) = row.value().as_chunks::<32>() else {
                return Err(Failed::Changed("pending"));
            };
            for key in keys {
                let entry = found(&committed, key)?;
                if let Some(mut entry) = entry.filter(|it| it.operation == Some(operation)) {
                    entry.operation = None;
                    waiting.insert(key, &entry.row()[..])?;
                    committed.remove(key)?;
                }
            }
            Ok(())
        })
    }

    /// Reads everything, and compares it with its digests.
    ///
    /// # Errors
    ///
    /// As [`Book::open`].
    pub fn check(directory: &Path) -> Result<BookReport, BookError> {
        let mut book = Self::open(directory)?;
        book.0.check_pages()?;
        let path = book.0.path.display().to_string();
        let mut report = BookReport::default();
        let (waiting, committed) = book.counts()?;
        (report.waiting, report.committed) = (waiting, committed);
        book.0.read(|reading| {
            let originals = reading.open_table(ORIGINALS)?;
            report.originals = originals.len()?;
            for (table, name) in [(WAITING, "waiting"), (COMMITTED, "committed")] {
                for row in reading.open_table(table)?.iter()? {
                    let (key, row) = row?;
                    let Some(entry) = Entry::read(key.value(), row.value()) else {
                        let fault = format!("{path}: a row of {name} was changed");
                        report.faults.push(fault);
                        continue;
                    };
                    if let Some(hash) = &entry.original
                        && originals.get(hash)?.is_none()
                    {
                        let subject = &entry.item.subject;
                        let fault = format!("{path}: the original of {subject} is missing");
                        report.faults.push(fault);
                    }
                }
            }
            for row in originals.iter()? {
                let (hash, row) = row?;
                if sha256_of(row.value()) != *hash.value() {
                    let hash = hex::encode(hash.value());
                    report
                        .faults
                        .push(format!("{path}: original {hash} was changed"));
                }
            }
            Ok(())
        })?;
        Ok(report)
    }
}

/// Refuses what no set can ask for.
fn check(finding: &Finding) -> Result<(), Refused> {
    let item = &finding.item;
    if item.subject.is_empty() || item.subject.len() > ITEM_SUBJECT_BYTES_MAX {
        return Err(Refused::NoItem(
            "subject is empty or has more than 256 bytes",
        ));
    }
    if item.input.len() > ITEM_BYTES_MAX {
        return Err(Refused::NoItem("input has more than 64 bytes"));
    }
    let original = finding.original.as_ref();
    if original.is_some_and(|bytes| bytes.len() > ORIGINAL_BYTES_MAX) {
        return Err(Refused::LongOriginal);
    }
    Ok(())
}

/// What is to be done with a finding, given what is committed and what waits under its key.
fn judge(
    finding: &Finding,
    committed: Option<&Entry>,
    waits: Option<&Entry>,
    replace: bool,
) -> Taken {
    match (committed, waits) {
        (Some(entry), _) | (None, Some(entry)) if entry.result == finding.result => Taken::Known,
        (Some(entry), _) => Taken::Refused(Refused::Committed {
            result: entry.result,
            operation: entry.operation.unwrap_or(OperationId::from_bytes([0; 32])),
        }),
        (None, Some(_)) if replace => Taken::Replaced,
        (None, Some(entry)) => Taken::Refused(Refused::Differs(entry.result)),
        (None, None) => Taken::New,
    }
}

fn sha256_of(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn read(key: &Key, row: &[u8]) -> Result<Entry, Failed> {
    Entry::read(key, row).ok_or(Failed::Changed("results"))
}

/// The row of a key.
fn found(
    table: &impl ReadableTable<&'static Key, &'static [u8]>,
    key: &Key,
) -> Result<Option<Entry>, Failed> {
    let row = table.get(key)?;
    row.map(|row| read(key, row.value())).transpose()
}

/// The rows that can answer an item.
fn all_for(
    table: &impl ReadableTable<&'static Key, &'static [u8]>,
    item: &ClaimItem,
) -> Result<Vec<Entry>, Failed> {
    if !item.input.is_empty() {
        return Ok(found(table, &item_key(item))?.into_iter().collect());
    }
    let (first, last) = keys_of(&item.subject);
    let mut entries = Vec::new();
    for row in table.range::<&Key>(&first..=&last)? {
        let (key, row) = row?;
        entries.push(read(key.value(), row.value())?);
    }
    Ok(entries)
}
