//! A sealed height on the disk.
//!
//! A height is its block, encoded as it is sent, and what its seal changed. The latest heights are rows of their own in the table
//! `heights`, the older ones are in groups ([`super::groups`]). A row is a chain of parts, each behind its length (little-endian `u32`):
//!
//! | part | what |
//! |---|---|
//! | head | a [`SealedBlock`] up to its certificate |
//! | certificate | [`SealCertificate`] |
//! | sealers | the sealers of the next height, if they changed, else null |
//! | changes | [`SealChanges`] |
//! | closed | an array of [`StoredOperation`], in the order of [P7] |
//! | ends | an array of [`EndRow`] for the same operations |
//!
//! The first two are the block as it is sent, so serving it reads nothing else. No query reads a part that it does not need.

use std::ops::Range;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::StoreError;
use super::rows::{EndRow, SealChanges, decode};
use super::wrapped::unwrapped;
use crate::base::codec;
use crate::base::rejection::Rejection;
use crate::decision::open::StoredOperation;
use crate::document::LedgerChange;
use crate::ledger::{Applied, RememberedOperation};
use crate::members::sealers::Sealers;
use crate::statement::record::{Seal, Signed};
use crate::statement::seal::{SealCertificate, SealedBlock, SignedBlock, list_digest};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Bytes of a part's length.
const LENGTH: usize = 4;

/// The height's name in errors.
pub(super) fn place(height: u64) -> String {
    format!("height {height}")
}

/// Appends the row of a height.
pub(super) fn write_row(block: &SealedBlock, applied: &Applied, row: &mut Vec<u8>) {
    let changes = SealChanges {
        ledger: LedgerChange::from_applied(&block.seal, applied),
        trust: applied.trust.clone(),
    };
    let certificate = codec::encode(&block.certificate);
    write_part(row, |row| {
        block.encode_to(row);
        row.truncate(row.len() - certificate.len());
    });
    write_part(row, |row| row.extend_from_slice(&certificate));
    let sealers = applied.sealers.as_deref();
    write_part(row, |row| codec::encode_to(&sealers, row));
    write_part(row, |row| codec::encode_to(&changes, row));
    let closed = applied.closed.iter().map(|operation| operation.store());
    let closed: Vec<StoredOperation> = closed.collect();
    write_part(row, |row| codec::encode_to(&closed, row));
    write_part(row, |row| codec::encode_to(&ends_of(applied), row));
}

/// The operations that a seal closed, as rules and lists need them.
pub(super) fn ends_of(applied: &Applied) -> Vec<EndRow> {
    let ends = applied.closed.iter().map(|operation| EndRow {
        id: operation.id(),
        ended: RememberedOperation::of(operation, applied.height),
        kind: operation.operation().kind().into(),
        class: operation.class(),
        proposer: operation.proposal().author(),
        subject: operation.operation().subject(),
    });
    ends.collect()
}

/// Appends a part behind its length.
pub(super) fn write_part(row: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    let start = row.len();
    row.extend_from_slice(&[0; LENGTH]);
    write(row);
    let length = u32::try_from(row.len() - start - LENGTH).expect("a part is shorter than 4 GiB");
    row[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
}

/// A part of a row. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Part {
    bytes: Arc<Vec<u8>>,
    range: Range<usize>,
}

impl Part {
    /// The parts of a row, one after the other.
    pub(super) fn all(at: &str, row: Vec<u8>) -> Result<Vec<Self>, StoreError> {
        let (bytes, mut parts, mut end) = (Arc::new(row), Vec::new(), 0);
        while end < bytes.len() {
            let range = Self::next(&bytes, end);
            let range = range.ok_or_else(|| StoreError::damaged(at, "the row was cut"))?;
            end = range.end;
            let bytes = bytes.clone();
            parts.push(Self { bytes, range });
        }
        Ok(parts)
    }

