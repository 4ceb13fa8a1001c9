//! Events, without ever blocking the node that they come from.

use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use crate::core::Event;

/// What a subscriber hears.
#[derive(Debug, Clone)]
pub enum Notice {
    /// Something happened.
    Event(Event),
    /// The subscriber was too slow and missed this many events. It goes on with the oldest still kept.
    Lagged(u64),
}

/// Events of one node, in order.
#[derive(Debug)]
pub struct Subscription {
    receiver: broadcast::Receiver<Event>,
}

impl Subscription {
    pub(super) fn new(receiver: broadcast::Receiver<Event>) -> Self {
        Self { receiver }
    }

    /// The next event; `None` once the node is gone. Cancel-safe.
    pub async fn next(&mut self) -> Option<Notice> {
        match self.receiver.recv().await {
            Ok(event) => Some(Notice::Event(event)),
            Err(RecvError::Lagged(missed)) => Some(Notice::Lagged(missed)),
            Err(RecvError::Closed) => None,
        }
    }
}
