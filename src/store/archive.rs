//! The store as an [`Archive`].

use std::borrow::Cow;
use std::sync::Arc;

use super::{Store, StoreError};
use crate::base::digest::{NodeId, OperationId};
use crate::decision::open::OpenOperation;
use crate::ledger::Evidence;
use crate::members::roster::MemberLine;
use crate::members::trust::TrustEntry;
use crate::past::archive::{
    Archive, ArchiveError, ClosedSummary, DecidedAt, DecidedOperation, Logs,
};
use crate::statement::record::Seal;
use crate::statement::seal::SealedBlock;

fn unreadable(error: impl Into<StoreError>) -> ArchiveError {
    ArchiveError(error.into().to_string())
}

impl Archive for Store {
    fn explain(&self, node: &NodeId) -> Result<Vec<TrustEntry>, ArchiveError> {
        Store::explain(self, node).map_err(unreadable)
    }

    fn trust_at(&self, node: &NodeId, height: u64) -> Result<Option<MemberLine>, ArchiveError> {
        Store::trust_at(self, node, height).map_err(unreadable)
    }

    fn evidence(&self) -> Result<Vec<Evidence>, ArchiveError> {
        Store::evidence(self).map_err(unreadable)
    }

    fn refused_effect(
        &self,
        operation: &OperationId,
    ) -> Result<Option<Cow<'static, str>>, ArchiveError> {
        let effect = Store::effect(self, operation).map_err(unreadable)?;
        Ok(effect.and_then(Result::err))
    }

    fn all_closed(&self) -> Result<Vec<ClosedSummary>, ArchiveError> {
        Store::all_closed(self).map_err(unreadable)
    }

    fn closed(&self, operation: &OperationId) -> Result<Option<Arc<OpenOperation>>, ArchiveError> {
        let closed = Store::closed(self, operation).map_err(unreadable)?;
        Ok(closed.map(Arc::new))
    }

    fn closed_since(&self, height: u64) -> Result<Vec<DecidedAt>, ArchiveError> {
        Store::closed_since(self, height).map_err(unreadable)
    }

    fn decided(&self, operation: &OperationId) -> Result<Option<DecidedOperation>, ArchiveError> {
        Store::decided(self, operation).map_err(unreadable)
    }

    fn header(&self, height: u64) -> Result<Option<Seal>, ArchiveError> {
        Store::header(self, height).map_err(unreadable)
    }

    fn logs(&self) -> Result<Option<Logs>, ArchiveError> {
        Store::logs(self).map_err(unreadable)
    }

    fn block(&self, height: u64) -> Result<Option<Arc<SealedBlock>>, ArchiveError> {
        let block = Store::block(self, height).map_err(unreadable)?;
        Ok(block.map(Arc::new))
    }
}
