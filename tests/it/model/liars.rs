//! What liars say, and to whom. They know everything, and never say more than two proposals of a round: the limit on a slot,
//! which the model does not have, plays no part.

use mycnet_consensus::internals::record::VoteKind;

use super::node::{Message, Said, Value};
use super::schedule::World;

impl World {
    /// A liar says something to some honest nodes.
    pub fn lie(&mut self, is_cunning: bool) {
        if self.liars.is_empty() {
            return;
        }
        let by = self.liars[self.random.below(self.liars.len())];
        let honest = self.honest();
        let one = honest[self.random.below(honest.len())];
        let lie = if is_cunning {
            self.cunning(by, one)
        } else {
            self.anything(by, one)
        };
        let Some((message, to)) = lie else { return };
        let at = self.say(message);
        for node in to {
            if self.random.chance(50) {
                self.nodes.get_mut(&node).unwrap().pending.push(at);
            } else {
                self.take(node, at);
            }
        }
    }

    fn some(&mut self) -> Vec<usize> {
        let mask = self.random.next();
        let mut honest = self.honest();
        honest.retain(|node| (mask >> node) & 1 == 1);
        honest
    }

    fn anything(&mut self, by: usize, focus: usize) -> Option<(Message, Vec<usize>)> {
        let (lowest, highest) = self.span();
        let members = u32::try_from(self.setting.members).unwrap();
        let round = match self.random.below(10) {
            0..7 => self.nodes[&focus].model.round,
            7 => lowest,
            8 => highest + 1,
            _ => u32::try_from(self.random.below(3 * self.setting.members)).unwrap(),
        };
        let to = match self.random.below(4) {
            0 => self.honest(),
            1 => vec![focus],
            _ => self.some(),
        };
        if self.random.chance(20) {
            let own = (round / members) * members + u32::try_from(by).unwrap();
            let is_near = own >= round || self.random.chance(40);
            let round = if is_near { own } else { own + members };
            return Some((self.proposal(by, round)?, to));
        }
        let kind = [VoteKind::Prevote, VoteKind::Precommit][self.random.below(2)];
        let mut values: Vec<Option<Value>> = vec![None];
        for pair in self.nodes.values() {
            values.extend(pair.model.proposed(round).map(Some));
        }
        let locks = self.nodes.values().filter_map(|pair| pair.model.lock);
        let locks: Vec<Value> = locks.map(|(_, value)| value).collect();
        if self.random.chance(20) {
            values.extend(locks.into_iter().map(Some));
        }
        let value = values[self.random.below(values.len())];
        let said = Said::Vote(kind, value);
        Some((Message { by, round, said }, to))
    }

    /// A liar's proposal in a round of its own: of a value with a proof of lock, or fresh.
    #[allow(clippy::unnecessary_wraps, reason = "as its siblings")]
    fn proposal(&mut self, by: usize, round: u32) -> Option<Message> {
        let own = self.messages.iter().map(|(message, _)| *message);
        let own = own.filter(|it| it.round == round && matches!(it.said, Said::Proposal(..)));
        let own: Vec<Message> = own.collect();
        if own.len() >= 2 {
            return Some(own[self.random.below(own.len())]);
        }
        let proofs = self.nodes.values().flat_map(|pair| pair.model.proofs());
        let proofs: Vec<(u32, Value)> = proofs.filter(|(proof, _)| *proof < round).collect();
        let said = if !proofs.is_empty() && self.random.chance(50) {
            let (proof, value) = proofs[self.random.below(proofs.len())];
            Said::Proposal(value, Some(proof))
        } else {
            let (is_valid, is_worth_it) = (self.random.chance(95), self.random.chance(80));
            Said::Proposal(self.new_value(by, (round, is_valid, is_worth_it)), None)
        };
        Some(Message { by, round, said })
    }

    /// Splits proposals, lets single nodes lock, and fills guards with nil.
    fn cunning(&mut self, by: usize, one: usize) -> Option<(Message, Vec<usize>)> {
        let round = self.nodes[&one].model.round;
        let proposer = round as usize % self.setting.members;
        if self.liars.contains(&proposer) && self.random.chance(50) {
            let to = self.some();
            return Some((self.proposal(proposer, round)?, to));
        }
        if self.random.chance(5) {
            let members = u32::try_from(self.setting.members).unwrap();
            let own = (round / members) * members + u32::try_from(by).unwrap();
            let to = self.some();
            return Some((self.proposal(by, own)?, to));
        }
        let proposed = self.nodes[&one].model.proposed(round).next();
        let mut others = self.honest();
        others.retain(|node| *node != one);
        let (kind, value, to) = match self.random.below(5) {
            0 => (VoteKind::Prevote, proposed, vec![one]),
            1 => (VoteKind::Prevote, None, others),
            2 | 3 => (VoteKind::Precommit, None, self.honest()),
            _ => (VoteKind::Precommit, proposed, vec![one]),
        };
        let said = Said::Vote(kind, value);
        Some((Message { by, round, said }, to))
    }
}
