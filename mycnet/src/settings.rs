//! `config.toml`: how a node listens and whom it dials.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Context as _;
use mycnet_builds::Policy;
use mycnet_consensus::net::{Config, EndpointSettings, Listen, RelayAuthorities};
use serde::{Deserialize, Deserializer, de};

use crate::arguments::NodeRef;
use crate::failure::Failure;
use crate::files::{read_file, read_text};

/// Bytes that the settings have at most.
const FILE_BYTES_MAX: usize = 1024 * 1024;

/// Where a node listens, as people write it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct ListenOn(pub(crate) Listen);

impl FromStr for ListenOn {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let listen = match text {
            "loopback" => Listen::Loopback,
            "everywhere" => Listen::Everywhere,
            address => Listen::At(IpAddr::from_str(address).map_err(|_| {
                format!("{text:?} is neither loopback nor everywhere nor an IP address (the port is set apart)")
            })?),
        };
        Ok(Self(listen))
    }
}

impl TryFrom<String> for ListenOn {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for ListenOn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Listen::Everywhere => f.write_str("everywhere"),
            Listen::At(address) => write!(f, "{address}"),
            _ => f.write_str("loopback"),
        }
    }
}

/// The settings. With the defaults, a node contacts nobody on the internet.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    pub(crate) listen: ListenOn,
    /// The UDP port; 0 takes the one of the last run, or a free one.
    pub(crate) port: u16,
    /// Relays, by URL.
    relays: Vec<String>,
    /// The file with the certificates of the relays' authorities; in the node's directory, unless the path is absolute.
    relay_authorities: Option<PathBuf>,
    /// What it contains.
    #[serde(skip)]
    authorities: RelayAuthorities,
    /// Whether to find nodes on the local network by mDNS.
    mdns: bool,
    /// Connections that the node makes by itself.
    degree: usize,
    /// Connections that it keeps at most.
    connections: usize,
    /// The owner's own words for nodes: each stands for a name, or for an id or its first digits.
    pub(crate) aliases: BTreeMap<String, String>,
    pub(crate) builds: Builds,
    pub(crate) api: Api,
    /// The program that is run for each event, and its arguments.
    pub(crate) on_event: Vec<String>,
}

/// Where the node answers programs, beside its socket.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Api {
    /// An address of this machine.
    #[serde(deserialize_with = "own_address")]
    pub(crate) listen: Option<SocketAddr>,
}

fn own_address<'de, D: Deserializer<'de>>(from: D) -> Result<Option<SocketAddr>, D::Error> {
    let address = SocketAddr::deserialize(from)?;
    if address.ip().is_loopback() {
        return Ok(Some(address));
    }
    Err(de::Error::custom(format!(
        "{address} is no address of this machine alone, as 127.0.0.1:7447 is: what passes there is not encrypted"
    )))
}

/// What the owner wants of `mycnet builds`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Builds {
    /// Whose word is enough, unless `--policy` says it.
    #[serde(deserialize_with = "policy")]
    pub(crate) policy: Option<Policy>,
}

fn policy<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Policy>, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map(Some).map_err(de::Error::custom)
}

impl Default for Settings {
    fn default() -> Self {
        let config = Config::default();
        Self {
            listen: ListenOn::default(),
            port: 0,
            relays: Vec::new(),
            relay_authorities: None,
            authorities: RelayAuthorities::default(),
            mdns: false,
            degree: config.degree,
            connections: config.connections_max,
            aliases: BTreeMap::new(),
            builds: Builds::default(),
            api: Api::default(),
            on_event: Vec::new(),
        }
    }
}

/// Settings that `init` and `run` take on the command line.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Overrides {
    /// Listen on "loopback", "everywhere", or one IP address
    #[arg(long, value_name = "WHERE")]
    listen: Option<ListenOn>,

    /// Listen on this UDP port; 0 takes that of the last run, or a free one
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,

    /// Connect with peers through this relay; can be repeated
    #[arg(long = "relay", value_name = "URL")]
    relays: Vec<String>,

    /// Find nodes of this network on the local network
    #[arg(long)]
    mdns: bool,
}

/// What is different in settings that were read again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Changed {
    /// Whether `on_event` is, which a running node takes.
    pub(crate) on_event: bool,
    /// What holds only when the node is started again.
    pub(crate) waiting: Vec<&'static str>,
}

