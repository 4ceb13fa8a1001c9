//! A small rebuilderd on loopback, with the answers of the real one (rebuilderd 0.28, `src/api/v1`), and hostile ones.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use futures_util::StreamExt as _;
use mycnet_consensus::{Identity, Signer as _};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::{Event, Fault, Link, LinkFault, PublicKey, Subjects};

type Answers = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A server with an answer, head and body, for each address; 404 for any other.
#[derive(Clone, Default)]
struct Fake {
    answers: Answers,
}

impl Fake {
    async fn start(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let answers = self.answers.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answers.clone()));
            }
        });
        format!("http://{address}/amd64")
    }

    fn raw(&self, path: &str, answer: impl Into<Vec<u8>>) -> &Self {
        let path = format!("/amd64/api/v1/{path}");
        self.answers.lock().unwrap().insert(path, answer.into());
        self
    }

    fn ok(&self, path: &str, body: impl AsRef<[u8]>) -> &Self {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        self.raw(path, [head.as_bytes(), body].concat())
    }
}

async fn serve(stream: TcpStream, answers: Answers) {
    let mut stream = BufReader::new(stream);
    let (mut line, mut path) = (String::new(), None);
    while let Ok(1..) = stream.read_line(&mut line).await {
        if path.is_none() {
            path = line.split(' ').nth(1).map(str::to_owned);
        }
        if line == "\r\n" {
            break;
        }
        line.clear();
    }
    let answer = answers
        .lock()
        .unwrap()
        .get(&path.unwrap_or_default())
        .cloned();
    let missing = || b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec();
    let answer = answer.unwrap_or_else(missing);
    let _ = stream.write_all(&answer).await;
    if answer.ends_with(ENDLESS.as_bytes()) {
        while stream.write_all(&[b' '; 4096]).await.is_ok() {}
    }
}

/// After this the fake goes on for ever.
const ENDLESS: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n";

fn identity() -> Identity {
    Identity::from_seed_label("rebuilder")
}

fn key_of(identity: &Identity) -> PublicKey {
    PublicKey::from_node(&identity.node_id()).unwrap()
}

fn signed(by: &Identity, subject: &str, result: u8) -> Vec<u8> {
    let link = Link::of(subject, &[1; 32], &[result; 32]);
    let signature = by.sign(&link.to_sign()).unwrap();
    let link = link.with_signature(&key_of(by), signature.as_bytes());
    link.unwrap().to_bytes()
}

/// A build as rebuilderd 0.28 writes it.
fn build(id: u32, status: &str) -> String {
    format!(
        r#"{{"id":{id},"name":"zsh","version":"5.9-8","distribution":"debian","release":"sid","architecture":"amd64","backend":"debian","retries":0,"started_at":"2026-01-01T00:00:00","built_at":"2026-01-01T00:10:00","status":{status}}}"#
    )
}

fn page(builds: &[String]) -> String {
    format!(
        r#"{{"total":{},"records":[{}]}}"#,
        builds.len(),
        builds.join(",")
    )
}

fn keys(identities: &[&Identity]) -> String {
    let pems: Vec<String> = identities.iter().map(|it| key_of(it).to_pem()).collect();
    serde_json::json!({ "current": pems }).to_string()
}

