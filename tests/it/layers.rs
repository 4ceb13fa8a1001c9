//! Imports go strictly downward and in no circle, and the core knows no clock, thread, disk, socket, float or hash map.
//!
//! The table below is the codemap of `src/lib.rs`. The test reads `src`, not the compiled crate, so that code behind
//! features is checked too. Comments, strings and `mod tests` are left out: documentation may point upward, and a
//! module's tests may build on what stands above it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// The folders of `src` from the ground up, with their layers. A folder imports only folders above it in this list, so that
/// there is no circle among them either. The command, the examples and the benches are packages or targets of their own.
const LAYERS: &[(u8, &str)] = &[
    // The rules, which documentation cites. It is not compiled otherwise.
    (0, "protocol"),
    (0, "base"),
    (1, "statement"),
    (2, "members"),
    (2, "decision"),
    (3, "finality"),
    (3, "ledger"),
    (3, "past"),
    (3, "exchange"),
    (4, "core"),
    (5, "document"),
    (5, "net"),
    (5, "store"),
    (6, "engine"),
    (6, "node"),
    // The simulator may use everything, and nothing may use it.
    (7, "sim"),
];

/// The highest layer of the deterministic core.
const CORE: u8 = 4;

/// Modules of one layer that do not know each other: what is sealed must not depend on how sealing is agreed.
const STRANGERS: &[(&str, &str)] = &[("finality", "ledger")];

/// What has no place in the core (D4). Each is searched as a whole path segment or word.
const NOT_IN_CORE: &[&str] = &[
    "Instant::now",
    "SystemTime::now",
    "HashMap",
    "HashSet",
    "thread::",
    "tokio",
    "automerge",
    "iroh",
    "redb",
    "rand::",
    "getrandom",
    "std::fs",
    "std::net",
    "std::env",
    "f32",
    "f64",
];

/// The only file of the core that names floats: serde asks every encoder what it does with them, and this one refuses them.
const REFUSES_FLOATS: &str = "src/base/codec/encoder.rs";

/// Folders whose modules may import each other: the oracle's rules are recursive.
const RECURSIVE: &[&str] = &["sim/oracle"];

/// `["record", "verify"]` is `record/verify.rs`.
type Module = Vec<String>;

/// One word or sign of the code.
struct Token {
    text: String,
    line: usize,
    /// How many inline modules are around it.
    inline: usize,
}

struct File {
    /// Relative to the project.
    shown: String,
    module: Module,
    tokens: Vec<Token>,
}

impl File {
    /// `path` is relative to `src`.
    fn new(path: &Path, source: &str) -> Self {
        let parts = path.with_extension("");
        Self {
            shown: format!("src/{}", path.display()),
            module: parts
                .iter()
                .map(|part| part.to_string_lossy().into())
                .collect(),
            tokens: tokens(source),
        }
    }

    /// The paths that start at the crate, at a parent or, in a `use`, at one of `modules`: from the crate's root, with lines.
    fn paths(&self, modules: &BTreeSet<Module>) -> Vec<(usize, Module)> {
        let mut found = Vec::new();
        for (at, token) in self.tokens.iter().enumerate() {
            let before = self.tokens[..at].last().map_or("", |token| &token.text);
            let is_start = match token.text.as_str() {
                "crate" | "self" | "super" => {
                    before != "::"
                        && self
                            .tokens
                            .get(at + 1)
                            .is_some_and(|next| next.text == "::")
                }
                name => {
                    before == "use"
                        && modules.contains(&[&self.module[..], &[name.to_owned()]].concat())
                }
            };
            if is_start {
                let mut module = self.module.clone();
                module.extend(vec![String::new(); token.inline]);
                read_path(&self.tokens[at..], module, &mut found);
            }
        }
        found
    }
}

