//! aleph-bft, as it is shipped: one session with all nodes on one thread, `verify_strict` for its signatures and BLAKE3 for its
//! hashes, in a network in memory without delay or encoding, and without a disk.
//!
//! *What counts as one decision.* Every node makes one signed unit per round, which names units of the round before. Once a round's
//! head is elected, some rounds later, each node orders the units below it as one batch. A finalized round, with a unit of every
//! node, is counted as one decision: the least in which what all nodes have to say is ordered. So one takes `n` signatures to
//! check, a node's own one too.
//!
//! Rounds follow each other without a delay. A node waits for its delay of zero on a timer of another thread and not on this
//! one; the other thread's time does not count.

mod user;

use std::sync::Arc;
use std::time::Duration;

use aleph_bft::{LocalIO, NodeCount, Terminator, create_config, default_delay_config, run_session};
use futures::StreamExt as _;
use futures::channel::{mpsc, oneshot};
use tokio::runtime::Runtime;

use user::{Finalized, Keys, Mail, Source, Tasks};

/// Nodes in one thread that order round after round.
pub(super) struct Federation {
    runtime: Runtime,
    /// For each node, the units of each batch that it finalized.
    finalized: Vec<mpsc::UnboundedReceiver<usize>>,
    /// Kept, because a node exits when its sender is dropped.
    _exits: Vec<oneshot::Sender<()>>,
}

impl Federation {
    pub(super) fn new(members: usize) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = { runtime }.build().expect("a runtime without drivers");
        let tasks = Tasks(runtime.handle().clone());
        let (senders, inboxes): (Vec<_>, Vec<_>) = (0..members).map(|_| mpsc::unbounded()).unzip();
        let all: Arc<[_]> = senders.into();
        let (mut finalized, mut exits) = (Vec::new(), Vec::new());
        for (keys, inbox) in Keys::of(members).into_iter().zip(inboxes) {
            let index = aleph_bft::Index::index(&keys);
            let mut delays = default_delay_config();
            delays.unit_creation_delay = Arc::new(|_| Duration::ZERO);
            // The last argument asks for slow rounds, lest a session end too early.
            let (members, session, rounds) = (NodeCount(members), 0, u16::MAX);
            let config = create_config(members, index, session, rounds, delays, Duration::ZERO);
            let (batches, batch) = mpsc::unbounded();
            let (exit, exits_on) = oneshot::channel();
            let (saved, loaded) = (futures::io::sink(), futures::io::empty());
            let session = run_session(
                config.expect("any delay will do"),
                LocalIO::new_with_unit_finalization_handler(
                    Source((index.0 as u64) << 32),
                    Finalized(batches),
                    saved,
                    loaded,
                ),
                Mail {
                    index,
                    inbox,
                    all: all.clone(),
                },
                keys,
                tasks.clone(),
                Terminator::create_root(exits_on, "node"),
            );
            runtime.spawn(session);
            finalized.push(batch);
            exits.push(exit);
        }
        Self {
            runtime,
            finalized,
            _exits: exits,
        }
    }

    /// Lets all nodes finalize so many more rounds. Returns the units that a node ordered in them, on average.
    pub(super) fn decide(&mut self, rounds: usize) -> usize {
        let members = self.finalized.len();
        let finalized = &mut self.finalized;
        let units = self.runtime.block_on(async {
            let mut units = 0;
            for batches in finalized {
                for _ in 0..rounds {
                    let batch = batches.next().await;
                    units += batch.expect("a session is longer than a measurement");
                }
            }
            units
        });
        units / members
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_round_orders_a_unit_of_each_node() {
        let mut federation = Federation::new(4);
        federation.decide(10);
        let units = federation.decide(50);
        assert!((190..=210).contains(&units), "{units} units in 50 rounds");
    }
}
