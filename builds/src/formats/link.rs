//! in-toto links: read, made, signed and verified.
//!
//! A link says that somebody with these *materials* made these *products*. The signature is Ed25519 over the canonical JSON of
//! `signed`, computed from what was read, with all fields that stand there.

use std::collections::BTreeSet;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use sha2::{Digest, Sha256};

use super::event::Shown;
use super::fault::Fault;
use super::json::Json;
use super::key::PublicKey;
use super::subject;
use super::sums::sha256_of;

/// An in-toto link with its signatures, of which none is checked yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// What is signed: an object with `_type`, `name`, `materials`, `products` and what else stands there.
    signed: Json,
    /// Key ids, each once, with what is said to be the signature.
    signatures: Vec<(String, String)>,
}

/// A link that cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LinkFault {
    /// JSON of something else.
    #[error("is JSON, but no in-toto link: {0}")]
    NotALink(&'static str),
    /// A link of nothing.
    #[error("the link has no products")]
    NoProducts,
    /// A product or material without hash.
    #[error("the link has no sha256 for {}", Shown(.0))]
    NoSha256(String),
    /// A hash that is none.
    #[error("the link's sha256 for {} is no SHA-256: 64 hexadecimal digits", Shown(.0))]
    NotAHash(String),
    /// A link that nobody signed.
    #[error("the link has no signature")]
    Unsigned,
    /// Two signatures with one key id.
    #[error("the link has two signatures with the key id {}", Shown(.0))]
    SignedTwice(String),
    /// A signature that is wrong.
    #[error(
        "the link's signature by the known key {0} is wrong: it was changed, or not signed by that key"
    )]
    SignatureWrong(String),
    /// Only unknown keys signed.
    #[error("the link is signed by none of the given keys")]
    SignedByNone,
}

impl Link {
    /// Reads a link, without checking signatures.
    ///
    /// # Errors
    ///
    /// [`Fault::Json`] or [`Fault::Link`].
    pub fn parse(bytes: &[u8]) -> Result<Self, Fault> {
        Self::read(bytes).map_err(|(_, fault)| fault)
    }

