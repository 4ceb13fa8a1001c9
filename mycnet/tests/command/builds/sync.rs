//! A small rebuilderd on loopback, with the answers of the real one, is read.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use mycnet_builds::{Link, PublicKey};
use mycnet_consensus::{Identity, Signer as _};
use serde_json::{Value, json};

use super::written;
use crate::harness::{Directory, TestNode, said};

/// A rebuilderd. What it does not have is answered with 404, and what is `None` with 503.
#[derive(Clone, Default)]
struct Rebuilder(Arc<Mutex<BTreeMap<String, Option<Vec<u8>>>>>);

impl Rebuilder {
    /// One with a key, and its address.
    fn start(identity: &Identity) -> (Self, String) {
        let rebuilder = Self::default();
        rebuilder.has_key(identity);
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let serving = rebuilder.clone();
        thread::spawn(move || {
            // A client may keep connections that it does not use.
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                thread::spawn(move || serving.answer(stream));
            }
        });
        (rebuilder, format!("http://{address}/"))
    }

    fn answer(&self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        let mut head = Vec::new();
        let mut line = String::new();
        while let Ok(1..) = stream.read_line(&mut line)
            && line != "\r\n"
        {
            head.push(std::mem::take(&mut line));
        }
        let path = head.first().and_then(|it| it.split(' ').nth(1));
        let answer = self
            .0
            .lock()
            .unwrap()
            .get(path.unwrap_or_default())
            .cloned();
        let (status, body) = match answer {
            Some(Some(body)) => ("200 OK", body),
            Some(None) => ("503 Later", Vec::new()),
            None => ("404 Not Found", Vec::new()),
        };
        let head = format!(
            "HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let _ = stream
            .get_mut()
            .write_all(&[head.as_bytes(), &body].concat());
    }

    fn set(&self, path: &str, body: impl Into<Vec<u8>>) {
        let path = format!("/api/v1/{path}");
        self.0.lock().unwrap().insert(path, Some(body.into()));
    }

    fn rests_at(&self, path: &str) {
        self.0
            .lock()
            .unwrap()
            .insert(format!("/api/v1/{path}"), None);
    }

    fn has_key(&self, identity: &Identity) {
        let keys = json!({ "current": [key_of(identity).to_pem()] });
        self.set("meta/public-keys", keys.to_string());
    }

    /// The page after a build.
    fn page(&self, after: u32, ids: &[u32]) {
        let build = |id| {
            json!({
                "id": id, "name": "zsh", "version": "5.9-8", "distribution": "debian", "release": null,
                "architecture": "amd64", "backend": "debian", "retries": 0, "started_at": null,
                "built_at": "2026-01-01T00:00:00", "status": "GOOD",
            })
        };
        let records: Vec<Value> = ids.iter().map(|id| build(*id)).collect();
        let page = json!({ "total": records.len(), "records": records }).to_string();
        self.set(&format!("builds?limit=20&after={after}"), page);
        if let Some(last) = ids.last() {
            let latest = json!({ "total": 1, "records": [build(*last)] }).to_string();
            self.set("builds?limit=1&direction=Descending", latest);
        }
    }

    /// A build of one package, whose link is this.
    fn build(&self, id: u32, link: Vec<u8>) {
        let artifact = json!({
            "id": id, "name": "zsh", "has_diffoscope": false, "has_attestation": true, "status": "GOOD",
        });
        self.set(
            &format!("builds/{id}/artifacts"),
            json!([artifact]).to_string(),
        );
        self.set(&format!("builds/{id}/artifacts/{id}/attestation"), link);
    }
}

fn key_of(identity: &Identity) -> PublicKey {
    PublicKey::from_node(&identity.node_id()).unwrap()
}

fn link(by: &Identity, package: &str) -> Vec<u8> {
    let link = Link::of(
        &format!("pkg:deb/debian/{package}@1-1?arch=amd64"),
        &[1; 32],
        &[2; 32],
    );
    let signature = by.sign(&link.to_sign()).unwrap();
    let link = link.with_signature(&key_of(by), signature.as_bytes());
    link.unwrap().to_bytes()
}

