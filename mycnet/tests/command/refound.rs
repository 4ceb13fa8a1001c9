//! A network is founded anew, by commands (F1 to F6).

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Directory, Running, TestNode, id_of};

/// From the first command of a person to the last node in the new network.
const WITHIN: Duration = Duration::from_mins(1);

/// Founders that run and have met.
fn village<const N: usize>(
    directory: &Directory,
    names: [&str; N],
    roles: [&str; N],
) -> ([TestNode; N], Vec<Running>) {
    let (nodes, genesis) = directory.federation(names, roles);
    let mut running: Vec<Running> = Vec::new();
    for node in &nodes {
        let invitation = running.first().map_or(genesis.as_str(), Running::ticket);
        node.json(&["join", invitation]);
        running.push(node.start(&[]));
    }
    for node in &nodes {
        connected(node, N - 1);
    }
    (nodes, running)
}

fn connected(node: &TestNode, count: usize) {
    node.until(&["status"], "the others are there", |status| {
        status["peers"] == count
    });
}

fn propose(node: &TestNode, value: &str) -> String {
    id_of(&node.json(&["propose", "config", "--key", "motd", "--value", value]))
}

/// A decision to which every one of these has to say something.
fn decide(nodes: &[&TestNode], value: &str) {
    let id = propose(nodes[0], value);
    for node in &nodes[1..] {
        node.once_known(&id, &["vote", &id, "approve"]);
    }
    for node in nodes {
        let decided = node.until(&["status", &id], "it is decided", |status| {
            status["outcome"].is_object()
        });
        assert_eq!(decided["outcome"]["decided"], "approve", "{decided}");
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap()
}

/// The digits by which a plan is named.
fn digits(plan: &Value) -> String {
    text(plan, "digest")[..8].to_owned()
}

/// Endorses a plan once the node knows it.
fn endorse(node: &TestNode, digits: &str) -> Value {
    node.until(&["refound", "status"], "the plan is known", |known| {
        let mut plans = known["plans"].as_array().unwrap().iter();
        plans.any(|plan| text(plan, "digest").starts_with(digits))
    });
    node.json(&["refound", "endorse", digits])
}

/// Waits until a node goes on in this network, which takes up the old one.
fn goes_on(node: &TestNode, network: &str, old: &str) {
    let status = node.until(&["status"], "it goes on in the new network", |status| {
        status["network"] == network
    });
    assert_eq!(status["refounding"]["follows"]["network"], old);
}

#[test]
fn two_of_four_that_are_gone_for_ever_are_left_out() {
    let directory = Directory::new();
    let (nodes, mut running) = village(
        &directory,
        ["ada", "bob", "cyd", "dan"],
        ["primary", "seed", "seed", "latent"],
    );
    let [ada, bob, cyd, dan] = &nodes;
    decide(&[ada, bob, cyd, dan], "before");
    let old = text(&ada.json(&["status"]), "network").to_owned();
    let scores = ada.json(&["roster"]);
    for gone in running.drain(2..) {
        gone.kill();
    }
    for gone in [cyd, dan] {
        fs::remove_dir_all(&gone.0).unwrap();
    }
    let begun = Instant::now();
    let plan = ada.json(&["refound", "plan", "--without", "cyd", "--without", "dan"]);
    assert_eq!(
        plan["outlook"]["losses"]["members"]
            .as_array()
            .unwrap()
            .len(),
        2
    );
    assert_eq!(plan["outlook"]["losses"]["seals"], 0);
    let (plan, network) = (digits(&plan), text(&plan["outlook"], "network").to_owned());
    ada.json(&["refound", "endorse", &plan]);
    assert_eq!(ada.json(&["status"])["refounding"]["plans"], 1);
    endorse(bob, &plan);
    for node in [ada, bob] {
        goes_on(node, &network, &old);
        connected(node, 1);
    }
    assert!(begun.elapsed() < WITHIN, "{:?}", begun.elapsed());
    let (before, after) = (&scores["members"], &ada.json(&["roster"])["members"]);
    for member in after.as_array().unwrap() {
        let mut before = before.as_array().unwrap().iter();
        let same = before.find(|it| it["node"] == member["node"]).unwrap();
        assert_eq!(member["trust_ppm"], same["trust_ppm"], "scores go along");
    }
    assert_eq!(after.as_array().unwrap().len(), 2);
    // The configuration goes along, and life goes on.
    let config = ada.json(&["config"]).to_string();
    assert!(
        config.contains(&hex::encode("before")) || config.contains("before"),
        "{config}"
    );
    decide(&[ada, bob], "after");
    // Not more than half of the old votes wanted it.
    let told = ada.text(&["status"]);
    assert!(told.contains("secession"), "{told}");
    // The old ledger stays readable, and nothing is signed there.
    let past = ada.json(&["status", "--past", &old[..8]]);
    assert_eq!(text(&past, "network"), old);
    assert_eq!(past["sealing"]["signing"], "refounded");
    assert_eq!(past["members"], 4);
    let motd = ["propose", "config", "--key", "motd", "--value", "x"];
    ada.fails(
        &[&motd[..], &["--past", &old[..8]]].concat(),
        3,
        &["has left the network"],
    );
    ada.fails(&["run", "--past", &old[..8]], 3, &["only reads"]);
    ada.fails(&["status", "--past", "00000000"], 2, &["names none", &old]);
    // A restart stays in the new network.
    let ada_runs = running.remove(0);
    let events = ada_runs.stop();
    assert!(
        events.iter().any(|event| event["event"] == "refounded"),
        "{events:?}"
    );
    let again = ada.start(&[]);
    assert_eq!(again.started["network"], network.as_str());
}

/// Who was away follows: a peer that has left tells why, and the person endorses the plan.
#[test]
fn who_was_away_is_told_and_follows() {
    let directory = Directory::new();
    let (nodes, mut running) = village(
        &directory,
        ["ada", "bob", "cyd", "dan", "eve"],
        ["primary", "seed", "seed", "seed", "latent"],
    );
    let [ada, bob, cyd, dan, _] = &nodes;
    decide(&[ada, bob, cyd, dan], "before");
    let old = text(&ada.json(&["status"]), "network").to_owned();
    running.pop().unwrap().kill();
    let away = running.pop().unwrap().stop();
    drop(away);
    let plan = ada.json(&["refound", "plan", "--without", "eve"]);
    let (plan, network) = (digits(&plan), text(&plan["outlook"], "network").to_owned());
    ada.json(&["refound", "endorse", &plan]);
    for node in [bob, cyd] {
        endorse(node, &plan);
    }
    for node in [ada, bob, cyd] {
        goes_on(node, &network, &old);
    }
    let late = dan.start(&[]);
    endorse(dan, &plan);
    goes_on(dan, &network, &old);
    drop(late);
    let told = ada.text(&["status"]);
    assert!(!told.contains("secession"), "{told}");
    decide(&[ada, bob, cyd], "after");
}

/// No two nodes ever meet: bundles carry the endorsements.
#[test]
fn bundles_found_a_network_anew() {
    let directory = Directory::new();
    let ([ada, bob, cyd], genesis) =
        directory.federation(["ada", "bob", "cyd"], ["primary", "seed", "seed"]);
    for node in [&ada, &bob, &cyd] {
        node.json(&["join", &genesis]);
    }
    let old = text(&ada.json(&["status"]), "network").to_owned();
    let plan = digits(&ada.json(&["refound", "plan", "--without", "cyd"]));
    let other = digits(&ada.json(&["refound", "plan", "--without", "bob"]));
    ada.json(&["refound", "endorse", &plan]);
    ada.fails(&["refound", "endorse", &other], 3, &["another plan"]);
    let carried = directory.file("stick");
    ada.json(&["bundle", "export", &carried]);
    bob.json(&["bundle", "import", &carried]);
    let done = bob.json(&["refound", "endorse", &plan]);
    let network = text(&done, "left_for").to_owned();
    assert_eq!(text(&bob.json(&["status"]), "network"), network);
    let back = directory.file("back");
    bob.json(&["bundle", "export", &back, "--past", &old[..8]]);
    ada.json(&["bundle", "import", &back]);
    assert_eq!(text(&ada.json(&["status"]), "network"), network);
    // Cyd learns of it too, is left out, and keeps the old network.
    cyd.json(&["bundle", "import", &back]);
    let known = cyd.json(&["refound", "status"]);
    assert_eq!(known["plans"][0]["by"].as_array().unwrap().len(), 2);
    cyd.fails(&["refound", "endorse", &plan], 3, &["leaves this node out"]);
    assert_eq!(text(&cyd.json(&["status"]), "network"), old);
}

#[test]
fn an_endorsement_can_be_taken_back() {
    let directory = Directory::new();
    let ([ada, bob], genesis) = directory.federation(["ada", "bob"], ["primary", "seed"]);
    for node in [&ada, &bob] {
        node.json(&["join", &genesis]);
    }
    ada.fails(&["refound", "abandon"], 3, &["endorses no plan"]);
    ada.fails(
        &["refound", "endorse", "abcdef01"],
        1,
        &["no plan begins with"],
    );
    ada.fails(&["refound", "plan", "--height", "7"], 3, &["not known"]);
    ada.fails(&["refound", "plan", "--role", "bob"], 2, &["NODE=ROLE"]);
    ada.fails(
        &["refound", "plan", "--role", "bob=primary"],
        3,
        &["one Primary"],
    );
    let plan = digits(&ada.json(&["refound", "plan"]));
    ada.json(&["refound", "endorse", &plan]);
    let text = ada.text(&["refound", "status"]);
    assert!(text.contains("1 of 2 new votes"), "{text}");
    ada.json(&["refound", "abandon"]);
    let known = ada.json(&["refound", "status"]);
    assert!(known["plans"].as_array().unwrap().is_empty());
    let text = ada.text(&["refound", "status"]);
    assert!(text.contains("No member endorses"), "{text}");
}

fn copy(directory: &Directory, node: &TestNode) -> TestNode {
    let place = directory.file(&format!("{}-copy", node.name()));
    let from = node.0.to_str().unwrap();
    let copied = Command::new("cp").args(["-a", from, &place]).status();
    assert!(copied.unwrap().success());
    TestNode(place.into())
}

/// Two of four run twice, with both machines kept apart: the chain forks, and those who are honest go on without them.
#[test]
fn a_fork_by_duplicated_keys_is_refounded() {
    let directory = Directory::new();
    let (nodes, genesis) = directory.federation(
        ["ada", "bob", "cyd", "dan"],
        ["primary", "seed", "seed", "latent"],
    );
    for node in &nodes {
        node.json(&["join", &genesis]);
    }
    let [ada, bob, cyd, dan] = &nodes;
    let (cyd2, dan2) = (copy(&directory, cyd), copy(&directory, dan));
    let old = text(&ada.json(&["status"]), "network").to_owned();
    let mut tickets = Vec::new();
    for (honest, others, value) in [(ada, [cyd, dan], "one"), (bob, [&cyd2, &dan2], "two")] {
        let first = honest.start(&[]);
        let ticket = first.ticket().to_owned();
        let rest = others.map(|node| node.start(&["--peer", &ticket]));
        connected(honest, 2);
        decide(&[honest, others[0], others[1]], value);
        first.stop();
        for node in rest {
            node.stop();
        }
        tickets.push(ticket);
    }
    let ada_runs = ada.start(&[]);
    let bob_runs = bob.start(&["--peer", ada_runs.ticket()]);
    for node in [ada, bob] {
        node.until(&["status"], "the fork is noticed", |status| {
            status["sealing"]["signing"] == "compromised"
        });
    }
    let begun = Instant::now();
    let plan = ada.json(&["refound", "plan", "--with", "bob"]);
    let without = plan["plan"]["without"].as_array().unwrap();
    let convicted = [cyd.id(), dan.id()];
    assert_eq!(without.len(), 2, "{plan}");
    assert!(
        without
            .iter()
            .all(|node| convicted.contains(&node.as_str().unwrap().to_owned()))
    );
    assert_eq!(
        plan["plan"]["height"], 0,
        "the last common seal is the genesis"
    );
    let (plan, network) = (digits(&plan), text(&plan["outlook"], "network").to_owned());
    ada.json(&["refound", "endorse", &plan]);
    endorse(bob, &plan);
    for node in [ada, bob] {
        goes_on(node, &network, &old);
        connected(node, 1);
    }
    decide(&[ada, bob], "after");
    assert!(begun.elapsed() < WITHIN, "{:?}", begun.elapsed());
    drop((ada_runs, bob_runs));
}

/// A member whose change of key nobody can seal any more goes on by its next key.
#[test]
fn a_change_of_key_that_waits_is_taken_along() {
    let directory = Directory::new();
    let ([ada, bob], _) = directory.federation(["ada", "bob"], ["primary", "seed"]);
    let cyd = TestNode(directory.path().join("cyd"));
    let next = directory.file("next-of-cyd");
    cyd.json(&["init", "--successor", &next]);
    let keys = cyd.json(&["key", "show"]);
    let file = directory.file("keys.json");
    let members = [
        format!("ada={}:primary", ada.id()),
        format!("bob={}:seed", bob.id()),
        format!("cyd={}:seed", text(&keys, "keys")),
    ];
    let mut new = vec!["network", "new", "village", "--profile", "dev", "-o", &file];
    for member in &members {
        new.extend(["--member", member]);
    }
    assert!(crate::harness::mycnet(&new).status.success());
    for node in [&ada, &cyd] {
        node.json(&["join", &file]);
    }
    let old_key = cyd.id();
    cyd.json(&["key", "succeed", "--key", &next, "--no-successor"]);
    // Bob is gone, and without him nothing is sealed.
    let plan = cyd.json(&["refound", "plan", "--without", "bob"]);
    assert_eq!(plan["plan"]["succeeded"][0]["old"], old_key.as_str());
    let (plan, network) = (digits(&plan), text(&plan["outlook"], "network").to_owned());
    cyd.json(&["refound", "endorse", &plan]);
    // The next key endorses no two plans unawares either.
    let other = digits(&cyd.json(&["refound", "plan", "--without", "ada"]));
    cyd.fails(&["refound", "endorse", &other], 3, &["another plan"]);
    let carried = directory.file("stick");
    cyd.json(&["bundle", "export", &carried]);
    ada.json(&["bundle", "import", &carried]);
    ada.json(&["refound", "endorse", &plan]);
    assert_eq!(text(&ada.json(&["status"]), "network"), network);
    let back = directory.file("back");
    let old = ada.json(&["refound", "status"])["past"][0].clone();
    ada.json(&[
        "bundle",
        "export",
        &back,
        "--past",
        &old.as_str().unwrap()[..8],
    ]);
    cyd.json(&["bundle", "import", &back]);
    let status = cyd.json(&["status"]);
    assert_eq!(text(&status, "network"), network);
    assert_ne!(cyd.id(), old_key, "the next key is the author's now");
    assert_eq!(text(&status, "node"), cyd.id());
    assert_eq!(status["member"]["name"], "cyd");
    assert_eq!(status["sealing"]["signing"], "ready");
    // Nothing seems to be a copy.
    cyd.json(&["propose", "config", "--key", "motd", "--value", "new"]);
}

/// What lies in the wrong place is named or left alone, and keeps nobody from going on.
#[test]
fn odd_files_are_in_nobodys_way() {
    let directory = Directory::new();
    let alone = directory.alone();
    let plan = digits(&alone.json(&["refound", "plan"]));
    fs::write(alone.0.join("plans/notes.json"), "not a plan").unwrap();
    fs::create_dir(alone.0.join("plans/deeper")).unwrap();
    fs::create_dir(alone.0.join("next")).unwrap();
    fs::write(alone.0.join("next/mine"), "mine").unwrap();
    let old = text(&alone.json(&["status"]), "network").to_owned();
    let done = alone.json(&["refound", "endorse", &plan]);
    let network = text(&done, "left_for").to_owned();
    assert_eq!(text(&alone.json(&["status"]), "network"), network);
    assert_eq!(
        fs::read_to_string(alone.0.join("next/mine")).unwrap(),
        "mine"
    );
    for writes in [
        &["refound", "plan"][..],
        &["consent"],
        &["bundle", "import", "-"],
    ] {
        alone.fails(
            &[writes, &["--past", &old[..8]]].concat(),
            3,
            &["only reads"],
        );
    }
    alone.json(&["doctor", "--past", &old[..8]]);
    alone.json(&["doctor"]);
}
