//! Checks of many signatures at once.

use std::sync::Arc;

#[cfg(feature = "sim")]
use super::memo;
use super::public_key::PublicKey;
use super::table::{self, Table};
use super::tables::Tables;
use crate::base::digest::{NodeId, SignatureBytes};

/// A signature to be checked.
#[derive(Debug)]
pub struct Check<'a> {
    key: &'a PublicKey,
    table: Option<Arc<Table>>,
    message: Vec<u8>,
    signature: SignatureBytes,
}

impl<'a> Check<'a> {
    /// A check of `node`'s signature of `message`; `key` is its decoded key.
    pub fn new(
        (node, key): (&NodeId, &'a PublicKey),
        tables: &mut Tables,
        message: Vec<u8>,
        signature: SignatureBytes,
    ) -> Self {
        Self {
            key,
            table: tables.take(node, key),
            message,
            signature,
        }
    }
}

/// Whether each signature is good: for each the verdict of `verify_strict`.
#[must_use]
pub fn verdicts(checks: &[Check<'_>]) -> Vec<bool> {
    #[cfg(feature = "sim")]
    if memo::is_on() {
        let verdicts = checks.iter().map(|check| {
            let key = check.key.inner().as_bytes();
            memo::verdict(key, &check.message, &check.signature, || {
                at_once(std::slice::from_ref(check))[0]
            })
        });
        return verdicts.collect();
    }
    at_once(checks)
}

/// All points first, then their encodings together.
fn at_once(checks: &[Check<'_>]) -> Vec<bool> {
    let mut verdicts = vec![false; checks.len()];
    let (mut places, mut points) = (Vec::new(), Vec::new());
    for (place, check) in checks.iter().enumerate() {
        let Some(table) = &check.table else {
            verdicts[place] = check.key.verifies(&check.message, &check.signature);
            continue;
        };
        if let Some(point) = table.point(&check.message, &check.signature) {
            places.push(place);
            points.push((point, &check.signature));
        }
    }
    // Without points too, the inversion would cost a fifth of a check.
    if points.is_empty() {
        return verdicts;
    }
    for (place, is_good) in places.into_iter().zip(table::begin_with(&points)) {
        verdicts[place] = is_good;
    }
    verdicts
}

#[cfg(test)]
mod tests;
