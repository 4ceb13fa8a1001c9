//! Files that commands read and write where their user says.

use std::ffi::OsString;
use std::fmt::Display;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context as _;

use crate::failure::Failure;

/// A file to write.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct OutputFile {
    /// Name the file to write; - is standard output
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: PathBuf,
}

/// Reads a file of at most `limit` bytes; `-` is standard input.
pub(crate) fn read_file(path: &Path, limit: usize) -> anyhow::Result<Vec<u8>> {
    let name = path.display();
    let read = if path == Path::new("-") {
        at_most(io::stdin().lock(), limit)
    } else {
        read_bounded(path, limit)
    };
    match read {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => {
            Err(Failure::bad_data(format!("{name} has more than {limit} bytes")).into())
        }
        read => read.with_context(|| format!("cannot read {name}")),
    }
}

/// Opens a file to read. Only a regular file: from a pipe nothing may ever come, and a device may have no end.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    // Opening a pipe waits for somebody who writes, so that this is looked at before.
    refuse_special(&fs::metadata(path)?)?;
    let file = File::open(path)?;
    refuse_special(&file.metadata()?)?;
    Ok(file)
}

fn refuse_special(metadata: &fs::Metadata) -> io::Result<()> {
    if metadata.is_file() {
        return Ok(());
    }
    let what = if metadata.is_dir() {
        "a directory"
    } else {
        "a pipe, a device or a socket"
    };
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("it is {what}; name a regular file"),
    ))
}

/// Reads a regular file of at most `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: usize) -> io::Result<Vec<u8>> {
    at_most(open(path)?, limit)
}

/// Reads a regular file of at most `limit` bytes of text.
pub(crate) fn read_text(path: &Path, limit: usize) -> io::Result<String> {
    let bytes = read_bounded(path, limit)?;
    String::from_utf8(bytes).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn at_most(read: impl Read, limit: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    read.take(limit as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("it has more than {limit} bytes"),
        ));
    }
    Ok(bytes)
}

/// A path that means the same in the working directory of a running node.
pub(crate) fn absolute(path: &Path) -> anyhow::Result<PathBuf> {
    std::path::absolute(path).with_context(|| path.display().to_string())
}

/// Whether a path names a stream, which takes bytes and keeps no file: standard output (`-`), a pipe, a device.
pub(crate) fn is_stream(path: &Path) -> bool {
    let is_special = |metadata: fs::Metadata| !metadata.is_file() && !metadata.is_dir();
    path == Path::new("-") || fs::metadata(path).is_ok_and(is_special)
}

/// Writes into a stream, which belongs to another program: it is neither synced, which pipes refuse, nor removed. A
/// reader that has seen enough is no failure.
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

/// Writes a new file. It gets its name once it is complete, so that a failure leaves nothing behind. No file is replaced.
pub(crate) fn new_file<T, E: Display>(
    path: &Path,
    content: impl FnOnce(&mut File) -> Result<T, E>,
) -> Result<T, Failure> {
    let cannot =
        |error: &dyn Display| Failure::failed(format!("cannot write {}: {error}", path.display()));
    refuse_existing(path)?;
    let begun = Unfinished::beside(path);
    let mut file = File::options()
        .write(true)
        .create_new(true)
        .open(begun.path())
        .map_err(|error| cannot(&error))?;
    let written = content(&mut file).map_err(|error| cannot(&error))?;
    file.sync_all().map_err(|error| cannot(&error))?;
    // Writing may have taken a long time.
    refuse_existing(path)?;
    begun.name(path).map_err(|error| cannot(&error))?;
    // File systems of removable disks often cannot sync a directory.
    if let Some(Ok(directory)) = path.parent().map(File::open) {
        let _ = directory.sync_all();
    }
    Ok(written)
}

/// Writes bytes into a stream or a new file.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    if is_stream(path) {
        return to_stream(path, |out| out.write_all(bytes));
    }
    Ok(new_file(path, |file| file.write_all(bytes))?)
}

/// A link to nowhere counts as a file too: its name would be lost.
fn refuse_existing(path: &Path) -> Result<(), Failure> {
    if path.symlink_metadata().is_err() {
        return Ok(());
    }
    Err(Failure::failed(format!(
        "{} exists; name another file, or remove it first",
        path.display()
    )))
}

/// A file that has no name of its own yet. Dropping it removes the file, unless it was renamed.
pub(crate) struct Unfinished(PathBuf);

impl Unfinished {
    /// A place beside the file that it will be. There is no file at it: what a killed process left is removed.
    pub(crate) fn beside(path: &Path) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let mut name = OsString::from(path);
        name.push(format!(".{}-{next}.new", std::process::id()));
        let begun = PathBuf::from(name);
        let _ = fs::remove_file(&begun);
        Self(begun)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Gives the complete file its name, which must be free.
    pub(crate) fn name(self, path: &Path) -> io::Result<()> {
        match fs::hard_link(&self.0, path) {
            // File systems of removable disks have one name for each file.
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                if path.symlink_metadata().is_ok() {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                self.replace(path)
            }
            named => named,
        }
    }

    /// Gives the complete file its name, in the place of an earlier one.
    pub(crate) fn replace(self, path: &Path) -> io::Result<()> {
        fs::rename(&self.0, path)
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}
