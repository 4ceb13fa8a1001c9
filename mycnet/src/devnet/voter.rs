//! Nodes that vote by themselves, as soon as they hear of an operation. Claims in a devnet ask for products, so that every
//! node can find the answer on its own.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, bail};
use mycnet_consensus::core::Event;
use mycnet_consensus::engine::{Notice, OperationFilter};
use mycnet_consensus::net::Ticket;
use mycnet_consensus::node::{Stopped, Work};
use mycnet_consensus::store::Store;
use mycnet_consensus::{
    BFTConsensusEngine, Ballot, ClaimRule, Class, ConsensusOperation, OperationId,
};
use tokio::sync::{Notify, broadcast};
use tokio::task::JoinHandle;

use crate::api::{Control, check_path};
use crate::builds::Keeper;
use crate::databases::open_store;
use crate::home::Home;
use crate::settings::Settings;
use crate::start::{Connected, RETRIES, RETRY_AFTER};

/// A claim that asks for a product.
pub(super) fn claim(left: u64, right: u64) -> ConsensusOperation {
    ConsensusOperation::Claim {
        subject: format!("{left} * {right}"),
        input: Vec::new(),
        panel: None,
        rule: ClaimRule::MAJORITY,
    }
}

/// The right answer, if a claim asks for a product.
fn answer(subject: &str) -> Option<u64> {
    let (left, right) = subject.split_once(" * ")?;
    left.parse::<u64>().ok()?.checked_mul(right.parse().ok()?)
}

/// A running node with its voter, which answers commands like any other.
pub(super) struct Voting {
    connected: Connected,
    voter: JoinHandle<()>,
    answering: JoinHandle<()>,
}

impl Voting {
    /// Starts a node from its directory. While `lies` is set, it answers claims wrongly.
    pub(super) async fn start(
        home: &Home,
        tickets: &[Ticket],
        lies: Arc<AtomicBool>,
    ) -> anyhow::Result<Self> {
        let store = open(home).await?;
        let settings = home.settings()?;
        let connected = Connected::start(home, store, &settings, tickets).await?;
        let answering = answer_commands(home, &settings, &connected).await?;
        let voter = Voter {
            engine: connected.node.engine().clone(),
            lies,
            done: BTreeSet::new(),
        };
        let voter = tokio::spawn(voter.run());
        Ok(Self {
            connected,
            voter,
            answering,
        })
    }

    pub(super) fn engine(&self) -> &BFTConsensusEngine {
        self.connected.node.engine()
    }

    pub(super) fn work(&self) -> Work {
        self.connected.node.work()
    }

    /// Whether it still has the journal of its last stop.
    pub(super) fn has_journal(&self) -> bool {
        self.connected.node.opened().journal_lost.is_none()
    }

    pub(super) fn ticket(&self) -> anyhow::Result<Ticket> {
        let ticket = self.connected.node.ticket();
        ticket.context("the node has no transport")
    }

    /// Stops it in good order.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        // Both hold handles of the node, and so the databases; and it may be started again at once, with the same port.
        self.answering.abort();
        let _ = self.answering.await;
        let stopped = self.connected.stop(true).await;
        self.voter.abort();
        if let Stopped::Failed(reason) = stopped {
            bail!("a node had stopped: {reason}");
        }
        Ok(())
    }
}

/// Answers commands at the node's socket, where the system has such sockets.
async fn answer_commands(
    home: &Home,
    settings: &Settings,
    connected: &Connected,
) -> anyhow::Result<JoinHandle<()>> {
    // A temporary directory may be too deep for sockets.
    if cfg!(not(unix)) || check_path(&home.socket()).is_err() {
        return Ok(tokio::spawn(async {}));
    }
    let control = Control::bind(home, settings).await?;
    let (node, keeper) = (connected.node.clone(), Arc::new(Keeper::new(home)));
    Ok(tokio::spawn(async move {
        let news = broadcast::Sender::new(1);
        control.serve(&node, &keeper, &news, &Notify::new()).await;
    }))
}

/// Opens a node's databases, which the node that stopped just now may hold for another moment.
async fn open(home: &Home) -> anyhow::Result<Store> {
    for _ in 0..RETRIES {
        if let Some(store) = open_store(home)? {
            return Ok(store);
        }
        tokio::time::sleep(RETRY_AFTER).await;
    }
    bail!("the databases in {} are open", home.path().display())
}

/// Votes for a node.
struct Voter {
    engine: BFTConsensusEngine,
    lies: Arc<AtomicBool>,
    /// Operations that it has voted on, or in which it has no vote.
    done: BTreeSet<OperationId>,
}

impl Voter {
    /// Votes until the node stops.
    async fn run(mut self) {
        let mut subscription = self.engine.subscribe();
        self.vote_on_all().await;
        while let Some(notice) = subscription.next().await {
            match notice {
                Notice::Event(Event::Proposed { operation }) => self.consider(operation).await,
                Notice::Event(Event::Sealed { applied, .. }) => {
                    for operation in &applied.opened {
                        self.consider(*operation).await;
                    }
                    for operation in &applied.closed {
                        self.done.remove(&operation.id());
                    }
                }
                Notice::Event(_) => {}
                Notice::Lagged(_) => self.vote_on_all().await,
            }
        }
    }

    /// Votes on all open operations.
    async fn vote_on_all(&mut self) {
        let filter = OperationFilter {
            is_open: Some(true),
            ..OperationFilter::default()
        };
        // If the disk fails, the node itself says so.
        let open = self.engine.operations(&filter).unwrap_or_default();
        let unsealed = self.engine.unsealed_proposals();
        for operation in open.iter().map(|view| view.operation).chain(unsealed) {
            self.consider(operation).await;
        }
    }

    async fn consider(&mut self, operation: OperationId) {
        if self.done.contains(&operation) {
            return;
        }
        let Ok(Some(proposal)) = self.engine.proposal(&operation) else {
            return;
        };
        // The proposer's ballot went with its proposal.
        let is_own = proposal.proposer == self.engine.node_id();
        let ballot = self.ballot(&proposal.what).filter(|_| !is_own);
        let is_done = match ballot {
            // A vote is refused if it is late, or if this node is no member yet.
            Some(ballot) => self.engine.vote(operation, ballot).await.is_ok(),
            None => true,
        };
        if is_done {
            self.done.insert(operation);
        }
    }

    fn ballot(&self, what: &ConsensusOperation) -> Option<Ballot> {
        match (what.class(), what) {
            (Class::Critical, _) => Some(Ballot::Approve),
            (_, ConsensusOperation::Claim { subject, .. }) => {
                let wrong = u64::from(self.lies.load(Ordering::SeqCst));
                let result = answer(subject)?.wrapping_add(wrong);
                Some(Ballot::Result(result.to_string().into_bytes()))
            }
            // The Primary and the Seeds decide standard operations.
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn products_are_answered_and_nothing_else() {
        assert_eq!(answer(&claim(6, 7).subject()), Some(42));
        for other in ["", "6*7", "6 * x", "18446744073709551615 * 2", "6 * 7 * 8"] {
            assert_eq!(answer(other), None, "{other}");
        }
    }
}
