//! A node in a process of its own: this executable started again, with orders as lines of JSON.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use mycnet_consensus::core::{Event, Refusal};
use mycnet_consensus::engine::{BFTConsensusEngine, EngineError, Notice, OperationFilter};
use mycnet_consensus::internals::record::{Signed, Statement};
use mycnet_consensus::net::Ticket;
use mycnet_consensus::{Ballot, Class, ConsensusOperation, NodeId, OperationId, SealId, Standing};
use serde::{Deserialize, Serialize};

use crate::federation::{Running, claim, genesis, node_id, patient_genesis};
use crate::medium::Random;

const SETUP: &str = "MYCNET_CHILD";

/// How a process is started.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Setup {
    /// Where the directories of all nodes are.
    pub directory: String,
    pub n: usize,
    pub members: usize,
    /// 0 means a free port.
    pub port: u16,
    /// Tickets of the other nodes, for the first start.
    pub tickets: Vec<String>,
    pub seed: u64,
    /// Reports its votes before it makes them.
    pub is_hasty: bool,
    /// Whether the network is that of [`patient_genesis`].
    pub is_patient: bool,
}

/// An order of the parent.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// Start or stop to propose; vote on every operation it hears of.
    Load { proposes: bool },
    /// Vote on a claim.
    Vote {
        operation: OperationId,
        result: String,
    },
    /// Report the state.
    Report,
    /// Shut down properly.
    Stop,
}

/// A message of the child. It acknowledges after the node has.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Told {
    Started {
        height: u64,
        port: u16,
        ticket: String,
    },
    /// An event that must not happen.
    Alarm(String),
    Height(u64),
    /// The nodes it is connected with.
    Peers(BTreeSet<usize>),
    Proposed(OperationId),
    Voted(OperationId),
    Report(Report),
    Stopped(String),
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub height: u64,
    pub seal: SealId,
    /// Operations that are not closed, and records that no seal lists.
    pub open: usize,
    pub unsealed: usize,
    pub closed: usize,
    pub evidence: usize,
    pub banned: usize,
    pub trusts_ppm: Vec<u32>,
}

/// The parent's end.
pub struct Process {
    child: Child,
    orders: ChildStdin,
    reader: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts a process. Its messages go to `told`, each with `tag`.
    pub fn start<T: Copy + Send + 'static>(setup: &Setup, tag: T, told: Sender<(T, Told)>) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--ignored", "--exact", "--nocapture", "process::a_node"])
            .env(SETUP, serde_json::to_string(setup).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = child.stdin.take().unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let reader = std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                // The test harness of the child writes there too.
                if let Ok(line) = serde_json::from_str(&line) {
                    let _ = told.send((tag, line));
                }
            }
        });
        Self {
            child,
            orders,
            reader: Some(reader),
        }
    }

    pub fn order(&mut self, order: &Order) {
        let line = serde_json::to_string(order).unwrap();
        // An ended process gets no orders; the test notices its end.
        let _ = writeln!(self.orders, "{line}");
    }

    /// `kill -9`. Returns when all its earlier messages have been passed on.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        self.wait();
    }

    /// Waits for its end.
    pub fn wait(&mut self) {
        self.child.wait().unwrap();
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Sends it a signal: `STOP` makes it sleep like a closed laptop, `CONT` wakes it up.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let signal = format!("-{name}");
        let status = Command::new("kill").args([signal, pid]).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

fn tell(told: &Told) {
    let line = serde_json::to_string(told).unwrap();
    // One write, on a line of its own even if the test harness left its line open.
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(format!("\n{line}\n").as_bytes());
    let _ = out.flush();
}

/// The vote of node `n` on a claim, the same after every start. A proposer answers 42.
fn result(n: usize, operation: &OperationId, is_own: bool) -> Ballot {
    let dissents = n == 3 && !is_own && operation.as_bytes()[0] < 16;
    let text = if dissents { "41" } else { "42" };
    Ballot::Result(text.into())
}

#[test]
#[ignore = "the main function of processes that other tests start"]
fn a_node() {
    let Ok(setup) = std::env::var(SETUP) else {
        return;
    };
    let setup: Setup = serde_json::from_str(&setup).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(live(setup));
}

async fn live(setup: Setup) {
    let genesis = if setup.is_patient {
        patient_genesis(setup.members)
    } else {
        genesis(setup.members)
    };
    let directory = Path::new(&setup.directory);
    let node = Running::start_at(directory, &genesis, setup.n, setup.port, |builder| {
        let tickets = setup.tickets.iter();
        let tickets = tickets.map(|ticket| ticket.parse::<Ticket>().unwrap());
        builder.peers(tickets.flat_map(|ticket| ticket.peers))
    })
    .await;
    let engine = node.node.engine().clone();
    let mut events = engine.subscribe();
    if let Some(lost) = node.node.opened().journal_lost {
        tell(&Told::Alarm(format!("journal lost: {lost}")));
    }
    let transport = node.node.transport().unwrap().clone();
    let port = transport.endpoint().bound_sockets()[0].port();
    tell(&Told::Started {
        height: engine.height(),
        port,
        ticket: node.node.ticket().unwrap().to_string(),
    });
    let (sender, mut orders) = tokio::sync::mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let _ = sender.send(serde_json::from_str(&line).unwrap());
        }
        // The parent is gone.
        std::process::exit(0);
    });
    let proposes = Arc::new(AtomicBool::new(false));
    let mut is_loaded = false;
    let mut peers = tokio::time::interval(Duration::from_millis(20));
    let mut connected = BTreeSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order.unwrap() {
                Order::Load { proposes: wanted } => {
                    proposes.store(wanted, Ordering::SeqCst);
                    if !is_loaded {
                        is_loaded = true;
                        tokio::spawn(load(engine.clone(), setup.clone(), proposes.clone()));
                    }
                }
                Order::Vote { operation, result } => {
                    let ballot = Ballot::Result(result.into());
                    match engine.vote(operation, ballot).await {
                        Ok(()) => tell(&Told::Voted(operation)),
                        Err(error) => tell(&Told::Alarm(error.to_string())),
                    }
                }
                Order::Report => tell(&Told::Report(report(&engine))),
                Order::Stop => break,
            },
            notice = events.next() => match notice {
                Some(Notice::Event(event)) => hear(&event),
                Some(_) => {}
                None => {
                    let how = node.node.stopped().await;
                    tell(&Told::Alarm(format!("the node stopped: {how}")));
                    return;
                }
            },
            _ = peers.tick() => {
                let authors: Vec<NodeId> = transport.peers().iter().map(|it| it.author).collect();
                let all = 0..setup.members;
                let now: BTreeSet<usize> = all.filter(|n| authors.contains(&node_id(*n))).collect();
                if now != connected {
                    tell(&Told::Peers(now.clone()));
                    connected = now;
                }
            }
        }
    }
    let how = node.node.shutdown().await;
    tell(&Told::Stopped(how.to_string()));
}

