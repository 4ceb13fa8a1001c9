//! What happens, as a stream of server-sent events.
//!
//! What a seal changed has an *id*, `HEIGHT.NUMBER`, the same on every node of the network. It is read out of the ledger, where it stays:
//! whoever names the last id that it has seen gets what came after it, each once, however long ago that was and whatever was stopped in
//! between. So nobody is waited for, and nothing is kept for anybody.
//!
//! What concerns this node alone (`your_turn`, its peers, its clock) has no id. It is kept for a moment only; whoever reads too slowly is
//! told how much it missed (`missed`). A stream begins with a `your_turn` for each operation that waits for this node.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use mycnet_consensus::core::Event as CoreEvent;
use mycnet_consensus::engine::{MemberLine, Notice, Subscription};
use mycnet_consensus::node::Node;
use mycnet_consensus::store::{SealChanges, StoreError};
use mycnet_consensus::{Class, MemberName, NodeId, OperationId, Outcome, SealId, TrustEntry};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, sleep_until};

use crate::answer::turns::{YourTurn, your_turn, your_turns};
use crate::failure::Failure;
use crate::names::Names;

/// Heights that are read at once, at most: fewer if they changed much.
const HEIGHTS_TOGETHER: usize = 32;

/// News of this node that are kept for who reads slowly.
pub(crate) const NEWS_KEPT: usize = 256;

/// How long a stream is silent at most: then a comment shows that it is there.
const SILENCE: Duration = Duration::from_secs(15);

/// The place of an event: the seal's height, and its number among what the seal changed, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EventId {
    pub(crate) height: u64,
    pub(crate) number: u64,
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.height, self.number)
    }
}

impl FromStr for EventId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || {
            format!(
                "{text:?} is no id of an event: a height, or HEIGHT.NUMBER as events have it; 0 is before all of them"
            )
        };
        let (height, number) = match text.split_once('.') {
            Some((height, number)) => (height, number.parse().map_err(|_| bad())?),
            // After all events of that height.
            None => (text, u64::MAX),
        };
        let height = height.parse().map_err(|_| bad())?;
        Ok(Self { height, number })
    }
}

/// What a seal changed. Times are in milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
#[schemars(rename = "SealedEvent")]
#[allow(
    clippy::enum_variant_names,
    reason = "what happened is that a height was sealed"
)]
pub(crate) enum Sealed {
    /// A height was sealed. It is the first event of its height.
    Sealed {
        id: String,
        height: u64,
        time_ms: u64,
        seal: SealId,
    },
    /// An operation was opened, went on to another phase, was decided or closed.
    Operation {
        id: String,
        height: u64,
        time_ms: u64,
        operation: OperationId,
        kind: String,
        class: Class,
        subject: String,
        phase: String,
        outcome: Option<Outcome>,
    },
    /// A member came, left, or changed: its role, name, key, standing or scores.
    Member {
        id: String,
        height: u64,
        time_ms: u64,
        node: NodeId,
        /// `null` if it left.
        line: Option<Box<MemberLine>>,
    },
    /// A score or standing changed, and why.
    Trust {
        id: String,
        height: u64,
        time_ms: u64,
        node: NodeId,
        /// Its name now.
        name: Option<MemberName>,
        entry: TrustEntry,
    },
    /// A parameter changed.
    Parameter {
        id: String,
        height: u64,
        time_ms: u64,
        name: String,
        value: u64,
    },
    /// A value of the configuration changed.
    Config {
        id: String,
        height: u64,
        time_ms: u64,
        key: String,
        /// In hexadecimal; `null` if it was removed.
        value: Option<String>,
    },
}

/// What is told apart from the ledger's events.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Live {
    /// This node may vote, and has not yet.
    YourTurn(YourTurn),
    /// So many events without an id were missed, because they were read too slowly.
    Missed { count: u64 },
}

/// The events of a height, with their ids.
fn of_height(
    SealChanges {
        ledger: change,
        trust,
    }: SealChanges,
    names: &Names,
) -> Vec<(EventId, Sealed)> {
    let (height, time_ms, seal) = (change.height, change.time_ms, change.seal);
    let mut events = Vec::new();
    let mut add = |make: &dyn Fn(String) -> Sealed| {
        let number = events.len() as u64;
        let id = EventId { height, number };
        events.push((id, make(id.to_string())));
    };
    add(&|id| Sealed::Sealed {
        id,
        height,
        time_ms,
        seal,
    });
    for (operation, entry) in &change.operations {
        add(&|id| Sealed::Operation {
            id,
            height,
            time_ms,
            operation: *operation,
            kind: entry.kind.clone().into_owned(),
            class: entry.class,
            subject: entry.subject.clone(),
            phase: entry.phase.clone().into_owned(),
            outcome: entry.outcome.clone(),
        });
    }
    for (node, line) in &change.roster {
        add(&|id| Sealed::Member {
            id,
            height,
            time_ms,
            node: *node,
            line: line.clone().map(Box::new),
        });
    }
    for (node, entry) in &trust {
        add(&|id| Sealed::Trust {
            id,
            height,
            time_ms,
            node: *node,
            name: names.get(node).cloned(),
            entry: *entry,
        });
    }
    for (name, value) in &change.params {
        add(&|id| Sealed::Parameter {
            id,
            height,
            time_ms,
            name: name.clone(),
            value: *value,
        });
    }
    for (key, value) in &change.config {
        add(&|id| Sealed::Config {
            id,
            height,
            time_ms,
            key: key.clone(),
            value: value.as_ref().map(hex::encode),
        });
    }
    events
}

