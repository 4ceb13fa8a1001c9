//! Messages under way: actors, loss, delay, doubling.

use rand::RngExt as _;

use super::{Happening, World};
use crate::core::{Message, Network as _};
use crate::sim::actors::{Actor, Desk};

impl World {
    pub(super) fn with_actor(
        &mut self,
        host: usize,
        message: Message,
        change: impl FnOnce(&mut dyn Actor, &mut Desk<'_>, Message) -> Option<Message>,
    ) -> Option<Message> {
        let Some(mut actor) = self.hosts[host].actor.take() else {
            return Some(message);
        };
        let Some(core) = self.hosts[host].core.as_ref() else {
            self.hosts[host].actor = Some(actor);
            return None;
        };
        let mut desk = Desk {
            core,
            identity: &self.hosts[host].identity,
            rng: &mut self.rng,
            hosts: self.hosts.len(),
            said: Vec::new(),
            signed: Vec::new(),
        };
        let changed = change(actor.as_mut(), &mut desk, message);
        let (said, signed) = (desk.said, desk.signed);
        self.hosts[host].actor = Some(actor);
        for record in signed {
            self.checker.signed(record.record(), false);
        }
        for (to, message) in said {
            self.leave(host, to, &message);
        }
        changed
    }

    pub(super) fn is_cut(&self, from: usize, to: usize) -> bool {
        self.is_apart || self.sides[from] != self.sides[to]
    }

    /// Sends a message, which the network may lose.
    pub(super) fn leave(&mut self, from: usize, to: usize, message: &Message) {
        if from == to || self.is_cut(from, to) {
            return;
        }
        let frame = message.encode();
        self.frames += 1;
        if self.plan.keeps_messages && self.messages_kept.insert(*blake3::hash(&frame).as_bytes()) {
            self.messages.push(message.clone());
        }
        self.hasher.update(&self.now_ms.to_le_bytes());
        self.hasher
            .update(&[from.to_le_bytes(), to.to_le_bytes()].concat());
        self.hasher.update(&frame);
        if self.rng.random_ratio(self.network.loss_percent, 100) {
            return;
        }
        if self.rng.random_ratio(self.network.twice_percent, 100) {
            self.travel(from, to, frame.clone());
        }
        self.travel(from, to, frame);
    }

    fn travel(&mut self, from: usize, to: usize, frame: Vec<u8>) {
        let delay = self.rng.random_range(1..=self.network.delay_ms_max);
        self.after(delay, Happening::Arrival { from, to, frame });
    }

    pub(super) fn land(&mut self, from: usize, to: usize, frame: &[u8]) {
        if self.is_cut(from, to) || self.hosts[to].core.is_none() {
            return;
        }
        let message = Message::decode(frame).expect("cores and actors send frames that decode");
        let heard = self.with_actor(to, message, |actor, desk, message| {
            actor.incoming(desk, message)
        });
        if let Some(message) = heard {
            self.arrive(from, to, message);
        }
    }
}
