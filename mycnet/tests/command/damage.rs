//! Files that are lost, damaged or somebody else's: each failure says a way out that leads out.
#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use crate::harness::{Directory, MOTD, TestNode, said};

fn propose(node: &TestNode) {
    node.json(&[&MOTD[..], &["--wait"]].concat());
}

#[test]
fn a_journal_that_is_gone_is_a_fault_until_the_node_has_rejoined() {
    let directory = Directory::new();
    let node = directory.alone();
    propose(&node);
    assert_eq!(node.json(&["doctor"])["healthy"], true);
    let journal = node.0.join("journal.redb");
    fs::remove_file(&journal).unwrap();
    let faulty = |says: &str| {
        let output = node.run(&["doctor"]);
        let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), said(&output));
        assert_eq!(output.status.code(), Some(65), "{stderr}");
        assert!(stderr.contains(says), "{stderr}");
        assert!(stderr.contains("mycnet run"), "{stderr}");
        assert!(stdout.contains("FAULT") && !stdout.contains("All is well"));
    };
    faulty("journal.redb, is gone");
    assert!(!journal.exists(), "looking at it makes no journal");
    node.start(&[]).stop();
    faulty("Rejoin");
    let running = node.start(&[]);
    node.until(&["status"], "it waits for its Rejoin", |status| {
        status["sealing"]["signing"] == "rejoining"
    });
    node.json(&["rejoin", "--all-met"]);
    running.stop();
    assert_eq!(node.json(&["doctor"])["healthy"], true);
}

/// In a new directory only a person knows that the key was there before. Rules: C3.
#[test]
fn a_restored_key_begins_as_one_that_lost_its_journal() {
    let directory = Directory::new();
    let node = directory.alone();
    propose(&node);
    let genesis = directory.file("alone.json");
    for (name, word, is_ready) in [("told", &["--restored"][..], false), ("silent", &[], true)] {
        let again = TestNode(directory.path().join(name));
        fs::create_dir(&again.0).unwrap();
        fs::set_permissions(&again.0, fs::Permissions::from_mode(0o700)).unwrap();
        fs::copy(node.0.join("author.key"), again.0.join("author.key")).unwrap();
        let output = again.run(&["init"]);
        assert!(said(&output).contains("mycnet join --restored"));
        again.json(&[&["join", &genesis], word].concat());
        let status = again.json(&["status"]);
        let signing = &status["sealing"]["signing"];
        assert_eq!(signing == "ready", is_ready, "{name}: {signing}");
        let proposed = again.run(&MOTD);
        assert_eq!(proposed.status.success(), is_ready, "{}", said(&proposed));
    }
}

#[test]
fn a_damaged_ledger_is_had_again_as_the_message_says() {
    let directory = Directory::new();
    let node = directory.alone();
    // A journal of one write is known to be whole.
    propose(&node);
    propose(&node);
    let genesis = directory.file("alone.json");
    let ledger = node.0.join("ledger.redb");
    let whole = fs::read(&ledger).unwrap();
    for damaged in [&[][..], &whole[..5000], &[7; 5000]] {
        fs::write(&ledger, damaged).unwrap();
        for command in ["status", "doctor", "run"] {
            let says = ["move ledger.redb", "mycnet join", "leave journal.redb"];
            node.fails(&[command], 65, &says);
        }
        fs::rename(&ledger, directory.file("away")).unwrap();
        node.json(&["join", &genesis]);
        let output = node.run(&["status"]);
        assert!(output.status.success());
        assert!(said(&output).contains("Rejoin"), "{}", said(&output));
    }
}

#[test]
fn a_journal_of_another_network_is_told_from_a_damaged_one() {
    let directory = Directory::new();
    let node = directory.alone();
    propose(&node);
    let (ledger, journal) = (node.0.join("ledger.redb"), node.0.join("journal.redb"));
    let other = directory.network("other", &[(&node, "primary")]);
    fs::remove_file(&ledger).unwrap();
    let says = ["journal.redb", "A node has one network", "another --dir"];
    node.fails(&["join", &other], 65, &says);
    fs::write(&journal, "damaged").unwrap();
    let says = ["move journal.redb", "--restored", "Rejoin"];
    node.fails(&["join", &other], 65, &says);
    fs::remove_file(&journal).unwrap();
    node.json(&["join", &other]);
    propose(&node);
    fs::write(&journal, "damaged").unwrap();
    node.fails(&["status"], 65, &["move journal.redb", "Rejoin"]);
}

#[test]
fn a_lost_key_is_not_replaced_by_another_members() {
    let directory = Directory::new();
    let node = directory.alone();
    let key = node.0.join("author.key");
    let copy = fs::read(&key).unwrap();
    fs::remove_file(&key).unwrap();
    for command in ["init", "status", "run"] {
        node.fails(&[command], 1, &["author.key is gone", "copy"]);
    }
    let stranger = directory.node("eve");
    fs::copy(stranger.0.join("author.key"), &key).unwrap();
    for command in ["status", "doctor", "run"] {
        node.fails(&[command], 65, &["put the author.key of that node back"]);
    }
    fs::write(&key, copy).unwrap();
    node.json(&["status"]);
}

#[test]
fn what_holds_secrets_is_its_owners_alone() {
    let directory = Directory::new();
    let node = directory.alone();
    for name in ["ledger.redb", "journal.redb", "config.toml"] {
        let metadata = fs::metadata(node.0.join(name)).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o600, "{name}");
    }
}

#[test]
fn a_directory_that_cannot_be_looked_into_is_not_an_empty_one() {
    let directory = Directory::new();
    // Root may look everywhere, but not through a link to itself.
    let node = TestNode(directory.path().join("loop"));
    std::os::unix::fs::symlink(&node.0, &node.0).unwrap();
    for command in ["status", "run"] {
        let output = node.run(&[command]);
        let stderr = said(&output);
        assert_eq!(output.status.code(), Some(1), "{stderr}");
        assert!(stderr.contains("cannot look for"), "{stderr}");
        assert!(!stderr.contains("mycnet init"), "{stderr}");
    }
}
