//! Addresses in text form: in hellos, tickets and the address book.

use std::net::{IpAddr, SocketAddr};

use iroh::{EndpointAddr, EndpointId, RelayUrl, TransportAddr};
use serde::{Deserialize, Serialize};

use crate::base::digest::{Digest, NodeId};
use crate::base::limits::{ADDRESS_BYTES_MAX, PEER_ADDRESSES_MAX};

/// A peer's addresses, in a canonical encoding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerCard {
    /// Its endpoint: the transport's public key.
    pub endpoint: Digest,
    /// The author behind it, if that is known.
    pub author: Option<NodeId>,
    /// `ip:port`, or the URL of a relay. The best first, at most [`PEER_ADDRESSES_MAX`].
    pub addresses: Vec<String>,
}

impl PeerCard {
    /// The card of an endpoint.
    #[must_use]
    pub fn new(address: &EndpointAddr, author: Option<NodeId>) -> Self {
        Self::with_addresses(address.id, author, written(address.addrs.iter()))
    }

    pub(super) fn with_addresses(
        endpoint: EndpointId,
        author: Option<NodeId>,
        addresses: Vec<String>,
    ) -> Self {
        Self {
            endpoint: Digest::from_bytes(*endpoint.as_bytes()),
            author,
            addresses,
        }
    }

    /// The endpoint's key, if it is one.
    pub fn endpoint_id(&self) -> Option<EndpointId> {
        EndpointId::from_bytes(self.endpoint.as_bytes()).ok()
    }

    /// The addresses that can be dialled; relays only if `relays` is set. `None` if the endpoint is not a valid key.
    pub fn address(&self, relays: bool) -> Option<EndpointAddr> {
        let id = self.endpoint_id()?;
        Some(EndpointAddr::from_parts(id, read(&self.addresses, relays)))
    }

    /// Whether a card that a stranger wrote is within the limits.
    pub fn is_within_limits(&self) -> bool {
        addresses_within_limits(&self.addresses)
    }
}

pub(super) fn addresses_within_limits(addresses: &[String]) -> bool {
    addresses.len() <= PEER_ADDRESSES_MAX
        && addresses
            .iter()
            .all(|address| address.len() <= ADDRESS_BYTES_MAX)
}

/// Addresses as text, as many as a card holds.
pub(super) fn written<'a>(addresses: impl Iterator<Item = &'a TransportAddr>) -> Vec<String> {
    addresses
        .filter_map(|address| match address {
            TransportAddr::Ip(address) => Some(address.to_string()),
            TransportAddr::Relay(url) => Some(url.to_string()),
            _ => None,
        })
        .filter(|address| address.len() <= ADDRESS_BYTES_MAX)
        .take(PEER_ADDRESSES_MAX)
        .collect()
}

/// The addresses of a card that this node can dial. Others are left out: a peer may use networks that this node does not
/// know.
pub(super) fn read(addresses: &[String], relays: bool) -> Vec<TransportAddr> {
    addresses
        .iter()
        .take(PEER_ADDRESSES_MAX)
        .filter_map(|text| match text.parse::<SocketAddr>() {
            Ok(address) => is_dialable(&address).then_some(TransportAddr::Ip(address)),
            Err(_) if relays => text.parse::<RelayUrl>().ok().map(TransportAddr::Relay),
            Err(_) => None,
        })
        .collect()
}

/// Adds this node's relays to the address of a peer that is reached by one: that one may be gone, and the peer at another.
pub(super) fn by_any_relay(mut address: EndpointAddr, relays: &[RelayUrl]) -> EndpointAddr {
    if address.relay_urls().next().is_some() {
        let relays = relays.iter().cloned().map(TransportAddr::Relay);
        address.addrs.extend(relays);
    }
    address
}

/// The valid addresses of a peer, written again from their parsed form. Other text may be anything, and people would see it.
pub(super) fn dialable(addresses: &[String]) -> Vec<String> {
    written(read(addresses, true).iter())
}

/// Whether the address can be one machine. Without this check a member could aim its peers' dials at whole networks.
fn is_dialable(address: &SocketAddr) -> bool {
    let ip = address.ip();
    let broadcast = matches!(ip, IpAddr::V4(ip) if ip.is_broadcast());
    address.port() != 0 && !ip.is_unspecified() && !ip.is_multicast() && !broadcast
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_one_machine_is_dialled() {
        let cases = [
            ("127.0.0.1:4433", true),
            ("[::1]:4433", true),
            ("10.0.0.7:1", true),
            ("0.0.0.0:4433", false),
            ("255.255.255.255:4433", false),
            ("224.0.0.251:5353", false),
            ("[ff02::fb]:5353", false),
            ("10.0.0.7:0", false),
            ("https://relay.example/", false),
            ("nonsense", false),
        ];
        for (text, dialled) in cases {
            assert_eq!(
                read(&[text.to_owned()], false).len() == 1,
                dialled,
                "{text}"
            );
        }
        let relay = ["https://relay.example/".to_owned()];
        assert_eq!(read(&relay, true).len(), 1, "only with relays configured");
        let id = iroh::SecretKey::from_bytes(&[7; 32]).public();
        let own: [RelayUrl; 1] = ["https://own.example/".parse().unwrap()];
        for (text, known) in [("https://relay.example/", 2), ("10.0.0.7:1", 1)] {
            let address = EndpointAddr::from_parts(id, read(&[text.to_owned()], true));
            assert_eq!(by_any_relay(address, &own).addrs.len(), known, "{text}");
        }
    }

    #[test]
    fn a_card_holds_so_many_addresses() {
        let addresses: Vec<TransportAddr> = (1..100)
            .map(|port| TransportAddr::Ip(SocketAddr::from(([127, 0, 0, 1], port))))
            .collect();
        assert_eq!(written(addresses.iter()).len(), PEER_ADDRESSES_MAX);
        let texts: Vec<String> = (1..100).map(|port| format!("127.0.0.1:{port}")).collect();
        assert!(!addresses_within_limits(&texts));
        assert_eq!(read(&texts, false).len(), PEER_ADDRESSES_MAX);
    }
}
