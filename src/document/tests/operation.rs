//! Documents of operations: the named properties, and that each check fires when the rule is broken.

use automerge::transaction::{CommitOptions, Transactable as _};
use automerge::{ActorId, Automerge, Change, ObjType, ROOT, ReadDoc as _};

use super::*;
use crate::document::tree::{Place, Tree};
use crate::document::{DocumentError, OperationDocument};
use crate::statement::claim_rule::ClaimRule;
use crate::statement::record::{Record, sign_batch};

fn by_id(records: &[Verified]) -> Vec<Record> {
    let mut sorted = records.to_vec();
    sorted.sort_by_key(Verified::id);
    sorted
        .iter()
        .map(|record| record.record().clone())
        .collect()
}

/// Two replicas with the same records build documents with equal heads, in whatever order the records came.
/// Rules: D2, property D-same.
#[test]
fn d_same() {
    for mut records in [decided(4), objected()] {
        let document = OperationDocument::build(&records).unwrap();
        records.reverse();
        records.push(records[1].clone());
        let other = OperationDocument::build(&records).unwrap();
        assert_eq!(document.heads(), other.heads());
        assert_eq!(document.digest(), other.digest());
        records.truncate(records.len() - 2);
        if let Ok(fewer) = OperationDocument::build(&records) {
            assert_ne!(document.heads(), fewer.heads());
        }
    }
}

/// Equivocation shows as Automerge's own conflict at the author's key, and survives storage.
/// Rules: D3, property D-two.
#[test]
fn d_two() {
    let mut records = decided(2);
    let operation = OperationId::from(records[0].id());
    records.extend(vote(&identity(1), operation, Ballot::Reject));
    let document = OperationDocument::build(&records).unwrap();
    let document = OperationDocument::load(&document.save()).unwrap();
    let inner = &document.document;
    let (_, commits) = inner.get(ROOT, "commits").unwrap().unwrap();
    let count = |by| inner.get_all(&commits, node(by).to_string()).unwrap().len();
    assert_eq!((count(0), count(1)), (1, 2));
    let view = document.to_json().unwrap();
    let shown = |by| &view["commits"][node(by).to_string()];
    assert_eq!(shown(1)["conflicts"].as_array().unwrap().len(), 2);
    assert_eq!(shown(0)["record"], records[1].id().to_string());
    assert_eq!(document.records().unwrap(), by_id(&records));
}

/// The check of `d_two` would notice if the second commit replaced the first instead of standing beside it.
#[test]
fn d_two_fires() {
    let records = decided(1);
    let mut document = OperationDocument::build(&records).unwrap();
    let key = node(0).to_string();
    let again = Tree::map([("commitment", Tree::from(&[1; 32]))]);
    change(&mut document.document, |transaction| {
        let (_, commits) = transaction.get(ROOT, "commits").unwrap().unwrap();
        again.put(transaction, &commits, Place::Key(&key)).unwrap();
    });
    let inner = &document.document;
    let (_, commits) = inner.get(ROOT, "commits").unwrap().unwrap();
    assert_eq!(inner.get_all(&commits, key).unwrap().len(), 1);
}

#[test]
fn every_kind_of_record_reads_back() {
    let kinds = every_kind().into_iter();
    let mut sets: Vec<Vec<Verified>> = kinds
        .zip([0, 1, 1 << 53, u64::MAX].into_iter().cycle())
        .map(|(kind, nonce)| {
            let proposal = propose(&identity(0), kind, nonce);
            let operation = OperationId::from(proposal.id());
            let mut records = vec![proposal];
            let ballots = [
                Ballot::Abstain,
                Ballot::Result(vec![]),
                Ballot::Result(vec![0, 255]),
                Ballot::Results(vec![Some(vec![0, 255]), None, Some(vec![])]),
            ];
            for (index, ballot) in ballots.into_iter().enumerate() {
                records.extend(vote(&identity(index), operation, ballot));
            }
            records
        })
        .collect();
    sets.push(objected());
    for records in sets {
        let document = OperationDocument::build(&records).unwrap();
        let loaded = OperationDocument::load(&document.save()).unwrap();
        assert_eq!(loaded.operation_id(), document.operation_id());
        assert_eq!(loaded.heads(), document.heads());
        assert_eq!(loaded.records().unwrap(), by_id(&records));
        loaded.check().unwrap();
    }
}

/// A document of some records and one of others merge into the document of all.
#[test]
fn parts_merge_into_the_whole() {
    let mut records = decided(4);
    let operation = OperationId::from(records[0].id());
    records.extend(vote(&identity(2), operation, Ballot::Reject));
    let whole = OperationDocument::build(&records).unwrap();
    let one = OperationDocument::build(&records[..5]).unwrap();
    let others: Vec<Verified> = [&records[..1], &records[5..]].concat();
    let other = OperationDocument::build(&others).unwrap();
    let mut merged = one.clone();
    let mut from = other.document.clone();
    merged.document.merge(&mut from).unwrap();
    assert_eq!(merged.heads(), whole.heads());
    merged.check().unwrap();
}

