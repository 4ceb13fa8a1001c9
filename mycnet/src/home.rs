//! A node's directory: its keys, its settings, its databases, its socket.
//!
//! | file | what it is |
//! |---|---|
//! | `author.key` | the secret that signs the node's records |
//! | `successor` | the digest of the key that may replace it; the key itself lies elsewhere |
//! | `next.key`, `next.successor` | the key that is replacing it, until a seal says so, and the digest of the one after |
//! | `former-….key` | a key that it replaced; it reveals what it had committed to |
//! | `transport.key` | the secret of the endpoint that peers connect to |
//! | `config.toml` | settings, see `settings` |
//! | `ledger.redb`, `journal.redb` | the ledger, and the records that this node has signed |
//! | `builds.redb`, `builds-index.redb` | the results of builds that this node has, and an index of what sets asked |
//! | `ticket` | the ticket that it joined with, if there was one |
//! | `last-run.json` | the port that it took, where the directory was, and what was wrong with its clock |
//! | `past/NETWORK/` | the databases of a network that the node has left for the one founded in its place |
//! | `attestation.key` | the secret behind the keys with which `builds serve` signs for other members |
//! | `builds-sync.json` | the rebuilderds that `builds sync` reads: their keys, and how far |
//! | `plans/` | the plans to found the network anew that were made here |
//! | `control.sock` | where a running node answers its owner |
//! | `on-event.json` | how far the program of `on_event` has come |
//! | `api.token` | what programs must know that ask a running node over TCP |

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use mycnet_consensus::engine::new_identity;
use mycnet_consensus::net::Ticket;
use mycnet_consensus::store::Store;
use mycnet_consensus::{Identity, NetworkId, NodeId};

use self::private::{
    is_there, make_private_directory, open_to_others, read_secret, write_new, write_secret,
};
use crate::arguments::IdPrefix;
use crate::failure::Failure;
use crate::files::read_text;
use crate::output::{Format, plain, short};
use crate::settings::{Overrides, Settings};

mod builds;
pub(crate) mod last_run;
pub(crate) mod private;
pub(crate) mod succession;

/// Bytes that the file of a ticket has at most.
const TICKET_BYTES_MAX: usize = 1024 * 1024;

/// Options of every command about a node.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Common {
    /// Set the node's directory; ~/.mycnet unless given
    #[arg(
        long,
        env = "MYCNET_DIR",
        value_name = "DIR",
        hide_env_values = true,
        global = true
    )]
    dir: Option<PathBuf>,

    /// Read the ledger of a network that this node has left: the first digits of its id
    #[arg(long, value_name = "NETWORK", global = true)]
    past: Option<IdPrefix>,

    #[command(flatten)]
    pub(crate) format: Format,
}

impl Common {
    /// The directory that the option or the environment names, or `~/.mycnet`. It need not exist.
    pub(crate) fn directory(&self) -> anyhow::Result<Home> {
        let directory = self.dir.clone().or_else(default_directory);
        let directory = directory.filter(|directory| !directory.as_os_str().is_empty());
        Home::at(
            &directory
                .context("there is no home directory: name the node's directory with --dir")?,
        )
    }

    /// The directory of a node that `mycnet init` made. Others must have no access to it.
    pub(crate) fn home(&self) -> anyhow::Result<Home> {
        let home = self.directory()?;
        home.check()?;
        match &self.past {
            Some(network) => home.past(network),
            None => Ok(home),
        }
    }
}

/// A node's directory.
#[derive(Debug, Clone)]
pub(crate) struct Home {
    directory: PathBuf,
    /// Where the keys and settings are, if the databases are those of a network that the node has left.
    present: Option<PathBuf>,
}

