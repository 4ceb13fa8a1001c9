//! Keys, and links made and signed.

use mycnet_consensus::{ClaimItem, Identity, NodeId, Signer, SignerError};

use crate::{Link, PublicKey};

/// What attestation keys are derived from a secret for.
const ATTESTATION_KEY: &str = "mycnet-builds attestation key v1";

/// Signs links for members: with this node's own key for its own member, and with a key that it derives for any other.
#[derive(Debug)]
pub struct Attester {
    own: Identity,
    secret: Secret,
}

/// Not shown.
struct Secret([u8; 32]);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}

/// A member whose results are attested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Member {
    /// Its present key.
    pub node: NodeId,
    /// The first key that it had: its attestation key stays the same when it changes its own.
    pub first: NodeId,
}

impl Attester {
    /// With this node's own key, and a secret that nobody else knows.
    pub fn new(own: Identity, secret: [u8; 32]) -> Self {
        let secret = Secret(secret);
        Self { own, secret }
    }

    /// Whether it is this node's own member.
    pub fn is_own(&self, member: &Member) -> bool {
        member.node == self.own.node_id()
    }

    /// The key with which links of a member are signed here.
    fn signer(&self, member: &Member) -> Identity {
        if self.is_own(member) {
            return self.own.clone();
        }
        let derived = [&self.secret.0[..], member.first.as_bytes()].concat();
        Identity::from_secret(&blake3::derive_key(ATTESTATION_KEY, &derived))
    }

    /// The public part of that key.
    pub fn key(&self, member: &Member) -> PublicKey {
        public(&self.signer(member))
    }

    /// A signed link that says that a member gave this result. It is the original, with a signature more, if that says so; else one
    /// that is made of the item.
    ///
    /// # Errors
    ///
    /// [`SignerError`]
    pub fn attest(
        &self,
        member: &Member,
        item: &ClaimItem,
        result: &[u8; 32],
        original: Option<&[u8]>,
    ) -> Result<Vec<u8>, SignerError> {
        let original = original.and_then(|bytes| Link::parse(bytes).ok());
        let original = original.filter(|link| {
            let mut products = link.products();
            products.any(|(_, hash)| hash.as_ref() == Ok(result))
        });
        let link = original.unwrap_or_else(|| Link::of(&item.subject, &item.input, result));
        let identity = self.signer(member);
        let key = public(&identity);
        let id = key.key_id();
        if link.key_ids().any(|other| other == id) && link.check([&key]).is_ok() {
            return Ok(link.to_bytes());
        }
        let sign = |link: Link| {
            let signature = identity.sign(&link.to_sign())?;
            let link = link.with_signature(&key, signature.as_bytes());
            link.map_err(|error| SignerError(error.to_string()))
        };
        let link = sign(link).or_else(|_| {
            // An original with a wrong signature under this key's id.
            sign(Link::of(&item.subject, &item.input, result))
        });
        Ok(link?.to_bytes())
    }
}

fn public(identity: &Identity) -> PublicKey {
    let key = PublicKey::from_node(&identity.node_id());
    key.expect("a pair of keys was made of a secret, so it is usable")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Event, Options, Reader};

    fn identity(label: &str) -> Identity {
        Identity::from_seed_label(label)
    }

    fn member(label: &str) -> Member {
        let node = identity(label).node_id();
        Member { node, first: node }
    }

    fn item() -> ClaimItem {
        ClaimItem {
            subject: "pkg:deb/debian/zsh@5.9-8?arch=amd64".to_owned(),
            input: vec![3; 32],
        }
    }

    fn attester() -> Attester {
        Attester::new(identity("ada"), [7; 32])
    }

    #[test]
    fn every_member_has_a_key_of_its_own() {
        let (attester, ada, ben, cyd) = (attester(), member("ada"), member("ben"), member("cyd"));
        assert_eq!(attester.key(&ada), PublicKey::from_node(&ada.node).unwrap());
        let keys = [&ada, &ben, &cyd].map(|member| attester.key(member).key_id());
        assert!(keys[0] != keys[1] && keys[1] != keys[2] && keys[0] != keys[2]);
        assert_ne!(attester.key(&ben), PublicKey::from_node(&ben.node).unwrap());
        let changed = Member {
            node: cyd.node,
            first: ben.node,
        };
        assert_eq!(
            attester.key(&changed),
            attester.key(&ben),
            "a new key of the member"
        );
        let other = Attester::new(identity("ada"), [8; 32]);
        assert_ne!(other.key(&ben), attester.key(&ben), "another node");
        assert!(!format!("{attester:?}").contains("7, 7"));
    }

    #[test]
    fn a_link_is_made_where_there_is_no_original() {
        let (attester, ben) = (attester(), member("ben"));
        let link = attester.attest(&ben, &item(), &[5; 32], None).unwrap();
        assert!(
            Link::parse(&link)
                .unwrap()
                .check([&attester.key(&ben)])
                .is_ok()
        );
        let mut reader = Reader::new(Options {
            keys: vec![attester.key(&ben)],
            ..Options::default()
        });
        let mut found = Vec::new();
        reader.read("-".as_ref(), &link[..], &mut |event| match event {
            Event::Finding(finding, _) => found.push((finding.item, finding.result)),
            event => panic!("{event:?}"),
        });
        assert_eq!(found, [(item(), [5; 32])]);
    }

    #[test]
    fn an_original_keeps_its_signatures_and_gets_one_more() {
        let (attester, ada) = (attester(), member("ada"));
        let rebuilder = PublicKey::from_node(&member("rebuilder").node).unwrap();
        let link = Link::of(&item().subject, &item().input, &[5; 32]);
        let signature = identity("rebuilder").sign(&link.to_sign()).unwrap();
        let original = link
            .with_signature(&rebuilder, signature.as_bytes())
            .unwrap();
        let original = original.to_bytes();
        let attest = |result, original: &[u8]| {
            let link = attester.attest(&ada, &item(), &[result; 32], Some(original));
            link.unwrap()
        };
        let served = attest(5, &original);
        let keys = [&rebuilder, &attester.key(&ada)];
        let link = Link::parse(&served).unwrap();
        for key in keys {
            assert!(link.check([key]).is_ok());
        }
        assert_eq!(link.key_ids().count(), 2);
        assert_eq!(attest(5, &served), served, "it is signed already");
        for (desc, result, original) in [
            ("an original of another result", 6, &original[..]),
            ("no link", 5, b"Format: 1.0"),
        ] {
            let link = Link::parse(&attest(result, original)).unwrap();
            assert!(link.check([keys[1]]).is_ok(), "{desc}");
            assert_eq!(link.key_ids().count(), 1, "{desc}");
        }
        // The id of this node's key, with the signature of another text.
        let signature = hex::encode(identity("ada").sign(b"other").unwrap().as_bytes());
        let text = String::from_utf8(original).unwrap();
        let id = rebuilder.key_id();
        let stated = text.find("\"sig\":\"").unwrap() + 7;
        let mut spoilt = text.replace(&id, &keys[1].key_id());
        spoilt.replace_range(stated..stated + 128, &signature);
        let link = Link::parse(&attest(5, spoilt.as_bytes())).unwrap();
        assert!(link.check([keys[1]]).is_ok());
    }
}