/// Of two proofs of one body the smaller is kept, whichever came first.
#[test]
fn two_proofs_of_one_body() {
    let mut records = decided(1);
    let statement = records[1].statement().clone();
    let filler = Statement::Rejoin {
        nonce: crate::base::digest::Digest::default(),
    };
    let batch = sign_batch(&identity(0), net(), vec![statement, filler]).unwrap();
    assert_eq!(batch[0].id(), records[1].id());
    let alone = OperationDocument::build(&records).unwrap();
    let replaced = [&records[..1], &batch[..1], &records[2..]].concat();
    let batched = OperationDocument::build(&replaced).unwrap();
    assert_ne!(alone.heads(), batched.heads());
    records.push(batch[0].clone());
    let both = OperationDocument::build(&records).unwrap();
    records.swap(1, 3);
    let swapped = OperationDocument::build(&records).unwrap();
    assert_eq!(both.heads(), swapped.heads());
    assert!([alone.heads(), batched.heads()].contains(&both.heads()));
    // Documents with different proofs merge too, and still read as one record each.
    let mut merged = alone.clone();
    merged
        .document
        .merge(&mut batched.document.clone())
        .unwrap();
    assert_eq!(merged.records().unwrap(), both.records().unwrap());
}

#[test]
fn records_of_something_else_are_refused() {
    let records = decided(2);
    let rejoin = Statement::Rejoin {
        nonce: crate::base::digest::Digest::default(),
    };
    let elsewhere = Statement::Directive {
        operation: OperationId::from_bytes([1; 32]),
        approve: true,
    };
    let here = Statement::Directive {
        operation: OperationId::from(records[0].id()),
        approve: true,
    };
    let other_net = sign(&identity(0), NetworkId::from_bytes([8; 32]), here).unwrap();
    let foreign = [
        signed(&identity(0), rejoin),
        signed(&identity(0), elsewhere),
        other_net,
        propose(&identity(0), policy(), 1),
    ];
    for record in foreign {
        let error = OperationDocument::build(&[&records[..], &[record]].concat()).unwrap_err();
        assert!(matches!(error, DocumentError::Foreign(_)), "{error}");
    }
    let error = OperationDocument::build(&records[1..]).unwrap_err();
    assert!(matches!(error, DocumentError::MissingProposal), "{error}");
    let without_commit = [&records[..1], &records[2..]].concat();
    let error = OperationDocument::build(&without_commit).unwrap_err();
    assert!(
        matches!(error, DocumentError::OpensNothing(id) if id == records[2].id()),
        "{error}"
    );
}

/// The canonical change of a record is the one that Automerge's own transaction makes on its dependencies.
/// Rules: D2.
#[test]
fn a_change_is_what_a_transaction_makes() {
    let mut panel = vec![node(1), node(2), node(3)];
    panel.sort();
    let claim = ConsensusOperation::Claim {
        subject: "unit".to_owned(),
        input: vec![1],
        panel: Some(panel),
        rule: ClaimRule::MAJORITY,
    };
    let proposal = propose(&identity(0), claim, 1);
    let [commit, reveal] = vote(
        &identity(1),
        OperationId::from(proposal.id()),
        Ballot::Result(vec![4, 2]),
    );
    let records = [proposal, commit, reveal];
    let built = OperationDocument::build(&records).unwrap();
    let mut document = Automerge::new();
    for (index, record) in records.iter().enumerate() {
        document.set_actor(actor(record.id().as_bytes()));
        let made = change(&mut document, |transaction| {
            if index == 0 {
                let (fields, operation) =
                    super::super::entry::proposal_fields(record.body()).unwrap();
                transaction.put(ROOT, "v", 1_i64).unwrap();
                transaction
                    .put(ROOT, "network", net().as_bytes().to_vec())
                    .unwrap();
                fields
                    .put(transaction, &ROOT, Place::Key("proposal"))
                    .unwrap();
                operation
                    .put(transaction, &ROOT, Place::Key("operation"))
                    .unwrap();
                let maps = [
                    "commits",
                    "reveals",
                    "directives",
                    "objections",
                    "resolutions",
                    "proofs",
                ];
                for map in maps {
                    transaction.put_object(ROOT, map, ObjType::Map).unwrap();
                }
                return;
            }
            let (map, fields) = super::super::entry::entry_of(record.statement()).unwrap();
            let (_, map) = transaction.get(ROOT, map).unwrap().unwrap();
            let author = record.author().to_string();
            fields.put(transaction, &map, Place::Key(&author)).unwrap();
        });
        let ours = built.document.get_change_by_hash(&made.hash());
        assert_eq!(
            ours.map(|change| change.raw_bytes().to_vec()),
            Some(made.raw_bytes().to_vec())
        );
    }
}

