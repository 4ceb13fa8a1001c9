//! A key that may be stolen is replaced by its owner, without a vote (K1 to K4).

use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Directory, MOTD, Running, TestNode, assert_fails, id_of, mycnet, said};

/// Makes a node whose next key is on the stick.
fn node(directory: &Directory, name: &str) -> TestNode {
    let node = TestNode(directory.path().join(name));
    fs::create_dir_all(directory.path().join("stick")).unwrap();
    node.json(&["init", "--successor", &next_key(directory, name)]);
    node
}

fn next_key(directory: &Directory, name: &str) -> String {
    directory.file(&format!("stick/{name}.key"))
}

/// The genesis of a network of these nodes, as an organiser makes it from what they print.
fn genesis(directory: &Directory, nodes: &[TestNode], params: &[&str]) -> String {
    let file = directory.file("village.json");
    let members: Vec<String> = nodes
        .iter()
        .zip(["primary", "seed", "seed", "latent"])
        .map(|(node, role)| {
            let shown = node.json(&["key", "show"]);
            format!("{}={}:{role}", node.name(), shown["keys"].as_str().unwrap())
        })
        .collect();
    let mut new = vec!["network", "new", "village", "--profile", "dev", "-o", &file];
    for member in &members {
        new.extend(["--member", member]);
    }
    for param in params {
        new.extend(["--param", param]);
    }
    let output = mycnet(&new);
    assert!(output.status.success(), "{}", said(&output));
    file
}

/// Founders that run and have met.
fn village(directory: &Directory, names: &[&str]) -> (Vec<TestNode>, Vec<Running>) {
    let nodes: Vec<TestNode> = names.iter().map(|name| node(directory, name)).collect();
    // A slow machine must not freeze a decision before all have voted.
    let slow = [
        "critical_grace_ms=30000",
        "commit_window_ms=60000",
        "reveal_window_ms=60000",
    ];
    let genesis = genesis(directory, &nodes, &slow);
    let mut running: Vec<Running> = Vec::new();
    for node in &nodes {
        let invitation = running.first().map_or(genesis.as_str(), Running::ticket);
        node.json(&["join", invitation]);
        running.push(node.start(&[]));
    }
    for node in &nodes {
        node.until(&["status"], "the others are there", |status| {
            status["peers"] == names.len() - 1
        });
    }
    (nodes, running)
}

fn member<'a>(roster: &'a Value, name: &str) -> &'a Value {
    let mut members = roster["members"].as_array().unwrap().iter();
    members.find(|member| member["name"] == name).unwrap()
}

/// Waits until a node's roster has another key for a member. Returns the member.
fn moved(node: &TestNode, name: &str, old: &str) -> Value {
    let roster = node.until(&["roster"], "the member has its next key", |roster| {
        let member = member(roster, name);
        member["former"] == serde_json::json!([old]) && member["node"] != old
    });
    member(&roster, name).clone()
}

/// Waits until a node runs with its member's present key.
fn runs_with(node: &TestNode, key: &str) {
    node.until(&["status"], "the node runs with the next key", |status| {
        status["running"] == true && status["node"] == key && status["member"]["node"] == key
    });
}

fn file_in(node: &TestNode, name: &str) -> bool {
    node.0.join(name).exists()
}

fn copy(directory: &Directory, node: &TestNode, name: &str) -> TestNode {
    let place = directory.file(name);
    let from = node.0.to_str().unwrap();
    let copied = Command::new("cp").args(["-a", from, &place]).status();
    assert!(copied.unwrap().success());
    TestNode(place.into())
}

