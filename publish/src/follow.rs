//! Follows a node, and makes the documents of its network of what it answers.
//!
//! The ledger's document has a change for each seal, so its height says what is missing. Operations have their documents as long as they
//! are open or among the newest; those that the records of a seal are about are asked for again. So it does not matter who was stopped
//! in between, for how long, or in which order.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use mycnet_consensus::document::LedgerChange;
use mycnet_consensus::{Genesis, NetworkId, OperationId};
use serde::Deserialize;
use tokio::time::{Instant, sleep, sleep_until};

use crate::document::{Ledger, Shared, of_operation};
use crate::node::{Event, Node};
use crate::serve::Documents;

/// Closed operations that have documents, from the newest on: as many as the ledger's document shows.
const CLOSED_KEPT: usize = 256;

/// Seals whose changes are asked for together.
const SEALS_TOGETHER: usize = 256;

/// How long seals are gathered: those of one operation come together.
const GATHER: Duration = Duration::from_millis(50);

/// Between two times that a node is asked, where seals come fast.
const PAUSE: Duration = Duration::from_millis(500);

/// Before a node that is away is looked for again, at first and at most.
const AWAY: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// What seals changed.
#[derive(Debug, Deserialize)]
struct Changes {
    /// Of the node's last seal.
    height: u64,
    changes: Vec<SealChange>,
}

#[derive(Debug, Deserialize)]
struct SealChange {
    change: LedgerChange,
    /// The operations that its records are about.
    about: Vec<OperationId>,
}

#[derive(Debug, Deserialize)]
struct Operations {
    operations: Vec<Line>,
}

#[derive(Debug, Deserialize)]
struct Line {
    operation: OperationId,
    /// `null` as long as no seal lists it.
    height: Option<u64>,
    phase: String,
}

#[derive(Debug, Deserialize)]
struct Records {
    records: Vec<String>,
}

/// Follows the node for ever. `tell` is told the network and the id of each new document of a ledger.
pub(crate) async fn follow(
    node: &Node,
    documents: &Documents,
    tell: &dyn Fn(NetworkId, &str),
) -> Infallible {
    let mut networks = BTreeMap::new();
    let mut wait = AWAY[0];
    let mut is_away = false;
    loop {
        let mut was_met = false;
        let Err(error) = meet(node, documents, &mut networks, tell, &mut was_met).await;
        if was_met {
            (wait, is_away) = (AWAY[0], false);
        }
        if !is_away {
            tracing::warn!("{error:#}; going on once the node answers");
            is_away = true;
        }
        sleep(wait).await;
        wait = (wait * 2).min(AWAY[1]);
    }
}

/// Follows the node until it is away. The documents of another network stay as they are.
async fn meet(
    node: &Node,
    documents: &Documents,
    networks: &mut BTreeMap<NetworkId, Published>,
    tell: &dyn Fn(NetworkId, &str),
    was_met: &mut bool,
) -> anyhow::Result<Infallible> {
    let genesis: Genesis = node.get("/genesis").await?;
    let network = genesis.network_id();
    // What comes from now on is told, and what was before is asked for.
    let mut events = node.events().await?;
    let published = networks
        .entry(network)
        .or_insert_with(|| Published::new(&genesis));
    published.catch_up(node, documents, tell).await?;
    *was_met = true;
    tracing::info!(%network, height = published.ledger.height(), "following the node");
    let mut last = Instant::now();
    loop {
        match events.next().await? {
            Event::Sealed {} => {}
            Event::Other => continue,
        }
        let due = (Instant::now() + GATHER).max(last + PAUSE);
        loop {
            // What else comes until then is part of the same.
            tokio::select! {
                event = events.next() => event?,
                () = sleep_until(due) => break,
            };
        }
        published.catch_up(node, documents, tell).await?;
        last = Instant::now();
    }
}

/// The documents of a network.
struct Published {
    network: NetworkId,
    ledger: Ledger,
    /// Whether readers can have the ledger's document.
    is_told: bool,
    operations: BTreeMap<OperationId, Operation>,
    /// Operations whose documents are to be made again.
    to_ask: BTreeSet<OperationId>,
}

struct Operation {
    shared: Arc<Shared>,
    /// The height at which it changed last.
    height: u64,
    is_closed: bool,
}

