//! All nodes stop between the two commits of a write, and one never comes back: the others go on, because the journal holds
//! what moved them to the votes that it has.

use mycnet_consensus::core::Input;
use mycnet_consensus::internals::codec;
use mycnet_consensus::store::StoreError;
use mycnet_consensus::{Ballot, OperationId};
use redb::{Database, ReadableDatabase as _, TableDefinition};
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::disk::{Disk, Survives};
use super::host::Net;
use crate::net::config;

const NODES: usize = 4;

/// The proposer of every round 0.
const GONE: usize = 0;

const OWNER: TableDefinition<'static, &'static str, &'static [u8]> =
    TableDefinition::new("owner.v1");

#[derive(Serialize, Deserialize)]
struct Ahead {
    base: u64,
    records: Vec<ByteBuf>,
    votes: Vec<ByteBuf>,
    lists: Vec<(ByteBuf, Vec<ByteBuf>)>,
}

/// Removes from a journal the entries of its last write to the ledger.
fn forget_ahead(disk: &Disk) {
    let [_, journal] = disk.files();
    let database = Database::builder().create_with_backend(journal).unwrap();
    let row = {
        let owner = database.begin_read().unwrap().open_table(OWNER).unwrap();
        owner.get("ahead").unwrap().map(|row| row.value().to_vec())
    };
    let Some(row) = row else { return };
    let ahead: Ahead = codec::decode(&row, usize::MAX).unwrap();
    let empty = Ahead {
        records: Vec::new(),
        votes: Vec::new(),
        lists: Vec::new(),
        ..ahead
    };
    let writing = database.begin_write().unwrap();
    let mut owner = writing.open_table(OWNER).unwrap();
    owner.insert("ahead", &codec::encode(&empty)[..]).unwrap();
    drop(owner);
    writing.commit().unwrap();
}

fn vote(net: &mut Net, n: usize, operation: OperationId) {
    if net.hosts[n].core.status(&operation).is_some() {
        let ballot = Ballot::Approve;
        let _ = net.input(n, Input::Vote { operation, ballot }).unwrap();
    }
}

/// Each node stops after its `at`th write of own records, before the ledger has the rest of that write. Says how many
/// stopped, and whether an operation of before is decided without node 0.
fn blackout(at: u64, forgets: bool) -> (usize, bool) {
    let mut net = Net::new(NODES);
    // Everybody has been heard of before the light goes out.
    let first = net.propose(1, config(b"x"), Some(Ballot::Approve), 1);
    let first = first.unwrap().unwrap();
    net.pump().unwrap();
    for host in &net.hosts {
        host.disk.stop_between(at);
    }
    for n in 0..NODES {
        vote(&mut net, n, first);
    }
    net.pump().unwrap();
    net.pass(300).unwrap();
    let stopped = net
        .hosts
        .iter()
        .filter(|host| host.failed.is_some())
        .count();
    for n in 1..NODES {
        net.hosts[n].store = None;
        net.hosts[n].disk.restart(Survives::Nothing, at);
        if forgets {
            forget_ahead(&net.hosts[n].disk);
        }
    }
    net.hosts[GONE].failed = Some(StoreError::Failed);
    for n in 1..NODES {
        net.restart(n, Survives::Nothing, at).unwrap();
        assert_eq!(net.hosts[n].lost, None, "the journal is complete");
    }
    for _ in 0..20 {
        net.pump().unwrap();
        for n in 1..NODES {
            vote(&mut net, n, first);
        }
        net.pass(1_000).unwrap();
    }
    let is_decided = (1..NODES).all(|n| {
        let status = net.hosts[n].core.status(&first);
        status.is_some_and(|status| status.outcome.is_some())
    });
    (stopped, is_decided)
}

#[test]
fn a_blackout_between_the_databases_stops_nobody_for_good() {
    let mut all_stopped = 0;
    for at in 1..=12 {
        let (stopped, is_decided) = blackout(at, false);
        all_stopped += usize::from(stopped >= NODES - 1);
        assert!(is_decided, "at {at}, {stopped} stopped");
    }
    assert!(all_stopped >= 2, "only {all_stopped} blackouts");
}

#[test]
fn without_what_the_journal_holds_ahead_a_blackout_can_stop_everybody() {
    assert!((1..=12).any(|at| !blackout(at, true).1));
}
