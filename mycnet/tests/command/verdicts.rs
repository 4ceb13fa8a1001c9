//! What the ledger says about builds: `builds check`, `builds report`, `builds index`.

use std::fs;
use std::path::Path;
use std::process::Output;
use std::time::Instant;

use serde_json::{Value, json};

use crate::harness::{DEADLINE, Directory, Running, TestNode, mycnet, said};

fn hash(content: &str) -> String {
    hex::encode(mycnet_builds::sha256_of(content.as_bytes()).unwrap())
}

fn written(directory: &Directory, name: &str, content: impl AsRef<[u8]>) -> String {
    let file = directory.file(name);
    fs::create_dir_all(Path::new(&file).parent().unwrap()).unwrap();
    fs::write(&file, content).unwrap();
    file
}

/// Three rebuilders that gave results, and a node that only reads; all run.
struct Night {
    directory: Directory,
    nodes: [TestNode; 4],
    genesis: String,
    running: Vec<Running>,
}

const ZSH: &str = "zsh_5.9-8_amd64.deb";
const PURL: &str = "pkg:deb/debian/zsh@5.9-8?arch=amd64";

impl Night {
    /// All agree about zsh, eve differs in x, y is ada's alone, and nobody built z.
    fn new() -> Self {
        let directory = Directory::new();
        let roles = ["primary", "seed", "latent", "latent"];
        let (nodes, genesis) = directory.federation(["ada", "bob", "eve", "dan"], roles);
        nodes[0].json(&["join", &genesis]);
        let mut running = vec![nodes[0].start(&[])];
        for node in &nodes[1..] {
            node.json(&["join", running[0].ticket()]);
            running.push(node.start(&[]));
        }
        let sums = |x: &str| {
            let (zsh, x) = (hash("zsh"), hash(x));
            format!("{zsh}  {ZSH}\n{x}  22.0/x.tar.gz\n")
        };
        let y = format!("{}  22.0/y.tar.gz\n", hash("y"));
        for (node, given) in [
            (&nodes[0], sums("x") + &y),
            (&nodes[1], sums("x")),
            (&nodes[2], sums("other")),
        ] {
            let file = written(&directory, &format!("{}.sums", node.name()), given);
            node.json(&["builds", "submit", &file]);
        }
        let night = Self {
            directory,
            nodes,
            genesis,
            running,
        };
        night.decide("22.0/x.tar.gz\n22.0/y.tar.gz\n22.0/z.tar.gz\n".to_owned() + PURL);
        night
    }

    /// Asks what is in a list, and waits until all nodes know what was decided.
    fn decide(&self, wanted: String) -> String {
        let wanted = written(&self.directory, "wanted", wanted + "\n");
        let plan = ["builds", "plan", &wanted, "--canaries", "1"];
        let planned = self.nodes[0].json(&plan);
        let id = planned["sets"][0]["operation"].as_str().unwrap().to_owned();
        for node in &self.nodes {
            let is_there = |value: &Value| {
                let rows = value["operations"].as_array().unwrap();
                rows.iter().any(|row| row["operation"] == *id)
            };
            node.until(&["operations", "--closed"], "it is closed", is_there);
        }
        id
    }
}

fn checked(output: &Output, code: i32, says: &[&str]) {
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(code), "{text}{}", said(output));
    for says in says {
        assert!(text.contains(says), "{says:?} in {text}");
    }
}

/// What is asked, under which policy; the exit code, and what is printed.
type Row<'a> = (&'a [&'a str], &'a str, i32, &'a [&'a str]);

