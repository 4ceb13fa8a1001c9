//! Opening a node's databases, and what to do if that fails.

use anyhow::bail;
use mycnet_consensus::store::{Store, StoreError};

use crate::failure::Failure;
use crate::home::Home;

/// Opens a node's databases; `None` if another process has them.
///
/// # Errors
///
/// If there are none yet, or they cannot be read.
pub(crate) fn open_store(home: &Home) -> anyhow::Result<Option<Store>> {
    if !home.has_ledger()? {
        let option = home.option();
        bail!(
            "no network yet in {}: run `mycnet join{option} TICKET`, or `mycnet join{option} GENESIS_FILE`",
            home.path().display()
        );
    }
    match Store::open(home.path()) {
        Ok(store) => Ok(Some(store)),
        Err(StoreError::Locked(_)) => Ok(None),
        Err(error) => Err(damaged(home, &error)),
    }
}

/// What to do about databases that cannot be opened.
pub(crate) fn damaged(home: &Home, error: &StoreError) -> anyhow::Error {
    let advice = match error {
        StoreError::OtherNode { .. } | StoreError::OtherNetwork { .. } => other_journal(home),
        StoreError::Database { .. }
        | StoreError::Damaged { .. }
        | StoreError::NotSealed { .. }
        | StoreError::Missing(_)
        | StoreError::Document(_) => {
            // Where there is no ledger yet, it can only be the journal.
            if is_journals(error) || matches!(home.has_ledger(), Ok(false)) {
                let place = home.path().display();
                format!("move journal.redb in {place} away. {}", rejoins(home))
            } else {
                fetch_again(home)
            }
        }
        error => return Failure::failed(error).into(),
    };
    Failure::bad_data(format!("{error}. To go on, {advice}")).into()
}

/// Whether it is the journal that cannot be read, and not the ledger.
fn is_journals(error: &StoreError) -> bool {
    match error {
        StoreError::Database { path, .. } => path.ends_with("journal.redb"),
        StoreError::Damaged { place, .. } => {
            let mut tables = ["owner", "entries", "counts"].iter();
            tables.any(|table| place.starts_with(table))
        }
        _ => false,
    }
}

/// What to do about a ledger that is damaged.
pub(crate) fn fetch_again(home: &Home) -> String {
    format!(
        "move ledger.redb in {} away, `mycnet join{}` again, and leave journal.redb where it is: it holds what this node has \
         signed. {}",
        home.path().display(),
        home.option(),
        rejoins(home)
    )
}

/// What to do about a journal that is not this ledger's.
fn other_journal(home: &Home) -> String {
    format!(
        "move journal.redb in {} away, if the node that it is of will never run again: it holds what that node has signed",
        home.path().display()
    )
}

/// What a node has to go through whose two databases are not of one past.
pub(crate) fn rejoins(home: &Home) -> String {
    format!(
        "This node then signs nothing until the network has sealed its Rejoin: keep `mycnet run{}` going",
        home.option()
    )
}
