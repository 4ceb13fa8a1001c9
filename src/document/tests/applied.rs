//! From what seals change in the ledger to the ledger document.

use super::ledger::{genesis, line};
use super::*;
use crate::document::{LedgerChange, LedgerDocument};
use crate::ledger::{Ledger, Mode};
use crate::members::roster::MemberLine;
use crate::members::trust::Standing;
use crate::statement::operation::{Class, Outcome};
use crate::statement::params::Params;

fn operations() -> Vec<ConsensusOperation> {
    vec![
        policy(),
        ConsensusOperation::NetworkConfiguration {
            config_type: "param.absent_ppm".to_owned(),
            proposed_change: b"7".to_vec(),
        },
        ConsensusOperation::NodeExclusion {
            node: node(2),
            reason: "gone".to_owned(),
        },
    ]
}

/// Three members approve of some operations at seal 2, which seal 1 opened and froze, and seal 3 changes nothing more.
fn seals(ledger: &mut Ledger) -> Vec<LedgerChange> {
    let net = ledger.genesis_seal().net;
    let last = ledger.state().seal();
    let state = |by: usize, statement| sign(&identity(by), net, statement).unwrap();
    let (mut first, mut second) = (vec![], vec![]);
    for operation in operations() {
        let (priority, nonce) = (Priority::Normal, 0);
        let proposal = state(
            0,
            Statement::Propose {
                operation,
                priority,
                last,
                nonce,
            },
        );
        let operation = OperationId::from(proposal.id());
        first.push(proposal);
        for by in 0..3 {
            let [commit, reveal] = vote_in(net, &identity(by), operation, Ballot::Approve);
            first.push(commit);
            second.push(reveal);
        }
    }
    let rejoin = Statement::Rejoin {
        nonce: crate::base::digest::Digest::from_bytes([1; 32]),
    };
    let third = vec![state(0, rejoin)];
    let seal = |records| {
        let time_ms = ledger.state().time_ms() + 1000;
        let (draft, _) = ledger.draft(0, time_ms, records, Mode::Strict).unwrap();
        let seal = draft.seal.clone();
        let applied = ledger.commit(draft);
        LedgerChange::from_applied(&seal, &applied)
    };
    [first, second, third].into_iter().map(seal).collect()
}

#[test]
fn a_seal_s_change_lists_what_it_changed() {
    let mut ledger = Ledger::new(&genesis());
    let changes = seals(&mut ledger);
    let subjects = |change: &LedgerChange| -> Vec<(String, String, Option<Outcome>)> {
        let entries = change.operations.iter().map(|(_, entry)| entry);
        let mut entries: Vec<_> = entries
            .map(|entry| {
                assert_eq!(entry.class, Class::Critical);
                let phase = entry.phase.to_string();
                (entry.subject.clone(), phase, entry.outcome.clone())
            })
            .collect();
        entries.sort();
        entries
    };
    let expected = |phase: &str, outcome: Option<Outcome>| {
        let mut subjects = vec![
            "uploads".to_owned(),
            "param.absent_ppm".to_owned(),
            node(2).to_string(),
        ];
        subjects.sort();
        let line = |subject| (subject, phase.to_owned(), outcome.clone());
        subjects.into_iter().map(line).collect::<Vec<_>>()
    };
    let approved = Some(Outcome::Decided(Ballot::Approve));
    assert_eq!(subjects(&changes[0]), expected("revealing", None));
    assert_eq!(subjects(&changes[1]), expected("closed", approved));
    assert_eq!(subjects(&changes[2]), []);

    // Three coherent votes from 500,000, of which the row counts one in a window.
    let entry = |index, role| {
        Some(MemberLine {
            skill_ppm: 500_000,
            row: 1,
            ..line(index, role, 529_404, Standing::Active)
        })
    };
    let mut roster = vec![
        (node(0), entry(0, Spore::Primary)),
        (node(1), entry(1, Spore::Seed)),
        (node(2), None),
    ];
    roster.sort_by_key(|(node, _)| *node);
    assert_eq!(changes[1].roster, roster);
    let config = ("policy.uploads".to_owned(), Some(vec![0, 1, 254, 255]));
    assert_eq!(changes[1].config, [config]);
    let absent = |change: &LedgerChange| {
        let of_name = change.params.iter().find(|(name, _)| name == "absent_ppm");
        of_name.map(|(_, value)| *value)
    };
    assert_eq!(absent(&changes[0]), None);
    assert_eq!(absent(&changes[1]), Some(7));
    assert_eq!(changes[1].params.len(), Params::NAMES.len());
    assert!(changes[2].params.is_empty() && changes[2].roster.is_empty());
}

/// The document says what the ledger says, and of the parameters only the one that differs is written.
#[test]
fn the_document_follows_the_ledger() {
    let mut ledger = Ledger::new(&genesis());
    let changes = seals(&mut ledger);
    let mut document = LedgerDocument::new(&genesis());
    for change in &changes {
        document.append(change).unwrap();
    }
    let roster = ledger.state().roster();
    let held = document.roster_at(document.height()).unwrap();
    assert_eq!(held.len(), roster.len());
    for (node, member) in roster.iter() {
        assert_eq!(held[&node].trust_ppm, member.trust.trust_ppm());
    }
    let json = document.to_json().unwrap();
    assert_eq!(json["params"]["absent_ppm"], 7);
    assert_eq!(json["height"], ledger.state().height());

    let mut sparse = changes.clone();
    sparse[1].params.retain(|(name, _)| name == "absent_ppm");
    let mut same = LedgerDocument::new(&genesis());
    for change in &sparse {
        same.append(change).unwrap();
    }
    assert_eq!(same.heads(), document.heads());
}
