//! How a subject is made of the name of a file, so that two builders' subjects are equal.
//!
//! Two builders answer the same question only if their subjects are equal byte for byte. So a subject is made of the *last part* of
//! a package's file name alone, which is the same in a link, in a `.buildinfo` and in a list, whatever directory it stands in:
//!
//! - `zsh_5.9-8_amd64.deb` (also `.udeb`, `.ddeb`) is `pkg:deb/debian/zsh@5.9-8?arch=amd64`, in the canonical form of a purl.
//! - **The epoch of a Debian version is left out**, as in the file names of an archive: `1:5.9-8` is `5.9-8`. Links know only such
//!   names, and an archive never has two files of one name. So a purl with an epoch, and a file name with one (apt's cache writes
//!   `zsh_1%3a5.9-8_amd64.deb`), name the same subject as one without.
//! - `zsh-5.9-5-x86_64.pkg.tar.zst` (also `.xz`, `.gz`) is `pkg:alpm/arch/zsh@5.9-5?arch=x86_64`. Here the file name has the epoch,
//!   and it stays.
//! - A purl is taken in its canonical form.
//! - Any other name is taken as it is, behind the caller's prefix, with its directories; only parts that say nothing (`./`, `//`) are
//!   left out. Two builders have to list such files from the same directory.

use packageurl::PackageUrl;

use mycnet_consensus::limits::ITEM_SUBJECT_BYTES_MAX;

use super::event::{Quoted, is_invisible};

/// How subjects are made of the names of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subjects {
    /// The distribution of Debian packages, as purls name it: `debian`.
    pub deb: String,
    /// The distribution of packages of pacman: `arch`.
    pub alpm: String,
    /// What stands before the names of other files, such as `22.0rc1/`.
    pub prefix: String,
}

impl Default for Subjects {
    fn default() -> Self {
        Self {
            deb: "debian".to_owned(),
            alpm: "arch".to_owned(),
            prefix: String::new(),
        }
    }
}

/// A name that cannot be a subject.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubjectFault {
    /// No name, or that of a directory.
    #[error("the name of the file is empty")]
    Empty,
    /// A path from the root.
    #[error("{} is a path from the root; names are relative", Quoted(.0))]
    Absolute(String),
    /// A path that leaves its directory.
    #[error("{} leads out of its directory by '..'", Quoted(.0))]
    Traversal(String),
    /// A character that cannot be seen.
    #[error("{} has control characters or marks of direction", Quoted(.0))]
    Invisible(String),
    /// No package URL.
    #[error("{} is no package URL: {why}", Quoted(.text))]
    NotAPurl {
        /// What stands there.
        text: String,
        /// Why not.
        why: String,
    },
    /// Longer than an item's subject can be.
    #[error(
        "the subject {} has {} bytes; an item's subject has at most {ITEM_SUBJECT_BYTES_MAX}",
        Quoted(.0), .0.len()
    )]
    TooLong(String),
}

impl Subjects {
    /// The subject of a file's name, of a path to it, or of a purl.
    ///
    /// # Errors
    ///
    /// [`SubjectFault`].
    pub fn of(&self, name: &str) -> Result<String, SubjectFault> {
        if name.chars().any(is_invisible) {
            return Err(SubjectFault::Invisible(name.to_owned()));
        }
        let subject = if name.starts_with("pkg:") {
            of_purl(name)?
        } else {
            let path = normal_path(name)?;
            let file = path.rsplit('/').next().unwrap_or_default();
            let package = self.package(file);
            package.unwrap_or_else(|| format!("{}{path}", self.prefix))
        };
        if subject.len() > ITEM_SUBJECT_BYTES_MAX {
            return Err(SubjectFault::TooLong(subject));
        }
        Ok(subject)
    }

    /// The subject of a Debian package, as `apt` knows it. The version may have an epoch.
    ///
    /// # Errors
    ///
    /// [`SubjectFault`].
    pub fn of_deb(&self, name: &str, version: &str, arch: &str) -> Result<String, SubjectFault> {
        let version = without_epoch(version);
        self.of(&format!("{name}_{version}_{arch}.deb"))
    }

    /// The purl of a package's file, if it is one.
    fn package(&self, file: &str) -> Option<String> {
        let (kind, distribution, [name, version, arch]) = match parts_of_deb(file) {
            Some(parts) => ("deb", &self.deb, parts),
            None => ("alpm", &self.alpm, parts_of_alpm(file)?),
        };
        let mut purl = PackageUrl::new(kind, name).ok()?;
        purl.with_namespace(&**distribution).ok()?;
        purl.with_version(version).ok()?;
        purl.add_qualifier("arch", arch).ok()?;
        Some(purl.to_string())
    }
}