/// What is sent.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Sent {
    Event {
        id: Option<EventId>,
        value: Arc<Value>,
    },
    /// Nothing has happened for a while.
    Silence,
}

impl Sent {
    /// As a server-sent event.
    pub(crate) fn frame(&self) -> String {
        let Self::Event { id, value } = self else {
            return ":\n\n".to_owned();
        };
        let id = id.map_or_else(String::new, |id| format!("id: {id}\n"));
        let name = value["event"].as_str().unwrap_or("message");
        format!("{id}event: {name}\ndata: {value}\n\n")
    }
}

/// A reader's place in what happens.
#[derive(Debug)]
pub(crate) struct Reader {
    node: Node,
    /// The last event with an id that was read.
    last: EventId,
    notices: Subscription,
    news: broadcast::Receiver<Arc<Value>>,
    /// What was read and is not taken yet.
    waiting: std::collections::VecDeque<Sent>,
    /// Whether the ledger may have more.
    is_behind: bool,
}

impl Reader {
    /// Begins after an event; after the present ones unless one is named.
    pub(crate) fn new(
        node: &Node,
        news: broadcast::Receiver<Arc<Value>>,
        since: Option<EventId>,
    ) -> Result<Self, Failure> {
        // This comes before the ledger is read, so that nothing is missed between the two.
        let notices = node.engine().subscribe();
        let height = node.engine().height();
        let number = u64::MAX;
        let last = since.unwrap_or(EventId { height, number });
        if last.height > height {
            return Err(Failure::bad_data(format!(
                "since={last}: this node's ledger is at height {height}; the event is of another network, or of a node that is further ahead"
            )));
        }
        let turns = your_turns(node)?;
        let turns = turns.into_iter().map(Live::YourTurn);
        let waiting = turns.map(|turn| live(&turn)).collect();
        Ok(Self {
            node: node.clone(),
            last,
            notices,
            news,
            waiting,
            is_behind: true,
        })
    }

    /// The next event; `None` once the node has stopped. Nothing is lost if the future is dropped.
    pub(crate) async fn next(&mut self) -> Result<Option<Sent>, Failure> {
        let silent_until = Instant::now() + SILENCE;
        loop {
            if let Some(sent) = self.waiting.pop_front() {
                if let Sent::Event { id: Some(id), .. } = sent {
                    self.last = id;
                }
                return Ok(Some(sent));
            }
            if self.is_behind {
                self.read().await?;
                continue;
            }
            tokio::select! {
                notice = self.notices.next() => match notice {
                    Some(notice) => self.take(&notice)?,
                    None => return Ok(None),
                },
                news = self.news.recv() => match news {
                    Ok(value) => return Ok(Some(Sent::Event { id: None, value })),
                    Err(RecvError::Lagged(count)) => return Ok(Some(live(&Live::Missed { count }))),
                    Err(RecvError::Closed) => return Ok(None),
                },
                () = sleep_until(silent_until) => return Ok(Some(Sent::Silence)),
            }
        }
    }

    fn take(&mut self, notice: &Notice) -> Result<(), Failure> {
        match notice {
            Notice::Event(CoreEvent::Sealed { applied, .. }) => {
                self.is_behind = true;
                for operation in &applied.opened {
                    if let Some(turn) = your_turn(&self.node, *operation)? {
                        self.waiting.push_back(live(&Live::YourTurn(turn)));
                    }
                }
            }
            Notice::Event(_) => {}
            Notice::Lagged(_) => {
                self.is_behind = true;
                let turns = your_turns(&self.node)?.into_iter();
                self.waiting
                    .extend(turns.map(|turn| live(&Live::YourTurn(turn))));
            }
        }
        Ok(())
    }

    /// Reads what the ledger has after the last event.
    async fn read(&mut self) -> Result<(), Failure> {
        let (node, last) = (self.node.clone(), self.last);
        let read = tokio::task::spawn_blocking(move || {
            let changes = node.store().changes_from(last.height, HEIGHTS_TOGETHER)?;
            let scored = changes.iter().flat_map(|changes| &changes.trust);
            let names = Names::of(node.engine(), scored.map(|(node, _)| *node));
            let events = changes.into_iter().flat_map(|it| of_height(it, &names));
            Ok::<Vec<_>, StoreError>(events.collect())
        });
        let events = read
            .await
            .map_err(Failure::failed)?
            .map_err(Failure::failed)?;
        let highest = events.last().map_or(0, |(id, _)| id.height);
        self.is_behind = highest > last.height;
        let new = events.into_iter().filter(|(id, _)| *id > last);
        for (id, event) in new {
            let value = serde_json::to_value(event).map_err(Failure::failed)?;
            self.waiting.push_back(Sent::Event {
                id: Some(id),
                value: Arc::new(value),
            });
        }
        Ok(())
    }
}

fn live(event: &Live) -> Sent {
    // Structs with texts and numbers can always be written.
    let value = serde_json::to_value(event).unwrap_or_default();
    Sent::Event {
        id: None,
        value: Arc::new(value),
    }
}
