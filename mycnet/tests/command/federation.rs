//! Three machines, from nothing to an admitted fourth.

use std::fs;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::harness::{Directory, MOTD, Running, TestNode, id_of, said};

/// Three nodes, and the genesis of their network.
fn three(directory: &Directory) -> ([TestNode; 3], String) {
    directory.federation(["ada", "bob", "eve"], ["primary", "seed", "latent"])
}

/// Starts them: the first from the genesis, the others from its ticket.
fn start(nodes: &[TestNode; 3], genesis: &str) -> [Running; 3] {
    nodes[0].json(&["join", genesis]);
    let ada = nodes[0].start(&[]);
    let [bob, eve] = [&nodes[1], &nodes[2]].map(|node| {
        node.json(&["join", ada.ticket()]);
        node.start(&[])
    });
    [ada, bob, eve]
}

#[test]
fn three_machines_admit_a_fourth() {
    let directory = Directory::new();
    let (nodes, genesis) = three(&directory);
    let [ada, bob, eve] = start(&nodes, &genesis);
    let [first, second, third] = &nodes;
    third.until(&["peers"], "the others are there", |value| {
        let peers = value["peers"].as_array().unwrap().iter();
        peers.filter(|peer| peer["connected"] == true).count() == 2
    });

    // A claim, with one who is wrong.
    let claim = first.json(&["propose", "claim", "--subject", "6 * 7", "--result", "42"]);
    let id = id_of(&claim);
    second.once_known(&id, &["vote", &id[..10], "--result", "42"]);
    third.once_known(&id, &["vote", &id, "--result", "41"]);
    let decided = third.json(&["vote", &id, "--result", "41", "--wait", "--timeout", "60"]);
    assert_eq!(decided["outcome"]["decided"]["result"], "3432");
    second.fails(&["vote", &id, "--result", "41"], 3, &["refused"]);
    let explained = second.json(&["trust", &third.id()[..8], "--explain"]);
    assert_eq!(explained["entries"][0]["reason"], "claim_dissent");

    // A claim set: one is wrong about one item, and one has no result of another.
    let written = |name: &str, lines: &str| {
        let file = directory.file(name);
        fs::write(&file, lines).unwrap();
        file
    };
    let items = written("items", "sed 4.9\thex:00\nhello 2.10\n");
    let good = written("good", "hello 2.10\thex:aa\nsed 4.9\thex:bb\n");
    let some = written("some", "hello 2.10\thex:aa\n");
    let bad = written("bad", "hello 2.10\thex:aa\nsed 4.9\thex:cc\n");
    let asked = [
        "propose",
        "claim-set",
        "--subject",
        "tonight",
        "--items",
        &items,
    ];
    let id = id_of(&first.json(&[&asked[..], &["--results", &good]].concat()));
    second.once_known(&id, &["vote", &id, "--results", &some]);
    third.once_known(&id, &["vote", &id, "--results", &bad]);
    let decided = second.json(&["vote", &id, "--results", &some, "--wait", "--timeout", "60"]);
    // One against one, and the one who was wrong before weighs less.
    assert_eq!(
        decided["outcome"]["decided"]["results"],
        json!(["aa", "bb"])
    );
    let disputed = &decided["in_dispute"][0];
    assert_eq!(disputed["subject"], "sed 4.9");
    assert_eq!(disputed["results"].as_array().unwrap().len(), 2);
    let text = second.text(&["status", &id]);
    assert!(text.contains("in dispute"), "{text}");

    // An admission, from the candidate's consent to its first vote.
    let candidate = directory.node("zoe");
    let consent = candidate.text(&["consent", ada.ticket(), "--role", "seed"]);
    let file = directory.file("consent");
    fs::write(&file, &consent).unwrap();
    let proposed = second.json(&["propose", "admission", "--consent", &format!("@{file}")]);
    let id = id_of(&proposed);
    first.once_known(&id, &["vote", &id, "approve"]);
    let undecided = ["vote", &id, "approve", "--wait", "--timeout", "0"];
    second.fails(&undecided, 4, &["not decided after"]);
    third.once_known(&id, &["vote", &id, "approve"]);
    let decided = first.json(&["vote", &id, "approve", "--wait"]);
    assert_eq!(decided["applied"], true);
    candidate.json(&["join", ada.ticket()]);
    let zoe = candidate.start(&[]);
    let roster = candidate.until(&["roster"], "the candidate is a member", |value| {
        let members = value["members"].as_array().unwrap();
        members
            .iter()
            .any(|member| member["node"] == candidate.id())
    });
    assert_eq!(roster["members"].as_array().unwrap().len(), 4);
    for running in [ada, bob, eve, zoe] {
        running.stop();
    }
}

