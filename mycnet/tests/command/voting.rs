//! Votes that cannot be taken back, waiting for the others, and what voters are shown.

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Directory, MOTD, TestNode, id_of, mycnet, said};

/// One of two members; the other one never runs.
fn one_of_two(directory: &Directory) -> TestNode {
    let ([ada, _], genesis) = directory.federation(["ada", "bob"], ["primary", "seed"]);
    ada.json(&["join", &genesis]);
    ada
}

#[test]
fn a_ballot_that_would_not_count_is_not_signed() {
    let directory = Directory::new();
    let node = one_of_two(&directory);
    let silent = ["--ballot", "none"];
    let config = id_of(&node.json(&[&MOTD[..], &silent].concat()));
    let claim = id_of(&node.json(&["propose", "claim", "--subject", "6 * 7"]));
    node.fails(
        &["vote", &config, "--result", "42"],
        2,
        &["only a claim has a result"],
    );
    node.fails(&["vote", &claim, "approve"], 2, &["--result"]);
    let file = |name: &str, lines: &str| {
        let file = directory.file(name);
        fs::write(&file, lines).unwrap();
        file
    };
    let items = file("items", "a\nb\n");
    let asked = ["propose", "claim-set", "--subject", "s", "--items", &items];
    let set = id_of(&node.json(&asked));
    let results = file("results", "b\t1\n");
    node.fails(&["vote", &set, "approve"], 2, &["--results"]);
    node.fails(&["vote", &set, "--result", "1"], 2, &["--results"]);
    node.fails(
        &["vote", &claim, "--results", &results],
        2,
        &["only a claim set"],
    );
    let unknown = file("unknown", "b\t1\nc\t1\n");
    let why = ["unknown:2", "no item \"c\""];
    node.fails(&["vote", &set, "--results", &unknown], 65, &why);
    let twice = file("twice", "a\na\n");
    let asked = ["propose", "claim-set", "--subject", "s", "--items", &twice];
    node.fails(&asked, 65, &["twice:2: line 1 has the same subject"]);
    // Nothing was signed: what fits is still to be had.
    let voted = node.json(&["vote", &set, "--results", &results]);
    assert_eq!(voted["own_ballot"]["results"], json!([null, "31"]));
    node.json(&["vote", &config, "reject"]);
    node.json(&["vote", &claim, "abstain"]);
    let unknown = "f".repeat(64);
    for command in [
        &["vote", &unknown, "approve"][..],
        &["direct", &unknown, "approve"],
        &["object", &unknown, "why"],
        &["status", &unknown],
    ] {
        node.fails(command, 1, &["not known"]);
    }
    node.fails(&["object", &config, " "], 2, &["a reason says why"]);
}

#[test]
fn a_command_that_stops_waiting_prints_the_id() {
    let directory = Directory::new();
    let node = one_of_two(&directory);
    let waiting = ["--wait", "--timeout", "0", "--json"];
    let output = node.run(&[&MOTD[..], &waiting].concat());
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let proposed: Value = serde_json::from_slice(&output.stdout).unwrap();
    let status = node.json(&["status", &id_of(&proposed)]);
    assert_eq!(status["subject"], "motd");
}

#[test]
fn waiting_ends_with_the_outcome_though_somebody_is_silent() {
    let directory = Directory::new();
    let names = ["ada", "bob", "cyd", "dan"];
    let roles = ["primary", "seed", "seed", "latent"];
    let (nodes, genesis) = directory.federation(names, roles);
    for node in &nodes {
        node.json(&["join", &genesis]);
    }
    let [ada, bob, cyd, dan] = &nodes;
    let id = id_of(&ada.json(&MOTD));
    // Dan commits, by a file, and is never heard of again. Files take their time, and the grace is short, so that comes first.
    let (there, back) = (directory.file("there"), directory.file("back"));
    ada.json(&["bundle", "export", &there]);
    dan.json(&["bundle", "import", &there]);
    dan.json(&["vote", &id, "approve"]);
    dan.json(&["bundle", "export", &back]);
    ada.json(&["bundle", "import", &back]);
    let first = ada.start(&[]);
    let peer = ["--peer", first.ticket()];
    let others = [bob.start(&peer), cyd.start(&peer)];
    cyd.once_known(&id, &["vote", &id, "approve"]);
    bob.once_known(&id, &["status", &id]);
    let waiting = ["vote", &id, "approve", "--wait", "--timeout", "15"];
    let decided = bob.json(&waiting);
    assert_eq!(decided["outcome"]["decided"], "approve");
    assert_eq!(decided["waits_for"]["of"], json!([dan.id()]), "{decided}");
    first.stop();
    for running in others {
        running.stop();
    }
}

