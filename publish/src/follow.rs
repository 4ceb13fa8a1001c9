//! Follows a node, and makes the document of its network say what the ledger says.
//!
//! Whenever the node is met again, its lists are read once, and what differs from the document is written. Then its events tell which
//! operations and members to ask for. So it does not matter who was stopped in between, for how long, or in which order.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;

use anyhow::ensure;
use tokio::time::{Instant, sleep, timeout_at};

use crate::document::{Directory, Document};
use crate::node::{Event, Events, Node};
use crate::serve::Documents;
use crate::view::{CLOSED_KEPT, Details, OPEN_KEPT, Operations, Status, View};

/// How long news are gathered before they are written: those of one seal come together.
const GATHER: Duration = Duration::from_millis(50);

/// Between two changes of the document. The past of a document stays in it, so a busy network makes one change of many seals.
const PAUSE: Duration = Duration::from_secs(1);

/// Operations that are asked for before what was learnt is written.
const ASKED_TOGETHER: usize = 256;

/// Before a node that is away is looked for again, at first and at most.
const AWAY: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(5)];

/// Between two readings of the whole list, where more operations are open than a document has room for.
const LIST_PAUSE: Duration = Duration::from_secs(10);

/// Why a node is not followed any more.
enum Left {
    /// The node is away, or refuses to answer.
    Node { error: anyhow::Error, was_met: bool },
    /// Nothing can be written.
    Disk(anyhow::Error),
}

impl Left {
    fn unmet(error: anyhow::Error) -> Self {
        Self::Node {
            error,
            was_met: false,
        }
    }
}

/// The documents that this process writes, by network.
pub(crate) type Known = BTreeMap<String, Document>;

/// Follows the node for ever. `tell` is told the network and the id of each new document. An error says why nothing can be written.
pub(crate) async fn follow(
    node: &Node,
    directory: &Directory,
    documents: &Documents,
    mut known: Known,
    tell: &dyn Fn(&str, &str),
) -> anyhow::Result<Infallible> {
    let mut wait = AWAY[0];
    let mut is_away = false;
    loop {
        match meet(node, directory, documents, &mut known, tell).await {
            Left::Disk(error) => return Err(error),
            Left::Node { error, was_met } => {
                if was_met {
                    (wait, is_away) = (AWAY[0], false);
                }
                if !is_away {
                    tracing::warn!("{error:#}; going on once the node answers");
                    is_away = true;
                }
            }
        }
        sleep(wait).await;
        wait = (wait * 2).min(AWAY[1]);
    }
}

/// Follows the node until it is away.
async fn meet(
    node: &Node,
    directory: &Directory,
    documents: &Documents,
    known: &mut Known,
    tell: &dyn Fn(&str, &str),
) -> Left {
    let (status, view) = match everything(node).await {
        Ok(read) => read,
        Err(error) => return Left::unmet(error),
    };
    let is_new = !known.contains_key(&status.network);
    let document = match known.entry(status.network.clone()) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => match directory.document(&status.network) {
            Ok(document) => entry.insert(document),
            Err(error) => return Left::Disk(error),
        },
    };
    if let Err(error) = document.set(view.content()).await {
        return Left::Disk(error);
    }
    if is_new {
        documents.add(document.shared.clone());
        tell(&status.network, &document.shared.id);
    }
    documents.changed();
    let events = match node.events(status.height).await {
        Ok(events) => events,
        Err(error) => return Left::unmet(error),
    };
    tracing::info!(network = %status.network, height = status.height, "following the node");
    let mut follower = Follower {
        node,
        documents,
        document,
        network: status.network,
        view,
        to_ask: BTreeSet::new(),
        last_asked: String::new(),
        are_members_old: false,
        is_list_old: false,
        next_list: Instant::now() + LIST_PAUSE,
        is_written: true,
    };
    follower.go_on(events).await
}

