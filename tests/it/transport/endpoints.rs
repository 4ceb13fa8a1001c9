//! Endpoints for nodes without an endpoint of their own.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use mycnet_consensus::net::{self, EndpointSettings, Listen, NetError};

use super::node::{Node, author, genesis};

fn settings(byte: u8) -> EndpointSettings {
    EndpointSettings {
        secret: [byte; 32],
        ..EndpointSettings::default()
    }
}

#[tokio::test]
async fn by_default_nothing_leaves_this_machine() {
    let network = genesis().network_id();
    let bound = net::bind(&settings(1), &network).await.unwrap();
    let sockets = bound.endpoint.bound_sockets();
    assert!(
        sockets.iter().all(|socket| socket.ip().is_loopback()),
        "{sockets:?}"
    );
    let address = bound.endpoint.addr();
    assert_eq!(address.relay_urls().count(), 0);
    assert!(
        address.ip_addrs().all(|socket| socket.ip().is_loopback()),
        "{address:?}"
    );
    assert!(
        bound.endpoint.address_lookup().unwrap().is_empty(),
        "nobody is asked"
    );
    assert!(bound.mdns.is_none());
}

#[tokio::test]
async fn a_port_can_be_fixed_and_is_taken_once() {
    let network = genesis().network_id();
    let first = net::bind(&settings(1), &network).await.unwrap();
    let port = first.endpoint.bound_sockets()[0].port();
    let fixed = EndpointSettings {
        port,
        listen: Listen::At(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        ..settings(1)
    };
    let taken = net::bind(&fixed, &network).await;
    assert!(matches!(taken, Err(NetError::Bind(_))), "{taken:?}");
    first.endpoint.close().await;
    drop(first);
    // The transport's tasks let go of the socket a moment later.
    let start = Instant::now();
    let second = loop {
        match net::bind(&fixed, &network).await {
            Ok(second) => break second,
            Err(error) => assert!(start.elapsed() < Duration::from_secs(3), "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert_eq!(second.endpoint.bound_sockets()[0].port(), port);
}

#[tokio::test]
async fn what_is_no_relay_is_an_error() {
    let relays = vec!["no relay".to_owned()];
    let settings = EndpointSettings {
        relays,
        ..settings(1)
    };
    let bound = net::bind(&settings, &genesis().network_id()).await;
    assert!(matches!(bound, Err(NetError::Bind(_))), "{bound:?}");
}

#[tokio::test]
#[ignore = "needs a network interface that takes multicast"]
async fn nodes_on_one_lan_find_each_other() {
    let mut nodes = Vec::new();
    for (byte, name) in (1..).zip(["ada", "ben"]) {
        let settings = EndpointSettings {
            listen: Listen::Everywhere,
            mdns: true,
            ..settings(byte)
        };
        let bound = net::bind(&settings, &genesis().network_id()).await.unwrap();
        let node = Node::on(&genesis(), name, bound.endpoint, net::Config::default());
        node.transport.discover(bound.mdns.unwrap());
        nodes.push(node);
    }
    let met = tokio::time::timeout(Duration::from_secs(10), nodes[0].up());
    assert_eq!(met.await.unwrap().author, author("ben"));
}
