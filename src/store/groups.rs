//! Groups of heights, compressed.
//!
//! Most of a block is like the block before: keys, names of fields, operations that are voted on. So heights that lie together
//! are compressed together, up to [`GROUP_HEIGHTS`](super::GROUP_HEIGHTS) of them and some [`GROUP_BYTES`]: zstd finds little more in
//! longer groups, and whoever asks for one record unpacks a whole group. Heights wait in rows of their own until they fill a group, so
//! where groups begin follows from the heights alone, whenever they are made.
//!
//! A group is a row of two frames. The length of the first (little-endian `u32`) stands before it. The first has the blocks, so that
//! serving them unpacks nothing else. The second has what their seals changed. Its dictionary is the first one's content and the ids of its
//! records: the states of closed operations consist of ids, which do not compress, and which the blocks give.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use redb::{ReadableTable, WriteTransaction};
use zstd::bulk::{Compressor, Decompressor};

use super::StoreError;
use super::height::{Beside, Block, Latest, Part, write_part};
use super::rows::{ENDS, EndRow, GROUPS, HEIGHTS, MEMBERS, SEALERS, SEALS, decode};
use super::wrapped::{unwrapped, wrapped};
use crate::base::codec;
use crate::base::digest::{NodeId, RecordId};
use crate::members::sealers::Sealers;

/// Bytes of a group's rows at most, unless it is a single height.
const GROUP_BYTES: usize = 256 * 1024;

/// Level 3 takes twice the time and finds no more: what repeats does so in long pieces, and the rest is hashes and signatures.
const LEVEL: i32 = 1;

/// Lengths of a row's parts in bytes. redb stores a long value in a power of two of pages; parts of these lengths fill them.
const PARTS: [usize; 3] = [16_128, 7_936, 3_840];

fn place(first: u64) -> String {
    format!("group from height {first}")
}

fn squeezed(bytes: &[u8], dictionary: &[u8]) -> Vec<u8> {
    let packer = Compressor::with_dictionary(LEVEL, dictionary);
    let frame = packer.and_then(|mut packer| packer.compress(bytes));
    let frame = frame.expect("zstd fails only without memory");
    wrapped(|row| row.extend(frame))
}

/// The bytes that were compressed into a row. Its digest is checked first, so the frame is one that this node wrote, and its length is
/// that which it states.
fn unsqueezed(place: &str, row: &[u8], dictionary: &[u8]) -> Result<Vec<u8>, StoreError> {
    let frame = unwrapped(place, row)?;
    let unpacker = Decompressor::with_dictionary(dictionary);
    let bytes = unpacker.and_then(|mut unpacker| unpacker.decompress(frame, usize::MAX));
    bytes.map_err(|error| StoreError::damaged(place, error))
}

/// A group that was read.
#[derive(Debug)]
pub(super) struct Group {
    /// Its first height.
    pub(super) first: u64,
    blocks: Vec<Block>,
    /// The second frame.
    packed: Vec<u8>,
    /// What the second frame holds, once somebody has asked.
    beside: OnceLock<Vec<Beside>>,
}

impl Group {
    pub(super) fn read(
        groups: &impl ReadableTable<(u64, u32), &'static [u8]>,
        first: u64,
    ) -> Result<Self, StoreError> {
        let place = place(first);
        let mut row = Vec::new();
        for part in groups.range((first, 0)..=(first, u32::MAX))? {
            row.extend_from_slice(part?.1.value());
        }
        let frame = Part::next(&row, 0);
        let frame = frame.ok_or_else(|| StoreError::damaged(&place, "the row was cut"))?;
        let packed = row.split_off(frame.end);
        let parts = Part::all(&place, unsqueezed(&place, &row[frame], &[])?)?;
        let (pairs, []) = parts.as_chunks() else {
            return Err(StoreError::damaged(place, "it has other parts"));
        };
        let blocks = pairs
            .iter()
            .zip(first..)
            .map(|([head, certificate, sealers], height)| Block {
                height,
                head: head.clone(),
                certificate: certificate.clone(),
                sealers: sealers.clone(),
            });
        Ok(Self {
            first,
            blocks: blocks.collect(),
            packed,
            beside: OnceLock::new(),
        })
    }

