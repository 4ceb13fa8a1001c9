//! Keys and rows, as bytes.

use mycnet_consensus::{ClaimItem, OperationId};

/// What an entry is filed under: 16 bytes that stand for the subject, and 16 that stand for the input, zeros if it is empty. So all
/// entries of a subject lie together.
pub(super) type Key = [u8; 32];

/// The bytes of a hash in keys: nobody gains by two subjects that share them.
pub(super) const SHORT: usize = 16;

const SUBJECT: &str = "mycnet-builds book subject v1";
const INPUT: &str = "mycnet-builds book input v1";
const RESULT: &str = "mycnet-builds book result v1";
const ROW: &str = "mycnet-builds book row v1";

fn short(context: &'static str, bytes: &[u8]) -> [u8; SHORT] {
    let hash = blake3::derive_key(context, bytes);
    *hash.first_chunk().expect("a hash is longer")
}

pub(super) fn subject_key(subject: &str) -> [u8; SHORT] {
    short(SUBJECT, subject.as_bytes())
}

pub(super) fn result_key(result: &[u8]) -> [u8; SHORT] {
    short(RESULT, result)
}

/// What stands for an item in tables and maps: the same for equal items, and with the same first half for those of one subject.
pub fn item_key(item: &ClaimItem) -> [u8; 32] {
    let mut key = [0; 32];
    key[..SHORT].copy_from_slice(&subject_key(&item.subject));
    if !item.input.is_empty() {
        key[SHORT..].copy_from_slice(&short(INPUT, &item.input));
    }
    key
}

/// The first and the last key of a subject.
pub(super) fn keys_of(subject: &str) -> (Key, Key) {
    let (mut first, mut last) = ([0; 32], [u8::MAX; 32]);
    first[..SHORT].copy_from_slice(&subject_key(subject));
    last[..SHORT].copy_from_slice(&first[..SHORT]);
    (first, last)
}

/// A result in the book.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// What was built.
    pub item: ClaimItem,
    /// The SHA-256 of what came out.
    pub result: [u8; 32],
    /// The SHA-256 of the signed original, if there is one.
    pub original: Option<[u8; 32]>,
    /// The set that it was committed to, or is about to be; `None` as long as it waits.
    pub operation: Option<OperationId>,
}

const HAS_ORIGINAL: u8 = 1;
const HAS_OPERATION: u8 = 2;

/// Bytes of a row's digest: enough to notice damage.
const DIGEST: usize = 8;

impl Entry {
    /// A row: a digest of the key and the rest, flags, result, original and operation if there are such, the length of the input, the
    /// input, the subject.
    pub(super) fn row(&self) -> Vec<u8> {
        let mut row = vec![0; DIGEST];
        let has_original = self.original.map_or(0, |_| HAS_ORIGINAL);
        row.push(has_original | self.operation.map_or(0, |_| HAS_OPERATION));
        row.extend(self.result);
        row.extend(self.original.iter().flatten());
        row.extend(self.operation.iter().flat_map(OperationId::as_bytes));
        let input = &self.item.input;
        // The rules of claims bound it to 64 bytes.
        row.push(u8::try_from(input.len()).unwrap_or(u8::MAX));
        row.extend(input);
        row.extend(self.item.subject.as_bytes());
        let digest = digest(&item_key(&self.item), &row[DIGEST..]);
        row[..DIGEST].copy_from_slice(&digest);
        row
    }

    /// Reads a row; `None` if it is not the one that was written under this key.
    pub(super) fn read(key: &Key, row: &[u8]) -> Option<Self> {
        let (stated, rest) = row.split_first_chunk::<DIGEST>()?;
        if *stated != digest(key, rest) {
            return None;
        }
        let (flags, rest) = rest.split_first()?;
        let (result, mut rest) = rest.split_first_chunk::<32>()?;
        let mut take = |flag| -> Option<Option<[u8; 32]>> {
            if flags & flag == 0 {
                return Some(None);
            }
            let (taken, after) = rest.split_first_chunk::<32>()?;
            rest = after;
            Some(Some(*taken))
        };
        let (original, operation) = (take(HAS_ORIGINAL)?, take(HAS_OPERATION)?);
        let (length, rest) = rest.split_first()?;
        let (input, subject) = rest.split_at_checked(usize::from(*length))?;
        Some(Self {
            item: ClaimItem {
                subject: String::from_utf8(subject.to_vec()).ok()?,
                input: input.to_vec(),
            },
            result: *result,
            original,
            operation: operation.map(OperationId::from_bytes),
        })
    }
}

fn digest(key: &Key, rest: &[u8]) -> [u8; DIGEST] {
    let mut hasher = blake3::Hasher::new_derive_key(ROW);
    hasher.update(key).update(rest);
    let hash = hasher.finalize();
    *hash.as_bytes().first_chunk().expect("a hash is longer")
}
