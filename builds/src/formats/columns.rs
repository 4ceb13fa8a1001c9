//! Which columns of a table mean what, by common names. Of several that mean the same, the first in the list here is taken.

use super::event::Quoted;
use super::table::Splitter;

/// A name without case, punctuation and space: `SHA-256` and `sha256` are the same.
fn squeezed(header: &str) -> String {
    header
        .chars()
        .filter(|c| c.is_alphanumeric())
        .flat_map(char::to_lowercase)
        .collect()
}

/// Names of columns that say what was built, alone. The name of a package does not: its version is missing.
const SUBJECTS: [&str; 8] = [
    "subject", "item", "task", "purl", "file", "filename", "path", "artifact",
];

/// What stands before an artifact: a release has many of the same names.
const RELEASES: [&str; 1] = ["release"];

/// Names of columns with the SHA-256 of what came out.
const RESULTS: [&str; 6] = ["sha256", "sha256sum", "result", "hash", "digest", "answer"];

/// Names of columns with the hash of what it was built from.
const INPUTS: [&str; 3] = ["input", "inputsha256", "buildinfosha256"];

/// Names of columns that say whose result it is.
const BUILDERS: [&str; 3] = ["builder", "rebuilder", "worker"];

/// What stands between the fields of a header that names a subject or a result.
pub(crate) fn delimiter(header: &str) -> Option<u8> {
    b"\t,;".iter().copied().find(|delimiter| {
        let names = Splitter::new(*delimiter).fields(header).unwrap_or_default();
        let is_known = |name: &String| {
            let name = squeezed(name);
            SUBJECTS.contains(&&*name) || RESULTS.contains(&&*name)
        };
        names.len() > 1 && names.iter().any(is_known)
    })
}

/// Where the columns stand, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Columns {
    pub(crate) release: Option<usize>,
    pub(crate) subject: usize,
    pub(crate) result: usize,
    pub(crate) input: Option<usize>,
    pub(crate) builder: Option<usize>,
}

impl Columns {
    /// Finds the columns.
    ///
    /// # Errors
    ///
    /// A text for people: which is missing, or stands twice.
    pub(crate) fn locate(header: &[String]) -> Result<Self, String> {
        let squeezed: Vec<String> = header.iter().map(|name| squeezed(name)).collect();
        let find = |names: &[&str]| -> Result<Option<usize>, String> {
            for name in names {
                let mut places = (0..squeezed.len()).filter(|n| squeezed[*n] == *name);
                match (places.next(), places.next()) {
                    (Some(_), Some(_)) => {
                        return Err(format!("two columns are named {name}: rename one"));
                    }
                    (Some(place), None) => return Ok(Some(place)),
                    (None, _) => {}
                }
            }
            Ok(None)
        };
        let needed = |names: &[&str], what: &str| {
            find(names)?.ok_or_else(|| {
                let shown: Vec<String> = header
                    .iter()
                    .take(20)
                    .map(|of| Quoted(of).to_string())
                    .collect();
                format!(
                    "no column has a name for {what}: {}. The first line names {}",
                    names.join(", "),
                    shown.join(", "),
                )
            })
        };
        let subject = needed(&SUBJECTS, "what was built")?;
        let is_artifact = squeezed[subject] == "artifact";
        Ok(Self {
            release: if is_artifact { find(&RELEASES)? } else { None },
            subject,
            result: needed(&RESULTS, "the SHA-256 of what came out")?,
            input: find(&INPUTS)?,
            builder: find(&BUILDERS)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn located(header: &str) -> Result<Columns, String> {
        let delimiter = delimiter(header).ok_or("no table")?;
        Columns::locate(&Splitter::new(delimiter).fields(header).unwrap())
    }

    #[test]
    fn columns_have_common_names() {
        for (header, release, subject, result, input, builder) in [
            ("subject,sha256", None, 0, 1, None, None),
            (
                "release\tartifact\tbuilder\tsha256\tminute",
                Some(0),
                1,
                3,
                None,
                Some(2),
            ),
            ("SHA-256;File Name;Input", None, 1, 0, Some(2), None),
            ("hash,\"file\",sha256,x", None, 1, 2, None, None),
            ("release,file,artifact,hash", None, 1, 3, None, None),
        ] {
            let columns = Columns {
                release,
                subject,
                result,
                input,
                builder,
            };
            assert_eq!(located(header), Ok(columns), "{header}");
        }
    }

    #[test]
    fn what_is_missing_is_said() {
        for (header, why) in [
            ("name,price", "no table"),
            ("subject", "no table"),
            ("sha256,name", "no column has a name for what was built"),
            ("file,md5", "no column has a name for the SHA-256"),
            ("file,sha256,SHA-256", "two columns are named sha256"),
        ] {
            let error = located(header).unwrap_err();
            assert!(error.starts_with(why), "{header}: {error}");
        }
    }
}
