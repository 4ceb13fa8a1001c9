//! The roles of members.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A member's role.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Spore {
    /// Coordinates standard operations and proposes seals first; at most one in a network.
    Primary,
    /// Stands in for the Primary and may object to it.
    Seed,
    /// An ordinary elector: the votes of all electors decide where the authorities do not.
    Latent,
}

impl fmt::Display for Spore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Primary => "primary",
            Self::Seed => "seed",
            Self::Latent => "latent",
        })
    }
}

impl Spore {
    /// Whether the role is one of the network's authorities: Primary or Seed.
    pub fn is_authority(self) -> bool {
        self != Self::Latent
    }
}
