//! `kill -9` at random moments between giving results and the closing of the sets that ask for them: no result is lost, and none is
//! committed twice.
//!
//! `MYCNET_KILLS` is the number of kills, `MYCNET_SEED` repeats a schedule, but not its timing:
//! `MYCNET_KILLS=100 cargo test -p mycnet --test command builds::kills -- --nocapture`

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{running, written};
use crate::harness::{Directory, Running, TestNode};

/// Items of a round, in sets of [`SET`].
const ITEMS: usize = 24;
const SET: &str = "8";

/// A generator of numbers that do not have to be good.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005);
        self.0 = self.0.wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// Asks a node that may be killed meanwhile, until it answers.
fn asked(node: &TestNode, arguments: &[&str]) -> Option<Value> {
    let mut all = arguments.to_vec();
    all.push("--json");
    let output = node.run(&all);
    let value = serde_json::from_slice(&output.stdout).ok();
    value.filter(|_| output.status.success())
}

#[test]
fn a_rebuilder_that_is_killed_again_and_again_loses_no_result_and_commits_none_twice() {
    let kills = number("MYCNET_KILLS").unwrap_or(6);
    let seed = number("MYCNET_SEED").unwrap_or(1);
    println!("MYCNET_SEED={seed} MYCNET_KILLS={kills}");
    let mut random = Random(seed);
    let directory = Directory::new();
    let names = ["ada", "bob", "eve", "dan"];
    let roles = ["primary", "seed", "latent", "latent"];
    let (nodes, mut running) = running(&directory, names, roles);
    let dan = &nodes[3];
    let mut victim = running.pop().unwrap();
    let (mut killed, mut round, mut sets) = (0, 0, Vec::new());
    while killed < kills {
        round += 1;
        let name = |n: usize| format!("round {round}/file {n}");
        let file = |n: usize| format!("{:064x}  {}\n", round * 1000 + n, name(n));
        let good = written(&directory, "good", (0..ITEMS).map(file).collect::<String>());
        let wanted = written(
            &directory,
            "wanted",
            (0..ITEMS).map(|n| name(n) + "\n").collect::<String>(),
        );
        for node in &nodes[..3] {
            node.json(&["builds", "submit", &good]);
        }
        // The one that is killed is given its results before or after it is asked; and it may be killed while it is given them.
        let is_before = random.below(2) == 0;
        let ask = |sets: &mut Vec<(String, usize)>| {
            let planned = nodes[0].json(&["builds", "plan", &wanted, "--set", SET]);
            for set in planned["sets"].as_array().unwrap() {
                sets.push((set["operation"].as_str().unwrap().to_owned(), round));
            }
        };
        if !is_before {
            ask(&mut sets);
        }
        let giving = dan.begin(&["builds", "submit", &good]);
        let was_given = match random.below(3) {
            0 => {
                std::thread::sleep(Duration::from_millis(random.below(30)));
                victim = killed_and_started(dan, victim, &mut random);
                killed += 1;
                giving.wait_with_output().unwrap().status.success()
            }
            _ => giving.wait_with_output().unwrap().status.success(),
        };
        if is_before {
            ask(&mut sets);
        }
        for _ in 0..=random.below(2) {
            std::thread::sleep(Duration::from_millis(random.below(2500)));
            victim = killed_and_started(dan, victim, &mut random);
            killed += 1;
        }
        // What was not acknowledged may be gone: it is given again, and nothing of it is new twice.
        let again = dan.json(&["builds", "submit", &good]);
        if was_given {
            assert_eq!(
                again["known"], ITEMS,
                "an acknowledged result is lost: {again}"
            );
        }
        assert_eq!(again["problem_count"], 0, "{again}");
    }
    settled(&nodes, &sets);
    let status = dan.json(&["builds", "status"]);
    let all = status["waiting"].as_u64().unwrap() + status["committed"].as_u64().unwrap();
    assert_eq!(all, round as u64 * ITEMS as u64, "{status}");
    for node in &nodes {
        assert_eq!(node.json(&["evidence"])["evidence"], json!([]));
    }
    drop(victim);
    let health = dan.json(&["doctor"]);
    assert_eq!(health["healthy"], true, "{health}");
    println!("{killed} kills in {round} rounds, {} sets", sets.len());
}

/// Kills a node, and starts it again: at times once in vain, because it is killed in the middle of the start.
fn killed_and_started(node: &TestNode, victim: Running, random: &mut Random) -> Running {
    victim.kill();
    std::thread::sleep(Duration::from_millis(random.below(300)));
    if random.below(3) == 0 {
        let mut begun = node.begin(&["run"]);
        std::thread::sleep(Duration::from_millis(random.below(200)));
        begun.kill().unwrap();
        begun.wait().unwrap();
    }
    node.start(&[])
}

/// Waits until all sets are closed, and compares what the killed node revealed with what it was given: each of its votes is whole, and
/// what it did not commit waits.
fn settled(nodes: &[TestNode], sets: &[(String, usize)]) {
    let end = Instant::now() + Duration::from_mins(2);
    let dan = nodes[3].id();
    let mut committed = 0;
    for (set, round) in sets {
        let closed = loop {
            let found = asked(&nodes[0], &["status", set]);
            if let Some(closed) = found.filter(|found| found["phase"] == "closed") {
                break closed;
            }
            assert!(Instant::now() < end, "set {set} does not close");
            std::thread::sleep(Duration::from_millis(100));
        };
        let items = closed["content"]["claim_set"]["items"].as_array().unwrap();
        let electors = closed["electors"].as_array().unwrap().iter();
        let mut own = electors.filter(|elector| elector["node"] == *dan);
        let own = own.next().unwrap();
        if own["ballot"].is_null() {
            continue;
        }
        let results = own["ballot"]["results"].as_array().unwrap();
        for (item, result) in items.iter().zip(results) {
            let subject = item["subject"].as_str().unwrap();
            let n: usize = subject.rsplit(' ').next().unwrap().parse().unwrap();
            if !result.is_null() {
                assert_eq!(
                    *result,
                    json!(format!("{:064x}", round * 1000 + n)),
                    "{subject}"
                );
                committed += 1;
            }
        }
    }
    println!("{committed} results of the killed node count");
}