/// Reads all that a document says.
async fn everything(node: &Node) -> anyhow::Result<(Status, View)> {
    // The first: what comes after its height is told by events, whether or not the lists have it already.
    let status: Status = node.get("/status").await?;
    let mut view = View::begin(&status);
    view.members(node.get("/members").await?);
    // One more than fits tells whether some are left out.
    let closed = CLOSED_KEPT + 1;
    let path = format!("/operations?is_open=false&limit={closed}");
    let closed: Operations = node.get(&path).await?;
    for line in closed.operations {
        view.closed(line);
    }
    let open: Operations = node.get("/operations?is_open=true").await?;
    let lines = open.operations.into_iter();
    let sealed: Vec<_> = lines.filter(|line| line.height.is_some()).collect();
    let left_out = sealed.len().saturating_sub(OPEN_KEPT);
    view.open_left_out = left_out as u64;
    for line in sealed.iter().take(OPEN_KEPT) {
        look_at(node, &mut view, &line.operation).await?;
    }
    Ok((status, view))
}

/// Asks for an operation.
async fn look_at(node: &Node, view: &mut View, operation: &str) -> anyhow::Result<()> {
    let details = node.find(&format!("/operations/{operation}")).await?;
    match details {
        Some::<Details>(details) if details.is_closed() => view.closed(details.closed()),
        Some(details) if details.is_open() => view.open(details),
        _ => view.not_open(operation),
    }
    Ok(())
}

struct Follower<'a> {
    node: &'a Node,
    documents: &'a Documents,
    document: &'a mut Document,
    network: String,
    view: View,
    /// Operations that may have changed.
    to_ask: BTreeSet<String>,
    /// The one that was asked for last; the next is the one behind it, so that each has its turn.
    last_asked: String,
    are_members_old: bool,
    /// Whether open operations that there was no room for may have room now, or the other way round.
    is_list_old: bool,
    next_list: Instant,
    /// Whether the document says all that is known here.
    is_written: bool,
}

impl Follower<'_> {
    async fn go_on(&mut self, mut events: Events) -> Left {
        let mut next_change = Instant::now();
        loop {
            let is_idle = self.is_written && !self.is_list_old;
            // Also while events come without a pause.
            if !is_idle && Instant::now() >= next_change {
                if let Err(left) = self.write().await {
                    return left;
                }
                next_change = Instant::now() + PAUSE;
                continue;
            }
            let event = if is_idle {
                events.next().await
            } else {
                match timeout_at(next_change, events.next()).await {
                    Ok(event) => event,
                    Err(_) => continue,
                }
            };
            match event {
                Ok(event) => self.take(event),
                Err(error) => {
                    return Left::Node {
                        error,
                        was_met: true,
                    };
                }
            }
            if is_idle {
                next_change = next_change.max(Instant::now() + GATHER);
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Sealed {
                height,
                seal,
                time_ms,
            } => {
                self.view.seal(height, &seal, time_ms);
                // A seal can list votes on any of them.
                self.to_ask.extend(self.view.open_ids());
            }
            Event::Operation { operation } => {
                self.to_ask.insert(operation);
            }
            Event::Member {} => self.are_members_old = true,
            Event::Other => return,
        }
        self.is_written = false;
    }

    /// Asks for what may have changed, and writes what differs.
    async fn write(&mut self) -> Result<(), Left> {
        let asked = self.ask().await;
        asked.map_err(|error| Left::Node {
            error,
            was_met: true,
        })?;
        let content = self.view.content();
        if self.document.set(content).await.map_err(Left::Disk)? {
            self.documents.changed();
        }
        self.is_written = self.to_ask.is_empty();
        Ok(())
    }

    async fn ask(&mut self) -> anyhow::Result<()> {
        if self.is_list_old && Instant::now() >= self.next_list {
            let (status, view) = everything(self.node).await?;
            ensure!(
                status.network == self.network,
                "the node is in another network now"
            );
            self.view = view;
            self.to_ask.clear();
            self.are_members_old = false;
            self.is_list_old = false;
            self.next_list = Instant::now() + LIST_PAUSE;
            return Ok(());
        }
        if self.are_members_old {
            self.view.members(self.node.get("/members").await?);
            self.are_members_old = false;
        }
        for _ in 0..ASKED_TOGETHER {
            let behind = (Excluded(self.last_asked.as_str()), Unbounded);
            let next = self.to_ask.range::<str, _>(behind).next();
            let Some(operation) = next.or_else(|| self.to_ask.first()).cloned() else {
                break;
            };
            self.to_ask.remove(&operation);
            if self.view.open_left_out > 0 || !self.view.has_room(&operation) {
                self.is_list_old = true;
            }
            if self.view.has_room(&operation) {
                look_at(self.node, &mut self.view, &operation).await?;
            }
            self.last_asked = operation;
        }
        Ok(())
    }
}
