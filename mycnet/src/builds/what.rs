//! What `check` is asked about: files, hashes, purls.

use std::io::{BufRead as _, Read as _};
use std::path::Path;
use std::str::FromStr;

use anyhow::Context as _;
use mycnet_builds::{Hex, Question, Subjects, sha256_of};

use crate::failure::Failure;
use crate::files;

/// Builds in one run: more than a distribution has.
const WHATS_MAX: usize = 200_000;

/// Bytes of a list on standard input.
const LIST_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// A SHA-256, as people write it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sha256(pub(super) [u8; 32]);

impl FromStr for Sha256 {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut hash = [0; 32];
        let decoded = hex::decode_to_slice(text.strip_prefix("sha256:").unwrap_or(text), &mut hash);
        decoded.map_err(|_| "a SHA-256 has 64 hexadecimal digits".to_owned())?;
        Ok(Self(hash))
    }
}

/// What is asked, as it was given.
#[derive(Debug)]
pub(super) struct What {
    pub(super) given: String,
    /// Whether a file was read.
    pub(super) is_file: bool,
    pub(super) question: Question,
}

/// All that the arguments name; `-` stands for the lines of standard input.
pub(super) fn all(
    given: &[String],
    sha256: Option<&Sha256>,
    subjects: &Subjects,
) -> anyhow::Result<Vec<What>> {
    let mut names = Vec::new();
    for given in given {
        if given == "-" {
            names.extend(lines()?);
        } else {
            names.push(given.clone());
        }
    }
    if names.len() > WHATS_MAX {
        return Err(Failure::usage(format!("more than {WHATS_MAX} builds: ask in parts")).into());
    }
    if names.is_empty() {
        return Err(Failure::usage("standard input names nothing to check").into());
    }
    let mut all = Vec::new();
    for name in &names {
        all.push(what(name, subjects)?);
    }
    if let Some(Sha256(hash)) = sha256 {
        let [what] = &mut all[..] else {
            return Err(Failure::usage("--sha256 is about one build").into());
        };
        if what.question.result.is_some() {
            let given = &what.given;
            let message = format!("--sha256 is for a purl or another subject: {given} has its own");
            return Err(Failure::usage(message).into());
        }
        what.question.result = Some(Hex(hash.to_vec()));
    }
    Ok(all)
}

fn lines() -> anyhow::Result<Vec<String>> {
    let source = std::io::stdin().lock().take(LIST_BYTES_MAX + 1);
    let (mut names, mut bytes) = (Vec::new(), 0);
    for (line, number) in source.lines().zip(1_u64..) {
        let line = line.map_err(|error| {
            Failure::bad_data(format!("standard input, line {number}: {error}"))
        })?;
        bytes += line.len() as u64 + 1;
        if names.len() >= WHATS_MAX || bytes > LIST_BYTES_MAX {
            let message = format!(
                "standard input, line {number}: more than {WHATS_MAX} builds or {LIST_BYTES_MAX} bytes: ask in parts"
            );
            return Err(Failure::bad_data(message).into());
        }
        let name = line.trim_end_matches('\r');
        if !name.trim().is_empty() {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn what(given: &str, subjects: &Subjects) -> anyhow::Result<What> {
    let bad = |error: &dyn std::fmt::Display| Failure::usage(format!("{given:?}: {error}"));
    let (mut question, mut is_file) = (Question::default(), false);
    if given.starts_with("sha256:") {
        let Sha256(hash) = given.parse().map_err(|error: String| bad(&error))?;
        question.result = Some(Hex(hash.to_vec()));
    } else if !given.starts_with("pkg:") && Path::new(given).exists() {
        let path = Path::new(given);
        if path.is_dir() {
            return Err(bad(&"it is a directory: name the files in it").into());
        }
        let hash = files::open(path).and_then(sha256_of);
        let hash = hash.with_context(|| format!("cannot read {given}"))?;
        question.result = Some(Hex(hash.to_vec()));
        (question.subject, question.is_certain) = named(given, subjects);
        is_file = true;
    } else {
        question.subject = Some(subjects.of(given).map_err(|error| bad(&error))?);
        question.is_certain = true;
    }
    let given = given.to_owned();
    Ok(What {
        given,
        is_file,
        question,
    })
}

/// The subject that the name of a file says, and whether it says it for certain: the name of a package does.
fn named(path: &str, subjects: &Subjects) -> (Option<String>, bool) {
    let file = Path::new(path).file_name().and_then(|name| name.to_str());
    let file = file.and_then(|name| subjects.of(name).ok());
    if let Some(purl) = file.as_ref().filter(|it| it.starts_with("pkg:")) {
        return (Some(purl.clone()), true);
    }
    // Other files are asked about by their paths.
    (subjects.of(path).ok().or(file), false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_packages_are_certain_and_others_are_not() {
        let subjects = Subjects::default();
        let zsh = "pkg:deb/debian/zsh@5.9-8?arch=amd64";
        for (path, subject, is_certain) in [
            ("/var/cache/apt/zsh_1%3a5.9-8_amd64.deb", Some(zsh), true),
            ("a/../zsh_5.9-8_amd64.deb", Some(zsh), true),
            ("22.0/a.tar.gz", Some("22.0/a.tar.gz"), false),
            ("./22.0/a.tar.gz", Some("22.0/a.tar.gz"), false),
            ("/home/a.tar.gz", Some("a.tar.gz"), false),
            ("../a.tar.gz", Some("a.tar.gz"), false),
        ] {
            let expected = (subject.map(str::to_owned), is_certain);
            assert_eq!(named(path, &subjects), expected, "{path}");
        }
    }

    #[test]
    fn hashes_and_subjects_are_told_apart() {
        let subjects = Subjects::default();
        let question = |given: &str| what(given, &subjects).map(|what| what.question);
        let digits = "ab".repeat(32);
        let of_hash = question(&format!("sha256:{digits}")).unwrap();
        assert_eq!(
            (of_hash.subject, of_hash.result.unwrap().to_string()),
            (None, digits)
        );
        let of_purl = question("pkg:deb/debian/zsh@1:5.9-8?arch=amd64").unwrap();
        let canonical = "pkg:deb/debian/zsh@5.9-8?arch=amd64";
        assert_eq!(of_purl.subject.as_deref(), Some(canonical));
        assert!(of_purl.is_certain && of_purl.result.is_none());
        for (bad, says) in [
            ("sha256:12", "64 hexadecimal digits"),
            ("pkg:deb", "no package URL"),
            ("../nothing", "leads out"),
            ("/nothing", "from the root"),
            ("/", "a directory"),
        ] {
            let error = question(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }
}