    /// The same; an error has the line if that is known.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, (Option<u64>, Fault)> {
        let json = Json::parse(bytes).map_err(|(line, fault)| (Some(line), fault.into()))?;
        Self::from_json(json).map_err(|fault| (None, fault.into()))
    }

    fn from_json(json: Json) -> Result<Self, LinkFault> {
        let Json::Object(mut parts) = json else {
            return Err(LinkFault::NotALink("it is no object"));
        };
        let signed = parts.remove("signed");
        let signed = signed.ok_or(LinkFault::NotALink("'signed' is missing"))?;
        if signed.get("_type").and_then(Json::text) != Some("link") {
            return Err(LinkFault::NotALink("'_type' in 'signed' is not \"link\""));
        }
        for (key, missing) in [
            ("materials", LinkFault::NotALink("'materials' is no object")),
            ("products", LinkFault::NotALink("'products' is no object")),
        ] {
            let value = signed.get(key).and_then(Json::object);
            value.ok_or(missing)?;
        }
        let Some(Json::List(signatures)) = parts.get("signatures") else {
            return Err(LinkFault::NotALink("'signatures' is no list"));
        };
        let text = |of: &Json, key| of.get(key).and_then(Json::text).map(str::to_owned);
        let pairs = signatures
            .iter()
            .map(|of| text(of, "keyid").zip(text(of, "sig")));
        let pairs: Option<Vec<_>> = pairs.collect();
        let signatures = pairs.ok_or(LinkFault::NotALink(
            "a signature has no texts 'keyid' and 'sig'",
        ))?;
        let mut ids = BTreeSet::new();
        for (id, _) in &signatures {
            if !ids.insert(id) {
                return Err(LinkFault::SignedTwice(id.clone()));
            }
        }
        Ok(Self { signed, signatures })
    }

    /// A link for one result of an item, not signed: for a result that has no signed original. Read again, with the
    /// same distributions in [`Subjects`](super::Subjects), it gives this item and result. An input that is no SHA-256 has no place in a link and is left out.
    #[must_use]
    pub fn of(subject: &str, input: &[u8], result: &[u8; 32]) -> Self {
        let file = subject::file_of(subject);
        let hashed = |name: String, hash: &[u8]| {
            let hashes = Json::object_of([("sha256", Json::Text(hex::encode(hash)))]);
            Json::Object([(name, hashes)].into())
        };
        // Arch rebuilds from the package itself, Debian from its `.buildinfo`.
        let material = match file.strip_suffix(".deb") {
            Some(stem) => format!("{stem}.buildinfo"),
            None => file.clone(),
        };
        let materials = match input.len() {
            32 => hashed(material, input),
            _ => Json::Object([].into()),
        };
        let signed = Json::object_of([
            ("_type", "link".into()),
            ("name", Json::Text(format!("rebuild {file}"))),
            ("materials", materials),
            ("products", hashed(file, result)),
            ("environment", Json::Null),
            ("byproducts", Json::Object([].into())),
            ("command", Json::List(Vec::new())),
        ]);
        Self {
            signed,
            signatures: Vec::new(),
        }
    }

    /// Its name, as `rebuild zsh_5.9-8_amd64.deb`.
    pub fn name(&self) -> Option<&str> {
        self.signed.get("name")?.text()
    }

    /// What it was made from: each name with its SHA-256.
    pub fn materials(&self) -> impl ExactSizeIterator<Item = (&str, Result<[u8; 32], LinkFault>)> {
        self.files("materials")
    }

    /// What came out: each name with its SHA-256.
    pub fn products(&self) -> impl ExactSizeIterator<Item = (&str, Result<[u8; 32], LinkFault>)> {
        self.files("products")
    }

    fn files(
        &self,
        key: &str,
    ) -> impl ExactSizeIterator<Item = (&str, Result<[u8; 32], LinkFault>)> {
        let files = self.signed.get(key).and_then(Json::object);
        let files = files.expect("both were objects when the link was read or made");
        files.iter().map(|(name, hashes)| {
            let hash = hashes.get("sha256").and_then(Json::text);
            let hash = hash.ok_or_else(|| LinkFault::NoSha256(name.clone()));
            let hash = hash
                .and_then(|text| sha256_of(text).ok_or_else(|| LinkFault::NotAHash(name.clone())));
            (&**name, hash)
        })
    }

    /// What identifies what it was made from, for an item's input: the SHA-256 of the only material, if that is a `.buildinfo` or
    /// one of the products; else the SHA-256 of the canonical JSON of all materials; nothing if there are none.
    pub fn input(&self) -> Vec<u8> {
        let mut materials = self.materials();
        let (1, Some((name, hash))) = (materials.len(), materials.next()) else {
            return self.hash_of_materials();
        };
        let is_source = name.ends_with(".buildinfo") || self.products().any(|(of, _)| of == name);
        match hash {
            Ok(hash) if is_source => hash.to_vec(),
            _ => self.hash_of_materials(),
        }
    }

    fn hash_of_materials(&self) -> Vec<u8> {
        match self.signed.get("materials") {
            Some(materials) if self.materials().len() > 0 => {
                Sha256::digest(materials.canonical()).to_vec()
            }
            _ => Vec::new(),
        }
    }

    /// The bytes that are signed: the canonical JSON of `signed`. They begin with `{"`, as no record of a ledger does.
    #[must_use]
    pub fn to_sign(&self) -> Vec<u8> {
        self.signed.canonical()
    }

    /// The ids of the keys that are said to have signed.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.signatures.iter().map(|(id, _)| &**id)
    }

    /// The same link with one more signature.
    ///
    /// # Errors
    ///
    /// [`LinkFault::SignatureWrong`] if it is not this key's signature of [`to_sign`](Self::to_sign), and
    /// [`LinkFault::SignedTwice`].
    pub fn with_signature(
        mut self,
        key: &PublicKey,
        signature: &[u8; 64],
    ) -> Result<Self, LinkFault> {
        let id = key.key_id();
        if self.key_ids().any(|other| other == id) {
            return Err(LinkFault::SignedTwice(id));
        }
        if !key.verifies(&self.to_sign(), signature) {
            return Err(LinkFault::SignatureWrong(id));
        }
        self.signatures.push((id, hex::encode(signature)));
        Ok(self)
    }

    /// Checks the signatures of the given keys, which have to be right, and at least one.
    ///
    /// # Errors
    ///
    /// [`LinkFault::Unsigned`], [`LinkFault::SignatureWrong`] or [`LinkFault::SignedByNone`].
    pub fn check<'a>(
        &self,
        keys: impl IntoIterator<Item = &'a PublicKey>,
    ) -> Result<(), LinkFault> {
        if self.signatures.is_empty() {
            return Err(LinkFault::Unsigned);
        }
        let message = self.to_sign();
        let mut is_signed = false;
        for key in keys {
            let ids = key.key_ids();
            for (id, signature) in self.signatures.iter().filter(|(id, _)| ids.contains(id)) {
                let mut bytes = [0; 64];
                let is_hex = hex::decode_to_slice(signature, &mut bytes).is_ok();
                if !is_hex || !key.verifies(&message, &bytes) {
                    return Err(LinkFault::SignatureWrong(id.clone()));
                }
                is_signed = true;
            }
        }
        if is_signed {
            Ok(())
        } else {
            Err(LinkFault::SignedByNone)
        }
    }

    /// The link as a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let signatures = self.signatures.iter().map(|(id, signature)| {
            Json::object_of([("keyid", (&**id).into()), ("sig", (&**signature).into())])
        });
        let link = Json::object_of([
            ("signatures", Json::List(signatures.collect())),
            ("signed", self.signed.clone()),
        ]);
        serde_json::to_vec(&link).expect("the keys are texts, and a vector takes every byte")
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => to.serialize_unit(),
            Self::Bool(value) => to.serialize_bool(*value),
            Self::Integer(number) => to.serialize_i128(*number),
            Self::Text(text) => to.serialize_str(text),
            Self::List(values) => to.collect_seq(values),
            Self::Object(values) => {
                let mut map = to.serialize_map(Some(values.len()))?;
                for (key, value) in values {
                    map.serialize_entry(key, value)?;
                }
                map.end()
            }
        }
    }
}

#[cfg(test)]
mod tests;
