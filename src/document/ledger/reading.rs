//! The ledger document: reading its past, and showing it.

use std::collections::BTreeMap;

use automerge::{ActorId, Automerge, ChangeHash, ObjType, ROOT, ReadDoc as _, Value};
use serde_json::{Value as Json, json};

use super::super::DocumentError;
use super::super::tree::Tree;
use super::recent::Recent;
use super::{LedgerDocument, founding_roster, write_genesis};
use crate::base::digest::{NodeId, OperationId};
use crate::members::roster::MemberLine;

impl LedgerDocument {
    /// The trust of `node` after the seal of `height` in parts per million; `None` if it was not a member then.
    ///
    /// # Errors
    ///
    /// [`DocumentError::FutureHeight`] for a height that is not sealed yet.
    pub fn trust_at(&self, node: &NodeId, height: u64) -> Result<Option<u32>, DocumentError> {
        let Some(heads) = self.heads_at(height)? else {
            let founder = founding_roster(&self.genesis).remove(node);
            return Ok(founder.map(|entry| entry.trust_ppm));
        };
        let Some(maps) = self.maps()? else {
            return Ok(None);
        };
        let key = node.to_string();
        let Some((Value::Object(ObjType::Map), entry)) =
            self.document.get_at(&maps.roster, key, &heads)?
        else {
            return Ok(None);
        };
        match self.document.get_at(&entry, "trust_ppm", &heads)? {
            Some((Value::Scalar(scalar), _)) => Tree::from_scalar(&scalar, "trust_ppm")?
                .value("trust_ppm")
                .map(Some),
            _ => Err(DocumentError::unreadable("trust_ppm", "not an integer")),
        }
    }

    /// The roster after the seal of `height`.
    ///
    /// # Errors
    ///
    /// [`DocumentError::FutureHeight`] for a height that is not sealed yet; [`DocumentError::Unreadable`] if this crate did
    /// not make the document.
    pub fn roster_at(&self, height: u64) -> Result<BTreeMap<NodeId, MemberLine>, DocumentError> {
        let (Some(heads), Some(maps)) = (self.heads_at(height)?, self.maps()?) else {
            return Ok(founding_roster(&self.genesis));
        };
        Tree::read(&self.document, &maps.roster, Some(&heads), "roster")?
            .into_fields("roster")?
            .into_iter()
            .map(|(key, entry)| {
                let place = format!("roster.{key}");
                let node = key
                    .parse()
                    .map_err(|_| DocumentError::unreadable(&place, "the key is not an id"))?;
                Ok((node, entry.value(&place)?))
            })
            .collect()
    }

    /// The document as JSON (`schemas/ledger-document.schema.json`): named fields, byte strings in hexadecimal. At height 0
    /// it has no `seal`.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Unreadable`] if this crate did not make the document.
    pub fn to_json(&self) -> Result<Json, DocumentError> {
        let content = if self.height() > 0 {
            Tree::read(&self.document, &ROOT, None, "ledger")?
        } else {
            let actor = ActorId::from(&self.network.as_bytes()[..]);
            let mut founding = Automerge::new().with_actor(actor);
            let mut transaction = founding.transaction();
            write_genesis(&mut transaction, &self.genesis, self.network)?;
            transaction.commit();
            Tree::read(&founding, &ROOT, None, "ledger")?
        };
        let mut view = content.into_json();
        view["heads"] = json!(self.heads());
        Ok(view)
    }

    /// The heads of a height; none for the genesis.
    fn heads_at(&self, height: u64) -> Result<Option<[ChangeHash; 1]>, DocumentError> {
        let Some(index) = height.checked_sub(1) else {
            return Ok(None);
        };
        let change = usize::try_from(index)
            .ok()
            .and_then(|index| self.changes.get(index));
        change
            .map(|hash| Some([*hash]))
            .ok_or(DocumentError::FutureHeight {
                height,
                at: self.height(),
            })
    }

    /// The operations that the document shows, from its content.
    pub(super) fn read_recent(&self) -> Result<Recent, DocumentError> {
        let mut recent = Recent::default();
        let Some(maps) = self.maps()? else {
            return Ok(recent);
        };
        let operations = Tree::read(&self.document, &maps.operations, None, "operations")?;
        for (key, mut entry) in operations.into_fields("operations")? {
            let id: OperationId = key
                .parse()
                .map_err(|_| DocumentError::unreadable(&key, "the key is not an id"))?;
            recent.insert(id, entry.take("height")?.value("height")?);
        }
        Ok(recent)
    }
}
