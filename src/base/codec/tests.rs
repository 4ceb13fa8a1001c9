//! The judge of the codec is the way in which the crate read before: decode with `serde_ipld_dagcbor`, encode the value
//! with it again, and compare.

mod item;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::LazyLock;

use proptest::prelude::*;
use proptest::sample::Index;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;
use serde_json::Value as Json;

use self::item::Item;
use super::*;
use crate::base::digest::{RecordId, SealId};
use crate::exchange::bundle::{End, Header, Proposal};
use crate::exchange::message::Message;
use crate::statement::genesis::Genesis;
use crate::statement::record::{Record, Signed};
use crate::statement::seal::{SealedBlock, SignedBlock};

/// Reads a value in one way; `None` if it is refused.
pub(crate) type Way<T> = fn(&[u8]) -> Option<T>;

fn judge<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    let value: T = serde_ipld_dagcbor::from_slice(bytes).ok()?;
    let encoded = serde_ipld_dagcbor::to_vec(&value).unwrap();
    (encoded == bytes).then_some(value)
}

pub(crate) fn strict<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    decode(bytes, usize::MAX).ok()
}

pub(crate) fn compared<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    decode_compared(bytes, usize::MAX).ok()
}

/// Compares both ways on a value, and on every small change of its encoding.
pub(crate) fn every_change<T>(value: &T, ours: Way<T>)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let good = serde_ipld_dagcbor::to_vec(value).unwrap();
    assert_eq!(encode(value), good, "one encoding");
    assert_eq!(ours(&good).as_ref(), Some(value));
    every_change_of(&good, ours, judge);
}

/// Compares both ways on each change of each item, a change of each of the first bytes, and some beginnings.
fn every_change_of<T: PartialEq + Debug>(good: &[u8], ours: Way<T>, judge: Way<T>) {
    let mut refused = 0;
    let mut compare = |bytes: &[u8]| {
        let (ours, right) = (ours(bytes), judge(bytes));
        assert_eq!(ours, right, "{}", hex::encode(bytes));
        refused += usize::from(right.is_none());
    };
    let mut tree = Item::read(good);
    for place in 0..tree.count() {
        for change in tree.at(place).clone().changes() {
            let mut changed = tree.clone();
            *changed.at(place) = change;
            compare(&changed.bytes());
        }
    }
    for at in 0..good.len().min(600) {
        let mut changed = good.to_vec();
        changed[at] ^= 1 << (at % 8);
        compare(&changed);
    }
    for length in (0..good.len()).step_by(7) {
        compare(&good[..length]);
    }
    assert!(refused > 10, "the changes change something");
}

/// Every form that serde has for a type.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Forms {
    zero: u8,
    negative: i64,
    lowest: i64,
    largest: u64,
    small: (i8, i16, i32, u16, u32, bool),
    unit: (),
    letter: char,
    some: Option<u8>,
    none: Option<u8>,
    text: String,
    bytes: ByteBuf,
    list: Vec<Form>,
    /// Names in an order that the encoding does not have.
    map: BTreeMap<String, Vec<u8>>,
    a_field_with_a_name_of_more_than_23_bytes: NewType,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct NewType(Vec<Option<bool>>);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Form {
    Alone,
    New(u8),
    NewOption(Option<u8>),
    Tuple(u8, String),
    Fields { long: u8, a: Option<Box<Form>> },
}

fn forms() -> Forms {
    let inner = Form::Fields {
        long: 1,
        a: Some(Box::new(Form::Alone)),
    };
    Forms {
        zero: 0,
        negative: -1,
        lowest: i64::MIN,
        largest: u64::MAX,
        small: (-128, -129, i32::MIN, 256, 65_536, true),
        unit: (),
        letter: 'ä',
        some: Some(24),
        none: None,
        text: "x".repeat(24),
        bytes: ByteBuf::from(vec![0; 300]),
        list: vec![
            Form::Alone,
            Form::New(255),
            Form::NewOption(None),
            Form::NewOption(Some(1)),
            Form::Tuple(1, String::new()),
            inner,
        ],
        map: ["b", "a", "aa", "B", ""]
            .map(|name| (name.to_owned(), vec![1]))
            .into(),
        a_field_with_a_name_of_more_than_23_bytes: NewType(vec![None, Some(false)]),
    }
}

/// Fields that may be left out, and a set: for [`decode_compared`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Loose {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    left_out: Option<u8>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    there: Option<u8>,
    set: BTreeSet<u8>,
}

#[test]
fn every_form_is_read_and_written_as_by_the_judge() {
    every_change(&forms(), strict);
    every_change(&forms(), compared);
    every_change(&(7_u64, "text".to_owned()), strict);
    let loose = Loose {
        left_out: None,
        there: Some(1),
        set: [1, 2, 200].into(),
    };
    every_change(&loose, compared);
}

/// What [`decode_compared`] is for: without the comparison, one value would have several encodings.
#[test]
fn a_loose_value_would_have_two_encodings() {
    for other in [
        // A set in another order, and a field that is left out as null.
        &b"\xa2\x63set\x82\x02\x01\x65there\x01"[..],
        b"\xa2\x63set\x80\x65there\xf6",
    ] {
        assert!(decode_unchecked::<Loose>(other, 64).is_ok());
        let compared = decode_compared::<Loose>(other, 64);
        assert_eq!(compared, Err(CodecError::NotCanonical));
    }
}

