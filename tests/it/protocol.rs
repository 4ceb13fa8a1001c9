//! The rules of `docs/PROTOCOL.md` and their citations, read from the sources as text.
//!
//! A rule is cited by its name in a comment. In the library's documentation comments the citation is a link, `[P4]`, which
//! `cargo doc` checks; in all other comments it is the plain name. A property is cited by its name in a test.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

mod fires;

/// Rules that no code cites yet, because their code is not there yet. Exact: a cited rule must leave the list.
const NOT_IN_CODE: &[&str] = &["D5"];

/// The same for tests.
const NOT_IN_TESTS: &[&str] = &["D1", "D5"];

/// Properties that no test names yet.
const NOT_TESTED: &[&str] = &[];

/// The word that no file may have: what binds stands in the project.
const ELSEWHERE: &str = concat!("DES", "IGN");

/// Folders and files that are not searched: what is built, data, and the check itself, which is full of made-up citations.
const NOT_SEARCHED: &[&str] = &[
    "target",
    ".git",
    "data",
    "corpus",
    "src/protocol.rs",
    "tests/it/protocol.rs",
    "tests/it/protocol",
];

/// Where a comment stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// In the library or the command, outside of tests.
    Code,
    /// In a test, or in the simulator, which is one.
    Test,
    /// In a document, bench, example, schema or manifest.
    Other,
}

/// A file of the project.
struct File {
    /// Relative to the project.
    path: String,
    text: String,
}

/// One line of a comment, or of a document.
struct Comment<'a> {
    line: usize,
    text: &'a str,
    place: Place,
    /// Whether `cargo doc` turns it into documentation of the library.
    is_documentation: bool,
}

impl File {
    fn is_rust(&self) -> bool {
        Path::new(&self.path)
            .extension()
            .is_some_and(|end| end == "rs")
    }

    /// The place of the file's first line.
    fn place(&self) -> Place {
        let parts: Vec<&str> = self.path.split(['/', '.']).collect();
        if parts.contains(&"tests") || self.path.starts_with("src/sim") {
            Place::Test
        } else if parts.contains(&"src") && self.is_rust() {
            Place::Code
        } else {
            Place::Other
        }
    }

    fn comments(&self) -> Vec<Comment<'_>> {
        let is_rust = self.is_rust();
        let mut place = self.place();
        let mut found = Vec::new();
        let mut before = "";
        for (at, line) in self.text.lines().enumerate() {
            if before == "#[cfg(test)]" && line.starts_with("mod ") && line.ends_with('{') {
                place = Place::Test;
            }
            before = line;
            let text = if is_rust { comment(line) } else { Some(line) };
            if let Some(text) = text {
                let is_documentation = place == Place::Code
                    && self.path.starts_with("src/")
                    && (text.starts_with("///") || text.starts_with("//!"));
                found.push(Comment {
                    line: at + 1,
                    text,
                    place,
                    is_documentation,
                });
            }
        }
        found
    }
}

/// The comment of a line of Rust, with its slashes. Slashes in a string and in an address are none.
fn comment(line: &str) -> Option<&str> {
    line.match_indices("//").map(|(at, _)| at).find_map(|at| {
        let before = &line[..at];
        let is_text = before.matches('"').count() % 2 == 1 || before.ends_with(':');
        (!is_text).then_some(&line[at..])
    })
}

/// The names of rules in a text, and whether each is a link: a capital letter of a family and one or two digits.
fn names<'a>(text: &'a str, families: &BTreeSet<char>) -> Vec<(&'a str, bool)> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let mut found = Vec::new();
    let mut at = 0;
    for word in text.split(|c: char| !is_part(c)) {
        let digits = word.strip_prefix(|first| families.contains(&first));
        let is_name = digits.is_some_and(|digits| {
            matches!(digits.len(), 1 | 2) && digits.bytes().all(|digit| digit.is_ascii_digit())
        });
        if is_name {
            let after = &text[at + word.len()..];
            found.push((word, text[..at].ends_with('[') && after.starts_with(']')));
        }
        at += word.len();
        at += text[at..].chars().next().map_or(0, char::len_utf8);
    }
    found
}

/// The specification.
struct Protocol {
    /// Names and anchors, in the order of the headings.
    rules: Vec<(String, String)>,
    /// The same from the table at the top.
    table: Vec<(String, String)>,
    properties: Vec<String>,
}

impl Protocol {
    fn read(document: &str) -> Self {
        let mut protocol = Self {
            rules: Vec::new(),
            table: Vec::new(),
            properties: Vec::new(),
        };
        for line in document.lines() {
            if let Some(heading) = line.strip_prefix("### ") {
                let name = heading.split(' ').next().unwrap_or_default();
                protocol.rules.push((name.to_owned(), anchor(heading)));
            }
            for link in line.split('[').skip(1) {
                if let Some((name, rest)) = link.split_once("](#") {
                    let anchor = rest.split(')').next().unwrap_or_default();
                    protocol.table.push((name.to_owned(), anchor.to_owned()));
                }
            }
            let first = line
                .strip_prefix("| ")
                .and_then(|row| row.split(' ').next());
            let is_property = |word: &&str| {
                word.split_once('-').is_some_and(|(family, name)| {
                    family.len() == 1
                        && family.bytes().all(|letter| letter.is_ascii_uppercase())
                        && !name.is_empty()
                })
            };
            protocol
                .properties
                .extend(first.filter(is_property).map(str::to_owned));
        }
        protocol
    }