/// Reads a path, or each path of a group, and returns how many tokens it takes.
fn read_path(tokens: &[Token], mut path: Module, found: &mut Vec<(usize, Module)>) -> usize {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text.as_str());
    let mut at = 0;
    loop {
        match text(at) {
            "crate" => path.clear(),
            "self" => {}
            "super" => drop(path.pop()),
            "{" => {
                while !matches!(text(at), "}" | "") {
                    at += 1 + read_path(&tokens[at + 1..], path.clone(), found);
                    // An `as` gives another name.
                    while !matches!(text(at), "," | "}" | "") {
                        at += 1;
                    }
                }
                return at + 1;
            }
            "}" => return at,
            word => path.push(word.to_owned()),
        }
        if text(at + 1) != "::" {
            found.push((tokens[at].line, path));
            return at + 1;
        }
        at += 2;
    }
}

/// The code without comments, contents of literals and modules of tests.
fn tokens(source: &str) -> Vec<Token> {
    let mut found = Vec::new();
    flatten(source.parse().expect("sources are Rust"), 0, &mut found);
    found
}

fn flatten(stream: TokenStream, inline: usize, found: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        let add = |text: String, found: &mut Vec<Token>| found.push(Token { text, line, inline });
        match tree {
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::None => ("", ""),
                };
                let head = found[found.len().saturating_sub(9)..].iter();
                let head: Vec<&str> = head.map(|token| &*token.text).collect();
                let is_module = open == "{" && head.iter().rev().nth(1) == Some(&"mod");
                let is_test =
                    is_module && head.starts_with(&["#", "[", "cfg", "(", "test", ")", "]"]);
                add(open.to_owned(), found);
                if !is_test {
                    flatten(group.stream(), inline + usize::from(is_module), found);
                }
                add(close.to_owned(), found);
            }
            TokenTree::Punct(sign) => match found.last_mut() {
                Some(last) if last.text == ":" && sign.as_char() == ':' => last.text.push(':'),
                _ => add(sign.to_string(), found),
            },
            TokenTree::Ident(word) => add(word.to_string(), found),
            TokenTree::Literal(_) => add(String::new(), found),
        }
    }
}

/// The place of a folder in [`LAYERS`], and its layer.
fn layer(folder: &str) -> Option<(usize, u8)> {
    let place = LAYERS.iter().position(|(_, name)| *name == folder)?;
    Some((place, LAYERS[place].0))
}

/// What is wrong in one file, as `file:line: what`.
fn faults(file: &File) -> Vec<String> {
    let File {
        shown,
        module,
        tokens: code,
    } = file;
    let module = module[0].as_str();
    let Some((place, own)) = layer(module) else {
        return vec![format!(
            "{shown}:1: the module `{module}` has no layer: add it to LAYERS in tests/it/layers.rs"
        )];
    };
    let mut faults = Vec::new();
    for (line, path) in file.paths(&BTreeSet::new()) {
        let Some(name) = path.first().filter(|name| *name != module) else {
            continue;
        };
        let at = format!("{shown}:{line}");
        match layer(name) {
            None => faults.push(format!(
                "{at}: `{name}` has no layer: name the module it stands in, or add it to LAYERS in tests/it/layers.rs"
            )),
            Some(_) if STRANGERS.contains(&(module, name)) || STRANGERS.contains(&(name, module)) => {
                faults.push(format!("{at}: `{module}` and `{name}` must not import each other"));
            }
            Some((above, other)) if above > place => faults.push(format!(
                "{at}: `{module}` (layer {own}) imports `{name}` (layer {other}): imports go downward"
            )),
            Some(_) => {}
        }
    }
    let is_sought = |word: &str| shown != REFUSES_FLOATS || !matches!(word, "f32" | "f64");
    let words = NOT_IN_CORE.iter().filter(|word| is_sought(word));
    for word in words.filter(|_| own <= CORE) {
        let sought = tokens(word);
        for found in code.windows(sought.len()) {
            if found
                .iter()
                .zip(&sought)
                .all(|(one, other)| one.text == other.text)
            {
                faults.push(format!(
                    "{shown}:{}: `{word}` has no place in the core (layers 0 to {CORE})",
                    found[0].line
                ));
            }
        }
    }
    faults
}