#[test]
fn a_vote_given_while_no_node_runs_counts() {
    let directory = Directory::new();
    let (nodes, genesis) = three(&directory);
    let [ada, bob, eve] = start(&nodes, &genesis);
    let [first, second, third] = &nodes;
    let id = id_of(&first.json(&MOTD));
    for node in [second, third] {
        node.once_known(&id, &["status", &id]);
    }
    // Two are away; they vote at home, and the operation needs both.
    bob.stop();
    eve.kill();
    first.until(&["status"], "one of the others is gone", |status| {
        status["peers"].as_u64() < Some(2)
    });
    for node in [second, third] {
        let voted = node.json(&["vote", &id, "approve"]);
        assert_ne!(voted["phase"], "closed");
    }
    assert_eq!(second.json(&["status"])["running"], false);
    let running = [second.start(&[]), third.start(&[])];
    let closed = first.until(&["status", &id], "it is closed", |value| {
        value["phase"] == "closed"
    });
    assert_eq!(closed["outcome"]["decided"], "approve");
    third.until(&["config"], "it applies", |value| {
        value["config"]["motd"] == "77656c636f6d65"
    });
    for running in running {
        running.stop();
    }
    let events = ada.stop();
    let told = |event: &str| events.iter().any(|told| told["event"] == event);
    assert!(
        told("sealed") && told("decided") && told("peer_up") && told("peer_down"),
        "{events:?}"
    );
}

#[test]
fn a_forged_ticket_leads_nowhere() {
    let directory = Directory::new();
    let (nodes, genesis) = three(&directory);
    let [ada, bob, eve] = start(&nodes, &genesis);
    let [first, second, third] = &nodes;
    let id = id_of(&first.json(&MOTD));
    for node in [second, third] {
        node.once_known(&id, &["vote", &id, "approve"]);
    }
    first.json(&["vote", &id, "approve", "--wait"]);
    let text = first.text(&["ticket"]);
    let mut ticket: mycnet_consensus::net::Ticket = text.parse().unwrap();
    assert!(ticket.height > 0);
    eve.stop();
    ticket.seal = mycnet_consensus::SealId::from_bytes([7; 32]);
    let ticket = ticket.to_string();
    // The ledger that is there is not what this ticket promises.
    third.fails(&["run", "--peer", &ticket], 1, &["the ticket names"]);
    // Nor does a new machine follow the others below it.
    fs::remove_file(third.0.join("ledger.redb")).unwrap();
    fs::remove_file(third.0.join("journal.redb")).unwrap();
    third.json(&["join", &ticket]);
    let output = Command::new("timeout")
        .args(["60", env!("CARGO_BIN_EXE_mycnet"), "run", "--dir"])
        .arg(&third.0)
        .output()
        .unwrap();
    let stderr = said(&output);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("the ticket names"), "{stderr}");
    third.fails(&["verify", &genesis], 65, &["no certificate"]);
    for running in [ada, bob] {
        running.stop();
    }
}

#[test]
fn two_machines_that_never_meet_decide_by_bundles() {
    let directory = Directory::new();
    let (nodes, genesis) = directory.federation(["ada", "bob"], ["seed", "seed"]);
    for node in &nodes {
        node.json(&["join", &genesis]);
    }
    let carry = |from: &TestNode, to: &TestNode, name: &str| {
        let file = directory.file(name);
        from.json(&["bundle", "export", &file]);
        to.json(&["bundle", "import", &file])
    };
    let [ada, bob] = &nodes;
    let id = id_of(&ada.json(&MOTD));
    carry(ada, bob, "0");
    bob.json(&["vote", &id, "approve"]);
    let is_closed = |node: &TestNode| node.json(&["status", &id])["phase"] == "closed";
    for round in 0..20 {
        carry(bob, ada, &format!("{round} to ada"));
        carry(ada, bob, &format!("{round} to bob"));
        if is_closed(ada) && is_closed(bob) {
            break;
        }
        // Without a proposal, a node waits for the next round.
        std::thread::sleep(Duration::from_millis(200));
    }
    assert!(is_closed(ada) && is_closed(bob));
    let (one, other) = (ada.json(&["status"]), bob.json(&["status"]));
    assert_eq!(one["seal"], other["seal"]);
    let bundle = directory.file("cut");
    ada.json(&["bundle", "export", &bundle]);
    let whole = fs::read(&bundle).unwrap();
    fs::write(&bundle, &whole[..whole.len() - 1]).unwrap();
    bob.fails(&["bundle", "import", &bundle], 65, &["cut"]);
    bob.fails(&["bundle", "import", &genesis], 65, &["village.json"]);
}

#[test]
fn an_objection_is_shown_with_its_reason() {
    let directory = Directory::new();
    let (nodes, genesis) = three(&directory);
    let [ada, bob, eve] = start(&nodes, &genesis);
    let [first, second, third] = &nodes;
    let service = ["propose", "service", "--name", "wiki", "--manifest", "v1"];
    let id = id_of(&first.json(&service));
    second.once_known(&id, &["status", &id]);
    second.until(&["status", &id], "the directive is sealed", |value| {
        value["waits_for"]["records"] == "objections"
    });
    second.json(&["object", &id, "not on a Friday"]);
    let status = third.until(&["status", &id], "it is told", |value| {
        value["objections"][0]["reason"] == "not on a Friday"
    });
    assert_eq!(status["directives"][0]["approve"], true);
    assert_eq!(status["directives"][0]["author"], first.id());
    assert_eq!(status["objections"][0]["author"], second.id());
    second.json(&["resolve", &id, "reject"]);
    let closed = first.until(&["status", &id], "the seed decides", |value| {
        value["phase"] == "closed"
    });
    assert_eq!(closed["resolutions"][0]["approve"], false);
    let text = first.text(&["status", &id]);
    assert!(text.contains(": not on a Friday\n"), "{text}");
    for running in [ada, bob, eve] {
        running.stop();
    }
}
