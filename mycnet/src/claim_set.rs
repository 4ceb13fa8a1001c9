//! The items of a claim set and their results, from files of lines: a subject, a tab, and an input or a result, as text or `hex:DIGITS`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mycnet_consensus::limits::{ITEM_BYTES_MAX, ITEM_SUBJECT_BYTES_MAX, SET_ITEMS_MAX};
use mycnet_consensus::{Ballot, ClaimItem, ConsensusOperation};

use crate::arguments::text_or_hex;
use crate::failure::Failure;
use crate::files::read_file;

/// A line for each item: the subject, a tab, `hex:` with the digits of a value, and the end of the line.
const FILE_BYTES_MAX: usize = SET_ITEMS_MAX * (ITEM_SUBJECT_BYTES_MAX + 2 * ITEM_BYTES_MAX + 16);

/// The lines of a file: by subject, the value and the number of the line.
struct Lines {
    path: PathBuf,
    values: BTreeMap<String, (Option<Vec<u8>>, usize)>,
}

impl Lines {
    fn read(path: &Path) -> anyhow::Result<Self> {
        let bytes = read_file(path, FILE_BYTES_MAX)?;
        let mut lines = Self {
            path: path.to_path_buf(),
            values: BTreeMap::new(),
        };
        let text = String::from_utf8(bytes).map_err(|error| {
            let valid = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = valid.split(|byte| *byte == b'\n').count();
            lines.bad(line, "it is not UTF-8")
        })?;
        for (line, number) in text.lines().zip(1..) {
            if !line.is_empty() {
                lines.add(line, number)?;
            }
        }
        Ok(lines)
    }

    fn add(&mut self, line: &str, number: usize) -> Result<(), Failure> {
        let (subject, value) = match line.split_once('\t') {
            Some((subject, value)) => (subject, Some(value)),
            None => (line, None),
        };
        if subject.is_empty() {
            return Err(self.bad(number, "the subject before the tab is empty"));
        }
        if subject.len() > ITEM_SUBJECT_BYTES_MAX {
            let why = format!("its subject has more than {ITEM_SUBJECT_BYTES_MAX} bytes");
            return Err(self.bad(number, &why));
        }
        let value = value.map(text_or_hex).transpose();
        let value = value.map_err(|why| self.bad(number, &why))?;
        if value.as_ref().is_some_and(|it| it.len() > ITEM_BYTES_MAX) {
            let why = format!("its value has more than {ITEM_BYTES_MAX} bytes: give a hash");
            return Err(self.bad(number, &why));
        }
        if let Some((_, before)) = self.values.insert(subject.to_owned(), (value, number)) {
            return Err(self.bad(number, &format!("line {before} has the same subject")));
        }
        Ok(())
    }

    fn bad(&self, line: usize, why: &str) -> Failure {
        Failure::bad_data(format!("{}:{line}: {why}", self.path.display()))
    }
}

/// The items of a file, sorted. A line without a tab is an item without input.
pub(crate) fn items(path: &Path) -> anyhow::Result<Vec<ClaimItem>> {
    let lines = Lines::read(path)?;
    let name = path.display();
    if lines.values.is_empty() {
        return Err(Failure::bad_data(format!("{name} has no items")).into());
    }
    if lines.values.len() > SET_ITEMS_MAX {
        let count = lines.values.len();
        let why = format!("{name} has {count} items, and a claim set at most {SET_ITEMS_MAX}");
        return Err(Failure::bad_data(why).into());
    }
    let items = lines.values.into_iter();
    let items = items.map(|(subject, (input, _))| ClaimItem {
        subject,
        input: input.unwrap_or_default(),
    });
    Ok(items.collect())
}

