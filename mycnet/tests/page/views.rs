//! Every view, at two widths and in two themes.

use std::fs;

use serde_json::Value;

use crate::axe;
use crate::browser::Browser;
use crate::harness::{Directory, MOTD, Running, TestNode, id_of};

const WIDTHS: [u32; 2] = [320, 1440];
const THEMES: [&str; 2] = ["light", "dark"];

/// A village in which something of everything has happened.
struct Village {
    nodes: [TestNode; 3],
    running: Vec<Running>,
    /// Views by name.
    views: Vec<(&'static str, String)>,
    _directory: Directory,
}

impl Village {
    fn new() -> Self {
        let directory = Directory::new();
        let nodes = ["ada", "bob", "eve"].map(|name| directory.node(name));
        let roles = ["primary", "seed", "latent"];
        let members: Vec<_> = nodes.iter().zip(roles).collect();
        let genesis = directory.network_with("village", &members, &["--profile", "default"]);
        nodes[0].json(&["join", &genesis]);
        nodes[0].listen();
        let mut running = vec![nodes[0].start(&[])];
        for node in &nodes[1..] {
            node.json(&["join", running[0].ticket()]);
            running.push(node.start(&[]));
        }
        let [ada, bob, eve] = &nodes;

        let claim = ["propose", "claim", "--subject", "6 * 7", "--result", "42"];
        let claim = id_of(&ada.json(&claim));
        bob.once_known(&claim, &["vote", &claim, "--result", "42"]);
        eve.once_known(&claim, &["vote", &claim, "--result", "41"]);
        let written = |name: &str, lines: &str| {
            let file = directory.file(name);
            fs::write(&file, lines).unwrap();
            file
        };
        let items = written("items", "sed 4.9\thex:00\nhello 2.10\n");
        let good = written("good", "hello 2.10\thex:aa\nsed 4.9\thex:bb\n");
        let bad = written("bad", "hello 2.10\thex:aa\nsed 4.9\thex:cc\n");
        let asked = [
            "propose",
            "claim-set",
            "--subject",
            "tonight",
            "--items",
            &items,
        ];
        let set = id_of(&ada.json(&[&asked[..], &["--results", &good]].concat()));
        bob.once_known(&set, &["vote", &set, "--results", &good]);
        eve.once_known(&set, &["vote", &set, "--results", &bad]);
        for id in [&claim, &set] {
            ada.until(&["status", id], "it is closed", |it| {
                it["phase"] == "closed"
            });
        }
        // What waits: a vote, a directive, and a claim; of an adversary's making, too.
        let open = id_of(&bob.json(&MOTD));
        let service = ["propose", "service", "--name", "mail", "--manifest", "v1"];
        let service = id_of(&bob.json(&service));
        let long = format!("<img src=x onerror=alert(1)>\u{202e}{}", "long".repeat(40));
        let odd = [
            "propose",
            "claim",
            "--subject",
            &long,
            "--input",
            "hex:ff00",
        ];
        let odd = id_of(&eve.json(&odd));
        for id in [&open, &service, &odd] {
            let is_open = |it: &Value| !it["opened_height"].is_null();
            ada.once_known(id, &["status", id]);
            ada.until(&["status", id], "it is open", is_open);
        }
        let views = vec![
            ("network", "#/".to_owned()),
            ("operations", "#/operations".to_owned()),
            ("claim-sets", "#/operations?kind=claim_set".to_owned()),
            (
                "no-operation",
                "#/operations?kind=node_exclusion".to_owned(),
            ),
            ("operation-open", format!("#/operation/{open}")),
            ("operation-standard", format!("#/operation/{service}")),
            ("operation-odd", format!("#/operation/{odd}")),
            ("operation-closed", format!("#/operation/{claim}")),
            ("operation-set", format!("#/operation/{set}")),
            ("operation-none", format!("#/operation/{}", "0".repeat(64))),
            ("votes", "#/votes".to_owned()),
            ("members", "#/members".to_owned()),
            ("member", format!("#/member/{}", eve.id())),
            ("seals", "#/seals".to_owned()),
            ("events", "#/events".to_owned()),
            ("nothing", "#/elsewhere".to_owned()),
        ];
        Self {
            nodes,
            running,
            views,
            _directory: directory,
        }
    }

