//! What the nodes of a replay begin with: keys, parameters, and who is Primary.

use mycnet_consensus::internals::genesis::Genesis;
use mycnet_consensus::internals::identity::{Identity, Signer as _};
use mycnet_consensus::internals::operation::Spore;
use mycnet_consensus::internals::params::Params;
use mycnet_consensus::internals::rejection::Rejection;
use mycnet_consensus::internals::sim::plan::START_MS;

/// The setup of the cores.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The seed of keys, and so of the order of proposers, and of the errors of clocks.
    pub seed: u64,
    /// The parameters of the network.
    pub params: Params,
    /// The Primary, who proposes every seal first. If `None`, the member with the smallest key does.
    pub primary: Option<usize>,
}

impl Setup {
    /// The profile `default` with the commit and reveal windows of `field`, and a minute of grace for both classes: operations wait
    /// a minute after the opening for commits. This is to be compared with the bound, which waits for nobody.
    #[must_use]
    pub fn prompt(seed: u64, primary: Option<usize>) -> Self {
        let (default, field) = (Params::default(), Params::field());
        let params = Params {
            commit_window_ms: field.commit_window_ms,
            reveal_window_ms: field.reveal_window_ms,
            critical_grace_ms: default.claim_grace_ms,
            ..default
        };
        Self::among_equals(seed, &params, primary)
    }

    /// The profile `field`. Both classes have the grace of claims, an hour: the day of grace for critical operations is a choice
    /// of people, and no delay of the protocol.
    #[must_use]
    pub fn field(seed: u64, primary: Option<usize>) -> Self {
        let field = Params::field();
        let params = Params {
            critical_grace_ms: field.claim_grace_ms,
            ..field
        };
        Self::among_equals(seed, &params, primary)
    }

    /// Without changes of trust and skill, so that founders weigh the same to the end, as in the bounds. The least gain that is
    /// allowed is no gain: of half a million it rounds down to nothing.
    fn among_equals(seed: u64, params: &Params, primary: Option<usize>) -> Self {
        let params = Params {
            coherent_gain_ppm: 1,
            skill_gain_ppm: 1,
            claim_dissent_ppm: 0,
            skill_dissent_ppm: 0,
            critical_dissent_ppm: 0,
            overruled_ppm: 0,
            withheld_ppm: 0,
            absent_ppm: 0,
            ..params.clone()
        };
        Self {
            seed,
            params,
            primary,
        }
    }

    pub(super) fn identity(&self, node: usize) -> Identity {
        Identity::from_seed_label(&format!("contacts {} {node}", self.seed))
    }

    pub(super) fn genesis(&self, nodes: usize) -> Result<Genesis, Rejection> {
        let mut builder = Genesis::builder("contacts")
            .time_ms(START_MS - self.params.drift_ms)
            .params(self.params.clone());
        for node in 0..nodes {
            let role = match self.primary {
                Some(primary) if primary == node => Spore::Primary,
                _ => Spore::Latent,
            };
            builder = builder.member(self.identity(node).node_id(), role);
        }
        builder.build()
    }
}
