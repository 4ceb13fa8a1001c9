//! Files and directories that are their owner's alone.

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};

use crate::failure::Failure;

/// Whether a file is there; not being allowed to look is not the same as its absence.
pub(crate) fn is_there(path: &Path) -> anyhow::Result<bool> {
    path.try_exists()
        .with_context(|| format!("cannot look for {}", path.display()))
}

/// The permissions that others have, if they have any.
#[cfg(unix)]
pub(crate) fn open_to_others(metadata: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = metadata.mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
pub(crate) fn open_to_others(_: &fs::Metadata) -> Option<u32> {
    None
}

/// Makes a directory for its owner alone.
///
/// # Errors
///
/// The system's.
#[cfg(unix)]
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)?;
    // It may have been there, empty, with other permissions.
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Writes a file that its owner alone can read, from its first moment on, and that was not there.
///
/// # Errors
///
/// The system's.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    // A name that is lost with the power would leave a node that has published a key it no longer has.
    match path.parent() {
        Some(directory) if cfg!(unix) => File::open(directory)?.sync_all(),
        _ => Ok(()),
    }
}

/// Writes a key, which must not be there.
///
/// # Errors
///
/// A failed write.
pub(crate) fn write_secret(path: &Path, secret: &[u8; 32]) -> anyhow::Result<()> {
    let line = format!("{}\n", hex::encode(secret));
    write_new(path, line.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a key.
///
/// # Errors
///
/// If others can read it, or it is no key.
pub(crate) fn read_secret(path: &Path) -> anyhow::Result<[u8; 32]> {
    let place = path.display();
    let mut file = File::open(path).with_context(|| format!("cannot read the key {place}"))?;
    let metadata = file.metadata().with_context(|| format!("{place}"))?;
    if let Some(mode) = open_to_others(&metadata) {
        bail!(
            "others can read the key {place} (mode {mode:o}): run `chmod 600 {place}`, and if they may have read it, \
             have the network admit a new key instead"
        );
    }
    let mut text = String::new();
    // A key is one line; whatever else the file is, it need not be read whole.
    let read = (&mut file).take(256).read_to_string(&mut text);
    read.with_context(|| format!("cannot read the key {place}"))?;
    let mut secret = [0; 32];
    if hex::decode_to_slice(text.trim_end(), &mut secret).is_err() {
        // What is in the file stays out of the message: it may be most of a key.
        return Err(Failure::bad_data(format!(
            "{place} is no key: expected one line of 64 hexadecimal digits"
        ))
        .into());
    }
    Ok(secret)
}
