//! Queries about the sealed past, in memory or on a disk.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::base::digest::{Digest, NodeId, OperationId, SealId};
use crate::base::rejection::Rejection;
use crate::decision::leaf::{ItemLeaf, Leaf, leaf_of};
use crate::decision::open::OpenOperation;
use crate::ledger::{Closed, Evidence, Ledger, State};
use crate::members::roster::{Elector, MemberLine};
use crate::members::trust::TrustEntry;
use crate::past::index::ShownOperation;
use crate::statement::genesis::Genesis;
use crate::statement::operation::Class;
use crate::statement::params::Params;
use crate::statement::record::{Seal, Signed};
use crate::statement::seal::{SealCertificate, SealedBlock};

/// The stored past cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored past cannot be read: {0}")]
pub struct ArchiveError(pub String);

/// A closed operation as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedSummary {
    /// The operation.
    pub operation: OperationId,
    /// Its kind ([`ConsensusOperation::kind`](crate::ConsensusOperation::kind)).
    pub kind: Cow<'static, str>,
    /// How it was decided.
    pub class: Class,
    /// The author of its proposal.
    pub proposer: NodeId,
    /// Its subject, for people.
    pub subject: String,
    /// Its outcome and heights.
    pub closed: Closed,
    /// The reason if the effect of the approved operation was refused.
    pub refused_effect: Option<Cow<'static, str>>,
}

/// An operation that was decided, and by which seal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidedAt {
    /// The operation.
    pub operation: OperationId,
    /// Its kind ([`ConsensusOperation::kind`](crate::ConsensusOperation::kind)).
    pub kind: Cow<'static, str>,
    /// The seal that decided it.
    pub height: u64,
}

/// What a decided operation left in the log of decided operations ([H3](crate::core::Leaf)).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecidedOperation {
    /// Its place in the log.
    pub index: u64,
    /// Its leaf.
    pub leaf: Leaf,
    /// The items of a claim set.
    pub items: Vec<ItemLeaf>,
    /// Its electors, in the order of their keys.
    pub electors: Vec<Elector>,
}

impl DecidedOperation {
    /// What an operation left; `None` before it is decided. The cost is that of its answers.
    pub(crate) fn of(operation: &OpenOperation) -> Option<Self> {
        let (leaf, items) = leaf_of(operation)?;
        Some(Self {
            index: operation.decision()?.index,
            leaf,
            items,
            electors: operation.electorate().iter().copied().collect(),
        })
    }

    /// The same, as an [`Index`](crate::core::Index) shows it.
    pub fn shown(&self) -> ShownOperation<'_> {
        ShownOperation {
            leaf: &self.leaf,
            items: &self.items,
            electors: &self.electors,
        }
    }
}

/// The logs that a seal's state commits to, up to the last seal, and what leads there from the genesis.
#[derive(Debug, Clone)]
pub struct Logs {
    /// The ids of all seals, that of the genesis first.
    pub seals: Vec<SealId>,
    /// The hashes of the leaves of all decided operations, in the order of their decision.
    pub leaves: Vec<Digest>,
    /// The seals after which others seal, in order, and who, in the order of their keys.
    pub changes: Vec<(Seal, SealCertificate, Vec<NodeId>)>,
    /// The last seal.
    pub last: (Seal, SealCertificate),
    /// The digest of its state apart from the logs ([`StateParts::rest`](crate::ledger::StateParts::rest)).
    pub rest: Digest,
}

/// The sealed past of a network: [`History`](crate::past::history::History) keeps it in memory, a store keeps it on a disk.
///
/// Every method gives an [`ArchiveError`] if a disk fails.
#[allow(clippy::missing_errors_doc, reason = "stated once above")]
pub trait Archive {
    /// Every change of a member's score with its reason, oldest first.
    fn explain(&self, node: &NodeId) -> Result<Vec<TrustEntry>, ArchiveError>;

