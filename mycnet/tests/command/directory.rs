//! A node's directory: what is in it, and who can read it.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use crate::harness::{Directory, TestNode, mycnet, said};

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn keys_are_their_owners_alone() {
    let directory = Directory::new();
    let node = directory.node("ada");
    assert_eq!(mode(&node.0), 0o700);
    for key in ["author.key", "transport.key"] {
        let path = node.0.join(key);
        assert_eq!(mode(&path), 0o600, "{key}");
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.len(), 65, "{key}");
    }
    // What others may have read is not used as if nothing had happened.
    for (name, open, shut) in [("author.key", 0o640, 0o600), ("", 0o750, 0o700)] {
        let path = node.0.join(name);
        set_mode(&path, open);
        node.fails(&["consent", &"07".repeat(32)], 1, &["chmod"]);
        set_mode(&path, shut);
    }
    node.text(&["consent", &"07".repeat(32)]);
}

#[test]
fn a_directory_that_others_use_is_left_as_it_is() {
    let directory = Directory::new();
    let node = TestNode(directory.path().join("shared"));
    fs::create_dir(&node.0).unwrap();
    fs::write(node.0.join("theirs"), "").unwrap();
    set_mode(&node.0, 0o755);
    node.fails(&["init"], 1, &["others can reach", "--dir"]);
    assert_eq!(mode(&node.0), 0o755);
    // One that is empty is nobody's yet.
    fs::remove_file(node.0.join("theirs")).unwrap();
    node.json(&["init"]);
    assert_eq!(mode(&node.0), 0o700);
    let long = TestNode(directory.path().join("x".repeat(100)));
    long.fails(&["init"], 1, &["shorter --dir"]);
    assert!(!long.0.exists());
}

#[test]
fn a_key_is_never_replaced() {
    let directory = Directory::new();
    let node = directory.node("ada");
    let before = node.id();
    node.fails(&["init"], 1, &["there is a node", "--dir"]);
    assert_eq!(node.id(), before);
    // Peers know a node by its author: another transport key is as good.
    fs::remove_file(node.0.join("transport.key")).unwrap();
    assert_eq!(node.json(&["init"])["node"], before);
    assert_eq!(mode(&node.0.join("transport.key")), 0o600);
    fs::write(node.0.join("author.key"), "not a key\n").unwrap();
    node.fails(
        &["consent", &"07".repeat(32)],
        65,
        &["64 hexadecimal digits"],
    );
}

#[test]
fn settings_say_which_line_is_wrong() {
    let directory = Directory::new();
    let node = directory.node("ada");
    let file = node.0.join("config.toml");
    let template = fs::read_to_string(&file).unwrap();
    assert!(template.contains("listen = \"loopback\""), "{template}");
    fs::write(&file, template.replace("mdns =", "mdsn =")).unwrap();
    node.fails(&["doctor"], 65, &["config.toml", "mdsn", "expected one of"]);
    fs::write(&file, "relays = [\"foo\"]").unwrap();
    node.fails(&["doctor"], 65, &["config.toml", "relays", "\"foo\""]);
    let elsewhere = TestNode(directory.path().join("elsewhere"));
    elsewhere.fails(&["init", "--relay", "foo"], 2, &["--relay", "\"foo\""]);
    fs::write(&file, "listen = \"192.0.2.7\"\nport = 4433").unwrap();
    node.json(&["join", &directory.network("alone", &[(&node, "primary")])]);
    let says = ["192.0.2.7", "address of this machine", "--listen"];
    node.fails(&["run"], 1, &says);
}

