//! CBOR as a tree with every small change of it, so that tests meet each form in which a value could be written.

use super::super::head;

/// One item.
#[derive(Debug, Clone)]
pub(super) enum Item {
    /// Bytes that stand as they are.
    Raw(Vec<u8>),
    String(u8, Vec<u8>),
    Array(Vec<Item>),
    Map(Vec<(Item, Item)>),
}

impl Item {
    /// Reads the canonical bytes of one item.
    pub(super) fn read(mut bytes: &[u8]) -> Self {
        let item = Self::take(&mut bytes);
        assert!(bytes.is_empty(), "one item");
        item
    }

    fn take(rest: &mut &[u8]) -> Self {
        let start = *rest;
        let (major, number) = head::take(rest).unwrap();
        let count = usize::try_from(number).unwrap_or(0);
        match major {
            head::BYTES | head::TEXT => {
                let (content, tail) = rest.split_at(count);
                *rest = tail;
                Self::String(major, content.to_vec())
            }
            head::ARRAY => Self::Array((0..count).map(|_| Self::take(rest)).collect()),
            head::MAP => {
                let entries = (0..count).map(|_| (Self::take(rest), Self::take(rest)));
                Self::Map(entries.collect())
            }
            _ => Self::Raw(start[..start.len() - rest.len()].to_vec()),
        }
    }

    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        self.write(&mut bytes);
        bytes
    }

    fn write(&self, bytes: &mut Vec<u8>) {
        match self {
            Self::Raw(raw) => bytes.extend_from_slice(raw),
            Self::String(major, content) => {
                head::write(bytes, *major, content.len() as u64);
                bytes.extend_from_slice(content);
            }
            Self::Array(items) => {
                head::write(bytes, head::ARRAY, items.len() as u64);
                items.iter().for_each(|item| item.write(bytes));
            }
            Self::Map(entries) => {
                head::write(bytes, head::MAP, entries.len() as u64);
                for (name, value) in entries {
                    name.write(bytes);
                    value.write(bytes);
                }
            }
        }
    }

    /// The number of items in it, itself included.
    pub(super) fn count(&self) -> usize {
        1 + match self {
            Self::Raw(_) | Self::String(..) => 0,
            Self::Array(items) => items.iter().map(Self::count).sum(),
            Self::Map(entries) => {
                let counts = entries
                    .iter()
                    .map(|(name, value)| name.count() + value.count());
                counts.sum()
            }
        }
    }

    /// The item of this place, in the order in which they are written.
    pub(super) fn at(&mut self, place: usize) -> &mut Self {
        let Some(mut place) = place.checked_sub(1) else {
            return self;
        };
        let inner: Vec<&mut Self> = match self {
            Self::Raw(_) | Self::String(..) => Vec::new(),
            Self::Array(items) => items.iter_mut().collect(),
            Self::Map(entries) => entries.iter_mut().flat_map(|(a, b)| [a, b]).collect(),
        };
        for item in inner {
            let count = item.count();
            if place < count {
                return item.at(place);
            }
            place -= count;
        }
        unreachable!("the place is below the count")
    }

    /// Everything that this item could become by one change.
    pub(super) fn changes(&self) -> Vec<Self> {
        let bytes = self.bytes();
        if bytes.is_empty() {
            return vec![self.clone()];
        }
        let raw = |raw: &[u8]| Self::Raw(raw.to_vec());
        let mut changes = vec![
            Self::Raw(longer_head(&bytes)),
            Self::Raw([&b"\xd8\x2a"[..], &bytes].concat()),
            Self::Raw([&bytes[..], &bytes].concat()),
            Self::Raw([&bytes[..], b"\x00"].concat()),
            Self::Raw([&b"\xa1"[..], &bytes].concat()),
            Self::Raw([&b"\x81"[..], &bytes].concat()),
            Self::Map(vec![(self.clone(), raw(b"\xf6"))]),
            Self::Map(vec![(raw(b"\x61a"), self.clone())]),
            raw(&[bytes[0] ^ 0x20]),
            raw(&bytes[1..]),
            raw(&[]),
        ];
        // null, undefined, false, true, numbers, floats, empty strings, arrays and maps, and what ends an indefinite length.
        for other in [
            &b"\xf6"[..],
            b"\xf7",
            b"\xf4",
            b"\xf5",
            b"\x00",
            b"\x17",
            b"\x20",
            b"\x18\x18",
            b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xf9\x3c\x00",
            b"\xfb\x3f\xf0\0\0\0\0\0\0",
            b"\x40",
            b"\x60",
            b"\x80",
            b"\xa0",
            b"\xff",
            b"\x5f\xff",
            b"\x9f\xff",
            b"\xbf\xff",
        ] {
            changes.push(raw(other));
        }
        match self {
            Self::Raw(_) => {}
            Self::String(major, content) => {
                changes.push(Self::String(5 - major, content.clone()));
                let bytes = content.iter().map(|byte| {
                    let mut number = Vec::new();
                    head::write(&mut number, head::UNSIGNED, (*byte).into());
                    Self::Raw(number)
                });
                changes.push(Self::Array(bytes.collect()));
                changes.push(Self::String(*major, [&content[..], b"a"].concat()));
                changes.push(Self::String(*major, b"\xff".to_vec()));
                let chunks = [&[major << 5 | 0x1f][..], &self.bytes(), b"\xff"].concat();
                changes.push(Self::Raw(chunks));
            }
            Self::Array(items) => {
                changes.extend(rearranged(items).into_iter().map(Self::Array));
                let inner: Vec<u8> = items.iter().flat_map(Self::bytes).collect();
                changes.push(Self::Raw([&b"\x9f"[..], &inner, b"\xff"].concat()));
            }
            Self::Map(entries) => {
                changes.extend(rearranged(entries).into_iter().map(Self::Map));
                let inner: Vec<u8> = bytes[self.head_len()..].to_vec();
                changes.push(Self::Raw([&b"\xbf"[..], &inner, b"\xff"].concat()));
                changes.push(Self::Raw(inner));
                // As serde reads structs from some other formats.
                changes.push(Self::Array(
                    entries.iter().map(|(_, value)| value.clone()).collect(),
                ));
                let more = (raw(b"\x6eunknown field?"), raw(b"\x00"));
                changes.push(Self::Map([&entries[..], &[more]].concat()));
            }
        }
        changes
    }

    fn head_len(&self) -> usize {
        let bytes = self.bytes();
        let mut rest = &bytes[..];
        head::take(&mut rest).unwrap();
        bytes.len() - rest.len()
    }
}