/// A decision to which every member has to say something.
fn decide(nodes: &[&TestNode], value: &str) {
    let propose = ["propose", "config", "--key", "motd", "--value", value];
    let id = id_of(&nodes[0].json(&propose));
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

#[cfg(unix)]
#[test]
fn the_next_key_lies_elsewhere_and_is_its_owners_alone() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    let directory = Directory::new();
    let ada = TestNode(directory.path().join("ada"));
    let path = |text: &str| directory.file(text);
    symlink(&ada.0, directory.path().join("link")).unwrap();
    fs::create_dir_all(directory.path().join("stick")).unwrap();
    fs::create_dir_all(ada.0.join("deep")).unwrap();
    for open in [&ada.0, &ada.0.join("deep")] {
        fs::set_permissions(open, fs::Permissions::from_mode(0o700)).unwrap();
    }
    symlink(ada.0.join("x"), directory.path().join("stick/leads-in")).unwrap();
    for inside in [
        "ada",
        "ada/successor.key",
        "ada/deep/successor.key",
        "link/successor.key",
        "stick/../ada/successor.key",
        "ada/deep/../successor.key",
    ] {
        let arguments = ["init", "--successor", &path(inside)];
        ada.fails(&arguments, 2, &["both keys", "USB stick"]);
    }
    // A link is not followed into the directory.
    ada.fails(&["init", "--successor", &path("stick/leads-in")], 1, &[]);
    ada.fails(
        &["init", "--successor", &path("no/successor.key")],
        1,
        &["no"],
    );
    assert!(!file_in(&ada, "author.key") && !file_in(&ada, "x"));
    assert!(!ada.0.join("deep/successor.key").exists());

    // A directory takes it under its usual name.
    let made = ada.run(&["init", "--json", "--successor", &path("stick")]);
    assert!(said(&made).contains("off this machine"), "{}", said(&made));
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let key = directory.path().join("stick/successor.key");
    assert_eq!(
        fs::metadata(&key).unwrap().permissions().mode() & 0o777,
        0o600
    );
    let (node, successor) = (ada.id(), made["successor"].as_str().unwrap());
    assert_eq!(made["keys"], format!("{node}/{successor}"));
    assert!(ada.text(&["key", "show"]).contains(successor));

    // Another node's key is not taken for one's own.
    let bob = TestNode(directory.path().join("bob"));
    bob.fails(
        &["init", "--successor", &path("stick")],
        2,
        &["there already"],
    );
    // In a pipe nothing is asked, and what is missing is said.
    let plain = bob.run(&["init"]);
    assert!(
        said(&plain).contains("--successor FILE"),
        "{}",
        said(&plain)
    );
    assert_eq!(bob.json(&["key", "show"])["successor"], Value::Null);
    let quiet = TestNode(directory.path().join("eve")).run(&["init", "--no-successor"]);
    assert_eq!(said(&quiet), "");
}

#[test]
fn an_interrupted_init_takes_the_key_that_it_made() {
    let directory = Directory::new();
    let ada = node(&directory, "ada");
    let before = ada.json(&["key", "show"])["successor"].clone();
    // As if it had been killed before the last step.
    fs::remove_file(ada.0.join("author.key")).unwrap();
    let again = ada.json(&["init", "--successor", &next_key(&directory, "ada")]);
    assert_eq!(again["successor"], before);
    // Or while it wrote the key.
    fs::remove_file(ada.0.join("author.key")).unwrap();
    fs::write(next_key(&directory, "ada"), "").unwrap();
    let again = ada.json(&["init", "--successor", &next_key(&directory, "ada")]);
    assert_ne!(again["successor"], before);
}

