//! A browser without a window, and the page in it.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use fantoccini::wd::{Capabilities, WebDriverCompatibleCommand};
use fantoccini::{Client, ClientBuilder};
use hyper::Method;
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use url::{ParseError, Url};

use crate::harness::{DEADLINE, Directory, TestNode};

/// What a browser does by itself in a test is not what a test is about.
const ARGUMENTS: [&str; 8] = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// Says when a view is shown. Asking again and again would be work for the page.
const SHOWN: &str = "const [view, done] = arguments;
    const page = document.documentElement;
    const look = () => { if (page.dataset.view === view) done(true); };
    new MutationObserver(look).observe(page, { attributes: true });
    look();";

/// An order that only this driver knows.
#[derive(Debug)]
struct OfDriver {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for OfDriver {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        base.join(&format!(
            "session/{}/{}",
            session.unwrap_or_default(),
            self.path
        ))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

pub struct Browser {
    runtime: tokio::runtime::Runtime,
    driver: Option<Client>,
    program: Child,
    /// Removed after the browser has ended.
    _profile: Directory,
}

/// A program: the one that a variable names, or the first of these that can be started.
fn program(variable: &str, usual: &[&str]) -> Option<String> {
    let tried = match std::env::var(variable) {
        Ok(named) => vec![named],
        Err(_) => usual.iter().map(|name| (*name).to_owned()).collect(),
    };
    let can_start = |name: &&String| {
        let mut command = Command::new(name);
        let command = command.arg("--version").stderr(Stdio::null());
        command.output().is_ok_and(|it| it.status.success())
    };
    let found = tried.iter().find(can_start).cloned();
    if found.is_none() {
        println!(
            "there is no {} here that can be started ({variable} can name one): not tried",
            tried.join(" or ")
        );
    }
    found
}

impl Browser {
    /// Starts one; `None`, with the reason on stdout, where there is none.
    pub fn start() -> Option<Self> {
        let chromium = program("MYCNET_CHROMIUM", &["chromium", "google-chrome"])?;
        let driver = program("MYCNET_CHROMEDRIVER", &["chromedriver"])?;
        // chromedriver needs the path of the browser.
        let which = Command::new("sh")
            .args(["-c", "command -v \"$0\"", &chromium])
            .output();
        let path = String::from_utf8(which.unwrap().stdout).unwrap();
        let mut program = Command::new(driver)
            .arg("--port=0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let port = lines.find_map(|line| {
            let line = line.ok()?;
            let (_, port) = line.split_once("started successfully on port ")?;
            Some(port.trim_end_matches('.').to_owned())
        });
        // Somebody has to read on: a program whose pipe is full waits.
        std::thread::spawn(move || lines.for_each(drop));
        let profile = Directory::new();
        let mut arguments = ARGUMENTS.map(str::to_owned).to_vec();
        arguments.push(format!("--user-data-dir={}", profile.file("profile")));
        let wanted = json!({
            "goog:chromeOptions": { "binary": path.trim(), "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL", "performance": "ALL" },
        });
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let address = format!("http://127.0.0.1:{}", port.unwrap());
        let mut builder = ClientBuilder::new(HttpConnector::new());
        let wanted: Capabilities = serde_json::from_value(wanted).unwrap();
        // From here on its end stops the program, also if no browser comes.
        let mut browser = Self {
            runtime,
            driver: None,
            program,
            _profile: profile,
        };
        let driver = builder.capabilities(wanted).connect(&address);
        browser.driver = Some(browser.runtime.block_on(driver).unwrap());
        Some(browser)
    }

    fn driver(&self) -> &Client {
        self.driver.as_ref().expect("it is taken at the end only")
    }

    /// Goes to an address.
    pub fn goto(&self, address: &str) {
        self.runtime.block_on(self.driver().goto(address)).unwrap();
    }

    /// Opens the page of a node anew, as its owner does, and gives its origin.
    pub fn open(&self, node: &TestNode) -> String {
        let address = node.json(&["page"])["address"].as_str().unwrap().to_owned();
        // An address that differs only behind the # would not be loaded again.
        self.goto("about:blank");
        // What the browser's own first page asked is not the page's.
        self.asked();
        self.goto(&address);
        self.until_shown("#/");
        address.split_once("/#").unwrap().0.to_owned()
    }

    /// Loads the page again, as it is.
    pub fn reload(&self) {
        let view = self.script("return document.documentElement.dataset.view", &[]);
        self.runtime.block_on(self.driver().refresh()).unwrap();
        self.until_shown(view.as_str().unwrap());
    }

    /// Runs a function's body in the page.
    pub fn script(&self, text: &str, arguments: &[Value]) -> Value {
        let done = self.driver().execute(text, arguments.to_vec());
        self.runtime.block_on(done).unwrap()
    }

    /// Runs a function's body that calls its last argument with the result.
    pub fn script_later(&self, text: &str, arguments: &[Value]) -> Value {
        let done = self.driver().execute_async(text, arguments.to_vec());
        self.runtime.block_on(done).unwrap()
    }

