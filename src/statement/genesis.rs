//! The genesis: the start of a network. Its hash is the network's id.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::base::codec;
use crate::base::digest::{Digest, NETWORK, NetworkId, NodeId, SealId, hex_bytes};
use crate::base::identity::PublicKey;
use crate::base::limits::{GENESIS_BYTES_MAX, MEMBERS_MAX, TEXT_BYTES_MAX, TIME_MS_MAX};
use crate::base::rejection::Rejection;
use crate::statement::line::{FoundingLine, Standing};
use crate::statement::name::MemberName;
use crate::statement::operation::Spore;
use crate::statement::params::Params;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The version of the form of a genesis. Version 1 was the first edition's, whose networks are not carried over.
const GENESIS_VERSION: u8 = 2;

/// Which members seal.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sealing {
    /// Every `Active` member.
    #[default]
    Members,
    /// Only Primary and Seeds; while fewer than four of them are `Active`, every `Active` member.
    Authorities,
}

/// Which members are scored for the claims of a panel that weighs no quorum of the roster ([P9]).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PanelScoring {
    /// None, except for withholding and equivocation.
    #[default]
    Quorum,
    /// The panel: the authority that composes panels is trusted to do it well.
    Authorities,
}

/// A founding member.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Founder {
    /// Its author key.
    pub node: NodeId,
    /// Its role.
    pub role: Spore,
    /// Its name; no other member has it.
    pub name: MemberName,
    /// The digest of the key that may replace its key later, see [`Digest::of_successor`]; `None` for none.
    #[serde(deserialize_with = "Option::deserialize")] // Even `None` is written.
    pub successor: Option<Digest>,
    /// What it brings from the network that this one follows. There is one if, and only if, the genesis follows a network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<FoundingLine>,
}

impl Founder {
    /// A founding member without a successor, named by the first digits of its key.
    pub fn new(node: NodeId, role: Spore) -> Self {
        Self {
            node,
            role,
            name: MemberName::of_key(&node),
            successor: None,
            line: None,
        }
    }

    /// Whether it has a vote at the genesis.
    fn has_vote(&self) -> bool {
        let line = self.line.as_ref();
        line.is_none_or(|line| line.trust.standing == Standing::Active)
    }

    /// All its keys, the former ones too.
    fn keys(&self) -> impl Iterator<Item = NodeId> {
        let former = self.line.iter().flat_map(|line| &line.former);
        former.map(|former| former.node).chain([self.node])
    }
}

/// A value of the configuration map; hexadecimal in JSON.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ConfigValue(
    #[serde(with = "hex_bytes")]
    #[cfg_attr(feature = "schema", schemars(with = "String"))]
    pub Vec<u8>,
);

/// The network that a genesis takes up ([F2]).
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Follows {
    /// The old network.
    pub net: NetworkId,
    /// The height that was the last common one.
    pub height: u64,
    /// The seal of that height.
    pub seal: SealId,
    /// The digest of the plan.
    pub plan: Digest,
    /// The configuration map.
    pub config: BTreeMap<String, ConfigValue>,
    /// The keys of members that left or were left out: no member can take one of them by succession.
    pub gone: BTreeSet<NodeId>,
}

/// Members, roles, parameters and 32 random bytes, so that a new network never shares votes with an old one.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Genesis {
    /// The version of this form: 2.
    pub v: u8,
    /// The network's name, for people.
    pub name: String,
    /// 32 random bytes.
    pub nonce: Digest,
    /// The time of seal 0, milliseconds since 1970.
    pub time_ms: u64,
    /// Founding members, sorted by key, without repetition.
    pub members: Vec<Founder>,
    /// Which members seal.
    pub sealing: Sealing,
    /// Which members small panels score.
    pub panel_scoring: PanelScoring,
    /// The parameters.
    pub params: Params,
    /// The network that this one takes up. Then the random bytes are the digest of the plan.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub follows: Option<Follows>,
}

impl Genesis {
    /// A builder of a genesis.
    pub fn builder(name: impl Into<String>) -> GenesisBuilder {
        GenesisBuilder {
            genesis: Self {
                v: GENESIS_VERSION,
                name: name.into(),
                nonce: Digest::default(),
                time_ms: 0,
                members: Vec::new(),
                sealing: Sealing::default(),
                panel_scoring: PanelScoring::default(),
                params: Params::default(),
                follows: None,
            },
        }
    }