#[test]
fn a_network_of_one_changes_its_key_and_errors_say_what_is_wrong() {
    let directory = Directory::new();
    let ada = node(&directory, "ada");
    let (next, after) = (next_key(&directory, "ada"), next_key(&directory, "after"));
    let hour = ["commit_window_ms=3600000", "reveal_window_ms=3600000"];
    let nodes = [ada];
    let genesis = genesis(&directory, &nodes, &hour);
    let [ada] = nodes;
    ada.fails(&["key", "succeed", "--key", &next], 1, &["no network yet"]);
    ada.json(&["join", &genesis]);
    let (old, digest) = (ada.id(), ada.json(&["key", "show"])["successor"].clone());

    ada.fails(&["key", "succeed"], 2, &["--key FILE"]);
    let missing = ["key", "succeed", "--key", "nowhere.key"];
    ada.fails(&missing, 1, &["cannot read the key nowhere.key"]);
    fs::write(directory.path().join("text"), "not a key\n").unwrap();
    let text = directory.file("text");
    ada.fails(&["key", "succeed", "--key", &text], 65, &["is no key"]);
    let other = node(&directory, "bob");
    let wrong = next_key(&directory, "bob");
    let says = ["names another key", digest.as_str().unwrap()];
    ada.fails(&["key", "succeed", "--key", &wrong], 3, &says);
    let inside = ada.0.join("after.key");
    let inside = inside.to_str().unwrap();
    let arguments = ["key", "succeed", "--key", &next, "--successor", inside];
    ada.fails(&arguments, 2, &["both keys"]);
    let arguments = ["key", "succeed", "--key", &next, "--successor", &next];
    ada.fails(&arguments, 2, &["there already"]);
    for left in ["next.key", "next.successor"] {
        assert!(!file_in(&ada, left), "{left} is not left by a refusal");
    }

    let arguments = ["key", "succeed", "--key", &next, "--successor", &after];
    let done = ada.json(&arguments);
    assert_eq!(
        (&done["old"], &done["sealed"]),
        (&old.clone().into(), &true.into())
    );
    assert_eq!(done["node"], ada.id());
    assert_ne!(ada.id(), old);
    let shown = ada.json(&["key", "show"]);
    assert_eq!(shown["former"], serde_json::json!([old]));
    assert_eq!(shown["successor"], done["successor"]);
    assert!(!file_in(&ada, "next.key") && !file_in(&ada, "next.successor"));
    // Said again, it is done.
    assert_eq!(
        ada.json(&["key", "succeed", "--key", &next])["sealed"],
        true
    );
    for (command, told) in [("status", "formerly "), ("roster", "FORMER KEYS")] {
        let text = ada.text(&[command]);
        assert!(text.contains(told) && text.contains(&old[..8]), "{text}");
    }
    ada.json(&[
        "propose", "config", "--key", "motd", "--value", "x", "--wait",
    ]);
    let trust = ada.json(&["trust", &old[..10], "--explain"]);
    assert_eq!(trust["name"], "ada");

    // Once in a commit window; until then it waits.
    let early = ada.json(&["key", "succeed", "--key", &after, "--no-successor"]);
    assert_eq!(early["sealed"], false);
    let text = ada.text(&["key", "show"]);
    assert!(
        text.contains("one change of key per commit window"),
        "{text}"
    );
    let other_words = directory.file("stick/other.key");
    let arguments = [
        "key",
        "succeed",
        "--key",
        &after,
        "--successor",
        &other_words,
    ];
    ada.fails(&arguments, 3, &["repeat the command as it was"]);
    assert!(!Path::new(&other_words).exists());
    ada.json(&["doctor"]);
    drop(other);
}

/// The case for which the old key goes on: without it the others could not seal.
#[test]
fn in_a_network_of_three_the_old_key_seals_its_own_succession() {
    let directory = Directory::new();
    let (nodes, running) = village(&directory, &["ada", "bob", "eve"]);
    let bob = &nodes[1];
    decide(&[&nodes[0], bob, &nodes[2]], "before");
    let old = bob.id();
    let (next, after) = (next_key(&directory, "bob"), next_key(&directory, "bob-2"));
    let done = bob.json(&["key", "succeed", "--key", &next, "--successor", &after]);
    assert_eq!(
        (&done["old"], &done["running"]),
        (&old.clone().into(), &true.into())
    );
    let key = done["node"].as_str().unwrap();
    for node in &nodes {
        let line = moved(node, "bob", &old);
        assert_eq!(line["node"], key);
        assert_eq!(
            (&line["role"], &line["successor"]),
            (&"seed".into(), &done["successor"])
        );
    }
    // The node goes on with it by itself, and is needed for everything.
    runs_with(bob, key);
    assert_eq!(bob.id(), key);
    decide(&[bob, &nodes[0], &nodes[2]], "after");
    for node in [&nodes[0], &nodes[2]] {
        let peers = node.until(&["peers"], "the new key is connected", |peers| {
            let peers = peers["peers"].as_array().unwrap();
            peers
                .iter()
                .any(|peer| peer["node"] == key && peer["connected"] == true)
        });
        assert!(peers.to_string().contains("bob"));
    }
    let mut running = running.into_iter();
    running.next();
    let told = running.next().unwrap().stop();
    assert!(
        told.iter()
            .any(|event| event["event"] == "replaced" && event["old"] == old)
    );
    let health = bob.json(&["doctor"]);
    assert_eq!(health["healthy"], true, "{health}");
    // What the key before had signed is still known, and it starts again.
    let bob_again = bob.start(&[]);
    assert_eq!(bob_again.started["node"], key);
}

