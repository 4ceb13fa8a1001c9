//! Rebuilders and a coordinator: results are given to nodes that run, asked for in sets, and answered without anybody's doing.

mod kills;
mod serve;
mod sync;

use std::fs;

use serde_json::{Value, json};

use crate::harness::{Directory, Running, TestNode, assert_fails, said};

/// SHA256SUMS of these files: a name, and what stands for its hash.
fn sums(files: &[(&str, &str)]) -> String {
    let line = |(name, digit): &(&str, &str)| format!("{}  {name}\n", digit.repeat(64));
    files.iter().map(line).collect()
}

/// A network of these nodes, all of which run. The first from the genesis, the others from its ticket.
fn running<const N: usize>(
    directory: &Directory,
    names: [&str; N],
    roles: [&str; N],
) -> ([TestNode; N], Vec<Running>) {
    let (nodes, genesis) = directory.federation(names, roles);
    nodes[0].json(&["join", &genesis]);
    let mut running = vec![nodes[0].start(&[])];
    for node in &nodes[1..] {
        node.json(&["join", running[0].ticket()]);
        running.push(node.start(&[]));
    }
    for node in &nodes {
        node.until(&["peers"], "the others are there", |value| {
            let peers = value["peers"].as_array().unwrap().iter();
            peers.filter(|peer| peer["connected"] == true).count() == N - 1
        });
    }
    (nodes, running)
}

fn written(directory: &Directory, name: &str, content: impl AsRef<[u8]>) -> String {
    let file = directory.file(name);
    fs::write(&file, content).unwrap();
    file
}

fn closed(node: &TestNode, operation: &str) -> Value {
    node.until(&["status", operation], "it is closed", |value| {
        value["phase"] == "closed"
    })
}

#[test]
fn rebuilders_answer_what_a_coordinator_asks() {
    let directory = Directory::new();
    let names = ["ada", "bob", "eve", "dan"];
    let (nodes, running) = running(&directory, names, ["primary", "seed", "latent", "latent"]);
    let [ada, bob, eve, dan] = &nodes;
    let zsh = "zsh_5.9-8_amd64.deb";
    let good = [(zsh, "a"), ("22.0/x.tar.gz", "b"), ("22.0/y.tar.gz", "c")];
    let good = written(&directory, "good", sums(&good));
    // One differs in one file and lacks another.
    let other = written(
        &directory,
        "other",
        sums(&[(zsh, "a"), ("22.0/x.tar.gz", "d")]),
    );
    for (node, file, count) in [(ada, &good, 3), (bob, &good, 3), (eve, &other, 2)] {
        let done = node.json(&["builds", "submit", file]);
        assert_eq!(
            (&done["new"], &done["problem_count"]),
            (&json!(count), &json!(0))
        );
        let again = node.json(&["builds", "submit", file]);
        assert_eq!((&again["new"], &again["known"]), (&json!(0), &json!(count)));
    }
    let status = eve.json(&["builds", "status"]);
    assert_eq!(
        (&status["waiting"], &status["committed"]),
        (&json!(2), &json!(0))
    );

    // What is wanted, by its name: of a package that nobody built, too.
    let wanted =
        "pkg:deb/debian/zsh@5.9-8?arch=amd64\n22.0/x.tar.gz\n22.0/y.tar.gz\n22.0/z.tar.gz\n";
    let wanted = written(&directory, "wanted", wanted);
    let shown = ada.json(&["builds", "plan", &wanted, "--set", "3", "--dry-run"]);
    assert_eq!(shown["sets"].as_array().unwrap().len(), 2);
    assert_eq!(shown["sets"][0]["operation"], Value::Null);
    let planned = ada.json(&["builds", "plan", &wanted, "--subject", "tonight"]);
    let set = &planned["sets"][0];
    assert_eq!(
        (&set["subject"], set["items"].as_array().unwrap().len()),
        (&json!("tonight"), 4)
    );
    let id = set["operation"].as_str().unwrap();
    let again = ada.json(&["builds", "plan", &wanted]);
    assert_eq!(
        (&again["sets"], &again["asked_before"]),
        (&json!([]), &json!(4))
    );

    let decided = closed(ada, id);
    let hex = |digit: &str| json!(digit.repeat(64));
    let results = json!([hex("b"), hex("c"), Value::Null, hex("a")]);
    assert_eq!(decided["outcome"]["decided"]["results"], results);
    assert_eq!(decided["in_dispute"][0]["subject"], "22.0/x.tar.gz");
    let again = dan.json(&["builds", "plan", &wanted]);
    assert_eq!(
        again["asked_before"], 4,
        "another member asks nothing again"
    );
    for (node, committed) in [(ada, 3), (eve, 2), (dan, 0)] {
        let status = node.json(&["builds", "status"]);
        assert_eq!(
            (&status["waiting"], &status["committed"]),
            (&json!(0), &json!(committed))
        );
        assert_eq!(status["open"], json!([]));
    }
    // A vote cannot be changed.
    let changed = eve.run(&["builds", "submit", &good, "--replace"]);
    assert_eq!(changed.status.code(), Some(65));
    let stderr = said(&changed);
    assert!(
        stderr.contains("good, line 2: ") && stderr.contains("committed to operation"),
        "{stderr}"
    );
    assert_eq!(
        String::from_utf8_lossy(&changed.stdout),
        "1 new, 1 known, 1 problem\n"
    );

    let mut running = running.into_iter();
    let events = running.next().unwrap().stop();
    let committed = events.iter().find(|event| event["event"] == "committed");
    let committed = committed.expect("it is told");
    assert_eq!(
        (&committed["known"], &committed["items"]),
        (&json!(3), &json!(4))
    );
    for running in running {
        running.stop();
    }
    let health = eve.json(&["doctor"]);
    assert_eq!(
        health["builds"],
        json!({ "waiting": 1, "committed": 2, "originals": 0 })
    );
}