#[tokio::test]
async fn builds_keys_and_links_are_read() {
    let fake = Fake::default();
    let link = signed(&identity(), "pkg:deb/debian/zsh@5.9-8?arch=amd64", 7);
    fake.ok("meta/public-keys", keys(&[&identity()]))
        .ok("builds?limit=1&direction=Descending", page(&[build(9, r#""GOOD""#)]))
        .ok("builds?limit=20&after=0", page(&[build(3, r#""GOOD""#), build(5, "null"), build(9, r#""BAD""#)]))
        .ok("builds?limit=20&after=9", page(&[]))
        .ok(
            "builds/3/artifacts",
            r#"[{"id":4,"name":"zsh","has_diffoscope":false,"has_attestation":true,"status":"GOOD"},{"id":5,"name":"zsh-doc","has_diffoscope":true,"has_attestation":false,"status":"BAD"}]"#,
        )
        .ok("builds/3/artifacts/4/attestation", &link);
    let server = Rebuilderd::new(&fake.start().await).unwrap();
    assert!(server.address().ends_with("/amd64/"));
    assert_eq!(server.keys().await.unwrap(), [key_of(&identity())]);
    assert_eq!(server.latest().await.unwrap(), Some(9));
    let builds = server.builds(0).await.unwrap();
    let ids: Vec<u32> = builds.iter().map(|it| it.id).collect();
    assert_eq!(ids, [3, 5, 9]);
    assert_eq!(server.builds(9).await.unwrap(), []);
    let links: Vec<_> = server.links(builds).collect().await;
    let [Ok((url, read)), Err(error)] = &links[..] else {
        panic!("{links:?}");
    };
    assert!(
        url.ends_with("/amd64/api/v1/builds/3/artifacts/4/attestation"),
        "{url}"
    );
    assert_eq!(*read, link);
    // The one whose artifacts are gone.
    assert!(
        error
            .to_string()
            .contains("/builds/9/artifacts: the server answered 404"),
        "{error}"
    );
    assert!(error.fault.is_of_one_answer());
}

#[tokio::test]
async fn hostile_answers_are_refused_each_with_its_error() {
    let fake = Fake::default();
    let server = Rebuilderd::new(&fake.start().await).unwrap();
    let good = page(&[build(3, r#""GOOD""#)]);
    let ok = |body: &str| {
        format!(
            "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let rows = [
        (
            "an endless body",
            ENDLESS.to_owned(),
            "more than 1048576 bytes",
            true,
        ),
        (
            "a long body that is announced",
            "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n".to_owned(),
            "more than 1048576 bytes",
            true,
        ),
        (
            "a body that is cut off",
            format!("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n{good}"),
            "builds?limit=20&after=1: ",
            false,
        ),
        (
            "no HTTP",
            "SSH-2.0-OpenSSH_10\r\n".to_owned(),
            "builds?limit=20&after=1: ",
            false,
        ),
        (
            "no JSON",
            ok("<html>"),
            "not what a rebuilderd answers",
            true,
        ),
        (
            "JSON of something else",
            ok("[]"),
            "not what a rebuilderd answers",
            true,
        ),
        (
            "JSON of a long text",
            ok(&format!(r#"{{"records":"{}"}}"#, "a".repeat(100_000))),
            "aaa…",
            true,
        ),
        (
            "JSON that is deep",
            ok(&"[".repeat(100_000)),
            "not what a rebuilderd answers",
            true,
        ),
        (
            "a number below zero",
            ok(r#"{"records":[{"id":-1}]}"#),
            "not what a rebuilderd answers",
            true,
        ),
        (
            "a page again",
            ok(&page(&[build(1, "null")])),
            "build 1 comes after build 1",
            true,
        ),
        (
            "builds in disorder",
            ok(&page(&[build(4, "null"), build(3, "null")])),
            "build 3 comes after build 4",
            true,
        ),
    ];
    refused(&fake, &server, &rows).await;
}

#[tokio::test]
async fn answers_that_only_say_no_are_told_apart() {
    let fake = Fake::default();
    let server = Rebuilderd::new(&fake.start().await).unwrap();
    let to = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    let rows = [
        (
            "a redirect",
            to.to_owned(),
            "points to \"http://127.0.0.1:1/\"",
            false,
        ),
        (
            "an error of its own",
            "HTTP/1.1 500 Oh\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "answered 500",
            true,
        ),
        (
            "a server that rests",
            "HTTP/1.1 503 Later\r\nContent-Length: 0\r\n\r\n".to_owned(),
            "answered 503",
            false,
        ),
    ];
    refused(&fake, &server, &rows).await;
}

/// Asserts that each of these answers to a question for builds is refused for its reason: a description, the answer, what is said, and
/// whether it concerns this answer alone.
async fn refused(fake: &Fake, server: &Rebuilderd, rows: &[(&str, String, &str, bool)]) {
    for (desc, answer, why, is_of_one_answer) in rows {
        fake.raw("builds?limit=20&after=1", answer.as_bytes());
        let error = server.builds(1).await.unwrap_err();
        assert!(error.to_string().contains(why), "{desc}: {error}");
        let is_of_one = error.fault.is_of_one_answer();
        assert_eq!(is_of_one, *is_of_one_answer, "{desc}: {error}");
    }
}

#[tokio::test]
async fn hostile_links_and_keys_are_refused_each_with_its_error() {
    let fake = Fake::default();
    let server = Rebuilderd::new(&fake.start().await).unwrap();
    let good = page(&[build(3, r#""GOOD""#)]);
    fake.ok("builds?limit=20&after=0", &good)
        .ok("builds/3/artifacts", r#"[{"id":1,"has_attestation":true}]"#)
        .raw("builds/3/artifacts/1/attestation", ENDLESS);
    let builds = server.builds(0).await.unwrap();
    let mut links = std::pin::pin!(server.links(builds));
    let error = links.next().await.unwrap().unwrap_err();
    assert!(
        error.to_string().contains("more than 262144 bytes"),
        "{error}"
    );
    let many = format!(
        "[{}]",
        vec![r#"{"id":1,"has_attestation":true}"#; 5000].join(",")
    );
    fake.ok("builds/3/artifacts", many);
    let builds = server.builds(0).await.unwrap();
    let mut links = std::pin::pin!(server.links(builds));
    let error = links.next().await.unwrap().unwrap_err();
    assert!(error.to_string().contains("more than 4096"), "{error}");
    for (desc, body, why) in [
        ("no key", r#"{"current":[]}"#, "it has no key"),
        ("rubbish", r#"{"current":["a"]}"#, "is no key in PEM"),
    ] {
        fake.ok("meta/public-keys", body);
        let error = server.keys().await.unwrap_err();
        assert!(error.to_string().contains(why), "{desc}: {error}");
        assert!(
            !error.fault.is_of_one_answer() || desc == "no key",
            "{desc}"
        );
    }
    // Nobody listens.
    let nobody = Rebuilderd::new("http://127.0.0.1:1/").unwrap();
    let error = nobody.keys().await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}

#[test]
fn addresses_are_read_within_reason() {
    for (address, why) in [
        ("reproduce.debian.net", "relative URL"),
        ("file:///etc/passwd", "neither with https"),
        ("https://a.example/?b", "it has parameters"),
        ("https://ada:secret@a.example/", "it has a user's name"),
    ] {
        let error = Rebuilderd::new(address).unwrap_err().to_string();
        assert!(error.contains(why), "{error}");
    }
    for (address, is_open) in [
        ("https://a.example/amd64", false),
        ("http://a.example/", true),
        ("http://127.0.0.1:8484", false),
        ("http://localhost/", false),
    ] {
        let server = Rebuilderd::new(address).unwrap();
        assert!(server.address().ends_with('/'));
        assert_eq!(server.is_open_to_changes(), is_open, "{address}");
    }
}

#[test]
fn only_links_of_the_key_are_taken() {
    let (ours, other) = (identity(), Identity::from_seed_label("other"));
    let mut reader = LinkReader::new(key_of(&ours), Subjects::default());
    let good = signed(&ours, "zsh", 7);
    let spoilt = String::from_utf8(signed(&ours, "zoo", 7)).unwrap();
    let spoilt = spoilt.replace(&"07".repeat(32), &"08".repeat(32));
    let sums = format!("{}  zsh_5.9-8_amd64.deb\n", "ab".repeat(32));
    let signature_wrong = Fault::Link(LinkFault::SignatureWrong(key_of(&ours).key_id()));
    for (desc, link, fault) in [
        ("good", good, None),
        ("spoilt", spoilt.into_bytes(), Some(signature_wrong)),
        (
            "of another",
            signed(&other, "zap", 7),
            Some(Fault::Link(LinkFault::SignedByNone)),
        ),
        (
            "not signed",
            Link::of("zip", &[], &[7; 32]).to_bytes(),
            Some(Fault::Link(LinkFault::Unsigned)),
        ),
    ] {
        let (mut found, mut faults) = (0, Vec::new());
        reader.read("link".as_ref(), &link, &mut |event| match event {
            Event::Finding(..) => found += 1,
            Event::Problem(problem) | Event::Skipped(problem) => faults.push(problem.fault),
        });
        assert_eq!(found, usize::from(fault.is_none()), "{desc}");
        assert_eq!(faults, Vec::from_iter(fault), "{desc}");
    }
    // A format without signatures is none that a rebuilderd gives.
    let mut events = Vec::new();
    reader.read("link".as_ref(), sums.as_bytes(), &mut |event| {
        events.push(event);
    });
    let [Event::Problem(problem)] = &events[..] else {
        panic!("{events:?}");
    };
    assert!(matches!(problem.fault, Fault::Json(_)), "{problem}");
}

#[test]
fn what_is_known_of_sources_is_written_and_read() {
    let mut sources = Sources::default();
    let mut source = Source::new(&key_of(&identity()));
    source.after = 17;
    sources.set("https://a.example/", source.clone());
    let read = Sources::parse(&sources.to_bytes()).unwrap();
    assert_eq!(read, sources);
    let known = read.get("https://a.example/").unwrap();
    assert_eq!(
        (known, known.key().unwrap()),
        (&source, key_of(&identity()))
    );
    for rubbish in ["", "[]", r#"{"a":{}}"#, r#"{"a":{"key":"","after":-1}}"#] {
        assert!(Sources::parse(rubbish.as_bytes()).is_err(), "{rubbish}");
    }
}
