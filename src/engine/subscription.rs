//! Subscriptions to a node's events. They never block the node.

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::core::Event;

/// A notice to a subscriber.
#[derive(Debug, Clone)]
pub enum Notice {
    /// An event.
    Event(Event),
    /// The subscriber was too slow and missed this many events. It continues with the oldest one that is kept.
    Lagged(u64),
}

/// The events of one node, in order.
#[derive(Debug)]
pub struct Subscription {
    receiver: broadcast::Receiver<Event>,
}

impl Subscription {
    pub(super) fn new(receiver: broadcast::Receiver<Event>) -> Self {
        Self { receiver }
    }

    /// The next event; `None` once the node has ended. Cancel-safe.
    pub async fn next(&mut self) -> Option<Notice> {
        match self.receiver.recv().await {
            Ok(event) => Some(Notice::Event(event)),
            Err(RecvError::Lagged(missed)) => Some(Notice::Lagged(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}
