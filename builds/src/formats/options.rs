//! What a caller can choose.

use std::path::Path;
use std::str::FromStr;

use globset::{GlobBuilder, GlobMatcher};

use super::key::PublicKey;
use super::subject::Subjects;

/// What a caller can choose. The default reads every file that is recognised, and believes it.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Whose links are read. A link that none of these keys signed is refused; without keys, no signature is checked.
    pub keys: Vec<PublicKey>,
    /// How subjects are made of the names of files.
    pub subjects: Subjects,
    /// Whose lines of a table are read, where it has a column for that.
    pub builder: Option<String>,
    /// Which files of a directory are read; all if empty. Files that are named one by one are read in any case.
    pub only: Vec<Pattern>,
}

impl Options {
    /// Whether a file of a directory is read; `below` is its path from there.
    pub(crate) fn takes(&self, below: &Path) -> bool {
        self.only.is_empty() || self.only.iter().any(|pattern| pattern.fits(below))
    }
}

/// A pattern for files of a directory, such as `*.buildinfo` or `2026-*/**/*.link`. Without a slash it is for the name of the file,
/// wherever that is; with one it is for the path from the given directory, and `*` and `?` stand for no slash.
#[derive(Debug, Clone)]
pub struct Pattern {
    matcher: GlobMatcher,
    is_path: bool,
}

impl Pattern {
    fn fits(&self, below: &Path) -> bool {
        if self.is_path {
            return self.matcher.is_match(below);
        }
        let name = below.file_name();
        name.is_some_and(|name| self.matcher.is_match(name))
    }
}

/// A pattern that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{pattern:?} is no pattern for files: {why}")]
pub struct PatternFault {
    pattern: String,
    why: String,
}

impl FromStr for Pattern {
    type Err = PatternFault;

    fn from_str(pattern: &str) -> Result<Self, PatternFault> {
        let glob = GlobBuilder::new(pattern).literal_separator(true).build();
        let glob = glob.map_err(|error| PatternFault {
            pattern: pattern.to_owned(),
            why: error.kind().to_string(),
        })?;
        Ok(Self {
            matcher: glob.compile_matcher(),
            is_path: pattern.contains('/'),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_for_names_or_for_paths() {
        for (pattern, path, fits) in [
            ("*.link", "a.link", true),
            ("*.link", "deep/below/a.link", true),
            ("*.link", "a.link.gz", false),
            ("nightly/*.link", "nightly/a.link", true),
            ("nightly/*.link", "nightly/deep/a.link", false),
            ("nightly/**/*.link", "nightly/deep/a.link", true),
            ("nightly/**/*.link", "other/a.link", false),
            ("SHA{256,512}SUMS", "22.0/SHA256SUMS", true),
            ("[", "", false),
        ] {
            let fitted = Pattern::from_str(pattern).map(|pattern| pattern.fits(Path::new(path)));
            match fitted {
                Ok(fitted) => assert_eq!(fitted, fits, "{pattern} for {path}"),
                Err(error) => assert_eq!(
                    (pattern, error.to_string()),
                    (
                        "[",
                        r#""[" is no pattern for files: unclosed character class; missing ']'"#
                            .to_owned()
                    )
                ),
            }
        }
    }
}
