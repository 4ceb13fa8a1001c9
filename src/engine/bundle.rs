//! Sync by a file that a person carries ([N5]). [`crate::exchange::bundle`] is the format.
//!
//! A node imports the whole bundle before it reacts. Its reaction (votes on the next seal, reveals) is in its next export.
//! So everything, including sealing, works by carrying bundles between nodes.

mod export;
mod import;
mod reader;

use std::collections::BTreeMap;
use std::io;

pub use reader::BundleReader;

use super::EngineError;
use crate::base::digest::NetworkId;
use crate::base::rejection::Rejection;
use crate::core::Admission;
use crate::exchange::bundle::{End, Fault, Header, Position};
use crate::past::archive::ArchiveError;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The result of an export.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BundleReport {
    /// The heights in the bundle, and the node's own height.
    pub header: Header,
    /// The records, proposals and votes beside the blocks.
    pub unsealed: u64,
    /// The end of the bundle, with its digest.
    pub end: End,
}

/// Records that were refused with the same code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals {
    /// Their number.
    pub count: u64,
    /// The first of their rejections.
    pub first: Rejection,
}

/// The result of an import.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BundleImport {
    /// The bundle's header, if it was read.
    pub header: Option<Header>,
    /// The last sealed height before the import.
    pub height_before: u64,
    /// The last sealed height after it.
    pub height: u64,
    /// Heights that its blocks added. Its votes may have sealed another one.
    pub applied: u64,
    /// Blocks of heights that were sealed here already.
    pub held: u64,
    /// Records, proposals and votes that this node did not hold.
    pub new: u64,
    /// Records, proposals and votes that this node already held or had sealed.
    pub known: u64,
    /// Records that refer to unknown records. The node keeps some of them; to get the others, import the bundle again.
    pub waiting: u64,
    /// Refused records, by [`Rejection::code`].
    pub refused: BTreeMap<&'static str, Refusals>,
}

impl BundleImport {
    fn count(&mut self, result: Result<Admission, Rejection>) {
        match result {
            Ok(Admission::New) => self.new += 1,
            Ok(Admission::Known) => self.known += 1,
            Ok(Admission::Waiting(_)) => self.waiting += 1,
            Err(rejection) => {
                let refusals = self.refused.entry(rejection.code());
                let refusals = refusals.or_insert(Refusals {
                    count: 0,
                    first: rejection,
                });
                refusals.count += 1;
            }
        }
    }
}

/// Why a bundle cannot be written, or not be read to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// A read or write failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// From this part on it is damaged, or not a bundle.
    #[error("{fault} ({place})")]
    Unreadable {
        /// The part.
        place: Position,
        /// The fault.
        fault: Fault,
    },
    /// The bundle is from another network.
    #[error("the bundle is from another network, {0}")]
    WrongNetwork(NetworkId),
    /// Heights are missing between this node's last one and the bundle's first one.
    #[error(
        "the bundle begins at height {begins}, but this node lacks everything from height {lacks} on: ask for a bundle from height {lacks}"
    )]
    Gap {
        /// The first height of the bundle.
        begins: u64,
        /// The first height that this node lacks.
        lacks: u64,
    },
    /// A block was refused, with everything after it.
    #[error("the block of height {height} is refused: {rejection}")]
    Refused {
        /// The block's height.
        height: u64,
        /// The reason.
        rejection: Rejection,
    },
    /// There are two certificates for one height. Until people choose a branch, this node seals nothing.
    #[error("there is a fork: this node seals nothing more until people choose a branch")]
    Forked,
    /// The node or its store failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<ArchiveError> for BundleError {
    fn from(error: ArchiveError) -> Self {
        Self::Engine(error.into())
    }
}

/// An import that did not reach the end of its bundle. Everything before the fault was imported.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct ImportError {
    /// The reason why it ended.
    pub error: BundleError,
    /// The result up to that point.
    pub imported: Box<BundleImport>,
}
