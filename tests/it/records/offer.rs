//! Offering bytes to a verifier. Every record made here carries a good signature of Ada.
#![allow(
    clippy::unnecessary_wraps,
    reason = "tables say what comes of each case: `None`, or one of these"
)]

use mycnet_consensus::internals::record::Statement;
use mycnet_consensus::{ClaimRule, ConsensusOperation as Op, NodeId, Priority, Rejection, SealId};

use super::{forged, verifier};
use crate::samples::batch;

pub(crate) fn refusal(bytes: &[u8]) -> Option<Rejection> {
    let mut verifier = verifier();
    let rejection = verifier.admit(bytes).err();
    // After any refusal, the next good record is admitted.
    let good = batch()[0].encode();
    assert_eq!(
        verifier.admit(&good).map(|record| record.id()),
        Ok(batch()[0].id())
    );
    rejection
}

pub(crate) fn propose(operation: Op) -> Vec<u8> {
    forged(Statement::Propose {
        operation,
        priority: Priority::Normal,
        last: SealId::default(),
        nonce: 0,
    })
}

pub(crate) fn over(what: &'static str, limit: usize) -> Option<Rejection> {
    Some(Rejection::OverLimit { what, limit })
}

pub(crate) fn malformed(why: &'static str) -> Option<Rejection> {
    Some(Rejection::Malformed(why))
}

/// A name, the offered bytes, and the expected refusal.
pub(crate) type Case = (&'static str, Vec<u8>, Option<Rejection>);

pub(crate) fn judge(cases: Vec<Case>) {
    for (name, bytes, expected) in cases {
        assert_eq!(refusal(&bytes), expected, "{name}");
    }
}

pub(crate) fn claim(subject: &str, input: usize, panel: Option<Vec<NodeId>>) -> Vec<u8> {
    propose(Op::Claim {
        subject: subject.into(),
        input: vec![0; input],
        panel,
        rule: ClaimRule::MAJORITY,
    })
}
