//! Peers tell one another where members can be dialled.

use tokio::time::Instant;

use super::address::PeerCard;
use super::close::CloseCode;
use super::frame::{Kind, frame};
use super::membership::Relation;
use super::sessions::Session;
use super::shared::Inner;
use crate::base::codec;
use crate::base::digest::NodeId;
use crate::base::limits::PEERS_TOLD_MAX;

/// Tells a peer about other members that this node has met. A newcomer learns the network from the one peer of its ticket.
pub(super) fn tell(inner: &Inner, session: &Session) {
    let mut cards: Vec<PeerCard> = inner.table().book.met().collect();
    cards.retain(|card| card.author != Some(session.proven.author));
    // If there are too many for one frame, a random part.
    let first = random_below(cards.len().saturating_sub(PEERS_TOLD_MAX) + 1);
    cards.drain(..first);
    cards.truncate(PEERS_TOLD_MAX);
    if !cards.is_empty() {
        let frame = frame(Kind::Peers, &codec::encode(&cards));
        session.outbox.push(frame);
    }
}

fn random_below(bound: usize) -> usize {
    let random = getrandom::u64().unwrap_or(0);
    let below = random.checked_rem(bound as u64).unwrap_or(0);
    usize::try_from(below).unwrap_or(0)
}

/// Puts the addresses that a peer tells of into the address book, below the addresses that this node learned by itself.
pub(super) fn hear(inner: &Inner, teller: NodeId, body: &[u8]) -> Result<(), CloseCode> {
    let cards: Vec<PeerCard> = codec::decode(body, body.len()).map_err(|_| CloseCode::Malformed)?;
    if cards.len() > PEERS_TOLD_MAX || !cards.iter().all(PeerCard::is_within_limits) {
        return Err(CloseCode::Malformed);
    }
    let (me, own, now) = (inner.signer.node_id(), inner.endpoint.id(), Instant::now());
    for card in cards {
        let (Some(endpoint), Some(author)) = (card.endpoint_id(), card.author) else {
            continue;
        };
        let is_member = inner.membership.relation(&author) == Relation::Member;
        if is_member && author != me && endpoint != own {
            let book = &mut inner.table().book;
            book.hear(Some(teller), endpoint, Some(author), &card.addresses, now);
        }
    }
    inner.changed.notify_one();
    Ok(())
}
