//! A server on loopback, asked as clients and as strangers would.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::*;

/// What no step takes unless something is wrong.
const DEADLINE: Duration = Duration::from_secs(40);

/// A server whose node knows the question `/` alone.
async fn server(is_public: bool) -> (SocketAddr, JoinHandle<()>) {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let server = Server::bind(&[any]).await.unwrap();
    let address = server.addresses().unwrap()[0];
    let (send, mut asked) = mpsc::channel::<Asked>(QUESTIONS_MAX);
    tokio::spawn(server.run(send, is_public));
    let answering = tokio::spawn(async move {
        while let Some(asked) = asked.recv().await {
            let reply = match asked.question {
                Question::Members => Reply::json(&["ada"]),
                // A node that does not answer.
                Question::Sha256([0, ..]) => continue,
                _ => Reply::unknown(&"nothing is known of it"),
            };
            let _ = asked.reply.send(reply);
        }
    });
    (address, answering)
}

/// Sends some bytes, and reads what comes until the server ends the connection.
async fn sent(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The server may have refused it before it is all there.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let read = timeout(DEADLINE, stream.read_to_end(&mut answer)).await;
    let _ = read.expect("the server ends every connection");
    String::from_utf8_lossy(&answer).into_owned()
}

async fn asked(address: SocketAddr, line: &str, host: &str) -> String {
    let request = format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n");
    sent(address, request.as_bytes()).await
}

fn status(answer: &str) -> u16 {
    let status = answer.split(' ').nth(1).and_then(|it| it.parse().ok());
    status.unwrap_or_default()
}

#[tokio::test]
async fn a_question_is_answered_and_a_head_has_no_body() {
    let (address, _) = server(false).await;
    let answer = asked(address, "GET /", "localhost").await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.ends_with("\r\n\r\n[\"ada\"]"), "{answer}");
    let answer = answer.to_lowercase();
    for header in ["content-type: application/json", "connection: close"] {
        assert!(answer.contains(header), "{answer}");
    }
    let answer = asked(address, "HEAD /", "localhost").await;
    assert_eq!(status(&answer), 200, "{answer}");
    assert!(answer.ends_with("\r\n\r\n"), "{answer}");
}

#[tokio::test]
async fn hostile_requests_are_refused_each_with_its_status() {
    let (address, _) = server(false).await;
    let long = |length| "a".repeat(length);
    let headers = "X: a\r\n".repeat(200);
    for (desc, request, expected) in [
        (
            "nothing there",
            "GET /a/b HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            404,
        ),
        (
            "nothing known",
            "GET /ada/api/v1/meta/public-keys HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            404,
        ),
        (
            "a hash that is none",
            "GET /sha256/0 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            400,
        ),
        (
            "another method",
            "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc".to_owned(),
            405,
        ),
        (
            "a method of its own",
            "BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            405,
        ),
        (
            "a tunnel",
            "CONNECT localhost:22 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            405,
        ),
        (
            "a long address",
            format!("GET /{} HTTP/1.1\r\nHost: localhost\r\n\r\n", long(3000)),
            414,
        ),
        (
            "a head without end",
            format!("GET /{} HTTP/1.1\r\n", long(100_000)),
            431,
        ),
        (
            "a long header",
            format!(
                "GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n",
                long(100_000)
            ),
            431,
        ),
        (
            "many headers",
            format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n"),
            431,
        ),
        (
            "another host",
            "GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n".to_owned(),
            421,
        ),
        (
            "another host in the address",
            "GET http://evil.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
            421,
        ),
        ("no HTTP", "hello\r\n\r\n".to_owned(), 400),
        ("no text", "\u{0}\u{1}\u{2}\r\n\r\n".to_owned(), 400),
        (
            "two lengths",
            "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n"
                .to_owned(),
            400,
        ),
        ("HTTP/1.0", "GET / HTTP/1.0\r\n\r\n".to_owned(), 200),
    ] {
        let answer = sent(address, request.as_bytes()).await;
        assert_eq!(status(&answer), expected, "{desc}: {answer}");
    }
    // Two questions on one connection: the second is not answered.
    let twice = "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(2);
    let answer = sent(address, twice.as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{answer}");
}

#[tokio::test]
async fn a_public_server_takes_any_host() {
    let (address, _) = server(true).await;
    assert_eq!(
        status(&asked(address, "GET /", "rebuilder.example").await),
        200
    );
}

#[tokio::test]
async fn a_node_that_does_not_answer_is_told() {
    let (address, answering) = server(false).await;
    let lost = format!("GET /sha256/{}", "00".repeat(32));
    assert_eq!(status(&asked(address, &lost, "localhost").await), 503);
    assert_eq!(status(&asked(address, "GET /", "localhost").await), 200);
    answering.abort();
}

#[tokio::test]
async fn clients_that_say_nothing_do_not_keep_others_out() {
    let (address, _) = server(false).await;
    let mut silent = Vec::new();
    for _ in 0..QUESTIONS_MAX + 8 {
        silent.push(TcpStream::connect(address).await.unwrap());
    }
    // They are cut off after some seconds.
    assert_eq!(status(&asked(address, "GET /", "localhost").await), 200);
}

#[tokio::test]
async fn rubbish_does_not_stop_it() {
    let seed = std::env::var("MYCNET_SEED").map_or(1, |seed| seed.parse().unwrap());
    println!("MYCNET_SEED={seed}");
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    let (address, _) = server(false).await;
    let good = b"GET /ada/api/v1/packages/binary?name=a&version=1&architecture=amd64 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for _ in 0..200 {
        let mut bytes = good.to_vec();
        for _ in 0..random.random_range(1..8) {
            let at = random.random_range(0..bytes.len());
            bytes[at] = random.random();
        }
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(&bytes).await;
    }
    assert_eq!(status(&asked(address, "GET /", "localhost").await), 200);
}
