//! Endpoints for nodes that bring none: on this machine only, on the local network, or with relays.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use iroh::endpoint::{Endpoint, PortmapperConfig, presets};
use iroh::endpoint_info::UserData;
use iroh::{RelayMode, RelayUrl, SecretKey};
use iroh_mdns_address_lookup::MdnsAddressLookup;

use super::NetError;
use super::config::quic_config;
use crate::base::digest::NetworkId;

/// Where an endpoint listens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Listen {
    /// On this machine only.
    #[default]
    Loopback,
    /// On every interface.
    Everywhere,
    /// On this address (with the port of [`EndpointSettings`]).
    At(std::net::IpAddr),
}

/// How an endpoint is made. The default asks nobody anything: loopback, any free port, no relays, no discovery.
#[derive(Debug, Clone, Default)]
pub struct EndpointSettings {
    /// The secret of the transport's key, 32 random bytes, kept from start to start so that peers find the node again. Not
    /// the author's: the transport signs other things, must hold it in memory, and a relay takes one endpoint per key.
    pub secret: [u8; 32],
    /// Where it listens.
    pub listen: Listen,
    /// The UDP port; 0 takes a free one. A fixed one lets peers find a restarted node where it was.
    pub port: u16,
    /// Relays, by URL. Empty: none.
    pub relays: Vec<String>,
    /// Whether the node announces itself and looks for others on the local network by mDNS.
    pub mdns: bool,
}

/// An endpoint with its discovery.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The discovery on the local network, if it was asked for; see [`super::Transport::discover`].
    pub mdns: Option<MdnsAddressLookup>,
}

/// The name under which endpoints announce themselves by mDNS.
const MDNS_SERVICE: &str = "mycnet";

/// Binds an endpoint for the nodes of `network`.
///
/// # Errors
///
/// [`NetError::Bind`] says what does not work: the port is taken, a URL is none, mDNS is not allowed.
pub async fn bind(settings: &EndpointSettings, network: &NetworkId) -> Result<Bound, NetError> {
    let secret_key = SecretKey::from_bytes(&settings.secret);
    let mut relays = Vec::new();
    for url in &settings.relays {
        let parsed: RelayUrl = url
            .parse()
            .map_err(|error| NetError::Bind(format!("{url} is no relay URL: {error}")))?;
        relays.push(parsed);
    }
    let relay_mode = if relays.is_empty() {
        RelayMode::Disabled
    } else {
        RelayMode::custom(relays)
    };
    let mut builder = Endpoint::builder(presets::Minimal)
        .secret_key(secret_key)
        .relay_mode(relay_mode)
        .clear_address_lookup()
        .portmapper_config(PortmapperConfig::Disabled)
        .transport_config(quic_config())
        .clear_ip_transports();
    for address in addresses(&settings.listen, settings.port) {
        builder = builder.bind_addr(address).map_err(failed)?;
    }
    let endpoint = builder.bind().await.map_err(failed)?;
    let mdns = if settings.mdns {
        Some(announce(&endpoint, network)?)
    } else {
        None
    };
    Ok(Bound { endpoint, mdns })
}

fn failed(error: impl std::fmt::Display) -> NetError {
    NetError::Bind(format!("{error:#}"))
}

fn addresses(listen: &Listen, port: u16) -> Vec<SocketAddr> {
    match listen {
        Listen::Loopback => vec![(Ipv4Addr::LOCALHOST, port).into()],
        Listen::Everywhere if has_ipv6() => {
            vec![
                (Ipv4Addr::UNSPECIFIED, port).into(),
                (Ipv6Addr::UNSPECIFIED, port).into(),
            ]
        }
        Listen::Everywhere => vec![(Ipv4Addr::UNSPECIFIED, port).into()],
        Listen::At(ip) => vec![(*ip, port).into()],
    }
}

/// A machine without IPv6 refuses to bind it, which must not keep the node from IPv4.
fn has_ipv6() -> bool {
    std::net::UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).is_ok()
}

/// Announces the endpoint, with its network, and makes it look up others.
fn announce(endpoint: &Endpoint, network: &NetworkId) -> Result<MdnsAddressLookup, NetError> {
    let mdns = MdnsAddressLookup::builder()
        .service_name(MDNS_SERVICE)
        .build(endpoint.id())
        .map_err(failed)?;
    endpoint.address_lookup().map_err(failed)?.add(mdns.clone());
    let user_data: UserData = announced(network).parse().map_err(failed)?;
    endpoint.set_user_data_for_address_lookup(Some(user_data));
    Ok(mdns)
}

/// What is announced about a network: enough to tell networks on one LAN apart, and not its id, which opens its genesis.
pub(super) fn announced(network: &NetworkId) -> String {
    let digest = crate::base::digest::ANNOUNCED.hash(network.as_bytes());
    hex::encode(&digest[..8])
}
