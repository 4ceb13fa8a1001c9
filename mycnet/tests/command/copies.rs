//! Directories that were copied, and ports that were not set.

use std::process::Command;

use serde_json::Value;

use crate::harness::{Directory, MOTD, Running, TestNode, id_of, said};

/// Three founders that have met, and their first node's ticket.
fn three(directory: &Directory) -> ([TestNode; 3], [Running; 3]) {
    let (nodes, genesis) = directory.federation(["ada", "bob", "eve"], ["primary", "seed", "seed"]);
    nodes[0].json(&["join", &genesis]);
    let ada = nodes[0].start(&[]);
    let [bob, eve] = [&nodes[1], &nodes[2]].map(|node| {
        node.json(&["join", ada.ticket()]);
        node.start(&[])
    });
    for node in &nodes {
        connected(node, 2);
    }
    (nodes, [ada, bob, eve])
}

/// Waits until a node has so many peers.
fn connected(node: &TestNode, count: u64) {
    node.until(&["status"], "the others are there", |status| {
        status["peers"] == count
    });
}

/// A copy of a node's directory, as `cp -a` makes it.
fn copy(directory: &Directory, node: &TestNode) -> TestNode {
    let place = directory.file("copy");
    let from = node.0.to_str().unwrap();
    let copied = Command::new("cp").args(["-a", from, &place]).status();
    assert!(copied.unwrap().success());
    TestNode(place.into())
}

#[test]
fn of_two_machines_with_one_key_both_say_twin() {
    let directory = Directory::new();
    let ([first, second, third], [ada, bob, eve]) = three(&directory);
    ada.stop();
    let copied = copy(&directory, &first);
    let (ada, twin) = (first.start(&[]), copied.start(&[]));
    for node in [&first, &copied] {
        node.until(&["status"], "it has a twin", |status| {
            status["twin"]["addresses"][0].is_string() && status["sealing"]["signing"] == "twin"
        });
        for command in ["status", "peers"] {
            let text = node.text(&[command]);
            assert!(text.contains("HAS A TWIN"), "{text}");
            assert!(text.contains("--this-one-lives"), "{text}");
        }
        node.fails(&MOTD, 3, &["twin"]);
        node.fails(&["rejoin", "--this-one-lives"], 3, &["silent for 60 s"]);
    }
    // Each is told by itself: what one knows another may not know yet.
    for peer in [&second, &third] {
        peer.until(&["status"], "its peers know", |status| {
            let silent = status["not_signing"].as_array().unwrap();
            let mut silent = silent.iter();
            silent.any(|peer| peer["node"] == first.id() && peer["signing"] == "twin")
        });
    }
    assert!(third.text(&["status"]).contains("has a twin"));
    assert!(ada.stop().iter().any(|told| told["event"] == "twin"));
    twin.stop();
    let health = copied.run(&["doctor"]);
    assert!(said(&health).contains("TWIN"), "{}", said(&health));
    // Without a running node it does not sign either, and says why.
    first.fails(&MOTD, 3, &["TWIN", "twin"]);
    let members = second.json(&["roster"])["members"].clone();
    let is_banned = |member: &Value| member["standing"] == "banned";
    assert!(!members.as_array().unwrap().iter().any(is_banned));
    bob.stop();
    eve.stop();
}

#[test]
fn a_vote_from_a_copy_is_warned_of_before_it_is_signed() {
    let directory = Directory::new();
    let ([first, second, third], [ada, bob, eve]) = three(&directory);
    let id = id_of(&first.json(&MOTD));
    second.once_known(&id, &["vote", &id, "abstain"]);
    // Where a directory was is kept once its node has met others and knows their clocks: at its stop at the latest, if they are still
    // there then.
    third.until(&["status"], "it has met others", |status| {
        status["clocks"]["peers"].as_u64().unwrap() > 0
    });
    for running in [eve, ada, bob] {
        running.stop();
    }
    let copied = copy(&directory, &third);
    let vote = ["vote", &id, "reject"];
    copied.fails(
        &vote,
        3,
        &["copied", "signs twice", "mycnet run", "--from-copy"],
    );
    copied.fails(&MOTD, 3, &["--from-copy"]);
    third.json(&["vote", &id, "approve"]);
    let output = copied.run(&["doctor"]);
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("WARNING") && text.contains("copied"),
        "{text}"
    );
    // Whoever knows better can insist.
    let output = copied.run(&["vote", &id, "approve", "--from-copy"]);
    assert!(output.status.success(), "{}", said(&output));
    assert!(said(&output).contains("seems to be a copy"));
}

#[test]
fn nodes_without_a_set_port_find_each_other_after_all_were_stopped() {
    let directory = Directory::new();
    let (nodes, running) = three(&directory);
    let ports = |running: &[Running; 3]| {
        let listening = |it: &Running| it.started["listening"].clone();
        running.each_ref().map(listening)
    };
    let before = ports(&running);
    for running in running {
        running.kill();
    }
    let running = nodes.each_ref().map(|node| node.start(&[]));
    assert_eq!(ports(&running), before);
    for node in &nodes {
        connected(node, 2);
    }
}