/// The parts of a path that say something, in a path that stays in its directory.
fn normal_path(name: &str) -> Result<String, SubjectFault> {
    if name.starts_with('/') {
        return Err(SubjectFault::Absolute(name.to_owned()));
    }
    // A reader on Windows takes a backslash for a slash.
    if name.split(['/', '\\']).any(|part| part == "..") {
        return Err(SubjectFault::Traversal(name.to_owned()));
    }
    if name.ends_with('/') || name.ends_with("/.") || matches!(name, "" | ".") {
        return Err(SubjectFault::Empty);
    }
    let parts = name.split('/').filter(|part| !matches!(*part, "" | "."));
    Ok(parts.collect::<Vec<_>>().join("/"))
}

fn of_purl(text: &str) -> Result<String, SubjectFault> {
    let read = text.parse::<PackageUrl<'static>>();
    let mut purl = read.map_err(|error| SubjectFault::NotAPurl {
        text: text.to_owned(),
        why: error.to_string(),
    })?;
    if purl.ty() == "deb"
        && let Some(version) = purl
            .version()
            .map(|version| without_epoch(version).to_owned())
    {
        // The setter refuses nothing: a version has no form.
        let _ = purl.with_version(version);
    }
    Ok(purl.to_string())
}

/// A Debian version without its epoch, which may be written as in apt's cache.
fn without_epoch(version: &str) -> &str {
    let epoch = version.len()
        - version
            .trim_start_matches(|c: char| c.is_ascii_digit())
            .len();
    let rest = &version[epoch..];
    let rest = rest
        .strip_prefix(':')
        .or_else(|| rest.strip_prefix("%3a"))
        .or_else(|| rest.strip_prefix("%3A"));
    match rest {
        Some(rest) if epoch > 0 && !rest.is_empty() => rest,
        _ => version,
    }
}

/// Name, version without epoch, and architecture of `NAME_VERSION_ARCH.deb`.
fn parts_of_deb(file: &str) -> Option<[&str; 3]> {
    let mut endings = [".deb", ".udeb", ".ddeb"].into_iter();
    let stem = endings.find_map(|ending| file.strip_suffix(ending))?;
    let mut parts = stem.split('_');
    let [name, version, arch] = [parts.next()?, parts.next()?, parts.next()?];
    let version = without_epoch(version);
    let is_package = parts.next().is_none()
        && is_name(name, "+-.")
        && is_version(version, "+-.~")
        && is_name(arch, "-");
    is_package.then_some([name, version, arch])
}

/// Name, version with release, and architecture of `NAME-VERSION-RELEASE-ARCH.pkg.tar.zst`.
fn parts_of_alpm(file: &str) -> Option<[&str; 3]> {
    let mut endings = [".pkg.tar.zst", ".pkg.tar.xz", ".pkg.tar.gz"].into_iter();
    let stem = endings.find_map(|ending| file.strip_suffix(ending))?;
    let (rest, arch) = stem.rsplit_once('-')?;
    let release = rest.rfind('-')?;
    let version = rest[..release].rfind('-')?;
    let (name, version) = (&rest[..version], &rest[version + 1..]);
    let is_package = is_name(name, "@._+-")
        && is_version(version, "+-._~:")
        && rest.as_bytes()[release + 1..]
            .iter()
            .all(|byte| byte.is_ascii_digit() || *byte == b'.')
        && is_name(arch, "_");
    is_package.then_some([name, version, arch])
}

/// Small letters and digits, and these others except at the beginning.
fn is_name(text: &str, others: &str) -> bool {
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    text.starts_with(fits) && text.chars().all(|c| fits(c) || others.contains(c))
}

/// Letters and digits, and these others except at the beginning.
fn is_version(text: &str, others: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric();
    text.starts_with(fits) && text.chars().all(|c| fits(c) || others.contains(c))
}

/// The name of the file whose name makes this subject, or the subject itself.
pub(crate) fn file_of(subject: &str) -> String {
    package_file(subject).unwrap_or_else(|| subject.to_owned())
}

fn package_file(subject: &str) -> Option<String> {
    let purl = subject.parse::<PackageUrl<'static>>().ok()?;
    let (name, version) = (purl.name(), purl.version()?);
    let arch = purl.qualifiers().get("arch")?;
    let (distribution, file) = match purl.ty() {
        "deb" => ("debian", format!("{name}_{version}_{arch}.deb")),
        "alpm" => ("arch", format!("{name}-{version}-{arch}.pkg.tar.zst")),
        _ => return None,
    };
    // A name that says less than the purl, or something else, would be read as another subject.
    let mut subjects = Subjects::default();
    let namespace = purl.namespace().unwrap_or(distribution);
    namespace.clone_into(match purl.ty() {
        "deb" => &mut subjects.deb,
        _ => &mut subjects.alpm,
    });
    (subjects.of(&file).ok()? == subject).then_some(file)
}

#[cfg(test)]
mod tests;
