//! What the property tests are made of: damage to good bytes, CBOR of any shape, and statements with free contents.

use mycnet_consensus::internals::record::Statement;
use mycnet_consensus::{Ballot, ConsensusOperation, OperationId, Priority, SealId};
use proptest::prelude::*;
use proptest::sample::Index;

/// One way to damage bytes.
#[derive(Debug, Clone)]
pub(crate) enum Damage {
    Flip(Index, u8),
    Set(Index, u8),
    Truncate(Index),
    Extend(Vec<u8>),
    Insert(Index, Vec<u8>),
    Remove(Index, u8),
    /// The end is taken from another record.
    Splice(Index, Index, Index),
}

/// Any damage.
pub(crate) fn damage() -> impl Strategy<Value = Damage> {
    let some = || prop::collection::vec(any::<u8>(), 1..20);
    prop_oneof![
        4 => (any::<Index>(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        // Headers of CBOR that claim lengths, among them endless ones.
        4 => (any::<Index>(), prop_oneof![any::<u8>(), (0..8_u8, 24..32_u8).prop_map(|(m, l)| (m << 5) | l)])
            .prop_map(|(at, byte)| Damage::Set(at, byte)),
        1 => any::<Index>().prop_map(Damage::Truncate),
        1 => some().prop_map(Damage::Extend),
        2 => (any::<Index>(), some()).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        2 => (any::<Index>(), 1..40_u8).prop_map(|(at, length)| Damage::Remove(at, length)),
        2 => (any::<Index>(), any::<Index>(), any::<Index>())
            .prop_map(|(other, at, from)| Damage::Splice(other, at, from)),
    ]
}

/// Does the damage; `all` are the records that a splice takes from.
pub(crate) fn apply(damage: Damage, bytes: &mut Vec<u8>, all: &[Vec<u8>]) {
    if bytes.is_empty() {
        return;
    }
    match damage {
        Damage::Flip(at, bit) => *at.get_mut(bytes) ^= 1 << bit,
        Damage::Set(at, byte) => *at.get_mut(bytes) = byte,
        Damage::Truncate(at) => bytes.truncate(at.index(bytes.len())),
        Damage::Extend(more) => bytes.extend(more),
        Damage::Insert(at, more) => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, more);
        }
        Damage::Remove(at, length) => {
            let at = at.index(bytes.len());
            bytes.drain(at..(at + usize::from(length)).min(bytes.len()));
        }
        Damage::Splice(other, at, from) => {
            let other = other.get(all);
            bytes.truncate(at.index(bytes.len()));
            bytes.extend(&other[from.index(other.len())..]);
        }
    }
}

/// Bytes that are CBOR, of any shape.
pub(crate) fn cbor() -> impl Strategy<Value = Vec<u8>> {
    const NAMES: &[&str] = &[
        "body",
        "proof",
        "v",
        "net",
        "by",
        "what",
        "sig",
        "size",
        "index",
        "path",
        "propose",
        "commit",
        "operation",
        "members",
        "params",
        "name",
    ];
    let head = |major: u8, length: usize| match u8::try_from(length) {
        Ok(short @ 0..24) => vec![(major << 5) | short],
        Ok(byte) => vec![(major << 5) | 0x18, byte],
        Err(_) => unreachable!("nothing here is that long"),
    };
    let text = prop::sample::select(NAMES)
        .prop_map(move |name| [head(3, name.len()), name.as_bytes().to_vec()].concat());
    let leaf = prop_oneof![
        any::<u8>().prop_map(move |number| head(0, number.into())),
        prop::sample::select(vec![
            vec![0xf4],
            vec![0xf6],
            vec![0x20],
            vec![0xfb, 0, 0, 0, 0, 0, 0, 0, 0]
        ]),
        prop::sample::select(vec![0_usize, 1, 31, 32, 33, 64]).prop_map(move |length| [
            head(2, length),
            vec![7; length]
        ]
        .concat()),
        text.clone(),
    ];
    leaf.prop_recursive(5, 64, 6, move |inner| {
        let pair = (text.clone(), inner.clone()).prop_map(|(key, value)| [key, value].concat());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(move |items| [
                head(4, items.len()),
                items.concat()
            ]
            .concat()),
            prop::collection::vec(pair, 0..6).prop_map(move |items| [
                head(5, items.len()),
                items.concat()
            ]
            .concat()),
            inner.prop_map(|tagged| [vec![0xd8, 0x2a], tagged].concat()),
        ]
    })
}

/// Statements with free contents.
pub(crate) fn statement() -> impl Strategy<Value = Statement> {
    let payload = || prop::collection::vec(any::<u8>(), 0..200);
    let ballot = prop_oneof![
        Just(Ballot::Approve),
        Just(Ballot::Abstain),
        payload().prop_map(Ballot::Result),
    ];
    let operation = || any::<[u8; 32]>().prop_map(OperationId::from_bytes);
    prop_oneof![
        (operation(), any::<[u8; 32]>()).prop_map(|(operation, commitment)| Statement::Commit {
            operation,
            commitment: commitment.into(),
        }),
        (operation(), ballot, any::<[u8; 32]>()).prop_map(|(operation, ballot, salt)| {
            Statement::Reveal {
                operation,
                ballot,
                salt: salt.into(),
            }
        }),
        (operation(), ".{0,80}")
            .prop_map(|(operation, reason)| Statement::Objection { operation, reason }),
        (".{1,80}", payload(), any::<u64>(), any::<[u8; 32]>()).prop_map(
            |(task, details, nonce, last)| Statement::Propose {
                operation: ConsensusOperation::RoutineMaintenance { task, details },
                priority: Priority::Normal,
                last: SealId::from_bytes(last),
                nonce,
            }
        ),
    ]
}
