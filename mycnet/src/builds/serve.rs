//! `mycnet builds serve`: answers what clients ask of a rebuilder, from this node's ledger.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use mycnet_builds::Subjects;
use mycnet_builds::serve::{Asked, Attester, QUESTIONS_MAX, Server};
use mycnet_consensus::{MemberName, NodeId};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::sync::mpsc;

use self::answer::Serving;
use super::submit::of_distribution;
use crate::client::{self, Client};
use crate::failure::Failure;
use crate::home::Common;
use crate::output::{Table, note};
use crate::reply::Roster;
use crate::request::Request;
use crate::start::asked_to_stop;

mod answer;

/// Where it listens unless told: one above the port of rebuilderd.
const PORT: u16 = 8485;

/// Addresses that are taken unless told: more members than that seldom count.
const ADDRESSES_MAX: usize = 32;

/// Answer what `repro-threshold` asks of a rebuilder, from this node's ledger
///
/// Clients ask a node on their own machine, and tell no rebuilder what they
/// install. Every member is a rebuilder of its own here, at `http://ADDR/NAME/`.
/// What is served for this node's own member is signed with the node's key; what is
/// served for others, with keys that only say: this node's ledger has that answer.
/// So only who trusts this node in everything may count them.
///
/// `repro-threshold` gives each host one vote. So there are several addresses of
/// this machine: give it another one for each member. /sha256/HEX says who gave
/// a hash for what.
///
/// It asks the node that runs; without one it opens the ledger itself, which then
/// stays as it is, and no node can run meanwhile.
#[derive(Debug, clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// Listen here; unless given at 127.0.0.1:8485, and on Linux at 127.0.0.2 and so on, one for each member
    #[arg(value_name = "ADDR")]
    addresses: Vec<SocketAddr>,

    /// Listen also at addresses that other machines reach
    #[arg(long)]
    public: bool,

    /// Name the distribution of packages; debian and arch unless given
    #[arg(long, value_name = "NAME")]
    distribution: Option<String>,
}

/// What is told at the start.
#[derive(Debug, JsonSchema, Serialize)]
pub(super) struct Started {
    listening: Vec<SocketAddr>,
    members: Vec<MemberAt>,
}

/// A member, and the address to give to `repro-threshold` for it.
#[derive(Debug, JsonSchema, Serialize)]
struct MemberAt {
    name: MemberName,
    node: NodeId,
    url: String,
}

pub(super) fn run(args: &Args, common: &Common) -> anyhow::Result<()> {
    if !args.public {
        refuse_public(&args.addresses)?;
    }
    let subjects = of_distribution(args.distribution.as_deref());
    client::with(common, async |client| {
        serve(client, args, subjects, common).await
    })
}

fn refuse_public(addresses: &[SocketAddr]) -> Result<(), Failure> {
    match addresses.iter().find(|address| !address.ip().is_loopback()) {
        None => Ok(()),
        Some(address) => Err(Failure::usage(format!(
            "other machines reach {address}. Whoever asks there tells this node what it installs, and has to trust it in everything: \
             it signs in the place of the other members too. With --public it listens there all the same"
        ))),
    }
}

async fn serve(
    client: &Client,
    args: &Args,
    subjects: Subjects,
    common: &Common,
) -> anyhow::Result<()> {
    let stop = asked_to_stop()?;
    let attester = Attester::new(client.home.author()?, client.home.attestation_secret()?);
    let roster: Roster = client.ask(Request::Roster).await?;
    let server = bind(&args.addresses, roster.members.len()).await?;
    if !client.is_running() {
        note(&format!(
            "no node is running here: the ledger stays as it is, and `mycnet run{}` can start only after this command",
            client.home.option()
        ));
    }
    let serving = Serving {
        client,
        attester,
        subjects,
        listening: server.addresses()?,
    };
    let started = Started {
        members: serving.addresses_of(&roster),
        listening: serving.listening.clone(),
    };
    common.format.print(&started, text)?;
    let (send, asked) = mpsc::channel(QUESTIONS_MAX);
    // Connections go on while a question is answered.
    let server = tokio::spawn(server.run(send, args.public));
    tokio::select! {
        () = stop => {}
        () = answer_all(&serving, asked) => {}
    }
    server.abort();
    Ok(())
}

async fn answer_all(serving: &Serving<'_>, mut asked: mpsc::Receiver<Asked>) {
    while let Some(Asked { question, reply }) = asked.recv().await {
        // Who asked may be gone.
        if !reply.is_closed() {
            let _ = reply.send(serving.answer(question).await);
        }
    }
}

async fn bind(given: &[SocketAddr], members: usize) -> anyhow::Result<Server> {
    let addresses = match given {
        [] => own_addresses(members),
        given => given.to_vec(),
    };
    let bound = Server::bind(&addresses).await;
    Ok(bound.map_err(|(address, error)| {
        Failure::failed(format!("cannot listen on {address}: {error}"))
    })?)
}

/// An address for each member. On Linux all of 127.0.0.0/8 is this machine; elsewhere others have to be set up first.
fn own_addresses(members: usize) -> Vec<SocketAddr> {
    let count = if cfg!(target_os = "linux") {
        members.clamp(1, ADDRESSES_MAX)
    } else {
        1
    };
    let first = Ipv4Addr::LOCALHOST.to_bits();
    let addresses = (first..).take(count).map(Ipv4Addr::from_bits);
    addresses
        .map(|address| SocketAddr::new(IpAddr::V4(address), PORT))
        .collect()
}

fn text(started: &Started) -> String {
    let mut table = Table::new(&["MEMBER", "ADDRESS AS A REBUILDER"]);
    for member in &started.members {
        table.row(&[&member.name, &member.url]);
    }
    let listening: Vec<String> = started.listening.iter().map(ToString::to_string).collect();
    format!(
        "listening on {}\n{}",
        listening.join(", "),
        table.or("no members")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_that_others_reach_need_the_option() {
        for (address, is_refused) in [
            ("127.0.0.1:1", false),
            ("127.0.0.9:1", false),
            ("[::1]:1", false),
            ("0.0.0.0:1", true),
            ("[::]:1", true),
            ("10.0.0.1:1", true),
        ] {
            let refused = refuse_public(&[address.parse().unwrap()]);
            assert_eq!(refused.is_err(), is_refused, "{address}");
        }
    }

    #[test]
    fn members_have_addresses_of_their_own_where_the_system_has_them() {
        let addresses = own_addresses(3);
        assert_eq!(addresses[0].to_string(), "127.0.0.1:8485");
        if cfg!(target_os = "linux") {
            assert_eq!(addresses[2].to_string(), "127.0.0.3:8485");
            assert_eq!(own_addresses(500).len(), ADDRESSES_MAX);
        }
        assert_eq!(own_addresses(0).len(), 1);
    }
}
