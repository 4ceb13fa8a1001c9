//! One run over several files: each finding once, and its bounds.

use std::io::Read;

use super::limits::{BUILDINFO_BYTES_MAX, FILE_FINDINGS_MAX, LINK_BYTES_MAX};
use super::*;

#[test]
fn a_finding_is_given_once_and_two_results_are_a_problem() {
    let mut reader = Reader::new(Options::default());
    let mut told = Told::default();
    let one = format!("{}  zsh_5.9-8_amd64.deb\n{}  a.tar\n", hash(1), hash(2));
    let two = format!(
        "{}  a.tar\n{}  pool/zsh_5.9-8_amd64.deb\n",
        hash(3),
        hash(1)
    );
    for (name, text) in [("one", &one), ("one", &one), ("two", &two)] {
        reader.read(Path::new(name), text.as_bytes(), &mut |event| {
            told.take(event);
        });
    }
    let zsh = "pkg:deb/debian/zsh@5.9-8?arch=amd64";
    assert_eq!(told.subjects(), [zsh, "a.tar"]);
    let [problem] = &told.problems[..] else {
        panic!("{:?}", told.problems);
    };
    assert_eq!(
        problem.to_string(),
        format!(
            "two, line 1: a.tar has the result {} here and {} in one, line 2: take one of them out",
            hash(3),
            hash(2)
        )
    );
}

#[test]
fn the_input_is_part_of_the_item() {
    let rows = |inputs: [&str; 2]| {
        let rows = inputs.iter().zip([1, 2]);
        let rows = rows.map(|(input, n)| format!("a,{},{input}\n", hash(n)));
        format!("file,sha256,input\n{}", rows.collect::<String>())
    };
    let told = read(rows(["01", "02"]).as_bytes());
    assert_eq!((told.findings.len(), told.problems.len()), (2, 0));
    let told = read(rows(["01", "01"]).as_bytes());
    assert_eq!((told.findings.len(), told.problems.len()), (1, 1));
}

#[test]
fn a_signed_original_is_given_where_there_was_none() {
    let plain = include_bytes!("../../../tests/data/buildinfo/plain.buildinfo");
    let signed = include_bytes!("../../../tests/data/buildinfo/signed.buildinfo");
    for (order, findings) in [
        (vec![&plain[..], &signed[..], &plain[..], &signed[..]], 6),
        (vec![&signed[..], &plain[..]], 3),
    ] {
        let mut reader = Reader::new(Options::default());
        let mut told = Told::default();
        for bytes in order {
            reader.read(Path::new("file"), bytes, &mut |event| told.take(event));
        }
        assert_eq!((told.findings.len(), told.problems.len()), (findings, 0));
        let originals = told
            .findings
            .iter()
            .filter_map(|(finding, _)| finding.original.as_ref());
        let originals: Vec<_> = originals.collect();
        assert_eq!(originals.len(), 3);
        assert!(originals.iter().all(|original| ***original == *signed));
    }
}

/// Gives `length` bytes that a function of the place makes, and counts them.
struct Made<F> {
    at: u64,
    length: u64,
    byte: F,
}

impl<F: Fn(u64) -> u8> Read for Made<F> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let length = (to.len() as u64).min(self.length - self.at);
        for byte in &mut to[..usize::try_from(length).unwrap()] {
            *byte = (self.byte)(self.at);
            self.at += 1;
        }
        Ok(usize::try_from(length).unwrap())
    }
}

const GIGABYTE: u64 = 1 << 30;

/// What a run told about a source, and how many bytes of it were read.
fn read_made(byte: impl Fn(u64) -> u8) -> (Told, u64) {
    let mut made = Made {
        at: 0,
        length: GIGABYTE,
        byte,
    };
    let mut told = Told::default();
    let mut reader = Reader::new(Options::default());
    reader.read(Path::new("file"), &mut made, &mut |event| told.take(event));
    (told, made.at)
}

/// The bytes of a text, and then others without end.
fn begun(text: &str, then: u8) -> impl Fn(u64) -> u8 {
    move |at| {
        let at = usize::try_from(at).unwrap();
        text.as_bytes().get(at).copied().unwrap_or(then)
    }
}

#[test]
fn a_gigabyte_is_refused_after_a_bounded_part() {
    let sum = format!("{}  a\n", hash(1));
    let buildinfo = "Format: 1.0\n";
    let table = "file,sha256\n";
    let link_too_long = Fault::FileTooLong {
        max: LINK_BYTES_MAX,
        read: false,
    };
    let buildinfo_too_long = Fault::FileTooLong {
        max: BUILDINFO_BYTES_MAX,
        read: false,
    };
    for (desc, text, then, line, fault, bytes_max) in [
        ("zeros", "", 0, None, Fault::UnknownFormat, 1 << 16),
        ("spaces", "", b' ', None, Fault::UnknownFormat, 1 << 16),
        ("a link", "{", b' ', None, link_too_long.clone(), 1 << 21),
        ("a deep link", "{", b'[', None, link_too_long, 1 << 21),
        (
            "one line",
            &*sum,
            b'x',
            Some(2),
            Fault::LineEndless,
            1 << 21,
        ),
        ("one row", table, b'"', Some(2), Fault::LineEndless, 1 << 21),
        (
            "a .buildinfo",
            buildinfo,
            b'x',
            None,
            buildinfo_too_long.clone(),
            1 << 23,
        ),
        (
            "one of blank lines",
            buildinfo,
            b'\n',
            None,
            buildinfo_too_long,
            1 << 23,
        ),
    ] {
        let (told, bytes) = read_made(begun(text, then));
        assert_eq!(told.faults(), [(line, &fault)], "{desc}");
        assert!(bytes <= bytes_max, "{desc}: {bytes} bytes read");
    }
}

#[test]
fn problems_beyond_some_are_counted() {
    let good = format!("{}  a\n", hash(1));
    let text = format!("{good}{}{good}", "rubbish\n".repeat(1_000_000));
    let told = read(text.as_bytes());
    assert_eq!(told.findings.len(), 1);
    assert_eq!(told.problems.len(), 101);
    assert_eq!(told.faults()[99], (Some(101), &Fault::NotASum));
    assert_eq!(told.faults()[100], (None, &Fault::MoreProblems(999_900)));
}

#[test]
fn a_file_has_only_so_many_results() {
    // Equal ones count too: what is bounded is the work.
    let text = format!("{}  a\n", hash(1)).repeat(FILE_FINDINGS_MAX + 1);
    let told = read(text.as_bytes());
    assert_eq!(told.subjects(), ["a"]);
    let line = Some(FILE_FINDINGS_MAX as u64 + 1);
    assert_eq!(told.faults(), [(line, &Fault::FileFull)]);
}
