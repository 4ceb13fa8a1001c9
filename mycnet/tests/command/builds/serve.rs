//! A client asks what `repro-threshold` 0.1.2 asks, in the same order, and checks the links as it does.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Child;

use mycnet_builds::{Link, PublicKey};
use mycnet_consensus::{Identity, Signer as _};
use serde_json::Value;

use super::{closed, running, sums, written};
use crate::harness::{DEADLINE, Directory, TestNode, signal};

const DEB: &str = "zsh_5.9-8_amd64.deb";
const BINARY: &str = "api/v1/packages/binary?name=zsh&version=1%3A5.9-8&architecture=amd64";

/// A server, which ends with the test.
struct Serving {
    child: Child,
    started: Value,
}

impl Serving {
    fn start(node: &TestNode) -> Self {
        let mut child = node.begin(&["builds", "serve", "127.0.0.1:0", "127.0.0.2:0", "--json"]);
        let mut line = String::new();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        stdout.read_line(&mut line).unwrap();
        let started = serde_json::from_str(&line).unwrap_or_else(|_| {
            let _ = child.kill();
            panic!("the server says {line:?}")
        });
        Self { child, started }
    }

    /// Status and body of what is at a path below that of the member `name`, or of nobody.
    fn get(&self, name: &str, path: &str) -> (u16, Vec<u8>) {
        let members = self.started["members"].as_array().unwrap();
        let member = members.iter().find(|it| it["name"] == name);
        let url = member.map_or("http://nobody/", |it| it["url"].as_str().unwrap());
        let listening = self.started["listening"][0].as_str().unwrap();
        let (host, base) = url["http://".len()..].split_once('/').unwrap();
        let host = if member.is_some() { host } else { listening };
        let mut stream = TcpStream::connect(host).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "GET /{base}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let head = answer.windows(4).position(|it| it == b"\r\n\r\n").unwrap();
        let body = answer.split_off(head + 4);
        let head = String::from_utf8(answer).unwrap();
        (head[9..12].parse().unwrap(), body)
    }

    fn json(&self, name: &str, path: &str) -> Value {
        let (status, body) = self.get(name, path);
        let body = String::from_utf8(body).unwrap();
        assert_eq!(status, 200, "{path}: {body}");
        serde_json::from_str(&body).unwrap()
    }

    /// The first key of a member: `repro-threshold` takes no other.
    fn key(&self, name: &str) -> PublicKey {
        let keys = self.json(name, "api/v1/meta/public-keys");
        PublicKey::from_pem(keys["current"][0].as_str().unwrap().as_bytes()).unwrap()
    }

    /// The links for a package, all of which a client fetches.
    fn links(&self, name: &str) -> Vec<Link> {
        let found = self.json(name, BINARY);
        let records = found["records"].as_array().unwrap().iter();
        let links = records.map(|record| {
            let path = format!(
                "api/v1/builds/{}/artifacts/{}/attestation",
                record["build_id"].as_u64().unwrap(),
                record["artifact_id"].as_u64().unwrap()
            );
            let (status, link) = self.get(name, &path);
            assert_eq!(status, 200);
            Link::parse(&link).unwrap()
        });
        links.collect()
    }

    /// How many members confirm a hash under their first key.
    fn confirms(&self, names: &[&str], hash: [u8; 32]) -> usize {
        let confirms = names.iter().filter(|name| {
            let key = self.key(name);
            let links = self.links(name);
            links.iter().any(|link| {
                let is_product = link.products().any(|(_, it)| it == Ok(hash));
                link.check([&key]).is_ok() && is_product
            })
        });
        confirms.count()
    }

