//! Lines that name a file and its SHA-256: of `sha256sum` (also the escaped form of GNU coreutils), of BSD (`sha256`, `shasum --tag`),
//! and of a subject, a tab and the hash.

use std::borrow::Cow;
use std::io::BufRead;

use super::fault::Fault;
use super::lines::{Lines, Stop};
use super::reader::File;

/// Algorithms by the number of digits and by what BSD calls them, none of them SHA-256.
const OTHERS: [(usize, &str, &str); 6] = [
    (32, "MD5", "MD5"),
    (40, "SHA1", "SHA-1"),
    (56, "SHA224", "SHA-224"),
    (96, "SHA384", "SHA-384"),
    (128, "SHA512", "SHA-512"),
    (128, "BLAKE2b", "BLAKE2b"),
];

/// Reads a list.
///
/// # Errors
///
/// What ends it before its last line.
pub(crate) fn read<R: BufRead>(lines: &mut Lines<R>, file: &mut File<'_>) -> Result<(), Stop> {
    while let Some((number, line)) = lines.next()? {
        let number = Some(number);
        let read = line.and_then(|line| {
            if line.trim().is_empty() || line.starts_with('#') {
                return Ok(None);
            }
            read_line(line).map(Some)
        });
        match read {
            Ok(None) => {}
            Ok(Some((name, hash))) => file.finding(number, &name, Vec::new(), hash, None)?,
            Err(fault) => file.problem(number, fault),
        }
    }
    Ok(())
}

