//! `config.toml`: how a node listens and whom it dials.

use std::fmt;
use std::fs;
use std::net::IpAddr;
use std::path::Path;
use std::str::FromStr;

use anyhow::Context as _;
use mycnet_consensus::net::{Config, EndpointSettings, Listen};
use serde::Deserialize;

use crate::failure::Failure;

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

/// What can be set. Each has a default that asks nobody on the internet for anything.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Settings {
    /// Where the node listens.
    pub(crate) listen: ListenOn,
    /// The UDP port; 0 takes a free one.
    pub(crate) port: u16,
    /// Relays, by URL.
    pub(crate) relays: Vec<String>,
    /// Whether to find nodes on the local network by mDNS.
    pub(crate) mdns: bool,
    /// Connections that the node makes by itself.
    pub(crate) degree: usize,
    /// Connections that it keeps at most.
    pub(crate) connections: usize,
}

impl Default for Settings {
    fn default() -> Self {
        let config = Config::default();
        Self {
            listen: ListenOn::default(),
            port: 0,
            relays: Vec::new(),
            mdns: false,
            degree: config.degree,
            connections: config.connections_max,
        }
    }
}

/// What `init` and `run` can set on the command line.
#[derive(Debug, Clone, Default, clap::Args)]
pub(crate) struct Overrides {
    /// Listen on loopback, everywhere, or an IP address
    #[arg(long, value_name = "WHERE")]
    listen: Option<ListenOn>,

    /// Listen on this UDP port; 0 takes a free one at every start
    #[arg(long, value_name = "PORT")]
    port: Option<u16>,

    /// Reach peers, and be reached, through this relay; can be repeated
    #[arg(long = "relay", value_name = "URL")]
    relays: Vec<String>,

    /// Find nodes of this network on the local network
    #[arg(long)]
    mdns: bool,
}

impl Settings {
    /// Reads a settings file. One that was deleted leaves the defaults.
    ///
    /// # Errors
    ///
    /// Says the line that is wrong.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        let place = path.display();
        let bad = |error: &str| Failure::bad_data(format!("{place}: {}", error.trim_end()));
        let settings: Self = toml::from_str(&text).map_err(|error| bad(&error.to_string()))?;
        check_relays(&settings.relays).map_err(|error| bad(&format!("relays: {error}")))?;
        Ok(settings)
    }

    /// These settings, as the command line changes them.
    ///
    /// # Errors
    ///
    /// Names a relay that is no URL.
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

    /// The commented file that `init` writes.
    pub(crate) fn template(&self) -> String {
        let Self {
            listen,
            port,
            relays,
            mdns,
            degree,
            connections,
        } = self;
        // Rust's escapes of plain URLs are TOML's as well; what is no URL is refused before it comes here.
        format!(
            "\
# Settings of a mycnet node. They are read when it starts; `mycnet run` takes most of
# them as options too. Nothing on the internet is asked unless a line below says so.

# Where the node listens (UDP): \"loopback\" (this machine only), \"everywhere\" (all
# interfaces), or one IP address.
listen = \"{listen}\"

# The port; 0 takes a free one at every start. Set one, and open it in the firewall,
# so that peers find this node again after a restart.
port = {port}

# Relays through which the node is reached behind a router: [\"https://relay.example/\"].
relays = {relays:?}

# Whether to announce this node and find others on the local network by mDNS.
mdns = {mdns}

# Connections that the node makes by itself, and those that it keeps at most.
degree = {degree}
connections = {connections}
"
        )
    }

    /// The endpoint's part.
    pub(crate) fn endpoint(&self, secret: [u8; 32]) -> EndpointSettings {
        EndpointSettings {
            secret,
            listen: self.listen.0.clone(),
            port: self.port,
            relays: self.relays.clone(),
            mdns: self.mdns,
        }
    }

    /// The transport's part.
    pub(crate) fn transport(&self) -> Config {
        Config {
            degree: self.degree,
            connections_max: self.connections,
            relays: !self.relays.is_empty(),
            ..Config::default()
        }
    }

    /// Whether peers on other machines cannot be reached.
    pub(crate) fn is_on_loopback(&self) -> bool {
        let on_loopback = match &self.listen.0 {
            Listen::Loopback => true,
            Listen::At(address) => address.is_loopback(),
            _ => false,
        };
        on_loopback && self.relays.is_empty()
    }
}

/// Refuses relays that are no URLs, before they are written down or dialled.
fn check_relays(relays: &[String]) -> Result<(), String> {
    for relay in relays {
        if let Err(error) = relay.parse::<iroh::RelayUrl>() {
            return Err(format!("{relay:?}: no URL: {error}"));
        }
    }
    Ok(())
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
    fn unknown_keys_and_addresses_are_named() {
        for (text, said) in [
            ("prot = 1", "prot"),
            ("listen = \"eth0\"", "eth0"),
            ("port = 70000", "70000"),
        ] {
            let error = toml::from_str::<Settings>(text).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
            assert!(error.contains("line 1"), "{error}");
        }
    }
}
