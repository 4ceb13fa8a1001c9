//! What the ledger of a node says about builds. The book's index names the sets, and nothing but these is read.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mycnet_builds::book::{Index, Place};
use mycnet_builds::{EVIDENCE_MAX, Evidence, Found, Hex, Question};
use mycnet_consensus::core::DecidedOperation;
use mycnet_consensus::node::Node;
use mycnet_consensus::{ConsensusOperation, OperationId};

use crate::failure::Failure;

/// Sets that are kept in memory for the next question: a list has many of one set.
const KEPT: usize = 64;

/// Looks up questions in a ledger.
pub(super) struct Finder<'a> {
    node: &'a Node,
    index: &'a Index,
    sets: BTreeMap<OperationId, Option<Arc<DecidedOperation>>>,
}

impl<'a> Finder<'a> {
    pub(super) fn new(node: &'a Node, index: &'a Index) -> Self {
        let sets = BTreeMap::new();
        Self { node, index, sets }
    }

    pub(super) fn find(&mut self, question: &Question) -> Result<Found, Failure> {
        let mut found = Found::default();
        if let Some(subject) = &question.subject {
            found.about = self.about(subject)?;
        }
        let (true, Some(Hex(result))) = (found.about.is_empty(), &question.result) else {
            return Ok(found);
        };
        let places = self.index.given(result, EVIDENCE_MAX);
        let mut subjects = BTreeSet::new();
        for place in places.map_err(Failure::failed)? {
            // The index has short hashes: of an open set it is believed.
            let evidence = self.at(&place)?;
            let gave = |it: &Evidence| match &it.decided {
                Some(decision) => decision.answers.iter().any(|it| it.result.0 == *result),
                None => true,
            };
            subjects.extend(evidence.filter(gave).map(|it| it.subject));
        }
        if question.is_certain {
            found.known_as = subjects.into_iter().collect();
            return Ok(found);
        }
        for subject in subjects {
            found.about.extend(self.about(&subject)?);
        }
        Ok(found)
    }

    /// What sets say about a subject.
    fn about(&mut self, subject: &str) -> Result<Vec<Evidence>, Failure> {
        let places = self.index.asked(subject, EVIDENCE_MAX);
        let mut about = Vec::new();
        for place in places.map_err(Failure::failed)? {
            about.extend(self.at(&place)?.filter(|it| it.subject == subject));
        }
        Ok(about)
    }

    /// What a set says about one of its items; `None` if it has none there.
    pub(super) fn at(&mut self, place: &Place) -> Result<Option<Evidence>, Failure> {
        let Place {
            operation, item, ..
        } = *place;
        if let Some(decided) = self.decided(operation)? {
            return Evidence::of(&decided.shown(), item).map_err(Failure::failed);
        }
        let proposal = self.node.engine().proposal(&operation)?;
        let Some(ConsensusOperation::ClaimSet { mut items, .. }) = proposal.map(|it| it.what)
        else {
            return Ok(None);
        };
        let item = (item < items.len()).then(|| (item, items.swap_remove(item)));
        Ok(item.map(|(place, item)| Evidence {
            operation,
            item: place,
            subject: item.subject,
            input: Hex(item.input),
            decided: None,
        }))
    }

    fn decided(&mut self, id: OperationId) -> Result<Option<Arc<DecidedOperation>>, Failure> {
        if let Some(kept) = self.sets.get(&id) {
            return Ok(kept.clone());
        }
        let decided = self.node.engine().decided(&id)?.map(Arc::new);
        if self.sets.len() >= KEPT {
            self.sets.clear();
        }
        self.sets.insert(id, decided.clone());
        Ok(decided)
    }
}
