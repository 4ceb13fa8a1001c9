//! From the genesis to one seal ([H3]): the changes of sealers on the way, and the parts of the seal's state.
//!
//! A seal needs the precommits of the sealers of its height. The first are those of the genesis. A header states who seals the next
//! height, so only the headers at which others take over are shown, each with a quorum of those who sealed it. All of them are in
//! the last seal's log of seals, so they are of one chain with it.

use serde::{Deserialize, Serialize};

use crate::base::digest::{Digest, NetworkId, NodeId, SealId};
use crate::base::limits::MEMBERS_MAX;
use crate::base::merkle;
use crate::base::rejection::Rejection;
use crate::finality::verify_certificate;
use crate::ledger::{Ledger, StateParts};
use crate::members::sealers::Sealers;
use crate::past::precommits::Precommits;
use crate::statement::genesis::Genesis;
use crate::statement::record::{Seal, Verifier};
use crate::statement::seal::sealers_digest;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// A header at which others took over sealing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ChangeOfSealers {
    /// The header.
    pub seal: Seal,
    /// The precommits of those who sealed it.
    pub precommits: Precommits,
    /// Who seals the next height, in the order of their keys.
    pub sealers: Vec<NodeId>,
    /// The path of the header in the head's log of seals.
    pub path: Vec<Digest>,
}

/// The way from the genesis to a seal. It grows with the changes of sealers and the logarithm of the height.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// The changes of sealers before the head, in order.
    pub changes: Vec<ChangeOfSealers>,
    /// The seal.
    pub head: Seal,
    /// The precommits that fix it.
    pub precommits: Precommits,
    /// The parts of its state.
    pub parts: StateParts,
}

/// The leaf of a seal in the log of seals.
pub fn seal_leaf(seal: SealId) -> Digest {
    merkle::leaf(seal.as_bytes())
}

fn bad(reason: &'static str) -> Rejection {
    Rejection::BadCertificate(reason)
}

impl Chain {
    /// Verifies that the network sealed the head with these parts of its state. The cost is a quorum of signatures for the head and for
    /// each change of sealers.
    ///
    /// # Errors
    ///
    /// [`Rejection::WrongNetwork`], [`Rejection::BadCertificate`] with the failing step, or the verifier's rejection of a vote.
    pub fn verify(&self, net: NetworkId, genesis: &Genesis) -> Result<(), Rejection> {
        genesis.check()?;
        if net != genesis.network_id() {
            return Err(Rejection::WrongNetwork(net));
        }
        let mut verifier = Verifier::new(net);
        for founder in &genesis.members {
            verifier.add_author(founder.node)?;
        }
        if self.parts.digest() != self.head.state {
            return Err(bad("the head's state has other parts"));
        }
        let mut sealers = Ledger::new(genesis).state().sealers().as_ref().clone();
        let mut height = 0;
        for change in &self.changes {
            let seal = &change.seal;
            if seal.net != net || seal.height <= height || seal.height >= self.head.height {
                return Err(bad("the changes of sealers are not in order"));
            }
            height = seal.height;
            let leaf = seal_leaf(seal.id());
            let root = merkle::root_of(leaf, height, self.head.height, &change.path);
            if root != Some(self.parts.seals) {
                return Err(bad("a header is not in the log of seals"));
            }
            let certificate = change.precommits.certificate(seal, &sealers)?;
            verify_certificate(&certificate, seal, &sealers, &mut verifier)?;
            sealers = next_sealers(change, &mut verifier)?;
        }
        if self.head.net != net || self.head.height <= height {
            return Err(bad("the head does not follow the changes of sealers"));
        }
        let certificate = self.precommits.certificate(&self.head, &sealers)?;
        verify_certificate(&certificate, &self.head, &sealers, &mut verifier)?;
        Ok(())
    }
}

/// The sealers of the height after a header that changed them.
fn next_sealers(change: &ChangeOfSealers, verifier: &mut Verifier) -> Result<Sealers, Rejection> {
    let next = &change.sealers;
    let is_list = next.len() <= MEMBERS_MAX && next.is_sorted_by(|a, b| a < b);
    if !is_list || sealers_digest(next.iter().copied()) != change.seal.sealers {
        return Err(bad("the sealers are not the stated ones"));
    }
    for node in next {
        if !verifier.knows(node) {
            verifier.add_author(*node)?;
        }
    }
    Ok(Sealers::new(next.clone()))
}