impl Home {
    pub(crate) fn at(directory: &Path) -> anyhow::Result<Self> {
        let absolute = std::path::absolute(directory);
        let directory = absolute.with_context(|| format!("{} is no path", directory.display()))?;
        Ok(Self {
            directory,
            present: None,
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.directory
    }

    /// The socket of a running node.
    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join("control.sock")
    }

    /// Bytes of the databases.
    pub(crate) fn database_bytes(&self) -> u64 {
        let names = [
            "ledger.redb",
            "journal.redb",
            "builds.redb",
            "builds-index.redb",
        ];
        let files = names.map(|name| fs::metadata(self.directory.join(name)));
        files.into_iter().flatten().map(|file| file.len()).sum()
    }

    /// Where the program of `on_event` is in what happened.
    pub(crate) fn hook_place(&self) -> PathBuf {
        self.directory.join("on-event.json")
    }

    /// The token of the interface over TCP.
    pub(crate) fn api_token(&self) -> PathBuf {
        self.directory.join("api.token")
    }

    /// Where the keys and the settings are.
    fn present(&self) -> &Path {
        self.present.as_deref().unwrap_or(&self.directory)
    }

    /// Whether the databases are those of a network that the node has left.
    pub(crate) fn is_past(&self) -> bool {
        self.present.is_some()
    }

    /// The directory with the databases of a network that the node has left.
    fn past(&self, given: &IdPrefix) -> anyhow::Result<Self> {
        let known = Store::past_networks(&self.directory).map_err(Failure::failed)?;
        let meant: Vec<&NetworkId> = known
            .iter()
            .filter(|network| network.to_string().starts_with(&given.0))
            .collect();
        let [network] = meant.as_slice() else {
            let known: Vec<String> = known.iter().map(NetworkId::to_string).collect();
            return Err(Failure::usage(format!(
                "--past: {} names {} of the networks that this node has left: {}",
                given.0,
                if meant.is_empty() { "none" } else { "several" },
                if known.is_empty() {
                    "there are none".to_owned()
                } else {
                    known.join(", ")
                },
            ))
            .into());
        };
        Ok(Self {
            directory: Store::past_directory(&self.directory, network),
            present: Some(self.directory.clone()),
        })
    }

    pub(crate) fn settings_file(&self) -> PathBuf {
        self.present().join("config.toml")
    }

    fn last_run_file(&self) -> PathBuf {
        self.present().join("last-run.json")
    }

    fn author_file(&self) -> PathBuf {
        self.present().join("author.key")
    }

    fn transport_file(&self) -> PathBuf {
        self.present().join("transport.key")
    }

    fn ticket_file(&self) -> PathBuf {
        self.directory.join("ticket")
    }

    /// Whether the node has joined a network.
    pub(crate) fn has_ledger(&self) -> anyhow::Result<bool> {
        // `next` is there while the node goes over to another network.
        Ok(is_there(&self.directory.join("ledger.redb"))?
            || is_there(&self.directory.join("next"))?)
    }

    pub(crate) fn has_journal(&self) -> anyhow::Result<bool> {
        is_there(&self.directory.join("journal.redb"))
    }

    /// The `--dir` option that names this directory, for messages with the next command to run. Empty for the directory that a
    /// command finds without the option.
    pub(crate) fn option(&self) -> String {
        if let Some(present) = &self.present {
            // The node's own directory: what is in this one is only read.
            return Self {
                directory: present.clone(),
                present: None,
            }
            .option();
        }
        let given = std::env::var_os("MYCNET_DIR").map(PathBuf::from);
        let found = given.or_else(default_directory);
        if found.and_then(|found| std::path::absolute(found).ok()) == Some(self.directory.clone()) {
            return String::new();
        }
        let name = self.directory.display().to_string();
        format!(" --dir {}", plain(&name))
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

    /// Refuses a directory with databases and without a key: a new key would be another member's.
    fn check_key_is_not_lost(&self) -> anyhow::Result<()> {
        if !self.has_ledger()? && !self.has_journal()? {
            return Ok(());
        }
        bail!(
            "author.key is gone from {}, which has a node's databases: put a copy of the key back. Without a copy the member \
             is lost; for a new node, name another --dir",
            self.directory.display()
        )
    }

    /// Refuses a key that is not that of the databases' node.
    pub(crate) fn check_author(&self, found: NodeId, given: NodeId) -> Result<(), Failure> {
        if found == given {
            return Ok(());
        }
        Err(Failure::bad_data(format!(
            "the databases in {name} are those of node {}, but author.key is that of node {}. If the key was replaced, put the \
             author.key of that node back. If the databases came from another node, put them back where it runs, and this node's \
             own here: two directories with one key would sign against each other",
            short(&found),
            short(&given),
            name = self.directory.display()
        )))
    }

    fn check_private(&self) -> anyhow::Result<()> {
        let name = self.directory.display();
        let metadata = fs::metadata(&self.directory).with_context(|| name.to_string())?;
        if let Some(mode) = open_to_others(&metadata) {
            bail!(
                "others can reach into {name} (mode {mode:o}), which has the node's keys and its socket: run `chmod 700 \
                 {name}` if it has nothing else, or name another --dir"
            );
        }
        Ok(())
    }

    /// Makes the directory, readable by its owner alone. A directory with files must have that mode already. Returns
    /// whether it has a node without a transport key, which can have a new one: peers know it by its author.
    pub(crate) fn create(&self) -> anyhow::Result<bool> {
        let name = self.directory.display();
        let has_author = is_there(&self.author_file())?;
        if has_author && is_there(&self.transport_file())? {
            let option = self.option();
            bail!(
                "there is a node in {name} already; `mycnet status{option}` tells about it. A key is never replaced: for \
                 another node, name another --dir"
            );
        }
        if !has_author {
            self.check_key_is_not_lost()?;
        }
        let entries = self.directory.read_dir();
        if entries.is_ok_and(|mut entries| entries.next().is_some()) {
            // Other users may use the directory, so its mode is not changed silently.
            self.check_private()?;
        } else {
            make_private_directory(&self.directory)
                .with_context(|| format!("cannot make the directory {name}"))?;
        }
        Ok(has_author)
    }

    /// Writes the keys that are missing, and returns the author's key. `author` is a key that was kept elsewhere; else a new one is
    /// made.
    pub(crate) fn write_keys(&self, author: Option<Identity>) -> anyhow::Result<Identity> {
        // An interrupted `init` may have left a key that was not reported yet.
        if !is_there(&self.transport_file())? {
            write_secret(&self.transport_file(), &new_identity()?.secret())?;
        }
        // The author's key comes last: with it, the directory is complete.
        if !is_there(&self.author_file())? {
            let author = author.map_or_else(new_identity, Ok)?;
            write_secret(&self.author_file(), &author.secret())?;
        }
        self.author()
    }

    /// Writes the settings' file if there is none. One that is there stays, and must say what these options of `init` say.
    pub(crate) fn write_settings(&self, overrides: &Overrides) -> anyhow::Result<()> {
        let path = self.settings_file();
        let settings = if is_there(&path)? {
            let found = self.settings()?;
            if found.clone().with(overrides)? == found {
                return Ok(());
            }
            return Err(Failure::usage(format!(
                "{} is there already, and says something else than these options: change it or remove it, and repeat the command",
                path.display()
            ))
            .into());
        } else {
            Settings::default().with(overrides)?
        };
        write_new(&path, settings.template().as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The author's key pair.
    pub(crate) fn author(&self) -> anyhow::Result<Identity> {
        Ok(Identity::from_secret(&read_secret(&self.author_file())?))
    }

    pub(crate) fn transport_secret(&self) -> anyhow::Result<[u8; 32]> {
        let path = self.transport_file();
        if !is_there(&path)? {
            let option = self.option();
            bail!(
                "{} is gone: `mycnet init{option}` makes a new one, and leaves everything else as it is",
                path.display()
            );
        }
        read_secret(&path)
    }

    pub(crate) fn settings(&self) -> anyhow::Result<Settings> {
        Settings::read(&self.settings_file())
    }

    /// Keeps the ticket that the node joins with, or removes one that an earlier attempt left.
    pub(crate) fn keep_ticket(&self, ticket: Option<&Ticket>) -> anyhow::Result<()> {
        let path = self.ticket_file();
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(error).with_context(|| format!("cannot remove {}", path.display()));
            }
            _ => {}
        }
        let Some(ticket) = ticket else {
            return Ok(());
        };
        write_new(&path, format!("{ticket}\n").as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
    }

    /// The ticket that the node joined with.
    pub(crate) fn ticket(&self) -> anyhow::Result<Option<Ticket>> {
        let path = self.ticket_file();
        let name = path.display();
        let text = match read_text(&path, TICKET_BYTES_MAX) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.with_context(|| format!("cannot read {name}"))?,
        };
        let ticket = text.parse();
        Ok(Some(ticket.map_err(|error| {
            Failure::bad_data(format!("{name} is no ticket: {error}"))
        })?))
    }
}

fn default_directory() -> Option<PathBuf> {
    Some(std::env::home_dir()?.join(".mycnet"))
}
