//! What a coordinator's files ask for.
//!
//! A file is a list, of a purl, URL or path in each line and, behind a tab, an input if the item has one; or anything that
//! [`Reader`] reads, of which the results are not looked at. A list of subject, tab and hash is read by both: here the hash is the
//! input.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read};
use std::path::Path;

use mycnet_consensus::ClaimItem;
use mycnet_consensus::limits::ITEM_BYTES_MAX;

use crate::book::item_key;
use crate::formats::limits::{HEAD_BYTES, LINE_BYTES_MAX, LIST_BYTES_MAX};
use crate::formats::lines::Lines;
use crate::formats::recognise::recognise;
use crate::formats::sums;
use crate::formats::{Event, Fault, Format, Options, Place, Reader, SubjectFault, Subjects};

/// Items of one plan: eight times what a distribution has.
const ITEMS_MAX: usize = 250_000;

/// What is wrong with a line or file.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum WantedFault {
    /// It cannot be read.
    #[error(transparent)]
    Read(#[from] Fault),
    /// The name can be no subject.
    #[error(transparent)]
    Subject(#[from] SubjectFault),
    /// Behind the tab stands no input.
    #[error(
        "behind the tab stands no input: expected 64 hexadecimal digits (a SHA-256 or a nonce), or `hex:` and at most {} digits",
        2 * ITEM_BYTES_MAX
    )]
    NotAnInput,
    /// There are more items than are planned at once.
    #[error("more than {ITEMS_MAX} items: plan the rest in another run")]
    Full,
}

/// What is wrong, and where.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{place}: {fault}")]
pub struct WantedProblem {
    /// Where.
    pub place: Place,
    /// What.
    pub fault: WantedFault,
}

/// The items that files ask for, each once.
#[derive(Debug)]
pub struct Wanted {
    subjects: Subjects,
    reader: Reader,
    found: Found,
}

/// The items that were found, each once.
#[derive(Debug, Default)]
struct Found {
    items: Vec<ClaimItem>,
    seen: BTreeSet<[u8; 32]>,
    repeated: usize,
}

impl Found {
    /// Adds an item that is not there yet; `false` if there are too many.
    fn add(&mut self, item: ClaimItem) -> bool {
        let key = item_key(&item);
        if self.seen.contains(&key) {
            self.repeated += 1;
            return true;
        }
        if self.items.len() == ITEMS_MAX {
            return false;
        }
        self.seen.insert(key);
        self.items.push(item);
        true
    }
}

impl Wanted {
    /// No items yet. The subjects of names are made as [`Reader`] makes them, so that a builder's results fit.
    pub fn new(options: Options) -> Self {
        Self {
            subjects: options.subjects.clone(),
            reader: Reader::new(options),
            found: Found::default(),
        }
    }

    /// How often an item was there already.
    pub fn repeated(&self) -> usize {
        self.found.repeated
    }

    /// The items, in the order in which they were found.
    pub fn into_items(self) -> Vec<ClaimItem> {
        self.found.items
    }

    /// Reads a file, or a directory of files that [`Reader`] reads.
    pub fn read_path(&mut self, path: &Path, on_problem: &mut dyn FnMut(WantedProblem)) {
        if path.is_dir() {
            self.read_results(path, None, on_problem);
            return;
        }
        match File::open(path) {
            Ok(file) => self.read(path, file, on_problem),
            Err(error) => on_problem(problem(path, None, Fault::from(error))),
        }
    }

    /// Reads a file of this name from a source.
    pub fn read(
        &mut self,
        name: &Path,
        mut source: impl Read,
        on_problem: &mut dyn FnMut(WantedProblem),
    ) {
        let head = match head_of(&mut source) {
            Ok(head) => head,
            Err(error) => return on_problem(problem(name, None, Fault::from(error))),
        };
        let is_list = match recognise(&head) {
            Err(Fault::UnknownFormat) => true,
            Ok(Format::Sums) => !has_checksum(&head),
            _ => false,
        };
        let mut source = Cursor::new(head).chain(source);
        if is_list {
            self.read_list(name, source, on_problem);
        } else {
            self.read_results(name, Some(&mut source), on_problem);
        }
    }

    fn read_results(
        &mut self,
        path: &Path,
        source: Option<&mut dyn Read>,
        on_problem: &mut dyn FnMut(WantedProblem),
    ) {
        let found = &mut self.found;
        let mut on_event = |event| match event {
            Event::Finding(finding, place) => {
                if !found.add(finding.item) {
                    let fault = WantedFault::Full;
                    on_problem(WantedProblem { place, fault });
                }
            }
            // Two results of one item are one item.
            Event::Problem(problem) if matches!(problem.fault, Fault::TwoResults(_)) => {}
            Event::Problem(problem) => on_problem(WantedProblem {
                place: problem.place,
                fault: problem.fault.into(),
            }),
            Event::Skipped(_) => {}
        };
        match source {
            Some(source) => self.reader.read(path, source, &mut on_event),
            None => self.reader.read_path(path, &mut on_event),
        }
    }

    fn read_list(
        &mut self,
        name: &Path,
        source: impl Read,
        on_problem: &mut dyn FnMut(WantedProblem),
    ) {
        let mut lines = Lines::new(BufReader::new(source), LIST_BYTES_MAX, LINE_BYTES_MAX);
        loop {
            let (number, line) = match lines.next() {
                Ok(Some(numbered)) => numbered,
                Ok(None) => return,
                Err((line, fault)) => return on_problem(problem(name, line, fault)),
            };
            let read = line.map_err(WantedFault::from);
            let read = read.and_then(|line| item_of(line, &self.subjects));
            let fault = match read {
                Ok(None) => continue,
                Ok(Some(item)) => {
                    if self.found.add(item) {
                        continue;
                    }
                    return on_problem(problem(name, Some(number), WantedFault::Full));
                }
                Err(fault) => fault,
            };
            on_problem(problem(name, Some(number), fault));
        }
    }
}

