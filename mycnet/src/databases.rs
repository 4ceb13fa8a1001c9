//! Opening a node's databases, and what to do if that fails.

use anyhow::bail;
use mycnet_consensus::Signer as _;
use mycnet_consensus::store::{OtherJournal, Store, StoreError};

use crate::failure::Failure;
use crate::home::Home;
use crate::home::last_run::LastRun;
use crate::home::private::is_there;
use crate::output::short;

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
    if !home.has_journal()? && is_there(&home.path().join("ledger.redb"))? {
        // Before a journal is made for the ledger of another node.
        let looked = unless_locked(home, Store::open_without_journal(home.path()))?;
        if let Some(node) = looked.map(|store| store.node_id()) {
            let next = home.next_key()?.map(|key| key.node_id());
            if next != Some(node) {
                home.check_author(node, home.author()?.node_id())?;
            }
        }
    }
    let past = Store::past_networks(home.path()).map_err(|error| damaged(home, &error))?;
    let mut store = unless_locked(home, Store::open_present(home.path()))?;
    if let Some(store) = &mut store {
        let left = store.genesis().follows.as_ref().map(|follows| follows.net);
        if left.is_some_and(|left| !past.contains(&left)) {
            // The databases are new here, and no copy.
            LastRun::update(home, |last| last.settle(home));
        }
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
        StoreError::OtherNode { found, given } => {
            return home
                .check_author(*found, *given)
                .err()
                .map_or_else(|| Failure::failed(error).into(), Into::into);
        }
        StoreError::OtherJournal(found) => return mixed(home, found),
        StoreError::Database { .. }
        | StoreError::Damaged { .. }
        | StoreError::NotSealed { .. }
        | StoreError::Missing(_)
        | StoreError::Document(_) => {
            if matches!(home.has_ledger(), Ok(false)) {
                // Without a ledger, only the journal can be damaged; and without both, nothing tells that this key has signed.
                format!(
                    "move journal.redb in {name} away, and `mycnet join{} --restored`. {}",
                    home.option(),
                    rejoins(home)
                )
            } else if is_about_journal(error) {
                format!("move journal.redb in {name} away. {}", rejoins(home))
            } else {
                fetch_again(home)
            }
        }
        StoreError::NotMoved(_) => {
            return Failure::failed(format!(
                "{error}. Nothing is lost: free some space in {name}, or mend what is wrong there, and repeat the command"
            ))
            .into();
        }
        StoreError::Past(_) => {
            return Failure::failed(format!(
                "{error}: read it with `mycnet status --past NETWORK` and --dir of the node"
            ))
            .into();
        }
        error => return Failure::failed(error).into(),
    };
    Failure::bad_data(format!("{error}. To go on, {advice}")).into()
}

/// What to do where `journal.redb` is of another node or network than `ledger.redb`, or than the network that is to be joined.
/// Nobody is told to delete a journal: its node needs it, or would sign twice.
fn mixed(
    home: &Home,
    &OtherJournal {
        node: journal_node,
        network: journal_network,
        wanted_node: node,
        wanted_network: network,
        ..
    }: &OtherJournal,
) -> anyhow::Error {
    let (name, option) = (home.path().display(), home.option());
    let author = home.author().map(|author| author.node_id()).ok();
    let has_ledger = home.has_ledger().unwrap_or(true);
    let journal = short(&journal_node);
    let text = if journal_node == node {
        let (of_journal, of_ledger) = (short(&journal_network), short(&network));
        if has_ledger {
            format!(
                "ledger.redb in {name} is of network {of_ledger}, and journal.redb of network {of_journal}: one of them came from \
                 another directory. Put the one back that belongs here, and the other where it came from; delete neither. If this \
                 node is in {of_journal} and that ledger is lost, move ledger.redb away and `mycnet join{option}` that network \
                 again. If it is in {of_ledger} and that journal is lost, move journal.redb away. {}",
                rejoins(home)
            )
        } else {
            format!(
                "journal.redb in {name} holds what this node has signed in network {of_journal}, and this is network {of_ledger}. A \
                 node has one network: `mycnet join{option}` that one again, or `mycnet init` another --dir for this one"
            )
        }
    } else if has_ledger && author == Some(journal_node) {
        format!(
            "ledger.redb in {name} is that of node {}, and author.key and journal.redb are those of node {journal}. Put the ledger of \
             this node back, and the other one into the directory of its node. If the ledger of this node is lost, {}",
            short(&node),
            fetch_again(home)
        )
    } else {
        let lost = if has_ledger {
            format!("move the other one away. {}", rejoins(home))
        } else {
            format!("`mycnet join{option} --restored`. {}", rejoins(home))
        };
        format!(
            "journal.redb in {name} is that of node {journal}, and author.key is that of node {}. Put the journal of this node \
             back, and the other one into the directory of its node, which would sign twice without it; do not delete it. If the \
             journal of this node is lost, {lost}",
            short(&author.unwrap_or(node))
        )
    };
    Failure::bad_data(text).into()
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
