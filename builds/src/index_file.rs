//! An [`Index`] in a file, for whoever has the genesis and no node.
//!
//! | bytes | what |
//! |---|---|
//! | 12 | `mycnet-index` |
//! | 1 | the version: 1 |
//! | 32 | the network |
//! | 8 | the length of what is compressed (little-endian `u64`), at most [`CONTENT_BYTES_MAX`] |
//! | the rest | one frame of zstd: the canonical bytes of the index |
//!
//! So a file of another network, or one that would fill the memory, is refused before anything of it is unpacked. What was unpacked is
//! nothing yet: [`verified`] compares every operation and item with a seal that the network's sealers signed. A look-up ([`find`]) goes
//! over the items once for all questions, and makes no table of them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{self, BufReader, Read};

use mycnet_consensus::core::{Index, ShownOperation};
use mycnet_consensus::{Genesis, NetworkId, Rejection};
use zstd::stream::read::Decoder;
use zstd::stream::write::Encoder;

use crate::evidence::{EVIDENCE_MAX, Evidence, Found, Question};

const MAGIC: [u8; 12] = *b"mycnet-index";
const VERSION: u8 = 1;

/// What one file holds at most, in bytes before it is compressed. A night of 30,000 items and ten rebuilders has a thirtieth of it.
/// Whoever reads one needs some three times as much memory.
pub const CONTENT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Level 19 takes ten times as long and saves a twentieth: most of it is hashes.
const LEVEL: i32 = 9;

/// Reading takes no more than 8 MiB for what was unpacked before.
const WINDOW_LOG: u32 = 23;

/// Why a file is not read, or not believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IndexFault {
    /// It is something else.
    #[error("it is no index: `mycnet builds index` writes one")]
    NotAnIndex,
    /// Another version of the format.
    #[error("it has version {0}; this program reads version {VERSION}")]
    Version(u8),
    /// It is about another network.
    #[error("it is of network {found}, not of {expected}")]
    WrongNetwork {
        /// Its network.
        found: NetworkId,
        /// That of the genesis.
        expected: NetworkId,
    },
    /// It ends too early.
    #[error("it was cut: get it again")]
    Cut,
    /// It states more than anybody needs.
    #[error("it states {0} bytes, more than the {CONTENT_BYTES_MAX} that an index has at most")]
    TooLong(u64),
    /// It unpacks to more than it states, or to less.
    #[error("it does not unpack to the {0} bytes that it states")]
    OtherLength(u64),
    /// It cannot be unpacked.
    #[error("it is damaged, and cannot be unpacked: {0}")]
    Damaged(io::Error),
    /// Something follows behind its end.
    #[error("something follows behind its end")]
    Trailing,
    /// What is in it is no index.
    #[error("what is in it is not an index: {0}")]
    NotCanonical(Rejection),
    /// It is not what the network decided.
    #[error("it is not what the network decided: {0}")]
    Forged(Rejection),
    /// It cannot be read.
    #[error("it cannot be read: {0}")]
    Io(io::Error),
}

/// Writes an index into a file's bytes.
///
/// # Errors
///
/// [`IndexFault::TooLong`] if nobody could read it, or [`IndexFault::Io`].
pub fn pack(index: &Index) -> Result<Vec<u8>, IndexFault> {
    let content = index.encode();
    let length = content.len() as u64;
    if length > CONTENT_BYTES_MAX {
        return Err(IndexFault::TooLong(length));
    }
    let mut bytes = MAGIC.to_vec();
    bytes.push(VERSION);
    bytes.extend(index.net.as_bytes());
    bytes.extend(length.to_le_bytes());
    let packed = Encoder::new(bytes, LEVEL).and_then(|mut encoder| {
        encoder.window_log(WINDOW_LOG)?;
        encoder.set_pledged_src_size(Some(length))?;
        io::Write::write_all(&mut encoder, &content)?;
        encoder.finish()
    });
    packed.map_err(IndexFault::Io)
}

/// Reads the index of a network out of a file, without believing it.
///
/// # Errors
///
/// [`IndexFault`]
pub fn unpack(source: impl Read, network: NetworkId) -> Result<Index, IndexFault> {
    let mut source = BufReader::new(source);
    let mut magic = [0; MAGIC.len()];
    match source.read_exact(&mut magic) {
        Ok(()) if magic == MAGIC => {}
        Err(error) if error.kind() != io::ErrorKind::UnexpectedEof => {
            return Err(IndexFault::Io(error));
        }
        _ => return Err(IndexFault::NotAnIndex),
    }
    let ([version], net, length) = (
        exactly::<1>(&mut source)?,
        exactly::<32>(&mut source)?,
        exactly::<8>(&mut source)?,
    );
    let (found, length) = (NetworkId::from_bytes(net), u64::from_le_bytes(length));
    if version != VERSION {
        return Err(IndexFault::Version(version));
    }
    if found != network {
        let expected = network;
        return Err(IndexFault::WrongNetwork { found, expected });
    }
    if length > CONTENT_BYTES_MAX {
        return Err(IndexFault::TooLong(length));
    }
    let content = content(&mut source, length)?;
    let index = Index::decode(&content).map_err(IndexFault::NotCanonical)?;
    match index.net {
        found if found == network => Ok(index),
        found => Err(IndexFault::WrongNetwork {
            found,
            expected: network,
        }),
    }
}

