//! Partitions, crashes and restarts.

use rand::RngExt as _;

use super::{Happening, World};
use crate::core::{Input, Network as _};
use crate::statement::genesis::Genesis;

impl World {
    /// The network becomes good, and all hosts restart.
    pub(super) fn calm(&mut self) {
        self.is_calm = true;
        self.network.loss_percent = 0;
        self.network.delay_ms_max = 60;
        self.sides = vec![false; self.hosts.len()];
        if self.network.blackout {
            for host in &mut self.hosts {
                host.core = None;
            }
            let is_message = |it: &Happening| matches!(it, Happening::Arrival { .. });
            self.queue.retain(|_, happening| !is_message(happening));
        }
        for host in 0..self.hosts.len() {
            self.hosts[host].is_doomed = false;
            if self.hosts[host].core.is_none() {
                self.restart(host);
            }
        }
    }

    pub(super) fn change_partition(&mut self) {
        let Some(mean) = self.network.partition_ms.filter(|_| !self.is_calm) else {
            return;
        };
        let is_whole = self.rng.random_ratio(1, 3);
        for side in &mut self.sides {
            *side = !is_whole && self.rng.random_ratio(1, 2);
        }
        let next = self.around(mean);
        self.after(next, Happening::Partition);
    }

    pub(super) fn doom_someone(&mut self) {
        let Some(mean) = self.network.crash_ms.filter(|_| !self.is_calm) else {
            return;
        };
        let host = self.rng.random_range(0..self.hosts.len());
        self.hosts[host].is_doomed = true;
        let next = self.around(mean);
        self.after(next, Happening::Crash);
    }

    pub(super) fn crash(&mut self, host: usize) {
        self.crashes += 1;
        self.hosts[host].core = None;
        self.hosts[host].is_doomed = false;
        let pause = self.around(1500);
        self.after(pause, Happening::Restart(host));
    }

    pub(super) fn restart(&mut self, host: usize) {
        let is_gone = self.is_calm && self.network.gone == Some(host) || self.dead.contains(&host);
        if self.hosts[host].core.is_some() || is_gone {
            return;
        }
        let loses_journal = self.network.loses_journal && self.hosts[host].is_honest();
        if loses_journal {
            self.network.loses_journal = false;
            self.hosts[host].lost_journal = true;
            self.hosts[host].disk.saved.journal.clear();
            self.checker.distrust(self.hosts[host].node);
        }
        let genesis: &Genesis = &self.plan.genesis;
        if let Err(error) = self.hosts[host].start(genesis, self.plan.gather_ms, self.now_ms) {
            self.checker
                .report("restore", format!("host {host}: {error}"));
            return;
        }
        if loses_journal {
            self.try_input(host, Input::JournalLost);
            let nonce = self.rng.random();
            self.try_input(host, Input::Rejoin { nonce });
        }
        self.greet_all(host);
    }

    /// The host and the others learn that they can reach each other.
    pub(super) fn greet_all(&mut self, host: usize) {
        for peer in 0..self.hosts.len() {
            if peer != host {
                self.introduce(host, peer, Input::PeerUp);
            }
        }
    }
}