/// The imports among the modules of one folder that form a circle, with the folder. A module counts as one with what is below
/// it, and a name that a folder's own file takes from a module counts as that module's.
fn circles(files: &[File]) -> Vec<(String, Vec<String>)> {
    let modules: BTreeSet<Module> = files.iter().map(|file| file.module.clone()).collect();
    let paths: Vec<Vec<(usize, Module)>> = files.iter().map(|file| file.paths(&modules)).collect();
    let mut homes = BTreeMap::new();
    for (file, paths) in files.iter().zip(&paths) {
        for (_, path) in paths {
            if let Some([child, name]) = path.strip_prefix(&file.module[..]) {
                homes.insert(
                    [&file.module[..], std::slice::from_ref(name)].concat(),
                    child,
                );
            }
        }
    }
    let mut folders: BTreeMap<&[String], BTreeSet<(&String, &String)>> = BTreeMap::new();
    for (file, paths) in files.iter().zip(&paths) {
        for (_, path) in paths {
            let own = &file.module;
            let common = own
                .iter()
                .zip(path)
                .take_while(|(one, other)| one == other)
                .count();
            if common == own.len() || common == path.len() {
                continue;
            }
            let head = &path[..=common];
            let target = homes.get(head).copied().unwrap_or(&path[common]);
            if (modules.contains(head) || homes.contains_key(head)) && *target != own[common] {
                folders
                    .entry(&own[..common])
                    .or_default()
                    .insert((&own[common], target));
            }
        }
    }
    let mut found = Vec::new();
    for (folder, mut imports) in folders {
        loop {
            let before = imports.clone();
            imports.retain(|(from, to)| {
                before.iter().any(|(_, other)| other == from)
                    && before.iter().any(|(other, _)| other == to)
            });
            if imports.len() == before.len() {
                break;
            }
        }
        if !imports.is_empty() {
            let shown = imports
                .iter()
                .map(|(from, to)| format!("{from} imports {to}"));
            found.push((folder.join("/"), shown.collect()));
        }
    }
    found
}

fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder can be listed") {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The files of `src` but the face of the crate and files that hold nothing but tests.
fn tree() -> Vec<File> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for file in sources(&src) {
        let path = file.strip_prefix(&src).expect("it was found under src");
        let tests = path.with_extension("").iter().any(|part| part == "tests");
        if path != Path::new("lib.rs") && path != Path::new("internals.rs") && !tests {
            let source = fs::read_to_string(&file).expect("sources are readable UTF-8");
            files.push(File::new(path, &source));
        }
    }
    files
}

