//! Tickets, and the genesis by its digest.

use mycnet_consensus::net::{CloseCode, NetError, Ticket, fetch_genesis};
use mycnet_consensus::{NetworkId, SealId};

use super::node::{Node, author, genesis};
use super::raw::{self, HELLO, Opening, Raw};

#[tokio::test]
async fn a_candidate_gets_the_genesis_with_a_ticket() {
    let ada = Node::new("ada").await;
    let seal = SealId::from_bytes([5; 32]);
    let text = ada.transport.ticket("net test", 41, seal).to_string();
    let mut ticket: Ticket = text.parse().unwrap();
    assert_eq!((ticket.height, ticket.seal), (41, seal));
    assert_eq!(ticket.peers[0].author, Some(author("ada")));
    let candidate = raw::endpoint().await;
    let fetched = fetch_genesis(&candidate, &ticket, &[]).await.unwrap();
    assert_eq!(fetched, genesis());
    assert!(ada.transport.peers().is_empty(), "it is no peer by that");
    ticket.network = NetworkId::from_bytes([0; 32]);
    let refused = fetch_genesis(&candidate, &ticket, &[]).await;
    let Err(NetError::NoGenesis(why)) = refused else {
        panic!("{refused:?}");
    };
    assert!(why.contains("another network"), "{why}");
}

#[tokio::test]
async fn the_genesis_is_not_given_without_end() {
    let ada = Node::new("ada").await;
    let endpoint = raw::endpoint().await;
    let mut given = 0;
    for _ in 0..30 {
        let mut raw = Raw::connect_from(endpoint.clone(), &ada.address()).await;
        let opening = Opening::Genesis {
            version: 0,
            network: genesis().network_id(),
        };
        raw.write(HELLO, &opening).await;
        if raw.reads_nothing().await {
            assert_eq!(raw.closed().await, CloseCode::Busy);
        } else {
            given += 1;
        }
    }
    println!("{given} of 30 requests at once were answered");
    assert!((8..=20).contains(&given), "{given}");
}