/// The frozen encodings: bytes that no code of this build made.
fn frozen<T: DeserializeOwned>(what: &str) -> Vec<T> {
    let file = include_str!("../../../tests/data/encodings.json");
    let file: BTreeMap<String, Json> = serde_json::from_str(file).unwrap();
    let wanted = file.iter().filter(|(name, _)| name.starts_with(what));
    let values = wanted.map(|(_, frozen)| {
        let bytes = hex::decode(frozen["bytes"].as_str().unwrap()).unwrap();
        serde_ipld_dagcbor::from_slice(&bytes).unwrap()
    });
    let values: Vec<T> = values.collect();
    assert!(!values.is_empty(), "{what}");
    values
}

// Which of several faults is named first is not compared: the judge knows the whole form before anything else is checked.

fn signed(bytes: &[u8]) -> Option<Record> {
    let signed = Signed::decode(bytes).ok()?;
    Some(signed.record().clone())
}

fn judged_signed(bytes: &[u8]) -> Option<Record> {
    let signed = Signed::try_from(judge::<Record>(bytes)?).ok()?;
    Some(signed.record().clone())
}

fn signed_block(bytes: &[u8]) -> Option<SealedBlock> {
    SignedBlock::decode(bytes, usize::MAX).ok().map(whole)
}

fn judged_block(bytes: &[u8]) -> Option<SealedBlock> {
    let block: SealedBlock = judge(bytes)?;
    SignedBlock::try_from(block).ok().map(whole)
}

fn whole(block: SignedBlock) -> SealedBlock {
    let records = block.records.iter().map(|it| it.record().clone());
    SealedBlock {
        seal: block.seal,
        records: records.collect(),
        certificate: block.certificate,
    }
}

#[test]
fn records_and_blocks_are_read_as_by_the_judge() {
    for record in frozen::<Record>("record: ") {
        let good = encode(&record);
        assert_eq!(signed(&good), Some(record));
        every_change_of(&good, signed, judged_signed);
    }
    for block in frozen::<SealedBlock>("sealed block") {
        every_change(&block, strict);
        every_change_of(&encode(&block), signed_block, judged_block);
    }
    for genesis in frozen::<Genesis>("genesis") {
        every_change(&genesis, compared);
    }
}

fn messages() -> [Message; 10] {
    let ids = [1, 2].map(|byte| RecordId::from_bytes([byte; 32]));
    let seal = SealId::from_bytes([3; 32]);
    let parts = || vec![ByteBuf::from(vec![1; 30]), ByteBuf::new()];
    let (height, session, round) = (70_000, 300, 0);
    [
        Message::Status { height, seal },
        Message::Records(parts()),
        Message::Proposal {
            record: parts().remove(0),
            list: ids.to_vec(),
        },
        Message::Reconcile {
            height,
            seal,
            session,
            round,
            ranges: ByteBuf::new(),
        },
        Message::Reconciled {
            session,
            round,
            ranges: ByteBuf::from([1]),
        },
        Message::Want(ids.to_vec()),
        Message::Offer(Vec::new()),
        Message::Repeated(ids.to_vec()),
        Message::AskBlocks { from: height },
        Message::Blocks(parts()),
    ]
}

#[test]
fn messages_and_bundles_are_read_as_by_the_judge() {
    for message in messages() {
        every_change(&message, strict);
    }
    let (net, seal, digest) = Default::default();
    let header = Header {
        net,
        from: 1,
        height: 24,
        seal,
    };
    every_change(&header, strict);
    every_change(&End { parts: 24, digest }, strict);
    let proposal = Proposal {
        record: ByteBuf::from([1; 24]),
        list: vec![RecordId::default()],
    };
    every_change(&proposal, strict);
}

static RECORDS: LazyLock<Vec<Record>> = LazyLock::new(|| frozen("record: "));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    /// Several changes of one value, of which some may undo what others did.
    #[test]
    fn changed_values_are_read_as_by_the_judge(
        which in any::<Index>(),
        changes in prop::collection::vec((any::<Index>(), any::<Index>()), 1..4),
    ) {
        let mut tree = Item::read(&encode(which.get(&RECORDS)));
        for (place, change) in changes {
            let place = place.index(tree.count());
            let at = tree.at(place);
            let all = at.changes();
            *at = change.get(&all).clone();
        }
        let bytes = tree.bytes();
        prop_assert_eq!(signed(&bytes), judged_signed(&bytes), "{}", hex::encode(&bytes));
    }
}

#[test]
fn only_the_canonical_form_is_accepted() {
    let cases: [(&str, &[u8], bool); 5] = [
        ("seven", &[0x07], true),
        ("seven in two bytes", &[0x18, 0x07], false),
        ("seven and a trailing byte", &[0x07, 0x00], false),
        ("a float", &[0xf9, 0x47, 0x00], false),
        ("nothing", &[], false),
    ];
    for (name, bytes, accepted) in cases {
        assert_eq!(decode::<u64>(bytes, 16).is_ok(), accepted, "{name}");
    }
}

#[test]
fn the_length_is_judged_first() {
    let (length, limit) = (17, 16);
    let too_long = CodecError::TooLong { length, limit };
    assert_eq!(decode::<u64>(&[0; 17], 16), Err(too_long));
}

/// A type that nests without end, as no type of the crate that peers send does.
#[test]
fn deep_nesting_is_refused() {
    #[derive(Debug, Serialize, Deserialize)]
    struct Deep(Vec<Deep>);

    let deep = |levels: usize| [vec![0x81; levels], vec![0x80]].concat();
    assert!(decode::<Deep>(&deep(100), usize::MAX).is_ok());
    assert!(decode::<Deep>(&deep(1_000_000), usize::MAX).is_err());
}

#[test]
fn a_length_reserves_no_more_than_what_is_there() {
    let head = [0x9b, 0, 0, 0, 1, 0, 0, 0, 0];
    assert!(decode::<Vec<u64>>(&head, 16).is_err());
}
