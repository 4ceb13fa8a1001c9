//! Shared by this module's tests: four sealers and their records at one height.

use std::sync::Arc;

use super::Sealers;
use crate::base::digest::{Digest, NetworkId, NodeId, SealId};
use crate::base::identity::{Identity, Signer as _};
use crate::statement::record::{Seal, Statement, Verified, VoteKind, sign};

pub(super) const HEIGHT: u64 = 4;

pub(super) fn net() -> NetworkId {
    NetworkId::from_bytes([3; 32])
}

fn identity(member: usize) -> Identity {
    Identity::from_seed_label(&format!("sealer {member}"))
}

pub(super) fn node(member: usize) -> NodeId {
    identity(member).node_id()
}

/// The proposer of round r is member r mod 4.
pub(super) fn sealers() -> Arc<Sealers> {
    Arc::new(Sealers::new((0..4).map(node).collect()))
}

/// One of many seals. Those with the names 0 to 9 were first proposed in round 0, 10 to 19 in round 1, and so on.
pub(super) fn seal(name: u8) -> Seal {
    Seal {
        net: net(),
        height: HEIGHT,
        prev: SealId::default(),
        time_ms: 1,
        count: 1,
        records: Digest::from_bytes([name; 32]),
        state: Digest::default(),
        roster: Digest::default(),
        sealers: Digest::default(),
        round: u32::from(name / 10),
    }
}

pub(super) fn id(name: u8) -> SealId {
    seal(name).id()
}

pub(super) fn signed(member: usize, statement: Statement) -> Verified {
    sign(&identity(member), net(), statement).unwrap()
}

/// The proposal of `round` by its proposer.
pub(super) fn proposal(round: u32, lock: Option<u32>, name: u8) -> Verified {
    let proposer = usize::try_from(round % 4).unwrap();
    let seal = seal(name);
    signed(proposer, Statement::SealProposal { round, lock, seal })
}

/// A vote for the seal of this name, or for nil.
pub(super) fn vote(member: usize, round: u32, kind: VoteKind, name: Option<u8>) -> Verified {
    let vote = Statement::SealVote {
        height: HEIGHT,
        round,
        kind,
        seal: name.map(id),
    };
    signed(member, vote)
}

pub(super) fn prevote(member: usize, round: u32, name: Option<u8>) -> Verified {
    vote(member, round, VoteKind::Prevote, name)
}

pub(super) fn precommit(member: usize, round: u32, name: Option<u8>) -> Verified {
    vote(member, round, VoteKind::Precommit, name)
}

/// The same vote by several members.
pub(super) fn votes(
    members: impl IntoIterator<Item = usize>,
    round: u32,
    kind: VoteKind,
    name: Option<u8>,
) -> Vec<Verified> {
    members
        .into_iter()
        .map(|member| vote(member, round, kind, name))
        .collect()
}

pub(super) fn prevotes(
    members: impl IntoIterator<Item = usize>,
    round: u32,
    name: Option<u8>,
) -> Vec<Verified> {
    votes(members, round, VoteKind::Prevote, name)
}

pub(super) fn precommits(
    members: impl IntoIterator<Item = usize>,
    round: u32,
    name: Option<u8>,
) -> Vec<Verified> {
    votes(members, round, VoteKind::Precommit, name)
}
