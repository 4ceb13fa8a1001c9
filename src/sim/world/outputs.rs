//! The outputs of cores: for the disk, for the network, and for the checker.

use std::sync::Arc;

use rand::RngExt as _;

use super::World;
use crate::core::{
    Answer, Core, Event, Input, Message, Network, Output, Outputs, Refusal, SealedBlock, Write,
};
use crate::finality::Blame;

impl Network for World {
    fn core(&mut self, node: usize) -> Option<(&mut Core, u64)> {
        let clock = self.hosts[node].clock(self.now_ms);
        Some((self.hosts[node].core.as_mut()?, clock))
    }

    fn persist(&mut self, node: usize, write: Write) {
        let is_honest = self.hosts[node].is_honest();
        match &write {
            Write::Journal(entry) => {
                self.checker.signed(&entry.record, is_honest);
                if is_honest {
                    self.watch(node, &entry.record);
                }
            }
            Write::Endorsed(Some(own)) if own.in_force.is_some() && is_honest => {
                self.keep_leaving(node, own);
            }
            Write::Block { block, applied } if is_honest => {
                if block.seal.height > self.checker.ledger().state().height() {
                    self.evidence += applied.evidence.len() as u64;
                }
                self.checker.sealed(node, block, applied);
            }
            _ => {}
        }
        self.hosts[node].disk.write(&write);
    }

    fn blocks(&self, node: usize, from: u64) -> impl Iterator<Item = &Arc<SealedBlock>> {
        self.hosts[node].disk.blocks_from(from)
    }

    fn event(&mut self, node: usize, event: Event) {
        if !self.hosts[node].is_honest() {
            return;
        }
        match event {
            Event::Tallied { operation, outcome } => {
                self.checker.tallied(node, operation, &outcome);
            }
            Event::Refused { rejection, .. } => {
                *self.refused.entry(rejection.code()).or_default() += 1;
            }
            Event::JournalLost if !self.hosts[node].lost_journal => {
                self.checker
                    .report("journal", format!("host {node} takes its journal for lost"));
            }
            Event::Forked { height, blame, .. } => self.note_fork(node, height, blame),
            Event::Refounded { endorsed } => self.note_left(node, endorsed),
            _ => {}
        }
    }

    /// The host's actor may change or drop the message of its core.
    fn send(&mut self, from: usize, to: usize, message: Message) {
        if to == from {
            return;
        }
        if let Some(message) = self.with_actor(from, message, |actor, desk, message| {
            actor.outgoing(desk, to, message)
        }) {
            self.leave(from, to, &message);
        }
    }

    fn part(&mut self, node: usize, peer: usize) {
        if self.hosts[node].is_honest() && self.hosts[peer].is_honest() {
            let text = format!("host {node} parts from {peer}, which is honest");
            self.checker.report("blame", text);
        }
    }

    fn input(&mut self, node: usize, input: Input) -> Result<Answer, Refusal> {
        let Some((core, clock)) = self.core(node) else {
            return Ok(Answer::Done);
        };
        let Outputs { answer, mut list } = core.handle(input, clock);
        let crashes = self.hosts[node].is_doomed && !list.is_empty();
        if crashes {
            list.truncate(self.rng.random_range(0..=list.len()));
        }
        self.hosts[node].disk.begin();
        let mut has_sealed = false;
        for output in list {
            has_sealed |= matches!(output, Output::Event(Event::Sealed { .. }));
            self.perform(node, output);
        }
        if crashes {
            self.crash(node);
        } else {
            self.follow(node, has_sealed);
        }
        answer
    }
}

impl World {
    /// What a host does after the outputs of an input.
    fn follow(&mut self, node: usize, has_sealed: bool) {
        let host = &mut self.hosts[node];
        let core = host.core.as_ref().expect("it did not crash");
        if has_sealed && host.is_honest() {
            self.checker.compare(node, core);
        }
        if has_sealed && self.rng.random_ratio(1, 4) {
            host.disk.keep(core.ledger());
        }
        self.plan_tick(node);
    }

    fn note_fork(&mut self, host: usize, height: u64, blame: Blame) {
        // Blame for a fork across rounds rests on absent votes, which others may hold. Only double signing is proof.
        let innocent: Vec<usize> = (0..self.hosts.len())
            .filter(|n| self.hosts[*n].is_honest())
            .filter(|n| blame.double_signers.contains_key(&self.hosts[*n].node))
            .collect();
        if !innocent.is_empty() {
            let text =
                format!("host {host} blames {innocent:?} for the fork at {height}: {blame:?}");
            self.checker.report("innocent", text);
        }
        let accused = blame.culprits().into_iter().filter(|node| {
            let mut liars = self.hosts.iter().filter(|host| !host.is_honest());
            liars.any(|host| host.node == *node)
        });
        self.accused.entry(host).or_default().extend(accused);
        let sealers = self.checker.sealers_of(height);
        let (convicted, total) = (blame.votes(&sealers), sealers.len());
        if !sealers.is_over_third(convicted) {
            let text =
                format!("the fork at {height} convicts {convicted} of {total} only: {blame:?}");
            self.checker.report("s_blame", text);
        }
        self.forks
            .push((height, blame, 100 * convicted as u64 / total.max(1) as u64));
    }
}
