use std::sync::Arc;

use mycnet_consensus::ClaimItem;

/// One result of a build: which item it answers, and with what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was built: the purl of a package, or the path of a file without a name elsewhere. Its `input` is the SHA-256 of what it
    /// was built from (32 bytes), or empty if that is not known; a table may give any bytes that fit an item.
    pub item: ClaimItem,
    /// The SHA-256 of what came out.
    pub result: [u8; 32],
    /// The signed original that says so, as it was found, if there is one: a whole link, or a `.buildinfo` in its `OpenPGP` envelope.
    pub original: Option<Arc<[u8]>>,
}
