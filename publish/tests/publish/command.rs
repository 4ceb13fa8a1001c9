//! The command line.

use std::process::{Command, Stdio};

use tokio_tungstenite::tungstenite::http::StatusCode;

use crate::harness::{Directory, MOTD, assert_fails, mycnet, said};
use crate::publisher::{Publisher, publish};
use crate::reader::open;

#[test]
fn mycnet_starts_it() {
    let version = mycnet(&["publish", "--version"]);
    let text = String::from_utf8_lossy(&version.stdout).into_owned();
    assert!(
        text.starts_with("mycnet-publish "),
        "{text}{}",
        said(&version)
    );
    let wrong = mycnet(&["publish", "--listen", "nowhere"]);
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));

    // A mycnet that has it neither beside itself nor on the path.
    let directory = Directory::new();
    let alone = directory.file("mycnet");
    if std::fs::hard_link(crate::mycnet_path(), &alone).is_err() {
        std::fs::copy(crate::mycnet_path(), &alone).unwrap();
    }
    let mut command = Command::new(alone);
    command.arg("publish").env("PATH", directory.path());
    let output = command.stdin(Stdio::null()).output().unwrap();
    assert_fails(&output, 1, &["no mycnet-publish", "cargo install"]);
}

#[test]
fn addresses_are_checked() {
    let directory = Directory::new();
    let node = directory.alone();
    let open_to_all = publish(&node, &["--listen", "0.0.0.0:0"]);
    assert_fails(&open_to_all, 2, &["--beyond-this-machine"]);
    let as_json = publish(&node, &["--listen", "0.0.0.0:0", "--json"]);
    let failure: serde_json::Value = serde_json::from_slice(&as_json.stderr).unwrap();
    assert_eq!(failure["kind"], "usage", "{failure}");
    let mut publisher =
        Publisher::start(&node, &["--listen", "0.0.0.0:0", "--beyond-this-machine"]);
    let address = publisher.address.trim_start_matches("ws://").to_owned();
    let taken = ["--listen", &address, "--beyond-this-machine"];
    assert_fails(&publish(&node, &taken), 1, &["cannot listen on"]);
    // Nothing is there to be read before the node has sealed something.
    let running = node.start(&[]);
    node.json(&MOTD);
    let url = publisher.url();
    assert!(url.starts_with("automerge:"), "{url}");
    running.stop();
    publisher.stop();
}

#[test]
fn pages_of_other_origins_are_refused() {
    let directory = Directory::new();
    let node = directory.alone();
    let publisher = Publisher::start(&node, &["--origin", "https://example.org"]);
    let address = &publisher.address;
    for (origin, is_let_in) in [
        (None, true),
        (Some("https://example.org"), true),
        (Some("https://example.com"), false),
        (Some("http://localhost:7448"), false),
        (Some("null"), false),
    ] {
        let opened = open(address, origin);
        match opened {
            Ok(_) => assert!(is_let_in, "{origin:?}"),
            Err(status) => {
                assert!(!is_let_in, "{origin:?}");
                assert_eq!(status, Some(StatusCode::FORBIDDEN));
            }
        }
    }
    publisher.stop();
}
