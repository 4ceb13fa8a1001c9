//! Full disks, pipes that nobody writes, text that is none, files of other nodes, and connections that ask nothing.
#![cfg(unix)]

use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Directory, MOTD, TestNode, assert_fails, id_of, mycnet, said};

const MYCNET: &str = env!("CARGO_BIN_EXE_mycnet");

/// What nothing here takes, if it does not wait for anybody.
const SOON: Duration = Duration::from_secs(20);

/// Runs a command that can write so many blocks into a file. A write beyond them fails, or kills the command.
fn limited(blocks: u32, kills: bool, arguments: &[&str]) -> Output {
    let trap = if kills { "" } else { "trap '' XFSZ; " };
    let script = format!("{trap}ulimit -f {blocks}; exec \"$0\" \"$@\"");
    Command::new("sh")
        .args(["-c", &script, MYCNET])
        .args(arguments)
        .env_remove("MYCNET_DIR")
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// Asserts that a command ends, and soon.
fn ends(node: &TestNode, arguments: &[&str]) -> Output {
    let mut child = node.begin(arguments);
    let end = Instant::now() + SOON;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > end {
            child.kill().unwrap();
            panic!("{arguments:?} waits");
        }
        sleep(Duration::from_millis(20));
    }
    child.wait_with_output().unwrap()
}

fn pipe(directory: &Directory, name: &str) -> String {
    let pipe = directory.file(name);
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    pipe
}

#[test]
fn init_on_a_full_disk_leaves_nothing_half_made() {
    let directory = Directory::new();
    let whole = directory.node("whole");
    let files = ["config.toml", "transport.key"];
    let (usb, mut count) = (directory.file("usb.key"), 0);
    for kills in [false, true] {
        for blocks in [0, 1] {
            for there in 0..=files.len() {
                count += 1;
                let node = TestNode(directory.path().join(format!("n{count}")));
                let place = node.0.to_str().unwrap();
                if there > 0 {
                    directory.node(node.name());
                    for file in ["author.key", "config.toml", "transport.key"] {
                        fs::remove_file(node.0.join(file)).unwrap();
                    }
                }
                for file in &files[..there] {
                    fs::copy(whole.0.join(file), node.0.join(file)).unwrap();
                }
                let key = format!("{usb}-{count}");
                let init = ["init", "--json", "--dir", place, "--successor", &key];
                let output = limited(blocks, kills, &init);
                if blocks == 1 && there > 0 {
                    assert!(output.status.success(), "keys fit: {}", said(&output));
                    continue;
                }
                assert!(!output.status.success());
                for file in ["config.toml", "transport.key", "author.key"] {
                    let is_there = node.0.join(file).exists();
                    assert_eq!(is_there, files[..there].contains(&file), "{file}");
                }
                node.json(&init[..1]);
                node.fails(&["status"], 1, &["no network yet"]);
                node.json(&["join", &directory.network("net", &[(&node, "primary")])]);
                fs::remove_file(directory.file("net.json")).unwrap();
                node.json(&["status"]);
            }
        }
    }
}

#[test]
fn settings_that_an_earlier_init_left_are_not_taken_for_those_of_the_options() {
    let directory = Directory::new();
    let node = directory.node("ada");
    for file in ["author.key", "transport.key"] {
        fs::remove_file(node.0.join(file)).unwrap();
    }
    let says = ["config.toml", "something else than these options"];
    node.fails(&["init", "--port", "4433"], 2, &says);
    fs::write(node.0.join("config.toml"), "# half\nlisten = \"loop").unwrap();
    node.fails(&["init"], 65, &["config.toml", "line 2"]);
    assert!(!node.0.join("author.key").exists());
}

