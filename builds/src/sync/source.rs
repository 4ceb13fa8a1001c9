//! What is remembered of each rebuilderd.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{KeyFault, Options, PublicKey, Reader, Subjects};

/// The rebuilderds that were read, by their addresses.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sources(BTreeMap<String, Source>);

/// A rebuilderd that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The key whose links are taken, in PEM.
    key: String,
    /// The number of the last build that was read.
    pub after: u32,
}

impl Sources {
    /// Reads what [`Sources::to_bytes`] wrote.
    ///
    /// # Errors
    ///
    /// What is wrong, and where.
    pub fn parse(bytes: &[u8]) -> Result<Self, serde_json::Error> {
        serde_json::from_slice(bytes)
    }

    /// As a file.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec_pretty(&self).expect("texts and numbers have a JSON");
        bytes.push(b'\n');
        bytes
    }

    /// What is known of a rebuilderd.
    pub fn get(&self, address: &str) -> Option<&Source> {
        self.0.get(address)
    }

    /// Remembers a rebuilderd.
    pub fn set(&mut self, address: &str, source: Source) {
        self.0.insert(address.to_owned(), source);
    }
}

impl Source {
    /// One of which nothing was read.
    pub fn new(key: &PublicKey) -> Self {
        Self {
            key: key.to_pem(),
            after: 0,
        }
    }

    /// The key whose links are taken.
    ///
    /// # Errors
    ///
    /// [`KeyFault`] if somebody changed the file.
    pub fn key(&self) -> Result<PublicKey, KeyFault> {
        PublicKey::from_pem(self.key.trim().as_bytes())
    }
}

/// A reader of links that takes nothing but links signed by one key.
#[derive(Debug)]
pub struct LinkReader(Reader);

impl LinkReader {
    /// A run of its own.
    pub fn new(key: PublicKey, subjects: Subjects) -> Self {
        Self(Reader::new(Options {
            keys: vec![key],
            subjects,
            ..Options::default()
        }))
    }

    /// Reads a link.
    pub fn read(
        &mut self,
        name: &std::path::Path,
        link: &[u8],
        on_event: &mut dyn FnMut(crate::Event),
    ) {
        self.0.read_link(name, link, on_event);
    }
}
