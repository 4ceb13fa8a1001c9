//! Nodes that are connected decide together.

use std::time::Instant;

use mycnet_consensus::{Ballot, ConsensusOperation, Outcome};

use crate::federation::{Directory, claim, genesis, settled, start, until};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_nodes_decide_a_claim_and_a_configuration() {
    let (directory, genesis) = (Directory::new(), genesis(4));
    let nodes = start(directory.path(), &genesis, 4).await;
    let begun = Instant::now();
    let result = |text: &str| Ballot::Result(text.as_bytes().to_vec());
    let id = nodes[0]
        .node
        .engine()
        .propose_claim(claim("6 * 7"), b"42".to_vec())
        .await
        .unwrap();
    for (node, text) in nodes[1..].iter().zip(["42", "42", "41"]) {
        until("the claim is known", || {
            node.node.engine().status(&id).is_some()
        })
        .await;
        node.node.engine().vote(id, result(text)).await.unwrap();
    }
    for node in &nodes {
        let outcome = node.node.engine().execute_reveal_phase(id).await.unwrap();
        assert_eq!(outcome, Outcome::Decided(result("42")));
    }
    println!("claim: {:?}", begun.elapsed());
    let motd = ConsensusOperation::NetworkConfiguration {
        config_type: "motd".into(),
        proposed_change: b"welcome".to_vec(),
    };
    let id = nodes[3]
        .node
        .engine()
        .propose_operation(motd)
        .await
        .unwrap();
    for node in &nodes[..3] {
        until("the change is known", || {
            node.node.engine().status(&id).is_some()
        })
        .await;
        node.node.engine().vote(id, Ballot::Approve).await.unwrap();
    }
    for node in &nodes {
        let outcome = node.node.engine().execute_reveal_phase(id).await.unwrap();
        assert_eq!(outcome, Outcome::Decided(Ballot::Approve));
        assert_eq!(node.node.engine().config()["motd"], b"welcome");
    }
    settled(&nodes).await;
    println!("both: {:?}", begun.elapsed());
    for node in nodes {
        node.stop().await;
    }
}
