//! Imports go strictly downward, and the core knows no clock, thread, disk, socket, float or hash map.
//!
//! The table below is the codemap of DESIGN section 11. The test reads `src`, not the compiled crate, so that code behind
//! features is checked too. Comments, strings and `mod tests` are left out: documentation may point upward, and a
//! module's tests may build on what stands above it.

use std::fs;
use std::path::{Path, PathBuf};

/// The folders of `src` from the ground up, with their layers. A folder imports only folders above it in this list, so that
/// there is no circle among them either. The command, the examples and the benches are packages or targets of their own.
const LAYERS: &[(u8, &str)] = &[
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

/// What has no place in the core. Each is searched as a whole path segment or word.
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

/// The place of a folder in [`LAYERS`], and its layer.
fn layer(folder: &str) -> Option<(usize, u8)> {
    let place = LAYERS.iter().position(|(_, name)| *name == folder)?;
    Some((place, LAYERS[place].0))
}

/// What is wrong in one file, as `file:line: what`. `path` is relative to `src`.
fn faults(path: &Path, source: &str) -> Vec<String> {
    let shown = format!("src/{}", path.display());
    let code = without_tests(&code_only(source));
    let modules = module_path(path);
    let module = modules[0].as_str();
    let Some((place, own)) = layer(module) else {
        return vec![format!(
            "{shown}:1: the module `{module}` has no layer: add it to LAYERS in tests/it/layers.rs"
        )];
    };
    let mut faults = Vec::new();
    for (offset, name) in imports(&code, modules.len()) {
        let at = format!("{shown}:{}", line(&code, offset));
        match layer(&name) {
            _ if name == module => {}
            None => faults.push(format!(
                "{at}: `{name}` has no layer: name the module it stands in, or add it to LAYERS in tests/it/layers.rs"
            )),
            Some(_) if strangers(module, &name) => faults.push(format!(
                "{at}: `{module}` and `{name}` must not import each other"
            )),
            Some((above, other)) if above > place => faults.push(format!(
                "{at}: `{module}` (layer {own}) imports `{name}` (layer {other}): imports go downward"
            )),
            Some(_) => {}
        }
    }
    if own <= CORE {
        for word in NOT_IN_CORE {
            for offset in words(&code, word) {
                faults.push(format!(
                    "{shown}:{}: `{word}` has no place in the core (layers 0 to {CORE})",
                    line(&code, offset)
                ));
            }
        }
    }
    faults
}

fn strangers(one: &str, other: &str) -> bool {
    STRANGERS
        .iter()
        .any(|(a, b)| (*a, *b) == (one, other) || (*b, *a) == (one, other))
}

/// `record/verify.rs` is `["record", "verify"]`.
fn module_path(path: &Path) -> Vec<String> {
    path.with_extension("")
        .iter()
        .map(|part| part.to_string_lossy().into_owned())
        .collect()
}

fn line(code: &str, offset: usize) -> usize {
    code[..offset].matches('\n').count() + 1
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn ident(code: &str) -> &str {
    let end = code.find(|c| !is_word(c)).unwrap_or(code.len());
    &code[..end]
}

/// Offsets of `word` where it is not part of a longer word.
fn words<'a>(code: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    code.match_indices(word)
        .map(|(offset, _)| offset)
        .filter(move |offset| {
            let before = code[..*offset].chars().next_back();
            let after = code[offset + word.len()..].chars().next();
            !before.is_some_and(is_word) && (word.ends_with(':') || !after.is_some_and(is_word))
        })
}

/// Top-level modules that the code names, by `crate::` or by enough `super::`, with where it names them. `depth` is the
/// length of the file's own module path.
fn imports(code: &str, depth: usize) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for start in words(code, "crate::") {
        found.extend(named(code, start + "crate::".len()));
    }
    for start in words(code, "super::") {
        if code[..start].ends_with("super::") {
            continue;
        }
        let rest = code[start..].trim_start_matches("super::");
        let supers = (code.len() - start - rest.len()) / "super::".len();
        if supers == depth + inline_modules(&code[..start]) {
            found.extend(named(code, code.len() - rest.len()));
        }
    }
    found.sort();
    found
}