#[test]
#[allow(clippy::too_many_lines, reason = "a table")]
fn builds_are_confirmed_or_not_by_a_ledger_and_by_an_index() {
    let night = Night::new();
    let directory = &night.directory;
    let good = written(directory, ZSH, "zsh");
    let spoilt = written(directory, &format!("spoilt/{ZSH}"), "spoilt");
    let renamed = written(directory, "bash_1.0-1_amd64.deb", "zsh");
    let unnamed = written(directory, "download", "zsh");
    let unknown = written(directory, "unknown", "unknown");
    let list = written(directory, "list", format!("{PURL}\n\n22.0/y.tar.gz\n"));
    let (of_zsh, other) = (format!("sha256:{}", hash("zsh")), hash("other"));
    let three = "3 of ada,bob,eve";
    let eve = night.nodes[2].id();
    let by_id = format!("1 of {}", &eve[..8]);
    let rows: &[Row<'_>] = &[
        (
            &[&good],
            three,
            0,
            &["confirmed", PURL, "3 gave", "ada (", "skill"],
        ),
        (
            &[&good],
            "3 of ada,bob,eve and ledger",
            0,
            &["ledger", "it decided for"],
        ),
        (
            &[&good],
            "4 of any",
            10,
            &["not enough", "no answer", "dan"],
        ),
        (&[&spoilt], three, 11, &["IN DISPUTE", &hash("zsh")]),
        (
            &[&renamed],
            three,
            12,
            &["unknown", "is known as pkg:deb/debian/zsh"],
        ),
        (&[&unnamed], three, 0, &["confirmed", PURL]),
        (&[&unknown], three, 12, &["unknown"]),
        (&[&of_zsh], three, 0, &["confirmed", PURL]),
        (&[PURL], three, 0, &[&hash("zsh")]),
        (
            &["pkg:deb/debian/zsh@1:5.9-8?arch=amd64"],
            three,
            0,
            &[PURL],
        ),
        (&[PURL, "--sha256", &other], three, 11, &["IN DISPUTE"]),
        (&[PURL, "--sha256", &hash("zsh")], three, 0, &["confirmed"]),
        (&["22.0/x.tar.gz"], "2 of ada,bob,eve", 0, &["by eve ("]),
        (&["22.0/x.tar.gz"], three, 11, &["IN DISPUTE"]),
        (
            &["22.0/x.tar.gz"],
            "1 of ada and 1 of eve",
            11,
            &["IN DISPUTE"],
        ),
        (&["22.0/x.tar.gz"], &by_id, 0, &[&other]),
        (&["22.0/x.tar.gz"], "ledger", 0, &["the ledger's result"]),
        (&["22.0/y.tar.gz"], "2 of any", 10, &["not enough"]),
        (&["22.0/y.tar.gz"], "1 of any", 0, &["confirmed"]),
        (&["22.0/z.tar.gz"], "1 of any", 10, &["nobody of them"]),
        (
            &["22.0/w.tar.gz"],
            "1 of any",
            12,
            &["no set asked", "no file"],
        ),
        // The worst counts.
        (&[PURL, "22.0/y.tar.gz"], three, 10, &[]),
        (&[PURL, "22.0/y.tar.gz", "22.0/w.tar.gz"], three, 12, &[]),
        (&[PURL, "22.0/w.tar.gz", "22.0/x.tar.gz"], three, 11, &[]),
    ];
    let index = directory.file("index");
    let wrote = night.nodes[1].json(&["builds", "index", "-o", &index]);
    assert_eq!((&wrote["sets"], &wrote["items"]), (&json!(1), &json!(5)));
    let dan = &night.nodes[3];
    for (what, policy, code, says) in rows {
        let check = [&["builds", "check", "--policy", policy], *what].concat();
        checked(&dan.run(&check), *code, says);
        // Nobody has a node here.
        let nowhere = directory.file("nowhere");
        let at = [
            "--dir",
            &nowhere,
            "--index",
            &index,
            "--genesis",
            &night.genesis,
        ];
        let says: Vec<&str> = says.iter().copied().filter(|it| *it != "skill").collect();
        checked(&mycnet(&[&check[..], &at].concat()), *code, &says);
        // The node's genesis, and its names.
        checked(
            &dan.run(&[&check[..], &["--index", &index]].concat()),
            *code,
            &says,
        );
    }
    // A list.
    let fed = dan.fed(
        &["builds", "check", "-", "--policy", three],
        &fs::read(list).unwrap(),
    );
    checked(
        &fed,
        10,
        &[
            "zsh@5.9-8?arch=amd64: confirmed",
            "22.0/y.tar.gz: not enough",
        ],
    );
    let fed = dan.fed(&["builds", "check", "-", "--policy", three], b"\n");
    assert_eq!(fed.status.code(), Some(2), "{}", said(&fed));
    // All of it, for programs.
    let mut check = vec![
        "builds",
        "check",
        "22.0/x.tar.gz",
        "--policy",
        "2 of any",
        "--json",
    ];
    let answer: Value = serde_json::from_slice(&dan.run(&check).stdout).unwrap();
    assert_eq!(
        (&answer["verdict"], &answer["policy"]),
        (&json!("confirmed"), &json!("2 of any"))
    );
    let case = &answer["builds"][0]["cases"][0];
    assert_eq!(case["result"], hash("x"));
    assert_eq!(
        (&case["rules"][0]["given"], &case["rules"][0]["needed"]),
        (&json!(2), &json!(2))
    );
    let decided = &case["counts"]["decided"];
    let answers = decided["answers"].as_array().unwrap();
    let of_eve = answers
        .iter()
        .find(|it| it["result"] == *hash("other"))
        .unwrap();
    assert_eq!(of_eve["by"], json!([eve]));
    assert_eq!(answer["members"][&eve]["name"], "eve");
    assert!(answer["members"][&eve]["skill_ppm"].is_u64(), "{answer}");
    assert!(decided["height"].as_u64() <= answer["height"].as_u64());

    // Without a policy, and with a bad one.
    check.truncate(3);
    dan.fails(&check, 2, &["whose word is enough", "--policy"]);
    for (policy, says) in [
        ("", "a rule is missing"),
        ("3 of ada,bob", "a number from 1 to 2"),
        ("2 of ada,zoe", "no member is named zoe"),
        (&*format!("2 of eve,{}", &eve[..8]), "stands twice"),
    ] {
        dan.fails(&[&check[..], &["--policy", policy]].concat(), 2, &[says]);
    }
    let two = [&check[..], &["a", "--policy", "ledger", "--sha256", &other]].concat();
    dan.fails(&two, 2, &["--sha256 is about one build"]);
    dan.fails(
        &[
            &["builds", "check", "--policy", "ledger", "--sha256", &other],
            &[&*good][..],
        ]
        .concat(),
        2,
        &["has its own"],
    );
    // That of the owner, with the owner's words for members.
    let settings = dan.0.join("config.toml");
    let mut text = fs::read_to_string(&settings).unwrap();
    text = text.replace("[aliases]", "[aliases]\nfriend = \"bob\"")
        + "[builds]\npolicy = \"2 of ada,friend\"\n";
    fs::write(&settings, &text).unwrap();
    checked(&dan.run(&check), 0, &["2 of ada,friend"]);
    fs::write(&settings, text.replace("2 of ada", "3 of ada")).unwrap();
    dan.fails(&check, 65, &["config.toml", "a number from 1 to 2"]);
}