    pub(super) fn has(&self, height: u64) -> bool {
        self.at(height).is_some()
    }

    /// How much memory it takes, about: what it holds, as often as it is held.
    pub(super) fn bytes(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(Block::encoded_len).sum();
        self.packed.len() + 2 * blocks
    }

    fn at(&self, height: u64) -> Option<&Block> {
        let at = height.checked_sub(self.first)?;
        self.blocks.get(usize::try_from(at).ok()?)
    }

    pub(super) fn block(&self, height: u64) -> Result<&Block, StoreError> {
        let missing = || StoreError::damaged(place(self.first), "a height is missing");
        self.at(height).ok_or_else(missing)
    }

    /// What its seals changed, in order.
    pub(super) fn beside(&self) -> Result<&[Beside], StoreError> {
        if let Some(beside) = self.beside.get() {
            return Ok(beside);
        }
        let place = place(self.first);
        let dictionary = dictionary(self.blocks.iter(), &KnownIds::new())?;
        let parts = Part::all(&place, unsqueezed(&place, &self.packed, &dictionary)?)?;
        let (pairs, []) = parts.as_chunks() else {
            return Err(StoreError::damaged(place, "it has other parts"));
        };
        let pairs = pairs.iter().zip(self.first..);
        let beside = pairs.map(|([changes, closed], height)| Beside {
            height,
            changes: changes.clone(),
            closed: closed.clone(),
        });
        Ok(self.beside.get_or_init(|| beside.collect()))
    }
}

/// Blocks, and the ids of their records: those that are known, or else read out of the block.
fn dictionary<'a>(
    blocks: impl Iterator<Item = &'a Block>,
    known: &KnownIds,
) -> Result<Vec<u8>, StoreError> {
    let (mut dictionary, mut ids) = (Vec::new(), Vec::new());
    for block in blocks {
        dictionary.extend_from_slice(block.head.bytes());
        dictionary.extend_from_slice(block.certificate.bytes());
        if let Some(known) = known.get(&block.height) {
            ids.extend(known.iter().map(RecordId::as_bytes));
        } else {
            let records = block.signed()?.records;
            ids.extend(records.iter().map(|record| *record.id().as_bytes()));
        }
    }
    dictionary.extend_from_slice(ids.as_flattened());
    Ok(dictionary)
}

fn write_parts(transaction: &WriteTransaction, first: u64, row: &[u8]) -> Result<(), StoreError> {
    let mut groups = transaction.open_table(GROUPS)?;
    let (mut rest, mut number) = (row, 0_u32);
    while !rest.is_empty() {
        let fitting = PARTS.iter().find(|length| **length <= rest.len());
        let (part, after) = rest.split_at(fitting.copied().unwrap_or(rest.len()));
        groups.insert((first, number), part)?;
        (rest, number) = (after, number + 1);
    }
    Ok(())
}

/// Reads the operations that a group closed.
pub(super) fn read_ends(first: u64, row: &[u8]) -> Result<Vec<EndRow>, StoreError> {
    let place = format!("ends: {}", place(first));
    decode(&place, &unsqueezed(&place, row, &[])?)
}

/// The ids in a row of [`SEALS`].
pub(super) fn seal_ids(first: u64, row: &[u8]) -> Result<&[[u8; 32]], StoreError> {
    match row.as_chunks() {
        ([], _) | (_, [_, ..]) => {
            let place = format!("seals: from height {first}");
            Err(StoreError::damaged(place, "the row was cut"))
        }
        (ids, []) => Ok(ids),
    }
}

/// Heights whose ids are known at most: without them a group takes longer. A host that never packs must not fill the memory.
pub(super) const KNOWN_HEIGHTS_MAX: usize = 4 * super::GROUP_HEIGHTS;

