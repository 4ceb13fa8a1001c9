//! Opening a node's databases, and what to do if that fails.

use anyhow::bail;
use mycnet_consensus::store::{Store, StoreError};

use crate::failure::Failure;
use crate::home::Home;

/// Opens a node's databases; `None` if another process has them open. If a seal gave the member another key, the directory
/// belongs to that key from here on: read `author.key` afterwards. If the node has left its network for the one that was founded in
/// its place, the databases are those of the new one.
pub(crate) fn open_store(home: &Home) -> anyhow::Result<Option<Store>> {
    if !home.has_ledger()? {
        let option = home.option();
        bail!(
            "no network yet in {}: run `mycnet join{option} TICKET`, or `mycnet join{option} GENESIS_FILE`",
            home.path().display()
        );
    }
    if home.is_past() {
        return unless_locked(home, Store::open(home.path()));
    }
    let mut store = unless_locked(home, Store::open_present(home.path()))?;
    if let Some(store) = &mut store {
        home.take_over(store)?;
    }
    Ok(store)
}

/// A store, unless another process has it open.
pub(crate) fn unless_locked(
    home: &Home,
    opened: Result<Store, StoreError>,
) -> anyhow::Result<Option<Store>> {
    match opened {
        Ok(store) => Ok(Some(store)),
        Err(StoreError::Locked(_)) => Ok(None),
        Err(error) => Err(damaged(home, &error)),
    }
}

/// An error about databases that cannot be opened, with what to do.
pub(crate) fn damaged(home: &Home, error: &StoreError) -> anyhow::Error {
    let name = home.path().display();
    let advice = match error {
        StoreError::OtherNode { .. } | StoreError::OtherNetwork { .. } => format!(
            "move journal.redb in {name} away, if its node will never run again: it holds what that node has signed"
        ),
        StoreError::Database { .. }
        | StoreError::Damaged { .. }
        | StoreError::NotSealed { .. }
        | StoreError::Missing(_)
        | StoreError::Document(_) => {
            // Without a ledger, only the journal can be damaged.
            if is_about_journal(error) || matches!(home.has_ledger(), Ok(false)) {
                format!("move journal.redb in {name} away. {}", rejoins(home))
            } else {
                fetch_again(home)
            }
        }
        error => return Failure::failed(error).into(),
    };
    Failure::bad_data(format!("{error}. To go on, {advice}")).into()
}

/// Whether the journal cannot be read, and not the ledger.
fn is_about_journal(error: &StoreError) -> bool {
    match error {
        StoreError::Database { path, .. } => path.ends_with("journal.redb"),
        StoreError::Damaged { place, .. } => {
            let mut tables = ["owner", "entries", "counts"].iter();
            tables.any(|table| place.starts_with(table))
        }
        _ => false,
    }
}

/// What to do about a damaged ledger.
pub(crate) fn fetch_again(home: &Home) -> String {
    format!(
        "move ledger.redb in {} away, `mycnet join{}` again, and leave journal.redb where it is: it holds what this node has \
         signed. {}",
        home.path().display(),
        home.option(),
        rejoins(home)
    )
}

/// What happens to a node whose ledger and journal do not match.
pub(crate) fn rejoins(home: &Home) -> String {
    format!(
        "This node then signs nothing until the network has sealed its Rejoin: keep `mycnet run{}` going",
        home.option()
    )
}