fn problem(name: &Path, line: Option<u64>, fault: impl Into<WantedFault>) -> WantedProblem {
    WantedProblem {
        place: Place {
            file: name.into(),
            line,
        },
        fault: fault.into(),
    }
}

fn head_of(source: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut head = Vec::with_capacity(HEAD_BYTES);
    source.take(HEAD_BYTES as u64).read_to_end(&mut head)?;
    Ok(head)
}

/// Whether a line has a file's hash before its name, as `sha256sum` writes it. A hash behind a name and a tab is an input here.
fn has_checksum(head: &[u8]) -> bool {
    let lines = head.split(|byte| *byte == b'\n');
    let mut lines = lines.filter_map(|line| str::from_utf8(line).ok());
    lines.any(|line| !line.contains('\t') && sums::read_line(line.trim_end_matches('\r')).is_ok())
}

/// The item of a line; none in a line that is blank or a comment.
fn item_of(line: &str, subjects: &Subjects) -> Result<Option<ClaimItem>, WantedFault> {
    if line.trim().is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let (name, input) = match line.split_once('\t') {
        Some((name, input)) => (name, input_of(input.trim())?),
        None => (line, Vec::new()),
    };
    let subject = subjects.of(name.trim())?;
    Ok(Some(ClaimItem { subject, input }))
}

fn input_of(text: &str) -> Result<Vec<u8>, WantedFault> {
    let digits = text.strip_prefix("hex:");
    let is_whole = digits.is_some() || text.len() == 64;
    let input = hex::decode(digits.unwrap_or(text));
    let input = input
        .ok()
        .filter(|input| is_whole && input.len() <= ITEM_BYTES_MAX);
    input.ok_or(WantedFault::NotAnInput)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The items, as subjects and inputs in hexadecimal, and the problems.
    fn wanted(content: &[u8]) -> (Vec<(String, String)>, Vec<String>) {
        let mut wanted = Wanted::new(Options::default());
        let mut problems = Vec::new();
        wanted.read("F".as_ref(), content, &mut |problem| {
            problems.push(problem.to_string());
        });
        let items = wanted.into_items().into_iter();
        let items = items.map(|item| (item.subject, hex::encode(item.input)));
        (items.collect(), problems)
    }

    #[test]
    fn lists_and_results_ask_for_items() {
        let hash = "46adc2f266d9f2155a5297f4826f859c594a0a81bed2f5df0e818929f5f0761c";
        let zsh = "pkg:deb/debian/zsh@5.9-8?arch=amd64";
        for (desc, content, expected) in [
            (
                "purls",
                format!("{zsh}\n\n# more\npkg:deb/debian/a@1?arch=all\n"),
                vec![(zsh, ""), ("pkg:deb/debian/a@1?arch=all", "")],
            ),
            (
                "twice",
                format!("{zsh}\nzsh_5.9-8_amd64.deb\n{zsh}\n"),
                vec![(zsh, "")],
            ),
            (
                "an input",
                format!("{zsh}\t{hash}\n{zsh}\n"),
                vec![(zsh, hash), (zsh, "")],
            ),
            (
                "an input behind the second name",
                format!("a/c\n{zsh}\t{hash}\n"),
                vec![("a/c", ""), (zsh, hash)],
            ),
            (
                "a short input",
                format!("{zsh}\thex:00ff\n"),
                vec![(zsh, "00ff")],
            ),
            (
                "paths",
                "22.0/a b.tar.gz\r\n".to_owned(),
                vec![("22.0/a b.tar.gz", "")],
            ),
            (
                "results",
                format!("{hash}  zsh_5.9-8_amd64.deb\n"),
                vec![(zsh, "")],
            ),
            (
                "a table",
                format!("subject,sha256\na,{hash}\n"),
                vec![("a", "")],
            ),
        ] {
            let (items, problems) = wanted(content.as_bytes());
            let items: Vec<(&str, &str)> = items
                .iter()
                .map(|(subject, input)| (&**subject, &**input))
                .collect();
            assert_eq!(problems, [""; 0], "{desc}");
            assert_eq!(items, expected, "{desc}");
        }
    }

    #[test]
    fn a_bad_line_is_named_and_the_rest_is_read() {
        let long = "a".repeat(257);
        for (content, says) in [
            (
                &b"a\thex:0\nb\n"[..],
                "F, line 1: behind the tab stands no input",
            ),
            (b"a\t00\nb\n", "F, line 1: behind the tab"),
            (b"b\n../a\n", "F, line 2: "),
            (b"b\n\xff\n", "F, line 2: "),
            (format!("{long}\nb\n").as_bytes(), "F, line 1: the subject"),
            (
                format!("a\thex:{}\nb\n", "00".repeat(65)).as_bytes(),
                "F, line 1: behind the tab",
            ),
        ] {
            let (items, problems) = wanted(content);
            assert_eq!(items, [("b".to_owned(), String::new())], "{problems:?}");
            assert_eq!(problems.len(), 1, "{problems:?}");
            assert!(problems[0].starts_with(says), "{problems:?}");
        }
        let (items, problems) = wanted(b"");
        assert!(items.is_empty() && problems.len() == 1, "{problems:?}");
    }
}