impl Settings {
    /// Reads a settings file. Without one, the defaults hold. An error names the line that is wrong.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let name = path.display();
        let text = match read_text(path, FILE_BYTES_MAX) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            read => read.with_context(|| format!("cannot read {name}"))?,
        };
        let bad = |error: &str| Failure::bad_data(format!("{name}: {}", error.trim_end()));
        let mut settings: Self = toml::from_str(&text).map_err(|error| bad(&error.to_string()))?;
        check_relays(&settings.relays).map_err(|error| bad(&format!("relays: {error}")))?;
        if let Some(file) = &settings.relay_authorities {
            let file = path.with_file_name("").join(file);
            let pem = read_file(&file, FILE_BYTES_MAX)
                .map_err(|error| bad(&format!("relay_authorities: {error:#}")))?;
            settings.authorities = RelayAuthorities::from_pem(&pem)
                .map_err(|error| bad(&format!("relay_authorities: {}: {error}", file.display())))?;
        }
        for (word, node) in &settings.aliases {
            node.parse::<NodeRef>()
                .map_err(|error| bad(&format!("aliases: {word}: {error}")))?;
        }
        Ok(settings)
    }

    /// These settings, with the changes of the command line.
    pub(crate) fn with(mut self, overrides: &Overrides) -> Result<Self, Failure> {
        check_relays(&overrides.relays)
            .map_err(|error| Failure::usage(format!("--relay {error}")))?;
        if let Some(listen) = &overrides.listen {
            self.listen = listen.clone();
        }
        self.port = overrides.port.unwrap_or(self.port);
        if !overrides.relays.is_empty() {
            self.relays.clone_from(&overrides.relays);
        }
        self.mdns |= overrides.mdns;
        Ok(self)
    }

    /// Takes over what a running node can take. Commands read the aliases and the policy by themselves.
    pub(crate) fn take(&mut self, read: Self) -> Changed {
        let Self {
            listen,
            port,
            relays,
            relay_authorities,
            authorities,
            mdns,
            degree,
            connections,
            aliases,
            builds,
            api,
            on_event,
        } = read;
        let has_old_authorities =
            self.relay_authorities != relay_authorities || self.authorities != authorities;
        let waiting = [
            ("listen", self.listen != listen),
            ("port", self.port != port),
            ("relays", self.relays != relays),
            ("relay_authorities", has_old_authorities),
            ("mdns", self.mdns != mdns),
            ("degree", self.degree != degree),
            ("connections", self.connections != connections),
            ("api.listen", self.api != api),
        ];
        let waiting = waiting.into_iter().filter(|(_, is_changed)| *is_changed);
        let changed = Changed {
            on_event: self.on_event != on_event,
            waiting: waiting.map(|(name, _)| name).collect(),
        };
        (self.aliases, self.builds, self.on_event) = (aliases, builds, on_event);
        changed
    }

    /// The commented file that `init` writes.
    pub(crate) fn template(&self) -> String {
        let Self {
            listen,
            port,
            relays,
            relay_authorities: _,
            authorities: _,
            mdns,
            degree,
            connections,
            aliases: _,
            builds: _,
            api: _,
            on_event: _,
        } = self;
        // Rust and TOML escape URLs alike; everything else was refused before.
        format!(
            "\
# Settings of a mycnet node. They are read when it starts; `mycnet run` takes most of
# them as options too. On SIGHUP a running node takes a new `on_event`. The node contacts nobody on the internet unless a line below says so.

# Where the node listens (UDP): \"loopback\" (this machine only), \"everywhere\" (all
# interfaces), or one IP address.
listen = \"{listen}\"

# The UDP port; 0 takes a free one at the first start and keeps to it while nobody else has
# it. Set one, and open it in the firewall, for peers on other machines.
port = {port}

# Relays through which the node is reached behind a router: [\"https://relay.example/\"].
relays = {relays:?}

# The certificates (PEM) of whoever signed those of the relays, if browsers do not know them.
# relay_authorities = \"relay-authority.pem\"

# Whether to announce this node and find others on the local network by mDNS.
mdns = {mdns}

# How many connections the node makes by itself, and how many it keeps at most.
degree = {degree}
connections = {connections}

# A program that is run for each event, with the event as JSON on its standard input. After a
# \"your_turn\", what it prints is this node's ballot: approve, reject, abstain, or JSON.
# on_event = [\"/usr/local/bin/on-mycnet-event\"]

# Your own words for nodes, for the commands on this machine; nobody else sees them. Each
# stands for a member's name, or for a node id or its first digits: mum = \"4f9c12ab\".
[aliases]

# Whose word is enough for `mycnet builds check`, unless --policy says it: \"2 of any\",
# \"3 of ada,ben,cyd\", \"ledger\", or several of these with \"and\" between them.
# [builds]
# policy = \"2 of any\"

# An address of this machine where programs and the page ask the node too (TCP), with the
# token in the file api.token. The socket control.sock is always there.
# [api]
# listen = \"127.0.0.1:7447\"
"
        )
    }

    /// The settings of the endpoint, at this port.
    pub(crate) fn endpoint(&self, secret: [u8; 32], port: u16) -> EndpointSettings {
        EndpointSettings {
            secret,
            listen: self.listen.0.clone(),
            port,
            relays: self.relays.clone(),
            relay_authorities: self.authorities.clone(),
            mdns: self.mdns,
        }
    }

    /// The settings of the transport.
    pub(crate) fn transport(&self) -> Config {
        Config {
            degree: self.degree,
            connections_max: self.connections,
            // What is no URL was refused before.
            relays: self
                .relays
                .iter()
                .filter_map(|it| it.parse().ok())
                .collect(),
            ..Config::default()
        }
    }

    /// Whether the node may be reached by a relay.
    pub(crate) fn has_relays(&self) -> bool {
        !self.relays.is_empty()
    }

    /// Whether the node cannot reach other machines.
    pub(crate) fn is_on_loopback(&self) -> bool {
        self.relays.is_empty()
            && match &self.listen.0 {
                Listen::Loopback => true,
                Listen::At(address) => address.is_loopback(),
                _ => false,
            }
    }
}

