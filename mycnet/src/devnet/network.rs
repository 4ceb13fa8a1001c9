//! The nodes of a devnet: in this process, and one of them in another.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use mycnet_consensus::engine::new_identity;
use mycnet_consensus::net::Ticket;
use mycnet_consensus::node::Work;
use mycnet_consensus::{
    BFTConsensusEngine, Digest, Founder, Genesis, Identity, MemberName, NodeId, Params,
    Signer as _, Spore,
};
use mycnet_replay::terminal::check_empty;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::child::Child;
use super::events::{NodeEvent, Received, send, watch};
use super::progress::Progress;
use super::voter::Voting;
use crate::home::Home;
use crate::home::private::make_private_directory;
use crate::join;

/// The time that a step takes only if something is wrong, even on a busy machine.
pub(super) const DEADLINE: Duration = Duration::from_mins(1);

/// The interval for checks of states that no event tells, such as that of a pool.
const CHECK_EVERY: Duration = Duration::from_millis(20);

/// How many seeds a devnet has at most.
const SEEDS_MAX: usize = 3;

/// The directory with all nodes' directories.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    is_temporary: bool,
}

impl Directory {
    /// The user's directory, which must be new or empty, or a temporary one.
    pub(super) fn prepare(given: Option<&Path>) -> anyhow::Result<Self> {
        let path = if let Some(given) = given {
            // Checked first, so that a directory with files keeps its mode.
            check_empty(given).context("--dir")?;
            given.to_owned()
        } else {
            let random = hex::encode(&new_identity()?.secret()[..8]);
            std::env::temp_dir().join(format!("mycnet-devnet-{random}"))
        };
        make_private_directory(&path)
            .with_context(|| format!("cannot make the directory {}", path.display()))?;
        Ok(Self {
            path,
            is_temporary: given.is_none(),
        })
    }

