//! A member's directory: its keys beside its databases, readable by its owner alone, as `mycnet run` knows it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mycnet_consensus::Identity;
use mycnet_consensus::engine::new_identity;

use crate::home::private::{make_private_directory, read_secret, write_secret};
use mycnet_replay::terminal::check_empty;

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
            write_secret(&file, &new_identity()?.secret())?;
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
        Ok(Identity::from_secret(&read_secret(
            &self.0.join(AUTHOR_FILE),
        )?))
    }

    /// The secret of the transport's key.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub(super) fn transport_secret(&self) -> anyhow::Result<[u8; 32]> {
        read_secret(&self.0.join(TRANSPORT_FILE))
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
        // First, so that the mode of a directory with something in it stays.
        check_empty(directory).context("--dir")?;
        make_private_directory(directory)
            .with_context(|| format!("--dir {place}: cannot make the directory"))?;
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
