//! The document of one operation: reading its records, and showing it.

use std::collections::BTreeMap;

use automerge::{Automerge, ObjId, ROOT, ReadDoc as _, Value};
use serde_json::{Map, Value as Json, json};

use super::entry::{CONTAINERS, PROOFS, proposal_from, statement_from};
use super::operation::proof_order;
use super::tree::Tree;
use super::{DocumentError, OperationDocument};
use crate::base::digest::{NetworkId, NodeId, OperationId, RecordId};
use crate::statement::record::{Body, Proof, Record};

impl OperationDocument {
    /// Opens a document that **this node saved**. Never give it other bytes: Automerge's decoders panic, hang or allocate
    /// without bound on crafted input, and catching a panic is not enough. Peers send records instead.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Automerge`] or [`DocumentError::Unreadable`] for other bytes. [`OperationDocument::records`] reads
    /// the records and checks them.
    pub fn load(bytes: &[u8]) -> Result<Self, DocumentError> {
        let document = Automerge::load(bytes)?;
        let (_, object) = map_at(&document, "operation")?;
        let id = OperationId::from(actor_of(&object, "operation")?);
        Ok(Self { id, document })
    }

    /// The records with their proofs, by id. Each is built from its fields and has the id of its change.
    ///
    /// The proofs are not verified again.
    ///
    /// # Errors
    ///
    /// [`DocumentError::WrongId`] if a field was changed; [`DocumentError::Unreadable`] if a field or a proof is missing, or
    /// has another type.
    pub fn records(&self) -> Result<Vec<Record>, DocumentError> {
        let mut bodies = BTreeMap::from([(RecordId::from(self.id), self.proposal()?)]);
        let net = bodies[&RecordId::from(self.id)].net;
        for (container, kind) in CONTAINERS {
            for entry in self.entries(container)? {
                let place = format!("{container}.{}", entry.key);
                let by: NodeId = parse_key(&entry.key, &place)?;
                let what = statement_from(kind, self.id, entry.fields, &place)?;
                let v = 1;
                bodies.insert(entry.made_by, Body { v, by, net, what });
            }
        }
        let mut proofs = self.proofs()?;
        bodies
            .into_iter()
            .map(|(stored, body)| {
                let read = body.id();
                if read != stored {
                    return Err(DocumentError::WrongId { stored, read });
                }
                let proof = proofs.remove(&stored).ok_or_else(|| {
                    DocumentError::unreadable(format!("{PROOFS}.{stored}"), "the proof is missing")
                })?;
                Ok(Record { body, proof })
            })
            .collect()
    }

    /// Whether the document equals, change by change, the one that its records make. This finds what
    /// [`OperationDocument::records`] does not check: changes of other actors, other times, additional fields.
    ///
    /// # Errors
    ///
    /// [`DocumentError::NotCanonical`], or the reason why the records cannot be read or used.
    pub fn check(&self) -> Result<(), DocumentError> {
        let records = self.records()?;
        let rebuilt = Self::build_from(records.iter().map(|record| (record.body.id(), record)))?;
        if rebuilt.heads() == self.heads() {
            Ok(())
        } else {
            Err(DocumentError::NotCanonical)
        }
    }

    /// The document as JSON (`schemas/operation-document.schema.json`): named fields, byte strings in hexadecimal, each
    /// entry with the id of its `record`. Where an author made several entries, `conflicts` lists all of them by id: none
    /// counts more than another.
    ///
    /// # Errors
    ///
    /// [`DocumentError::Unreadable`] if the document is not one of this crate.
    pub fn to_json(&self) -> Result<Json, DocumentError> {
        let Body { v, net, .. } = self.proposal()?;
        let mut proposal = self.fields("proposal")?;
        if let Tree::Map(fields) = &mut proposal {
            fields.insert("record".to_owned(), Tree::Text(self.id.to_string()));
        }
        let mut view = Map::new();
        view.insert("v".to_owned(), json!(v));
        view.insert("network".to_owned(), json!(net));
        view.insert("proposal".to_owned(), proposal.into_json());
        let operation = self.fields("operation")?.into_json();
        view.insert("operation".to_owned(), operation);
        for (container, _) in CONTAINERS {
            view.insert(container.to_owned(), self.container_json(container)?);
        }
        let proofs = self.proofs()?.into_iter();
        let proofs: Map<String, Json> = proofs
            .map(|(id, proof)| (id.to_string(), Tree::of(&proof).into_json()))
            .collect();
        view.insert(PROOFS.to_owned(), Json::Object(proofs));
        view.insert("heads".to_owned(), json!(self.heads()));
        Ok(Json::Object(view))
    }

