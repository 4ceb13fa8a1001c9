use std::sync::Arc;

use mycnet_consensus::ClaimItem;

/// One result of a build: which item it answers, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was built: the purl of a package, or the path of a file without a name elsewhere. Its `input` is the SHA-256 of what it
    /// was built from (32 bytes), or empty if that is not known.
    pub item: ClaimItem,
    /// The SHA-256 of what came out.
    pub result: [u8; 32],
    /// The signed original that says so, as it was found, if there is one.
    pub original: Option<Arc<[u8]>>,
}
