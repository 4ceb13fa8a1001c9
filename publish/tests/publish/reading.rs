//! What readers get, whoever is stopped in between.

use std::time::Duration;

use automerge::Automerge;
use serde_json::Value;

use crate::harness::{Directory, MOTD, TestNode, id_of};
use crate::publisher::{Publisher, begun, url_of};
use crate::reader::{Reader, is_closed};

/// How long something that must not come is waited for.
const SOON: Duration = Duration::from_millis(500);

/// The heads of documents that the node exports: of the ledger, and of an operation.
fn exported(directory: &Directory, node: &TestNode, operation: &str) -> [Automerge; 2] {
    let out = directory.file("out");
    node.json(&["export", &out]);
    let operation = format!("operations/{operation}.automerge");
    [out.clone() + "/ledger.automerge", out + "/" + &operation]
        .map(|file| Automerge::load(&std::fs::read(file).unwrap()).unwrap())
}

#[test]
fn a_reader_sees_an_operation_open_and_close() {
    let directory = Directory::new();
    let (node, _running) = begun(&directory);
    let mut publisher = Publisher::start(&node, &[]);
    let url = publisher.url();
    let network = node.json(&["status"])["network"].clone();
    assert_eq!(url, url_of(network.as_str().unwrap()));
    let mut reader = Reader::connect(&publisher.address, &url);
    let first = reader.until("it says the network", |it| it["v"] == 2);
    assert_eq!(first["roster"][node.id()]["name"], "ada");

    let proposed = node.json(&[&MOTD[..], &["--ballot", "none"]].concat());
    let id = id_of(&proposed);
    let open = reader.until("the operation is open", |it| {
        !it["operations"][&id].is_null()
    });
    let operation = &open["operations"][&id];
    assert_eq!(operation["kind"], "network_configuration");
    assert_eq!(operation["phase"], "committing");
    // Its own document has its records. It may come a moment later.
    let mut votes = Reader::once_there(&publisher.address, &url_of(&id));
    let operation = votes.until("the proposal is there", |it| !it["operation"].is_null());
    let what = &operation["operation"]["network_configuration"];
    assert_eq!(what["config_type"], "motd", "{operation:#}");
    assert!(operation["commits"].as_object().unwrap().is_empty());

    node.json(&["vote", &id, "approve"]);
    let closed = reader.until("the operation is closed", is_closed(&id));
    assert_eq!(closed["operations"][&id]["outcome"], "approve");
    votes.until("the vote is revealed", |it| {
        !it["reveals"][node.id()].is_null()
    });
    let status = node.json(&["status"]);
    let last = reader.until("the newest seal", |it| it["height"] == status["height"]);
    assert_eq!(last["time_ms"], status["seal_ms"]);
    // They are the very documents that the node exports.
    let [ledger, operation] = exported(&directory, &node, &id);
    assert_eq!(reader.document.get_heads(), ledger.get_heads());
    while votes.document.get_heads() != operation.get_heads() {
        assert!(votes.take(Duration::from_secs(10)), "all records");
    }
    // Who has a part gets only the rest: no message has the whole document again.
    let mut second = Reader::connect_with(&publisher.address, &url, reader.document.fork());
    while second.take(SOON) {}
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
    // Each publishes. Before the first seal there is nothing.
    let mut of_ada = Publisher::start(ada, &[]);
    let mut of_bob = Publisher::start(bob, &[]);
    let id = id_of(&ada.json(&MOTD));
    assert_eq!(of_ada.url(), of_bob.url());
    let mut reader = Reader::once_there(&of_ada.address, &url_of(&id));
    let open = reader.until("a vote is known", |it| !it["commits"][ada.id()].is_null());
    assert!(open["reveals"].as_object().unwrap().is_empty(), "{open:#}");
    bob.once_known(&id, &["vote", &id, "reject"]);
    let is_revealed = |it: &Value| it["reveals"].as_object().is_some_and(|it| it.len() == 2);
    reader.until("both are revealed", is_revealed);
    // Whoever reads here goes on there.
    let mut other = Reader::once_there(&of_bob.address, &url_of(&id));
    other.until("both are revealed there", is_revealed);
    while reader.take(SOON) {}
    while other.take(SOON) {}
    assert_eq!(other.document.get_heads(), reader.document.get_heads());
    of_ada.stop();
    of_bob.stop();
}

#[test]
fn node_and_publisher_are_stopped_in_any_order() {
    let directory = Directory::new();
    let (node, running) = begun(&directory);
    let mut publisher = Publisher::start(&node, &[]);
    let url = publisher.url();
    let decide = |value: &str| {
        let mut propose = MOTD;
        propose[5] = value;
        id_of(&node.json(&propose))
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

    // It is started before the node.
    publisher.stop();
    running.stop();
    let mut publisher = Publisher::start(&node, &[]);
    let _running = node.start(&[]);
    assert_eq!(publisher.url(), url);
    let fourth = decide("fourth");
    let mut other = Reader::connect(&publisher.address, &url);
    let mut reader = Reader::connect_with(&publisher.address, &url, reader.document);
    let all = reader.until("the fourth is closed", is_closed(&fourth));
    // All this was one document, and what is closed can still be read.
    let other_content = other.until("both read the same", |it| it["height"] == all["height"]);
    assert_eq!(other_content, all);
    assert_eq!(all["operations"].as_object().unwrap().len(), 5);
    let mut votes = Reader::once_there(&publisher.address, &url_of(&first));
    votes.until("it has its votes", |it| !it["reveals"][node.id()].is_null());
    let [ledger, _] = exported(&directory, &node, &first);
    while reader.document.get_heads() != ledger.get_heads() {
        assert!(reader.take(Duration::from_secs(10)), "the last seal");
    }
    publisher.stop();
}