/// With three all must sign, and neither of two with one key does: only founding the network anew leads out.
#[test]
fn a_thief_who_runs_the_key_of_one_of_three_is_left_behind() {
    let directory = Directory::new();
    let (nodes, mut running) = village(&directory, &["ada", "bob", "eve"]);
    let [ada, bob, eve] = &nodes[..] else {
        unreachable!("three were asked for")
    };
    decide(&[ada, bob, eve], "before");
    let old = bob.id();
    let next = next_key(&directory, "bob");
    // A copy would be noticed as such; a thief takes the key alone.
    let key = bob.0.join("author.key");
    let thief = TestNode(directory.path().join("thief"));
    thief.json(&["init", "--key", key.to_str().unwrap(), "--no-successor"]);
    thief.json(&["join", running[0].ticket()]);
    let stolen = thief.start(&[]);
    bob.until(&["status"], "the thief is seen", |status| {
        status["sealing"]["signing"] == "twin"
    });
    bob.json(&["key", "succeed", "--key", &next, "--no-successor"]);
    let plan = ada.until(&["refound", "plan"], "the new key is known", |plan| {
        plan["plan"]["succeeded"]
            .as_array()
            .is_some_and(|it| !it.is_empty())
    });
    let network = plan["outlook"]["network"].as_str().unwrap().to_owned();
    let digits = plan["digest"].as_str().unwrap()[..8].to_owned();
    ada.json(&["refound", "endorse", &digits]);
    for node in [bob, eve] {
        node.until(&["refound", "status"], "the plan is known", |known| {
            known.to_string().contains(&digits)
        });
        node.json(&["refound", "endorse", &digits]);
    }
    for node in &nodes {
        node.until(&["status"], "it goes on in the new network", |status| {
            status["network"] == *network && status["sealing"]["signing"] == "ready"
        });
    }
    assert_ne!(bob.id(), old, "the next key is the author's now");
    decide(&[ada, bob, eve], "after");
    running.clear();
    drop(stolen);
}

/// Whoever stole the directory has everything but the next key.
#[test]
fn a_stolen_key_that_still_runs_cannot_move_the_membership() {
    let directory = Directory::new();
    let (nodes, mut running) = village(&directory, &["ada", "bob", "eve", "zoe"]);
    let (bob, old) = (&nodes[1], nodes[1].id());
    running.remove(1).stop();
    let thief = copy(&directory, bob, "thief");
    // The machine is gone: the owner has the stick, and a ticket.
    fs::rename(&bob.0, directory.path().join("gone")).unwrap();
    let stolen = thief.start(&[]);
    let (next, after) = (next_key(&directory, "bob"), next_key(&directory, "bob-2"));
    // The thief tries, with keys of its own.
    let own = node(&directory, "own");
    for key in [
        next_key(&directory, "own"),
        own.0.join("author.key").to_str().unwrap().into(),
    ] {
        thief.fails(
            &["key", "succeed", "--key", &key, "--no-successor"],
            3,
            &["names another key"],
        );
    }
    let own_key = thief.0.join("author.key");
    let own_key = own_key.to_str().unwrap();
    let same = thief.json(&["key", "succeed", "--key", own_key, "--no-successor"]);
    assert_eq!(same["old"], Value::Null, "nothing to do");

    let home = TestNode(directory.path().join("home"));
    home.json(&["init", "--key", &next, "--successor", &after]);
    home.json(&["join", running[0].ticket()]);
    let owner = home.start(&[]);
    home.until(&["status"], "it is served as its member", |status| {
        status["keys"]["place"] == "successor" && status["peers"].as_u64() >= Some(3)
    });
    assert!(home.text(&["status"]).contains("mycnet key succeed"));
    let wrong = ["key", "succeed", "--key", &after];
    home.fails(&wrong, 2, &["leave --key away"]);
    let done = home.json(&["key", "succeed"]);
    assert_eq!(done["old"], old);
    for node in [&nodes[0], &nodes[2], &nodes[3], &home] {
        let line = moved(node, "bob", &old);
        assert_eq!(
            (&line["node"], &line["successor"]),
            (&home.id().into(), &done["successor"])
        );
    }
    // What the thief signs from now on is refused, also by its own node.
    thief.until(&["status"], "the thief is told", |status| {
        status["keys"]["place"] == "former"
    });
    thief.fails(&MOTD, 3, &["former-key"]);
    thief.fails(
        &["key", "succeed", "--key", &after, "--no-successor"],
        3,
        &["replaced already"],
    );
    assert!(thief.text(&["status"]).contains("FORMER KEY"));
    decide(&[&home, &nodes[0], &nodes[2], &nodes[3]], "ours");
    let roster = nodes[0].json(&["roster"]);
    assert_eq!(member(&roster, "bob")["standing"], "active");
    drop((owner, stolen));
}