fn actor(bytes: &[u8; 32]) -> ActorId {
    ActorId::from(&bytes[..])
}

fn change(
    document: &mut Automerge,
    write: impl FnOnce(&mut automerge::transaction::Transaction<'_>),
) -> Change {
    let mut transaction = document.transaction();
    write(&mut transaction);
    transaction.commit_with(CommitOptions::default().with_time(0));
    document.get_last_local_change().unwrap()
}

/// Gives a change another actor, in what its operations refer to as well.
fn rename(change: &mut automerge::ExpandedChange, actor: ActorId) {
    use automerge::legacy::{ObjectId, OpId};
    for operation in &mut change.operations {
        if let ObjectId::Id(OpId(_, of)) = &mut operation.obj
            && *of == change.actor_id
        {
            *of = actor.clone();
        }
    }
    change.actor_id = actor;
}

/// The same records under another actor or with another time are other heads: what `d_same` compares would notice.
#[test]
fn d_same_fires() {
    let records = decided(1);
    let built = OperationDocument::build(&records).unwrap();
    let changes = built.document.get_changes(&[]);
    let spoil: [fn(&mut automerge::ExpandedChange); 3] = [
        |change| change.time = 1,
        |change| change.message = Some("hello".to_owned()),
        |change| rename(change, ActorId::from(&[3; 32][..])),
    ];
    for (index, spoil) in spoil.into_iter().enumerate() {
        // The last change, a proof or what a proof follows, is not a dependency of any other.
        let mut last = changes.last().unwrap().decode();
        spoil(&mut last);
        let mut document = Automerge::new();
        let kept = changes[..changes.len() - 1].iter().cloned();
        document
            .apply_changes(kept.chain([Change::from(last)]).collect::<Vec<_>>())
            .unwrap();
        let spoilt = OperationDocument {
            id: built.id,
            document,
        };
        assert_ne!(spoilt.heads(), built.heads(), "case {index}");
        // The records still read well; that the document is not theirs is what `check` finds.
        assert_eq!(
            spoilt.records().unwrap(),
            built.records().unwrap(),
            "case {index}"
        );
        let error = spoilt.check().unwrap_err();
        assert!(
            matches!(error, DocumentError::NotCanonical),
            "case {index}: {error}"
        );
    }
}

/// A field that was changed in the stored document is noticed when the records are read back.
#[test]
fn a_tampered_field_is_noticed() {
    let [author, stranger] = [node(0), node(5)].map(|node| node.to_string());
    let proof = decided(1)[1].id().to_string();
    let cases: [(&[&str], Option<Tree>); 12] = [
        (
            &["commits", &author, "commitment"],
            Some(Tree::from(&[1; 32])),
        ),
        (
            &["commits", &author, "commitment"],
            Some(Tree::from("text")),
        ),
        (&["commits", &author, "commitment"], None),
        (&["commits", &author, "more"], Some(Tree::Null)),
        (
            &["commits", &stranger],
            Some(Tree::map([("commitment", Tree::from(&[1; 32]))])),
        ),
        (&["reveals", &author, "ballot"], Some(Tree::from("reject"))),
        (
            &["operation", "security_policy_update", "content"],
            Some(Tree::Bytes(vec![])),
        ),
        (&["proposal", "nonce"], Some(Tree::from("1"))),
        (&["proposal", "by"], Some(Tree::from(node(3).as_bytes()))),
        (&["network"], Some(Tree::from(&[1; 32]))),
        (&["v"], Some(Tree::from(2))),
        (&["proofs", &proof], None),
    ];
    for (path, value) in cases {
        let mut document = OperationDocument::build(&decided(1)).unwrap();
        document.document.set_actor(actor(&[3; 32]));
        change(&mut document.document, |transaction| {
            let (key, maps) = path.split_last().unwrap();
            let mut object = ROOT;
            for map in maps {
                object = transaction.get(&object, *map).unwrap().unwrap().1;
            }
            match value {
                Some(value) => value.put(transaction, &object, Place::Key(key)).unwrap(),
                None => transaction.delete(&object, *key).unwrap(),
            }
        });
        let document = OperationDocument::load(&document.save()).unwrap();
        let error = document.records().unwrap_err();
        let expected = matches!(
            error,
            DocumentError::WrongId { .. } | DocumentError::Unreadable { .. }
        );
        assert!(expected, "{path:?}: {error}");
        assert!(document.check().is_err(), "{path:?}");
    }
}

#[test]
fn what_is_no_document_is_refused() {
    assert!(OperationDocument::load(b"").is_err());
    assert!(OperationDocument::load(b"no document").is_err());
    assert!(OperationDocument::load(&Automerge::new().save()).is_err());
}