#[test]
fn what_is_no_regular_file_is_refused_at_once() {
    let directory = Directory::new();
    let node = directory.alone();
    let genesis = directory.file("alone.json");
    let pipe = pipe(&directory, "pipe");
    let stranger = directory.node("eve");
    for (bad, says) in [
        (pipe.as_str(), "a pipe"),
        ("/dev/zero", "a device"),
        (directory.path().to_str().unwrap(), "a directory"),
    ] {
        let payload = format!("@{bad}");
        for (node, arguments) in [
            (&stranger, &["join", bad][..]),
            (&node, &["verify", "--genesis", &genesis, bad]),
            (&node, &["verify", "--genesis", bad, bad]),
            (
                &node,
                &["propose", "config", "--key", "motd", "--value", &payload],
            ),
            (
                &TestNode(directory.path().join("new")),
                &["init", "--key", bad],
            ),
            (
                &node,
                &[
                    "propose",
                    "claim-set",
                    "--subject",
                    "s",
                    "--items",
                    bad,
                    "--results",
                    bad,
                ],
            ),
            (&node, &["watch", "--place", bad]),
        ] {
            let output = ends(node, arguments);
            let stderr = said(&output);
            assert!(!output.status.success(), "{arguments:?}");
            assert!(stderr.contains(bad), "{arguments:?}: {stderr}");
            assert!(stderr.contains(says), "{arguments:?}: {stderr}");
        }
        for file in ["config.toml", "author.key", "transport.key", "ticket"] {
            let path = node.0.join(file);
            let before = fs::read(&path).ok();
            let _ = fs::remove_file(&path);
            std::os::unix::fs::symlink(bad, &path).unwrap();
            let output = ends(&node, &["run"]);
            let stderr = said(&output);
            assert!(!output.status.success(), "{file}");
            assert!(
                stderr.contains(file) && stderr.contains(says),
                "{file}: {stderr}"
            );
            fs::remove_file(&path).unwrap();
            if let Some(before) = before {
                crate::harness::private(&path, &before);
            }
        }
    }
    node.json(&["status"]);
}

#[test]
fn a_bundle_that_never_comes_keeps_nobody_waiting() {
    let directory = Directory::new();
    let node = directory.alone();
    let pipe = pipe(&directory, "pipe");
    let answers = |node: &TestNode| {
        for _ in 0..4 {
            assert!(ends(node, &["status"]).status.success());
        }
    };
    // Also without a running node: the databases are not held while the command waits.
    let imports = |node: &TestNode| -> Vec<_> {
        let pipes = [pipe.as_str(), "-"].into_iter().cycle().take(8);
        pipes
            .map(|it| node.begin(&["bundle", "import", it]))
            .collect()
    };
    let stop = |waiting: Vec<std::process::Child>| {
        for mut child in waiting {
            assert!(child.try_wait().unwrap().is_none(), "it waits by itself");
            child.kill().unwrap();
            child.wait().unwrap();
        }
    };
    let waiting = imports(&node);
    sleep(Duration::from_millis(500));
    answers(&node);
    stop(waiting);
    let running = node.start(&[]);
    let waiting = imports(&node);
    answers(&node);
    stop(waiting);
    // A program can name any path. The node opens regular files only.
    let huge = directory.file("huge");
    let file = fs::File::create(&huge).unwrap();
    file.set_len(1 << 40).unwrap();
    for (bad, says) in [
        (pipe.as_str(), "a pipe"),
        ("/dev/zero", "a device"),
        (directory.path().to_str().unwrap(), "a directory"),
        (&huge, "bundle"),
    ] {
        let body = serde_json::json!({ "file": bad }).to_string();
        let answer = posted(&node, "/v1/files/bundle/import", &body);
        assert!(answer.contains(says), "{bad}: {answer}");
        answers(&node);
        if bad != pipe {
            let output = ends(&node, &["bundle", "import", bad]);
            assert!(!output.status.success());
            assert!(said(&output).contains(bad), "{}", said(&output));
        }
    }
    running.stop();
}