/// The first segment of the path at `start`, or of each path of the group there.
fn named(code: &str, start: usize) -> Vec<(usize, String)> {
    let Some(group) = code[start..].strip_prefix('{') else {
        return vec![(start, ident(&code[start..]).to_owned())];
    };
    let first = start + 1;
    let mut found = Vec::new();
    let (mut nested, mut expected) = (0_usize, true);
    for (offset, c) in group.char_indices() {
        match c {
            '{' => nested += 1,
            '}' if nested == 0 => break,
            '}' => nested -= 1,
            ',' if nested == 0 => expected = true,
            c if expected && is_word(c) => {
                found.push((first + offset, ident(&group[offset..]).to_owned()));
                expected = false;
            }
            _ => {}
        }
    }
    found
}

/// How many inline `mod name {` are open at the end of `code`.
fn inline_modules(code: &str) -> usize {
    let mut open = Vec::new();
    for (offset, c) in code.char_indices() {
        match c {
            '{' => {
                let head = code[..offset].trim_end();
                let before = head.trim_end_matches(is_word);
                open.push(before.len() < head.len() && before.trim_end().ends_with("mod"));
            }
            '}' => {
                open.pop();
            }
            _ => {}
        }
    }
    open.into_iter().filter(|module| *module).count()
}

/// The source with comments and the contents of strings blanked, line breaks kept.
fn code_only(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let token = token_length(rest, code.chars().next_back());
        let keep = token == first.len_utf8();
        let (text, after) = rest.split_at(token);
        code.extend(
            text.chars()
                .map(|c| if keep || c == '\n' { c } else { ' ' }),
        );
        rest = after;
    }
    code
}

/// The length in bytes of the comment, string or character literal at the start of `rest`, or else of its first character.
fn token_length(rest: &str, before: Option<char>) -> usize {
    let until = |end: &str, from: usize| {
        rest[from..]
            .find(end)
            .map_or(rest.len(), |at| from + at + end.len())
    };
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return until("*/", 2);
    }
    if rest.starts_with('"') {
        return quoted(rest, '"');
    }
    if rest.starts_with('r') && !before.is_some_and(|c| is_word(c) && c != 'b') {
        let hashes = rest[1..].len() - rest[1..].trim_start_matches('#').len();
        if rest[1 + hashes..].starts_with('"') {
            let end = format!("\"{}", "#".repeat(hashes));
            return until(&end, hashes + 2);
        }
    }
    if let Some(literal) = rest.strip_prefix('\'') {
        // A character, unless it is a lifetime.
        let mut chars = literal.chars();
        let (first, second) = (chars.next(), chars.next());
        if first == Some('\\') || second == Some('\'') {
            return quoted(rest, '\'');
        }
    }
    rest.chars().next().map_or(0, char::len_utf8)
}

fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (offset, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return offset + c.len_utf8(),
            _ => {}
        }
    }
    rest.len()
}

