//! The ledger document.

use automerge::{Automerge, ROOT, ReadDoc as _};

use super::*;
use crate::document::{
    DocumentError, LedgerChange, LedgerDocument, OPERATIONS_KEPT, OperationDocument, OperationEntry,
};
use crate::members::roster::MemberLine;
use crate::members::trust::Standing;
use crate::statement::genesis::Genesis;
use crate::statement::operation::{Class, Outcome};

pub(super) fn genesis() -> Genesis {
    Genesis::builder("documents")
        .member(node(0), Spore::Primary)
        .member(node(1), Spore::Seed)
        .member(node(2), Spore::Latent)
        .nonce([5; 32])
        .time_ms(1_700_000_000_000)
        .build()
        .unwrap()
}

pub(super) fn seal(height: u64) -> LedgerChange {
    LedgerChange {
        height,
        time_ms: 1_700_000_000_000 + 1000 * height,
        seal: SealId::from_bytes([u8::try_from(height % 256).unwrap(); 32]),
        roster: vec![],
        params: vec![],
        config: vec![],
        operations: vec![],
    }
}

pub(super) fn line(index: usize, role: Spore, trust_ppm: u32, standing: Standing) -> MemberLine {
    MemberLine {
        role,
        name: MemberName::of_key(&node(index)),
        trust_ppm,
        skill_ppm: trust_ppm / 2,
        standing,
        row: 3,
    }
}

fn operation(phase: &'static str, outcome: Option<Outcome>) -> OperationEntry {
    OperationEntry {
        kind: "claim".into(),
        class: Class::Claim,
        phase: phase.into(),
        subject: "work unit 7".to_owned(),
        outcome,
    }
}

/// Four seals in which every list is used.
pub(super) fn seals() -> Vec<LedgerChange> {
    let id = |byte| OperationId::from_bytes([byte; 32]);
    let result = |length| Some(Outcome::Decided(Ballot::Result(vec![171; length])));
    vec![
        LedgerChange {
            roster: vec![(
                node(1),
                Some(line(1, Spore::Seed, 510_000, Standing::Active)),
            )],
            operations: vec![(id(1), operation("committing", None))],
            ..seal(1)
        },
        LedgerChange {
            roster: vec![
                (node(1), Some(line(1, Spore::Seed, 0, Standing::Banned))),
                (
                    node(3),
                    Some(line(3, Spore::Latent, 200_000, Standing::Probation)),
                ),
            ],
            config: vec![("policy.uploads".to_owned(), Some(vec![1, 255]))],
            operations: vec![(id(1), operation("closed", result(3)))],
            ..seal(2)
        },
        LedgerChange {
            roster: vec![(node(2), None), (node(4), None)],
            params: vec![("absent_ppm".to_owned(), 0)],
            config: vec![
                ("policy.uploads".to_owned(), None),
                ("service.mirror".to_owned(), Some(vec![])),
            ],
            operations: vec![
                (id(2), operation("closed", Some(Outcome::NoQuorum))),
                (id(3), operation("closed", result(1000))),
            ],
            ..seal(3)
        },
        seal(4),
    ]
}

pub(super) fn after(seals: &[LedgerChange]) -> LedgerDocument {
    let mut ledger = LedgerDocument::new(&genesis());
    for seal in seals {
        ledger.append(seal).unwrap();
    }
    ledger
}

/// Each seal is one change of the network's own actor, with the seal's height as its number, at time 0.
#[test]
fn a_seal_is_one_change() {
    let ledger = after(&seals());
    let changes = ledger.document.get_changes_meta(&[]);
    let heights: Vec<u64> = changes.iter().map(|change| change.seq).collect();
    assert_eq!(heights, [1, 2, 3, 4]);
    for change in changes {
        assert_eq!(change.actor.to_bytes(), genesis().network_id().as_bytes());
        assert_eq!((change.timestamp, change.message.as_deref()), (0, None));
    }
    assert_eq!((ledger.height(), ledger.heads().len()), (4, 1));
    assert_eq!(ledger.heads(), after(&seals()).heads());
}

