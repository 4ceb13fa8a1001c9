//! How long the page works itself, however long the ledger is.

use std::time::Instant;

use mycnet_consensus::Identity;
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::harness::Directory;
use crate::ledger;

/// What a view may take of the browser's main thread: scripts, styles, layout, and everything else that it does meanwhile. It is time
/// of the processor, which is the same however much else the machine does.
const OWN_MS_MAX: f64 = 200.0;

/// Elements of a view, at most.
const ELEMENTS_MAX: u64 = 6000;

/// What the browser's main thread has worked since the page was loaded, in milliseconds of its processor.
fn worked_ms(browser: &Browser) -> f64 {
    let told = browser.cdp("Performance.getMetrics", &json!({}));
    let mut metrics = told["metrics"].as_array().unwrap().iter();
    let task = metrics.find(|it| it["name"] == "TaskDuration").unwrap();
    1000.0 * task["value"].as_f64().unwrap()
}

/// When the first view was there, after the navigation began.
fn full_ms(browser: &Browser) -> f64 {
    let text = "return performance.getEntriesByName('shown')[0].startTime";
    browser.script(text, &[]).as_f64().unwrap()
}

/// What the page took after the last answer for what is shown.
fn own_ms(browser: &Browser) -> f64 {
    let own = browser.script("return Number(document.documentElement.dataset.ownMs)", &[]);
    own.as_f64().unwrap()
}

/// Opens the page of a ledger of this length, and all views that show lists.
fn measure(browser: &Browser, operations: usize) {
    let directory = Directory::new();
    let ada = directory.node("ada");
    let begin = Instant::now();
    ledger::write(&ada.0, Identity::from_secret(&ada.secret()), operations);
    println!(
        "{operations} operations: written in {:.1} s",
        begin.elapsed().as_secs_f64()
    );
    ada.listen();
    let running = ada.start(&[]);
    let eve = Identity::from_seed_label("eve");
    let eve = mycnet_consensus::Signer::node_id(&eve).to_string();

    browser.complaints();
    // The browser itself has just been started the first time.
    browser.open(&ada);
    let (own, full) = (own_ms(browser), full_ms(browser));
    println!(
        "{operations} operations: opened: own {own:.1} ms after the last answer, full view after {full:.1} ms"
    );
    for _ in 0..3 {
        browser.cdp(
            "Performance.enable",
            &json!({ "timeDomain": "threadTicks" }),
        );
        browser.reload();
        let worked = worked_ms(browser);
        let (own, full) = (own_ms(browser), full_ms(browser));
        println!(
            "{operations} operations: loaded again: own {own:.1} ms after the last answer, {worked:.1} ms of the main thread, full view \
             after {full:.1} ms"
        );
        assert!(worked < OWN_MS_MAX, "{worked} ms");
    }
    for view in [
        "#/operations",
        "#/operations?is_open=false&class=critical",
        "#/votes",
        "#/seals",
        "#/members",
        &format!("#/member/{eve}"),
    ] {
        let (before, begin) = (worked_ms(browser), Instant::now());
        browser.show(view);
        let took = begin.elapsed();
        let worked = worked_ms(browser) - before;
        let elements = browser.script("return document.querySelectorAll('*').length", &[]);
        println!(
            "{operations} operations: {view}: own {:.1} ms after the last answer, {worked:.1} ms of the main thread, whole {took:?}, \
             {elements} elements",
            own_ms(browser)
        );
        assert!(worked < OWN_MS_MAX, "{view}: {worked} ms");
        assert!(
            elements.as_u64().unwrap() < ELEMENTS_MAX,
            "{view}: {elements} elements"
        );
    }
    browser.picture(&format!("member-{operations}"));
    // Lists go on where they end, and each operation comes once.
    if operations > 150 {
        pages(browser);
    }
    assert_eq!(browser.complaints(), Vec::<String>::new());
    browser.goto("about:blank");
    running.stop();
}

/// The links to operations in the table.
fn listed(browser: &Browser) -> Vec<Value> {
    let text = "return [...document.querySelectorAll('tbody a[href^=\"#/operation/\"]')].map(it => it.hash)";
    browser.script(text, &[]).as_array().unwrap().clone()
}

fn pages(browser: &Browser) {
    browser.show("#/operations");
    let mut seen = listed(browser);
    let text = "document.documentElement.removeAttribute('data-view');
        [...document.querySelectorAll('main button')].find(it => it.textContent === 'older').click()";
    for _ in 0..2 {
        browser.script(text, &[]);
        browser.until(
            "the page goes on",
            "return 'view' in document.documentElement.dataset",
            &[],
        );
        seen.extend(listed(browser));
    }
    let count = seen.len();
    seen.sort_by_key(Value::to_string);
    seen.dedup();
    assert_eq!((count, seen.len()), (150, 150));
}

#[test]
fn the_first_view_is_quick_however_long_the_ledger_is() {
    let Some(browser) = Browser::start() else {
        return;
    };
    let longest = std::env::var("MYCNET_PAGE_OPERATIONS").ok();
    let longest = longest.map(|it| it.parse().expect("MYCNET_PAGE_OPERATIONS is a number"));
    for operations in [10, 1000].into_iter().chain(longest) {
        measure(&browser, operations);
    }
}
