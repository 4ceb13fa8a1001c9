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

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use mycnet_consensus::net::Ticket;
use mycnet_consensus::store::StoreError;
use mycnet_consensus::{Identity, NodeId};

use self::private::{
    is_there, make_private_directory, open_to_others, read_secret, write_new, write_secret,
};
use crate::failure::Failure;
use crate::output::Format;
use crate::settings::Settings;

pub(crate) mod private;

/// What every command about a node takes.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Common {
    /// The node's directory; ~/.mycnet unless given
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
        let directory = given
            .or_else(default_directory)
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

    /// Whether there is a transport's key; so below.
    ///
    /// # Errors
    ///
    /// If that cannot be told, for want of a permission say.
    pub(crate) fn has_transport(&self) -> anyhow::Result<bool> {
        is_there(&self.transport_file())
    }

    fn ticket_file(&self) -> PathBuf {
        self.directory.join("ticket")
    }

    /// The ledger's file.
    pub(crate) fn ledger_file(&self) -> PathBuf {
        self.directory.join("ledger.redb")
    }

    /// Whether the node has joined a network.
    pub(crate) fn has_ledger(&self) -> anyhow::Result<bool> {
        is_there(&self.ledger_file())
    }

    /// Whether there is a journal.
    pub(crate) fn has_journal(&self) -> anyhow::Result<bool> {
        is_there(&self.directory.join("journal.redb"))
    }

    /// The `--dir` that names this directory, for messages that say which command to run next.
    pub(crate) fn option(&self) -> String {
        // What a command finds that is given no --dir.
        let given = std::env::var_os("MYCNET_DIR").map(PathBuf::from);
        let found = given.or_else(default_directory);
        if found.and_then(|found| std::path::absolute(found).ok()) == Some(self.directory.clone()) {
            return String::new();
        }
        format!(" --dir {}", self.directory.display())
    }

    fn check(&self) -> anyhow::Result<()> {
        if !is_there(&self.author_file())? {
            self.check_key_is_not_lost()?;
            bail!(
                "there is no node in {} yet: make one with `mycnet init{}`",
                self.directory.display(),
                self.option()
            );
        }
        self.check_private()
    }

    /// Refuses a directory whose databases are left and whose key is gone: a new key would be another member's.
    fn check_key_is_not_lost(&self) -> anyhow::Result<()> {
        if !self.has_ledger()? && !self.has_journal()? {
            return Ok(());
        }
        bail!(
            "author.key is gone from {}, where a node's databases are: put the copy of it back. Without one the member is \
             lost; for a new node, name another --dir",
            self.directory.display()
        )
    }

    /// Whether the key is that of the databases' node.
    ///
    /// # Errors
    ///
    /// Says what to do if it is not.
    pub(crate) fn check_author(&self, found: NodeId, given: NodeId) -> Result<(), Failure> {
        if found == given {
            return Ok(());
        }
        Err(Failure::bad_data(format!(
            "{}; put the author.key of that node back into {}, or name another --dir for the other",
            StoreError::OtherNode { found, given },
            self.directory.display()
        )))
    }

    fn check_private(&self) -> anyhow::Result<()> {
        let place = self.directory.display();
        let metadata = fs::metadata(&self.directory).with_context(|| format!("{place}"))?;
        if let Some(mode) = open_to_others(&metadata) {
            bail!(
                "others can reach into {place} (mode {mode:o}), where the node's keys and its socket are: \
                 run `chmod 700 {place}` if nothing else is in it, or name another --dir"
            );
        }
        Ok(())
    }

    /// Makes the directory, for its owner alone; one with something in it has to be that already. Says whether there is a node that has lost its transport's key, of which a
    /// new one is as good: peers know the node by its author.
    ///
    /// # Errors
    ///
    /// If there is a whole node already, or the directory cannot be made.
    pub(crate) fn create(&self) -> anyhow::Result<bool> {
        let place = self.directory.display();
        let has_author = is_there(&self.author_file())?;
        if has_author && self.has_transport()? {
            let option = self.option();
            bail!(
                "there is a node in {place} already; `mycnet status{option}` tells about it. A key is never replaced: \
                 for another node, name another --dir"
            );
        }
        if !has_author {
            self.check_key_is_not_lost()?;
        }
        // A directory that others use too must not be shut in passing.
        let entries = self.directory.read_dir();
        if entries.is_ok_and(|mut entries| entries.next().is_some()) {
            self.check_private()?;
        } else {
            make_private_directory(&self.directory)
                .with_context(|| format!("cannot make the directory {place}"))?;
        }
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

    /// Writes the settings' file if there is none.
    ///
    /// # Errors
    ///
    /// A failed write.
    pub(crate) fn write_settings(&self, settings: &Settings) -> anyhow::Result<()> {
        let path = self.settings_file();
        if is_there(&path)? {
            return Ok(());
        }
        write_new(&path, settings.template().as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
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
        if !self.has_transport()? {
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

fn default_directory() -> Option<PathBuf> {
    Some(std::env::home_dir()?.join(".mycnet"))
}