    /// Where the part that begins here is in a row.
    pub(super) fn next(bytes: &[u8], at: usize) -> Option<Range<usize>> {
        let length = bytes.get(at..)?.first_chunk::<LENGTH>()?;
        let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
        let start = at + LENGTH;
        let end = start.checked_add(length)?;
        (end <= bytes.len()).then_some(start..end)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[self.range.clone()]
    }

    fn read<T: Serialize + DeserializeOwned>(&self, height: u64) -> Result<T, StoreError> {
        decode(&place(height), self.bytes())
    }
}

/// The block of a height, and the sealers after it.
#[derive(Debug, Clone)]
pub(super) struct Block {
    pub(super) height: u64,
    pub(super) head: Part,
    pub(super) certificate: Part,
    pub(super) sealers: Part,
}

impl Block {
    /// The encoded block.
    pub(super) fn encoded(&self) -> Vec<u8> {
        [self.head.bytes(), self.certificate.bytes()].concat()
    }

    pub(super) fn encoded_len(&self) -> usize {
        self.head.bytes().len() + self.certificate.bytes().len()
    }

    /// The seal.
    pub(super) fn seal(&self) -> Result<Seal, StoreError> {
        let seal = SealedBlock::seal_of(self.head.bytes());
        seal.map_err(|error| StoreError::unreadable(&place(self.height), &error))
    }

    /// The block, with its records as they are listed in its seal.
    pub(super) fn signed(&self) -> Result<SignedBlock, StoreError> {
        let block = SignedBlock::decode(&self.encoded(), usize::MAX);
        let block = block.map_err(|error| StoreError::damaged(place(self.height), error))?;
        let ids: Vec<_> = block.records.iter().map(Signed::id).collect();
        if ids.is_sorted() && list_digest(&ids) == block.seal.records {
            return Ok(block);
        }
        let rejection = Rejection::ImpossibleSeal("the records are not the sealed ones");
        Err(StoreError::not_sealed(place(self.height), rejection))
    }

    /// The certificate.
    pub(super) fn certificate(&self) -> Result<SealCertificate, StoreError> {
        self.certificate.read(self.height)
    }

    /// The sealers of the next height, if they changed.
    pub(super) fn sealers(&self) -> Result<Option<Sealers>, StoreError> {
        self.sealers.read(self.height)
    }
}

/// What a seal changed.
#[derive(Debug, Clone)]
pub(super) struct Beside {
    pub(super) height: u64,
    pub(super) changes: Part,
    pub(super) closed: Part,
}

impl Beside {
    /// What changed.
    pub(super) fn changes(&self) -> Result<SealChanges, StoreError> {
        self.changes.read(self.height)
    }

    /// The operations that closed.
    pub(super) fn closed(&self) -> Result<Vec<StoredOperation>, StoreError> {
        self.closed.read(self.height)
    }
}

/// A height from a row of its own.
#[derive(Debug, Clone)]
pub(super) struct Latest {
    pub(super) block: Block,
    pub(super) beside: Beside,
    ends: Part,
    /// The length of its row.
    pub(super) length: usize,
}

impl Latest {
    pub(super) fn read(height: u64, row: &[u8]) -> Result<Self, StoreError> {
        let place = place(height);
        let row = unwrapped(&place, row)?;
        Self::of(height, row.to_vec())
    }

    /// The height of an unwrapped row.
    pub(super) fn of(height: u64, row: Vec<u8>) -> Result<Self, StoreError> {
        let (place, length) = (place(height), row.len());
        let parts = <[Part; 6]>::try_from(Part::all(&place, row)?);
        let parts = parts.map_err(|_| StoreError::damaged(place, "the row has other parts"));
        let [head, certificate, sealers, changes, closed, ends] = parts?;
        Ok(Self {
            block: Block {
                height,
                head,
                certificate,
                sealers,
            },
            beside: Beside {
                height,
                changes,
                closed,
            },
            ends,
            length,
        })
    }

    /// The operations that closed, as rules and lists need them.
    pub(super) fn ends(&self) -> Result<Vec<EndRow>, StoreError> {
        self.ends.read(self.block.height)
    }
}
