//! A program that embeds a node: its router carries the ledger's protocol and one of its own, and it votes automatically.
//!
//! `cargo run --example embedded`
//!
//! Each program rebuilds the releases that others propose to verify, and answers questions about the verified
//! results. Three programs run in one process, each with its own disk and port.

use std::path::Path;
use std::sync::Arc;

use iroh::EndpointAddr;
use iroh::endpoint::{Connection, Endpoint};
use iroh::protocol::{AcceptError, ProtocolHandler, Router};
use mycnet_consensus::core::Event;
use mycnet_consensus::engine::{Notice, new_identity};
use mycnet_consensus::net::{self, EndpointSettings, PeerCard};
use mycnet_consensus::node::Node;
use mycnet_consensus::store::Store;
use mycnet_consensus::{
    BFTConsensusEngine, Ballot, ClaimRule, ConsensusOperation, Genesis, Identity, Outcome, Params,
    Signer as _, Spore,
};

type Failure = Box<dyn std::error::Error>;

/// The program's own protocol: it tells each connecting peer how many members this node knows, by trust.
const WHO: &[u8] = b"example/who/0";

#[derive(Debug, Clone)]
struct Who(BFTConsensusEngine);

impl ProtocolHandler for Who {
    async fn accept(&self, connection: Connection) -> Result<(), AcceptError> {
        // Endpoints of `net::bind` accept only streams in both directions.
        let (mut send, _) = connection.accept_bi().await?;
        let roster = self.0.roster();
        let trust: Vec<String> = roster.iter().map(|it| it.trust_ppm.to_string()).collect();
        send.write_all(trust.join(" ").as_bytes())
            .await
            .map_err(AcceptError::from_err)?;
        send.finish().map_err(AcceptError::from_err)?;
        connection.closed().await;
        Ok(())
    }
}

/// The result of an honest rebuild.
fn rebuild(source: &[u8]) -> Ballot {
    Ballot::Result(blake3::hash(source).as_bytes().to_vec())
}

/// Rebuilds each proposed release and commits to the result. The node reveals it automatically.
async fn verify(engine: BFTConsensusEngine) -> Result<(), mycnet_consensus::engine::EngineError> {
    let mut notices = engine.subscribe();
    while let Some(notice) = notices.next().await {
        let Notice::Event(Event::Proposed { operation }) = notice else {
            continue;
        };
        let proposal = engine.proposal(&operation)?;
        if let Some(proposal) = proposal
            && proposal.proposer != engine.node_id()
            && let ConsensusOperation::Claim { input, .. } = &proposal.what
        {
            engine.vote(operation, rebuild(input)).await?;
        }
    }
    Ok(())
}

/// The program: a node with a disk, on an endpoint that also speaks the program's own protocol.
async fn start(
    directory: &Path,
    genesis: &Genesis,
    me: Identity,
    known: &[PeerCard],
) -> Result<(Node, Router), Failure> {
    let store = Store::create(directory, genesis, me.node_id())?;
    // A real program keeps this secret, so that its peers find it again.
    let secret = new_identity()?.secret();
    let settings = EndpointSettings {
        secret,
        ..EndpointSettings::default()
    };
    let endpoint: Endpoint = net::bind(&settings, &genesis.network_id()).await?.endpoint;
    let builder = Node::builder(store, Arc::new(me)).endpoint(endpoint.clone());
    let node = builder.peers(known.to_vec()).spawn()?;
    let transport = node.transport().ok_or("there is an endpoint")?.clone();
    let router = Router::builder(endpoint)
        .incoming_filter(transport.incoming_filter())
        .accept(net::ALPN, transport)
        .accept(WHO, Who(node.engine().clone()))
        .spawn();
    tokio::spawn(verify(node.engine().clone()));
    Ok((node, router))
}

async fn ask_who(from: &Endpoint, at: EndpointAddr) -> Result<String, Failure> {
    let connection = from.connect(at, WHO).await?;
    let (mut send, mut receive) = connection.open_bi().await?;
    // A stream is seen by the other side once something was sent on it.
    send.finish()?;
    let answer = receive.read_to_end(4096).await?;
    Ok(String::from_utf8(answer)?)
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let identities = [new_identity()?, new_identity()?, new_identity()?];
    let mut genesis = Genesis::builder("embedded").params(Params::dev());
    for identity in &identities {
        genesis = genesis.member(identity.node_id(), Spore::Seed);
    }
    let genesis = genesis.build()?;
    let directory = std::env::temp_dir().join(format!("mycnet-embedded-{}", std::process::id()));
    let mut programs: Vec<(Node, Router)> = Vec::new();
    for (n, identity) in identities.into_iter().enumerate() {
        let tickets = programs.iter().filter_map(|(node, _)| node.ticket());
        let known: Vec<PeerCard> = tickets.flat_map(|ticket| ticket.peers).collect();
        programs.push(start(&directory.join(n.to_string()), &genesis, identity, &known).await?);
    }

    let (first, last) = (&programs[0], &programs[2]);
    let source = b"release 1".to_vec();
    let claim = ConsensusOperation::Claim {
        subject: "hash of release 1".into(),
        input: source.clone(),
        panel: None,
        rule: ClaimRule::MAJORITY,
    };
    let Ballot::Result(hash) = rebuild(&source) else {
        unreachable!("a rebuild gives a result")
    };
    let id = first.0.engine().propose_claim(claim, hash).await?;
    for (node, _) in &programs {
        while node.engine().status(&id).is_none() {
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        }
        let outcome = node.engine().execute_reveal_phase(id).await?;
        assert_eq!(outcome, Outcome::Decided(rebuild(&source)));
    }
    println!(
        "decided at height {}: everybody rebuilt the same",
        first.0.engine().height()
    );

    let card = last.0.ticket().ok_or("there is an endpoint")?.peers[0].clone();
    let address = card.address(false).ok_or("it is a key")?;
    let trust = ask_who(first.1.endpoint(), address).await?;
    println!("trust, told over the program's own protocol: {trust}");

    for (node, router) in programs {
        node.shutdown().await;
        router.shutdown().await?;
    }
    std::fs::remove_dir_all(directory)?;
    Ok(())
}
