use mycnet_consensus::ClaimRule;
use std::sync::mpsc;

use super::*;
use crate::answers::Answers;

fn claim(panel: Option<Vec<NodeId>>) -> ConsensusOperation {
    ConsensusOperation::Claim {
        subject: "t".to_owned(),
        input: Vec::new(),
        panel,
        rule: ClaimRule::MAJORITY,
    }
}

/// Replicas of which one proposed something, and nothing of it has arrived. Without a seal, nothing is filed.
fn proposed(delivery_seed: u64) -> (Replicas, OperationId) {
    let answers = Answers {
        workers: ["a", "b", "c"].map(str::to_owned).to_vec(),
        ..Answers::default()
    };
    let cast = Cast::new(&answers, 1).unwrap();
    let filing = (0..AUTHORITIES).map(|_| mpsc::sync_channel(1).0).collect();
    let mut replicas = Replicas::new(&cast, delivery_seed, filing).unwrap();
    let id = replicas.propose(1, claim(None), 1).unwrap().unwrap();
    (replicas, id)
}

fn lose_all(replicas: &mut Replicas) {
    for node in &mut replicas.nodes {
        node.under_way.clear();
    }
}

fn holders(replicas: &Replicas, id: OperationId) -> usize {
    let pools = replicas.nodes.iter().map(|node| node.core.pool());
    pools.filter(|pool| pool.get(&id.into()).is_some()).count()
}

#[test]
fn what_is_lost_is_made_up_for() {
    for delivery_seed in 0..10 {
        let (mut replicas, id) = proposed(delivery_seed);
        lose_all(&mut replicas);
        assert_eq!(holders(&replicas, id), 1);
        replicas.settle(0).unwrap();
        assert_eq!(holders(&replicas, id), AUTHORITIES, "{delivery_seed}");
    }
}

#[test]
fn a_panel_without_weight_is_not_asked() {
    let (mut replicas, _) = proposed(1);
    let roster = replicas.nodes[0].core.ledger().state().roster();
    let one = roster.iter().map(|(node, _)| node).take(1).collect();
    let asked = replicas.propose(1, claim(Some(one)), 1).unwrap();
    assert!(asked.is_some());
    // Of nobody, the weight is that of members without any skill.
    let nobody = claim(Some(Vec::new()));
    assert_eq!(replicas.propose(1, nobody, 1).unwrap(), None);
}

#[test]
fn replicas_that_cannot_agree_are_an_error() {
    let (mut replicas, _) = proposed(1);
    // Nobody seals: the clock stands still.
    let error = replicas.settle(1).unwrap_err().to_string();
    assert!(error.contains("do not reach height 1"), "{error}");
}

#[test]
fn a_batch_waits_for_what_it_refers_to() {
    let (mut replicas, id) = proposed(1);
    lose_all(&mut replicas);
    for (height, needs) in [(1, vec![]), (0, vec![id.into()])] {
        let batch = Batch {
            records: Vec::new(),
            needs,
            height,
        };
        let is_ready = |node: usize| replicas.nodes[node].is_ready_for(&batch);
        assert_eq!((is_ready(0), is_ready(1)), (false, height == 0));
    }
}

#[test]
fn the_seed_alone_determines_the_draws() {
    let draws = |seed| -> Vec<usize> {
        let (mut replicas, _) = proposed(seed);
        replicas.draws = 0;
        (0..100).map(|_| replicas.below(100)).collect()
    };
    assert_eq!(draws(1), draws(1));
    assert_ne!(draws(1), draws(2));
    assert!(draws(3).iter().all(|draw| *draw < 100));
}
