//! Clients that would change something, cost much, or break something.

use std::time::{Duration, Instant};

use automerge::sync::{BloomFilter, ChunkList, Have, Message as SyncMessage, MessageVersion};
use automerge::transaction::Transactable as _;
use automerge::{AutomergeError, ROOT};
use ciborium::{Value as Cbor, cbor};
use tokio_tungstenite::tungstenite::Message;

use crate::harness::{Directory, MOTD, id_of};
use crate::publisher::{Publisher, begun};
use crate::reader::{Reader, field, is_closed, open};

/// How long something that must not come is waited for.
const SOON: Duration = Duration::from_millis(300);

fn sync_message() -> SyncMessage {
    SyncMessage {
        heads: Vec::new(),
        need: Vec::new(),
        have: Vec::new(),
        changes: ChunkList::empty(),
        flags: None,
        version: MessageVersion::V1,
    }
}

#[test]
fn what_a_client_writes_is_in_no_document() {
    let directory = Directory::new();
    let (node, _running) = begun(&directory);
    let mut publisher = Publisher::start(&node, &[]);
    let url = publisher.url();
    let mut other = Reader::connect(&publisher.address, &url);
    let before = other.until("it is there", |it| it["v"] == 2);
    while other.take(SOON) {}

    let mut writer = Reader::connect(&publisher.address, &url);
    writer.until("it is there", |it| it["v"] == 2);
    let written = writer.document.transact::<_, _, AutomergeError>(|change| {
        change.put(ROOT, "height", 1_000_000_i64)?;
        change.put(ROOT, "hostile", "it was here")?;
        change.delete(ROOT, "roster")
    });
    written.unwrap();
    writer.sync("sync");
    // As one that does not ask whether it may.
    let changes = ChunkList::from(writer.document.save());
    let heads = writer.document.get_heads();
    for version in [MessageVersion::V1, MessageVersion::V2] {
        let (changes, heads) = (changes.clone(), heads.clone());
        let message = SyncMessage {
            changes,
            heads,
            version,
            ..sync_message()
        };
        writer.send_sync("sync", message);
    }
    // A message that others should get, and a document of its own.
    let id = url.strip_prefix("automerge:").unwrap().to_owned();
    let own = "4NMNnkMhL8jXrdJ9jamS58PAVdXu";
    let data = Cbor::Bytes(vec![1; 1000]);
    let ephemeral = cbor!({
        "type" => "ephemeral", "senderId" => "reader", "targetId" => "mycnet-publish",
        "documentId" => id, "sessionId" => "it", "count" => 1, "data" => data,
    });
    writer.send(&ephemeral.unwrap());
    let data = Cbor::Bytes(sync_message().encode());
    for kind in ["sync", "request"] {
        let data = data.clone();
        let message = cbor!({
            "type" => kind, "senderId" => "reader", "targetId" => "mycnet-publish",
            "documentId" => own, "data" => data,
        });
        writer.send(&message.unwrap());
    }
    // What is asked for is refused; what is only told has no answer.
    let answer = loop {
        let answer = writer.receive(Duration::from_secs(10)).unwrap();
        if field(&answer, "type").as_text() != Some("sync") {
            break answer;
        }
    };
    assert_eq!(field(&answer, "type").as_text(), Some("doc-unavailable"));
    assert_eq!(field(&answer, "documentId").as_text(), Some(own));

    assert!(!other.take(SOON), "somebody else gets something");
    assert_eq!(other.content(), before);
    let mut new = Reader::connect(&publisher.address, &url);
    assert_eq!(new.until("it is there", |it| it["v"] == 2), before);
    // What the writer has of the document goes on.
    let id = id_of(&node.json(&MOTD));
    for reader in [&mut writer, &mut other] {
        reader.until("it is closed", is_closed(&id));
    }
    let heads = other.document.get_heads();
    publisher.stop();

    let mut publisher = Publisher::start(&node, &[]);
    publisher.url();
    let mut new = Reader::connect(&publisher.address, &url);
    let content = new.until("it is there", is_closed(&id));
    assert!(content["hostile"].is_null(), "{content:#}");
    while new.take(SOON) {}
    assert_eq!(new.document.get_heads(), heads);
}