    fn container_json(&self, container: &str) -> Result<Json, DocumentError> {
        let mut by_author: BTreeMap<String, BTreeMap<RecordId, Json>> = BTreeMap::new();
        for entry in self.entries(container)? {
            let mut fields = entry.fields;
            if let Tree::Map(fields) = &mut fields {
                let record = Tree::Text(entry.made_by.to_string());
                fields.insert("record".to_owned(), record);
            }
            by_author
                .entry(entry.key)
                .or_default()
                .insert(entry.made_by, fields.into_json());
        }
        let entries = by_author.into_iter().map(|(author, entries)| {
            let mut entries: Vec<Json> = entries.into_values().collect();
            let shown = if entries.len() == 1 {
                entries.remove(0)
            } else {
                json!({ "conflicts": entries })
            };
            (author, shown)
        });
        Ok(Json::Object(entries.collect()))
    }

    /// The body of the `Propose`, from its fields.
    fn proposal(&self) -> Result<Body, DocumentError> {
        let mut proposal = self.fields("proposal")?;
        let by = proposal.take("by")?.value("proposal.by")?;
        let what = proposal_from(proposal, self.fields("operation")?)?;
        let net: NetworkId = self.scalar("network")?.value("network")?;
        let v = self.scalar("v")?.value("v")?;
        if v != 1 {
            return Err(DocumentError::unreadable("v", "a version other than 1"));
        }
        Ok(Body { v, by, net, what })
    }

    fn fields(&self, name: &str) -> Result<Tree, DocumentError> {
        let (tree, _) = map_at(&self.document, name)?;
        Ok(tree)
    }

    fn scalar(&self, name: &str) -> Result<Tree, DocumentError> {
        match self.document.get_all(ROOT, name)?.as_slice() {
            [(Value::Scalar(scalar), _)] => Tree::from_scalar(scalar, name),
            _ => Err(DocumentError::unreadable(name, "not one scalar")),
        }
    }

    /// All entries of a container, including those in conflict.
    fn entries(&self, container: &str) -> Result<Vec<StoredEntry>, DocumentError> {
        let map = object_at(&self.document, container)?;
        let mut entries = vec![];
        for key in self.document.keys(&map) {
            let place = format!("{container}.{key}");
            for (value, object) in self.document.get_all(&map, key.as_str())? {
                if !value.is_object() {
                    return Err(DocumentError::unreadable(place, "not a map"));
                }
                entries.push(StoredEntry {
                    key: key.clone(),
                    made_by: actor_of(&object, &place)?,
                    fields: Tree::read(&self.document, &object, None, &place)?,
                });
            }
        }
        Ok(entries)
    }

    /// The proofs by record. If merged documents had different proofs of a body, the smaller one.
    fn proofs(&self) -> Result<BTreeMap<RecordId, Proof>, DocumentError> {
        let mut proofs: BTreeMap<RecordId, Proof> = BTreeMap::new();
        for entry in self.entries(PROOFS)? {
            let place = format!("{PROOFS}.{}", entry.key);
            let id = parse_key(&entry.key, &place)?;
            let proof: Proof = entry.fields.value(&place)?;
            if proofs
                .get(&id)
                .is_none_or(|kept| proof_order(&proof) < proof_order(kept))
            {
                proofs.insert(id, proof);
            }
        }
        Ok(proofs)
    }
}

struct StoredEntry {
    key: String,
    /// The actor of the change that made an object.
    made_by: RecordId,
    fields: Tree,
}

fn parse_key<T: std::str::FromStr>(key: &str, place: &str) -> Result<T, DocumentError> {
    // Upper-case digits would parse too, but are another key.
    if key.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Err(DocumentError::unreadable(place, "the key is not an id"));
    }
    key.parse()
        .map_err(|_| DocumentError::unreadable(place, "the key is not an id"))
}

/// The only object at a key of the root.
fn object_at(document: &Automerge, name: &str) -> Result<ObjId, DocumentError> {
    let mut values = document.get_all(ROOT, name)?;
    match (values.pop(), values.is_empty()) {
        (Some((Value::Object(_), object)), true) => Ok(object),
        _ => Err(DocumentError::unreadable(name, "not one map")),
    }
}

fn map_at(document: &Automerge, name: &str) -> Result<(Tree, ObjId), DocumentError> {
    let object = object_at(document, name)?;
    let tree = Tree::read(document, &object, None, name)?;
    Ok((tree, object))
}

/// The actor of the change that created an object, which is a record's id.
fn actor_of(object: &ObjId, place: &str) -> Result<RecordId, DocumentError> {
    match object {
        ObjId::Id(_, actor, _) => actor.to_bytes().try_into().ok(),
        ObjId::Root => None,
    }
    .map(|bytes: [u8; 32]| RecordId::from_bytes(bytes))
    .ok_or_else(|| DocumentError::unreadable(place, "its actor is not a record"))
}
