//! What commands write, and what they read from streams.
#![cfg(unix)]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::harness::{DEADLINE, Directory, MOTD, TestNode, id_of, said, signal};

/// Decides something, and gives its id.
fn decided(node: &TestNode) -> String {
    id_of(&node.json(&[&MOTD[..], &["--wait"]].concat()))
}

fn names(directory: &Path) -> Vec<String> {
    let entries = fs::read_dir(directory).unwrap();
    let mut names: Vec<String> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn what_is_there_is_never_replaced() {
    let directory = Directory::new();
    let node = directory.alone();
    let id = decided(&node);
    let key = node.0.join("author.key");
    let (before, file) = (fs::read(&key).unwrap(), key.to_str().unwrap());
    let nowhere = directory.file("link");
    std::os::unix::fs::symlink(directory.file("nowhere"), &nowhere).unwrap();
    let there = names(&node.0);
    for path in [file, &nowhere] {
        node.fails(&["bundle", "export", path], 1, &["exists"]);
        node.fails(&["certificate", &id, "-o", path], 1, &["exists"]);
        node.fails(&["network", "show", "-o", path], 1, &["exists"]);
    }
    node.fails(
        &["bundle", "export", directory.path().to_str().unwrap()],
        1,
        &["exists"],
    );
    assert_eq!(fs::read(&key).unwrap(), before);
    // A height that is yet to come would make a bundle of nothing.
    let bundle = directory.file("bundle");
    let late = ["bundle", "export", &bundle, "--from", "999"];
    node.fails(&late, 2, &["--from 999", "at height"]);
    node.fails(&["bundle", "export", &directory.file("no/b")], 1, &["no/b"]);
    assert_eq!(names(&node.0), there);
    let next = node.json(&["status"])["height"].as_u64().unwrap() + 1;
    node.json(&["bundle", "export", &bundle, "--from", &next.to_string()]);
    assert_eq!(
        names(directory.path()),
        ["ada", "alone.json", "bundle", "link"],
        "nothing is left over"
    );
}

#[test]
fn streams_are_filled_and_stay() {
    let directory = Directory::new();
    let node = directory.alone();
    let id = decided(&node);
    let pipe = directory.file("pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let whole = directory.file("certificate");
    node.json(&["certificate", &id, "-o", &whole]);
    for (command, begins) in [
        (
            &["certificate", &id, "-o", &pipe][..],
            fs::read(&whole).unwrap(),
        ),
        (&["bundle", "export", &pipe], b"mycnet-bundle".to_vec()),
    ] {
        let path = pipe.clone();
        let reader = std::thread::spawn(move || fs::read(path).unwrap());
        let output = node.run(command);
        assert!(output.status.success(), "{}", said(&output));
        assert!(reader.join().unwrap().starts_with(&begins));
        assert!(Path::new(&pipe).exists(), "{command:?}");
    }
    let output = node.run(&["bundle", "export", "-"]);
    assert!(output.stdout.starts_with(b"mycnet-bundle"));
    assert_eq!(output.stdout, node.run(&["bundle", "export", "-"]).stdout);
}

#[test]
fn a_bundle_comes_from_a_stream_and_leaves_nothing_behind() {
    let directory = Directory::new();
    let node = directory.alone();
    decided(&node);
    let bundle = node.run(&["bundle", "export", "-"]).stdout;
    let import = ["bundle", "import", "-", "--json"];
    let other = Directory::new();
    let stranger = other.alone();
    let foreign = stranger.run(&["bundle", "export", "-"]).stdout;
    let check = || {
        let output = node.fed(&import, &bundle);
        assert!(output.status.success(), "{}", said(&output));
        for (input, says) in [
            (&b"no bundle, whatever else it is"[..], "standard input"),
            (&foreign, "another network"),
            (&bundle[..bundle.len() - 1], "cut"),
        ] {
            let output = node.fed(&import, input);
            let stderr = said(&output);
            assert_eq!(output.status.code(), Some(65), "{stderr}");
            assert!(stderr.contains(says), "{stderr}");
        }
        let left = names(&node.0);
        assert!(!left.iter().any(|name| name.starts_with(".importing-")));
    };
    check();
    // What a command left behind that was killed goes when the node starts.
    fs::write(node.0.join(".importing-1"), "").unwrap();
    let own = node.0.join("bundle-1");
    fs::write(&own, &bundle).unwrap();
    let running = node.start(&[]);
    check();
    assert!(own.exists(), "what a person put there stays");
    // One that is interrupted takes its file away.
    let mut child = node.begin(&import);
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, &bundle[..bundle.len() / 2]).unwrap();
    let stand = node.0.join(format!(".importing-{}", child.id()));
    let end = Instant::now() + DEADLINE;
    while !stand.exists() {
        assert!(Instant::now() < end, "the stream is read");
        std::thread::sleep(Duration::from_millis(20));
    }
    signal(&child, "TERM");
    assert_eq!(child.wait().unwrap().code(), Some(1));
    assert!(!stand.exists());
    drop(input);
    running.stop();
}
