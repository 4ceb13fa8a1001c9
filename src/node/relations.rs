//! Each author's relation to the network, and what this node says of itself, for the transport. It is kept beside the core, because the transport asks often
//! and must not wait for a disk.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use crate::base::digest::{Digest, NodeId};
use crate::core::{Core, SigningState};
use crate::engine::Clock;
use crate::ledger::{Applied, State};
use crate::members::trust::Standing;
use crate::net::{Membership, Relation};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The relations as of the last turn.
pub(super) struct Relations {
    known: RwLock<Known>,
    clock: Arc<dyn Clock>,
}

#[derive(Debug, Default)]
struct Known {
    height: u64,
    signing: SigningState,
    relations: BTreeMap<NodeId, Relation>,
    /// Former members that may be electors of open operations.
    left: BTreeSet<NodeId>,
    /// The members of the network that this node's person wants to found in the place of this one ([F3]): those who were excluded
    /// since are served too.
    founders: BTreeSet<NodeId>,
    /// The digests of keys that may replace a member's: each is served as that member ([N1]).
    successors: BTreeSet<Digest>,
    /// Keys that were replaced, with the present key, and the seal time until which they are served all the same ([N1]): the
    /// old key's node learns from others that it was replaced.
    replaced: BTreeMap<NodeId, (NodeId, u64)>,
}

impl Relations {
    pub(super) fn of(core: &Core, clock: Arc<dyn Clock>) -> Self {
        let state = core.ledger().state();
        let mut known = Known {
            height: state.height(),
            signing: core.signing_state(),
            successors: state.roster().successors(),
            founders: founders(core),
            ..Known::default()
        };
        let window_ms = state.params().commit_window_ms;
        for (node, member) in state.roster().iter() {
            let relation = relation(member.trust.standing());
            known.relations.insert(node, relation);
            if let (Some(last), Some(since_ms)) = (member.former.last(), member.succeeded_ms) {
                let until_ms = since_ms.saturating_add(window_ms);
                known.replaced.insert(last.node, (node, until_ms));
            }
        }
        known.forget_replaced(state.time_ms());
        // At a start, the members that left are not known: these are all electors that are not members.
        let electors = state.operations().flat_map(|open| open.electorate().iter());
        let gone = electors.map(|elector| elector.node);
        known.left = gone
            .filter(|node| !known.relations.contains_key(node))
            .collect();
        let known = RwLock::new(known);
        Self { known, clock }
    }

    fn known(&self) -> RwLockReadGuard<'_, Known> {
        self.known.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes over whether the node signs. Returns whether that changed.
    pub(super) fn set_signing(&self, signing: SigningState) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut known.signing, signing) != signing
    }

    /// Takes over whom this node's person wants to go on with. Returns whether that changed.
    pub(super) fn set_founders(&self, core: &Core) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let founders = founders(core);
        let is_changed = known.founders != founders;
        known.founders = founders;
        is_changed
    }

    /// Applies the changes of a seal. Returns whether a relation changed.
    pub(super) fn apply(&self, state: &State, applied: &Applied) -> bool {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        known.height = known.height.max(applied.height);
        let mut is_changed = false;
        if !applied.members.is_empty() {
            known.successors = state.roster().successors();
        }
        for change in &applied.members {
            let node = change.node;
            let now = change.now.as_ref().map(|line| relation(line.standing));
            let before = if let Some(now) = now {
                known.left.remove(&node);
                known.relations.insert(node, now)
            } else {
                known.left.insert(node);
                known.relations.remove(&node)
            };
            is_changed |= before != now;
        }
        if !known.left.is_empty() && (is_changed || !applied.closed.is_empty()) {
            let is_awaited = |node: &NodeId| {
                let mut open = state.operations();
                open.any(|open| open.electorate().get(node).is_some())
            };
            let before = known.left.len();
            known.left.retain(is_awaited);
            is_changed |= known.left.len() != before;
        }
        let until_ms = applied.time_ms + state.params().commit_window_ms;
        for (old, new) in &applied.successions {
            known.replaced.insert(*old, (*new, until_ms));
        }
        is_changed | known.forget_replaced(applied.time_ms)
    }
}

impl Known {
    /// Ends the service of replaced keys whose time is over. Returns whether there were any.
    fn forget_replaced(&mut self, time_ms: u64) -> bool {
        let before = self.replaced.len();
        self.replaced.retain(|_, (_, until_ms)| time_ms < *until_ms);
        self.replaced.len() != before
    }
}

fn founders(core: &Core) -> BTreeSet<NodeId> {
    let endorsed = core.endorsed().into_iter();
    let members = endorsed.flat_map(|own| &own.founding.genesis().members);
    members.map(|member| member.node).collect()
}

fn relation(standing: Standing) -> Relation {
    match standing {
        Standing::Banned => Relation::Banned,
        Standing::Active | Standing::Probation | Standing::Suspended => Relation::Member,
    }
}

impl Membership for Relations {
    fn relation(&self, author: &NodeId) -> Relation {
        let known = self.known();
        match known.relations.get(author) {
            Some(relation) => *relation,
            None if known.left.contains(author) => Relation::Leaving,
            None if known.founders.contains(author) => Relation::Member,
            None if known.successors.contains(&Digest::of_successor(author)) => Relation::Member,
            None => {
                let present = known.replaced.get(author);
                match present.and_then(|(present, _)| known.relations.get(present)) {
                    Some(Relation::Member) => Relation::Leaving,
                    Some(_) | None => Relation::Stranger,
                }
            }
        }
    }

    fn height(&self) -> u64 {
        self.known().height
    }

    fn clock_ms(&self) -> u64 {
        self.clock.now_ms()
    }

    fn signing(&self) -> SigningState {
        self.known().signing
    }
}