#[test]
fn what_was_asked_again_and_what_is_open_is_told() {
    let night = Night::new();
    let [ada, bob, ..] = &night.nodes;
    // Another input of the same subject, which nobody built.
    let input = "ab".repeat(32);
    night.decide(format!("{PURL}\t{input}"));
    let check = ["builds", "check", PURL, "--policy", "2 of any"];
    checked(&bob.run(&check), 0, &[&input, "not enough", &hash("zsh")]);
    // What is open is no verdict yet, and what nobody answers is none later.
    let wanted = written(&night.directory, "wanted", "22.0/new.tar.gz\n");
    ada.json(&["builds", "plan", &wanted]);
    let check = ["builds", "check", "22.0/new.tar.gz", "--policy", "1 of any"];
    let end = Instant::now() + DEADLINE;
    while bob.run(&check).status.code() == Some(12) {
        assert!(Instant::now() < end, "it is asked");
    }
    checked(&bob.run(&check), 10, &["not enough"]);
}

#[test]
fn an_index_that_is_not_what_it_says_is_refused() {
    let night = Night::new();
    let directory = &night.directory;
    let index = directory.file("index");
    let written_index = night.nodes[0].json(&["builds", "index", "-o", &index, "--since", "all"]);
    let good = fs::read(&index).unwrap();
    assert_eq!(written_index["bytes"], good.len());
    let streamed = night.nodes[0].run(&["builds", "index", "-o", "-", "--since", "all"]);
    assert!(
        streamed.stdout.starts_with(b"mycnet-index"),
        "{}",
        said(&streamed)
    );
    night.nodes[0].fails(&["builds", "index", "-o", &index], 1, &["exists"]);
    night.nodes[0].fails(
        &["builds", "index", "-o", "x", "--since", "1x"],
        2,
        &["24h"],
    );
    let other = Directory::new();
    other.node("ada");
    let elsewhere = other.network(
        "village",
        &[(&TestNode(other.path().join("ada")), "primary")],
    );
    let check = |genesis: &str, bytes: &[u8]| {
        let file = written(directory, "hostile", bytes);
        let policy = [
            "--policy",
            "1 of any",
            "--index",
            &file,
            "--genesis",
            genesis,
        ];
        mycnet(&[&["builds", "check", PURL], &policy[..]].concat())
    };
    checked(&check(&night.genesis, &good), 0, &["confirmed"]);
    let flipped = |at: usize| {
        let mut bytes = good.clone();
        bytes[at] ^= 1;
        bytes
    };
    for (desc, genesis, bytes, says) in [
        ("another file", &night.genesis, b"zsh".to_vec(), "no index"),
        (
            "cut",
            &night.genesis,
            good[..good.len() / 2].to_vec(),
            "was cut",
        ),
        (
            "damaged",
            &night.genesis,
            flipped(good.len() / 2),
            "hostile: ",
        ),
        ("a version", &night.genesis, flipped(12), "has version 0"),
        (
            "another network",
            &elsewhere,
            good.clone(),
            "it is of network",
        ),
    ] {
        let output = check(genesis, &bytes);
        checked(&output, 65, &[]);
        assert!(said(&output).contains(says), "{desc}: {}", said(&output));
    }
}

