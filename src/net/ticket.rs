//! Tickets: an invitation that one person gives to another.

use std::fmt;
use std::str::FromStr;

use iroh_tickets::{ParseError, Ticket as _};
use serde::{Deserialize, Serialize};

use super::address::PeerCard;
use crate::base::codec;
use crate::base::digest::{NetworkId, SealId};
use crate::base::limits::{TEXT_BYTES_MAX, TICKET_PEERS_MAX};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Bytes of the longest ticket: a name and [`TICKET_PEERS_MAX`] cards.
const TICKET_BYTES_MAX: usize = 16 * 1024;

/// An invitation to a network.
///
/// It contains the network's id, which is the digest of the genesis, but not the genesis, which may have 1,024 members.
/// [`super::fetch_genesis`] fetches the genesis from one of the peers and checks it. A ticket proves nothing about its
/// holder and makes nobody a member. It is not secret, but its holder can read the genesis.
///
/// Its text starts with `mycnet` and is base32, as iroh's tickets are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ticket {
    /// The version of this form: 1.
    pub v: u8,
    /// The network.
    pub network: NetworkId,
    /// The network's name, for people.
    pub name: String,
    /// Some peers, at most [`TICKET_PEERS_MAX`].
    pub peers: Vec<PeerCard>,
    /// A recent height.
    pub height: u64,
    /// The seal of that height. A newcomer accepts no other seal there, so that nobody can lead it onto a branch made with
    /// old keys.
    pub seal: SealId,
    /// The network that this one takes up, if it was founded in the place of another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Followed>,
}

/// What a ticket says of the network that its network takes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Followed {
    /// The old network.
    pub network: NetworkId,
    /// Whether not more than half of its votes, proved equivocators aside, endorsed the plan, as far as the writer of the ticket
    /// knows ([F6]).
    pub is_secession: bool,
}

impl Ticket {
    fn fault(&self) -> Option<&'static str> {
        if self.v != 1 {
            return Some("a ticket version other than 1");
        }
        if self.name.len() > TEXT_BYTES_MAX {
            return Some("the network's name is too long");
        }
        if self.peers.len() > TICKET_PEERS_MAX {
            return Some("too many peers");
        }
        if !self.peers.iter().all(PeerCard::is_within_limits) {
            return Some("too many or too long addresses");
        }
        if !self.peers.iter().all(|peer| peer.endpoint_id().is_some()) {
            return Some("an endpoint that is not a valid key");
        }
        None
    }
}

impl iroh_tickets::Ticket for Ticket {
    const KIND: &'static str = "mycnet";

    fn encode_bytes(&self) -> Vec<u8> {
        codec::encode(self)
    }

    fn decode_bytes(bytes: &[u8]) -> Result<Self, ParseError> {
        let ticket: Self = codec::decode_compared(bytes, TICKET_BYTES_MAX)
            .map_err(|_| ParseError::verification_failed("not the canonical form of a ticket"))?;
        match ticket.fault() {
            Some(fault) => Err(ParseError::verification_failed(fault)),
            None => Ok(ticket),
        }
    }
}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.encode_string())
    }
}

impl FromStr for Ticket {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::decode_string(text.trim())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::digest::Digest;
    use iroh::EndpointId;

    type Spoil = fn(&mut Ticket);

    fn ticket() -> Ticket {
        let key = iroh::SecretKey::from_bytes(&[7; 32]).public();
        Ticket {
            v: 1,
            network: NetworkId::from_bytes([1; 32]),
            name: "rebuilders".to_owned(),
            peers: vec![PeerCard {
                endpoint: Digest::from_bytes(*key.as_bytes()),
                author: None,
                addresses: vec!["192.0.2.7:4433".to_owned()],
            }],
            height: 41,
            seal: SealId::from_bytes([2; 32]),
            follows: None,
        }
    }

    #[test]
    fn a_ticket_round_trips_through_its_text() {
        let text = ticket().to_string();
        assert!(text.starts_with("mycnet"), "{text}");
        assert_eq!(text.parse::<Ticket>().unwrap(), ticket());
        assert_eq!(format!(" {text}\n").parse::<Ticket>().unwrap(), ticket());
    }

    #[test]
    fn tickets_out_of_bounds_are_refused() {
        let spoil: [(&str, Spoil); 4] = [
            ("version", |ticket| ticket.v = 2),
            ("peers", |ticket| {
                ticket.peers = vec![ticket.peers[0].clone(); 5];
            }),
            ("addresses", |ticket| {
                ticket.peers[0].addresses = vec![String::new(); 9];
            }),
            ("key", |ticket| {
                let digests = (0..=255).map(|byte| Digest::from_bytes([byte; 32]));
                let no_key = |digest: &Digest| EndpointId::from_bytes(digest.as_bytes()).is_err();
                ticket.peers[0].endpoint = digests.into_iter().find(no_key).unwrap();
            }),
        ];
        for (what, spoil) in spoil {
            let mut ticket = ticket();
            spoil(&mut ticket);
            assert!(ticket.to_string().parse::<Ticket>().is_err(), "{what}");
        }
        assert!("mycnetaaaa".parse::<Ticket>().is_err());
        assert!("endpointaaaa".parse::<Ticket>().is_err());
    }
}