fn content(source: &mut impl io::BufRead, length: u64) -> Result<Vec<u8>, IndexFault> {
    let decoder = Decoder::with_buffer(&mut *source).and_then(|mut decoder| {
        decoder.window_log_max(WINDOW_LOG)?;
        Ok(decoder.single_frame())
    });
    let mut decoder = decoder.map_err(IndexFault::Damaged)?;
    let mut content = Vec::new();
    // One byte more than stated tells that there is more.
    let read = decoder.by_ref().take(length + 1).read_to_end(&mut content);
    read.map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => IndexFault::Cut,
        _ => IndexFault::Damaged(error),
    })?;
    if content.len() as u64 != length {
        return Err(IndexFault::OtherLength(length));
    }
    drop(decoder);
    match source.fill_buf() {
        Ok([]) => Ok(content),
        Ok(_) => Err(IndexFault::Trailing),
        Err(error) => Err(IndexFault::Io(error)),
    }
}

fn exactly<const N: usize>(source: &mut impl Read) -> Result<[u8; N], IndexFault> {
    let mut bytes = [0; N];
    match source.read_exact(&mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(IndexFault::Cut),
        Err(error) => Err(IndexFault::Io(error)),
    }
}

/// The operations of an index that its network decided, in the order of their decision. The cost is a quorum of signatures for the head
/// and each change of sealers, and two hashes for each operation and item.
///
/// # Errors
///
/// [`IndexFault::Forged`]
pub fn verified<'a>(
    index: &'a Index,
    genesis: &Genesis,
) -> Result<Vec<ShownOperation<'a>>, IndexFault> {
    index.verify(genesis).map_err(IndexFault::Forged)
}

/// What was decided about each of these questions. The cost is that of comparing every item once, and twice more if a result is looked for
/// that nobody asked about under the given subject, however many questions there are.
///
/// # Errors
///
/// [`IndexFault::Forged`] if an answer is by nobody who was asked.
pub fn find(
    operations: &[ShownOperation<'_>],
    questions: &[Question],
) -> Result<Vec<Found>, IndexFault> {
    let subjects: Vec<&str> = questions
        .iter()
        .filter_map(|it| it.subject.as_deref())
        .collect();
    let places = places_of(operations, &subjects);
    let mut all = Vec::new();
    for question in questions {
        let places = question.subject.as_ref().and_then(|it| places.get(&**it));
        let about = evidence(operations, places.into_iter().flatten())?;
        let known_as = Vec::new();
        all.push(Found { about, known_as });
    }
    // What nobody asked about under this name may have been asked under another.
    let unknown = |(question, found): (&Question, &Found)| {
        let result = question.result.as_ref().map(|result| result.0.clone());
        result.filter(|_| found.about.is_empty())
    };
    let results: Vec<Option<Vec<u8>>> = questions.iter().zip(&all).map(unknown).collect();
    if results.iter().all(Option::is_none) {
        return Ok(all);
    }
    let known_as = subjects_with(operations, results.iter().flatten());
    let subjects: Vec<&str> = known_as.values().flatten().copied().collect();
    let places = places_of(operations, &subjects);
    for ((question, found), result) in questions.iter().zip(&mut all).zip(&results) {
        let known_as = result.as_ref().and_then(|it| known_as.get(&it[..]));
        let subjects = known_as.into_iter().flatten();
        if question.is_certain {
            found.known_as = subjects.map(|it| (*it).to_owned()).collect();
            continue;
        }
        let places = subjects.filter_map(|it| places.get(it)).flatten();
        found.about = evidence(operations, places)?;
    }
    Ok(all)
}

/// A set, and an item in it.
type Place = (usize, usize);

/// The last items about each of these subjects, in the order in which they were decided.
fn places_of<'a>(
    operations: &[ShownOperation<'_>],
    subjects: &[&'a str],
) -> BTreeMap<&'a str, VecDeque<Place>> {
    let wanted = subjects.iter().map(|subject| (*subject, VecDeque::new()));
    let mut wanted: BTreeMap<&str, VecDeque<Place>> = wanted.collect();
    if wanted.is_empty() {
        return wanted;
    }
    for (set, operation) in operations.iter().enumerate() {
        for (item, leaf) in operation.items.iter().enumerate() {
            if let Some(places) = wanted.get_mut(&*leaf.subject) {
                places.push_back((set, item));
                if places.len() > EVIDENCE_MAX {
                    places.pop_front();
                }
            }
        }
    }
    wanted
}

/// The subjects for which somebody gave each of these results, not all if there are many.
fn subjects_with<'a, 'b>(
    operations: &[ShownOperation<'b>],
    results: impl Iterator<Item = &'a Vec<u8>>,
) -> BTreeMap<&'a [u8], BTreeSet<&'b str>> {
    let wanted = results.map(|result| (&result[..], BTreeSet::new()));
    let mut wanted: BTreeMap<&[u8], BTreeSet<&str>> = wanted.collect();
    for item in operations.iter().flat_map(|it| it.items) {
        for answer in &item.answers {
            if let Some(subjects) = wanted.get_mut(&answer.result[..])
                && subjects.len() < EVIDENCE_MAX
            {
                subjects.insert(&item.subject);
            }
        }
    }
    wanted
}

fn evidence<'a>(
    operations: &[ShownOperation<'_>],
    places: impl Iterator<Item = &'a Place>,
) -> Result<Vec<Evidence>, IndexFault> {
    let mut all = Vec::new();
    for (set, item) in places {
        all.extend(Evidence::of(&operations[*set], *item).map_err(IndexFault::Forged)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests;