#[test]
fn trust_and_roster_at_any_height() {
    let ledger = after(&seals());
    let loaded = LedgerDocument::load(&genesis(), &ledger.save()).unwrap();
    for ledger in [&ledger, &loaded] {
        for (by, expected) in [
            (0, [Some(500_000); 5]),
            (1, [Some(500_000), Some(510_000), Some(0), Some(0), Some(0)]),
            (2, [Some(500_000), Some(500_000), Some(500_000), None, None]),
            (3, [None, None, Some(200_000), Some(200_000), Some(200_000)]),
            (4, [None; 5]),
        ] {
            for (height, expected) in (0..).zip(expected) {
                let node = node(by);
                assert_eq!(
                    ledger.trust_at(&node, height).unwrap(),
                    expected,
                    "{by} at {height}"
                );
                let roster = ledger.roster_at(height).unwrap();
                assert_eq!(roster.get(&node).map(|entry| entry.trust_ppm), expected);
            }
        }
        let standings: Vec<_> = (0..4)
            .map(|height| ledger.roster_at(height).unwrap()[&node(1)].standing)
            .collect();
        assert_eq!(
            standings,
            [
                Standing::Active,
                Standing::Active,
                Standing::Banned,
                Standing::Banned
            ]
        );
        for error in [
            ledger.trust_at(&node(0), 5).unwrap_err(),
            ledger.roster_at(u64::MAX).unwrap_err(),
        ] {
            assert!(
                matches!(error, DocumentError::FutureHeight { at: 4, .. }),
                "{error}"
            );
        }
    }
}

/// It makes no difference whether the document was stored and opened between seals.
#[test]
fn storing_in_between_changes_nothing() {
    let seals = seals();
    let whole = after(&seals);
    for cut in 0..=seals.len() {
        let before = after(&seals[..cut]);
        let mut ledger = LedgerDocument::load(&genesis(), &before.save()).unwrap();
        assert_eq!(ledger.to_json().unwrap(), before.to_json().unwrap());
        for seal in &seals[cut..] {
            ledger.append(seal).unwrap();
        }
        assert_eq!(ledger.heads(), whole.heads(), "cut at {cut}");
        assert_eq!(
            ledger.to_json().unwrap(),
            whole.to_json().unwrap(),
            "cut at {cut}"
        );
    }
}

#[test]
fn who_adds_what_came_after_a_height_has_the_same() {
    let seals = seals();
    let all = after(&seals);
    for have in 0..=seals.len() {
        let mut copy = Automerge::load(&after(&seals[..have]).save()).unwrap();
        copy.load_incremental(&all.save_after(have as u64)).unwrap();
        assert_eq!(copy.save_nocompress(), all.save(), "after {have}");
    }
    let last = all.height();
    assert_eq!(
        (all.save_after(last), all.save_after(last + 1)),
        (vec![], vec![])
    );
}

/// Whoever follows a ledger over text has the same changes.
#[test]
fn changes_survive_as_text() {
    for seal in seals() {
        let text = serde_json::to_string(&seal).unwrap();
        let read: LedgerChange = serde_json::from_str(&text).unwrap();
        assert_eq!(read, seal, "{text}");
    }
}

#[test]
fn the_view_shows_what_counts_now() {
    let view = after(&seals()).to_json().unwrap();
    assert_eq!(view["height"], 4);
    assert_eq!(view["time_ms"], 1_700_000_004_000_u64);
    assert_eq!(view["params"]["absent_ppm"], 0);
    assert_eq!(view["params"]["withheld_ppm"], 80_000);
    assert_eq!(view["config"], serde_json::json!({ "service.mirror": "" }));
    let shown = |byte: u8| &view["operations"][OperationId::from_bytes([byte; 32]).to_string()];
    assert_eq!(shown(1)["result"], "ababab");
    assert_eq!(
        (&shown(1)["phase"], &shown(1)["height"]),
        (&"closed".into(), &2.into())
    );
    assert_eq!(shown(2)["outcome"], "no_quorum");
    assert_eq!(
        (&shown(3)["result"], &shown(3)["result_bytes"]),
        (&().into(), &1000.into())
    );
}

