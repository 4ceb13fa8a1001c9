//! What readers get, whoever is stopped in between.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Directory, MOTD, id_of};
use crate::publisher::Publisher;
use crate::reader::Reader;

/// The description that programs read.
fn schema() -> jsonschema::Validator {
    let schema = include_str!("../../../schemas/published-document.schema.json");
    let schema = serde_json::from_str(schema).unwrap();
    assert!(jsonschema::meta::is_valid(&schema), "the schema is one");
    jsonschema::validator_for(&schema).unwrap()
}

fn assert_fits(content: &Value) {
    let schema = schema();
    let errors: Vec<String> = schema
        .iter_errors(content)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(errors.is_empty(), "{errors:#?} in {content:#}");
}

#[test]
fn a_reader_sees_an_operation_open_and_close() {
    let directory = Directory::new();
    let node = directory.alone();
    let _running = node.start(&[]);
    let mut publisher = Publisher::start(&node, &[]);
    let url = publisher.url();
    let mut reader = Reader::connect(&publisher.address, &url);
    let begun = reader.until("it says the network", |it| it["v"] == 1);
    assert_fits(&begun);
    assert_eq!(begun["network"], node.json(&["status"])["network"]);
    assert_eq!(begun["members"][node.id()]["name"], "ada");

    let proposed = node.json(&[&MOTD[..], &["--ballot", "none"]].concat());
    let id = id_of(&proposed);
    let open = reader.until("the operation is open", |it| !it["open"][&id].is_null());
    assert_fits(&open);
    let operation = &open["open"][&id];
    assert_eq!(operation["kind"], "network_configuration");
    assert_eq!(operation["proposer"], node.id());
    assert!(operation["window"]["due_ms"].is_u64(), "{operation:#}");
    assert_eq!(operation["votes"], serde_json::json!({}));

    node.json(&["vote", &id, "approve"]);
    let closed = reader.until("the operation is closed", |it| !it["closed"][&id].is_null());
    assert_fits(&closed);
    assert_eq!(closed["open"], serde_json::json!({}));
    assert_eq!(closed["closed"][&id]["outcome"]["decided"], "approve");
    let status = node.json(&["status"]);
    let last = reader.until("the newest seal", |it| it["height"] == status["height"]);
    assert_eq!(last["seal"], status["seal"]);
    assert_eq!(last["time_ms"], status["seal_ms"]);
    reader.until("the score that follows from it", |it| {
        it["members"][node.id()]["trust_ppm"] == 510_000
    });
    // Who has a part gets only the rest: no message has the whole document again.
    let mut second = Reader::connect_with(&publisher.address, &url, reader.document.fork());
    while second.take(Duration::from_millis(500)) {}
    assert_eq!(second.document.get_heads(), reader.document.get_heads());
    publisher.stop();
}

#[test]
fn who_has_voted_is_shown_and_no_ballot_before_its_reveal() {
    let directory = Directory::new();
    let (nodes, genesis) = directory.federation(["ada", "bob"], ["primary", "seed"]);
    let [ada, bob] = &nodes;
    ada.json(&["join", &genesis]);
    let running = ada.start(&[]);
    bob.json(&["join", running.ticket()]);
    let _other = bob.start(&[]);
    let mut publisher = Publisher::start(ada, &[]);
    let url = publisher.url();
    let mut reader = Reader::connect(&publisher.address, &url);
    let id = id_of(&ada.json(&MOTD));
    let open = reader.until("a vote is known", |it| {
        !it["open"][&id]["votes"][ada.id()].is_null()
    });
    assert_fits(&open);
    let operation = &open["open"][&id];
    assert_eq!(
        operation["votes"],
        serde_json::json!({ ada.id(): { "weight": 1 } })
    );
    assert_eq!(
        (&operation["electors"], &operation["total_weight"]),
        (&2.into(), &2.into())
    );
    bob.once_known(&id, &["vote", &id, "reject"]);
    let closed = reader.until("it is closed", |it| !it["closed"][&id].is_null());
    assert_fits(&closed);
    assert_eq!(closed["closed"][&id]["outcome"], "no_quorum");
    publisher.stop();
}

#[test]
fn node_and_publisher_are_stopped_in_any_order() {
    let directory = Directory::new();
    let node = directory.alone();
    let running = node.start(&[]);
    let mut publisher = Publisher::start(&node, &[]);
    let url = publisher.url();
    let decide = |value: &str| {
        let mut propose = MOTD;
        propose[5] = value;
        id_of(&node.json(&propose))
    };
    let is_closed = |id: &str| {
        let id = id.to_owned();
        move |it: &Value| !it["closed"][&id].is_null()
    };
    let mut reader = Reader::connect(&publisher.address, &url);
    let first = decide("first");
    reader.until("the first is closed", is_closed(&first));

    // The node is stopped and started.
    running.stop();
    let running = node.start(&[]);
    let second = decide("second");
    reader.until("the second is closed", is_closed(&second));

    // The publisher is killed, and misses something.
    publisher.kill();
    let third = decide("third");
    let mut publisher = Publisher::start(&node, &[]);
    assert_eq!(publisher.url(), url);
    let mut reader = Reader::connect_with(&publisher.address, &url, reader.document);
    reader.until("the third is closed", is_closed(&third));

    // Without the node it goes on telling what it knows, and goes on with the node.
    publisher.stop();
    running.stop();
    let mut publisher = Publisher::start(&node, &[]);
    assert_eq!(publisher.url(), url);
    let mut other = Reader::connect(&publisher.address, &url);
    let content = other.until("the third is known", is_closed(&third));
    assert_eq!(content["closed"].as_object().unwrap().len(), 3);
    let _running = node.start(&[]);
    let fourth = decide("fourth");
    other.until("the fourth is closed", is_closed(&fourth));
    let mut reader = Reader::connect_with(&publisher.address, &url, reader.document);
    let all = reader.until("the fourth is closed", is_closed(&fourth));
    // All this was one document: nothing is said twice, or is in conflict.
    assert_eq!(all["closed"].as_object().unwrap().len(), 4);
    let other = other.until("both read the same", |it| it["height"] == all["height"]);
    assert_eq!(other["closed"], all["closed"]);
    publisher.stop();
}
