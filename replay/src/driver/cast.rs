//! The members: four authorities and every worker, and the network that they found.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use mycnet_consensus::{
    Digest, Genesis, Identity, NetworkId, NodeId, PanelScoring, Sealing, Signer as _, Spore,
};

use crate::AUTHORITIES;
use crate::answers::Answers;

/// The authorities' names, the Primary's first.
pub(super) const AUTHORITY_NAMES: [&str; AUTHORITIES] = ["Primary", "Seed 1", "Seed 2", "Seed 3"];

/// All keys, and the genesis that names them.
pub(super) struct Cast {
    pub(super) genesis: Genesis,
    pub(super) net: NetworkId,
    /// The Primary first.
    pub(super) authorities: [Arc<Identity>; AUTHORITIES],
    /// In the order of `Answers::workers`.
    pub(super) workers: Vec<Identity>,
}

impl Cast {
    /// The keys and the network of a seed, with default parameters. Time starts at 0, since it is virtual.
    ///
    /// # Errors
    ///
    /// A genesis with too many members. Reading the file rules that out.
    pub(super) fn new(answers: &Answers, seed: u64) -> anyhow::Result<Self> {
        // A worker may have an authority's name in the file. The part before the name keeps the labels apart.
        let identity = |part: &str, name: &str| {
            Identity::from_seed_label(&format!("mycnet replay/{seed}/{part}/{name}"))
        };
        let authorities = AUTHORITY_NAMES.map(|name| Arc::new(identity("authority", name)));
        let workers = answers.workers.iter();
        let workers: Vec<Identity> = workers.map(|name| identity("worker", name)).collect();
        let mut builder = Genesis::builder("mycnet replay")
            .nonce(*Digest::seeded(&[b"replay network", &seed.to_le_bytes()]).as_bytes())
            .sealing(Sealing::Authorities)
            // The author of the file chose the panels, as a task-giver in volunteer computing does.
            .panel_scoring(PanelScoring::Authorities);
        let roles = [Spore::Primary, Spore::Seed, Spore::Seed, Spore::Seed];
        for (authority, role) in authorities.iter().zip(roles) {
            builder = builder.member(authority.node_id(), role);
        }
        for worker in &workers {
            builder = builder.member(worker.node_id(), Spore::Latent);
        }
        let genesis = builder.build().context("the network cannot be founded")?;
        Ok(Self {
            net: genesis.network_id(),
            genesis,
            authorities,
            workers,
        })
    }

    /// The names of all members.
    pub(super) fn names<'a>(&self, answers: &'a Answers) -> BTreeMap<NodeId, &'a str> {
        let authorities = self.authorities.iter().map(|identity| identity.node_id());
        let workers = self.workers.iter().map(Identity::node_id);
        authorities
            .zip(AUTHORITY_NAMES)
            .chain(workers.zip(answers.workers.iter().map(String::as_str)))
            .collect()
    }
}