#[test]
fn a_report_says_who_differed_in_what() {
    let night = Night::new();
    let dan = &night.nodes[3];
    let report = dan.json(&["builds", "report"]);
    let numbers = ["sets", "items", "decided", "in_dispute", "unanswered"];
    let numbers = numbers.map(|name| report[name].as_u64().unwrap());
    // The rule of the set decides y by the only answer.
    assert_eq!(numbers, [1, 5, 3, 1, 2]);
    assert_eq!(report["disputes"][0]["subject"], "22.0/x.tar.gz");
    let line = |node: &TestNode| {
        let lines = report["builders"].as_array().unwrap().iter();
        let mut lines = lines.filter(|line| line["node"] == node.id());
        let line = lines.next().unwrap().clone();
        [
            "asked", "answered", "agreed", "differed", "alone", "missing", "canaries",
        ]
        .map(|name| line[name].as_u64().unwrap())
    };
    let [ada, _, eve, _] = &night.nodes;
    assert_eq!(line(ada), [5, 3, 3, 0, 0, 2, 1]);
    assert_eq!(line(eve), [5, 2, 1, 1, 1, 3, 1]);
    let text = dan.text(&["builds", "report", "--since", "all"]);
    for says in ["heights 0 to", "eve (", "22.0/x.tar.gz", "1 sets, 5 items"] {
        assert!(text.contains(says), "{says} in {text}");
    }
    let dissent = dan.text(&["builds", "report", "--dissent"]);
    assert!(
        dissent.contains("eve (") && !dissent.contains("dan ("),
        "{dissent}"
    );
    let height = report["height"].as_u64().unwrap() + 1;
    let later = dan.json(&["builds", "report", "--since", &height.to_string()]);
    assert_eq!(
        (&later["sets"], &later["builders"]),
        (&json!(0), &json!([]))
    );
    // The same without a running node.
    let closed = report["disputes"][0]["height"].clone();
    for running in night.running {
        running.stop();
    }
    let again = dan.json(&["builds", "report", "--since", &closed.to_string()]);
    assert_eq!(again["builders"], report["builders"]);
}
