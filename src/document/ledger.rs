//! The ledger document: the state of the network after each seal.
//!
//! ```text
//! v, network, genesis    the version of this form (2), bytes, the canonical bytes of the genesis
//! height, seal, time_ms  of the last seal
//! roster      <node hex>: { role, name, trust_ppm, skill_ppm, standing, row }
//! params      <name>: integer
//! config      <key>: bytes
//! operations  <id hex>: { height, kind, class, phase, subject, outcome, result, result_bytes }
//! ```
//!
//! `operations` holds the last [`OPERATIONS_KEPT`] that a seal changed, with the height of that seal.
//!
//! The actor of every change is the network, and its sequence number is the height of its seal. The genesis has no change of
//! its own. The change of height 1 writes the genesis's state before the first seal's changes; for height 0 it is read from
//! the genesis itself.

mod applied;
mod input;
mod reading;
mod recent;

use std::collections::BTreeMap;

use automerge::transaction::{CommitOptions, Transactable};
use automerge::{ActorId, Automerge, ChangeHash, ObjId, ObjType, ROOT, ReadDoc as _, Value};

pub use input::{LedgerChange, OperationEntry};
use recent::Recent;

use super::tree::{Place, Tree};
use super::{DocumentError, digest_of, heads_of};
use crate::base::digest::{Digest, NetworkId, NodeId, OperationId};
use crate::members::roster::MemberLine;
use crate::statement::genesis::Genesis;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Operations in the ledger document. Older ones have their own documents; the history has all.
pub const OPERATIONS_KEPT: usize = 256;

/// Roster, trust, standings, parameters, configuration and recent operations of a network, with their history.
#[derive(Debug, Clone)]
pub struct LedgerDocument {
    genesis: Genesis,
    network: NetworkId,
    pub(super) document: Automerge,
    /// The change of height `h` is at `h - 1`.
    changes: Vec<ChangeHash>,
    recent: Recent,
}

impl LedgerDocument {
    /// The document at height 0.
    #[must_use]
    pub fn new(genesis: &Genesis) -> Self {
        let network = genesis.network_id();
        let actor = ActorId::from(&network.as_bytes()[..]);
        Self {
            genesis: genesis.clone(),
            network,
            document: Automerge::new().with_actor(actor),
            changes: vec![],
            recent: Recent::default(),
        }
    }

    /// Opens a document that **this node saved**; [`super::OperationDocument::load`] explains why no other bytes may be
    /// given.
    ///
    /// # Errors
    ///
    /// [`DocumentError::OtherNetwork`] if it does not start from `genesis`; [`DocumentError::NotCanonical`] if its changes
    /// are not one per height of the one actor; [`DocumentError::Automerge`] or [`DocumentError::Unreadable`] for other
    /// bytes.
    pub fn load(genesis: &Genesis, bytes: &[u8]) -> Result<Self, DocumentError> {
        let mut ledger = Self::new(genesis);
        let actor = ActorId::from(&ledger.network.as_bytes()[..]);
        let document = Automerge::load(bytes)?.with_actor(actor.clone());
        let mut changes = document.get_changes_meta(&[]);
        changes.sort_by_key(|change| change.seq);
        let mut height = 0;
        let mut last: Option<ChangeHash> = None;
        for change in &changes {
            height += 1;
            if *change.actor != actor {
                return Err(DocumentError::OtherNetwork(ledger.network));
            }
            let follows = change.seq == height && change.deps.iter().eq(last.iter());
            if !follows || change.timestamp != 0 || change.message.is_some() {
                return Err(DocumentError::NotCanonical);
            }
            last = Some(change.hash);
            ledger.changes.push(change.hash);
        }
        drop(changes);
        ledger.document = document;
        if height > 0 {
            let stated = Tree::read(&ledger.document, &ROOT, None, "ledger")?.take("height")?;
            if stated != Tree::from(height) {
                return Err(DocumentError::NotCanonical);
            }
            ledger.recent = ledger.read_recent()?;
        }
        Ok(ledger)
    }

    /// Adds a seal as one change. The cost follows the number of changes in the seal.
    ///
    /// # Errors
    ///
    /// [`DocumentError::WrongHeight`] if the seal is not the next one, [`DocumentError::TooLarge`] for an integer beyond
    /// 2^53. Then the document is unchanged.
    pub fn append(&mut self, change: &LedgerChange) -> Result<(), DocumentError> {
        let expected = self.height() + 1;
        if change.height != expected {
            return Err(DocumentError::WrongHeight {
                expected,
                found: change.height,
            });
        }
        let mut recent = self.recent.clone();
        let (written, dropped) = recent.admit(change);
        let maps = self.maps()?;
        // A transaction that is dropped without a commit is undone.
        let mut transaction = self.document.transaction();
        let maps = match maps {
            Some(maps) => maps,
            None => write_genesis(&mut transaction, &self.genesis, self.network)?,
        };
        write_seal(&mut transaction, &maps, change, &written, &dropped)?;
        let options = CommitOptions::default().with_time(0);
        let (hash, _) = transaction.commit_with(options);
        self.changes
            .push(hash.expect("every seal writes its height"));
        self.recent = recent;
        Ok(())
    }

    /// The height of the last seal; 0 before the first.
    pub fn height(&self) -> u64 {
        self.changes.len() as u64
    }

    /// The network.
    pub fn network(&self) -> NetworkId {
        self.network
    }

    /// The hash of the last change; none at height 0.
    pub fn heads(&self) -> Vec<Digest> {
        heads_of(&self.document)
    }