#[test]
fn imports_go_downward_and_the_core_is_pure() {
    let files = tree();
    assert!(
        files.len() >= 100,
        "only {} files were found under src",
        files.len()
    );
    let found: Vec<String> = files.iter().flat_map(faults).collect();
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn imports_go_in_no_circle() {
    let mut found = circles(&tree());
    found.retain(|(folder, _)| !RECURSIVE.contains(&folder.as_str()));
    assert!(found.is_empty(), "{found:#?}");
}

#[test]
fn the_check_for_circles_fires() {
    let circle = |sources: &[(&str, &str)]| {
        let files: Vec<File> = sources
            .iter()
            .map(|(path, source)| File::new(Path::new(path), source))
            .collect();
        circles(&files)
    };
    let one_way = [
        ("net.rs", ""),
        ("net/up.rs", "use super::book::Book;"),
        ("net/book.rs", "use super::Up;"),
    ];
    assert_eq!(circle(&one_way), []);
    let found = |imports: [&str; 2]| vec![("net".to_owned(), imports.map(str::to_owned).to_vec())];
    let expected = found(["book imports up", "up imports book"]);
    for back in [
        "use crate::net::up::Up;",
        "fn f() { super::{g, up::h}() }",
        "use crate::net::up;",
    ] {
        let sources = [
            ("net/up.rs", "use super::book::Book;"),
            ("net/book.rs", back),
        ];
        assert_eq!(circle(&sources), expected, "{back}");
    }
    // Through a name that the folder's file passes on, and from a file below.
    let sources = [
        ("net.rs", "pub use up::{Other, Up};"),
        ("net/up.rs", "mod inner { use super::super::book; }"),
        ("net/book.rs", ""),
        ("net/book/page.rs", "use super::super::Up;"),
    ];
    assert_eq!(circle(&sources), expected);
}

#[test]
fn the_check_fires() {
    // Path, source, and the expected fault.
    let cases = [
        "base/digest.rs | use crate::statement::record::Record; | `base` (layer 0) imports `statement` (layer 1)",
        "decision/tally.rs | use crate::{\n    base::digest::{NodeId, RecordId},\n    ledger,\n}; \
         | tally.rs:3: `decision` (layer 2) imports `ledger` (layer 3)",
        "decision/tally.rs | fn f() { crate::core::step(); } | imports `core` (layer 4)",
        "decision/tally.rs | use super::super::ledger::Ledger; | imports `ledger` (layer 3)",
        "members/rule.rs | mod inner {\n    use super::super::super::decision;\n} \
         | rule.rs:2: `members` (layer 2) imports `decision` (layer 2)",
        "ledger/apply.rs | use crate::finality::Lock; | must not import each other",
        "finality.rs | use crate::ledger::Ledger; | must not import each other",
        "core.rs | #[cfg(feature = \"sim\")]\nuse crate::sim::Clock; | core.rs:2: `core` (layer 4) imports `sim`",
        "decision/tally.rs | use crate::Rejection; | `Rejection` has no layer: name the module",
        "novelty.rs |  | the module `novelty` has no layer",
        "ledger.rs | fn f() {\n    let t = std::time::Instant::now();\n} | ledger.rs:2: `Instant::now`",
        "members/trust.rs | use std::collections::{BTreeMap, HashMap}; | `HashMap`",
        "core.rs | fn f() { std::thread::spawn(g); } | `thread::`",
        "core/pool.rs | fn f(x: f64) {} | `f64`",
        "core/query.rs | const C: char = '\"'; use tokio::sync; // \" | `tokio`",
        "decision/tally.rs | #[cfg(test)]\nmod tests {\n}\nuse crate::ledger; | tally.rs:4",
    ];
    for case in cases {
        let [path, source, expected] = case.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("{case}");
        };
        let found = faults(&File::new(Path::new(path), source));
        let is_expected = found.len() == 1 && found[0].contains(expected);
        assert!(is_expected, "{case} gave {found:?}");
    }
}

#[test]
fn what_is_allowed_passes() {
    let cases = [
        "statement/record/verify.rs | use super::{Signed, batch_message};",
        "statement/record/verify.rs | use crate::statement::record::Seal;",
        "decision/open.rs | use crate::members::roster::Roster;",
        "base/digest.rs | //! See [`crate::statement`] and a HashMap.",
        "base/digest.rs | /* crate::ledger */ const A: &str = \"f64\";",
        "base/digest.rs | const A: &str = r#\"crate::ledger \"f64\" \"#;",
        "base/digest.rs | fn f<'a>(x: &'a str) {} // it's f64",
        "members/trust.rs | const F64_MAX: u32 = 1; fn is_f64() {}",
        "decision/tally.rs | #[cfg(test)]\nmod tests {\n    use crate::ledger;\n    fn f() -> f64 {\n    }\n}\n",
        "engine.rs | use std::collections::HashMap; use tokio::sync;",
        "sim/oracle.rs | use crate::core::Core;",
    ];
    for case in cases {
        let (path, source) = case.split_once(" | ").expect("a path and a source");
        let found = faults(&File::new(Path::new(path), source));
        assert!(found.is_empty(), "{case} gave {found:?}");
    }
}