/// A seal that is refused leaves nothing behind, the first as any other.
#[test]
fn a_refused_seal_changes_nothing() {
    let too_large = |height| LedgerChange {
        roster: vec![(
            node(3),
            Some(line(3, Spore::Latent, 1, Standing::Probation)),
        )],
        operations: vec![(
            OperationId::from_bytes([8; 32]),
            operation("committing", None),
        )],
        params: vec![("absent_ppm".to_owned(), 1 << 53)],
        ..seal(height)
    };
    for done in [0, 2] {
        let mut ledger = after(&seals()[..done]);
        let before = (ledger.heads(), ledger.to_json().unwrap());
        let next = ledger.height() + 1;
        for height in [next - 1, next + 1, 1 << 40] {
            let error = ledger.append(&seal(height)).unwrap_err();
            assert!(
                matches!(error, DocumentError::WrongHeight { expected, .. } if expected == next)
            );
        }
        let error = ledger.append(&too_large(next)).unwrap_err();
        assert!(matches!(error, DocumentError::TooLarge { .. }), "{error}");
        assert_eq!((ledger.heads(), ledger.to_json().unwrap()), before);
        for seal in &seals()[done..] {
            ledger.append(seal).unwrap();
        }
        assert_eq!(ledger.heads(), after(&seals()).heads());
    }
}

#[test]
fn only_the_last_operations_are_shown() {
    let id = |number: u64| {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        OperationId::from_bytes(bytes)
    };
    let mut ledger = LedgerDocument::new(&genesis());
    let kept = OPERATIONS_KEPT as u64;
    let open = |ids: std::ops::Range<u64>, height| LedgerChange {
        operations: ids
            .map(|number| (id(number), operation("committing", None)))
            .collect(),
        ..seal(height)
    };
    // More than the document shows in one seal, then one that was dropped, one that was kept, and a new one.
    ledger.append(&open(0..kept + 10, 1)).unwrap();
    let mut ledger = LedgerDocument::load(&genesis(), &ledger.save()).unwrap();
    ledger.append(&open(9..11, 2)).unwrap();
    ledger.append(&open(kept + 10..kept + 11, 3)).unwrap();
    let view = ledger.to_json().unwrap();
    let shown = view["operations"].as_object().unwrap();
    assert_eq!(shown.len(), OPERATIONS_KEPT);
    let is_shown = |number| shown.contains_key(&id(number).to_string());
    let expected = [
        (8, false),
        (9, true),
        (10, true),
        (11, false),
        (12, false),
        (13, true),
        (kept + 10, true),
    ];
    for (number, expected) in expected {
        assert_eq!(is_shown(number), expected, "{number}");
    }
}

/// A value that stays is not written again: a seal that changes one score costs one operation beside the seal's own three.
#[test]
fn the_cost_follows_what_changed() {
    let mut ledger = after(&seals()[..1]);
    let change = LedgerChange {
        roster: vec![(
            node(1),
            Some(MemberLine {
                trust_ppm: 520_000,
                ..line(1, Spore::Seed, 510_000, Standing::Active)
            }),
        )],
        ..seal(2)
    };
    ledger.append(&change).unwrap();
    let changes = ledger.document.get_changes_meta(&[]);
    let last = changes.last().unwrap();
    assert_eq!(last.max_op + 1 - last.start_op, 4);
}

#[test]
fn what_is_no_ledger_document_is_refused() {
    let ledger = after(&seals());
    let other = Genesis::builder("other")
        .member(node(0), Spore::Latent)
        .build()
        .unwrap();
    let error = LedgerDocument::load(&other, &ledger.save()).unwrap_err();
    assert!(matches!(error, DocumentError::OtherNetwork(_)), "{error}");
    let operation = OperationDocument::build(&decided(1)).unwrap();
    assert!(LedgerDocument::load(&genesis(), &operation.save()).is_err());
    assert!(LedgerDocument::load(&genesis(), b"no document").is_err());
    let mut spoilt = after(&seals());
    change_by(&mut spoilt, 1);
    let error = LedgerDocument::load(&genesis(), &spoilt.save()).unwrap_err();
    assert!(matches!(error, DocumentError::NotCanonical), "{error}");
    let mut spoilt = after(&seals());
    change_by(&mut spoilt, 0);
    let error = LedgerDocument::load(&genesis(), &spoilt.save()).unwrap_err();
    assert!(matches!(error, DocumentError::NotCanonical), "{error}");
}

/// A change that is no seal, with this time.
fn change_by(ledger: &mut LedgerDocument, time: i64) {
    use automerge::transaction::{CommitOptions, Transactable as _};
    let (_, roster) = ledger.document.get(ROOT, "roster").unwrap().unwrap();
    let mut transaction = ledger.document.transaction();
    transaction.delete(&roster, node(1).to_string()).unwrap();
    transaction.commit_with(CommitOptions::default().with_time(time));
}
