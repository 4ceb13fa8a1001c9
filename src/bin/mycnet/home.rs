//! A node's directory: its keys, its settings, its databases, its socket.
//!
//! | file | what it is |
//! |---|---|
//! | `author.key` | the secret that signs the node's records |
//! | `transport.key` | the secret that peers know the node's endpoint by |
//! | `config.toml` | settings, see `settings` |
//! | `ledger.redb`, `journal.redb` | the ledger, and what this node has signed |
//! | `ticket` | the ticket it joined with, if there was one |
//! | `control.sock` | where a running node answers its owner |

use std::fs::{self, File};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use mycnet_consensus::Identity;
use mycnet_consensus::net::Ticket;

use crate::failure::Failure;
use crate::output::Format;
use crate::settings::Settings;

/// What every command about a node takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Common {
    /// The node's directory
    #[arg(long, env = "MYCNET_DIR", value_name = "DIR", hide_env_values = true)]
    dir: Option<PathBuf>,

    #[command(flatten)]
    pub(crate) format: Format,
}

impl Common {
    /// The directory of a node, not looked at yet: the option, the environment, `~/.mycnet`.
    ///
    /// # Errors
    ///
    /// If nothing says where it is.
    pub(crate) fn place(&self) -> anyhow::Result<Home> {
        let given = self.dir.clone();
        let directory = given.or_else(|| Some(std::env::home_dir()?.join(".mycnet")));
        let directory = directory
            .filter(|directory| !directory.as_os_str().is_empty())
            .context("there is no home directory: say with --dir where the node's files are")?;
        let directory = std::path::absolute(&directory)
            .with_context(|| format!("{} is no path", directory.display()))?;
        Ok(Home { directory })
    }

    /// The directory of a node that was made by `mycnet init`.
    ///
    /// # Errors
    ///
    /// If there is none, or others can reach into it.
    pub(crate) fn home(&self) -> anyhow::Result<Home> {
        let home = self.place()?;
        home.check()?;
        Ok(home)
    }
}

/// A node's directory.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    directory: PathBuf,
}

