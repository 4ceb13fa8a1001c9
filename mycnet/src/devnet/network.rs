//! The nodes of a devnet, in this process and, one of them, in another.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use mycnet_consensus::net::Ticket;
use mycnet_consensus::store::Store;
use mycnet_consensus::{BFTConsensusEngine, Genesis, NodeId, Params, Signer as _, Spore};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::board::Board;
use super::child::Child;
use super::home::{Ground, Home};
use super::news::{Happening, News, send, watch};
use super::running::Running;

/// What no step takes unless something is wrong, also on a busy machine.
pub(super) const PATIENCE: Duration = Duration::from_mins(1);

/// What no node tells, the state of its pool say, is looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How many seeds a devnet has at most.
const SEEDS_MAX: usize = 3;

enum Host {
    Nobody,
    Here(Running),
    There(Child),
}

/// A member, or one to be.
pub(super) struct Member {
    pub(super) id: NodeId,
    pub(super) role: Spore,
    pub(super) home: Home,
    /// Of its last start.
    pub(super) ticket: Option<Ticket>,
    lies: Arc<AtomicBool>,
    host: Host,
}

impl Member {
    fn create(home: Home, role: Spore) -> anyhow::Result<Self> {
        Ok(Self {
            id: home.author()?.node_id(),
            role,
            home,
            ticket: None,
            lies: Arc::default(),
            host: Host::Nobody,
        })
    }

    /// Where it listens.
    pub(super) fn address(&self) -> &str {
        let card = self.ticket.as_ref().and_then(|it| it.peers.first());
        let address = card.and_then(|card| card.addresses.first());
        address.map_or("nowhere", String::as_str)
    }
}

/// A network on loopback.
pub(super) struct Network {
    pub(super) genesis: Genesis,
    pub(super) members: Vec<Member>,
    pub(super) board: Board,
    ground: Ground,
    news: UnboundedReceiver<News>,
    teller: UnboundedSender<News>,
}

impl Network {
    /// Makes the keys, the genesis and the databases of `count` members. Nothing runs yet.
    ///
    /// # Errors
    ///
    /// If nothing can be written.
    pub(super) fn create(ground: Ground, count: usize) -> anyhow::Result<Self> {
        let mut members = Vec::new();
        let nonce = mycnet_consensus::engine::new_identity()?.secret();
        let mut genesis = Genesis::builder("devnet")
            .params(Params::dev())
            .nonce(nonce);
        for number in 0..count {
            let role = match number {
                0 => Spore::Primary,
                1..=SEEDS_MAX => Spore::Seed,
                _ => Spore::Latent,
            };
            let home = Home::create(ground.path().join(name(number)))?;
            let member = Member::create(home, role)?;
            genesis = genesis.member(member.id, role);
            members.push(member);
        }
        let genesis = genesis.build()?;
        for member in &members {
            Store::create(member.home.path(), &genesis, member.id)?;
        }
        let (teller, news) = unbounded_channel();
        Ok(Self {
            genesis,
            members,
            board: Board::default(),
            ground,
            news,
            teller,
        })
    }

    /// Starts a member in this process. It is told of all that were started before.
    ///
    /// # Errors
    ///
    /// If it does not start.
    pub(super) async fn start(&mut self, number: usize) -> anyhow::Result<()> {
        let tickets = self.members.iter().filter_map(|it| it.ticket.as_ref());
        let cards = tickets.filter_map(|ticket| ticket.peers.first().cloned());
        let (cards, member) = (cards.collect(), &self.members[number]);
        let running = Running::start(&member.home, cards, member.lies.clone()).await?;
        self.started(number, running)
    }

    fn started(&mut self, number: usize, running: Running) -> anyhow::Result<()> {
        let (engine, news) = (running.engine().clone(), self.teller.clone());
        tokio::spawn(watch(engine, move |told| send(&news, number, told)));
        let member = &mut self.members[number];
        member.ticket = Some(running.ticket()?);
        member.host = Host::Here(running);
        Ok(())
    }

    /// Starts a member in a process of its own. `knows_others` says whether it is told of the others, or has to remember them.
    ///
    /// # Errors
    ///
    /// If it does not start, or does not know its journal any more.
    pub(super) async fn start_child(
        &mut self,
        number: usize,
        knows_others: bool,
    ) -> anyhow::Result<()> {
        let tickets = self.members.iter().filter_map(|it| it.ticket.as_ref());
        let tickets = tickets.filter(|_| knows_others).map(Ticket::to_string);
        let (tickets, home): (Vec<_>, _) = (tickets.collect(), &self.members[number].home);
        let child = Child::start(home, &tickets, number, self.teller.clone())?;
        self.members[number].host = Host::There(child);
        self.members[number].ticket = None;
        let what = format!("{} to start in its own process", name(number));
        self.until(&what, |network| network.members[number].ticket.is_some())
            .await
    }

    /// Makes a member to be, and gives its number.
    ///
    /// # Errors
    ///
    /// If nothing can be written.
    pub(super) fn candidate(&mut self, role: Spore) -> anyhow::Result<usize> {
        let number = self.members.len();
        let home = Home::create(self.ground.path().join(name(number)))?;
        self.members.push(Member::create(home, role)?);
        Ok(number)
    }