/// The results that a file has of an operation's items. A line without a tab, and an item without line, is no result.
pub(crate) fn results(path: &Path, operation: &ConsensusOperation) -> anyhow::Result<Ballot> {
    let ConsensusOperation::ClaimSet { items, .. } = operation else {
        let why = "only a claim set takes --results; vote on this operation otherwise";
        return Err(Failure::usage(why).into());
    };
    let mut lines = Lines::read(path)?;
    let results = items
        .iter()
        .map(|item| lines.values.remove(&item.subject)?.0);
    let results: Vec<_> = results.collect();
    if let Some((subject, (_, line))) = lines.values.first_key_value() {
        let why = format!("the claim set has no item {subject:?}");
        return Err(lines.bad(*line, &why).into());
    }
    if results.iter().all(Option::is_none) {
        let name = path.display();
        return Err(Failure::bad_data(format!("{name} has no result of any item")).into());
    }
    Ok(Ballot::Results(results))
}

#[cfg(test)]
mod tests {
    use super::*;
    use mycnet_consensus::ClaimRule;

    fn file(content: &[u8]) -> PathBuf {
        use std::sync::atomic::{AtomicU32, Ordering};
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::SeqCst);
        let name = format!("mycnet-claim-set-{}-{number}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    fn error_of<T>(read: anyhow::Result<T>, path: &Path) -> String {
        let error = read.err().expect("it is bad").to_string();
        std::fs::remove_file(path).unwrap();
        error.replace(&path.display().to_string(), "FILE")
    }

    #[test]
    fn items_are_sorted_and_results_are_found_by_subject() {
        let path = file(b"b 2\thex:00ff\n\na 1\n");
        let read = items(&path).unwrap();
        std::fs::remove_file(path).unwrap();
        let item = |subject: &str, input: &[u8]| ClaimItem {
            subject: subject.into(),
            input: input.into(),
        };
        assert_eq!(read, [item("a 1", b""), item("b 2", &[0, 255])]);
        let set = ConsensusOperation::ClaimSet {
            subject: "night".into(),
            items: read,
            panel: None,
            rule: ClaimRule::MAJORITY,
        };
        let path = file(b"b 2\tgood\n");
        let ballot = results(&path, &set).unwrap();
        std::fs::remove_file(path).unwrap();
        assert_eq!(ballot, Ballot::Results(vec![None, Some(b"good".to_vec())]));
        let path = file(b"b 2\tgood\nc\tgood\n");
        let error = error_of(results(&path, &set), &path);
        assert_eq!(error, "FILE:2: the claim set has no item \"c\"");
        let path = file(b"a 1\n");
        let error = error_of(results(&path, &set), &path);
        assert_eq!(error, "FILE has no result of any item");
    }

    #[test]
    fn a_bad_line_is_named() {
        for (content, expected) in [
            (
                &b"a\nb\t1\na\t2\n"[..],
                "FILE:3: line 1 has the same subject",
            ),
            (b"a\n\t1\n", "FILE:2: the subject before the tab is empty"),
            (b"a\nb\thex:0\n", "FILE:2: hex:…: Odd number of digits"),
            (b"a\nb\n\xff\n", "FILE:3: it is not UTF-8"),
            (b"\n", "FILE has no items"),
        ] {
            let path = file(content);
            assert_eq!(error_of(items(&path), &path), expected);
        }
        let long = [&[b'a'; ITEM_SUBJECT_BYTES_MAX + 1][..], b"\n"].concat();
        let path = file(&long);
        let expected = "FILE:1: its subject has more than 256 bytes";
        assert_eq!(error_of(items(&path), &path), expected);
        let long = [b"a\t", &[b'1'; ITEM_BYTES_MAX + 1][..]].concat();
        let path = file(&long);
        let expected = "FILE:1: its value has more than 64 bytes: give a hash";
        assert_eq!(error_of(items(&path), &path), expected);
        let many: Vec<String> = (0..=SET_ITEMS_MAX).map(|n| format!("{n}\n")).collect();
        let path = file(many.concat().as_bytes());
        let expected = "FILE has 513 items, and a claim set at most 512";
        assert_eq!(error_of(items(&path), &path), expected);
    }
}