impl Published {
    fn new(genesis: &Genesis) -> Self {
        Self {
            network: genesis.network_id(),
            ledger: Ledger::new(genesis),
            is_told: false,
            operations: BTreeMap::new(),
            to_ask: BTreeSet::new(),
        }
    }

    /// Makes the documents say what the node's ledger says.
    async fn catch_up(
        &mut self,
        node: &Node,
        documents: &Documents,
        tell: &dyn Fn(NetworkId, &str),
    ) -> anyhow::Result<()> {
        // At first all operations that are wanted are asked for anyway.
        let is_first = !self.is_told;
        loop {
            let since = self.ledger.height();
            let path = format!("/changes?since={since}&limit={SEALS_TOGETHER}");
            let path = path + if is_first { "" } else { "&about=true" };
            let Changes { height, changes } = node.get(&path).await?;
            self.ledger
                .append(changes.iter().map(|seal| &seal.change))
                .await?;
            for seal in changes {
                self.note(seal);
            }
            // A ledger that was put back has less than was published: it will have the same again.
            if self.ledger.height() >= height || self.ledger.height() == since {
                break;
            }
        }
        if is_first && self.ledger.height() > 0 {
            let listed = format!("/operations?limit={CLOSED_KEPT}");
            for list in ["/operations?is_open=true", &listed] {
                let Operations { operations } = node.get(list).await?;
                self.list(operations);
            }
            documents.add(self.ledger.shared.clone());
            tell(self.network, &self.ledger.shared.id);
            self.is_told = true;
        }
        if self.is_told {
            self.ask(node, documents).await?;
            self.forget(documents);
        }
        documents.changed();
        Ok(())
    }

    /// Notes what a seal changed of operations.
    fn note(&mut self, SealChange { change, about }: SealChange) {
        for (id, entry) in change.operations {
            self.operation(id, change.height, entry.phase == "closed");
        }
        for id in about {
            let is_closed = self.operations.get(&id).is_some_and(|it| it.is_closed);
            self.operation(id, change.height, is_closed);
        }
    }

    fn list(&mut self, lines: Vec<Line>) {
        for line in lines {
            if let Some(height) = line.height {
                self.operation(line.operation, height, line.phase == "closed");
            }
        }
    }

    fn operation(&mut self, id: OperationId, height: u64, is_closed: bool) {
        let operation = self.operations.entry(id).or_insert_with(|| Operation {
            shared: Shared::new(id.as_bytes()),
            height,
            is_closed,
        });
        (operation.height, operation.is_closed) = (operation.height.max(height), is_closed);
        self.to_ask.insert(id);
        // While the past is read, most of it is not wanted any more.
        if self.operations.len() > 4 * CLOSED_KEPT {
            for id in self.surplus() {
                self.operations.remove(&id);
                self.to_ask.remove(&id);
            }
        }
    }

    /// The closed operations that have no document any more.
    fn surplus(&self) -> Vec<OperationId> {
        let closed = self.operations.iter().filter(|(_, it)| it.is_closed);
        let mut closed: Vec<(u64, OperationId)> = closed.map(|(id, it)| (it.height, *id)).collect();
        closed.sort_unstable();
        let surplus = closed.len().saturating_sub(CLOSED_KEPT);
        closed.truncate(surplus);
        closed.into_iter().map(|(_, id)| id).collect()
    }

    /// Makes the documents again of operations that have changed.
    async fn ask(&mut self, node: &Node, documents: &Documents) -> anyhow::Result<()> {
        for id in self.surplus() {
            self.to_ask.remove(&id);
        }
        while let Some(id) = self.to_ask.first().copied() {
            let found: Option<Records> = node.find(&format!("/operations/{id}/records")).await?;
            if let (Some(found), Some(operation)) = (found, self.operations.get(&id)) {
                let network = self.network;
                let bytes = tokio::task::block_in_place(|| of_operation(network, &found.records));
                operation.shared.add(&bytes?).await?;
                documents.add(operation.shared.clone());
            }
            self.to_ask.remove(&id);
        }
        Ok(())
    }

    fn forget(&mut self, documents: &Documents) {
        for id in self.surplus() {
            if let Some(operation) = self.operations.remove(&id) {
                documents.remove(&operation.shared.id);
            }
        }
    }
}