#[cfg(unix)]
#[test]
fn commands_that_wait_keep_no_other_from_being_answered() {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream;

    let directory = Directory::new();
    let node = one_of_two(&directory);
    let running = node.start(&[]);
    let operation = id_of(&node.json(&MOTD));
    let wait = |timeout_ms: u64| {
        let path = format!("/v1/operations/{operation}/wait?timeout_ms={timeout_ms}");
        let mut stream = UnixStream::connect(node.0.join("control.sock")).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: a\r\n\r\n").unwrap();
        stream
    };
    let waiting: Vec<UnixStream> = (0..256).map(|_| wait(600_000)).collect();
    assert_eq!(node.json(&["status"])["running"], true);
    // Those that wait are bounded too.
    let mut reply = String::new();
    wait(600_000).read_to_string(&mut reply).unwrap();
    assert!(reply.contains("are waiting"), "{reply}");
    drop(waiting);
    running.stop();
}

#[test]
fn voters_see_what_they_vote_on() {
    let directory = Directory::new();
    let node = directory.alone();
    let file = directory.file("policy");
    fs::write(&file, "one\n\ttwo\u{202e}\n").unwrap();
    let content = format!("@{file}");
    let policy = ["propose", "policy", "--name", "p", "--content", &content];
    let closed = node.json(&[&policy[..], &["--wait"]].concat());
    let id = id_of(&closed);
    let text = node.text(&["status", &id]);
    assert!(text.contains("content    \"one\\n\"\n"), "{text}");
    assert!(
        text.contains("\n           \"\\ttwo\\u{202e}\\n\"\n"),
        "{text}"
    );
    // Who weighed what stays known.
    for name in ["total_weight", "committed", "revealed_weight"] {
        assert_eq!(closed[name], 1, "{name}");
    }
    for kind in ["policy", "security-policy-update", "security_policy_update"] {
        let listed = node.json(&["operations", "--kind", kind]);
        assert_eq!(listed["operations"][0]["operation"], id, "{kind}");
    }
    node.fails(&["operations", "--kind", "polity"], 2, &["polity"]);
    let help = mycnet(&["vote", "--help"]).stdout;
    let help = String::from_utf8(help).unwrap();
    assert!(
        help.contains("vote [OPTIONS] <OPERATION> <CHOICE>"),
        "{help}"
    );
}

#[test]
fn everybody_sees_who_voted_what_and_when() {
    let directory = Directory::new();
    let ([ada, ben, cyd], genesis) =
        directory.federation(["ada", "ben", "cyd"], ["primary", "seed", "seed"]);
    for node in [&ada, &ben, &cyd] {
        node.json(&["join", &genesis]);
    }
    let first = ada.start(&[]);
    let others = [&ben, &cyd].map(|node| node.start(&["--peer", first.ticket()]));
    let id = id_of(&ada.json(&MOTD));
    ben.once_known(&id, &["vote", &id, "approve"]);
    // What was said first is said, also before others know it.
    ben.fails(
        &["vote", &id, "reject"],
        3,
        &["has voted", "approve", "cannot be changed"],
    );
    let mine = ben.json(&["votes", "--mine"]);
    assert_eq!(mine["operations"][0]["own_ballot"], "approve", "{mine}");
    let closed = cyd.once_known(&id, &["vote", &id, "reject", "--wait", "--timeout", "60"]);
    assert_eq!(closed["phase"], "closed");
    let decided = ada.json(&["status", &id]);
    assert_eq!(decided["outcome"], "no_quorum");
    let why = decided["why"].as_str().unwrap();
    assert!(why.contains("no ballot has 3 of 3 votes"), "{why}");
    assert!(decided["decided_ms"].as_u64().unwrap() > 0);
    let text = ada.text(&["status", &id]);
    for said in ["ago", "why", "cyd", "reject"] {
        assert!(text.contains(said), "{said}: {text}");
    }
    let votes = ada.json(&["votes"]);
    let votes = votes["operations"][0]["votes"].as_array().unwrap();
    assert_eq!(votes.len(), 3);
    let by_cyd = ada.text(&["votes", "--by", "cyd"]);
    assert!(
        by_cyd.contains("reject") && !by_cyd.contains("approve"),
        "{by_cyd}"
    );
    // A list goes on where its limit ended it.
    let second = id_of(&ada.json(&["propose", "config", "--key", "second", "--value", "1"]));
    let all = ada.json(&["operations"]);
    let ids: Vec<&str> = (all["operations"].as_array().unwrap().iter())
        .map(|line| line["operation"].as_str().unwrap())
        .collect();
    assert_eq!(ids, [second.as_str(), &id]);
    let newest = ada.json(&["operations", "--limit", "1"]);
    assert_eq!(newest["operations"][0]["operation"], second);
    let since = ada.json(&["operations", "--since", "1000000"]);
    assert!(
        since["operations"].as_array().unwrap().len() <= 1,
        "{since}"
    );
    for running in others {
        running.stop();
    }
    first.stop();
}
