//! `mycnet join`: a node's databases for a network.

use std::path::Path;

use anyhow::{Context as _, bail};
use mycnet_consensus::net::{self, Ticket};
use mycnet_consensus::store::Store;
use mycnet_consensus::{Genesis, NetworkId, Signer as _};

use crate::databases::damaged;
use crate::failure::Failure;
use crate::files::read_file;
use crate::home::succession::Whose;
use crate::home::{Common, Home};
use crate::output::{Fields, note};
use crate::reply::Joined;
use crate::start::runtime;
use crate::{api, network};

/// Bytes of a genesis or ticket at most.
const INVITATION_BYTES_MAX: usize = 1024 * 1024;

/// Join a network: make this node's databases
///
/// With a genesis file, no peer is asked. With a ticket, which `mycnet run` and
/// `mycnet ticket` print on a member's machine, the genesis is fetched from the
/// peers that it names and checked; the ticket's peers are dialled at every start,
/// and the node follows no other branch than the ticket's.
///
/// Joining makes nobody a member: founding members are named in the genesis, and
/// all others are admitted by a vote (`mycnet consent`). Until then members tell
/// this node nothing but the genesis.
///
/// A key that was restored from a copy may have signed in this network, and a new
/// directory cannot know what. Say --restored then: the node begins as one that has
/// lost its journal, and signs again once a seal lists its Rejoin. Without the word
/// it may sign the same slots differently, for which a member is banned.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A ticket, a file with a ticket, or a genesis file; - reads standard input
    #[arg(value_name = "TICKET|FILE")]
    invitation: String,

    /// Say that this key may have signed in this network before
    #[arg(long)]
    restored: bool,

    #[command(flatten)]
    common: Common,
}

/// The way into a network.
pub(crate) enum Invitation {
    Ticket(Ticket),
    Genesis(Box<Genesis>),
}

impl Invitation {
    /// The network.
    pub(crate) fn network(&self) -> NetworkId {
        match self {
            Self::Ticket(ticket) => ticket.network,
            Self::Genesis(genesis) => genesis.network_id(),
        }
    }
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.home()?;
    let author = home.author()?;
    api::check_path(&home.socket())?;
    if home.has_ledger()? {
        bail!(
            "this node is in a network already: `mycnet status{}` tells which. A node has one network; for another one, \
             `mycnet init` another --dir",
            home.option()
        );
    }
    let (genesis, ticket) = match read(&args.invitation)? {
        Invitation::Genesis(genesis) => (*genesis, None),
        Invitation::Ticket(ticket) => {
            let genesis = runtime()?.block_on(fetch(&home, &ticket))?;
            (genesis, Some(ticket))
        }
    };
    let me = author.node_id();
    let store = create(&home, &genesis, ticket.as_ref())?;
    if args.restored {
        store
            .note_journal_lost()
            .map_err(|error| damaged(&home, &error))?;
    }
    let founder = genesis.members.iter().find(|member| member.node == me);
    if let Some(founder) = founder
        && founder.successor != home.successor(Whose::Author)?
    {
        note(
            "the genesis names another successor for this member than the key that `mycnet init` wrote, or none. Whoever makes \
             the network should give the line \"keys\" of `mycnet key show` to `mycnet network new`",
        );
    }
    let joined = Joined {
        network: genesis.network_id(),
        name: genesis.name.clone(),
        node: me,
        role: founder.map(|founder| founder.role),
        member_name: founder.map(|founder| founder.name.clone()),
        height: ticket.map_or(0, |ticket| ticket.height),
    };
    args.common.format.print(&joined, |joined| {
        let mut fields = Fields::default();
        fields
            .add("network", joined.network)
            .add("name", &joined.name)
            .add("node", joined.node)
            .add_some("member", joined.member_name.as_ref())
            .add_some("role", joined.role);
        let option = home.option();
        let next = match joined.role {
            Some(_) => format!("Next: `mycnet run{option}`."),
            None => format!(
                "This node is no founding member. To be admitted: `mycnet consent{option}` prints what a member needs to \
                 propose it.\nThen: `mycnet run{option}`."
            ),
        };
        format!("{}\n{next}", fields.text())
    })
}

/// Makes the databases of a network. The ticket is kept first: a node with databases follows it from its first start on.
pub(crate) fn create(
    home: &Home,
    genesis: &Genesis,
    ticket: Option<&Ticket>,
) -> anyhow::Result<Store> {
    home.keep_ticket(ticket)?;
    let created = Store::create(home.path(), genesis, home.author()?.node_id());
    created.map_err(|error| damaged(home, &error))
}

/// Reads a ticket, a file with a ticket, or a genesis file.
pub(crate) fn read(text: &str) -> anyhow::Result<Invitation> {
    if let Ok(ticket) = text.parse() {
        return Ok(Invitation::Ticket(ticket));
    }
    let path = Path::new(text);
    if text != "-" && !path.exists() {
        let bad = text.parse::<Ticket>().err();
        let why = bad.map_or_else(String::new, |error| format!(" ({error})"));
        return Err(Failure::bad_data(format!(
            "{text:?} is neither a file nor a ticket{why}; a ticket begins with `mycnet` and is copied whole"
        ))
        .into());
    }
    let bytes = read_file(path, INVITATION_BYTES_MAX)?;
    let as_ticket = std::str::from_utf8(&bytes)
        .ok()
        .and_then(|text| text.parse().ok());
    if let Some(ticket) = as_ticket {
        return Ok(Invitation::Ticket(ticket));
    }
    match network::parse(&bytes) {
        Ok(genesis) => Ok(Invitation::Genesis(Box::new(genesis))),
        Err(error) => Err(Failure::bad_data(format!(
            "{text} is neither a ticket nor a genesis: {error}"
        ))
        .into()),
    }
}

/// Asks the ticket's peers for the genesis.
pub(crate) async fn fetch(home: &Home, ticket: &Ticket) -> anyhow::Result<Genesis> {
    let mut settings = home.settings()?;
    // The node's own port may still be in use, and nobody has to find this endpoint again.
    settings.port = 0;
    if settings.is_on_loopback() && !ticket.peers.iter().any(has_loopback) {
        note(&format!(
            "this node listens on this machine only (listen = \"loopback\" in {}), and the ticket's peers are on others: \
             set listen = \"everywhere\"",
            home.settings_file().display()
        ));
    }
    let endpoint = settings.endpoint(home.transport_secret()?, settings.port);
    let bound = net::bind(&endpoint, &ticket.network).await?;
    let relays = settings.transport().relays;
    let fetched = net::fetch_genesis(&bound.endpoint, ticket, &relays).await;
    bound.endpoint.close().await;
    fetched.context(
        "cannot join. A peer that the ticket names must be running (`mycnet run`) and within reach; with a genesis file \
         instead of a ticket, no peer is asked",
    )
}

fn has_loopback(peer: &net::PeerCard) -> bool {
    peer.addresses.iter().any(|address| {
        let address: Result<std::net::SocketAddr, _> = address.parse();
        address.is_ok_and(|address| address.ip().is_loopback())
    })
}
