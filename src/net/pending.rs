//! Pending connections, whose hello is not done.
//!
//! Anyone can open connections, so those of unknown endpoints are few, and a new one replaces the oldest. If the new one
//! were refused instead, a few idle connections would keep everybody out. Connections that have not named the network are
//! replaced first, so an attacker must know the network. Known endpoints are counted separately, one each, so that strangers
//! cannot keep out a peer that comes back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iroh::EndpointId;
use iroh::endpoint::Connection;

use super::close::CloseCode;

#[derive(Default)]
struct Connections {
    next: u64,
    strangers: VecDeque<Stranger>,
    known: BTreeMap<EndpointId, (u64, Connection)>,
}

struct Stranger {
    number: u64,
    connection: Connection,
    /// Whether it has named the network.
    spoke: bool,
}

pub(super) struct Pending {
    state: Mutex<Connections>,
    strangers_max: usize,
}

/// A pending connection. Dropping the guard removes it.
pub(super) struct PendingGuard {
    pending: Arc<Pending>,
    number: u64,
    known: Option<EndpointId>,
}

impl Pending {
    pub(super) fn new(strangers_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            strangers_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Connections> {
        // Nothing in this file panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a connection. If another has to make room, that one is closed.
    pub(super) fn enter(self: &Arc<Self>, connection: &Connection, is_known: bool) -> PendingGuard {
        let endpoint = connection.remote_id();
        let mut state = self.lock();
        let number = state.next;
        state.next += 1;
        let gone = if is_known {
            let entered = (number, connection.clone());
            state.known.insert(endpoint, entered).map(|(_, gone)| gone)
        } else {
            let gone = self.make_room(&mut state.strangers);
            state.strangers.push_back(Stranger {
                number,
                connection: connection.clone(),
                spoke: false,
            });
            gone
        };
        drop(state);
        if let Some(gone) = gone {
            CloseCode::Busy.close(&gone);
        }
        PendingGuard {
            pending: self.clone(),
            number,
            known: is_known.then_some(endpoint),
        }
    }

    /// Removes the stranger that has to make room.
    fn make_room(&self, strangers: &mut VecDeque<Stranger>) -> Option<Connection> {
        if strangers.len() < self.strangers_max {
            return None;
        }
        let silent = strangers.iter().position(|stranger| !stranger.spoke);
        let gone = strangers.remove(silent.unwrap_or(0))?;
        Some(gone.connection)
    }
}

impl PendingGuard {
    /// The connection has named the network.
    pub(super) fn spoke(&self) {
        let mut state = self.pending.lock();
        let mut strangers = state.strangers.iter_mut();
        if let Some(stranger) = strangers.find(|stranger| stranger.number == self.number) {
            stranger.spoke = true;
        }
    }
}

impl Drop for PendingGuard {
    fn drop(&mut self) {
        let mut state = self.pending.lock();
        match &self.known {
            Some(endpoint) => {
                if state
                    .known
                    .get(endpoint)
                    .is_some_and(|(number, _)| *number == self.number)
                {
                    state.known.remove(endpoint);
                }
            }
            None => state
                .strangers
                .retain(|stranger| stranger.number != self.number),
        }
    }
}