    /// A digest of the [`LedgerDocument::heads`].
    pub fn digest(&self) -> Digest {
        digest_of(&self.heads())
    }

    /// The document with its history, as any Automerge client reads it. Uncompressed, like
    /// [`super::OperationDocument::save`].
    pub fn save(&self) -> Vec<u8> {
        self.document.save_nocompress()
    }

    /// The changes of the seals above a height, in the form that an Automerge client adds to what it has.
    pub fn save_after(&self, height: u64) -> Vec<u8> {
        let at = height
            .checked_sub(1)
            .and_then(|at| usize::try_from(at).ok());
        let last = at.and_then(|at| self.changes.get(at));
        match (height, last) {
            (0, _) => self.save(),
            (_, None) => Vec::new(),
            (_, Some(last)) => self.document.save_after(&[*last]),
        }
    }

    /// The maps of the document; none at height 0.
    fn maps(&self) -> Result<Option<Maps>, DocumentError> {
        if self.changes.is_empty() {
            return Ok(None);
        }
        let at = |name: &str| match self.document.get(ROOT, name)? {
            Some((Value::Object(ObjType::Map), map)) => Ok(map),
            _ => Err(DocumentError::unreadable(name, "not a map")),
        };
        Ok(Some(Maps {
            roster: at("roster")?,
            params: at("params")?,
            config: at("config")?,
            operations: at("operations")?,
        }))
    }
}

/// The four maps at the root.
struct Maps {
    roster: ObjId,
    params: ObjId,
    config: ObjId,
    operations: ObjId,
}

fn write_genesis<T: Transactable>(
    transaction: &mut T,
    genesis: &Genesis,
    network: NetworkId,
) -> Result<Maps, DocumentError> {
    transaction.put(ROOT, "v", 2_i64)?;
    transaction.put(ROOT, "network", network.as_bytes().to_vec())?;
    transaction.put(ROOT, "genesis", genesis.encode())?;
    Tree::from(0).put(transaction, &ROOT, Place::Key("height"))?;
    Tree::from(genesis.time_ms).put(transaction, &ROOT, Place::Key("time_ms"))?;
    let maps = Maps {
        roster: transaction.put_object(ROOT, "roster", ObjType::Map)?,
        params: transaction.put_object(ROOT, "params", ObjType::Map)?,
        config: transaction.put_object(ROOT, "config", ObjType::Map)?,
        operations: transaction.put_object(ROOT, "operations", ObjType::Map)?,
    };
    for (node, line) in founding_roster(genesis) {
        write_fields(
            transaction,
            &maps.roster,
            &node.to_string(),
            &Tree::of(&line),
        )?;
    }
    for (name, value) in Tree::of(&genesis.params).into_fields("params")? {
        value.put(transaction, &maps.params, Place::Key(&name))?;
    }
    Ok(maps)
}

fn write_seal<T: Transactable>(
    transaction: &mut T,
    maps: &Maps,
    change: &LedgerChange,
    written: &[(OperationId, &OperationEntry)],
    dropped: &[OperationId],
) -> Result<(), DocumentError> {
    Tree::from(change.height).put(transaction, &ROOT, Place::Key("height"))?;
    Tree::from(change.time_ms).put(transaction, &ROOT, Place::Key("time_ms"))?;
    Tree::from(change.seal.as_bytes()).put(transaction, &ROOT, Place::Key("seal"))?;
    for (node, line) in &change.roster {
        let key = node.to_string();
        match line {
            Some(line) => write_fields(transaction, &maps.roster, &key, &Tree::of(line))?,
            None => remove(transaction, &maps.roster, &key)?,
        }
    }
    for (name, value) in &change.params {
        Tree::from(*value).put(transaction, &maps.params, Place::Key(name))?;
    }
    for (key, value) in &change.config {
        match value {
            Some(value) => transaction.put(&maps.config, key.as_str(), value.clone())?,
            None => remove(transaction, &maps.config, key)?,
        }
    }
    for (id, entry) in written {
        let fields = entry.tree(change.height);
        write_fields(transaction, &maps.operations, &id.to_string(), &fields)?;
    }
    for id in dropped {
        remove(transaction, &maps.operations, &id.to_string())?;
    }
    Ok(())
}

/// Writes the fields of an entry, into an existing map if there is one. Unchanged values are not written again.
fn write_fields<T: Transactable>(
    transaction: &mut T,
    map: &ObjId,
    key: &str,
    fields: &Tree,
) -> Result<(), DocumentError> {
    let Some((Value::Object(ObjType::Map), entry)) = transaction.get(map, key)? else {
        return fields.put(transaction, map, Place::Key(key));
    };
    let Tree::Map(fields) = fields else {
        return Err(DocumentError::unreadable(key, "not a map"));
    };
    fields
        .iter()
        .try_for_each(|(name, value)| value.put(transaction, &entry, Place::Key(name)))
}

/// Removes a key if it exists: a member may come and go within one seal.
fn remove<T: Transactable>(
    transaction: &mut T,
    map: &ObjId,
    key: &str,
) -> Result<(), DocumentError> {
    if transaction.get(map, key)?.is_some() {
        transaction.delete(map, key)?;
    }
    Ok(())
}

/// The roster at height 0.
fn founding_roster(genesis: &Genesis) -> BTreeMap<NodeId, MemberLine> {
    let members = genesis.members.iter();
    let members = members.map(|founder| {
        let line = MemberLine::of_founder(founder, &genesis.params);
        (founder.node, line)
    });
    members.collect()
}