    fn stop(mut self) {
        signal(&self.child, "TERM");
        assert!(self.child.wait().unwrap().success());
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The link of a rebuilder for the package, and the rebuilder's key.
fn original(directory: &Directory) -> (String, PublicKey) {
    let rebuilder = Identity::from_seed_label("rebuilder");
    let key = PublicKey::from_node(&rebuilder.node_id()).unwrap();
    let link = Link::of("pkg:deb/debian/zsh@5.9-8?arch=amd64", &[1; 32], &[0xaa; 32]);
    let signature = rebuilder.sign(&link.to_sign()).unwrap();
    let link = link.with_signature(&key, signature.as_bytes()).unwrap();
    (written(directory, "original.link", link.to_bytes()), key)
}

#[test]
fn every_member_is_a_rebuilder_of_its_own() {
    let directory = Directory::new();
    let names = ["ada", "bob", "eve"];
    let (nodes, running) = running(&directory, names, ["primary", "seed", "seed"]);
    let [ada, bob, eve] = &nodes;
    let (original, rebuilder) = original(&directory);
    let good = written(&directory, "good", sums(&[(DEB, "a")]));
    let other = written(&directory, "other", sums(&[(DEB, "b")]));
    for (node, file) in [(ada, &original), (bob, &good), (eve, &other)] {
        node.json(&["builds", "submit", file]);
    }
    let wanted = written(&directory, "wanted", DEB);
    let planned = ada.json(&["builds", "plan", &wanted]);
    closed(ada, planned["sets"][0]["operation"].as_str().unwrap());

    let serving = Serving::start(ada);
    assert_eq!(serving.confirms(&names, [0xaa; 32]), 2);
    assert_eq!(serving.confirms(&names, [0xbb; 32]), 1);
    assert_eq!(serving.confirms(&names, [0xcc; 32]), 0);
    // The own member's links are its own, and have the signature of the original too; those of others are this node's.
    let own = PublicKey::from_pem(serving.key("ada").to_pem().as_bytes()).unwrap();
    assert_eq!(hex::encode(own.as_bytes()), ada.id());
    let links = serving.links("ada");
    assert!(links[0].check([&rebuilder]).is_ok());
    assert_ne!(hex::encode(serving.key("bob").as_bytes()), bob.id());
    assert!(serving.links("bob")[0].check([&rebuilder]).is_err());

    let known = serving.json("", &format!("sha256/{}", "bb".repeat(32)));
    let results = known["items"][0]["results"].as_array().unwrap();
    let by: Vec<usize> = results
        .iter()
        .map(|it| it["by"].as_array().unwrap().len())
        .collect();
    assert_eq!(by, [2, 1]);
    assert_eq!(results[1]["by"][0]["name"], "eve");
    for (desc, name, path) in [
        ("nobody's hash", "", format!("sha256/{}", "dd".repeat(32))),
        ("a stranger", "", format!("dan/{BINARY}")),
        (
            "no such build",
            "ada",
            "api/v1/builds/1/artifacts/0/attestation".to_owned(),
        ),
        (
            "no such item",
            "ada",
            "api/v1/builds/65536/artifacts/9/attestation".to_owned(),
        ),
    ] {
        assert_eq!(serving.get(name, &path).0, 404, "{desc}");
    }
    let unknown = serving.json(
        "ada",
        "api/v1/packages/binary?name=a&version=1&architecture=all",
    );
    assert_eq!(unknown["records"].as_array().unwrap().len(), 0);

    // The node may stop and start again. Without one, the command opens the ledger itself.
    let bobs_key = serving.key("bob");
    let mut running = running.into_iter();
    running.next().unwrap().stop();
    assert_eq!(serving.get("bob", BINARY).0, 503);
    let again = ada.start(&[]);
    assert_eq!(serving.confirms(&names, [0xaa; 32]), 2);
    serving.stop();
    again.stop();
    let serving = Serving::start(ada);
    assert_eq!(serving.key("bob"), bobs_key);
    assert_eq!(serving.confirms(&names, [0xaa; 32]), 2);
    serving.stop();
}

#[test]
fn what_others_reach_needs_an_option() {
    let directory = Directory::new();
    let ada = directory.alone();
    let serve = |address| ["builds", "serve", address];
    ada.fails(
        &serve("0.0.0.0:0"),
        2,
        &["--public", "trust it in everything"],
    );
    ada.fails(&serve("nowhere"), 2, &["nowhere"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let _held = std::net::TcpListener::bind(&taken);
    ada.fails(&serve(&taken), 1, &["cannot listen on", &taken]);
}
