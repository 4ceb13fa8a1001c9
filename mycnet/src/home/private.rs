//! Files and directories that only their owner can read.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::Path;

use anyhow::{Context as _, bail};
use mycnet_consensus::Identity;

use crate::failure::Failure;
use crate::files::{self, Unfinished};
use crate::output::note;

/// Bytes that the file of a key has at most: a key is one short line.
const KEY_BYTES_MAX: usize = 256;

/// Whether a file exists. A directory that cannot be read is an error, not an absent file.
pub(crate) fn is_there(path: &Path) -> anyhow::Result<bool> {
    path.try_exists()
        .with_context(|| format!("cannot look for {}", path.display()))
}

/// The mode of a file that others have permissions for.
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

/// Makes a directory that only its owner can read.
#[cfg(unix)]
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)?;
    // It may have existed, empty, with other permissions.
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
pub(crate) fn make_private_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Writes a new file that only its owner can read, from its first moment on. It gets its name once it is complete: after a failure
/// or a stop there is the whole file, or none.
pub(crate) fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
    begun(path, content)?.name(path)?;
    sync_name(path).inspect_err(|_| {
        let _ = fs::remove_file(path);
    })
}

/// A complete file that only its owner can read, and that has no name yet.
fn begun(path: &Path, content: &[u8]) -> io::Result<Unfinished> {
    remove_left(path);
    let begun = Unfinished::beside(path);
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(begun.path())?;
    file.write_all(content)?;
    file.sync_all()?;
    Ok(begun)
}

/// Removes what killed processes left of this file. One that still writes it then fails, and leaves nothing half-made either.
fn remove_left(path: &Path) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let own = format!("{name}.{}-", std::process::id());
    let entries = fs::read_dir(directory_of(path)).into_iter().flatten();
    for entry in entries.flatten() {
        let found = entry.file_name();
        let is_new = Path::new(&found).extension().is_some_and(|it| it == "new");
        let found = found.to_string_lossy();
        let is_of_it = found
            .strip_prefix(&*name)
            .is_some_and(|it| it.starts_with('.') && is_new && !found.starts_with(&own));
        if is_of_it {
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn directory_of(path: &Path) -> &Path {
    let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
    directory.unwrap_or(Path::new("."))
}

/// Makes a file's name durable. Without this, a power failure could remove the name of a key that was published already.
fn sync_name(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(directory_of(path))?.sync_all()?;
    }
    Ok(())
}

/// Writes a file that only its owner can read, in the place of an earlier one. After a stop there is the one or the other.
pub(crate) fn replace(path: &Path, content: &[u8]) -> anyhow::Result<()> {
    let replaced = begun(path, content).and_then(|begun| begun.replace(path));
    let replaced = replaced.and_then(|()| sync_name(path));
    replaced.with_context(|| format!("cannot write {}", path.display()))
}

/// A key as it stands in its file.
pub(crate) fn secret_line(secret: &[u8; 32]) -> Vec<u8> {
    format!("{}\n", hex::encode(secret)).into_bytes()
}

/// Writes a new key.
pub(crate) fn write_secret(path: &Path, secret: &[u8; 32]) -> anyhow::Result<()> {
    let written = write_new(path, &secret_line(secret));
    written.with_context(|| format!("cannot write {}", path.display()))
}

/// Reads a key, and refuses one that others can read.
pub(crate) fn read_secret(path: &Path) -> anyhow::Result<[u8; 32]> {
    let name = path.display();
    let (secret, open) = read_with_mode(path)?;
    if let Some(mode) = open {
        bail!(
            "others can read the key {name} (mode {mode:o}): run `chmod 600 {name}`; if somebody may have read it, have \
             the network admit a new key"
        );
    }
    Ok(secret)
}

/// Reads a key that was kept outside of the node's directory, perhaps on a medium that has no permissions.
pub(crate) fn read_key(path: &Path) -> anyhow::Result<Identity> {
    let (secret, open) = read_with_mode(path)?;
    if let Some(mode) = open {
        note(&format!(
            "others can read the key {} (mode {mode:o}), as far as this machine can tell",
            path.display()
        ));
    }
    Ok(Identity::from_secret(&secret))
}

/// Reads a key, with the file's mode if others have permissions for it.
fn read_with_mode(path: &Path) -> anyhow::Result<([u8; 32], Option<u32>)> {
    let name = path.display();
    let read = files::read_bounded(path, KEY_BYTES_MAX);
    let text = match read {
        // A longer file is no key either.
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Vec::new(),
        read => read.with_context(|| format!("cannot read the key {name}"))?,
    };
    let metadata = fs::metadata(path).with_context(|| format!("{name}"))?;
    let mut secret = [0; 32];
    if hex::decode_to_slice(text.trim_ascii_end(), &mut secret).is_err() {
        // The message does not quote the file: it may have most of a key.
        return Err(Failure::bad_data(format!(
            "{name} is no key: expected one line of 64 hexadecimal digits"
        ))
        .into());
    }
    Ok((secret, open_to_others(&metadata)))
}
