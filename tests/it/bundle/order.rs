//! What a node says because of a bundle follows from all of it.

use mycnet_consensus::internals::bundle::{Part, Unsealed};
use mycnet_consensus::internals::record::{Signed, Statement, VoteKind, sign};
use mycnet_consensus::{Ballot, ConsensusOperation};

use super::{apart, carry, exported, parts_of, pass_round};
use crate::net::{config, genesis, identity, nil_vote, node};

/// More than one group: if the node acted after each, its first seal would list the first group only, and nodes that hold
/// the rest for longer would refuse it.
#[tokio::test]
async fn one_seal_lists_all_that_a_bundle_brings() {
    const OPERATIONS: usize = 40;
    let (engines, _) = apart(&genesis(2), 2);
    let mut ids = Vec::new();
    for n in 0..OPERATIONS {
        let operation = ConsensusOperation::NetworkConfiguration {
            config_type: format!("page {n}"),
            proposed_change: vec![0; 30 * 1024],
        };
        ids.push(engines[1].propose_operation(operation).await.unwrap());
    }
    assert!(exported(&engines[1], 1).len() > 1024 * 1024);
    let imported = carry(&engines[1], &engines[0]).await;
    assert_eq!(imported.new, 2 * OPERATIONS as u64);
    let all = [&engines[0], &engines[1]];
    pass_round(&all, 10, |engine| engine.height() >= 1).await;
    for id in ids {
        assert_eq!(engines[0].status(&id).unwrap().opened_height, Some(1));
    }
}

/// Votes come first: they say that a proposal of a later round matters, so that its list is kept.
#[tokio::test]
async fn a_proposal_of_a_far_round_is_taken_with_its_list() {
    let genesis = genesis(4);
    let net = genesis.network_id();
    let (engines, _) = apart(&genesis, 4);
    engines[1].propose_operation(config(b"x")).await.unwrap();
    let proposed = |part: Part| match part {
        Part::Unsealed(Unsealed::Proposal(proposal)) => Some(proposal),
        _ => None,
    };
    // Two other nodes are in a later round, and node 1 proposes in one of these rounds.
    let found = async {
        for round in 9..13 {
            for n in [2, 3] {
                let vote = sign(&identity(n), net, nil_vote(1, round, VoteKind::Prevote)).unwrap();
                let results = engines[1].import(vec![vote.encode()]).await.unwrap();
                assert!(results[0].is_ok());
            }
            let parts = parts_of(&exported(&engines[1], 1));
            if let Some(proposal) = parts.into_iter().find_map(proposed) {
                return proposal;
            }
        }
        panic!("every node proposes in one of four rounds");
    };
    let proposal = found.await;
    assert!(!proposal.list.is_empty());
    let Statement::SealProposal { round, seal, .. } = Signed::decode(&proposal.record)
        .unwrap()
        .record()
        .body
        .what
        .clone()
    else {
        panic!("not a proposal");
    };
    assert!(round >= 9);
    let imported = carry(&engines[1], &engines[0]).await;
    assert!(imported.refused.is_empty(), "{imported:?}");
    let voted = parts_of(&exported(&engines[0], 1)).into_iter().any(|part| {
        let Part::Unsealed(Unsealed::Record(bytes)) = part else {
            return false;
        };
        let body = Signed::decode(&bytes).unwrap().record().body.clone();
        let expected = Statement::SealVote {
            height: 1,
            round,
            kind: VoteKind::Prevote,
            seal: Some(seal.id()),
        };
        body.by == node(0) && body.what == expected
    });
    assert!(voted, "{:?}", engines[0].seal_status());
}

/// Everything that refers to something follows it, so that nothing waits.
#[tokio::test]
async fn nothing_in_a_bundle_waits_for_what_follows() {
    let (engines, _) = apart(&genesis(4), 4);
    let mut ids = Vec::new();
    for n in 0..10_u8 {
        let by = &engines[usize::from(n % 4)];
        ids.push(by.propose_operation(config(&[n])).await.unwrap());
    }
    for (from, to) in [(1, 2), (2, 3), (3, 1)] {
        carry(&engines[from], &engines[to]).await;
    }
    for id in &ids {
        // Some are its own.
        let _ = engines[1].vote(*id, Ballot::Approve).await;
    }
    let imported = carry(&engines[1], &engines[0]).await;
    assert_eq!(imported.waiting, 0, "{imported:?}");
    assert!(imported.refused.is_empty(), "{imported:?}");
}
