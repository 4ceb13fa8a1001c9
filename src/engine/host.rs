//! What is behind a handle: a node of a [`Hub`](super::Hub), or one with a disk and peers.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::{broadcast, watch};

use super::EngineError;
use crate::core::{Answer, Core, Event, Input};
use crate::past::archive::Archive;
use crate::statement::genesis::Genesis;

/// The answer to an input, once everything that it led to is done: written, and on its way.
pub(crate) type Answered<'a> =
    Pin<Box<dyn Future<Output = Result<Answer, EngineError>> + Send + 'a>>;

/// A running node. Handles ask nothing else of it, so that programs see no difference.
pub(crate) trait Host: Send + Sync {
    /// What the network started from.
    fn genesis(&self) -> &Genesis;
    /// Gives the node an input.
    fn input(&self, input: Input) -> Answered<'_>;
    /// Lets windows end and steps time out that are due. A node that keeps time itself does nothing here.
    fn tick(&self);
    /// How long until something is due, in milliseconds, for those who keep time for the node.
    fn due_in_ms(&self) -> Option<u64>;
    /// Why nothing more happens here; `None` as long as something may.
    fn stopped(&self) -> Option<EngineError>;
    /// Counts what was done, its end included.
    fn progress(&self) -> watch::Receiver<u64>;
    /// Events from now on.
    fn events(&self) -> broadcast::Receiver<Event>;
    /// Shows the node and its past, between two inputs.
    fn look(&self, read: &mut dyn FnMut(&Core, &dyn Archive));
    /// Shows the past alone. It can take long to read: a node that has it on a disk goes on meanwhile.
    fn archive(&self, read: &mut dyn FnMut(&dyn Archive));
}