    /// Lets an admitted candidate join with a ticket alone.
    ///
    /// # Errors
    ///
    /// If the ticket does not do.
    pub(super) async fn join(&mut self, number: usize, ticket: Ticket) -> anyhow::Result<()> {
        let member = &self.members[number];
        let running = Running::join(&member.home, ticket, member.lies.clone()).await?;
        self.started(number, running)
    }

    /// Kills a member that runs in a process of its own.
    ///
    /// # Errors
    ///
    /// If it runs here.
    pub(super) async fn kill(&mut self, number: usize) -> anyhow::Result<()> {
        let host = std::mem::replace(&mut self.members[number].host, Host::Nobody);
        let Host::There(child) = host else {
            bail!("{} has no process of its own", name(number));
        };
        child.kill().await?;
        // What it told before stands in the channel; it says nothing any more.
        while let Ok(news) = self.news.try_recv() {
            self.note(&news);
        }
        self.board.gone(number);
        Ok(())
    }

    /// Whether a member answers claims wrongly from now on.
    pub(super) fn set_lying(&self, number: usize, lies: bool) {
        self.members[number].lies.store(lies, Ordering::SeqCst);
    }

    /// The handle of a member in this process.
    ///
    /// # Errors
    ///
    /// If it does not run here.
    pub(super) fn engine(&self, number: usize) -> anyhow::Result<&BFTConsensusEngine> {
        match &self.members[number].host {
            Host::Here(running) => Ok(running.engine()),
            _ => Err(anyhow!("{} does not run here", name(number))),
        }
    }

    /// The handles of all members in this process.
    pub(super) fn engines(&self) -> impl Iterator<Item = &BFTConsensusEngine> {
        self.members.iter().filter_map(|member| match &member.host {
            Host::Here(running) => Some(running.engine()),
            _ => None,
        })
    }

    /// The numbers of all members that run.
    pub(super) fn running(&self) -> Vec<usize> {
        let all = self.members.iter().enumerate();
        let running = all.filter(|(_, member)| !matches!(member.host, Host::Nobody));
        running.map(|(number, _)| number).collect()
    }

    fn note(&mut self, news: &News) {
        if let Happening::Ready { ticket, is_whole } = &news.what {
            // A node whose journal was lost is one that did not start, here.
            let ticket = ticket.parse().ok().filter(|_| *is_whole);
            self.members[news.node].ticket = ticket;
        }
        self.board.note(news);
    }

    /// Waits for the next thing that a node tells, and notes it.
    pub(super) async fn next(&mut self) -> Option<News> {
        let news = self.news.recv().await?;
        self.note(&news);
        Some(news)
    }

    /// Waits until something holds.
    ///
    /// # Errors
    ///
    /// If it does not within [`PATIENCE`]; `what` is what was waited for.
    pub(super) async fn until(
        &mut self,
        what: &str,
        mut holds: impl FnMut(&Self) -> bool,
    ) -> anyhow::Result<()> {
        let waiting = async {
            while !holds(self) {
                // Nothing new within that time is nothing wrong.
                let _ = tokio::time::timeout(LOOK_EVERY, self.next()).await;
            }
        };
        let waited = tokio::time::timeout(PATIENCE, waiting).await;
        waited.with_context(|| format!("waited {PATIENCE:?} for {what}, in vain"))
    }

    /// Waits until all stand at one height and state, and nothing is left to be sealed.
    ///
    /// # Errors
    ///
    /// If they do not in time; the message says where each stands.
    pub(super) async fn settle(&mut self) -> anyhow::Result<()> {
        let settled = self
            .until("all nodes to stand at one height", |network| {
                let has_all = network.board.common(&network.running()).is_some();
                has_all && network.engines().all(|it| it.export().is_empty())
            })
            .await;
        settled.with_context(|| {
            let stands = self.running().into_iter().map(|number| {
                let (height, digest) = self.board.stand(number).unwrap_or_default();
                format!("{} at {height} ({digest})", name(number))
            });
            stands.collect::<Vec<_>>().join(", ")
        })
    }

    /// Stops all in good order, all at once: each takes leave of its peers, which takes some seconds on a busy machine.
    ///
    /// # Errors
    ///
    /// The first failure, after all were stopped.
    pub(super) async fn stop(self) -> anyhow::Result<()> {
        let mut stopping = tokio::task::JoinSet::new();
        for (number, member) in self.members.into_iter().enumerate() {
            stopping.spawn(async move {
                let stopped = match member.host {
                    Host::Here(running) => running.stop().await,
                    Host::There(child) => child.stop().await,
                    Host::Nobody => Ok(()),
                };
                stopped.with_context(|| name(number))
            });
        }
        let mut done = Ok(());
        while let Some(stopped) = stopping.join_next().await {
            let stopped = stopped.context("a node's task failed");
            done = done.and(stopped.and_then(|stopped| stopped));
        }
        drop(self.ground);
        done
    }
}

/// What a node is called here.
pub(super) fn name(number: usize) -> String {
    format!("node-{number}")
}
