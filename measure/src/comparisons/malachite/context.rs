//! The types that Malachite is used with: as light as its traits allow.
//!
//! A value is 32 bytes and its own id, so proposals carry nothing that would have to be hashed or copied. The validators are
//! shared and found by binary search.

use std::fmt;
use std::sync::Arc;

use malachitebft_core_types as types;
use malachitebft_core_types::{
    LinearTimeouts, NilOrVal, Round, SignedExtension, VoteType, VotingPower,
};
use malachitebft_signing_ed25519::{Ed25519, PublicKey};

/// Ties the types together.
#[derive(Debug, Clone)]
pub(super) struct Context;

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Height(pub(super) u64);

/// A validator's public key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Address(pub(super) [u8; 32]);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Value(pub(super) [u8; 32]);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validator {
    pub(super) address: Address,
    pub(super) key: PublicKey,
}

/// Sorted by address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Validators(pub(super) Arc<[Validator]>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proposal {
    height: Height,
    round: Round,
    value: Value,
    lock: Round,
    by: Address,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Vote {
    kind: VoteType,
    height: Height,
    round: Round,
    value: NilOrVal<Value>,
    by: Address,
}

/// Proposals come in one piece.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NoPart {}

impl types::Context for Context {
    type Address = Address;
    type Height = Height;
    type ProposalPart = NoPart;
    type Proposal = Proposal;
    type Validator = Validator;
    type ValidatorSet = Validators;
    type Timeouts = LinearTimeouts;
    type Value = Value;
    type Vote = Vote;
    type Extension = ();
    type SigningScheme = Ed25519;

    fn select_proposer<'a>(
        &self,
        validators: &'a Validators,
        height: Height,
        round: Round,
    ) -> &'a Validator {
        let turn = height.0 + u64::from(round.as_u32().unwrap_or(0));
        let place = turn % validators.0.len() as u64;
        &validators.0[usize::try_from(place).expect("there are few validators")]
    }

    fn new_proposal(
        &self,
        height: Height,
        round: Round,
        value: Value,
        lock: Round,
        by: Address,
    ) -> Proposal {
        Proposal {
            height,
            round,
            value,
            lock,
            by,
        }
    }

    fn new_prevote(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<Value>,
        by: Address,
    ) -> Vote {
        Vote {
            kind: VoteType::Prevote,
            height,
            round,
            value,
            by,
        }
    }

    fn new_precommit(
        &self,
        height: Height,
        round: Round,
        value: NilOrVal<Value>,
        by: Address,
    ) -> Vote {
        Vote {
            kind: VoteType::Precommit,
            height,
            round,
            value,
            by,
        }
    }
}

impl Proposal {
    /// The bytes that its proposer signs.
    pub(super) fn message(&self) -> Vec<u8> {
        let [round, lock] = [self.round, self.lock].map(|round| round.as_i64().to_le_bytes());
        let height = self.height.0.to_le_bytes();
        [&b"P"[..], &height, &round, &lock, &self.value.0, &self.by.0].concat()
    }
}

impl Vote {
    /// The bytes that its voter signs.
    pub(super) fn message(&self) -> Vec<u8> {
        let kind = match self.kind {
            VoteType::Prevote => b"v",
            VoteType::Precommit => b"c",
        };
        let value: &[u8] = match &self.value {
            NilOrVal::Nil => &[],
            NilOrVal::Val(value) => &value.0,
        };
        let round = self.round.as_i64().to_le_bytes();
        let height = self.height.0.to_le_bytes();
        [&kind[..], &height, &round, &self.by.0, value].concat()
    }
}

impl types::Height for Height {
    const ZERO: Self = Self(0);
    const INITIAL: Self = Self(1);

    fn increment_by(&self, n: u64) -> Self {
        Self(self.0 + n)
    }

    fn decrement_by(&self, n: u64) -> Option<Self> {
        self.0.checked_sub(n).map(Self)
    }

    fn as_u64(&self) -> u64 {
        self.0
    }
}

impl types::Address for Address {}

impl types::Value for Value {
    type Id = Self;

    fn id(&self) -> Self {
        *self
    }
}

impl types::Validator<Context> for Validator {
    fn address(&self) -> &Address {
        &self.address
    }

    fn public_key(&self) -> &PublicKey {
        &self.key
    }

    fn voting_power(&self) -> VotingPower {
        1
    }
}

impl types::ValidatorSet<Context> for Validators {
    fn count(&self) -> usize {
        self.0.len()
    }

    fn total_voting_power(&self) -> VotingPower {
        self.0.len() as VotingPower
    }

    fn get_by_address(&self, address: &Address) -> Option<&Validator> {
        let place = self.0.binary_search_by_key(address, |it| it.address);
        place.ok().map(|place| &self.0[place])
    }

    fn get_by_index(&self, index: usize) -> Option<&Validator> {
        self.0.get(index)
    }
}

impl types::Proposal<Context> for Proposal {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &Value {
        &self.value
    }

    fn take_value(self) -> Value {
        self.value
    }

    fn pol_round(&self) -> Round {
        self.lock
    }

    fn validator_address(&self) -> &Address {
        &self.by
    }
}

impl types::Vote<Context> for Vote {
    fn height(&self) -> Height {
        self.height
    }

    fn round(&self) -> Round {
        self.round
    }

    fn value(&self) -> &NilOrVal<Value> {
        &self.value
    }

    fn take_value(self) -> NilOrVal<Value> {
        self.value
    }

    fn vote_type(&self) -> VoteType {
        self.kind
    }

    fn validator_address(&self) -> &Address {
        &self.by
    }

    fn extension(&self) -> Option<&SignedExtension<Context>> {
        None
    }

    fn take_extension(&mut self) -> Option<SignedExtension<Context>> {
        None
    }

    fn extend(self, _: SignedExtension<Context>) -> Self {
        self
    }
}

impl types::ProposalPart<Context> for NoPart {
    fn is_first(&self) -> bool {
        match *self {}
    }

    fn is_last(&self) -> bool {
        match *self {}
    }
}

/// Only its log messages show these.
macro_rules! shown {
    ($($name:ident),*) => {$(
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", self.0)
            }
        }
    )*};
}

shown!(Height, Address, Value);
