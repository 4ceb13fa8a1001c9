//! axe-core, which finds what keeps people from using a page. It is under the MPL and no part of this project.

use std::process::Command;

use serde_json::Value;

use crate::browser::Browser;
use crate::harness::Directory;

/// The package that npm is asked for, and the SHA-256 of the file of it that is used.
const PACKAGE: &str = "axe-core@4.14.1";
const FILE_SHA256: &str = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c";

/// The program; `None`, with the reason on stdout, where it cannot be had.
pub fn program() -> Option<String> {
    if let Some(file) = std::env::var_os("MYCNET_AXE") {
        return Some(std::fs::read_to_string(file).unwrap());
    }
    let directory = Directory::new();
    let text = format!(
        "npm pack --silent --fetch-retries 0 {PACKAGE} && tar -xzf axe-core-*.tgz package/axe.min.js"
    );
    let mut shell = Command::new("sh");
    let shell = shell.args(["-c", &text]).current_dir(directory.path());
    if !shell.output().is_ok_and(|it| it.status.success()) {
        println!("npm does not give {PACKAGE}, and MYCNET_AXE names no file: axe is not tried");
        return None;
    }
    let program = std::fs::read_to_string(directory.file("package/axe.min.js")).unwrap();
    let digest = mycnet_builds::sha256_of(program.as_bytes()).unwrap();
    assert_eq!(hex::encode(digest), FILE_SHA256, "{PACKAGE}");
    Some(program)
}

/// What axe finds wrong with what is shown: the rule, and where.
pub fn violations(browser: &Browser, program: &str) -> Vec<String> {
    if browser.script("return window.axe === undefined", &[]) == true {
        browser.script(program, &[]);
    }
    let text = "const done = arguments[0];
        axe.run(document, { resultTypes: ['violations'] }).then(
            it => done(it.violations.map(rule => rule.id + ': ' + rule.nodes.map(node => node.html + ' ' + node.failureSummary).join('; '))),
            error => done(['axe failed: ' + error]))";
    let found = browser.script_later(text, &[]);
    let found = found.as_array().unwrap().iter();
    found.map(|it: &Value| it.to_string()).collect()
}
