//! Whether a seal is worth leading or joining out of turn ([S11]): what it lists must take some operation a step further, or be
//! urgent. Other records wait for a seal that is, or for the proposer whose turn it is.

use crate::base::digest::RecordId;
use crate::core::pool::Pool;
use crate::decision::open::OpenOperation;
use crate::ledger::{Draft, Ledger};
use crate::statement::operation::{Class, Priority};
use crate::statement::record::{Statement, Verified};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Whether the draft freezes, decides or closes an operation, opens one with a quorum of commits, lists evidence, a `Rejoin`, a
/// `Succeed`, or a record of `High` priority or of authority, or something due happens at it.
pub(super) fn is_worth_it(draft: &Draft, ledger: &Ledger, pool: &Pool) -> bool {
    let applied = &draft.applied;
    let opens_with_quorum = || {
        let opened = applied.touched.iter();
        let mut opened = opened.filter(|open| applied.opened.contains(&open.id()));
        opened.any(|open| open.has_quorum_of_commits())
    };
    applied.has_advanced
        || !applied.evidence.is_empty()
        || opens_with_quorum()
        || draft
            .records
            .iter()
            .any(|record| is_urgent(record, ledger, pool))
}

fn is_urgent(record: &Verified, ledger: &Ledger, pool: &Pool) -> bool {
    match record.statement() {
        Statement::Rejoin { .. }
        | Statement::Succeed { .. }
        | Statement::Directive { .. }
        | Statement::Objection { .. }
        | Statement::Resolution { .. } => true,
        _ => proposal_of(record, ledger, pool).is_some_and(|it| is_high(it.statement())),
    }
}

/// The proposal of the operation that a record is about.
fn proposal_of<'a>(
    record: &'a Verified,
    ledger: &'a Ledger,
    pool: &'a Pool,
) -> Option<&'a Verified> {
    if matches!(record.statement(), Statement::Propose { .. }) {
        return Some(record);
    }
    let operation = record.statement().operation()?;
    let open = ledger.state().operation(&operation);
    open.map(OpenOperation::proposal).or_else(|| {
        let pooled = pool.get(&RecordId::from(operation));
        pooled.map(|pooled| &pooled.record)
    })
}

/// The shortest grace of the operations that these records are about; that of claims, if there is none.
pub(super) fn shortest_grace_ms<'a>(
    records: impl Iterator<Item = &'a Verified>,
    ledger: &'a Ledger,
    pool: &'a Pool,
) -> u64 {
    let params = ledger.state().params();
    let graces =
        records.filter_map(
            |record| match proposal_of(record, ledger, pool)?.statement() {
                Statement::Propose { operation, .. } => Some(match operation.class() {
                    Class::Claim => params.claim_grace_ms,
                    Class::Critical | Class::Standard => params.critical_grace_ms,
                }),
                _ => None,
            },
        );
    graces.min().unwrap_or(params.claim_grace_ms)
}

fn is_high(statement: &Statement) -> bool {
    matches!(
        statement,
        Statement::Propose {
            priority: Priority::High,
            ..
        }
    )
}
