//! A peer that speaks the wire by itself, and may lie at every step. The forms are written down here once more, on purpose.

use std::net::Ipv4Addr;

use iroh::endpoint::{Connection, ConnectionError, Endpoint, RecvStream, SendStream, presets};
use iroh::{EndpointAddr, RelayMode};
use mycnet_consensus::internals::codec;
use mycnet_consensus::internals::digest::SignatureBytes;
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::net::{ALPN, CloseCode};
use mycnet_consensus::{Digest, Identity, NetworkId, NodeId, Signer as _};
use serde::{Deserialize, Serialize};

use super::node::{PATIENCE, genesis};

pub const HELLO: u8 = 0;
pub const MESSAGE: u8 = 1;
pub const LONG_BLOCK: u8 = 2;
pub const PEERS: u8 = 3;

#[derive(Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Opening {
    Hello {
        version: u16,
        network: NetworkId,
        nonce: Digest,
    },
    Genesis {
        version: u16,
        network: NetworkId,
    },
}

#[derive(Serialize, Deserialize)]
pub struct Challenge {
    pub nonce: Digest,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct SelfReport {
    pub clock_ms: u64,
    pub signing: String,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Proof {
    pub author: NodeId,
    pub height: u64,
    pub instance: u64,
    pub report: SelfReport,
    pub listens: Vec<String>,
    pub signature: SignatureBytes,
}

pub async fn endpoint() -> Endpoint {
    endpoint_at(Ipv4Addr::LOCALHOST).await
}

/// An endpoint at one of the addresses of this machine.
pub async fn endpoint_at(ip: Ipv4Addr) -> Endpoint {
    Endpoint::builder(presets::Minimal)
        .relay_mode(RelayMode::Disabled)
        .clear_address_lookup()
        .clear_ip_transports()
        .bind_addr((ip, 0))
        .unwrap()
        .bind()
        .await
        .unwrap()
}

pub fn frame(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind];
    bytes.extend(u32::try_from(body.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(body);
    bytes
}

pub struct Raw {
    /// Kept alive with the connection.
    pub endpoint: Endpoint,
    pub connection: Connection,
    pub send: SendStream,
    pub receive: RecvStream,
    acceptor: EndpointAddr,
}

impl Raw {
    /// Connects and opens the stream, and says nothing yet.
    pub async fn connect(to: &EndpointAddr) -> Self {
        Self::connect_from(endpoint().await, to).await
    }

    pub async fn connect_from(endpoint: Endpoint, to: &EndpointAddr) -> Self {
        let connected = Self::try_connect_from(endpoint, to).await;
        connected.expect("it is reached")
    }

    pub async fn try_connect_from(endpoint: Endpoint, to: &EndpointAddr) -> Option<Self> {
        let connection = endpoint.connect(to.clone(), ALPN).await.ok()?;
        let (send, receive) = connection.open_bi().await.ok()?;
        Some(Self {
            endpoint,
            connection,
            send,
            receive,
            acceptor: to.clone(),
        })
    }

    /// A peer whose hello as `name` is done.
    pub async fn member(name: &str, to: &EndpointAddr) -> Self {
        let mut raw = Self::connect(to).await;
        raw.try_member(name).await.expect("it is let in");
        raw
    }

    /// The hello as `name`; `None` if the connection is closed.
    pub async fn try_member(&mut self, name: &str) -> Option<()> {
        self.say_hello(0, genesis().network_id()).await;
        let (_, challenge) = self.try_read_frame().await?;
        let challenge: Challenge = codec::decode(&challenge, 4096).unwrap();
        let proof = self.proof(name, &challenge);
        self.write(HELLO, &proof).await;
        self.try_read_frame().await.map(|_| ())
    }

    pub const NONCE: Digest = Digest::from_bytes([9; 32]);

    pub async fn open(&mut self, version: u16, network: NetworkId) -> Challenge {
        self.say_hello(version, network).await;
        self.read(HELLO).await
    }

    pub async fn say_hello(&mut self, version: u16, network: NetworkId) {
        let nonce = Self::NONCE;
        let opening = Opening::Hello {
            version,
            network,
            nonce,
        };
        self.write(HELLO, &opening).await;
    }

    pub fn proof(&self, name: &str, challenge: &Challenge) -> Proof {
        let identity = Identity::from_seed_label(name);
        let mut signed = b"mycnet-consensus sign hello v1\0d".to_vec();
        signed.extend(genesis().network_id().as_bytes());
        signed.extend(self.endpoint.id().as_bytes());
        signed.extend(self.acceptor.id.as_bytes());
        signed.extend(Self::NONCE.as_bytes());
        signed.extend(challenge.nonce.as_bytes());
        signed.extend(1_u64.to_be_bytes());
        Proof {
            author: identity.node_id(),
            height: 3,
            instance: 1,
            report: SelfReport {
                clock_ms: 10_000_000,
                signing: "ready".to_owned(),
            },
            listens: Vec::new(),
            signature: identity.sign(&signed).unwrap(),
        }
    }

    pub async fn write<T: Serialize>(&mut self, kind: u8, value: &T) {
        self.write_bytes(&frame(kind, &codec::encode(value))).await;
    }

    pub async fn write_bytes(&mut self, bytes: &[u8]) {
        let write = tokio::time::timeout(PATIENCE, self.send.write_all(bytes));
        // The other side may have closed already, which the test looks at.
        let _ = write.await.expect("written in time");
    }

    pub async fn say(&mut self, message: &Message) {
        self.write_bytes(&frame(MESSAGE, &message.encode())).await;
    }

    pub async fn read_frame(&mut self) -> (u8, Vec<u8>) {
        self.try_read_frame().await.expect("a frame")
    }

    async fn try_read_frame(&mut self) -> Option<(u8, Vec<u8>)> {
        let mut head = [0; 5];
        self.receive.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes(head[1..].try_into().unwrap());
        let mut body = vec![0; length as usize];
        self.receive.read_exact(&mut body).await.ok()?;
        Some((head[0], body))
    }

    pub async fn read<T: Serialize + serde::de::DeserializeOwned>(&mut self, kind: u8) -> T {
        let (got, body) = self.read_frame().await;
        assert_eq!(got, kind);
        codec::decode(&body, 1 << 20).unwrap()
    }

    /// How the other side closes it: the code, and that the text is the code's.
    pub async fn closed(&self) -> CloseCode {
        closed(&self.connection).await
    }

    /// Whether nothing can be read any more before the close.
    pub async fn reads_nothing(&mut self) -> bool {
        let mut byte = [0; 1];
        !matches!(self.receive.read(&mut byte).await, Ok(Some(_)))
    }
}

pub async fn closed(connection: &Connection) -> CloseCode {
    let closed = tokio::time::timeout(PATIENCE, connection.closed());
    match closed.await.expect("closed in time") {
        ConnectionError::ApplicationClosed(close) => {
            let code = CloseCode::from_code(close.error_code.into_inner()).unwrap();
            assert_eq!(close.reason, code.reason().as_bytes());
            code
        }
        other => panic!("not closed by the other side: {other}"),
    }
}