/// Sends each of these over a connection of its own, and asserts that it is told why the connection ends.
fn assert_refused(publisher: &Publisher, url: &str, messages: Vec<(&str, Message)>) {
    for (said, message) in messages {
        let mut client = Reader::connect(&publisher.address, url);
        client.until("it is there", |it| it["v"] == 2);
        client.send_raw(message);
        let answer = loop {
            let answer = client.receive(Duration::from_secs(10));
            let answer = answer.unwrap_or_else(|| panic!("{said}: closed without a word"));
            if field(&answer, "type").as_text() == Some("error") {
                break answer;
            }
        };
        let message = field(&answer, "message").as_text().unwrap();
        assert!(message.contains(said), "{said}: {message}");
        assert!(client.receive(Duration::from_secs(10)).is_none(), "{said}");
    }
}

#[test]
fn crafted_messages_stop_nobody_else() {
    let directory = Directory::new();
    let (node, _running) = begun(&directory);
    let mut publisher = Publisher::start(&node, &["--connections", "20"]);
    let url = publisher.url();
    let id = url.strip_prefix("automerge:").unwrap().to_owned();
    let mut other = Reader::connect(&publisher.address, &url);
    other.until("it is there", |it| it["v"] == 2);
    let sync = |message: SyncMessage| {
        let (id, data) = (id.clone(), Cbor::Bytes(message.encode()));
        let message = cbor!({ "type" => "sync", "documentId" => id, "data" => data });
        Message::Binary(crate::reader::encoded(&message.unwrap()).into())
    };
    let filter = |bytes: &[u8]| {
        let have = Have {
            last_sync: Vec::new(),
            bloom: BloomFilter::try_from(bytes).unwrap(),
        };
        sync(SyncMessage {
            have: vec![have],
            ..sync_message()
        })
    };
    assert_refused(
        &publisher,
        &url,
        vec![
            ("a summary with 0 bits", filter(&[1, 0, 7])),
            (
                "4294967295 of them looked up",
                filter(&[1, 1, 255, 255, 255, 255, 15, 0]),
            ),
            ("a text", Message::Text("hello".into())),
            (
                "no message of automerge-repo",
                Message::Binary(vec![0xff; 10].into()),
            ),
        ],
    );

    // A message that is too long is not even received, so that its sender may not hear why.
    let mut long = open(&publisher.address, None).unwrap();
    let sent = long.send(Message::Binary(vec![0; 64 * 1024 * 1024].into()));
    assert!(sent.is_err() || long.read().is_err() || long.read().is_err());

    // Nothing but a first message of another kind.
    let mut socket = open(&publisher.address, None).unwrap();
    socket.send(sync(sync_message())).unwrap();
    let Ok(Message::Binary(answer)) = socket.read() else {
        panic!("closed without a word")
    };
    let answer: Cbor = ciborium::from_reader(answer.as_ref()).unwrap();
    let said = field(&answer, "message").as_text().unwrap().to_owned();
    assert!(said.contains("join"), "{said}");

    // One change, asked for 30,000 times, many times: a message each, and the next one waits.
    let mut greedy = Reader::connect(&publisher.address, &url);
    greedy.until("it is there", |it| it["v"] == 2);
    let need = vec![greedy.document.get_heads()[0]; 30_000];
    for _ in 0..20 {
        let need = need.clone();
        greedy.send_raw(sync(SyncMessage {
            need,
            ..sync_message()
        }));
    }
    let id = id_of(&node.json(&MOTD));
    other.until("it is closed", is_closed(&id));
    if let Some(memory) = publisher.memory() {
        println!("the most memory: {memory} bytes");
        assert!(memory < 200 * 1024 * 1024, "{memory} bytes");
    }
    publisher.stop();
}

#[test]
fn who_does_not_read_and_who_takes_all_places_harms_nobody() {
    let directory = Directory::new();
    let (node, _running) = begun(&directory);
    let mut publisher = Publisher::start(&node, &["--connections", "8"]);
    let url = publisher.url();
    let mut other = Reader::connect(&publisher.address, &url);
    other.until("it is there", |it| it["v"] == 2);
    // They ask, and do not read what they are sent; the last ones do not even shake hands.
    let silent: Vec<Reader> = (0..4)
        .map(|_| Reader::connect(&publisher.address, &url))
        .collect();
    let address = publisher.address.trim_start_matches("ws://");
    let mute: Vec<_> = (0..10)
        .map(|_| std::net::TcpStream::connect(address).unwrap())
        .collect();
    let begun = Instant::now();
    let id = id_of(&node.json(&MOTD));
    other.until("it is closed", is_closed(&id));
    assert!(begun.elapsed() < Duration::from_secs(10));
    // Places are free again once those that do not shake hands are closed.
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        if open(&publisher.address, None).is_ok() {
            break;
        }
        assert!(Instant::now() < end, "no place is free");
        std::thread::sleep(Duration::from_millis(500));
    }
    drop((silent, mute));
    publisher.stop();
}