/// The code with every top-level `#[cfg(test)] mod name { .. }` blanked; rustfmt puts its last brace at the line's start.
fn without_tests(code: &str) -> String {
    let mut kept = String::with_capacity(code.len());
    let mut lines = code.split_inclusive('\n').peekable();
    let mut within = false;
    while let Some(text) = lines.next() {
        let marks = text.trim_end() == "#[cfg(test)]"
            && lines
                .peek()
                .is_some_and(|next| next.starts_with("mod ") && next.trim_end().ends_with('{'));
        within |= marks;
        if within {
            kept.push('\n');
            within = !text.starts_with('}');
        } else {
            kept.push_str(text);
        }
    }
    kept
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

#[test]
fn imports_go_downward_and_the_core_is_pure() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut checked = 0;
    let mut found = Vec::new();
    for file in sources(&src) {
        let path = file.strip_prefix(&src).expect("it was found under src");
        // The face of the crate, and files that hold nothing but tests.
        let tests = path.with_extension("").iter().any(|part| part == "tests");
        if path == Path::new("lib.rs") || path == Path::new("internals.rs") || tests {
            continue;
        }
        let source = fs::read_to_string(&file).expect("sources are readable UTF-8");
        found.extend(faults(path, &source));
        checked += 1;
    }
    assert!(checked >= 14, "only {checked} files were found under src");
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn the_check_fires() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "base/digest.rs",
            "use crate::statement::record::Record;",
            "`base` (layer 0) imports `statement` (layer 1)",
        ),
        (
            "decision/tally.rs",
            "use crate::{\n    base::digest::{NodeId, RecordId},\n    ledger,\n};",
            "tally.rs:3: `decision` (layer 2) imports `ledger` (layer 3)",
        ),
        (
            "decision/tally.rs",
            "fn f() { crate::core::step(); }",
            "imports `core` (layer 4)",
        ),
        (
            "decision/tally.rs",
            "use super::super::ledger::Ledger;",
            "imports `ledger` (layer 3)",
        ),
        (
            "members/rule.rs",
            "mod inner {\n    use super::super::super::decision;\n}",
            "rule.rs:2: `members` (layer 2) imports `decision` (layer 2)",
        ),
        (
            "ledger/apply.rs",
            "use crate::finality::Lock;",
            "must not import each other",
        ),
        (
            "finality.rs",
            "use crate::ledger::Ledger;",
            "must not import each other",
        ),
        (
            "core.rs",
            "#[cfg(feature = \"sim\")]\nuse crate::sim::Clock;",
            "core.rs:2: `core` (layer 4) imports `sim`",
        ),
        (
            "decision/tally.rs",
            "use crate::Rejection;",
            "`Rejection` has no layer: name the module",
        ),
        ("novelty.rs", "", "the module `novelty` has no layer"),
        (
            "ledger.rs",
            "fn f() {\n    let t = std::time::Instant::now();\n}",
            "ledger.rs:2: `Instant::now`",
        ),
        (
            "members/trust.rs",
            "use std::collections::{BTreeMap, HashMap};",
            "`HashMap`",
        ),
        ("core.rs", "std::thread::spawn(|| ());", "`thread::`"),
        ("core/pool.rs", "fn f(x: f64) {}", "`f64`"),
        (
            "core/query.rs",
            "let c = '\"'; use tokio::sync; // \"",
            "`tokio`",
        ),
    ];
    for (path, source, expected) in cases {
        let found = faults(Path::new(path), source);
        assert!(
            found.len() == 1 && found[0].contains(expected),
            "{path}: {source:?} gave {found:?}, expected {expected:?}"
        );
    }
}

#[test]
fn what_is_allowed_passes() {
    let cases: &[(&str, &str)] = &[
        (
            "statement/record/verify.rs",
            "use super::{Signed, batch_message};",
        ),
        (
            "statement/record/verify.rs",
            "use crate::statement::record::Seal;",
        ),
        ("decision/open.rs", "use crate::members::roster::Roster;"),
        (
            "base/digest.rs",
            "//! See [`crate::statement`] and a HashMap.",
        ),
        (
            "base/digest.rs",
            "/* crate::ledger */ const A: &str = \"f64\";",
        ),
        (
            "base/digest.rs",
            "const A: &str = r#\"crate::ledger \"f64\" \"#;",
        ),
        ("base/digest.rs", "fn f<'a>(x: &'a str) {} // it's f64"),
        ("members/trust.rs", "const F64_MAX: u32 = 1; fn is_f64() {}"),
        (
            "decision/tally.rs",
            "#[cfg(test)]\nmod tests {\n    use crate::ledger;\n    fn f() -> f64 {\n    }\n}\n",
        ),
        (
            "engine.rs",
            "use std::collections::HashMap; use tokio::sync;",
        ),
        ("sim/oracle.rs", "use crate::core::Core;"),
    ];
    for (path, source) in cases {
        let found = faults(Path::new(path), source);
        assert!(found.is_empty(), "{path}: {source:?} gave {found:?}");
    }
    // What follows a test module is checked again.
    let source = "#[cfg(test)]\nmod tests {\n}\nuse crate::ledger;\n";
    assert_eq!(faults(Path::new("decision/tally.rs"), source).len(), 1);
}