#[test]
fn results_given_before_and_after_the_set_count_and_a_panel_is_asked_alone() {
    let directory = Directory::new();
    let names = ["ada", "bob", "eve"];
    let (nodes, running) = running(&directory, names, ["primary", "seed", "latent"]);
    let [ada, bob, eve] = &nodes;
    let wanted = written(&directory, "wanted", "one\ntwo\n");
    let planned = ada.json(&[
        "builds",
        "plan",
        &wanted,
        "--panel",
        "ada,bob,eve",
        "--share",
        "2/3",
    ]);
    let id = planned["sets"][0]["operation"].as_str().unwrap();
    let good = written(&directory, "good", sums(&[("one", "a"), ("two", "b")]));
    for node in [bob, eve] {
        node.once_known(id, &["builds", "submit", &good]);
    }
    // One item is not known when the time is over, and one is: what is known is committed.
    let part = written(&directory, "part", sums(&[("one", "a")]));
    ada.json(&["builds", "submit", &part]);
    let decided = closed(bob, id);
    let results = &decided["outcome"]["decided"]["results"];
    assert_eq!(results[0], "a".repeat(64));
    let operation = bob.json(&["status", id]);
    let committed = operation["electors"].as_array().unwrap().iter();
    assert_eq!(
        committed
            .filter(|elector| elector["committed"] == true)
            .count(),
        3
    );
    for running in running {
        running.stop();
    }
}

#[test]
fn a_node_that_did_not_run_answers_when_it_runs() {
    let directory = Directory::new();
    let node = directory.alone();
    let good = written(&directory, "good", sums(&[("one", "a"), ("two", "b")]));
    let output = node.run(&["builds", "submit", &good]);
    assert!(said(&output).contains("mycnet run"), "{}", said(&output));
    let planned = node.json(&["builds", "plan", &good]);
    let id = planned["sets"][0]["operation"].as_str().unwrap();
    assert!(
        planned["sets"][0]["subject"]
            .as_str()
            .unwrap()
            .starts_with("builds 20")
    );
    let running = node.start(&[]);
    let decided = closed(&node, id);
    let results = json!(["a".repeat(64), "b".repeat(64)]);
    assert_eq!(decided["outcome"]["decided"]["results"], results);
    running.stop();
    // Without an index, it is made again.
    fs::remove_file(node.0.join("builds-index.redb")).unwrap();
    assert_eq!(node.json(&["builds", "plan", &good])["asked_before"], 2);
    fs::write(node.0.join("builds-index.redb"), "damaged").unwrap();
    let health = node.json(&["doctor"]);
    assert_eq!(health["healthy"], true);
    assert!(
        health["warnings"][0]
            .as_str()
            .unwrap()
            .contains("made again"),
        "{health}"
    );
    assert_eq!(node.json(&["builds", "plan", &good])["asked_before"], 2);
    // Without the book, nothing is as it was, and that is said.
    fs::write(node.0.join("builds.redb"), "damaged").unwrap();
    for arguments in [
        &["builds", "submit", &*good][..],
        &["builds", "status"],
        &["doctor"],
    ] {
        let output = node.run(arguments);
        assert_eq!(output.status.code(), Some(65), "{arguments:?}");
        assert!(
            said(&output).contains("move builds.redb away"),
            "{}",
            said(&output)
        );
    }
    // The node itself goes on.
    let running = node.start(&[]);
    node.json(&["status"]);
    let events = running.stop();
    assert!(
        events.iter().any(|event| event["event"] == "builds_failed"),
        "{events:?}"
    );
}

