//! Questions about the sealed past, wherever it is kept.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

use crate::base::digest::{NodeId, OperationId};
use crate::base::rejection::Rejection;
use crate::decision::open::OpenOperation;
use crate::ledger::{Closed, Evidence, Ledger};
use crate::members::trust::{Standing, TrustEntry};
use crate::past::certificate::Certificate;
use crate::statement::genesis::Genesis;
use crate::statement::operation::Class;
use crate::statement::params::Params;
use crate::statement::record::Signed;
use crate::statement::seal::SealedBlock;

/// The stored past cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the stored past cannot be read: {0}")]
pub struct ArchiveError(pub String);

/// A closed operation as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClosedSummary {
    /// The operation.
    pub operation: OperationId,
    /// Its kind, as [`ConsensusOperation::kind`](crate::ConsensusOperation::kind) names it.
    pub kind: Cow<'static, str>,
    /// How it was decided.
    pub class: Class,
    /// Who proposed it.
    pub proposer: NodeId,
    /// What it is about, for people.
    pub subject: String,
    /// How it ended.
    pub closed: Closed,
    /// Why the effect of an approved operation was refused, if it was.
    pub refused_effect: Option<Cow<'static, str>>,
}

/// The sealed past of a network, wherever it is kept: [`History`](crate::past::history::History) keeps it in memory, and a store on a disk.
pub trait Archive {
    /// Why a member's score is what it is: every change, oldest first.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`], here and below, if a disk fails.
    fn explain(&self, node: &NodeId) -> Result<Vec<TrustEntry>, ArchiveError>;

    /// A member's trust (parts per million) and standing after a height; `None` if it was no member then.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`]
    fn trust_at(&self, node: &NodeId, height: u64)
    -> Result<Option<(u32, Standing)>, ArchiveError>;

    /// Every proved equivocation, oldest first.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`]
    fn evidence(&self) -> Result<Vec<Evidence>, ArchiveError>;

    /// Why the effect of a closed operation was refused, if it was.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`]
    fn refused_effect(
        &self,
        operation: &OperationId,
    ) -> Result<Option<Cow<'static, str>>, ArchiveError>;

    /// All closed operations by id, without their records: a store reads one row for each.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`]
    fn all_closed(&self) -> Result<Vec<ClosedSummary>, ArchiveError>;

    /// A closed operation with its records.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`]
    fn closed(&self, operation: &OperationId) -> Result<Option<Arc<OpenOperation>>, ArchiveError>;

    /// The certificate of a closed operation; `None` for any other.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`], also if it would be longer than
    /// [`CERTIFICATE_BYTES_MAX`](crate::base::limits::CERTIFICATE_BYTES_MAX).
    fn certificate(&self, operation: &OperationId) -> Result<Option<Certificate>, ArchiveError>;

    /// The block of a height, if it is sealed.
    ///
    /// # Errors
    ///
    /// [`ArchiveError`]
    fn block(&self, height: u64) -> Result<Option<Arc<SealedBlock>>, ArchiveError>;
}

/// What the members' trust would be if the network had started with other parameters: the sealed log is applied again,
/// with the same records at the same times; what would not have been accepted under them is left out.
///
/// # Errors
///
/// [`Rejection`] if the parameters are not valid, [`ArchiveError`] if a disk fails.
pub fn what_if(
    archive: &dyn Archive,
    genesis: &Genesis,
    params: Params,
) -> Result<Result<BTreeMap<NodeId, u32>, Rejection>, ArchiveError> {
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
        .map(|(node, member)| (node, member.trust.trust_ppm()))
        .collect()))
}