impl Home {
    /// The directory.
    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    /// The socket of a running node.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join("control.sock")
    }

    /// The settings' file.
    pub(crate) fn settings_file(&self) -> PathBuf {
        self.directory.join("config.toml")
    }

    fn author_file(&self) -> PathBuf {
        self.directory.join("author.key")
    }

    fn transport_file(&self) -> PathBuf {
        self.directory.join("transport.key")
    }

    /// Whether there is a transport's key.
    pub(crate) fn has_transport(&self) -> bool {
        self.transport_file().exists()
    }

    fn ticket_file(&self) -> PathBuf {
        self.directory.join("ticket")
    }

    /// Whether the node has joined a network.
    pub(crate) fn has_ledger(&self) -> bool {
        self.directory.join("ledger.redb").exists()
    }

    /// The `--dir` that names this directory, for messages that say which command to run next.
    pub(crate) fn option(&self) -> String {
        let is_default =
            std::env::home_dir().is_some_and(|home| home.join(".mycnet") == self.directory);
        if is_default || std::env::var_os("MYCNET_DIR").is_some() {
            return String::new();
        }
        format!(" --dir {}", self.directory.display())
    }

    fn check(&self) -> anyhow::Result<()> {
        let (place, option) = (self.directory.display(), self.option());
        if !self.author_file().exists() {
            bail!("there is no node in {place} yet: make one with `mycnet init{option}`");
        }
        let metadata = fs::metadata(&self.directory).with_context(|| format!("{place}"))?;
        if let Some(mode) = open_to_others(&metadata) {
            bail!(
                "others can reach into {place} (mode {mode:o}), where the node's keys and its socket are: \
                 run `chmod 700 {place}`"
            );
        }
        Ok(())
    }

    /// Makes the directory, for its owner alone. Says whether there is a node that has lost its transport's key, of which a
    /// new one is as good: peers know the node by its author.
    ///
    /// # Errors
    ///
    /// If there is a whole node already, or the directory cannot be made.
    pub(crate) fn create(&self) -> anyhow::Result<bool> {
        let place = self.directory.display();
        let has_author = self.author_file().exists();
        if has_author && self.transport_file().exists() {
            let option = self.option();
            bail!(
                "there is a node in {place} already; `mycnet status{option}` tells about it. A key is never replaced: \
                 for another node, name another --dir"
            );
        }
        make_private_directory(&self.directory)
            .with_context(|| format!("cannot make the directory {place}"))?;
        Ok(has_author)
    }

    /// Writes the author's key, which must not be there.
    ///
    /// # Errors
    ///
    /// A failed write.
    pub(crate) fn write_author(&self, secret: &[u8; 32]) -> anyhow::Result<()> {
        write_secret(&self.author_file(), secret)
    }

    /// Writes the transport's key, which must not be there.
    ///
    /// # Errors
    ///
    /// A failed write.
    pub(crate) fn write_transport(&self, secret: &[u8; 32]) -> anyhow::Result<()> {
        write_secret(&self.transport_file(), secret)
    }

    /// The author's key pair.
    ///
    /// # Errors
    ///
    /// If others can read it, or it is no key.
    pub(crate) fn author(&self) -> anyhow::Result<Identity> {
        Ok(Identity::from_secret(&read_secret(&self.author_file())?))
    }

    /// The transport's secret.
    ///
    /// # Errors
    ///
    /// As [`Self::author`].
    pub(crate) fn transport_secret(&self) -> anyhow::Result<[u8; 32]> {
        let path = self.transport_file();
        if !path.exists() {
            let option = self.option();
            bail!(
                "{} is gone: `mycnet init{option}` makes a new one, and leaves everything else as it is",
                path.display()
            );
        }
        read_secret(&path)
    }

    /// The settings.
    ///
    /// # Errors
    ///
    /// If they cannot be read, with the line.
    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        Settings::read(&self.settings_file())
    }

    /// Keeps the ticket that the node joins with.
    ///
    /// # Errors
    ///
    /// A failed write.
    pub(crate) fn keep_ticket(&self, ticket: &Ticket) -> anyhow::Result<()> {
        self.forget_ticket()?;
        let path = self.ticket_file();
        write_new(&path, format!("{ticket}\n").as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// Removes a ticket that an attempt to join left behind.
    ///
    /// # Errors
    ///
    /// If it stays.
    pub(crate) fn forget_ticket(&self) -> anyhow::Result<()> {
        let path = self.ticket_file();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", path.display()))
            }
            _ => Ok(()),
        }
    }

    /// The ticket that the node joined with.
    ///
    /// # Errors
    ///
    /// If it is there and cannot be read.
    pub(crate) fn ticket(&self) -> anyhow::Result<Option<Ticket>> {
        let path = self.ticket_file();
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("{}", path.display())),
        };
        let ticket = text.parse().map_err(|error| {
            Failure::bad_data(format!("{} is no ticket: {error}", path.display()))
        })?;
        Ok(Some(ticket))
    }
}

/// The permissions that others have, if they have any.
#[cfg(unix)]
fn open_to_others(metadata: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::MetadataExt as _;
    let mode = metadata.mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_others(_: &fs::Metadata) -> Option<u32> {
    None
}

#[cfg(unix)]
fn make_private_directory(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)?;
    // It may have been there, with other permissions.
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
}

#[cfg(not(unix))]
fn make_private_directory(path: &Path) -> io::Result<()> {
    fs::create_dir_all(path)
}

/// Writes a file that its owner alone can read, from its first moment on, and that was not there.
fn write_new(path: &Path, content: &[u8]) -> io::Result<()> {
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

fn write_secret(path: &Path, secret: &[u8; 32]) -> anyhow::Result<()> {
    let line = format!("{}\n", hex::encode(secret));
    write_new(path, line.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}

fn read_secret(path: &Path) -> anyhow::Result<[u8; 32]> {
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
