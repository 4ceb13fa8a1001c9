//! All nodes stop right after a write of own records, before any of it is sent, and one never comes back: the others go on, because
//! what moved them to their votes is durable with the votes.

use mycnet_consensus::core::Input;
use mycnet_consensus::store::StoreError;
use mycnet_consensus::{Ballot, OperationId};
use redb::{Database, TableDefinition};

use super::disk::{Disk, Survives};
use super::host::Net;
use crate::net::config;

const NODES: usize = 4;

/// The proposer of every round 0.
const GONE: usize = 0;

/// Removes from a ledger what others said and no seal lists.
fn forget_others(disk: &Disk) {
    let [ledger, _] = disk.files();
    let database = Database::builder().create_with_backend(ledger).unwrap();
    let writing = database.begin_write().unwrap();
    for name in ["records.v1", "votes.v1", "lists.v1"] {
        let rows = TableDefinition::<&[u8; 32], &[u8]>::new(name);
        let mut table = writing.open_table(rows).unwrap();
        table.retain(|_, _| false).unwrap();
    }
    writing.commit().unwrap();
}

fn vote(net: &mut Net, n: usize, operation: OperationId) {
    if net.hosts[n].core.status(&operation).is_some() {
        let ballot = Ballot::Approve;
        let _ = net.input(n, Input::Vote { operation, ballot }).unwrap();
    }
}

/// Each node stops right after the `at`th sync of its ledger. Says how many stopped, and whether an operation of before is decided
/// without node 0.
fn blackout(at: u64, forgets: bool) -> (usize, bool) {
    let mut net = Net::new(NODES);
    // Everybody has been heard of before the light goes out.
    let first = net.propose(1, config(b"x"), Some(Ballot::Approve), 1);
    let first = first.unwrap().unwrap();
    net.pump().unwrap();
    for host in &net.hosts {
        host.disk.stop_after(at);
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
            forget_others(&net.hosts[n].disk);
            net.hosts[n].forget_promises();
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
fn a_blackout_right_after_a_write_stops_nobody_for_good() {
    let mut all_stopped = 0;
    for at in 1..=12 {
        let (stopped, is_decided) = blackout(at, false);
        all_stopped += usize::from(stopped >= NODES - 1);
        assert!(is_decided, "at {at}, {stopped} stopped");
    }
    assert!(all_stopped >= 2, "only {all_stopped} blackouts");
}

#[test]
fn without_what_others_said_a_blackout_can_stop_everybody() {
    assert!((1..=12).any(|at| !blackout(at, true).1));
}
