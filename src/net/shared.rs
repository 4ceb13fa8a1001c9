//! What all tasks of a transport share.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iroh::endpoint::Endpoint;
use tokio::sync::Notify;

use super::address::written;
use super::book::Book;
use super::close::CloseCode;
use super::config::Config;
use super::door::Door;
use super::filter::Met;
use super::genesis::Answers;
use super::hello::Own;
use super::inbox::Inbox;
use super::intake::Intake;
use super::links::Links;
use super::membership::Membership;
use super::shunned::Shunned;
use crate::base::digest::NetworkId;
use crate::base::identity::Signer;
use crate::core::PeerId;

/// What all tasks share.
pub(super) struct Inner {
    pub(super) endpoint: Endpoint,
    pub(super) config: Config,
    pub(super) network: NetworkId,
    pub(super) genesis: Vec<u8>,
    pub(super) signer: Arc<dyn Signer>,
    pub(super) membership: Arc<dyn Membership>,
    pub(super) boot: u64,
    pub(super) door: Arc<Door>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) intake: Intake,
    /// Bytes that wait to be sent, for all peers.
    pub(super) outgoing: Arc<AtomicUsize>,
    pub(super) table: Mutex<Table>,
    pub(super) answers: Mutex<Answers>,
    /// Somebody came, went, or is to be dialled.
    pub(super) changed: Arc<Notify>,
    pub(super) next_peer: AtomicU64,
    pub(super) closing: AtomicBool,
}

/// Who is connected and who is known.
#[derive(Default)]
pub(super) struct Table {
    pub(super) links: Links,
    pub(super) book: Book,
    pub(super) shunned: Shunned,
    pub(super) met: Met,
}

impl Inner {
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        // Nothing calls foreign code while it holds the lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next_peer(&self) -> PeerId {
        PeerId(self.next_peer.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// Where this node can be dialled.
    pub(super) fn listens(&self) -> Vec<String> {
        written(self.endpoint.addr().addrs.iter())
    }

    pub(super) fn own(&self) -> Own {
        Own {
            network: self.network,
            endpoint: self.endpoint.id(),
            signer: self.signer.clone(),
            membership: self.membership.clone(),
            boot: self.boot,
            listens: self.listens(),
            stall: self.config.stall_deadline,
        }
    }

    pub(super) fn close_all(&self, code: CloseCode) {
        self.closing.store(true, Ordering::SeqCst);
        let links = self.table().links.all();
        for link in links {
            link.close(code);
        }
        self.changed.notify_one();
    }
}