/// The process may be killed at any step: the command said again does the rest.
#[test]
fn a_kill_between_two_steps_loses_nothing() {
    let directory = Directory::new();
    let ada = node(&directory, "ada");
    let nodes = [ada];
    let genesis = genesis(&directory, &nodes, &[]);
    let [ada] = nodes;
    ada.json(&["join", &genesis]);
    ada.json(&[
        "propose", "config", "--key", "motd", "--value", "x", "--wait",
    ]);
    let (next, after) = (next_key(&directory, "ada"), next_key(&directory, "after"));
    let old = fs::read_to_string(ada.0.join("author.key")).unwrap();
    let start = copy(&directory, &ada, "start");
    let command = ["key", "succeed", "--key", &next, "--successor", &after];
    let done = ada.json(&command);
    let successor = done["successor"].clone();
    let is_over = |node: &TestNode, what: &str| {
        let shown = node.json(&["key", "show"]);
        assert_eq!(shown["node"], done["node"], "{what}");
        assert_eq!(shown["successor"], successor, "{what}");
        let left = ["next.key", "next.successor", "next.key.new"];
        assert!(left.iter().all(|file| !file_in(node, file)), "{what}");
        let former = format!("former-{}.key", &done["old"].as_str().unwrap()[..8]);
        let kept = fs::read_to_string(node.0.join(former)).unwrap();
        assert_eq!(kept, old, "{what}");
        assert_eq!(node.json(&["doctor"])["healthy"], true, "{what}");
        node.json(&["propose", "config", "--key", "k", "--value", what, "--wait"]);
    };
    is_over(&ada, "the whole way");

    // Nothing but files yet, and none of them signed.
    let node = copy(&directory, &start, "files");
    let noted = format!("{}\n", successor.as_str().unwrap());
    fs::write(node.0.join("next.successor"), &noted).unwrap();
    fs::write(node.0.join("next.key.new"), "half").unwrap();
    assert_eq!(node.json(&["key", "show"])["former"], serde_json::json!([]));
    node.json(&command);
    is_over(&node, "after the files");

    // The databases belong to the next key, and the file does not yet.
    let node = copy(&directory, &ada, "databases");
    let next_text = fs::read_to_string(ada.0.join("author.key")).unwrap();
    fs::rename(node.0.join("author.key"), node.0.join("next.key")).unwrap();
    fs::write(node.0.join("author.key"), &old).unwrap();
    let first = fs::read_to_string(start.0.join("successor")).unwrap();
    fs::write(node.0.join("successor"), &first).unwrap();
    fs::write(node.0.join("next.successor"), &noted).unwrap();
    set_private(&node.0);
    is_over(&node, "after the databases");
    assert_eq!(
        fs::read_to_string(node.0.join("author.key")).unwrap(),
        next_text
    );

    // Only the digests are left.
    let node = copy(&directory, &ada, "digests");
    fs::write(node.0.join("successor"), &first).unwrap();
    fs::write(node.0.join("next.successor"), &noted).unwrap();
    is_over(&node, "after the key");
}

