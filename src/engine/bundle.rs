//! Sync by a file that somebody carries (DESIGN section 12). [`crate::exchange::bundle`] is the format.
//!
//! A node that imports takes in the whole bundle before it says anything because of it, and what it says then (votes on the
//! next seal, reveals) is in its next export. So everything is decided by carrying bundles to and fro, sealing included.

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

/// What was exported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BundleReport {
    /// Which heights it has, and where this node stood.
    pub header: Header,
    /// How many records, proposals and votes beside its blocks.
    pub unsealed: u64,
    /// Its end; the digest tells bundles apart.
    pub end: End,
}

/// Records that were refused for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusals {
    /// How many.
    pub count: u64,
    /// The first of these rejections.
    pub first: Rejection,
}

/// What an import did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BundleImport {
    /// The bundle's header, if it was read.
    pub header: Option<Header>,
    /// The last sealed height before.
    pub height_before: u64,
    /// The last sealed height now.
    pub height: u64,
    /// Heights applied from its blocks. Its votes may have sealed another one.
    pub applied: u64,
    /// Blocks whose heights were sealed here already.
    pub held: u64,
    /// Of the rest, how many this node did not hold.
    pub new: u64,
    /// How many it held, or has sealed.
    pub known: u64,
    /// How many refer to something that it does not have. It keeps some of these; another import brings the others again.
    pub waiting: u64,
    /// What it refused, by [`Rejection::code`].
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

/// Why a bundle cannot be written, or not be taken to its end.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleError {
    /// Reading or writing failed.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is no bundle, or damaged, from this part on.
    #[error("{fault} ({place})")]
    Unreadable {
        /// Where.
        place: Position,
        /// Why.
        fault: Fault,
    },
    /// Made in another network.
    #[error("a bundle of another network, {0}")]
    WrongNetwork(NetworkId),
    /// Heights are missing between what this node has and what the bundle has.
    #[error(
        "the bundle begins at height {begins}, this node lacks everything from height {lacks} on: ask for a bundle from height {lacks}"
    )]
    Gap {
        /// The first height of the bundle.
        begins: u64,
        /// The first height that this node lacks.
        lacks: u64,
    },
    /// A block was refused, and so everything after it.
    #[error("the block of height {height} is refused: {rejection}")]
    Refused {
        /// Its height.
        height: u64,
        /// Why.
        rejection: Rejection,
    },
    /// Two certificates for one height are known: until people have said which branch goes on, this node seals nothing.
    #[error(
        "there is a fork: nothing more is sealed here until people have said which branch goes on"
    )]
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

/// An import that did not get to the end of its bundle. What stands before the fault was taken.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct ImportError {
    /// Why it ended.
    pub error: BundleError,
    /// What it did until then.
    pub imported: Box<BundleImport>,
}