fn hear(event: &Event) {
    match event {
        Event::Sealed { height, .. } => tell(&Told::Height(*height)),
        Event::JournalLost | Event::Rejoined { .. } | Event::Forked { .. } => {
            tell(&Told::Alarm(format!("{event:?}")));
        }
        _ => {}
    }
}

fn report(engine: &BFTConsensusEngine) -> Report {
    let all = engine.operations(&OperationFilter::default()).unwrap();
    let open = all.iter().filter(|view| view.phase != "closed").count();
    let roster = engine.roster();
    let is_banned = |standing: &Standing| *standing == Standing::Banned;
    Report {
        height: engine.height(),
        seal: engine.seal(),
        open,
        unsealed: engine.export().len(),
        closed: all.len() - open,
        evidence: engine.evidence().unwrap().len(),
        banned: roster.iter().filter(|it| is_banned(&it.standing)).count(),
        trusts_ppm: roster.iter().map(|it| it.trust_ppm).collect(),
    }
}

/// An operation to vote on.
struct Heard {
    operation: OperationId,
    proposer: NodeId,
    is_claim: bool,
}

/// Proposals that were not sealed yet.
fn heard_of(engine: &BFTConsensusEngine) -> Vec<Heard> {
    let records = engine.export();
    let records = records.iter().map(|bytes| Signed::decode(bytes).unwrap());
    let proposals = records.filter_map(|signed| match &signed.record().body.what {
        Statement::Propose { operation, .. } => Some(Heard {
            operation: signed.id().into(),
            proposer: signed.record().body.by,
            is_claim: matches!(operation, ConsensusOperation::Claim { .. }),
        }),
        _ => None,
    });
    proposals.collect()
}

/// Votes on every operation that the node hears of, and proposes.
async fn load(engine: BFTConsensusEngine, setup: Setup, proposes: Arc<AtomicBool>) {
    let (n, me) = (setup.n, engine.node_id());
    let mut random = Random(setup.seed);
    let mut voted = BTreeSet::new();
    let is_open = OperationFilter {
        is_open: Some(true),
        ..OperationFilter::default()
    };
    for count in 0_u64.. {
        let pause = 20 + random.below(120) as u64;
        tokio::time::sleep(Duration::from_millis(pause)).await;
        let open = engine.operations(&is_open).unwrap();
        let committing = open.iter().filter(|view| view.phase == "committing");
        let committing = committing.map(|view| Heard {
            operation: view.operation,
            proposer: view.proposer,
            is_claim: view.class == Class::Claim,
        });
        for heard in committing.chain(heard_of(&engine)) {
            let id = heard.operation;
            if !voted.contains(&id) {
                let ballot = if heard.is_claim {
                    result(n, &id, heard.proposer == me)
                } else {
                    Ballot::Approve
                };
                if setup.is_hasty {
                    tell(&Told::Voted(id));
                    tokio::time::sleep(Duration::from_millis(500)).await;
                }
                let done = engine.vote(id, ballot).await;
                if acknowledged(&done) {
                    voted.insert(id);
                    tell(&Told::Voted(id));
                }
            }
        }
        let own = open.iter().filter(|view| view.proposer == me).count();
        // What a hasty node acknowledges are votes alone: its proposals are on the disk before.
        if proposes.load(Ordering::SeqCst) && own < 6 && !setup.is_hasty {
            let done = if count % 8 == 7 {
                let motd = ConsensusOperation::NetworkConfiguration {
                    config_type: "motd".into(),
                    proposed_change: count.to_le_bytes().to_vec(),
                };
                engine.propose_operation(motd).await
            } else {
                let subject = format!("6 * 7, asked by {n}");
                engine.propose_claim(claim(&subject), b"42".to_vec()).await
            };
            match done {
                Ok(id) => {
                    voted.insert(id);
                    tell(&Told::Proposed(id));
                }
                Err(error) => {
                    let _ = acknowledged(&Err(error));
                }
            }
        }
    }
}

/// Whether the request was done. Some refusals show that the node forgot a record.
fn acknowledged(done: &Result<(), EngineError>) -> bool {
    match done {
        Ok(()) => true,
        Err(EngineError::Refused(
            Refusal::AlreadySigned | Refusal::JournalLost | Refusal::BeforeRejoin,
        )) => {
            tell(&Told::Alarm(format!("{done:?}")));
            false
        }
        // For example because it came too late.
        Err(_) => false,
    }
}
