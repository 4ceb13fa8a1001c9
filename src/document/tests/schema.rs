//! The JSON views against their schemas.

use jsonschema::Validator;
use serde_json::{Value as Json, json};

use super::ledger::{after, seals};
use super::*;
use crate::document::OperationDocument;

fn validator(schema: &str) -> Validator {
    let schema: Json = serde_json::from_str(schema).unwrap();
    assert!(jsonschema::meta::is_valid(&schema), "the schema is not one");
    jsonschema::validator_for(&schema).unwrap()
}

fn operation_schema() -> Validator {
    validator(include_str!(
        "../../../schemas/operation-document.schema.json"
    ))
}

fn ledger_schema() -> Validator {
    validator(include_str!("../../../schemas/ledger-document.schema.json"))
}

fn assert_valid(validator: &Validator, view: &Json) {
    let errors: Vec<String> = validator
        .iter_errors(view)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:?} in {view:#}");
}

/// Replaces the value at a JSON pointer, or removes it, and expects the schema to refuse what results.
fn assert_broken(validator: &Validator, view: &Json, pointer: &str, value: Option<&Json>) {
    let mut broken = view.clone();
    let (parent, key) = pointer.rsplit_once('/').unwrap();
    let parent = broken.pointer_mut(parent).unwrap().as_object_mut().unwrap();
    match value {
        Some(value) => parent.insert(key.to_owned(), value.clone()),
        None => parent.remove(key),
    };
    assert_ne!(broken, *view, "{pointer} is as it was");
    assert!(
        !validator.is_valid(&broken),
        "{pointer}: {value:?} is accepted"
    );
}

#[test]
fn views_of_operations_are_valid() {
    let schema = operation_schema();
    for kind in every_kind() {
        let proposal = propose(&identity(0), kind, u64::MAX);
        let operation = OperationId::from(proposal.id());
        let mut records = vec![proposal];
        for ballot in [Ballot::Approve, Ballot::Abstain, Ballot::Result(vec![7])] {
            records.extend(vote(&identity(1), operation, ballot));
        }
        records.extend(vote(&identity(2), operation, Ballot::Result(vec![])));
        let results = Ballot::Results(vec![None, Some(vec![]), Some(vec![7; 64])]);
        records.extend(vote(&identity(3), operation, results));
        let view = OperationDocument::build(&records)
            .unwrap()
            .to_json()
            .unwrap();
        assert_valid(&schema, &view);
    }
    let view = OperationDocument::build(&objected())
        .unwrap()
        .to_json()
        .unwrap();
    assert_valid(&schema, &view);
}

#[test]
fn broken_views_of_operations_are_refused() {
    let schema = operation_schema();
    let view = OperationDocument::build(&decided(1))
        .unwrap()
        .to_json()
        .unwrap();
    let author = node(0).to_string();
    let commit = format!("/commits/{author}");
    let entry = view.pointer(&commit).unwrap();
    let cases = [
        ("/v".to_owned(), Some(json!(2))),
        ("/network".to_owned(), None),
        ("/network".to_owned(), Some(json!("07"))),
        ("/more".to_owned(), Some(json!(1))),
        ("/proposal/nonce".to_owned(), Some(json!(1))),
        ("/proposal/priority".to_owned(), Some(json!("urgent"))),
        ("/operation/claim".to_owned(), Some(json!({}))),
        (
            "/operation/security_policy_update/content".to_owned(),
            Some(json!("0")),
        ),
        ("/operation/security_policy_update".to_owned(), None),
        ("/commits/ada".to_owned(), Some(entry.clone())),
        (format!("{commit}/record"), None),
        (format!("{commit}/commitment"), Some(json!("0G"))),
        (commit.clone(), Some(json!({ "conflicts": [entry] }))),
        (format!("/reveals/{author}/ballot"), Some(json!("maybe"))),
        (
            format!("/reveals/{author}/ballot"),
            Some(json!({ "result": "0" })),
        ),
        (
            format!("/proofs/{}/size", entry["record"].as_str().unwrap()),
            Some(json!(0)),
        ),
        ("/heads".to_owned(), Some(json!([]))),
    ];
    for (pointer, value) in cases {
        assert_broken(&schema, &view, &pointer, value.as_ref());
    }
}

#[test]
fn views_of_ledgers_are_valid() {
    let (schema, seals) = (ledger_schema(), seals());
    for height in 0..=seals.len() {
        assert_valid(&schema, &after(&seals[..height]).to_json().unwrap());
    }
}

#[test]
fn broken_views_of_ledgers_are_refused() {
    let schema = ledger_schema();
    let view = after(&seals()).to_json().unwrap();
    let member = format!("/roster/{}", node(1));
    let operation = format!("/operations/{}", OperationId::from_bytes([1; 32]));
    let cases = [
        ("/height".to_owned(), Some(json!(0))),
        ("/height".to_owned(), Some(json!(1_u64 << 53))),
        ("/seal".to_owned(), None),
        ("/heads".to_owned(), Some(json!([]))),
        (format!("{member}/trust_ppm"), Some(json!(1_000_001))),
        (format!("{member}/trust_ppm"), Some(json!(0.5))),
        (format!("{member}/standing"), Some(json!("good"))),
        (format!("{member}/role"), None),
        (format!("{member}/name"), None),
        (format!("{member}/name"), Some(json!("Ada"))),
        (format!("{member}/skill_ppm"), None),
        (format!("{member}/skill_ppm"), Some(json!(1_000_001))),
        (format!("{member}/row"), Some(json!(-1))),
        ("/v".to_owned(), Some(json!(1))),
        ("/roster/ada".to_owned(), view.pointer(&member).cloned()),
        ("/params/absent_ppm".to_owned(), Some(json!(-1))),
        ("/config/service.mirror".to_owned(), Some(json!("xy"))),
        (format!("{operation}/kind"), Some(json!("party"))),
        (format!("{operation}/outcome"), Some(json!("approve"))),
        (format!("{operation}/result_bytes"), None),
    ];
    for (pointer, value) in cases {
        assert_broken(&schema, &view, &pointer, value.as_ref());
    }
    let founding = after(&[]).to_json().unwrap();
    assert_broken(&schema, &founding, "/seal", Some(&json!(node(0))));
}
