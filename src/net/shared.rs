//! What all tasks of a transport share.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use iroh::endpoint::Endpoint;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::address::written;
use super::address_book::AddressBook;
use super::close::CloseCode;
use super::config::Config;
use super::events::NetEvent;
use super::frame::{Kind, frame};
use super::genesis::ANSWERS;
use super::hello::{LocalSide, SelfReport};
use super::inbox::Inbox;
use super::left::Left;
use super::membership::Membership;
use super::pending::Pending;
use super::quarantine::Quarantine;
use super::rate::TokenBucket;
use super::receive_budget::ReceiveBudget;
use super::sessions::{Session, Sessions};
use super::sources::MemberSources;
use super::twins::{Challenges, Compared, TwinSeen};
use crate::base::codec;
use crate::base::digest::NetworkId;
use crate::base::identity::Signer;
use crate::core::PeerId;

pub(super) struct Inner {
    pub(super) endpoint: Endpoint,
    pub(super) config: Config,
    pub(super) network: NetworkId,
    pub(super) genesis: Vec<u8>,
    pub(super) left: Option<Left>,
    pub(super) signer: Arc<dyn Signer>,
    pub(super) membership: Arc<dyn Membership>,
    pub(super) instance: u64,
    pub(super) challenges: Challenges,
    pub(super) pending: Arc<Pending>,
    pub(super) inbox: Arc<Inbox>,
    pub(super) receive_budget: ReceiveBudget,
    /// Bytes in the outgoing queues of all peers.
    pub(super) outgoing: Arc<AtomicUsize>,
    pub(super) table: Mutex<Table>,
    pub(super) genesis_answers: Mutex<TokenBucket>,
    /// Notified when a peer came, went, or is to be dialled.
    pub(super) changed: Arc<Notify>,
    pub(super) next_peer: AtomicU64,
    pub(super) closing: AtomicBool,
}

/// Connected and known peers.
#[derive(Default)]
pub(super) struct Table {
    pub(super) sessions: Sessions,
    pub(super) book: AddressBook,
    pub(super) quarantine: Quarantine,
    pub(super) member_sources: MemberSources,
    pub(super) compared: Compared,
}

impl Inner {
    pub(super) fn table(&self) -> MutexGuard<'_, Table> {
        // No foreign code runs under this lock.
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn next_peer(&self) -> PeerId {
        PeerId(self.next_peer.fetch_add(1, Ordering::Relaxed))
    }

    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }

    /// This node's addresses.
    pub(super) fn listens(&self) -> Vec<String> {
        written(self.endpoint.addr().addrs.iter())
    }

    pub(super) fn local_side(&self) -> LocalSide {
        LocalSide {
            network: self.network,
            endpoint: self.endpoint.id(),
            signer: self.signer.clone(),
            membership: self.membership.clone(),
            instance: self.instance,
            listens: self.listens(),
            stall: self.config.stall_deadline,
        }
    }

    /// Another machine has proved that it runs with this node's author key.
    pub(super) fn meet_twin(&self, seen: TwinSeen) {
        tracing::info!(endpoint = %seen.endpoint.fmt_short(), addresses = ?seen.addresses, "met a twin");
        self.inbox.push(self.next_peer(), NetEvent::Twin(seen));
    }

    /// Whether there is room for one more answer to somebody who is no peer.
    pub(super) fn may_answer(&self) -> bool {
        let left = self.genesis_answers.lock();
        left.is_ok_and(|mut left| left.take(ANSWERS, Instant::now()))
    }

    /// A dialled peer has left this node's network, and says why.
    pub(super) fn hear_endorsements(&self, endorsements: Vec<Vec<u8>>) {
        let event = NetEvent::Endorsements(endorsements);
        self.inbox.push(self.next_peer(), event);
    }

    /// Tells a peer what this node says of itself.
    pub(super) fn report_to(&self, session: &Session) {
        let report = SelfReport::of(self.membership.as_ref());
        let frame = frame(Kind::Report, &codec::encode(&report));
        session.outbox.push(frame);
    }

    pub(super) fn close_all(&self, code: CloseCode) {
        self.closing.store(true, Ordering::SeqCst);
        let sessions = self.table().sessions.all();
        for session in sessions {
            session.close(code);
        }
        self.changed.notify_one();
    }
}