    fn view(&self, name: &str) -> &str {
        let mut views = self.views.iter();
        let found = views.find(|(of, _)| *of == name);
        &found.unwrap().1
    }
}

/// What sticks out to the right of the window.
const OVERFLOW: &str = "const wide = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= wide) return [];
    const out = [...document.querySelectorAll('body *')].filter(it => it.getBoundingClientRect().right > wide && !it.closest('.scroll'));
    return ['the page', ...out.map(it => it.outerHTML.slice(0, 200))]";

#[test]
fn every_view_is_whole_at_every_width_and_in_both_themes() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let axe = axe::program();
    let village = Village::new();
    let origin = browser.open(&village.nodes[0]);
    browser.until_text("live");
    let mut faults = Vec::new();
    let mut looks = 0;
    for (name, view) in &village.views {
        browser.show(view);
        for width in WIDTHS {
            for theme in THEMES {
                browser.look(width, theme);
                let place = format!("{name} at {width}, {theme}");
                let out = browser.script(OVERFLOW, &[]);
                let out = out.as_array().unwrap().iter();
                faults.extend(out.map(|it| format!("{place}: sticks out: {it}")));
                if let Some(axe) = &axe {
                    let found = axe::violations(&browser, axe);
                    faults.extend(found.into_iter().map(|it| format!("{place}: {it}")));
                }
                browser.picture(&format!("{name}-{width}-{theme}"));
                looks += 1;
            }
        }
    }
    println!("{looks} looks, with axe: {}", axe.is_some());
    let away = browser.asked().into_iter();
    let away = away
        .filter(|it| !it.starts_with(&origin) && !it.starts_with("data:") && it != "about:blank");
    faults.extend(away.map(|it| format!("asked elsewhere: {it}")));
    // The operation that does not exist is the only one that the node refuses.
    let complaints = browser.complaints().into_iter();
    let complaints = complaints.filter(|it| !(it.contains(&"0".repeat(64)) && it.contains("404")));
    faults.extend(complaints.map(|it| format!("the console: {it}")));
    assert!(faults.is_empty(), "{}", faults.join("\n"));

    says_all(&browser, &village);
    without_token(&browser, &origin);
    for running in village.running {
        running.stop();
    }
}

/// What each view is there for.
fn says_all(browser: &Browser, village: &Village) {
    let has = |name: &str, texts: &[&str]| {
        browser.show(village.view(name));
        let shown = browser.text();
        for text in texts {
            assert!(shown.contains(text), "{name}: no {text:?} in {shown}");
        }
    };
    has(
        "network",
        &[
            "village",
            "This node",
            "Your turn",
            "motd",
            "Peers",
            "connected",
        ],
    );
    has(
        "operations",
        &["claim set", "network configuration", "6 * 7", "closed"],
    );
    has("claim-sets", &["tonight"]);
    has("no-operation", &["No operation fits."]);
    has(
        "operation-open",
        &["Vote", "approve", "reject", "abstain", "\"welcome\""],
    );
    has("operation-standard", &["Decide", "approve", "reject"]);
    has(
        "operation-odd",
        &["Your result", "<img src=x", "\\u{202e}", "hex:ff00"],
    );
    has(
        "operation-closed",
        &[
            "Why",
            "is for this result",
            "Who voted what",
            "result \"41\"",
        ],
    );
    has(
        "operation-set",
        &["In dispute", "sed 4.9", "hex:cc", "Items", "hello 2.10"],
    );
    has("operation-none", &["The node refuses"]);
    has("votes", &["6 * 7", "result \"42\""]);
    has(
        "members",
        &["ada", "bob", "eve", "primary", "seed", "latent", "active"],
    );
    has("member", &["Trust and skill", "claim dissent", "→"]);
    // Of the two pictures of its curves one is shown.
    let shown =
        "return [...document.querySelectorAll('svg')].filter(it => it.clientWidth > 0).length";
    for width in WIDTHS {
        browser.look(width, "light");
        assert_eq!(browser.script(shown, &[]), 1, "at {width}");
    }
    has("seals", &["Proposed by", "3 of 3", "Round"]);
    has("events", &["sealed height", "your turn", "trust"]);
    // The choice is the server's: only what fits comes.
    browser.show("#/operations?class=claim&is_open=false");
    assert!(!browser.text().contains("motd"));
    // The first link leads to the content, and the address stays.
    browser.script("document.querySelector('.skip').click()", &[]);
    assert!(browser.focused().starts_with("main "));
    assert_eq!(
        browser.script("return location.hash", &[]),
        "#/operations?class=claim&is_open=false"
    );
}

/// Whoever does not have the token is told how to get it, and nothing else.
fn without_token(browser: &Browser, origin: &str) {
    browser.script("sessionStorage.clear()", &[]);
    browser.goto("about:blank");
    browser.asked();
    browser.goto(origin);
    browser.until_text("Who are you?");
    browser.look(320, "light");
    browser.picture("without-token-320-light");
    let asked = browser.asked();
    assert!(!asked.iter().any(|it| it.contains("/v1/")), "{asked:?}");
    browser.goto("about:blank");
    browser.goto(&format!("{origin}/#token={}", "0".repeat(64)));
    browser.until_text("Who are you?");
    browser.until_text("denied");
}
