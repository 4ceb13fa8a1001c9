//! What cores want done: the disk, the network, and what the checker wants to know.

use super::World;
use crate::core::{Event, Output, Write};
use crate::finality::Blame;
use crate::statement::seal::is_over_third;

impl World {
    pub(super) fn output(&mut self, host: usize, output: Output) {
        match output {
            Output::Persist(write) => self.persist(host, &write),
            Output::Send { to, message } => {
                self.leave(
                    host,
                    usize::try_from(to.0).expect("peers are hosts"),
                    message,
                );
            }
            Output::Serve { to, from, bytes } => {
                let to = usize::try_from(to.0).expect("peers are hosts");
                if let Some(message) = self.hosts[host].disk.serve(from, bytes) {
                    self.leave(host, to, message);
                }
            }
            Output::Part(from) => {
                let from = usize::try_from(from.0).expect("peers are hosts");
                if self.hosts[host].is_honest() && self.hosts[from].is_honest() {
                    let text = format!("host {host} parts from {from}, which is honest");
                    self.checker.report("blame", text);
                }
            }
            Output::Event(event) => self.event(host, event),
        }
    }

    pub(super) fn persist(&mut self, host: usize, write: &Write) {
        let is_honest = self.hosts[host].is_honest();
        match write {
            Write::Journal(entry) => self.checker.signed(&entry.record, is_honest),
            Write::Block { block, applied } if is_honest => {
                let is_new = block.seal.height > self.checker.ledger().state().height();
                self.checker.sealed(host, block, applied);
                self.evidence += if is_new {
                    applied.evidence.len() as u64
                } else {
                    0
                };
            }
            _ => {}
        }
        self.hosts[host].disk.write(write);
    }

    pub(super) fn event(&mut self, host: usize, event: Event) {
        if !self.hosts[host].is_honest() {
            return;
        }
        match event {
            Event::Tallied { operation, outcome } => {
                self.checker.tallied(host, operation, &outcome);
            }
            Event::Refused { rejection, .. } => {
                *self.refused.entry(rejection.code()).or_default() += 1;
            }
            Event::JournalLost if !self.hosts[host].lost_journal => {
                self.checker
                    .report("journal", format!("host {host} takes its journal for lost"));
            }
            Event::Forked { height, blame, .. } => self.note_fork(host, height, blame),
            _ => {}
        }
    }

    pub(super) fn note_fork(&mut self, host: usize, height: u64, blame: Blame) {
        // A fork across rounds is blamed on the absence of votes, which others may hold: only double signing is proof.
        let innocent: Vec<usize> = (0..self.hosts.len())
            .filter(|n| self.hosts[*n].is_honest())
            .filter(|n| blame.double_signers.contains_key(&self.hosts[*n].node))
            .collect();
        if !innocent.is_empty() {
            let text =
                format!("host {host} blames {innocent:?} for the fork at {height}: {blame:?}");
            self.checker.report("innocent", text);
        }
        let sealers = self.checker.sealers_of(height);
        let (weight, total) = (blame.weight(&sealers), sealers.total());
        if !is_over_third(weight, total) {
            let text = format!("the fork at {height} convicts {weight} of {total} only: {blame:?}");
            self.checker.report("s_blame", text);
        }
        self.forks
            .push((height, blame, 100 * weight / total.max(1)));
    }
}