fn sync(node: &TestNode, arguments: &[&str]) -> (i32, Value, String) {
    let output = node.run(&[&["builds", "sync", "--json"], arguments].concat());
    let told = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output.status.code().unwrap(), told, said(&output))
}

fn counts(told: &Value) -> [u64; 5] {
    ["builds", "after", "new", "known", "problem_count"].map(|it| told[it].as_u64().unwrap())
}

#[test]
fn a_rebuilderd_is_read_and_then_only_what_is_new() {
    let directory = Directory::new();
    let ada = directory.alone();
    let ours = Identity::from_seed_label("rebuilder");
    let (rebuilder, url) = Rebuilder::start(&ours);
    for (id, package) in [(2, "a"), (5, "b"), (6, "c")] {
        rebuilder.build(id, link(&ours, package));
    }
    rebuilder.page(0, &[2, 5]);
    rebuilder.page(5, &[6]);
    rebuilder.page(6, &[]);
    let (code, told, stderr) = sync(&ada, &[&url]);
    assert_eq!(code, 0, "{stderr}");
    assert_eq!(
        (counts(&told), &told["complete"]),
        ([3, 6, 3, 0, 0], &json!(true))
    );
    let id = key_of(&ours).key_id();
    assert!(
        stderr.contains("TRUSTED AT THE FIRST VISIT") && stderr.contains(&id),
        "{stderr}"
    );
    assert_eq!(ada.json(&["builds", "status"])["waiting"], 3);

    rebuilder.build(9, link(&ours, "d"));
    rebuilder.page(6, &[9]);
    rebuilder.page(9, &[]);
    let (code, told, stderr) = sync(&ada, &[&url]);
    assert_eq!((code, counts(&told)), (0, [1, 9, 1, 0, 0]), "{stderr}");
    assert!(!stderr.contains("TRUSTED"), "{stderr}");
    let (code, told, _) = sync(&ada, &[&url, "--after", "0"]);
    assert_eq!((code, counts(&told)), (0, [4, 9, 0, 4, 0]));

    // It was set up anew, and counts from one again.
    rebuilder.build(1, link(&ours, "e"));
    rebuilder.page(0, &[1]);
    rebuilder.page(1, &[]);
    let (code, told, stderr) = sync(&ada, &[&url]);
    assert_eq!((code, counts(&told)), (0, [1, 1, 1, 0, 0]), "{stderr}");
    assert!(stderr.contains("set up anew"), "{stderr}");
}

#[test]
fn what_is_wrong_is_told_and_the_rest_is_taken() {
    let directory = Directory::new();
    let ada = directory.alone();
    let (ours, other) = ("rebuilder", "other");
    let (ours, other) = (
        Identity::from_seed_label(ours),
        Identity::from_seed_label(other),
    );
    let (rebuilder, url) = Rebuilder::start(&ours);
    let spoilt = String::from_utf8(link(&ours, "spoilt")).unwrap();
    let spoilt = spoilt.replace(&"02".repeat(32), &"03".repeat(32));
    rebuilder.build(1, link(&ours, "good"));
    rebuilder.build(2, spoilt.into_bytes());
    rebuilder.build(3, link(&other, "of-another"));
    rebuilder.build(4, b"<html>\x1b[2J".to_vec());
    rebuilder.build(
        5,
        format!("{}  a_1-1_amd64.deb\n", "ab".repeat(32)).into_bytes(),
    );
    rebuilder.build(6, vec![b' '; 300_000]);
    rebuilder.set("builds/7/artifacts", "[{}]");
    rebuilder.build(9, link(&ours, "good-too"));
    rebuilder.page(0, &[1, 2, 3, 4, 5, 6, 7, 8, 9]);
    rebuilder.page(9, &[]);
    let (code, told, stderr) = sync(&ada, &[&url]);
    assert_eq!((code, counts(&told)), (65, [9, 9, 2, 0, 7]), "{stderr}");
    for says in [
        "/builds/2/artifacts/2/attestation: the link's signature by the known key",
        "/builds/3/artifacts/3/attestation: the link is signed by none of the given keys",
        "/builds/4/artifacts/4/attestation, line 1: is no JSON",
        "/builds/5/artifacts/5/attestation, line 1: is no JSON",
        "/builds/6/artifacts/6/attestation: the answer has more than 262144 bytes",
        "/builds/7/artifacts: this is not what a rebuilderd answers",
        "/builds/8/artifacts: the server answered 404",
    ] {
        assert!(stderr.contains(says), "{says} in {stderr}");
    }
    assert!(!stderr.contains('\u{1b}'), "{stderr}");
}

