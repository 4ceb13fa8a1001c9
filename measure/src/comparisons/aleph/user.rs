//! What aleph-bft takes from its user: keys, a hash, data, a network and tasks.

use std::sync::Arc;

use aleph_bft::{
    DataProvider, Hasher, Index, Keychain, MultiKeychain, Network, NetworkData, NodeCount,
    NodeIndex, OrderedUnit, PartialMultisignature as _, Recipient, SignatureSet, SpawnHandle,
    TaskHandle, UnitFinalizationHandler,
};
use async_trait::async_trait;
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use futures::StreamExt as _;
use futures::channel::mpsc::{UnboundedReceiver, UnboundedSender};

/// What is ordered: as much as a proposal's value has.
type Datum = [u8; 32];

type SignatureBytes = [u8; 64];

/// A message between nodes.
pub(super) type Message = NetworkData<Blake3, Datum, SignatureBytes, SignatureSet<SignatureBytes>>;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Blake3;

impl Hasher for Blake3 {
    type Hash = [u8; 32];

    fn hash(bytes: &[u8]) -> Self::Hash {
        *blake3::hash(bytes).as_bytes()
    }
}

/// One node's key, and everybody's decoded public keys.
#[derive(Clone)]
pub(super) struct Keys {
    index: NodeIndex,
    own: Arc<SigningKey>,
    all: Arc<[VerifyingKey]>,
}

impl Keys {
    /// The keys of each node.
    pub(super) fn of(members: usize) -> Vec<Self> {
        let keys = (0..members).map(|n| {
            let label = format!("bench {n}");
            SigningKey::from_bytes(blake3::hash(label.as_bytes()).as_bytes())
        });
        let keys: Vec<SigningKey> = keys.collect();
        let all: Arc<[VerifyingKey]> = keys.iter().map(SigningKey::verifying_key).collect();
        let own = |(n, key)| Self {
            index: NodeIndex(n),
            own: Arc::new(key),
            all: all.clone(),
        };
        keys.into_iter().enumerate().map(own).collect()
    }
}

impl Index for Keys {
    fn index(&self) -> NodeIndex {
        self.index
    }
}

impl Keychain for Keys {
    type Signature = SignatureBytes;

    fn node_count(&self) -> NodeCount {
        NodeCount(self.all.len())
    }

    fn sign(&self, message: &[u8]) -> SignatureBytes {
        self.own.sign(message).to_bytes()
    }

    fn verify(&self, message: &[u8], signature: &SignatureBytes, by: NodeIndex) -> bool {
        let signature = Signature::from_bytes(signature);
        let key = self.all.get(by.0);
        key.is_some_and(|key| key.verify_strict(message, &signature).is_ok())
    }
}

/// Only alerts about forks are signed by many, and here nobody forks.
impl MultiKeychain for Keys {
    type PartialMultisignature = SignatureSet<SignatureBytes>;

    fn bootstrap_multi(
        &self,
        signature: &SignatureBytes,
        by: NodeIndex,
    ) -> Self::PartialMultisignature {
        SignatureSet::with_size(self.node_count()).add_signature(signature, by)
    }

    fn is_complete(&self, message: &[u8], partial: &Self::PartialMultisignature) -> bool {
        let mut all = partial.iter();
        partial.item_count() >= self.node_count().consensus_threshold().0
            && all.all(|(by, signature)| self.verify(message, signature, by))
    }
}

/// Gives each unit other data.
pub(super) struct Source(pub(super) u64);

#[async_trait]
impl DataProvider for Source {
    type Output = Datum;

    async fn get_data(&mut self) -> Option<Datum> {
        self.0 += 1;
        let mut datum = [0; 32];
        datum[..8].copy_from_slice(&self.0.to_le_bytes());
        Some(datum)
    }
}

/// Tells of each batch how many units it has.
pub(super) struct Finalized(pub(super) UnboundedSender<usize>);

impl UnitFinalizationHandler for Finalized {
    type Data = Datum;
    type Hasher = Blake3;

    fn batch_finalized(&mut self, batch: Vec<OrderedUnit<Datum, Blake3>>) {
        // Nobody listens any more at the end.
        let _ = self.0.unbounded_send(batch.len());
    }
}

/// A node's place in a network without delay or loss. Messages are not encoded.
pub(super) struct Mail {
    pub(super) index: NodeIndex,
    pub(super) inbox: UnboundedReceiver<Message>,
    pub(super) all: Arc<[UnboundedSender<Message>]>,
}

#[async_trait]
impl Network<Message> for Mail {
    fn send(&self, message: Message, to: Recipient) {
        let send = |to: usize, message| {
            // Nobody listens any more at the end.
            let _ = self.all[to].unbounded_send(message);
        };
        match to {
            Recipient::Node(to) => send(to.0, message),
            Recipient::Everyone => {
                let others = (0..self.all.len()).filter(|to| *to != self.index.0);
                others.for_each(|to| send(to, message.clone()));
            }
        }
    }

    async fn next_event(&mut self) -> Option<Message> {
        self.inbox.next().await
    }
}

/// Spawns tasks on the runtime of the measuring thread.
#[derive(Clone)]
pub(super) struct Tasks(pub(super) tokio::runtime::Handle);

impl SpawnHandle for Tasks {
    fn spawn(&self, _: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.0.spawn(task);
    }

    fn spawn_essential(
        &self,
        _: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> TaskHandle {
        let task = self.0.spawn(task);
        Box::pin(async { task.await.map_err(drop) })
    }
}
