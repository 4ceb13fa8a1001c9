//! Every command's help, and completions.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::harness::{Directory, check_form, mycnet, said};

fn help(path: &[&str]) -> String {
    let mut all = path.to_vec();
    all.push("--help");
    let output = mycnet(&all);
    assert!(output.status.success(), "{path:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The names of the subcommands that a help lists. All summaries begin with a verb in the imperative and have no full stop.
fn commands(help: &str) -> Vec<String> {
    let listed = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    let listed = listed.take_while(|line| !line.is_empty());
    let mut names = Vec::new();
    // Continuation lines are indented further than names.
    for line in listed.filter(|line| line.starts_with("  ") && !line.starts_with("   ")) {
        let mut words = line.split_whitespace();
        let (name, verb) = (words.next().unwrap(), words.next().unwrap());
        assert!(verb.starts_with(char::is_uppercase), "{line}");
        assert!(!verb.ends_with('s') && !line.ends_with('.'), "{line}");
        if name != "help" {
            names.push(name.to_owned());
        }
    }
    names
}

#[test]
fn every_command_explains_itself() {
    let top = help(&[]);
    assert!(top.contains("Exit codes:") && top.contains("  65  "));
    let names = commands(&top);
    assert!(names.len() >= 24, "{names:?}");
    for name in &names {
        let text = help(&[name]);
        assert!(text.contains("Usage: mycnet"), "{name}: {text}");
        assert!(text.contains("Exit codes:"), "{name}: {text}");
        for line in text.lines() {
            // Lines with options are wrapped by nobody.
            assert!(line.chars().count() <= 120, "{name}: {line}");
        }
        for kind in commands(&text) {
            let text = help(&[name, &kind]);
            for what in ["--json", "Exit codes:"] {
                assert!(text.contains(what), "{name} {kind}: {text}");
            }
        }
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    let version = String::from_utf8(mycnet(&["--version"]).stdout).unwrap();
    let expected = concat!("mycnet ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(version, expected);
}

#[test]
fn every_command_has_a_manual_page() {
    let directory = Directory::new();
    let pages = directory.file("man");
    assert!(mycnet(&["man", &pages]).status.success());
    let mut expected = BTreeSet::from(["mycnet.1".to_owned()]);
    for name in commands(&help(&[])) {
        for kind in commands(&help(&[&name])) {
            expected.insert(format!("mycnet-{name}-{kind}.1"));
        }
        expected.insert(format!("mycnet-{name}.1"));
    }
    let files = fs::read_dir(&pages).unwrap();
    let files = files.map(|file| file.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.collect::<BTreeSet<_>>(), expected);
    let page = fs::read_to_string(directory.file("man/mycnet-run.1")).unwrap();
    for part in [".SH NAME", ".SH SYNOPSIS", "MYCNET_LOG", "Exit codes:"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let file = directory.file("man/mycnet.1");
    assert_eq!(mycnet(&["man", &file]).status.code(), Some(1));
}

#[test]
fn shells_can_complete_it() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = mycnet(&["completions", shell]);
        assert!(output.status.success(), "{shell}");
        let script = String::from_utf8(output.stdout).unwrap();
        assert!(script.contains("certificate"), "{shell}");
    }
    assert_eq!(mycnet(&["completions", "dos"]).status.code(), Some(2));
}

#[test]
fn a_failure_is_json_where_json_is_asked_for() {
    let directory = Directory::new();
    let node = directory.alone();
    let nowhere = directory.file("nowhere");
    let empty = directory.node("ben").0.to_str().unwrap().to_owned();
    let cases: [(&[&str], i32, &str, &str); 5] = [
        (
            &["status", "--nonsense"],
            2,
            "usage",
            "unexpected argument '--nonsense'",
        ),
        (&["vote"], 2, "usage", "required arguments"),
        (&["status", "--dir", &nowhere], 1, "failed", "mycnet init"),
        (
            &["join", &nowhere, "--dir", &empty],
            65,
            "bad_data",
            "neither a file nor a ticket",
        ),
        (&["status", "0123456789"], 1, "not_found", "0123456789"),
    ];
    for (arguments, code, kind, says) in cases {
        let mut all = vec!["--json"];
        if !arguments.contains(&"--dir") {
            all.extend(["--dir", node.0.to_str().unwrap()]);
        }
        let output = mycnet(&[arguments, &all].concat());
        let stderr = said(&output);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
        let failure: Value = serde_json::from_str(&stderr).unwrap_or_else(|_| panic!("{stderr}"));
        check_form("failure", &failure);
        assert_eq!(failure["kind"], kind, "{stderr}");
        let message = failure["message"].as_str().unwrap();
        assert!(
            message.contains(says) && !message.starts_with("error"),
            "{message}"
        );
    }
}
