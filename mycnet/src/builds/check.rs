//! What `mycnet doctor` looks at: the book, page by page and row by row, and the index.

use mycnet_builds::book::{Book, BookError, BookReport, Index};
use mycnet_consensus::NetworkId;

use crate::failure::Failure;
use crate::home::Home;
use crate::reply::BookHealth;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    pub(crate) health: Option<BookHealth>,
    /// What is lost.
    pub(crate) faults: Vec<String>,
    /// What mends itself.
    pub(crate) warning: Option<String>,
}

/// Checks the book and the index of a node that does not run.
pub(crate) fn check(home: &Home, network: NetworkId) -> Result<Checked, Failure> {
    let mut checked = Checked::default();
    if Book::exists(home.path()).map_err(Failure::failed)? {
        match Book::check(home.path()) {
            Ok(report) => {
                let BookReport {
                    waiting,
                    committed,
                    originals,
                    faults,
                } = report;
                checked.health = Some(BookHealth {
                    waiting,
                    committed,
                    originals,
                });
                checked.faults = faults;
            }
            Err(error) if error.is_damage() => checked.faults.push(error.to_string()),
            Err(error) => return Err(Failure::failed(error)),
        }
    }
    checked.warning = match Index::check(home.path(), network) {
        Ok(()) => None,
        Err(error @ (BookError::Damaged { .. } | BookError::Version { .. })) => Some(format!(
            "{error}. It is made again from the ledger when it is needed"
        )),
        Err(error) => return Err(Failure::failed(error)),
    };
    Ok(checked)
}

/// A fault of the book, and what to do about it.
pub(crate) fn damaged(home: &Home, fault: &str) -> String {
    damaged_book(fault, &home.option())
}

pub(super) fn damaged_book(fault: &str, option: &str) -> String {
    format!(
        "{fault}. It holds results that are on no other machine. Keep the file for the person who looks into it: stop the node, move \
         builds.redb away, and `mycnet builds submit{option}` again what was built"
    )
}
