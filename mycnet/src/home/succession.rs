//! The keys that follow one another (K1 to K3), as files.
//!
//! `author.key` signs. Its successor lies elsewhere until `mycnet key succeed` brings it as `next.key`. The node then goes on
//! with the old key, which may be needed to seal the `Succeed`. When a seal lists it, [`Home::take_over`] puts the next key in
//! the place of the old one. Its steps stand in an order in which every one can be the last before the process is killed: the
//! next command or start does the rest.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use mycnet_consensus::engine::{Clock as _, SystemClock};
use mycnet_consensus::store::Store;
use mycnet_consensus::{Digest, Identity, Signer as _};

use super::Home;
use super::private::{is_there, read_secret, replace, secret_line};
use crate::databases::damaged;
use crate::failure::Failure;
use crate::files::read_text;
use crate::output::short;

/// Whose successor a file names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whose {
    /// That of `author.key`.
    Author,
    /// That of `next.key`.
    Next,
}

/// Bytes that the file of a digest has at most.
const DIGEST_BYTES_MAX: usize = 256;

/// What the names of files with former keys begin with.
const FORMER: &str = "former-";

impl Home {
    fn next_file(&self) -> PathBuf {
        self.path().join("next.key")
    }

    fn successor_file(&self, whose: Whose) -> PathBuf {
        self.path().join(match whose {
            Whose::Author => "successor",
            Whose::Next => "next.successor",
        })
    }

    /// The digest of the key that may follow, as far as this directory knows. The key itself lies elsewhere.
    pub(crate) fn successor(&self, whose: Whose) -> anyhow::Result<Option<Digest>> {
        let path = self.successor_file(whose);
        if !is_there(&path)? {
            return Ok(None);
        }
        let name = path.display();
        let text = read_text(&path, DIGEST_BYTES_MAX);
        let text = text.with_context(|| format!("cannot read {name}"))?;
        let digest = text.trim_end().parse();
        Ok(Some(digest.map_err(|error| {
            Failure::bad_data(format!("{name} is no digest: {error}"))
        })?))
    }

    pub(crate) fn keep_successor(&self, whose: Whose, digest: &Digest) -> anyhow::Result<()> {
        replace(
            &self.successor_file(whose),
            format!("{digest}\n").as_bytes(),
        )
    }

    pub(crate) fn forget_successor(&self, whose: Whose) -> anyhow::Result<()> {
        let path = self.successor_file(whose);
        if is_there(&path)? {
            fs::remove_file(&path).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }

    /// Whether the next key is here and waits for the seal that lists its `Succeed`.
    pub(crate) fn has_next_key(&self) -> anyhow::Result<bool> {
        is_there(&self.next_file())
    }

    /// The next key, as long as it waits here.
    pub(crate) fn next_key(&self) -> anyhow::Result<Option<Identity>> {
        if !self.has_next_key()? {
            return Ok(None);
        }
        Ok(Some(Identity::from_secret(&read_secret(
            &self.next_file(),
        )?)))
    }

    pub(crate) fn keep_next_key(&self, key: &Identity) -> anyhow::Result<()> {
        replace(&self.next_file(), &secret_line(&key.secret()))
    }

    /// The keys that this node's key replaced. They reveal what they had committed to.
    pub(crate) fn former_keys(&self) -> anyhow::Result<Vec<Identity>> {
        let name = || self.path().display().to_string();
        let mut keys = Vec::new();
        for entry in self.path().read_dir().with_context(name)? {
            let path = entry.with_context(name)?.path();
            let file = path.file_name().unwrap_or_default().to_string_lossy();
            if file.starts_with(FORMER) && file.ends_with(".key") {
                keys.push(Identity::from_secret(&read_secret(&path)?));
            }
        }
        Ok(keys)
    }

    fn keep_former_key(&self, key: &Identity) -> anyhow::Result<()> {
        let file = format!("{FORMER}{}.key", short(&key.node_id()));
        replace(&self.path().join(file), &secret_line(&key.secret()))
    }

    /// Puts the next key in the place of the old one, if a seal lists its `Succeed`, or finishes what an earlier process began.
    pub(crate) fn take_over(&self, store: &mut Store) -> anyhow::Result<()> {
        if self.has_next_key()? {
            let next = Identity::from_secret(&read_secret(&self.next_file())?);
            if store.node_id() != next.node_id() {
                if !self.is_sealed(store, &next)? {
                    return Ok(());
                }
                self.keep_former_key(&self.author()?)?;
                let handed_over = store.hand_over(next.node_id());
                handed_over.map_err(|error| damaged(self, &error))?;
            }
            let (from, to) = (self.next_file(), self.author_file());
            fs::rename(&from, &to).with_context(|| to.display().to_string())?;
        }
        self.settle_successor()
    }

    /// Whether a seal lists the `Succeed` by which this key replaces that of the databases.
    fn is_sealed(&self, store: &Store, next: &Identity) -> anyhow::Result<bool> {
        let author = self.author()?;
        let old = author.node_id();
        self.check_author(store.node_id(), old)?;
        let loaded = store.load(Arc::new(author), SystemClock.now_ms());
        let loaded = loaded.map_err(|error| damaged(self, &error))?;
        let roster = loaded.core.ledger().state().roster();
        Ok(roster.present_key(&old) == Some(next.node_id()))
    }

    /// A successor that has become the author's key is none any more: the one after it follows.
    fn settle_successor(&self) -> anyhow::Result<()> {
        let Some(digest) = self.successor(Whose::Author)? else {
            return Ok(());
        };
        if digest != Digest::of_successor(&self.author()?.node_id()) {
            return Ok(());
        }
        let (from, to) = (
            self.successor_file(Whose::Next),
            self.successor_file(Whose::Author),
        );
        if is_there(&from)? {
            return fs::rename(&from, &to).with_context(|| to.display().to_string());
        }
        self.forget_successor(Whose::Author)
    }
}
