//! Who takes part: four authorities, every worker, and the network that they found.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use mycnet_consensus::internals::digest::SEEDED_KEY;
use mycnet_consensus::{
    Genesis, Identity, NetworkId, NodeId, PanelScoring, Sealing, Signer as _, Spore,
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
    /// The keys and the network of a seed. Everything not said here is as in any new network: the default parameters, the
    /// default trust of founding members. Time is counted from 0, since it is virtual.
    ///
    /// # Errors
    ///
    /// A genesis with more members than a network can have; reading the file rules that out.
    pub(super) fn new(answers: &Answers, seed: u64) -> anyhow::Result<Self> {
        // A worker may have an authority's name in the file; what stands before it keeps the labels apart.
        let authorities = AUTHORITY_NAMES.map(|name| {
            Arc::new(Identity::from_seed_label(&format!(
                "mycnet replay/{seed}/authority/{name}"
            )))
        });
        let workers: Vec<Identity> = answers
            .workers
            .iter()
            .map(|name| Identity::from_seed_label(&format!("mycnet replay/{seed}/worker/{name}")))
            .collect();
        let mut builder = Genesis::builder("mycnet replay")
            .nonce(SEEDED_KEY.hash_parts(&[b"replay network", &seed.to_le_bytes()]))
            .sealing(Sealing::Authorities)
            // The file's maker chose who answers what, as a task-giver in volunteer computing does.
            .panel_scoring(PanelScoring::Authorities);
        for (index, authority) in authorities.iter().enumerate() {
            let role = if index == 0 {
                Spore::Primary
            } else {
                Spore::Seed
            };
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

    /// Everybody's name.
    pub(super) fn names<'a>(&self, answers: &'a Answers) -> BTreeMap<NodeId, &'a str> {
        let authorities = self.authorities.iter().map(|identity| identity.node_id());
        let workers = self.workers.iter().map(Identity::node_id);
        authorities
            .zip(AUTHORITY_NAMES)
            .chain(workers.zip(answers.workers.iter().map(String::as_str)))
            .collect()
    }
}