/// Keys that a test writes are their owner's alone.
fn set_private(directory: &Path) {
    #[cfg(unix)]
    for entry in fs::read_dir(directory).unwrap() {
        use std::os::unix::fs::PermissionsExt as _;
        let path = entry.unwrap().path();
        fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    #[cfg(not(unix))]
    let _ = directory;
}

/// SIGKILL to the node and to the command, at random moments, in a network that needs this member for every seal.
#[test]
fn kills_at_any_moment_end_with_the_next_key() {
    let directory = Directory::new();
    let (nodes, mut running) = village(&directory, &["ada", "bob", "eve"]);
    let (bob, old) = (&nodes[1], nodes[1].id());
    let (next, after) = (next_key(&directory, "bob"), next_key(&directory, "bob-2"));
    let command = ["key", "succeed", "--key", &next, "--successor", &after];
    for wait_ms in [5, 20, 60, 150] {
        let mut child = bob.begin(&command);
        std::thread::sleep(std::time::Duration::from_millis(wait_ms));
        let _ = child.kill();
        child.wait().unwrap();
        // The node too, as its machine fails.
        running.remove(1).kill();
        running.insert(1, bob.start(&[]));
    }
    let done = bob.json(&command);
    running.remove(1).kill();
    running.insert(1, bob.start(&[]));
    for node in &nodes {
        moved(node, "bob", &old);
    }
    runs_with(bob, done["node"].as_str().unwrap());
    decide(&[bob, &nodes[0], &nodes[2]], "after");
    assert_eq!(bob.json(&["key", "show"])["successor"], done["successor"]);
}

#[test]
fn a_terminal_is_asked_where_the_next_key_shall_be() {
    // `script` runs a command on a terminal of its own.
    let directory = Directory::new();
    let (ada, stick) = (directory.file("ada"), directory.file("stick"));
    fs::create_dir(&stick).unwrap();
    let line = format!("{} init --dir {ada}", env!("CARGO_BIN_EXE_mycnet"));
    let started = Command::new("script")
        .args(["-qec", &line, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = started else {
        println!("no `script` on this machine");
        return;
    };
    let answers = format!("{ada}/x.key\n{stick}\n");
    child
        .stdin
        .take()
        .unwrap()
        .write_all(answers.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        text.contains("both keys") && text.contains("successor"),
        "{text}"
    );
    assert!(Path::new(&stick).join("successor.key").exists(), "{text}");
    let node = TestNode(ada.into());
    assert!(node.json(&["key", "show"])["successor"].is_string());
}

#[test]
fn a_member_without_successor_is_told_what_is_left() {
    let directory = Directory::new();
    let alone = directory.alone();
    let other = node(&directory, "bob");
    let key = next_key(&directory, "bob");
    alone.fails(
        &["key", "succeed", "--key", &key],
        3,
        &["no successor", "mycnet propose"],
    );
    let network = alone.json(&["status"])["network"]
        .as_str()
        .unwrap()
        .to_owned();
    let consent = other.json(&["consent", &network]);
    let digest = consent["successor"].as_str().unwrap();
    assert!(consent["consent"].as_str().unwrap().contains(digest));
    // A stranger's key has nothing to succeed to.
    let lonely = other.run(&["key", "succeed", "--key", &key]);
    assert_fails(&lonely, 1, &["no network yet"]);
}

/// Others sealed it while the node was away: its old key is still served for a while, so that it learns of it (N1).
#[test]
fn a_node_that_missed_the_seal_learns_of_it_with_its_old_key() {
    let directory = Directory::new();
    let (nodes, mut running) = village(&directory, &["ada", "bob", "eve", "zoe"]);
    let (bob, old) = (&nodes[1], nodes[1].id());
    running.remove(1).stop();
    let next = next_key(&directory, "bob");
    let done = bob.json(&["key", "succeed", "--key", &next, "--no-successor"]);
    assert_eq!(done["sealed"], false);
    assert!(bob.text(&["key", "show"]).contains("once a seal says so"));
    let bundle = directory.file("bundle");
    bob.json(&["bundle", "export", &bundle]);
    nodes[0].json(&["bundle", "import", &bundle]);
    for node in [&nodes[0], &nodes[2], &nodes[3]] {
        moved(node, "bob", &old);
    }
    assert_eq!(bob.id(), old);
    let again = bob.start(&[]);
    assert_eq!(again.started["node"], old);
    runs_with(bob, done["node"].as_str().unwrap());
    assert_eq!(bob.json(&["key", "show"])["successor"], Value::Null);
}
