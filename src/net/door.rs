//! Connections whose hello is not done.
//!
//! Anyone can open connections, so those of endpoints that are not known are few, and a new one takes the place of the oldest: if
//! the new one were refused instead, a handful of idle ones would keep everybody out for as long as the hello may take. Those that have
//! named the network go after those that have said nothing, so whoever crowds the door has to know the network. Endpoints that were met before have a place of their own each, so that no crowd of strangers keeps out a peer that comes back.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iroh::EndpointId;
use iroh::endpoint::Connection;

use super::close::CloseCode;

#[derive(Default)]
struct State {
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

pub(super) struct Door {
    state: Mutex<State>,
    strangers_max: usize,
}

/// A place at the door, given back when it is dropped.
pub(super) struct Place {
    door: Arc<Door>,
    number: u64,
    known: Option<EndpointId>,
}

impl Door {
    pub(super) fn new(strangers_max: usize) -> Self {
        Self {
            state: Mutex::default(),
            strangers_max,
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in this file panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place for a connection; who has to give way for it is closed.
    pub(super) fn enter(self: &Arc<Self>, connection: &Connection, is_known: bool) -> Place {
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
            let code = CloseCode::Busy;
            gone.close(code.var_int(), code.reason().as_bytes());
        }
        Place {
            door: self.clone(),
            number,
            known: is_known.then_some(endpoint),
        }
    }

    /// Takes out who has to give way to one more.
    fn make_room(&self, strangers: &mut VecDeque<Stranger>) -> Option<Connection> {
        if strangers.len() < self.strangers_max {
            return None;
        }
        let silent = strangers.iter().position(|stranger| !stranger.spoke);
        let gone = strangers.remove(silent.unwrap_or(0))?;
        Some(gone.connection)
    }
}

impl Place {
    /// The connection has named the network.
    pub(super) fn spoke(&self) {
        let mut state = self.door.lock();
        let mut strangers = state.strangers.iter_mut();
        if let Some(stranger) = strangers.find(|stranger| stranger.number == self.number) {
            stranger.spoke = true;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut state = self.door.lock();
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