#[test]
fn what_is_missing_is_named_with_what_makes_it() {
    let directory = Directory::new();
    let nobody = TestNode(directory.path().join("nobody"));
    for command in ["run", "status", "roster", "doctor"] {
        nobody.fails(&[command], 1, &["mycnet init"]);
    }
    let node = directory.node("ada");
    for command in ["run", "status", "operations", "doctor"] {
        node.fails(&[command], 1, &["mycnet join"]);
    }
    node.fails(&["join", "nonsense"], 65, &["neither a file nor a ticket"]);
    let file = directory.file("genesis.json");
    fs::write(&file, "{\"v\":1}").unwrap();
    node.fails(&["join", &file], 65, &["missing field"]);
    fs::write(&file, "hello").unwrap();
    for command in [&["join", &file][..], &["consent", &file]] {
        node.fails(
            command,
            65,
            &["neither a ticket nor a genesis", "neither JSON"],
        );
    }
    // What to run next names the directory, unless it is the one that is found anyway.
    let dir = node.0.to_str().unwrap();
    node.fails(&["status"], 1, &[&format!("mycnet join --dir {dir}")]);
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_mycnet"))
        .args(["status", "--dir", dir])
        .env("MYCNET_DIR", directory.path())
        .output()
        .unwrap();
    assert!(said(&output).contains("--dir"), "{output:?}");
}

#[test]
fn a_genesis_is_judged_before_it_is_written() {
    let directory = Directory::new();
    let node = directory.node("ada");
    let (file, member) = (
        directory.file("genesis.json"),
        format!("{}=primary", node.id()),
    );
    let new = |more: &[&str]| {
        let mut all = vec!["network", "new", "village", "-o", &file];
        all.extend(more);
        mycnet(&all)
    };
    for (more, says) in [
        (vec!["--member", "01=seed"], "expected 01=KEYS:ROLE"),
        (vec!["--member", "ada=01:seed"], "no node id"),
        (vec!["--member", "Ada=01:seed"], "1 to 32 characters"),
        (
            vec!["--member", &member, "--member", &member],
            "named twice",
        ),
        (vec!["--member", &member, "--member", &member], &node.id()),
        (
            vec!["--member", &member, "--param", "drift_ms=99999999999"],
            "from 1 to",
        ),
        (
            vec!["--member", &member, "--param", "nothing=1"],
            "drift_ms",
        ),
        (
            vec!["--member", &member, "--param", "drift_ms=9000000"],
            "four drifts",
        ),
        (vec![], "--member"),
    ] {
        let output = new(&more);
        let stderr = said(&output);
        assert_eq!(output.status.code(), Some(2), "{more:?}: {stderr}");
        assert!(stderr.contains(says), "{more:?}: {stderr}");
        assert!(!Path::new(&file).exists(), "{more:?}");
    }
    // Only together do these two make sense.
    let both = [
        "--param",
        "drift_ms=20000",
        "--param",
        "claim_grace_ms=90000",
    ];
    let output = new(&[&["--member", &member][..], &both].concat());
    assert!(output.status.success(), "{}", said(&output));
    // Another network under the same name would only confuse people.
    assert_eq!(new(&["--member", &member]).status.code(), Some(1));
    let joined = node.json(&["join", &file]);
    assert_eq!(joined["role"], "primary");
    node.fails(&["join", &file], 1, &["in a network already"]);
    let shown = node.text(&["network", "show"]);
    assert_eq!(shown, fs::read_to_string(&file).unwrap());
}

/// Own words for members stay on the machine, and whoever takes one as its name does not become the one that it stands for.
#[test]
fn an_alias_is_the_owners_own_word() {
    use std::io::Write as _;

    let directory = Directory::new();
    let ([ada, bob], genesis) = directory.federation(["ada", "bob"], ["primary", "seed"]);
    ada.json(&["join", &genesis]);
    let file = ada.0.join("config.toml");
    let add = |line: &str| {
        let mut open = std::fs::File::options().append(true).open(&file).unwrap();
        writeln!(open, "{line}").unwrap();
    };
    add(&format!("mum = \"{}\"", &bob.id()[..8]));
    let trust = ada.json(&["trust", "mum"]);
    assert_eq!(trust["node"], bob.id().as_str(), "{trust}");
    ada.fails(&["trust", "dad"], 1, &["dad"]);
    add("ada = \"bob\"");
    ada.fails(
        &["trust", "ada"],
        2,
        &["another node answers to that word too"],
    );
    add("eve = \"not a node!\"");
    ada.fails(&["trust", "bob"], 65, &["config.toml", "aliases", "eve"]);
}
