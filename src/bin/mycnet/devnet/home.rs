//! A member's directory: its keys beside its databases, readable by its owner alone, as `mycnet run` knows it.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use mycnet_consensus::Identity;
use mycnet_consensus::engine::new_identity;

/// Signs the node's records.
const AUTHOR_FILE: &str = "author.key";

/// Makes the node's endpoint known again after a restart.
const TRANSPORT_FILE: &str = "transport.key";

/// A directory with keys.
#[derive(Debug, Clone)]
pub(super) struct Home(PathBuf);

impl Home {
    /// The directory of a node that was made before.
    pub(super) fn at(path: impl Into<PathBuf>) -> Self {
        Self(path.into())
    }

    /// Makes a directory with new keys.
    ///
    /// # Errors
    ///
    /// If something is there already, or nothing can be written.
    pub(super) fn create(path: PathBuf) -> anyhow::Result<Self> {
        make_private_directory(&path).with_context(|| format!("cannot make {}", path.display()))?;
        for name in [TRANSPORT_FILE, AUTHOR_FILE] {
            let file = path.join(name);
            let secret = hex::encode(new_identity()?.secret());
            write_private(&file, format!("{secret}\n").as_bytes())
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        Ok(Self(path))
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// The author's key pair.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub(super) fn author(&self) -> anyhow::Result<Identity> {
        Ok(Identity::from_secret(&self.secret(AUTHOR_FILE)?))
    }

    /// The secret of the transport's key.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub(super) fn transport_secret(&self) -> anyhow::Result<[u8; 32]> {
        self.secret(TRANSPORT_FILE)
    }

    fn secret(&self, name: &str) -> anyhow::Result<[u8; 32]> {
        let path = self.0.join(name);
        let text = fs::read_to_string(&path)
            .with_context(|| format!("cannot read the key {}", path.display()))?;
        let mut secret = [0; 32];
        if hex::decode_to_slice(text.trim_end(), &mut secret).is_err() {
            bail!("{} is no key", path.display());
        }
        Ok(secret)
    }
}

/// Where a devnet keeps its nodes' directories.
#[derive(Debug)]
pub(super) enum Ground {
    /// Named by the user, and left to it.
    Kept(PathBuf),
    /// Gone at the end.
    Temporary(PathBuf),
}

impl Ground {
    /// Takes a new or empty directory, or makes a temporary one.
    ///
    /// # Errors
    ///
    /// If the directory is not empty or cannot be made.
    pub(super) fn prepare(directory: Option<&Path>) -> anyhow::Result<Self> {
        let Some(directory) = directory else {
            let random = hex::encode(&new_identity()?.secret()[..8]);
            let path = std::env::temp_dir().join(format!("mycnet-devnet-{random}"));
            make_private_directory(&path)
                .with_context(|| format!("cannot make {}", path.display()))?;
            return Ok(Self::Temporary(path));
        };
        let place = directory.display();
        make_private_directory(directory)
            .with_context(|| format!("--dir {place}: cannot make the directory"))?;
        let mut entries = fs::read_dir(directory)
            .with_context(|| format!("--dir {place}: cannot read the directory"))?;
        if entries.next().is_some() {
            bail!("--dir {place}: the directory is not empty; name a new or an empty one");
        }
        let path = std::path::absolute(directory)
            .with_context(|| format!("--dir {place}: it is no path"))?;
        Ok(Self::Kept(path))
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        match self {
            Self::Kept(path) | Self::Temporary(path) => path,
        }
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        if let Self::Temporary(path) = self {
            // What is left behind is in the system's directory for such.
            let _ = fs::remove_dir_all(path);
        }
    }
}

fn make_private_directory(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path)
}

/// Writes a file that was not there.
fn write_private(path: &Path, content: &[u8]) -> io::Result<()> {
    let mut options = File::options();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(content)
}