    /// Waits until a function's body gives true.
    pub fn until(&self, what: &str, text: &str, arguments: &[Value]) {
        let end = Instant::now() + DEADLINE;
        while self.script(text, arguments) != true {
            assert!(Instant::now() < end, "{what}: {}", self.text());
            sleep(Duration::from_millis(20));
        }
    }

    fn until_shown(&self, view: &str) {
        self.script_later(SHOWN, &[view.into()]);
    }

    /// Shows a view, anew.
    pub fn show(&self, view: &str) {
        let text = "delete document.documentElement.dataset.view;
            if (location.hash === arguments[0]) dispatchEvent(new Event('hashchange'));
            location.hash = arguments[0];";
        self.script(text, &[view.into()]);
        self.until_shown(view);
    }

    /// What a person reads.
    pub fn text(&self) -> String {
        let text = self.script("return document.body.innerText", &[]);
        text.as_str().unwrap().to_owned()
    }

    /// Waits until a person can read this.
    pub fn until_text(&self, text: &str) {
        let is_there = "return document.body.innerText.includes(arguments[0])";
        self.until(&format!("{text:?} is there"), is_there, &[text.into()]);
    }

    /// What has the focus: its name in HTML and what it says.
    pub fn focused(&self) -> String {
        let text =
            "const it = document.activeElement; return it.localName + ' ' + it.textContent.trim()";
        self.script(text, &[]).as_str().unwrap().to_owned()
    }

    /// Presses a key: `Tab`, `Enter`, …
    pub fn press(&self, key: &str) {
        let code = if key == "Tab" { 9 } else { 13 };
        let text = if key == "Enter" { "\r" } else { "" };
        for what in ["keyDown", "keyUp"] {
            let kind = json!({ "type": what, "key": key, "code": key, "windowsVirtualKeyCode": code, "text": text });
            self.cdp("Input.dispatchKeyEvent", &kind);
        }
    }

    /// Presses Tab until this has the focus.
    pub fn tab_to(&self, wanted: &str) {
        let mut passed = Vec::new();
        for _ in 0..60 {
            self.press("Tab");
            let now = self.focused();
            if now.contains(wanted) {
                return;
            }
            passed.push(now);
        }
        panic!("no {wanted} among {passed:?}");
    }

    /// Gives the browser an order of its own protocol.
    pub fn cdp(&self, method: &str, parameters: &Value) -> Value {
        let body = json!({ "cmd": method, "params": parameters });
        self.order("goog/cdp/execute", body)
    }

    fn order(&self, path: &'static str, body: Value) -> Value {
        let done = self.driver().issue_cmd(OfDriver { path, body });
        self.runtime.block_on(done).unwrap()
    }

    /// Sets the width in pixels and the theme, `light` or `dark`.
    pub fn look(&self, width: u32, theme: &str) {
        self.cdp(
            "Emulation.setDeviceMetricsOverride",
            &json!({ "width": width, "height": 900, "deviceScaleFactor": 1, "mobile": false }),
        );
        self.cdp(
            "Emulation.setEmulatedMedia",
            &json!({ "features": [{ "name": "prefers-color-scheme", "value": theme }] }),
        );
    }

    /// What a log has got since the last time: levels and texts.
    fn log(&self, name: &str) -> Vec<(String, String)> {
        let entries = self.order("se/log", json!({ "type": name }));
        let text = |it: &Value| it.as_str().unwrap().to_owned();
        let entries = entries.as_array().unwrap().iter();
        entries
            .map(|it| (text(&it["level"]), text(&it["message"])))
            .collect()
    }

    /// What the console has said since the last time, apart from what only informs.
    pub fn complaints(&self) -> Vec<String> {
        let said = self.log("browser").into_iter();
        let loud = said.filter(|(level, _)| level == "SEVERE" || level == "WARNING");
        loud.map(|(_, message)| message).collect()
    }

    /// The addresses that were asked since the last time.
    pub fn asked(&self) -> Vec<String> {
        let told = self.log("performance").into_iter();
        let told = told.filter_map(|(_, message)| serde_json::from_str(&message).ok());
        let requests =
            told.filter(|it: &Value| it["message"]["method"] == "Network.requestWillBeSent");
        let addresses = requests.map(|it| it["message"]["params"]["request"]["url"].clone());
        addresses
            .filter_map(|it| it.as_str().map(str::to_owned))
            .collect()
    }

    /// Writes a picture of the whole page, if pictures are wanted.
    pub fn picture(&self, name: &str) {
        let Some(directory) = std::env::var_os("MYCNET_SCREENSHOTS").map(PathBuf::from) else {
            return;
        };
        std::fs::create_dir_all(&directory).unwrap();
        let path = directory.join(format!("{name}.png"));
        let picture = self.runtime.block_on(self.driver().screenshot());
        std::fs::write(path, picture.unwrap()).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        if let Some(driver) = self.driver.take() {
            let _ = self.runtime.block_on(driver.close());
        }
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}