#[test]
fn a_run_that_ends_goes_on_where_it_was() {
    let directory = Directory::new();
    let ada = directory.alone();
    let ours = Identity::from_seed_label("rebuilder");
    let (rebuilder, url) = Rebuilder::start(&ours);
    rebuilder.build(1, link(&ours, "a"));
    rebuilder.page(0, &[1]);
    rebuilder.page(1, &[2, 3]);
    rebuilder.build(2, link(&ours, "b"));
    rebuilder.rests_at("builds/3/artifacts");
    let (code, told, stderr) = sync(&ada, &[&url, "--for", "0"]);
    assert_eq!(
        (code, counts(&told), &told["complete"]),
        (0, [0; 5], &json!(false)),
        "{stderr}"
    );
    let (code, told, stderr) = sync(&ada, &[&url]);
    // The second page counts only as a whole, and what was read of it was taken.
    assert_eq!((code, counts(&told)), (1, [1, 1, 2, 0, 0]), "{stderr}");
    assert!(
        stderr.contains("/builds/3/artifacts: the server answered 503"),
        "{stderr}"
    );
    rebuilder.build(3, link(&ours, "c"));
    rebuilder.page(3, &[]);
    let (code, told, stderr) = sync(&ada, &[&url]);
    assert_eq!((code, counts(&told)), (0, [2, 3, 1, 1, 0]), "{stderr}");
}

#[test]
fn a_key_is_named_or_stays() {
    let directory = Directory::new();
    let ada = directory.alone();
    let (ours, other) = ("rebuilder", "other");
    let (ours, other) = (
        Identity::from_seed_label(ours),
        Identity::from_seed_label(other),
    );
    let (rebuilder, url) = Rebuilder::start(&ours);
    rebuilder.page(0, &[1]);
    rebuilder.page(1, &[]);
    rebuilder.build(1, link(&ours, "a"));
    let key = |name, identity| written(&directory, name, key_of(identity).to_pem());
    let (ours_file, other_file) = (key("ours.pem", &ours), key("other.pem", &other));
    let says = "signs with another key now";
    let refused = ["builds", "sync", &url, "--key", &other_file];
    ada.fails(&refused, 65, &[says, &key_of(&other).key_id()]);
    let (code, told, stderr) = sync(&ada, &[&url, "--key", &ours_file]);
    assert_eq!((code, counts(&told)), (0, [1, 1, 1, 0, 0]), "{stderr}");
    assert!(!stderr.contains("TRUSTED"), "{stderr}");

    rebuilder.has_key(&other);
    ada.fails(&["builds", "sync", &url], 65, &[says]);
    let (code, told, _) = sync(&ada, &[&url, "--key", &other_file]);
    assert_eq!((code, counts(&told)), (0, [0, 1, 0, 0, 0]));
    let known = std::fs::read_to_string(ada.0.join("builds-sync.json")).unwrap();
    assert!(known.contains(&url), "{known}");
    for (file, code, says) in [
        ("{", 65, "builds-sync.json"),
        ("[]", 65, "Mend it, or remove it"),
    ] {
        std::fs::write(ada.0.join("builds-sync.json"), file).unwrap();
        ada.fails(&["builds", "sync", &url], code, &[says]);
    }
    std::fs::remove_file(ada.0.join("builds-sync.json")).unwrap();
    ada.fails(
        &["builds", "sync", "reproduce.debian.net"],
        2,
        &["is no address of a rebuilderd"],
    );
    ada.fails(
        &["builds", "sync", "http://127.0.0.1:1/"],
        1,
        &["http://127.0.0.1:1/api/v1/meta"],
    );
}