/// The answer to a request, whatever it is.
fn posted(node: &TestNode, path: &str, body: &str) -> String {
    let mut stream = UnixStream::connect(node.0.join("control.sock")).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Whether a terminal shows nothing but text.
fn is_plain(text: &[u8]) -> bool {
    let text = String::from_utf8_lossy(text);
    let is_bad = |c: char| {
        (c.is_control() && c != '\n')
            || "\u{200b}\u{200d}\u{200f}\u{202e}\u{2066}\u{feff}\u{ad}\u{3164}\u{e0041}".contains(c)
    };
    !text.contains(is_bad)
}

#[test]
fn nothing_but_text_reaches_the_terminal() {
    let directory = Directory::new();
    let node = directory.alone();
    let evil = "e\u{1b}[2J\u{9b}31m\r\u{200b}\u{200d}\u{202e}\u{2066}\u{feff}\u{ad}\u{3164}\u{e0041}\u{7f}vil\nerror: all is lost";
    let check = |output: &Output| {
        let shown = [&output.stdout[..], &output.stderr].concat();
        let text = String::from_utf8_lossy(&shown).into_owned();
        assert!(is_plain(&shown), "{text:?}");
        assert!(!text.contains("\nerror: all is lost"), "{text}");
        let is_there = text.contains("vil") || text.contains(&hex::encode("vil"));
        assert!(is_there, "{text}");
    };
    let path = directory.file(evil);
    fs::create_dir(&path).unwrap();
    for arguments in [
        &["verify", "--genesis", &path, &path][..],
        &["bundle", "import", &path],
        &["builds", "check", &path, "--policy", "1 of any"],
    ] {
        check(&node.run(arguments));
    }
    check(&mycnet(&["replay", &path]));
    let stranger = directory.node("eve");
    check(&stranger.run(&["join", evil]));
    check(&stranger.run(&["join", &path]));
    let new = directory.file("new");
    check(&mycnet(&["init", "--key", &path, "--dir", &new]));
    check(&mycnet(&[
        "init",
        "--no-successor",
        "--dir",
        &format!("{path}/node"),
    ]));
    check(&mycnet(&[
        "init",
        "--no-successor",
        "--json",
        "--dir",
        &format!("{path}/node2"),
    ]));
    // What is wrong with the command line quotes it.
    for arguments in [
        &["vote", evil, "approve"][..],
        &["status", evil, evil],
        &[evil],
    ] {
        let output = node.run(arguments);
        assert!(is_plain(&output.stderr), "{}", said(&output));
        assert!(said(&output).contains("\\u{202e}"), "{}", said(&output));
    }
    // What others wrote.
    let claim = ["propose", "claim", "--subject", evil, "--result", evil];
    let id = id_of(&node.json(&claim));
    let value = ["propose", "config", "--key", "motd", "--value", evil];
    node.json(&value);
    for arguments in [&["status", &id][..], &["operations"], &["config"]] {
        check(&node.run(arguments));
        let output = node.run(&[arguments, &["--json"]].concat());
        assert!(
            is_plain(&output.stdout),
            "{}",
            String::from_utf8_lossy(&output.stdout)
        );
        let _: Value = serde_json::from_slice(&output.stdout).unwrap();
    }
    let said_of = node.json(&["status", &id])["subject"].clone();
    assert_eq!(said_of, evil, "programs read the same");
    fs::write(
        node.0.join("config.toml"),
        format!("port = 1\nvil = \"{evil}\"\n"),
    )
    .unwrap();
    let output = node.run(&["run"]);
    assert_fails(&output, 65, &["config.toml", "line "]);
    assert!(is_plain(&output.stderr), "{}", said(&output));
}

#[test]
fn an_export_that_was_stopped_is_repeated_into_its_directory() {
    let directory = Directory::new();
    let node = directory.alone();
    node.json(&[&MOTD[..], &["--wait"]].concat());
    let (place, whole) = (directory.file("export"), directory.file("whole"));
    node.json(&["export", &whole]);
    assert!(!Path::new(&whole).join("unfinished").exists());
    // Whatever write is the last one, no file is half, and the export can be repeated.
    let dir = node.0.to_str().unwrap();
    let running = node.start(&[]);
    drop(running);
    fs::create_dir(&place).unwrap();
    fs::create_dir(Path::new(&place).join("operations")).unwrap();
    node.fails(&["export", &place], 1, &["not empty"]);
    fs::remove_dir(Path::new(&place).join("operations")).unwrap();
    for kills in [false, true] {
        let output = limited(0, kills, &["export", &place, "--dir", dir]);
        assert!(!output.status.success());
    }
    let network = node.json(&["status"])["network"].clone();
    let mark = Path::new(&place).join("unfinished");
    fs::create_dir_all(mark.with_file_name("operations")).unwrap();
    fs::write(&mark, format!("{}\n", network.as_str().unwrap())).unwrap();
    fs::write(mark.with_file_name("ledger.automerge.1-0.new"), "half").unwrap();
    fs::write(mark.with_file_name("genesis.json"), "half").unwrap();
    node.json(&["export", &place]);
    let same = Command::new("diff")
        .args(["-r", &place, &whole])
        .output()
        .unwrap();
    assert!(same.status.success(), "{same:?}");
    node.fails(&["export", &place], 1, &["not empty"]);
    // Not that of another network.
    let other = Directory::new();
    let stranger = other.alone();
    fs::write(&mark, format!("{}\n", network.as_str().unwrap())).unwrap();
    stranger.fails(&["export", &place], 1, &["another network"]);
}

/// Puts a copy of a file in the place of another.
fn put(from: &TestNode, file: &str, to: &TestNode) {
    fs::copy(from.0.join(file), to.0.join(file)).unwrap();
}

#[test]
fn files_of_another_node_are_named_and_nothing_is_made_worse() {
    let directory = Directory::new();
    let (nodes, genesis) = directory.federation(["ada", "bob"], ["primary", "seed"]);
    let [ada, bob] = &nodes;
    let copied = |name: &str, of: &TestNode| {
        let copy = TestNode(directory.path().join(name));
        let done = Command::new("cp").arg("-a").args([&of.0, &copy.0]).status();
        assert!(done.unwrap().success());
        copy
    };
    let elsewhere = copied("elsewhere", ada);
    let other = directory.network("other", &[(ada, "primary")]);
    for node in &nodes {
        node.json(&["join", &genesis]);
        node.json(&MOTD);
    }
    elsewhere.json(&["join", &other]);
    elsewhere.json(&MOTD);
    let short = |node: &TestNode| node.id()[..8].to_owned();
    let (ada_id, bob_id) = (short(ada), short(bob));
    let net = |node: &TestNode| node.json(&["status"])["network"].as_str().unwrap()[..8].to_owned();
    let (here, there) = (net(ada), net(&elsewhere));
    let is_refused = |node: &TestNode, says: &[&str]| {
        for command in [&["status"][..], &["doctor"], &MOTD, &["run"]] {
            let output = node.run(command);
            assert_fails(&output, 65, says);
            let text = said(&output);
            assert!(!text.contains("delete the"), "{text}");
        }
    };
    let journal_of_bob = copied("j", ada);
    put(bob, "journal.redb", &journal_of_bob);
    let says = [
        &*format!(
            "journal.redb in {} is that of node {bob_id}",
            journal_of_bob.0.display()
        ),
        &*format!("author.key is that of node {ada_id}"),
        "Put the journal of this node back",
        "sign twice",
        "Rejoin",
    ];
    is_refused(&journal_of_bob, &says);
    // To join again without a ledger.
    fs::remove_file(journal_of_bob.0.join("ledger.redb")).unwrap();
    let says = [&*bob_id, "back", "--restored"];
    journal_of_bob.fails(&["join", &genesis], 65, &says);
    let ledger_of_bob = copied("l", ada);
    put(bob, "ledger.redb", &ledger_of_bob);
    let says = [
        &*format!(
            "ledger.redb in {} is that of node {bob_id}",
            ledger_of_bob.0.display()
        ),
        "Put the ledger of this node back",
        "leave journal.redb where it is",
    ];
    is_refused(&ledger_of_bob, &says);
    // No journal is made for a ledger of another node.
    fs::remove_file(ledger_of_bob.0.join("journal.redb")).unwrap();
    let both = [
        &*format!("those of node {bob_id}"),
        &*format!("that of node {ada_id}"),
        "sign against each other",
    ];
    is_refused(&ledger_of_bob, &both);
    assert!(!ledger_of_bob.0.join("journal.redb").exists());
    put(bob, "journal.redb", &ledger_of_bob);
    is_refused(&ledger_of_bob, &both);
    // The same node in two networks.
    for file in ["journal.redb", "ledger.redb"] {
        let mixed = copied(&format!("m-{file}"), ada);
        put(&elsewhere, file, &mixed);
        is_refused(&mixed, &[&here, &there, "delete neither", "Rejoin"]);
    }
    let moving = copied("moving", ada);
    fs::remove_file(moving.0.join("ledger.redb")).unwrap();
    let says = [&*here, &there, "A node has one network", "another --dir"];
    moving.fails(&["join", &other], 65, &says);
    // What is put back is as it was.
    moving.json(&["join", &genesis]);
    fs::write(moving.0.join("journal.redb"), "damaged").unwrap();
    fs::remove_file(moving.0.join("ledger.redb")).unwrap();
    moving.fails(&["join", &genesis], 65, &["--restored"]);
}

#[test]
fn connections_that_ask_nothing_starve_nobody() {
    let directory = Directory::new();
    let node = directory.alone();
    let running = node.start(&[]);
    let head = "POST /v1/operations HTTP/1.1\r\nHost: localhost\r\n";
    let body = format!("{head}Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{\"op");
    for half in ["", head, &body, "GET / HT"] {
        let mut open = Vec::new();
        for _ in 0..500 {
            let mut stream = UnixStream::connect(node.0.join("control.sock")).unwrap();
            stream.write_all(half.as_bytes()).unwrap();
            open.push(stream);
        }
        for _ in 0..3 {
            let start = Instant::now();
            assert!(ends(&node, &["status"]).status.success());
            assert!(start.elapsed() < Duration::from_secs(5), "{half:?}");
        }
    }
    // More than the node takes at once wait for one another for some seconds.
    let mut open = Vec::new();
    for _ in 0..900 {
        open.push(UnixStream::connect(node.0.join("control.sock")).unwrap());
    }
    let start = Instant::now();
    assert!(ends(&node, &["status"]).status.success());
    assert!(start.elapsed() < Duration::from_secs(5));
    drop(open);
    running.stop();
}
