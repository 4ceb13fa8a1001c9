//! Lets two processes with one author key prove themselves to each other. `twins.rs` says why.

use std::sync::Arc;

use iroh::EndpointId;
use tokio::time::Instant;

use super::address::{addresses_within_limits, dialable};
use super::close::CloseCode;
use super::events::NetEvent;
use super::frame::{Kind, frame};
use super::hello::nonce;
use super::sessions::Session;
use super::shared::Inner;
use super::twins::{ANSWER_IN, COMPARE_FOR, TwinMessage, TwinProof, TwinSeen};
use crate::base::codec;
use crate::base::digest::{Digest, NodeId, SignatureBytes};
use crate::base::limits::HELLO_BYTES_MAX;

/// Closes the older of two connections of one author. First, if these are of two processes, lets each prove itself to the
/// other.
pub(super) fn replace(inner: &Inner, old: Arc<Session>, new: &Arc<Session>) {
    let one_process = old.proven.instance == new.proven.instance && old.endpoint == new.endpoint;
    let author = new.proven.author;
    if one_process || !inner.table().compared.may_compare(author, Instant::now()) {
        old.close(CloseCode::Duplicate);
        return;
    }
    for (session, other) in [(&old, new), (new, &old)] {
        session.compare_with(Some(other));
        say(session, &TwinMessage::Ask);
    }
    let new = Arc::downgrade(new);
    tokio::spawn(async move {
        tokio::time::sleep(COMPARE_FOR).await;
        if let Some(new) = new.upgrade() {
            new.compare_with(None);
        }
        old.close(CloseCode::Duplicate);
    });
}

fn say(session: &Session, message: &TwinMessage) {
    session
        .outbox
        .push(frame(Kind::Twin, &codec::encode(message)));
}

/// Takes a step of a comparison.
pub(super) async fn hear(inner: &Inner, session: &Session, body: &[u8]) -> Result<(), CloseCode> {
    let message = codec::decode(body, HELLO_BYTES_MAX).map_err(|_| CloseCode::Malformed)?;
    let now = Instant::now();
    match message {
        TwinMessage::Ask => {
            let nonce = nonce()?;
            if inner.challenges.begin(session.id, nonce, now) {
                let peer = session.id;
                inner.inbox.push_once(peer, NetEvent::TwinAsked { peer });
                say(session, &TwinMessage::Pass(nonce));
            }
        }
        TwinMessage::Pass(nonce) => {
            if let Some(other) = session.other_for_nonce() {
                say(&other, &TwinMessage::Prove(nonce));
            }
        }
        TwinMessage::Prove(nonce) => {
            if session.may_prove(now, ANSWER_IN) && !inner.challenges.is_own(&nonce) {
                say(session, &TwinMessage::Proof(prove(inner, nonce).await?));
            }
        }
        TwinMessage::Proof(proof) => {
            if !addresses_within_limits(&proof.listens) {
                return Err(CloseCode::Malformed);
            }
            if let Some(other) = session.other_for_proof() {
                say(&other, &TwinMessage::Proved(proof));
            }
        }
        TwinMessage::Proved(proof) => {
            if inner.challenges.end(session.id, &proof.nonce, now)
                && let Some(seen) = seen(inner, &proof, session.proven.author)
            {
                inner.meet_twin(seen);
            }
        }
    }
    Ok(())
}

/// Signs outside the executor: a key may live in hardware and wait for a person.
async fn prove(inner: &Inner, nonce: Digest) -> Result<TwinProof, CloseCode> {
    let mut proof = TwinProof {
        nonce,
        endpoint: Digest::from_bytes(*inner.endpoint.id().as_bytes()),
        instance: inner.instance,
        listens: inner.listens(),
        signature: SignatureBytes::from_bytes([0; 64]),
    };
    let (signer, message) = (inner.signer.clone(), proof.signed(&inner.network));
    let work = tokio::task::spawn_blocking(move || signer.sign(&message));
    let signed = work.await.map_err(|_| CloseCode::Internal)?;
    proof.signature = signed.map_err(|_| CloseCode::Internal)?;
    Ok(proof)
}

/// The twin that a proof shows. The peer that passed it on need not have looked at it, so a wrong one is nobody's fault.
fn seen(inner: &Inner, proof: &TwinProof, through: NodeId) -> Option<TwinSeen> {
    let endpoint = EndpointId::from_bytes(proof.endpoint.as_bytes()).ok()?;
    let author = inner.signer.node_id();
    let is_twin = addresses_within_limits(&proof.listens) && proof.is_by(&author, &inner.network);
    is_twin.then(|| TwinSeen {
        endpoint,
        addresses: dialable(&proof.listens),
        through: Some(through),
    })
}
