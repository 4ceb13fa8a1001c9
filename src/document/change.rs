//! Canonical changes ([D2]), made without a document.
//!
//! A transaction on a document with only the dependencies makes the same change (a test compares them). But it needs a
//! document per change, which makes building an operation document four times as expensive. So changes are made from
//! Automerge's expanded form. Its parts are public but undocumented. The frozen heads in the tests reveal whether an update
//! of Automerge encodes them differently.

use std::num::NonZeroU64;

use automerge::legacy::{ElementId, Key, ObjectId, Op, OpId, OpType, SortedVec};
use automerge::{ActorId, Change, ChangeHash, ExpandedChange, ObjType, ScalarValue};

use super::DocumentError;
use super::tree::Tree;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A change under construction: sequence number 1, time 0, no message.
pub(super) struct ChangeBuilder {
    actor: ActorId,
    dependency: Option<ChangeHash>,
    first: NonZeroU64,
    /// The number of the next operation.
    next: u64,
    operations: Vec<Op>,
}

impl ChangeBuilder {
    /// Starts the change of `actor` with this single dependency.
    pub(super) fn new(actor: &[u8; 32], dependency: Option<&Change>) -> Self {
        // It must be larger than all operations that it depends on, or the document does not load.
        let first = dependency.map_or(NonZeroU64::MIN, |change| {
            NonZeroU64::MIN.saturating_add(change.max_op())
        });
        Self {
            actor: ActorId::from(&actor[..]),
            dependency: dependency.map(Change::hash),
            first,
            next: first.get(),
            operations: vec![],
        }
    }

    /// Puts a value under a key of a map.
    pub(super) fn put(
        &mut self,
        map: &ObjectId,
        key: &str,
        value: &Tree,
    ) -> Result<(), DocumentError> {
        self.add(map, Key::Map(key.into()), key, value)
    }

    /// Puts a new map under a key of the root.
    pub(super) fn put_map(&mut self, key: &str) -> ObjectId {
        let key = Key::Map(key.into());
        let id = self.push(&ObjectId::Root, key, OpType::Make(ObjType::Map));
        ObjectId::Id(id)
    }

    /// The change.
    pub(super) fn finish(self) -> Change {
        Change::from(ExpandedChange {
            operations: self.operations,
            actor_id: self.actor,
            hash: None,
            seq: 1,
            start_op: self.first,
            time: 0,
            message: None,
            deps: self.dependency.into_iter().collect(),
            extra_bytes: vec![],
            author: None,
        })
    }

    fn add(
        &mut self,
        object: &ObjectId,
        key: Key,
        place: &str,
        value: &Tree,
    ) -> Result<(), DocumentError> {
        match value {
            Tree::Map(fields) => {
                let map = ObjectId::Id(self.push(object, key, OpType::Make(ObjType::Map)));
                fields
                    .iter()
                    .try_for_each(|(name, field)| self.put(&map, name, field))
            }
            Tree::List(items) => {
                let list = ObjectId::Id(self.push(object, key, OpType::Make(ObjType::List)));
                let mut before = ElementId::Head;
                for item in items {
                    let element = OpId::new(self.next, &self.actor);
                    self.add(&list, Key::Seq(before), place, item)?;
                    before = ElementId::Id(element);
                }
                Ok(())
            }
            scalar => {
                let scalar: ScalarValue = scalar.to_scalar(place)?;
                self.push(object, key, OpType::Put(scalar));
                Ok(())
            }
        }
    }

    fn push(&mut self, object: &ObjectId, key: Key, action: OpType) -> OpId {
        let id = OpId::new(self.next, &self.actor);
        self.next += 1;
        self.operations.push(Op {
            action,
            obj: object.clone(),
            // Elements of lists are only inserted, never overwritten, so no operation has a predecessor.
            insert: !key.is_map_key(),
            key,
            pred: SortedVec::new(),
        });
        id
    }
}
