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

/// What was decided about each of these questions. The cost is that of comparing every item once, or twice if a result is looked for that
/// nobody asked about under the given subject, however many questions there are.
///
/// # Errors
///
/// [`IndexFault::Forged`] if an answer is by nobody who was asked.
pub fn find(
    operations: &[ShownOperation<'_>],
    questions: &[Question],
) -> Result<Vec<Found>, IndexFault> {
    let subjects = questions.iter().map(|question| question.subject.as_deref());
    let subjects = subjects.collect::<Vec<_>>();
    let mut found = about(operations, &subjects)?;
    let mut elsewhere: BTreeMap<&[u8], BTreeSet<&str>> = BTreeMap::new();
    for (question, about) in questions.iter().zip(&found) {
        if let (Some(result), true) = (&question.result, about.is_empty()) {
            elsewhere.entry(&result.0).or_default();
        }
    }
    if elsewhere.is_empty() {
        let found = found.into_iter();
        return Ok(found
            .map(|about| Found {
                about,
                known_as: vec![],
            })
            .collect());
    }
    for item in operations.iter().flat_map(|it| it.items) {
        for answer in &item.answers {
            if let Some(subjects) = elsewhere.get_mut(&answer.result[..])
                && subjects.len() < EVIDENCE_MAX
            {
                subjects.insert(&item.subject);
            }
        }
    }
    let known = |question: &Question, about: &[Evidence]| -> Vec<&str> {
        let result = question.result.as_ref().filter(|_| about.is_empty());
        let subjects = result.and_then(|result| elsewhere.get(&result.0[..]));
        subjects.into_iter().flatten().copied().collect()
    };
    let known: Vec<Vec<&str>> = questions
        .iter()
        .zip(&found)
        .map(|(question, about)| known(question, about))
        .collect();
    // What is known under other subjects only, and may be so.
    let mut others = Vec::new();
    for (question, (place, known)) in questions.iter().zip(known.iter().enumerate()) {
        if !question.is_certain {
            others.extend(known.iter().map(|subject| (place, Some(*subject))));
        }
    }
    let subjects: Vec<Option<&str>> = others.iter().map(|(_, subject)| *subject).collect();
    for ((place, _), about) in others.iter().zip(about(operations, &subjects)?) {
        found[*place].extend(about);
    }
    let all = questions.iter().zip(found).zip(known);
    let all = all.map(|((question, about), known)| {
        let known = known.into_iter().filter(|_| question.is_certain);
        Found {
            about,
            known_as: known.map(str::to_owned).collect(),
        }
    });
    Ok(all.collect())
}

/// The last decided items about each of these subjects.
fn about(
    operations: &[ShownOperation<'_>],
    subjects: &[Option<&str>],
) -> Result<Vec<Vec<Evidence>>, IndexFault> {
    let mut places: BTreeMap<&str, VecDeque<(usize, usize)>> = BTreeMap::new();
    for subject in subjects.iter().flatten() {
        places.entry(subject).or_default();
    }
    if !places.is_empty() {
        for (set, operation) in operations.iter().enumerate() {
            for (item, leaf) in operation.items.iter().enumerate() {
                if let Some(places) = places.get_mut(&*leaf.subject) {
                    places.push_back((set, item));
                    if places.len() > EVIDENCE_MAX {
                        places.pop_front();
                    }
                }
            }
        }
    }
    let of = |subject: Option<&str>| {
        let places = subject.and_then(|subject| places.get(subject));
        let mut about = Vec::new();
        for (set, item) in places.into_iter().flatten() {
            about.extend(Evidence::of(&operations[*set], *item).map_err(IndexFault::Forged)?);
        }
        Ok(about)
    };
    subjects.iter().copied().map(of).collect()
}

#[cfg(test)]
mod tests;
