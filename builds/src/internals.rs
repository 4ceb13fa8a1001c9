//! What this workspace's fuzz targets and tests share. Semantic versioning does not cover it.

use std::path::Path;

use mycnet_consensus::NetworkId;
use mycnet_consensus::limits::{ITEM_BYTES_MAX, ITEM_SUBJECT_BYTES_MAX};

pub use crate::formats::Format;
use crate::index_file::{pack, unpack};
use crate::{Event, Finding, Link, Options, Reader};

/// Reads bytes as a format, whatever they are, and asserts what holds for any bytes: no panic, findings that fit an item, originals
/// that are the bytes, and nothing new in a second reading.
pub fn exercise(format: Format, bytes: &[u8]) {
    let mut reader = Reader::new(Options {
        builder: Some("ada".to_owned()),
        ..Options::default()
    });
    let lines = bytes.split(|byte| *byte == b'\n').count() as u64;
    let mut on_event = |event| match event {
        Event::Finding(finding, place) => {
            assert!(place.line.is_none_or(|line| (1..=lines).contains(&line)));
            check(&finding, bytes);
        }
        Event::Problem(problem) | Event::Skipped(problem) => {
            let line = problem.place.line;
            assert!(line.is_none_or(|line| line <= lines), "{problem}");
            let text = problem.to_string();
            assert!(!text.contains(|c: char| c.is_control()), "{text:?}");
        }
    };
    reader.read_as(format, bytes, &mut on_event);
    reader.read_as(format, bytes, &mut |event| {
        assert!(!matches!(event, Event::Finding(..)), "twice: {event:?}");
    });
    // As a file that has to be recognised.
    Reader::new(Options::default()).read(Path::new("any"), bytes, &mut |_| {});
    if let Ok(link) = Link::parse(bytes) {
        assert_eq!(Link::parse(&link.to_bytes()), Ok(link));
    }
}

fn check(finding: &Finding, bytes: &[u8]) {
    let subject = &finding.item.subject;
    assert!((1..=ITEM_SUBJECT_BYTES_MAX).contains(&subject.len()));
    assert!(!subject.contains(|c: char| c.is_control()));
    assert!(finding.item.input.len() <= ITEM_BYTES_MAX);
    assert!(finding.original.as_ref().is_none_or(|of| **of == *bytes));
}

/// Reads bytes as a file with an index, and as what is in one, and asserts what holds for any bytes: no panic, and that an index which is
/// read is written as the same index.
pub fn exercise_index(bytes: &[u8]) {
    let network = bytes.get(13..45).and_then(|net| net.try_into().ok());
    let network = NetworkId::from_bytes(network.unwrap_or_default());
    let read = unpack(bytes, network);
    let index = read
        .ok()
        .or_else(|| mycnet_consensus::core::Index::decode(bytes).ok());
    if let Some(index) = index
        && let Ok(packed) = pack(&index)
    {
        let again = unpack(&packed[..], index.net);
        assert_eq!(again.ok(), Some(index));
    }
}
