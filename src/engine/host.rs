//! The node behind a handle: a node in a [`Hub`](super::Hub), or a node with a disk and peers.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::{broadcast, watch};

use super::EngineError;
use crate::core::{Answer, Core, Event, Input};
use crate::past::archive::Archive;
use crate::statement::genesis::Genesis;

/// The answer to an input, after all its results are written and sent.
pub(crate) type Answered<'a> =
    Pin<Box<dyn Future<Output = Result<Answer, EngineError>> + Send + 'a>>;

/// A running node, as a handle sees it. Both kinds look the same to programs.
pub(crate) trait Host: Send + Sync {
    /// The genesis of the network.
    fn genesis(&self) -> &Genesis;
    /// Gives the node an input.
    fn input(&self, input: Input) -> Answered<'_>;
    /// Ends windows and steps that are due. No effect on a node that keeps time by itself.
    fn tick(&self);
    /// Milliseconds until something is due, for hosts that keep time for the node.
    fn due_in_ms(&self) -> Option<u64>;
    /// Why the node has stopped; `None` while it runs.
    fn stopped(&self) -> Option<EngineError>;
    /// Counts the turns, including the end.
    fn progress(&self) -> watch::Receiver<u64>;
    /// Events from now on.
    fn events(&self) -> broadcast::Receiver<Event>;
    /// Gives access to the node and its past, between two inputs.
    fn look(&self, read: &mut dyn FnMut(&Core, &dyn Archive));
    /// Gives access to the past alone. Reading it may take long; a node with a disk continues meanwhile.
    fn archive(&self, read: &mut dyn FnMut(&dyn Archive));
}