    fn node(&self, number: usize) -> anyhow::Result<Home> {
        let home = Home::at(&self.path.join(name(number)))?;
        home.create()?;
        home.write_keys(None)?;
        Ok(home)
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        if self.is_temporary {
            // The system clears its temporary directory anyway.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}

enum Host {
    Stopped,
    ThisProcess(Voting),
    OwnProcess(Child),
}

/// A member, or a candidate.
pub(super) struct Member {
    pub(super) id: NodeId,
    pub(super) role: Spore,
    pub(super) home: Home,
    /// The ticket of its last start.
    pub(super) ticket: Option<Ticket>,
    /// The key that may replace its own, as if it lay in a drawer.
    pub(super) next: Option<Identity>,
    lies: Arc<AtomicBool>,
    host: Host,
}

impl Member {
    fn new(home: Home, role: Spore) -> anyhow::Result<Self> {
        Ok(Self {
            id: home.author()?.node_id(),
            role,
            home,
            ticket: None,
            next: None,
            lies: Arc::default(),
            host: Host::Stopped,
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> &str {
        let card = self.ticket.as_ref().and_then(|ticket| ticket.peers.first());
        let address = card.and_then(|card| card.addresses.first());
        address.map_or("nowhere", String::as_str)
    }

    /// What it has done since its start, in this process.
    pub(super) fn work(&self) -> Option<Work> {
        match &self.host {
            Host::ThisProcess(voting) => Some(voting.work()),
            _ => None,
        }
    }

    fn engine(&self) -> Option<&BFTConsensusEngine> {
        match &self.host {
            Host::ThisProcess(voting) => Some(voting.engine()),
            _ => None,
        }
    }
}

/// A network on loopback.
pub(super) struct Network {
    pub(super) genesis: Genesis,
    pub(super) members: Vec<Member>,
    pub(super) progress: Progress,
    directory: Directory,
    events: UnboundedReceiver<Received>,
    sender: UnboundedSender<Received>,
}

impl Network {
    /// Makes the keys, the genesis and the databases of `count` members. No node runs yet.
    pub(super) fn create(directory: Directory, count: usize) -> anyhow::Result<Self> {
        let mut members = Vec::new();
        let mut genesis = Genesis::builder("devnet")
            .params(Params::dev())
            .nonce(new_identity()?.secret());
        for number in 0..count {
            let role = match number {
                0 => Spore::Primary,
                1..=SEEDS_MAX => Spore::Seed,
                _ => Spore::Latent,
            };
            let mut member = Member::new(directory.node(number)?, role)?;
            let next = new_identity()?;
            genesis = genesis.founder(Founder {
                name: MemberName::new(name(number))?,
                successor: Some(Digest::of_successor(&next.node_id())),
                ..Founder::new(member.id, role)
            });
            member.next = Some(next);
            members.push(member);
        }
        let genesis = genesis.build()?;
        for member in &members {
            join::create(&member.home, &genesis, None)?;
        }
        let (sender, events) = unbounded_channel();
        Ok(Self {
            genesis,
            members,
            progress: Progress::default(),
            directory,
            events,
            sender,
        })
    }

    fn tickets(&self) -> Vec<Ticket> {
        let tickets = self
            .members
            .iter()
            .filter_map(|member| member.ticket.clone());
        tickets.collect()
    }

    /// Starts a member in this process, with the tickets of all that were started before.
    pub(super) async fn start(&mut self, number: usize) -> anyhow::Result<()> {
        let tickets = self.tickets();
        self.start_with(number, &tickets).await
    }

    async fn start_with(&mut self, number: usize, tickets: &[Ticket]) -> anyhow::Result<()> {
        let member = &mut self.members[number];
        let voting = Voting::start(&member.home, tickets, member.lies.clone()).await?;
        let (engine, sender) = (voting.engine().clone(), self.sender.clone());
        tokio::spawn(watch(engine, move |event| send(&sender, number, event)));
        member.ticket = Some(voting.ticket()?);
        member.host = Host::ThisProcess(voting);
        Ok(())
    }

    /// Stops a member of this process in good order and starts it again.
    pub(super) async fn restart(&mut self, number: usize) -> anyhow::Result<()> {
        let host = std::mem::replace(&mut self.members[number].host, Host::Stopped);
        let Host::ThisProcess(voting) = host else {
            bail!("{} does not run in this process", name(number));
        };
        voting.stop().await?;
        self.progress.forget(number);
        self.start_with(number, &[]).await?;
        let member = &mut self.members[number];
        member.id = member.home.author()?.node_id();
        Ok(())
    }

    /// Starts a member in a process of its own. After a restart it has to remember its peers, and must still have its journal.
    pub(super) async fn start_child(
        &mut self,
        number: usize,
        is_restart: bool,
    ) -> anyhow::Result<()> {
        let tickets = if is_restart {
            Vec::new()
        } else {
            self.tickets()
        };
        let member = &mut self.members[number];
        let child = Child::start(&member.home, &tickets, number, self.sender.clone())?;
        member.host = Host::OwnProcess(child);
        member.ticket = None;
        let what = format!("{} to start in its own process", name(number));
        self.until(&what, |network| network.members[number].ticket.is_some())
            .await
    }

    /// Makes a candidate, and returns its number.
    pub(super) fn candidate(&mut self, role: Spore) -> anyhow::Result<usize> {
        let number = self.members.len();
        let home = self.directory.node(number)?;
        self.members.push(Member::new(home, role)?);
        Ok(number)
    }

    /// Starts an admitted candidate, which knows nothing but a ticket.
    pub(super) async fn join(&mut self, number: usize, ticket: &Ticket) -> anyhow::Result<()> {
        let home = &self.members[number].home;
        let genesis = join::fetch(home, ticket).await?;
        join::create(home, &genesis, Some(ticket))?;
        self.start_with(number, &[]).await
    }

    /// Kills a member that runs in a process of its own.
    pub(super) async fn kill(&mut self, number: usize) -> anyhow::Result<()> {
        let host = std::mem::replace(&mut self.members[number].host, Host::Stopped);
        let Host::OwnProcess(child) = host else {
            bail!("{} has no process of its own", name(number));
        };
        child.kill().await?;
        // Its last events are still in the channel.
        while let Ok(received) = self.events.try_recv() {
            self.note(&received);
        }
        self.progress.forget(number);
        Ok(())
    }

    /// Loses a member for ever, with its directory.
    pub(super) async fn lose(&mut self, number: usize) -> anyhow::Result<()> {
        let host = std::mem::replace(&mut self.members[number].host, Host::Stopped);
        match host {
            Host::ThisProcess(voting) => voting.stop().await?,
            Host::OwnProcess(child) => child.kill().await?,
            Host::Stopped => {}
        }
        while let Ok(received) = self.events.try_recv() {
            self.note(&received);
        }
        self.progress.forget(number);
        let path = self.members[number].home.path();
        std::fs::remove_dir_all(path).with_context(|| path.display().to_string())
    }

    /// Whether a member answers claims wrongly from now on.
    pub(super) fn set_lying(&self, number: usize, lies: bool) {
        self.members[number].lies.store(lies, Ordering::SeqCst);
    }

    /// The handle of a member in this process.
    pub(super) fn engine(&self, number: usize) -> anyhow::Result<&BFTConsensusEngine> {
        let engine = self.members[number].engine();
        engine.with_context(|| format!("{} does not run in this process", name(number)))
    }

    /// The handles of all members in this process.
    pub(super) fn engines(&self) -> impl Iterator<Item = &BFTConsensusEngine> {
        self.members.iter().filter_map(Member::engine)
    }

    /// The numbers of all members that run.
    pub(super) fn running(&self) -> Vec<usize> {
        let all = self.members.iter().enumerate();
        let running = all.filter(|(_, member)| !matches!(member.host, Host::Stopped));
        running.map(|(number, _)| number).collect()
    }

    fn note(&mut self, received: &Received) {
        if let NodeEvent::Ready {
            ticket,
            has_journal,
        } = &received.event
        {
            // A restart that loses the journal counts as a failed start.
            let ticket = ticket.parse().ok().filter(|_| *has_journal);
            self.members[received.node].ticket = ticket;
        }
        self.progress.note(received);
    }

    /// Waits for the next event of a node, and notes it.
    pub(super) async fn next(&mut self) -> Option<Received> {
        let received = self.events.recv().await?;
        self.note(&received);
        Some(received)
    }

    /// Waits until something holds, for [`DEADLINE`] at most; `what` names it in the error.
    pub(super) async fn until(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&Self) -> bool,
    ) -> anyhow::Result<()> {
        let waiting = async {
            while !holds(self) {
                // No event within that time is no failure.
                let _ = tokio::time::timeout(CHECK_EVERY, self.next()).await;
            }
        };
        let waited = tokio::time::timeout(DEADLINE, waiting).await;
        waited.with_context(|| format!("waited {DEADLINE:?} for {what}, in vain"))
    }

    /// Waits until all nodes are at one height and state, and have nothing left to be sealed.
    pub(super) async fn settle(&mut self) -> anyhow::Result<()> {
        let settled = self
            .until("all nodes to be at one height", |network| {
                let is_common = network.progress.common(&network.running()).is_some();
                is_common && network.engines().all(|engine| engine.export().is_empty())
            })
            .await;
        settled.with_context(|| {
            let positions = self.running().into_iter().map(|number| {
                let (height, digest) = self.progress.position(number).unwrap_or_default();
                format!("{} at {height} ({digest})", name(number))
            });
            positions.collect::<Vec<_>>().join(", ")
        })
    }

    /// Stops all nodes in good order and at the same time: each says goodbye to its peers, which takes seconds on a busy
    /// machine. The error is that of the first failure.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        let mut stopping = tokio::task::JoinSet::new();
        for (number, member) in self.members.into_iter().enumerate() {
            stopping.spawn(async move {
                let stopped = match member.host {
                    Host::ThisProcess(voting) => voting.stop().await,
                    Host::OwnProcess(child) => child.stop().await,
                    Host::Stopped => Ok(()),
                };
                stopped.with_context(|| name(number))
            });
        }
        let mut done = Ok(());
        while let Some(stopped) = stopping.join_next().await {
            done = done.and(stopped.context("a node's task failed").flatten());
        }
        drop(self.directory);
        done
    }
}

/// The name of a node in reports.
pub(super) fn name(number: usize) -> String {
    format!("node-{number}")
}
