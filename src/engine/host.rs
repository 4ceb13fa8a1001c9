//! What is behind a handle: a node of a [`Hub`](super::Hub), or one with a disk and peers.

use std::future::Future;
use std::pin::Pin;

use tokio::sync::{broadcast, watch};

use super::EngineError;
use crate::core::{Answer, Core, Event, Input};
use crate::past::archive::Archive;
use crate::statement::genesis::Genesis;

/// The answer to an input. It comes when all outputs are done: written, and sent.
pub(crate) type Answered<'a> =
    Pin<Box<dyn Future<Output = Result<Answer, EngineError>> + Send + 'a>>;

/// A running node as handles see it. Programs see no difference between a node in memory and one with a disk.
pub(crate) trait Host: Send + Sync {
    /// What the network started from.
    fn genesis(&self) -> &Genesis;
    /// Gives the node an input.
    fn input(&self, input: Input) -> Answered<'_>;
    /// Lets windows end and steps time out that are due. Does nothing where the node keeps time itself.
    fn tick(&self);
    /// Milliseconds until the next call of `tick` is due; `None` where the node keeps time itself.
    fn due_in_ms(&self) -> Option<u64>;
    /// Why the node stopped; `None` while it runs.
    fn stopped(&self) -> Option<EngineError>;
    /// A counter that grows with every input, and when the node stops.
    fn progress(&self) -> watch::Receiver<u64>;
    /// Events from now on.
    fn events(&self) -> broadcast::Receiver<Event>;
    /// Shows the node and its past between two inputs.
    fn look(&self, read: &mut dyn FnMut(&Core, &dyn Archive));
    /// Shows the past alone. Reading a disk can take long, and the node goes on meanwhile.
    fn archive(&self, read: &mut dyn FnMut(&dyn Archive));
}