#[test]
fn bad_input_is_told_by_file_and_line_and_the_rest_is_taken() {
    let directory = Directory::new();
    let node = directory.alone();
    let one = written(
        &directory,
        "one",
        format!("{}rubbish\n", sums(&[("a", "a")])),
    );
    let two = written(
        &directory,
        "two",
        sums(&[("b", "b"), ("a", "c"), ("../c", "c")]),
    );
    let binary = written(&directory, "binary", [0, 159, 146, 150]);
    let nothing = directory.file("nothing");
    let files = [&one, &two, &binary, &nothing].map(String::as_str);
    let output = node.run(&[&["builds", "submit"][..], &files].concat());
    assert_eq!(output.status.code(), Some(65));
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("2 new, 0 known, "));
    let stderr = said(&output);
    for says in [
        "/one, line 2: ",
        "/two, line 2: ",
        "/two, line 3: ",
        "/binary",
        "/nothing",
    ] {
        assert!(stderr.contains(says), "{says} in {stderr}");
    }
    // From standard input, and what differs from what waits.
    let fed = node.fed(
        &["builds", "submit", "-", "--json"],
        sums(&[("b", "d")]).as_bytes(),
    );
    let done: Value = serde_json::from_slice(&fed.stdout).unwrap();
    assert_eq!(
        (&done["new"], &done["problems"][0]["line"]),
        (&json!(0), &json!(1))
    );
    let replaced = node.fed(
        &["builds", "submit", "-", "--replace"],
        sums(&[("b", "d")]).as_bytes(),
    );
    assert!(replaced.status.success(), "{}", said(&replaced));
    assert_eq!(
        String::from_utf8_lossy(&replaced.stdout),
        "0 new, 0 known, 1 replaced\n"
    );

    let bad = written(&directory, "bad", "a\nb\tno input\n");
    let output = node.run(&["builds", "plan", &bad, "--dry-run"]);
    assert_eq!(output.status.code(), Some(65));
    assert!(
        said(&output).contains("/bad, line 2: behind the tab"),
        "{}",
        said(&output)
    );
    for (arguments, code, says) in [
        (&["builds", "plan", &bad, "--set", "0"][..], 2, "1 to 512"),
        (&["builds", "plan", &bad, "--set", "513"], 2, "1 to 512"),
        (&["builds", "plan", &bad, "--panel", "zoe"], 1, "zoe"),
        (&["builds", "submit", &one, "--only", "["], 2, "no pattern"),
        (&["builds", "submit", &one, "--key", &one], 65, "/one: "),
    ] {
        assert_fails(&node.run(arguments), code, &[says]);
    }
}

#[test]
fn a_plan_goes_as_far_as_the_limit_and_has_canaries() {
    let directory = Directory::new();
    let node = directory.alone();
    let names: Vec<String> = (0..70).map(|n| format!("file {n:02}")).collect();
    let wanted = written(&directory, "wanted", names.join("\n"));
    let shown = node.json(&["builds", "plan", &wanted, "--canaries", "5", "--dry-run"]);
    let items = shown["sets"][0]["items"].as_array().unwrap();
    assert_eq!(items.len(), 75);
    let canaries = items.iter().filter(|item| {
        let is_marked = item["subject"].as_str().unwrap().ends_with("#canary");
        assert_eq!(is_marked, item["input"] != json!(""), "{item}");
        is_marked
    });
    assert_eq!(canaries.count(), 5);
    // Nobody answers, so all stay open.
    let output = node.run(&["builds", "plan", &wanted, "--set", "1", "--json"]);
    let planned: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(planned["sets"].as_array().unwrap().len(), 64);
    assert_eq!(planned["remaining_items"], 6);
    let stderr = said(&output);
    assert!(
        stderr.contains("6 items in 6 sets") && stderr.contains("again"),
        "{stderr}"
    );
    let again = node.json(&["builds", "plan", &wanted, "--dry-run"]);
    assert_eq!(
        (
            &again["asked_before"],
            again["sets"][0]["items"].as_array().unwrap().len()
        ),
        (&json!(64), 6)
    );
}
