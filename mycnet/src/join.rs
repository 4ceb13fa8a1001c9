//! `mycnet join`: a node's place in a network.

use std::path::Path;

use anyhow::{Context as _, bail};
use mycnet_consensus::net::{self, Ticket};
use mycnet_consensus::store::Store;
use mycnet_consensus::{Genesis, NetworkId, Signer as _};
use serde_json::json;

use crate::arguments::read_file;
use crate::databases::damaged;
use crate::failure::Failure;
use crate::home::{Common, Home};
use crate::output::{Fields, note, shown};
use crate::session::runtime;
use crate::{network, socket};

/// Bytes of a genesis or ticket at most.
const INVITATION_BYTES_MAX: usize = 1024 * 1024;

/// Joins a network: makes this node's databases.
///
/// With a genesis file nobody is asked. With a ticket, which `mycnet run` and
/// `mycnet ticket` print on a member's machine, the genesis is fetched from the
/// peers that it names and checked; the ticket's peers are dialled at every start,
/// and no other branch than the ticket's is ever followed.
///
/// Joining makes nobody a member: founding members are named in the genesis, and
/// all others are admitted by a vote (`mycnet consent`). Until then a node is told
/// nothing but the genesis.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(crate) struct Args {
    /// A ticket, a file with one, or a genesis file; - reads standard input
    #[arg(value_name = "TICKET|FILE")]
    invitation: String,

    #[command(flatten)]
    common: Common,
}

/// What leads into a network.
pub(crate) enum Invitation {
    Ticket(Ticket),
    Genesis(Genesis),
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

/// Runs `mycnet join`.
///
/// # Errors
///
/// If the invitation cannot be used, or the node is in a network already.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let home = args.common.home()?;
    let author = home.author()?;
    socket::check_path(&home.socket())?;
    if home.has_ledger()? {
        let option = home.option();
        bail!(
            "this node is in a network already: `mycnet status{option}` tells which. A node has one network; for another \
             one, `mycnet init` another --dir"
        );
    }
    let (genesis, ticket) = match read(&args.invitation)? {
        Invitation::Genesis(genesis) => (genesis, None),
        Invitation::Ticket(ticket) => (fetch(&home, &ticket)?, Some(ticket)),
    };
    // Before the databases: a node that has them follows its ticket from the first start on.
    match &ticket {
        Some(ticket) => home.keep_ticket(ticket)?,
        None => home.forget_ticket()?,
    }
    let me = author.node_id();
    let store = Store::create(home.path(), &genesis, me);
    drop(store.map_err(|error| damaged(&home, &error))?);
    let founder = genesis.members.iter().find(|member| member.node == me);
    let value = json!({
        "network": genesis.network_id(),
        "name": genesis.name,
        "node": me,
        "role": founder.map(|founder| founder.role),
        "height": ticket.as_ref().map_or(0, |ticket| ticket.height),
    });
    args.common.format.print(&value, |value| {
        let mut fields = Fields::default();
        fields.add("network", shown(&value["network"]));
        fields.add("name", shown(&value["name"]));
        fields.add("node", shown(&value["node"]));
        fields.add("role", shown(&value["role"]));
        let option = home.option();
        let next = if founder.is_some() {
            format!("Next: `mycnet run{option}`.")
        } else {
            format!(
                "No founding member. If it is not admitted yet: `mycnet consent{option}` prints what a member needs to \
                 propose it.\nThen: `mycnet run{option}`."
            )
        };
        format!("{}\n{next}", fields.text())
    })
}

/// Reads a ticket, a file with one, or a genesis file.
///
/// # Errors
///
/// If it is none of these.
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
        Ok(genesis) => Ok(Invitation::Genesis(genesis)),
        Err(error) => Err(Failure::bad_data(format!(
            "{text} is neither a ticket nor a genesis: {error}"
        ))
        .into()),
    }
}

/// Asks the ticket's peers for the genesis.
fn fetch(home: &Home, ticket: &Ticket) -> anyhow::Result<Genesis> {
    let mut settings = home.settings()?;
    // The port may be taken by a node that is to move here, and whom this one asks need not find it again.
    settings.port = 0;
    let endpoint = settings.endpoint(home.transport_secret()?);
    let transport = settings.transport();
    if settings.is_on_loopback() && !ticket.peers.iter().any(has_loopback) {
        note(&format!(
            "this node listens on this machine only (listen = \"loopback\" in {}), and the ticket's peers are on others: \
             set listen = \"everywhere\"",
            home.settings_file().display()
        ));
    }
    runtime()?.block_on(async {
        let bound = net::bind(&endpoint, &ticket.network).await?;
        let fetched = net::fetch_genesis(&bound.endpoint, ticket, transport.relays).await;
        bound.endpoint.close().await;
        fetched.context(
            "cannot join. A peer that the ticket names must be running (`mycnet run`) and be reached from here; with a \
             genesis file instead of a ticket nobody is asked",
        )
    })
}

fn has_loopback(peer: &net::PeerCard) -> bool {
    peer.addresses.iter().any(|address| {
        let address: Result<std::net::SocketAddr, _> = address.parse();
        address.is_ok_and(|address| address.ip().is_loopback())
    })
}
