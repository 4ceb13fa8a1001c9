//! Byzantine actors. Each runs a production core with its own identity and behaves like an honest host, except for what
//! its file says: it changes messages from and to its core, and sends more, signed with its key.

mod censoring_primary;
mod choosy_revealer;
mod double_voter;
mod equivocating_committer;
mod forger;
mod late_copier;
mod late_leader;
mod rejoin_flooder;
mod silent_primary;
mod withholder;

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;
use serde_bytes::ByteBuf;

use crate::base::digest::NodeId;
use crate::base::identity::Identity;
use crate::core::Core;
use crate::exchange::message::Message;
use crate::statement::record::{Body, Signed, Statement, Verified, sign};

pub use crate::sim::kind::ActorKind;

impl ActorKind {
    /// An actor of this kind. Some obey: their clock, another host, or the person behind them is what makes them.
    pub(super) fn make(self, rng: &mut ChaCha8Rng, hosts: usize) -> Box<dyn Actor> {
        let some_host = rng.random_range(1..hosts.max(2));
        match self {
            Self::EquivocatingCommitter => {
                Box::new(equivocating_committer::EquivocatingCommitter::default())
            }
            Self::LateCopier => Box::new(late_copier::LateCopier::default()),
            Self::Withholder => Box::new(withholder::Withholder),
            Self::Forger => Box::new(forger::Forger),
            Self::SilentPrimary => Box::new(silent_primary::SilentPrimary),
            Self::DoubleVoter => Box::new(double_voter::DoubleVoter::default()),
            Self::CensoringPrimary => Box::new(censoring_primary::CensoringPrimary::new(some_host)),
            Self::LateLeader => Box::new(late_leader::LateLeader::default()),
            Self::ChoosyRevealer => Box::new(choosy_revealer::ChoosyRevealer::default()),
            Self::RejoinFlooder => Box::new(rejoin_flooder::RejoinFlooder::default()),
            Self::LyingClock
            | Self::Twin
            | Self::SlowPrimary
            | Self::NeverCommitter
            | Self::FreeObjector
            | Self::JunkProposer
            | Self::Farmer
            | Self::PanelSeed
            | Self::Contrarian => Box::new(Obedient),
        }
    }
}

/// The means of an actor.
pub(super) struct Desk<'a> {
    pub(super) core: &'a Core,
    pub(super) identity: &'a Identity,
    pub(super) rng: &'a mut ChaCha8Rng,
    /// How many hosts there are; host `n` is peer `n`.
    pub(super) hosts: usize,
    /// Messages that it adds.
    pub(super) said: Vec<(usize, Message)>,
    /// Records that it signed itself.
    pub(super) signed: Vec<Verified>,
}

impl Desk<'_> {
    /// Signs any statement.
    pub(super) fn sign(&mut self, statement: Statement) -> Verified {
        let record = sign(self.identity, self.core.network_id(), statement)
            .expect("actors sign statements within the limits");
        self.signed.push(record.clone());
        record
    }

    pub(super) fn send(&mut self, to: usize, record: &Verified) {
        let bytes = ByteBuf::from(record.encode());
        self.said.push((to, Message::Records(vec![bytes])));
    }

    pub(super) fn send_all(&mut self, record: &Verified) {
        for to in 0..self.hosts {
            self.send(to, record);
        }
    }
}

/// How an actor differs from an honest host.
pub(super) trait Actor {
    /// Replaces a message of its core, or drops it.
    fn outgoing(&mut self, desk: &mut Desk<'_>, to: usize, message: Message) -> Option<Message> {
        let _ = (desk, to);
        Some(message)
    }

    /// Replaces a message to its core, or drops it. Own records that the core did not sign itself are
    /// hidden by default: the core would take its journal for lost.
    fn incoming(&mut self, desk: &mut Desk<'_>, message: Message) -> Option<Message> {
        let me = desk.core.node_id();
        hide(message, me)
    }
}

/// Behaves like an honest host, except that it tolerates a twin.
struct Obedient;

impl Actor for Obedient {}

/// Removes an author's records from a message.
pub(super) fn hide(message: Message, author: NodeId) -> Option<Message> {
    edit(message, |body, bytes| {
        if body.by == author {
            Vec::new()
        } else {
            vec![bytes]
        }
    })
}

/// Replaces the records of a message. A proposal stays or goes.
pub(super) fn edit(
    message: Message,
    mut change: impl FnMut(&Body, ByteBuf) -> Vec<ByteBuf>,
) -> Option<Message> {
    match message {
        Message::Records(records) => {
            let changed: Vec<ByteBuf> = records
                .into_iter()
                .flat_map(|bytes| match Signed::decode(&bytes) {
                    Ok(signed) => change(&signed.record().body, bytes),
                    Err(_) => vec![bytes],
                })
                .collect();
            (!changed.is_empty()).then_some(Message::Records(changed))
        }
        Message::Proposal { record, list } => {
            let stays = match Signed::decode(&record) {
                Ok(signed) => !change(&signed.record().body, record.clone()).is_empty(),
                Err(_) => true,
            };
            stays.then_some(Message::Proposal { record, list })
        }
        other => Some(other),
    }
}

/// The bodies of the records of a message, for actors that only read.
pub(super) fn bodies(message: &Message) -> Vec<Body> {
    let Message::Records(records) = message else {
        return Vec::new();
    };
    let signed = records
        .iter()
        .filter_map(|bytes| Signed::decode(bytes).ok());
    signed.map(|signed| signed.record().body.clone()).collect()
}
