//! Remembers the results of signature checks, for simulations: there every virtual node checks the same signature, and
//! these checks are most of the work. A check is a pure function, so the memory changes nothing but the time. Nothing is
//! remembered on a thread that has not asked for it.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::base::digest::SignatureBytes;

/// Entries that are remembered, so that long simulations do not grow.
const ENTRIES_MAX: usize = 20_000;

thread_local! {
    static VERDICTS: RefCell<Option<BTreeMap<[u8; 32], bool>>> = const { RefCell::new(None) };
}

/// From now on, results are remembered on this thread.
pub fn remember_verdicts() {
    VERDICTS.with_borrow_mut(|verdicts| {
        verdicts.get_or_insert_default();
    });
}

/// Whether results are remembered on this thread.
pub(super) fn is_on() -> bool {
    VERDICTS.with_borrow(Option::is_some)
}

/// The remembered result for a signature, or that of `check`.
pub(super) fn verdict(
    public_key: &[u8; 32],
    message: &[u8],
    signature: &SignatureBytes,
    check: impl FnOnce() -> bool,
) -> bool {
    if !is_on() {
        return check();
    }
    let mut hasher = blake3::Hasher::new();
    // Key and signature have fixed lengths, so the parts cannot run into each other.
    hasher.update(public_key);
    hasher.update(signature.as_bytes());
    hasher.update(message);
    let key = *hasher.finalize().as_bytes();
    if let Some(verdict) = VERDICTS.with_borrow(|verdicts| verdicts.as_ref()?.get(&key).copied()) {
        return verdict;
    }
    let verdict = check();
    VERDICTS.with_borrow_mut(|verdicts| {
        let verdicts = verdicts.get_or_insert_default();
        if verdicts.len() >= ENTRIES_MAX {
            verdicts.clear();
        }
        verdicts.insert(key, verdict);
    });
    verdict
}