/// The name and hash of a line.
///
/// # Errors
///
/// [`Fault::NotASum`], or [`Fault::OtherAlgorithm`] if it is of the same form with a hash of another algorithm.
pub(crate) fn read_line(line: &str) -> Result<(Cow<'_, str>, [u8; 32]), Fault> {
    if let Some((subject, hash)) = line.split_once('\t') {
        let hash = hash.trim();
        let hash = sha256_of(hash.strip_prefix("hex:").unwrap_or(hash));
        return Ok((Cow::Borrowed(subject.trim()), hash.ok_or(Fault::NotASum)?));
    }
    let (is_escaped, rest) = match line.strip_prefix('\\') {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let (name, hash) = parts(rest)?;
    let name = if is_escaped {
        Cow::Owned(unescaped(name))
    } else {
        Cow::Borrowed(name)
    };
    Ok((name, hash))
}

/// The name and hash of a line without the mark that its name is escaped.
fn parts(line: &str) -> Result<(&str, [u8; 32]), Fault> {
    if let Some((algorithm, rest)) = line.split_once(" (")
        && let Some((name, hash)) = rest.rsplit_once(") = ")
    {
        return match sha256_of(hash.trim_end()) {
            Some(hash) if algorithm == "SHA256" => Ok((name, hash)),
            _ => Err(other(|(_, tag, _)| *tag == algorithm)),
        };
    }
    let (hash, rest) = line.split_once(' ').ok_or(Fault::NotASum)?;
    // The second character says how the file was read, as text or as bytes; some tools leave it out.
    let name = rest.strip_prefix([' ', '*']).unwrap_or(rest);
    let is_hex = hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    match sha256_of(hash) {
        Some(hash) => Ok((name, hash)),
        None => Err(other(|(digits, ..)| is_hex && *digits == hash.len())),
    }
}

fn other(fits: impl Fn(&&(usize, &str, &str)) -> bool) -> Fault {
    let other = OTHERS.iter().find(fits);
    other.map_or(Fault::NotASum, |(.., name)| Fault::OtherAlgorithm(name))
}

/// A name as it was before GNU coreutils escaped it.
fn unescaped(name: &str) -> String {
    let mut plain = String::with_capacity(name.len());
    let mut chars = name.chars();
    while let Some(c) = chars.next() {
        match (c, chars.clone().next()) {
            ('\\', Some('n')) => plain.push('\n'),
            ('\\', Some('r')) => plain.push('\r'),
            ('\\', Some('\\')) => plain.push('\\'),
            _ => {
                plain.push(c);
                continue;
            }
        }
        chars.next();
    }
    plain
}

/// A SHA-256 of 64 hexadecimal digits.
pub(crate) fn sha256_of(text: &str) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(text, &mut hash).ok()?;
    Some(hash)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HASH: &str = "46adc2f266d9f2155a5297f4826f859c594a0a81bed2f5df0e818929f5f0761c";

    #[test]
    fn lines_of_all_tools_are_read() {
        let capitals = HASH.to_uppercase();
        for (desc, line, name) in [
            ("text", format!("{HASH}  a b.tar"), "a b.tar"),
            ("bytes", format!("{HASH} *a.tar"), "a.tar"),
            ("one space", format!("{HASH} a.tar"), "a.tar"),
            ("capitals", format!("{capitals}  a.tar"), "a.tar"),
            ("a name with a space before it", format!("{HASH}   a"), " a"),
            (
                "escaped",
                format!(r"\{HASH}  a\\b\nc\rd\x"),
                "a\\b\nc\rd\\x",
            ),
            ("not escaped", format!(r"{HASH}  a\\b"), r"a\\b"),
            ("BSD", format!("SHA256 (a b.tar) = {HASH}"), "a b.tar"),
            (
                "BSD, a name with brackets",
                format!("SHA256 (a (1) = b) = {HASH}"),
                "a (1) = b",
            ),
            ("BSD, escaped", format!(r"\SHA256 (a\\b) = {HASH}"), r"a\b"),
            ("a subject", format!("pkg:nix/a@1\t{HASH}"), "pkg:nix/a@1"),
            ("marked", format!("a b\thex:{HASH}"), "a b"),
            ("no name", format!("{HASH}  "), ""),
            ("a traversal", format!("{HASH}  ../a"), "../a"),
        ] {
            let hash = sha256_of(HASH).unwrap();
            assert_eq!(read_line(&line), Ok((name.into(), hash)), "{desc}");
        }
    }

    #[test]
    fn other_lines_are_refused() {
        let other = Fault::OtherAlgorithm;
        for (line, fault) in [
            (String::new(), Fault::NotASum),
            ("a".to_owned(), Fault::NotASum),
            (HASH.to_owned(), Fault::NotASum),
            (format!("{}  a", &HASH[1..]), Fault::NotASum),
            (format!("0{HASH}  a"), Fault::NotASum),
            (format!("{}x  a", &HASH[1..]), Fault::NotASum),
            (format!("a\t{}", &HASH[1..]), Fault::NotASum),
            (format!("a\tb\t{HASH}"), Fault::NotASum),
            (format!("sha256 (a) = {HASH}"), Fault::NotASum),
            (format!("SHA256 (a) = {}", &HASH[1..]), Fault::NotASum),
            (format!("{}  a", &HASH[..32]), other("MD5")),
            (format!("{}  a", &HASH[..40]), other("SHA-1")),
            (format!("{HASH}{HASH} *a"), other("SHA-512")),
            (format!("SHA512 (a) = {HASH}{HASH}"), other("SHA-512")),
            (format!("BLAKE2b (a) = {HASH}{HASH}"), other("BLAKE2b")),
            (format!("{}  a", "x".repeat(32)), Fault::NotASum),
        ] {
            assert_eq!(read_line(&line), Err(fault), "{line:?}");
        }
    }

    /// As GNU coreutils writes it.
    fn written(name: &str, hash: &[u8; 32]) -> String {
        let hash = hex::encode(hash);
        if !name.contains(['\\', '\n', '\r']) {
            return format!("{hash}  {name}");
        }
        let name = name.replace('\\', r"\\");
        let name = name.replace('\n', r"\n").replace('\r', r"\r");
        format!(r"\{hash}  {name}")
    }

    proptest! {
        #[test]
        fn a_line_that_is_written_is_read_again(name in "[^\t]{0,20}|[nr\\\\\n\r]{0,9}", hash: [u8; 32]) {
            let line = written(&name, &hash);
            prop_assert_eq!(read_line(&line), Ok(((&*name).into(), hash)));
            // BSD ends a name at the last bracket.
            if !name.contains(['\\', '\n', '\r']) {
                let line = format!("SHA256 ({name}) = {}", hex::encode(hash));
                prop_assert_eq!(read_line(&line), Ok(((&*name).into(), hash)));
            }
        }
    }
}
