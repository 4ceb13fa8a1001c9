//! Where connections come from: the unit that the incoming filter counts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};

use iroh::endpoint::IncomingAddr;
use iroh::{EndpointId, TransportAddr};

use crate::base::digest::NodeId;

/// The origin of connection attempts, as far as it can be distinguished.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Source {
    V4(Ipv4Addr),
    /// The first 56 bits: a household has a network of this size, or several.
    V6(u128),
    /// A relay vouches for the id, but ids cost nothing. Against these strangers only the common rate helps.
    Relayed(EndpointId),
    Other,
}

impl Source {
    pub(super) fn of_ip(ip: IpAddr) -> Self {
        match ip.to_canonical() {
            IpAddr::V4(ip) => Self::V4(ip),
            IpAddr::V6(ip) => Self::V6(ip.to_bits() >> 72),
        }
    }

    pub(super) fn of(address: &IncomingAddr) -> Self {
        match address {
            IncomingAddr::Ip(socket) => Self::of_ip(socket.ip()),
            IncomingAddr::Relay { endpoint_id, .. } => Self::Relayed(*endpoint_id),
            _ => Self::Other,
        }
    }
}

/// The last source of each member.
#[derive(Default)]
pub(super) struct MemberSources {
    of: BTreeMap<NodeId, Source>,
    counts: BTreeMap<Source, usize>,
}

impl MemberSources {
    /// Records that a member proved itself at this address, now or before the last restart.
    pub(super) fn note(&mut self, author: NodeId, endpoint: EndpointId, address: &TransportAddr) {
        let source = match address {
            TransportAddr::Ip(socket) => Source::of_ip(socket.ip()),
            TransportAddr::Relay(_) => Source::Relayed(endpoint),
            _ => return,
        };
        *self.counts.entry(source).or_default() += 1;
        let before = self.of.insert(author, source);
        self.leave(before);
    }

    /// Forgets authors that are no longer members.
    pub(super) fn forget(&mut self, authors: &BTreeSet<NodeId>) {
        for author in authors {
            let before = self.of.remove(author);
            self.leave(before);
        }
    }

    fn leave(&mut self, source: Option<Source>) {
        if let Some(source) = source
            && let Some(count) = self.counts.get_mut(&source)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&source);
            }
        }
    }

    pub(super) fn has(&self, source: &Source) -> bool {
        self.counts.contains_key(source)
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;

    use super::*;

    #[test]
    fn a_member_was_met_at_one_source() {
        let mut met = MemberSources::default();
        let at = |ip: &str| -> (TransportAddr, Source) {
            let ip: IpAddr = ip.parse().unwrap();
            (TransportAddr::Ip(SocketAddr::new(ip, 7)), Source::of_ip(ip))
        };
        let (ada, ben) = (NodeId::from_bytes([1; 32]), NodeId::from_bytes([2; 32]));
        let (here, there) = (at("10.0.0.1"), at("2001:db8::1"));
        let endpoint = iroh::SecretKey::from_bytes(&[3; 32]).public();
        met.note(ada, endpoint, &here.0);
        met.note(ben, endpoint, &here.0);
        met.note(ben, endpoint, &here.0);
        met.note(ben, endpoint, &there.0);
        assert!(met.has(&here.1) && met.has(&there.1));
        met.note(ada, endpoint, &there.0);
        assert!(!met.has(&here.1), "nobody is there any more");
        assert!(met.has(&at("2001:db8::2").1), "the same network");
        assert!(!met.has(&at("2001:db8:1::1").1));
        met.forget(&BTreeSet::from([ada]));
        assert!(met.has(&there.1));
        met.forget(&BTreeSet::from([ben]));
        assert!(!met.has(&there.1));
        assert!(at("::ffff:10.0.0.1").1 == here.1);
    }
}
