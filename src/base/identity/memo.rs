//! Remembers the results of signature checks, for simulations: there every virtual node checks the same signature, and
//! these checks are most of the work. A check is a pure function, so the memory changes nothing but the time.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::base::digest::SignatureBytes;

/// Entries that are remembered, so that long simulations do not grow.
const ENTRIES_MAX: usize = 20_000;

thread_local! {
    static VERDICTS: RefCell<BTreeMap<[u8; 32], bool>> = const { RefCell::new(BTreeMap::new()) };
}

/// The remembered result for a signature, or that of `check`.
pub(super) fn verdict(
    public_key: &[u8; 32],
    message: &[u8],
    signature: &SignatureBytes,
    check: impl FnOnce() -> bool,
) -> bool {
    let mut hasher = blake3::Hasher::new();
    // Key and signature have fixed lengths, so the parts cannot run into each other.
    hasher.update(public_key);
    hasher.update(signature.as_bytes());
    hasher.update(message);
    let key = *hasher.finalize().as_bytes();
    if let Some(verdict) = VERDICTS.with_borrow(|verdicts| verdicts.get(&key).copied()) {
        return verdict;
    }
    let verdict = check();
    VERDICTS.with_borrow_mut(|verdicts| {
        if verdicts.len() >= ENTRIES_MAX {
            verdicts.clear();
        }
        verdicts.insert(key, verdict);
    });
    verdict
}
