//! The members: four authorities and every worker, and the network that they found.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::Context as _;
use mycnet_consensus::{
    Digest, Founder, Genesis, Identity, MemberName, NetworkId, NodeId, PanelScoring, Params,
    Sealing, Signer as _, Spore,
};

use crate::AUTHORITIES;
use crate::answers::Answers;

/// Characters of a member's name at most.
const MEMBER_NAME_CHARS: usize = 32;

/// The authorities' names, the Primary's first.
pub(super) const AUTHORITY_NAMES: [&str; AUTHORITIES] = ["Primary", "Seed 1", "Seed 2", "Seed 3"];

/// Digits of the key in a member's name: with fewer, two of a thousand members may well have the same name.
const KEY_DIGITS: usize = 16;

/// A founding member. Its name is what a member's name can have of the name in the file, and the first digits of its key.
fn founder(node: NodeId, role: Spore, name: &str) -> anyhow::Result<Founder> {
    let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let name: String = name
        .chars()
        .map(|c| c.to_ascii_lowercase())
        .map(|c| if is_allowed(c) { c } else { '-' })
        .take(MEMBER_NAME_CHARS - KEY_DIGITS - 1)
        .collect();
    let digits = &node.to_string()[..KEY_DIGITS];
    Ok(Founder {
        name: MemberName::new(format!("{name}-{digits}"))?,
        ..Founder::new(node, role)
    })
}

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
    /// The keys and the network of a seed. Time starts at 0, since it is virtual.
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
            .panel_scoring(PanelScoring::Authorities)
            // A floor keeps members that agree among themselves from deciding everything. Here nobody can join, and who is
            // mostly wrong should weigh little.
            .params(Params {
                skill_floor_ppm: 0,
                ..Params::default()
            });
        let roles = [Spore::Primary, Spore::Seed, Spore::Seed, Spore::Seed];
        let names = AUTHORITY_NAMES.into_iter();
        for ((authority, role), name) in authorities.iter().zip(roles).zip(names) {
            builder = builder.founder(founder(authority.node_id(), role, name)?);
        }
        for (worker, name) in workers.iter().zip(&answers.workers) {
            builder = builder.founder(founder(worker.node_id(), Spore::Latent, name)?);
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