    /// BLAKE3 of the canonical genesis.
    pub fn network_id(&self) -> NetworkId {
        NetworkId::from_bytes(NETWORK.hash(&codec::encode(self)))
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads a genesis from its canonical bytes and checks it.
    ///
    /// # Errors
    ///
    /// [`Rejection`] says what is wrong.
    pub fn decode(bytes: &[u8]) -> Result<Self, Rejection> {
        let genesis: Self = codec::decode_compared(bytes, GENESIS_BYTES_MAX)?;
        genesis.check()?;
        Ok(genesis)
    }

    /// Judges a genesis: at least one member, at most one Primary, sorted usable keys, distinct names, valid parameters.
    ///
    /// # Errors
    ///
    /// [`Rejection`] says what is wrong.
    pub fn check(&self) -> Result<(), Rejection> {
        if self.v != GENESIS_VERSION {
            return Err(Rejection::Malformed(
                "a genesis version other than 2: the network was made by another edition of this program",
            ));
        }
        if self.name.len() > TEXT_BYTES_MAX {
            return Err(Rejection::OverLimit {
                what: "text bytes",
                limit: TEXT_BYTES_MAX,
            });
        }
        if self.time_ms > TIME_MS_MAX {
            return Err(Rejection::Malformed("a time beyond 2^53"));
        }
        if self.members.is_empty() {
            return Err(Rejection::Malformed("a network needs a member"));
        }
        if self.members.len() > MEMBERS_MAX {
            return Err(Rejection::OverLimit {
                what: "members",
                limit: MEMBERS_MAX,
            });
        }
        if !self.members.is_sorted_by(|a, b| a.node < b.node) {
            return Err(Rejection::Malformed(
                "members must be sorted by key and without repetition",
            ));
        }
        let primaries = self.members.iter().filter(|m| m.role == Spore::Primary);
        if primaries.count() > 1 {
            return Err(Rejection::Malformed("a network has at most one Primary"));
        }
        for member in &self.members {
            PublicKey::decode(&member.node).map_err(|_| Rejection::WeakKey(member.node))?;
        }
        let names: BTreeSet<&MemberName> = self.members.iter().map(|it| &it.name).collect();
        if names.len() < self.members.len() {
            return Err(Rejection::Malformed("two members have the same name"));
        }
        self.params.check()?;
        self.check_follows()
    }

    /// Judges what is taken up from another network.
    fn check_follows(&self) -> Result<(), Rejection> {
        let lines = self
            .members
            .iter()
            .filter_map(|member| member.line.as_ref());
        let Some(follows) = &self.follows else {
            return match lines.count() {
                0 => Ok(()),
                _ => Err(Rejection::Malformed(
                    "lines of members, and no network that they are from",
                )),
            };
        };
        if lines.clone().count() < self.members.len() {
            return Err(Rejection::Malformed(
                "a member without a line, in a network that follows another",
            ));
        }
        if follows.plan != self.nonce {
            return Err(Rejection::Malformed(
                "the random bytes are not the digest of the plan",
            ));
        }
        for line in lines {
            line.check(self.time_ms)?;
        }
        let keys: Vec<NodeId> = self.members.iter().flat_map(Founder::keys).collect();
        let distinct: BTreeSet<&NodeId> = keys.iter().collect();
        if distinct.len() < keys.len() || keys.iter().any(|key| follows.gone.contains(key)) {
            return Err(Rejection::Malformed(
                "a key of two members, or of one that left",
            ));
        }
        for key in &keys {
            PublicKey::decode(key).map_err(|_| Rejection::WeakKey(*key))?;
        }
        if !self.members.iter().any(Founder::has_vote) {
            return Err(Rejection::Malformed("nobody would have a vote"));
        }
        if self.encode().len() > GENESIS_BYTES_MAX {
            return Err(Rejection::OverLimit {
                what: "bytes of a genesis",
                limit: GENESIS_BYTES_MAX,
            });
        }
        Ok(())
    }
}

/// Builds a genesis. The nonce should be 32 random bytes, which the caller supplies as it does all randomness.
#[derive(Debug, Clone)]
pub struct GenesisBuilder {
    genesis: Genesis,
}

impl GenesisBuilder {
    /// Adds a founding member without a successor, named by the first digits of its key.
    #[must_use]
    pub fn member(self, node: NodeId, role: Spore) -> Self {
        self.founder(Founder::new(node, role))
    }

    /// Adds a founding member.
    #[must_use]
    pub fn founder(mut self, founder: Founder) -> Self {
        self.genesis.members.push(founder);
        self
    }

    /// Sets the 32 random bytes.
    #[must_use]
    pub fn nonce(mut self, nonce: [u8; 32]) -> Self {
        self.genesis.nonce = Digest::from_bytes(nonce);
        self
    }

    /// Sets the time of seal 0, milliseconds since 1970.
    #[must_use]
    pub fn time_ms(mut self, time_ms: u64) -> Self {
        self.genesis.time_ms = time_ms;
        self
    }

    /// Sets the parameters.
    #[must_use]
    pub fn params(mut self, params: Params) -> Self {
        self.genesis.params = params;
        self
    }

    /// Sets which members seal.
    #[must_use]
    pub fn sealing(mut self, sealing: Sealing) -> Self {
        self.genesis.sealing = sealing;
        self
    }

    /// Sets which members small panels score.
    #[must_use]
    pub fn panel_scoring(mut self, panel_scoring: PanelScoring) -> Self {
        self.genesis.panel_scoring = panel_scoring;
        self
    }

    /// Sorts the members and checks the genesis.
    ///
    /// # Errors
    ///
    /// As [`Genesis::check`]; a member named twice is refused.
    pub fn build(mut self) -> Result<Genesis, Rejection> {
        let distinct: BTreeSet<NodeId> = self.genesis.members.iter().map(|m| m.node).collect();
        if distinct.len() < self.genesis.members.len() {
            return Err(Rejection::Malformed("a member is named twice"));
        }
        self.genesis.members.sort_by_key(|member| member.node);
        self.genesis.check()?;
        Ok(self.genesis)
    }
}