/// The ids of the records of heights that this process wrote.
pub(super) type KnownIds = BTreeMap<u64, Vec<RecordId>>;

/// A group that is to be written.
pub(super) struct Packed {
    /// Its first height.
    first: u64,
    /// Its last height.
    last: u64,
    row: Vec<u8>,
    /// The members that it has changes of.
    members: BTreeSet<NodeId>,
    /// The operations that it closed, compressed.
    ends: Option<Vec<u8>>,
    /// The sealers after the last change, and the height that they seal first.
    sealers: Option<(u64, Sealers)>,
}

/// The oldest heights without a group, if they fill one of this many at most.
pub(super) fn next_full(
    rows: &impl ReadableTable<u64, &'static [u8]>,
    heights_max: usize,
) -> Result<Option<Vec<Latest>>, StoreError> {
    let (mut group, mut bytes) = (Vec::new(), 0);
    for row in rows.iter()? {
        let (number, row) = row?;
        let height = Latest::read(number.value(), row.value())?;
        bytes += height.length;
        if bytes > GROUP_BYTES && !group.is_empty() {
            return Ok(Some(group));
        }
        group.push(height);
        if bytes >= GROUP_BYTES || group.len() >= heights_max {
            return Ok(Some(group));
        }
    }
    Ok(None)
}

impl Packed {
    /// Compresses heights, which must be those of [`next_full`].
    pub(super) fn new(group: &[Latest], known: &KnownIds) -> Result<Self, StoreError> {
        let first = group[0].block.height;
        let (mut blocks, mut beside) = (Vec::new(), Vec::new());
        for height in group {
            let block = &height.block;
            for part in [&block.head, &block.certificate, &block.sealers] {
                write_part(&mut blocks, |row| row.extend_from_slice(part.bytes()));
            }
            for part in [&height.beside.changes, &height.beside.closed] {
                write_part(&mut beside, |row| row.extend_from_slice(part.bytes()));
            }
        }
        let mut row = Vec::new();
        write_part(&mut row, |row| row.extend(squeezed(&blocks, &[])));
        let dictionary = dictionary(group.iter().map(|height| &height.block), known)?;
        row.extend(squeezed(&beside, &dictionary));
        let (mut members, mut ends, mut sealers) = (BTreeSet::new(), Vec::new(), None);
        for height in group {
            let changes = height.beside.changes()?;
            members.extend(changes.ledger.roster.iter().map(|(node, _)| *node));
            members.extend(changes.trust.iter().map(|(node, _)| *node));
            ends.extend(height.ends()?);
            if let Some(next) = height.block.sealers()? {
                sealers = Some((height.block.height + 1, next));
            }
        }
        Ok(Self {
            first,
            last: first + group.len() as u64 - 1,
            row,
            members,
            ends: (!ends.is_empty()).then(|| squeezed(&codec::encode(&ends), &[])),
            sealers,
        })
    }

    /// Writes the group in the place of its heights.
    pub(super) fn write(&self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        let (first, last) = (self.first, self.last);
        write_parts(transaction, first, &self.row)?;
        let mut members = transaction.open_table(MEMBERS)?;
        for node in &self.members {
            members.insert((node.as_bytes(), first), ())?;
        }
        if let Some(row) = &self.ends {
            transaction.open_table(ENDS)?.insert(first, &row[..])?;
        }
        if let Some((from, sealers)) = &self.sealers {
            let row = codec::encode(sealers);
            transaction.open_table(SEALERS)?.insert(from, &row[..])?;
        }
        let mut seals = transaction.open_table(SEALS)?;
        let mut ids = Vec::new();
        for row in seals.range(first..=last)? {
            let (first, row) = row?;
            ids.extend_from_slice(seal_ids(first.value(), row.value())?.as_flattened());
        }
        seals.retain_in(first..=last, |_, _| false)?;
        seals.insert(first, &ids[..])?;
        let mut heights = transaction.open_table(HEIGHTS)?;
        for height in first..=last {
            heights.remove(height)?;
        }
        Ok(())
    }
}
