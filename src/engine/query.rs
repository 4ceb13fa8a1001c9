//! Local queries: answered from what this node holds.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{BFTConsensusEngine, EngineError};
use crate::certificate::Certificate;
use crate::core::{OperationStatus, SealStatus};
use crate::digest::{NodeId, OperationId, SealId};
use crate::ledger::Evidence;
use crate::operation::{Class, Outcome, Spore};
use crate::params::Params;
use crate::trust::{Standing, TrustEntry};

/// One line of the roster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MemberView {
    /// The member.
    pub node: NodeId,
    /// Its role.
    pub role: Spore,
    /// Its trust in parts per million.
    pub trust_ppm: u32,
    /// Its standing.
    pub standing: Standing,
    /// What it weighs in critical votes, sealing and authority.
    pub critical_weight: u64,
    /// What it weighs in claims.
    pub claim_weight: u64,
}

/// Which operations to list. The default lists all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OperationFilter {
    /// Only open (`true`) or only closed (`false`) ones.
    pub is_open: Option<bool>,
    /// Only of this class (closed ones: the class they were decided by).
    pub class: Option<Class>,
    /// Only of this kind, as [`crate::ConsensusOperation::kind`] names it.
    pub kind: Option<String>,
    /// Only by this proposer.
    pub proposer: Option<NodeId>,
}

/// One operation in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OperationView {
    /// The operation.
    pub operation: OperationId,
    /// Its kind.
    pub kind: &'static str,
    /// How it is (was) decided.
    pub class: Class,
    /// Who proposed it.
    pub proposer: NodeId,
    /// `authority`, `committing`, `revealing`, `decided` or `closed`.
    pub phase: &'static str,
    /// The final outcome, if there is one.
    pub outcome: Option<Outcome>,
    /// Why the effect of an approved operation was refused, if it was.
    pub refused_effect: Option<&'static str>,
}

impl BFTConsensusEngine {
    /// The last sealed height.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.hub
            .with(self.at, |node| node.core.ledger().state().height())
    }

    /// The last seal.
    #[must_use]
    pub fn seal(&self) -> SealId {
        self.hub
            .with(self.at, |node| node.core.ledger().state().seal())
    }

    /// Where the agreement on the next seal stands, and whom it waits for.
    #[must_use]
    pub fn seal_status(&self) -> SealStatus {
        self.hub.with(self.at, |node| node.core.seal_status())
    }

    /// Where an operation stands, whose records are missing, and what its window does; `None` if it is not known here.
    #[must_use]
    pub fn status(&self, operation: &OperationId) -> Option<OperationStatus> {
        self.hub.with(self.at, |node| node.core.status(operation))
    }

    /// The final outcome, if there is one.
    #[must_use]
    pub fn outcome(&self, operation: &OperationId) -> Option<Outcome> {
        let (outcome, _) = self.status(operation)?.outcome?;
        Some(outcome)
    }

    /// The certificate of a closed operation, which [`Certificate::verify`] checks with the genesis alone.
    #[must_use]
    pub fn certificate(&self, operation: &OperationId) -> Option<Certificate> {
        self.hub.with(self.at, |node| {
            node.history.certificate(self.genesis(), operation)
        })
    }

    /// A member's trust in parts per million; 0 for anybody else.
    #[must_use]
    pub fn trust(&self, node: &NodeId) -> u32 {
        self.hub.with(self.at, |own| {
            let member = own.core.ledger().state().roster().get(node);
            member.map_or(0, |member| member.trust.trust_ppm())
        })
    }

    /// A member's trust (parts per million) and standing after a height; `None` if it was no member then.
    #[must_use]
    pub fn trust_at(&self, node: &NodeId, height: u64) -> Option<(u32, Standing)> {
        self.hub.with(self.at, |own| {
            own.history.trust_at(self.genesis(), node, height)
        })
    }

    /// Why a member's score is what it is: every change, oldest first.
    #[must_use]
    pub fn explain(&self, node: &NodeId) -> Vec<TrustEntry> {
        self.hub
            .with(self.at, |own| own.history.explain(node).to_vec())
    }

    /// Everybody's trust if the network had started with other parameters: the sealed log applied again.
    ///
    /// # Errors
    ///
    /// [`EngineError::Refused`] if the parameters are not valid.
    pub fn what_if(&self, params: Params) -> Result<BTreeMap<NodeId, u32>, EngineError> {
        let history = self.hub.with(self.at, |node| node.history.clone());
        Ok(history.what_if(self.genesis(), params)?)
    }

    /// The members, by key.
    #[must_use]
    pub fn roster(&self) -> Vec<MemberView> {
        self.hub.with(self.at, |own| {
            let roster = own.core.ledger().state().roster();
            roster
                .iter()
                .map(|(node, member)| MemberView {
                    node,
                    role: member.role,
                    trust_ppm: member.trust.trust_ppm(),
                    standing: member.trust.standing(),
                    critical_weight: member.trust.critical_weight(),
                    claim_weight: member.trust.claim_weight(),
                })
                .collect()
        })
    }

    /// The configuration map.
    #[must_use]
    pub fn config(&self) -> BTreeMap<String, Vec<u8>> {
        self.hub
            .with(self.at, |node| node.core.ledger().state().config().clone())
    }

    /// The parameters in force.
    #[must_use]
    pub fn params(&self) -> Params {
        self.hub
            .with(self.at, |node| node.core.ledger().state().params().clone())
    }

    /// Sealed operations, open ones first, each by id.
    #[must_use]
    pub fn operations(&self, filter: &OperationFilter) -> Vec<OperationView> {
        self.hub.with(self.at, |node| {
            let open = node.core.ledger().state().operations();
            let past = node.core.ledger().past().all_closed();
            let closed = past.filter_map(|(id, _)| node.history.closed(&id));
            open.chain(closed)
                .map(|operation| OperationView {
                    operation: operation.id(),
                    kind: operation.operation().kind(),
                    class: operation.class(),
                    proposer: operation.proposal().author(),
                    phase: operation.phase_name(),
                    outcome: operation
                        .decision()
                        .map(|decision| decision.outcome.clone()),
                    refused_effect: node
                        .history
                        .effect(&operation.id())
                        .and_then(|effect| effect.result.err()),
                })
                .filter(|view| filter.admits(view))
                .collect()
        })
    }

    /// Every proved equivocation, oldest first.
    #[must_use]
    pub fn evidence(&self) -> Vec<Evidence> {
        self.hub
            .with(self.at, |node| node.history.evidence().to_vec())
    }
}

impl OperationFilter {
    fn admits(&self, view: &OperationView) -> bool {
        self.is_open
            .is_none_or(|is_open| is_open == (view.phase != "closed"))
            && self.class.is_none_or(|class| class == view.class)
            && self.kind.as_ref().is_none_or(|kind| kind == view.kind)
            && self
                .proposer
                .is_none_or(|proposer| proposer == view.proposer)
    }
}