/// Each element left out, twice, and in the place of the one before it.
fn rearranged<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    let mut all = Vec::new();
    for at in 0..items.len() {
        let mut fewer = items.to_vec();
        fewer.remove(at);
        all.push(fewer);
        let mut more = items.to_vec();
        more.insert(at, items[at].clone());
        all.push(more);
        if at > 0 {
            let mut swapped = items.to_vec();
            swapped.swap(at - 1, at);
            all.push(swapped);
        }
    }
    all
}

/// The same item with its number in more bytes than it needs.
fn longer_head(bytes: &[u8]) -> Vec<u8> {
    let (first, rest) = bytes.split_first().unwrap();
    let (width, short) = match first & 0x1f {
        short @ 0..24 => (0, Some(short)),
        24 => (1, None),
        25 => (2, None),
        26 => (4, None),
        _ => return bytes.to_vec(),
    };
    if rest.len() < width {
        return bytes.to_vec();
    }
    let width_now = if short.is_some() { 1 } else { 2 * width };
    let mut longer = vec![first & 0xe0 | [24, 25, 26, 27][usize::ilog2(width_now) as usize]];
    longer.resize(1 + width_now - width, 0);
    match short {
        Some(short) => longer[1] = short,
        None => longer.extend_from_slice(&rest[..width]),
    }
    longer.extend_from_slice(&rest[width..]);
    longer
}
