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
