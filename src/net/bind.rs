//! Endpoints for programs that have none: on this machine, on the local network, or with relays.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use iroh::endpoint::{Endpoint, PortmapperConfig, presets};
use iroh::endpoint_info::UserData;
use iroh::tls::{CaTlsConfig, default_provider};
use iroh::{RelayMode, RelayUrl, SecretKey};
use iroh_mdns_address_lookup::MdnsAddressLookup;
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;

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

/// How an endpoint is made. By default it contacts no server: loopback, any free port, no relays, no discovery.
#[derive(Debug, Clone, Default)]
pub struct EndpointSettings {
    /// The secret of the transport's key: 32 random bytes, the same at every start, so that peers find the node again. It
    /// must not be the author's secret: the transport signs other things and keeps it in memory, and a relay allows one
    /// endpoint per key.
    pub secret: [u8; 32],
    /// Where it listens.
    pub listen: Listen,
    /// The UDP port; 0 takes any free one. With a fixed port, peers find a restarted node at its old address.
    pub port: u16,
    /// URLs of relays. Empty: no relays.
    pub relays: Vec<String>,
    /// Who may have signed the certificates of relays, beside the authorities that browsers trust.
    pub relay_authorities: RelayAuthorities,
    /// Whether the node announces itself, and looks for others, on the local network by mDNS.
    pub mdns: bool,
}

/// Authorities whose word for a relay's certificate is taken. They cannot read or forge what nodes say: nodes authenticate and
/// encrypt by their own keys, whatever is between them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RelayAuthorities(Vec<CertificateDer<'static>>);

impl RelayAuthorities {
    /// Reads their certificates, one or more, in PEM form.
    ///
    /// # Errors
    ///
    /// [`NetError::Authorities`] if there is none, or says which one is not valid. The transport itself would leave that one out,
    /// and only say later that no relay answers.
    pub fn from_pem(pem: &[u8]) -> Result<Self, NetError> {
        let mut found = Vec::new();
        for read in CertificateDer::pem_slice_iter(pem) {
            let wrong = |error: &dyn std::fmt::Display| {
                NetError::Authorities(format!("certificate {}: {error}", found.len() + 1))
            };
            let certificate = read.map_err(|error| wrong(&error))?;
            CaTlsConfig::custom_roots([certificate.clone()])
                .server_cert_verifier(default_provider())
                .map_err(|_| wrong(&"not an X.509 certificate"))?;
            found.push(certificate);
        }
        if found.is_empty() {
            return Err(NetError::Authorities(
                "no certificate in PEM form".to_owned(),
            ));
        }
        Ok(Self(found))
    }
}

/// An endpoint with its discovery.
#[derive(Debug, Clone)]
pub struct Bound {
    /// The endpoint.
    pub endpoint: Endpoint,
    /// The mDNS discovery, if the settings ask for it; see [`super::Transport::discover`].
    pub mdns: Option<MdnsAddressLookup>,
}

/// The name under which endpoints announce themselves by mDNS.
const MDNS_SERVICE: &str = "mycnet";

/// Binds an endpoint for the nodes of `network`.
///
/// # Errors
///
/// [`NetError::Bind`] if the port is taken, a URL is not valid, or mDNS is not allowed.
pub async fn bind(settings: &EndpointSettings, network: &NetworkId) -> Result<Bound, NetError> {
    let secret_key = SecretKey::from_bytes(&settings.secret);
    let mut relays = Vec::new();
    for url in &settings.relays {
        let parsed: RelayUrl = url
            .parse()
            .map_err(|error| NetError::Bind(format!("{url} is not a relay URL: {error}")))?;
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
        .ca_tls_config(
            CaTlsConfig::embedded().with_extra_roots(settings.relay_authorities.0.clone()),
        )
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

/// On a machine without IPv6, binding it fails. The node must still get IPv4.
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

/// The announced tag of a network: enough to tell networks on one LAN apart. The id itself opens the genesis, so it is not
/// announced.
pub(super) fn announced(network: &NetworkId) -> String {
    let digest = crate::base::digest::ANNOUNCED.hash(network.as_bytes());
    hex::encode(&digest[..8])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_certificate_of_an_authority_is_named() {
        let pem = |body: &str| {
            format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n")
        };
        for (text, said) in [
            (String::new(), "no certificate"),
            ("relay.example".to_owned(), "no certificate"),
            (pem("AAAA"), "certificate 1: not an X.509"),
            (pem("?"), "certificate 1"),
        ] {
            let error = RelayAuthorities::from_pem(text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(said), "{text:?}: {error}");
        }
    }
}
