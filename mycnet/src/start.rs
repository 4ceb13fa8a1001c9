//! Starting nodes: with peers for `run` and `devnet`, without for a command of its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use iroh::Watcher as _;
use iroh::endpoint::{Endpoint, RelayStatus};
use iroh::protocol::Router;
use mycnet_consensus::Signer;
use mycnet_consensus::net::{self, ALPN, Bound, Ticket};
use mycnet_consensus::node::{Builder, Node, NodeError, Stopped};
use mycnet_consensus::store::Store;
use tokio::time::timeout;

use crate::databases::damaged;
use crate::home::Home;
use crate::home::last_run::LastRun;
use crate::settings::Settings;

/// How often, and after which time, a command tries again to open databases that another process has open. A node that changes its
/// key or goes on in another network has them open for some seconds.
pub(crate) const RETRIES: u32 = 100;
pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(100);

/// How often a node tries again to take its port.
const BIND_RETRIES: u32 = 50;

/// How long a node that goes on with its next key, or in another network, waits for its port.
const RELEASED: Duration = Duration::from_secs(10);

/// How long a node that starts waits for a relay. A ticket that it prints before names none, and leads nobody to it.
const RELAY_ANSWERS: Duration = Duration::from_secs(5);

/// How long a node that stops waits for peers to hear that its connections are closed.
const GOODBYE: Duration = Duration::from_millis(200);

/// A runtime for one command.
pub(crate) fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the command's threads")
}

/// A node with these databases and this directory's key. It knows the peers of its own ticket and of these, and accepts no
/// other branch than that of the latest ticket.
pub(crate) fn builder(home: &Home, store: Store, tickets: &[Ticket]) -> anyhow::Result<Builder> {
    let author = home.author()?;
    home.check_author(store.node_id(), author.node_id())?;
    let joined_with = home.ticket()?;
    let tickets: Vec<&Ticket> = joined_with.iter().chain(tickets).collect();
    let peers = tickets.iter().flat_map(|ticket| ticket.peers.clone());
    // A ticket of the network that this one takes up names the same peers, but a seal of the other.
    let network = store.network_id();
    let own = tickets.iter().filter(|ticket| ticket.network == network);
    let former = home.former_keys()?.into_iter();
    let former = former.map(|key| Arc::new(key) as Arc<dyn Signer>);
    let builder = Node::builder(store, Arc::new(author))
        .former(former)
        .peers(peers);
    Ok(match own.max_by_key(|ticket| ticket.height) {
        Some(latest) => builder.expect_seal(latest.height, latest.seal),
        None => builder,
    })
}

/// Starts a node. If its databases cannot be read, the error says what to do.
pub(crate) fn spawn(home: &Home, builder: Builder) -> anyhow::Result<Node> {
    builder.spawn().map_err(|error| match error {
        NodeError::Store(error) => damaged(home, &error),
        error => error.into(),
    })
}

/// A node that meets peers.
#[derive(Debug)]
pub(crate) struct Connected {
    pub(crate) node: Node,
    router: Router,
    pub(crate) listening: Vec<SocketAddr>,
}

impl Connected {
    /// Starts a node with an endpoint.
    pub(crate) async fn start(
        home: &Home,
        store: Store,
        settings: &Settings,
        tickets: &[Ticket],
    ) -> anyhow::Result<Self> {
        let bound = bind(home, settings, &store).await;
        let bound = bound.with_context(|| {
            format!(
                "cannot listen on {}, port {}: another port or address of this machine can be set in {}, or with --port and --listen",
                settings.listen,
                settings.port,
                home.settings_file().display()
            )
        })?;
        let endpoint = bound.endpoint.clone();
        let builder = builder(home, store, tickets)?
            .endpoint(bound.endpoint)
            .mdns(bound.mdns)
            .transport_config(settings.transport());
        let node = spawn(home, builder)?;
        let listening = endpoint.bound_sockets();
        let port = listening.first().map(SocketAddr::port);
        LastRun::update(home, |last| last.port = port);
        let mut router = Router::builder(endpoint.clone());
        if let Some(transport) = node.transport() {
            router = router
                .incoming_filter(transport.incoming_filter())
                .accept(ALPN, transport.clone());
        }
        let router = router.spawn();
        if settings.has_relays() {
            wait_for_relay(&endpoint).await;
        }
        Ok(Self {
            node,
            router,
            listening,
        })
    }

    /// Stops the node in good order, or says why it had stopped before. Whoever goes on with the same port afterwards waits until it is
    /// free again.
    pub(crate) async fn stop(self, goes_on: bool) -> Stopped {
        let how = self.node.shutdown().await;
        // A peer that has gone answers nothing, and nobody waits seconds for it: those that are there have heard it by now.
        let router = self.router;
        let closing = tokio::spawn(async move { router.shutdown().await });
        let patience = if goes_on { RELEASED } else { GOODBYE };
        match timeout(patience, closing).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error)) | Err(error)) => tracing::debug!(%error, "the endpoint"),
            Err(_) => tracing::debug!("some peers may not have heard that the node stops"),
        }
        how
    }
}

/// Waits until a relay answers, for a while, or says why none does.
async fn wait_for_relay(endpoint: &Endpoint) {
    if timeout(RELAY_ANSWERS, endpoint.online()).await.is_ok() {
        return;
    }
    let states = endpoint.home_relay_status().get();
    let why = states.iter().find_map(RelayStatus::last_error);
    let why = why.map_or_else(
        || "`MYCNET_LOG=iroh::net_report=debug` says why".to_owned(),
        |error| format!("{error:#}"),
    );
    tracing::warn!(
        "no relay of the settings answers ({why}). The node tries on, but a ticket that it prints now names none: `mycnet ticket` prints \
         one later"
    );
}

/// Binds the endpoint. If the settings leave the port open, it is that of the last run, so that nodes find each other again
/// even if all of them were stopped; unless another program has that port now.
async fn bind(home: &Home, settings: &Settings, store: &Store) -> anyhow::Result<Bound> {
    let (secret, network) = (home.transport_secret()?, store.network_id());
    if settings.port == 0
        && let Some(port) = LastRun::read(home).port
    {
        match net::bind(&settings.endpoint(secret, port), &network).await {
            Ok(bound) => return Ok(bound),
            Err(error) => tracing::warn!(%error, port, "the port of the last run is taken"),
        }
    }
    let endpoint = settings.endpoint(secret, settings.port);
    let mut tries = BIND_RETRIES;
    loop {
        match net::bind(&endpoint, &network).await {
            // A node that went over to another network may still hold the port.
            Err(error) if tries > 0 => {
                tracing::debug!(%error, port = settings.port, "not bound yet");
                tries -= 1;
                tokio::time::sleep(RETRY_AFTER).await;
            }
            bound => return Ok(bound?),
        }
    }
}

/// Ends at Ctrl-C and, on Unix, at SIGTERM, which service managers send.
pub(crate) fn asked_to_stop() -> anyhow::Result<impl Future<Output = ()>> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        Ok(async move {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
        })
    }
    #[cfg(not(unix))]
    {
        Ok(async {
            let _ = tokio::signal::ctrl_c().await;
        })
    }
}
