use std::io::{self, Read};
use std::sync::Arc;

use mycnet_consensus::ClaimItem;
use sha2::{Digest as _, Sha256};

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

/// The SHA-256 of a stream, of which a piece at a time is in memory.
///
/// # Errors
///
/// Those of the stream.
pub fn sha256_of(mut source: impl Read) -> io::Result<[u8; 32]> {
    let (mut hash, mut piece) = (Sha256::new(), vec![0; 64 * 1024]);
    loop {
        match source.read(&mut piece) {
            Ok(0) => return Ok(hash.finalize().into()),
            Ok(length) => hash.update(&piece[..length]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