    fn families(&self) -> BTreeSet<char> {
        self.rules
            .iter()
            .filter_map(|(name, _)| name.chars().next())
            .collect()
    }
}

/// The anchor that GitHub and rustdoc make of a heading.
fn anchor(heading: &str) -> String {
    let kept = heading
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
    kept.map(|c| {
        if c == ' ' {
            '-'
        } else {
            c.to_ascii_lowercase()
        }
    })
    .collect()
}

/// Names and anchors in `src/protocol.rs`: the lines `P4 "p4-reveal",`.
fn listed(source: &str) -> Vec<(String, String)> {
    let lines = source
        .lines()
        .filter_map(|line| line.trim().strip_suffix("\","));
    let pairs = lines.filter_map(|line| line.split_once(" \""));
    pairs
        .map(|(name, anchor)| (name.to_owned(), anchor.to_owned()))
        .collect()
}

/// What is wrong with the citations, as lines of text.
fn faults(protocol: &Protocol, files: &[File], lists: [&[&str]; 3]) -> Vec<String> {
    let families = protocol.families();
    let rules: BTreeSet<&str> = protocol.rules.iter().map(|(name, _)| &**name).collect();
    let mut faults = Vec::new();
    let mut cited: BTreeMap<&str, Vec<Place>> = BTreeMap::new();
    let mut tested = BTreeSet::new();
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            if line.contains(ELSEWHERE) {
                faults.push(format!(
                    "{}:{}: `{ELSEWHERE}` is not in the project: cite a rule of docs/PROTOCOL.md",
                    file.path,
                    at + 1
                ));
            }
        }
        for comment in file.comments() {
            for (name, is_link) in names(comment.text, &families) {
                let at = format!("{}:{}", file.path, comment.line);
                if !rules.contains(name) {
                    faults.push(format!("{at}: docs/PROTOCOL.md has no rule {name}"));
                } else if comment.is_documentation && !is_link {
                    faults.push(format!(
                        "{at}: write [{name}] and `#[cfg(doc)] use crate::protocol::Rule::*;`, so that `cargo doc` checks it"
                    ));
                }
                cited.entry(name).or_default().push(comment.place);
            }
            if comment.place == Place::Test {
                let named = protocol
                    .properties
                    .iter()
                    .filter(|name| has_word(comment.text, name));
                tested.extend(named.map(String::as_str));
            }
        }
    }
    let is_cited = |name: &str, place| {
        cited
            .get(name)
            .is_some_and(|places| places.contains(&place))
    };
    let [not_in_code, not_in_tests, not_tested] = lists;
    for rule in &rules {
        let in_code = is_cited(rule, Place::Code);
        faults.extend(judge(rule, "code under `src`", in_code, not_in_code));
        faults.extend(judge(
            rule,
            "a test",
            is_cited(rule, Place::Test),
            not_in_tests,
        ));
    }
    for property in &protocol.properties {
        let is_tested = tested.contains(&**property);
        faults.extend(judge(property, "a test", is_tested, not_tested));
    }
    for name in lists.concat() {
        if !rules.contains(name) && !protocol.properties.iter().any(|property| property == name) {
            faults.push(format!(
                "{name} is on a list in tests/it/protocol.rs and does not exist"
            ));
        }
    }
    faults
}

/// Whether a name is cited, or on the list of those that are not.
fn judge(name: &str, by: &str, is_cited: bool, list: &[&str]) -> Option<String> {
    match (is_cited, list.contains(&name)) {
        (false, false) => Some(format!("{name} is not cited by {by}")),
        (true, true) => Some(format!(
            "{name} is cited by {by}: remove it from the list in tests/it/protocol.rs"
        )),
        _ => None,
    }
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || c == '-';
    text.match_indices(word).any(|(at, _)| {
        !text[..at].ends_with(is_part) && !text[at + word.len()..].starts_with(is_part)
    })
}

/// The project's sources, documents, schemas and manifests.
fn project(folder: &Path, root: &Path, found: &mut Vec<File>) {
    for entry in fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("the folder can be listed").path();
        let shown = path.strip_prefix(root).expect("it is under the root");
        let shown = shown.to_string_lossy().replace('\\', "/");
        let name = shown.rsplit('/').next().unwrap_or_default();
        if NOT_SEARCHED.contains(&name) || NOT_SEARCHED.contains(&&*shown) {
            continue;
        }
        if path.is_dir() {
            project(&path, root, found);
        } else if [".rs", ".md", ".toml", ".cddl", "/run"]
            .iter()
            .any(|end| shown.ends_with(end))
        {
            let text = fs::read_to_string(&path).expect("sources are readable UTF-8");
            found.push(File { path: shown, text });
        }
    }
}

#[test]
fn every_rule_is_cited_and_every_cited_rule_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    project(root, root, &mut files);
    assert!(files.len() >= 250, "only {} files were found", files.len());
    let protocol = Protocol::read(include_str!("../../docs/PROTOCOL.md"));
    assert!(protocol.rules.len() >= 80 && protocol.properties.len() >= 20);
    let found = faults(&protocol, &files, [NOT_IN_CODE, NOT_IN_TESTS, NOT_TESTED]);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_headings_the_table_and_the_links_have_the_same_rules() {
    let protocol = Protocol::read(include_str!("../../docs/PROTOCOL.md"));
    assert_eq!(protocol.table, protocol.rules);
    assert_eq!(
        listed(include_str!("../../src/protocol.rs")),
        protocol.rules
    );
    let names: BTreeSet<&String> = protocol.rules.iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), protocol.rules.len(), "a name stands twice");
}
