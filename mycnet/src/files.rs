//! Files that commands write where their user says.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::failure::Failure;

/// Whether a path names what takes bytes and keeps no file: standard output (`-`), a pipe, a device.
pub(crate) fn is_stream(path: &Path) -> bool {
    let is_special = |metadata: fs::Metadata| !metadata.is_file() && !metadata.is_dir();
    path == Path::new("-") || fs::metadata(path).is_ok_and(is_special)
}

/// Writes into a stream. It was there before and is not ours: it is neither synced, which pipes refuse, nor removed.
///
/// # Errors
///
/// A failed write; a reader that has seen enough is none.
pub(crate) fn to_stream(
    path: &Path,
    fill: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> anyhow::Result<()> {
    let (written, name) = if path == Path::new("-") {
        let mut out = io::stdout().lock();
        let written = fill(&mut out).and_then(|()| out.flush());
        (written, "to standard output".to_owned())
    } else {
        let opened = File::options().write(true).open(path);
        let written = opened.and_then(|mut file| fill(&mut file));
        (written, path.display().to_string())
    };
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.with_context(|| format!("cannot write {name}")),
    }
}

/// Writes a file that was not there. It gets its name once it is whole, so that a failure leaves nothing behind and nothing
/// is ever replaced.
///
/// # Errors
///
/// If something has that name already, or a write fails.
pub(crate) fn new_file<T, E: Display>(
    path: &Path,
    content: impl FnOnce(&mut File) -> Result<T, E>,
) -> Result<T, Failure> {
    let cannot =
        |error: &dyn Display| Failure::failed(format!("cannot write {}: {error}", path.display()));
    refuse_existing(path)?;
    let begun = Begun::beside(path);
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .open(&begun.0)
        .map_err(|error| cannot(&error))?;
    let written = content(&mut file).map_err(|error| cannot(&error))?;
    file.sync_all().map_err(|error| cannot(&error))?;
    // Writing may have taken its time.
    refuse_existing(path)?;
    fs::rename(&begun.0, path).map_err(|error| cannot(&error))?;
    // Not every file system that is carried about can sync a directory.
    if let Some(Ok(directory)) = path.parent().map(File::open) {
        let _ = directory.sync_all();
    }
    Ok(written)
}

/// Writes bytes into a stream or a new file.
///
/// # Errors
///
/// As [`to_stream`] and [`new_file`].
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if is_stream(path) {
        return to_stream(path, |out| out.write_all(bytes));
    }
    Ok(new_file(path, |file| file.write_all(bytes))?)
}

/// Also a link to nowhere has a name that would be lost.
fn refuse_existing(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "{} exists; name another file, or remove it first",
        path.display()
    )))
}

/// A file that has not got its name yet, and goes if it never gets it.
struct Begun(PathBuf);

impl Begun {
    fn beside(path: &Path) -> Self {
        let mut name = OsString::from(path);
        name.push(format!(".{}.new", std::process::id()));
        Self(name.into())
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