/// Refuses relays that are no URLs, before they are written down or dialled.
fn check_relays(relays: &[String]) -> Result<(), String> {
    relays.iter().try_for_each(|relay| {
        let url = relay.parse::<iroh::RelayUrl>();
        url.map(drop)
            .map_err(|error| format!("{relay:?}: no URL: {error}"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_template_reads_as_the_settings_that_it_was_made_of() {
        let settings = Settings {
            listen: ListenOn(Listen::At([192, 0, 2, 7].into())),
            port: 4433,
            relays: vec!["https://relay.example/".to_owned()],
            mdns: true,
            ..Settings::default()
        };
        for settings in [settings, Settings::default()] {
            let read: Settings = toml::from_str(&settings.template()).unwrap();
            assert_eq!(read, settings);
        }
    }

    #[test]
    fn authorities_that_cannot_be_read_are_named() {
        let name = format!("mycnet-settings-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        std::fs::create_dir(&directory).unwrap();
        let file = directory.join("config.toml");
        std::fs::write(&file, "relay_authorities = \"relay.pem\"").unwrap();
        let error = || Settings::read(&file).unwrap_err().to_string();
        let missing = error();
        std::fs::write(directory.join("relay.pem"), "no certificate").unwrap();
        let empty = error();
        std::fs::remove_dir_all(&directory).unwrap();
        for (error, said) in [(missing, "cannot read"), (empty, "no certificate in PEM")] {
            let names = ["config.toml: relay_authorities", "relay.pem", said];
            assert!(names.iter().all(|name| error.contains(name)), "{error}");
        }
    }

    #[test]
    fn a_running_node_takes_what_it_can() {
        let mut settings = Settings::default();
        let read = "port = 4433\ndegree = 5\non_event = [\"a\"]\n[aliases]\nmum = \"ada\"";
        let read: Settings = toml::from_str(read).unwrap();
        let changed = settings.take(read.clone());
        assert!(changed.on_event);
        assert_eq!(changed.waiting, ["port", "degree"]);
        assert_eq!(settings.on_event, read.on_event);
        assert_eq!(settings.aliases, read.aliases);
        assert_eq!(
            (settings.port, settings.degree),
            (0, Settings::default().degree)
        );
        // What waits is told again.
        let changed = settings.take(read);
        assert_eq!((changed.on_event, changed.waiting.len()), (false, 2));
    }

    #[test]
    fn unknown_keys_and_addresses_are_named() {
        for (text, said) in [
            ("prot = 1", "prot"),
            ("listen = \"eth0\"", "eth0"),
            ("port = 70000", "70000"),
            ("builds.policy = \"all\"", "a policy is"),
            ("api.listen = \"0.0.0.0:7447\"", "this machine alone"),
            ("api.listen = \"7447\"", "socket address"),
        ] {
            let error = toml::from_str::<Settings>(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert!(error.contains("line 1"), "{error}");
        }
    }
}
