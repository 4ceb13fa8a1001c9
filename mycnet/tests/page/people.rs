//! What people and others do with the page.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use serde_json::json;

use crate::browser::Browser;
use crate::harness::{Directory, MOTD, Running, TestNode, id_of};

/// Two members whose nodes run; the first has a page.
fn two(directory: &Directory) -> ([TestNode; 2], [Running; 2]) {
    let names = ["ada", "bob"];
    let nodes = names.map(|name| directory.node(name));
    let members = [(&nodes[0], "primary"), (&nodes[1], "seed")];
    let genesis = directory.network_with("village", &members, &["--profile", "default"]);
    nodes[0].json(&["join", &genesis]);
    nodes[0].listen();
    let ada = nodes[0].start(&[]);
    nodes[1].json(&["join", ada.ticket()]);
    let bob = nodes[1].start(&[]);
    (nodes, [ada, bob])
}

#[test]
fn what_happens_is_shown_and_voted_on_by_keyboard_alone() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let directory = Directory::new();
    let ([ada, bob], running) = two(&directory);
    browser.open(&ada);
    browser.until_text("live");
    browser.until_text("Nothing waits for you.");
    browser.script("window.isSame = true", &[]);

    // A proposal is there without being asked for.
    let id = id_of(&bob.json(&MOTD));
    browser.until_text("network configuration: motd");
    browser.until_text("connected");
    browser.tab_to("network configuration: motd");
    browser.press("Enter");
    browser.until_text("Proposed by");
    let asked = |text: &str| {
        browser.tab_to("button approve");
        browser.press("Enter");
        browser.until(
            "it asks",
            "return document.querySelector('dialog').open",
            &[],
        );
        browser.picture("confirm");
        // Who only presses Enter has not voted.
        assert_eq!(browser.focused(), "button Cancel");
        if text == "Vote" {
            browser.press("Tab");
            assert_eq!(browser.focused(), "button Vote");
        }
        browser.press("Enter");
        browser.until(
            "it is answered",
            "return !document.querySelector('dialog').open",
            &[],
        );
    };
    asked("Cancel");
    assert_eq!(browser.focused(), "button approve", "the focus comes back");
    assert!(ada.json(&["status", &id])["own_ballot"].is_null());
    asked("Vote");
    browser.until_text("The vote is signed.");
    assert_eq!(ada.json(&["status", &id])["own_ballot"], "approve");
    // Both have voted, so it is decided, and the page says why.
    browser.until_text("2 of 2 votes are for it");
    assert_eq!(
        browser.script("return window.isSame", &[]),
        true,
        "it was never loaded again"
    );
    assert_eq!(browser.complaints(), Vec::<String>::new());

    // A node that is started again is followed again.
    browser.show("#/");
    let [first, second] = running;
    first.stop();
    browser.until_text("not connected");
    browser.show("#/members");
    browser.until_text("The node does not answer");
    let first = ada.start(&[]);
    browser.until_text("live");
    browser.until_text("All members");
    browser.show("#/");
    let claim = ["propose", "claim", "--subject", "6 * 7", "--result", "42"];
    let id = id_of(&bob.json(&claim));
    browser.until_text("claim: 6 * 7");
    assert_eq!(
        browser.script("return window.isSame", &[]),
        true,
        "it was never loaded again"
    );

    // A claim is answered with text.
    browser.show(&format!("#/operation/{id}"));
    browser.tab_to("input");
    browser.cdp("Input.insertText", &json!({ "text": "42" }));
    browser.press("Enter");
    browser.until(
        "it asks",
        "return document.querySelector('dialog').open",
        &[],
    );
    browser.until_text("result \"42\" on operation");
    browser.press("Tab");
    browser.press("Enter");
    browser.until_text("The vote is signed.");
    browser.until_text("of the revealed weight, 1000000,");
    first.stop();
    second.stop();
}

/// Serves an empty page of another origin until the test ends, and gives its address.
fn another_origin() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            // A browser opens connections that it may need later, and says nothing on them.
            std::thread::spawn(move || {
                let _ = stream.read(&mut [0; 4096]);
                let page =
                    "<!doctype html><title>other</title><iframe name=there></iframe><form></form>";
                let length = page.len();
                let _ = write!(
                    stream,
                    "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
                );
            });
        }
    });
    format!("http://{address}/")
}

#[test]
fn a_page_of_another_origin_can_neither_read_nor_post() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let directory = Directory::new();
    let ada = directory.alone();
    ada.listen();
    let running = ada.start(&[]);
    let origin = browser.open(&ada);
    let token = std::fs::read_to_string(ada.0.join("api.token")).unwrap();
    let order = json!({
        "operation": { "network_configuration": { "config_type": "motd", "proposed_change": "6869" } },
        "priority": "normal",
        "ballot": "approve",
    });
    let text = "const [origin, token, body, done] = arguments;
        const tried = (path, init) => fetch(origin + path, init).then(it => it.type === 'opaque' ? 'opaque' : it.text(), () => 'failed');
        const bearer = { Authorization: 'Bearer ' + token };
        const json = { 'Content-Type': 'application/json' };
        (async () => done([
          await tried('/v1/status'),
          await tried('/v1/status', { headers: bearer }),
          await tried('/v1/status', { mode: 'no-cors', headers: bearer }),
          await tried('/v1/operations', { method: 'POST', headers: { ...bearer, ...json }, body }),
          await tried('/v1/operations', { method: 'POST', headers: json, body }),
          await tried('/v1/operations', { method: 'POST', mode: 'no-cors', body }),
          await tried('/', {}),
        ]))()";
    let arguments = [json!(origin), json!(token.trim()), json!(order.to_string())];
    // With the very token it does what the owner's page does.
    let own = browser.script_later(
        "const [origin, token, , done] = arguments;
         fetch(origin + '/v1/status', { headers: { Authorization: 'Bearer ' + token } }).then(it => done(it.ok), () => done('failed'))",
        &arguments,
    );
    assert_eq!(own, true);
    let other = another_origin();
    // The same machine by another name is another origin too.
    for address in [other.clone(), other.replace("127.0.0.1", "localhost")] {
        browser.goto(&address);
        let read = browser.script_later(text, &arguments);
        let nothing = [
            "failed", "failed", "opaque", "failed", "failed", "opaque", "failed",
        ];
        assert_eq!(read, json!(nothing), "{address}");
        // A form, and the page in a frame.
        browser.script(
            "const [origin, , body] = arguments;
             const form = document.querySelector('form');
             Object.assign(form, { action: origin + '/v1/operations', method: 'post', enctype: 'text/plain', target: 'there' });
             const field = document.createElement('input');
             [field.name, field.value] = [body, ''];
             form.append(field);
             form.submit();",
            &arguments,
        );
        let framed = browser.script_later(
            "const [origin, , , done] = arguments;
             const frame = document.createElement('iframe');
             frame.onload = () => { try { done(frame.contentDocument?.body?.innerText ?? 'closed') } catch { done('closed') } };
             frame.src = origin + '/';
             document.body.append(frame);",
            &arguments,
        );
        assert_eq!(framed, "closed", "{address}");
    }
    let complaints = browser.complaints().join("\n");
    assert!(complaints.contains("frame-ancestors"), "{complaints}");
    let operations = ada.json(&["operations"]);
    assert_eq!(operations["operations"], json!([]), "nothing was proposed");
    running.stop();
}