    /// A member's trust (parts per million) and standing after a height; `None` if it was not a member then.
    fn trust_at(&self, node: &NodeId, height: u64) -> Result<Option<MemberLine>, ArchiveError>;

    /// Every proved equivocation, oldest first.
    fn evidence(&self) -> Result<Vec<Evidence>, ArchiveError>;

    /// The reason if the effect of a closed operation was refused.
    fn refused_effect(
        &self,
        operation: &OperationId,
    ) -> Result<Option<Cow<'static, str>>, ArchiveError>;

    /// All closed operations by id, without their records. A store reads one row for each.
    fn all_closed(&self) -> Result<Vec<ClosedSummary>, ArchiveError>;

    /// A closed operation with its records.
    fn closed(&self, operation: &OperationId) -> Result<Option<Arc<OpenOperation>>, ArchiveError>;

    /// The operations that closed at a height or later. A store reads what closed since then, and without records.
    fn closed_since(&self, height: u64) -> Result<Vec<DecidedAt>, ArchiveError>;

    /// What a closed operation left in the log of decided operations; `None` for any other. Reads that operation alone.
    fn decided(&self, operation: &OperationId) -> Result<Option<DecidedOperation>, ArchiveError>;

    /// The seal of a height, if there is one.
    fn header(&self, height: u64) -> Result<Option<Seal>, ArchiveError>;

    /// What proofs are made of, up to the last seal; `None` before the first.
    fn logs(&self) -> Result<Option<Logs>, ArchiveError>;

    /// The block of a height, if it is sealed.
    fn block(&self, height: u64) -> Result<Option<Arc<SealedBlock>>, ArchiveError>;
}

/// Shows the state after each of these heights that is sealed. Applies the sealed log once, from the beginning, so it takes time in
/// proportion to it.
///
/// # Errors
///
/// [`ArchiveError`] if a disk fails, or a block does not give what it states.
pub fn visit_states(
    archive: &dyn Archive,
    genesis: &Genesis,
    heights: &BTreeSet<u64>,
    visit: &mut dyn FnMut(&State),
) -> Result<(), ArchiveError> {
    let mut ledger = Ledger::new(genesis);
    for at in 0..=heights.last().copied().unwrap_or(0) {
        if at > 0 {
            let Some(block) = archive.block(at)? else {
                return Ok(());
            };
            let records = block.records.iter();
            let records = records.map(|it| Signed::try_from(it.clone()).map(Signed::trusted));
            let draft = records
                .collect::<Result<_, _>>()
                .and_then(|records| ledger.check(&block.seal, records));
            let draft = draft.map_err(|error| ArchiveError(format!("height {at}: {error}")))?;
            ledger.commit(draft);
        }
        if heights.contains(&at) {
            visit(ledger.state());
        }
    }
    Ok(())
}

/// The scores that members would have if the network had started with other parameters. Applies the sealed log again, with the
/// same records at the same times, and leaves out records that would not have been accepted.
///
/// # Errors
///
/// [`Rejection`] if the parameters are not valid, [`ArchiveError`] if a disk fails.
pub fn what_if(
    archive: &dyn Archive,
    genesis: &Genesis,
    params: Params,
) -> Result<Result<BTreeMap<NodeId, MemberLine>, Rejection>, ArchiveError> {
    let changed = Genesis {
        params,
        ..genesis.clone()
    };
    if let Err(rejection) = changed.check() {
        return Ok(Err(rejection));
    }
    let mut ledger = Ledger::alternative(genesis, &changed);
    let mut height = 1;
    while let Some(block) = archive.block(height)? {
        let records = block.records.iter();
        // Sealed records were verified once.
        let records = records.filter_map(|record| Signed::try_from(record.clone()).ok());
        ledger.replay(&block.seal, records.map(Signed::trusted).collect());
        height += 1;
    }
    let roster = ledger.state().roster();
    Ok(Ok(roster
        .iter()
        .map(|(node, member)| (node, MemberLine::of(member)))
        .collect()))
}
