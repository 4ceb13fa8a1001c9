//! The client that pages and programs use: the npm package automerge-repo. Skipped where `node`, `npm` or the registry is not there.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{Directory, MOTD, id_of, said};
use crate::publisher::{Publisher, begun};
use crate::reader::{Reader, is_closed};

/// The packages of the lock file, and the program, in a directory.
fn install(directory: &Path) -> Result<(), String> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/npm");
    for file in ["package.json", "package-lock.json", "reader.js"] {
        std::fs::copy(source.join(file), directory.join(file)).unwrap();
    }
    let npm = |arguments: &[&str]| {
        let mut command = Command::new("npm");
        command.args(arguments).current_dir(directory);
        let output = command.stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("npm cannot be started: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(said(&output))
    };
    let node = Command::new("node").arg("--version").output();
    node.map_err(|error| format!("node cannot be started: {error}"))?;
    npm(&["ping"])?;
    // What cannot be installed although the registry answers is a fault. Not `npm ci`: that asks for optional machine code for each
    // kind of machine in the lock file. This keeps to the versions and hashes there too.
    let options = [
        "--ignore-scripts",
        "--omit=optional",
        "--no-audit",
        "--no-fund",
    ];
    let installed = npm(&[&["install"], &options[..]].concat());
    installed.unwrap_or_else(|error| panic!("{error}"));
    Ok(())
}

#[test]
fn the_client_of_the_npm_registry_reads_and_cannot_write() {
    let directory = Directory::new();
    if let Err(why) = install(directory.path()) {
        eprintln!("SKIPPED: {why}");
        return;
    }
    let (node, _running) = begun(&directory);
    let mut publisher = Publisher::start(&node, &[]);
    let url = publisher.url();
    let id = id_of(&node.json(&[&MOTD[..], &["--ballot", "none"]].concat()));
    let mut client = Command::new("node")
        .args(["reader.js", &publisher.address, &url, &id])
        .current_dir(directory.path())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let mut line = || -> Value {
        let line = lines.next().expect("a line more").unwrap();
        serde_json::from_str(&line).unwrap()
    };
    let found = line();
    assert_eq!(found["roster"][node.id()]["name"], "ada", "{found:#}");
    let own = line();
    node.json(&["vote", &id, "approve"]);
    let last = line();
    assert_eq!(last["operations"][&id]["outcome"], "approve");
    assert_eq!(last["hostile"], "it was here", "its own copy is its own");
    let votes = line();
    assert!(!votes["reveals"][node.id()].is_null(), "{votes:#}");
    assert_eq!(line()["found"], false, "{own} was kept");
    assert!(client.wait().unwrap().success());

    let mut reader = Reader::connect(&publisher.address, &url);
    let content = reader.until("it is there", is_closed(&id));
    assert!(content["hostile"].is_null(), "{content:#}");
    publisher.stop();
}
