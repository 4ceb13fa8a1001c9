//! The certificate of a seal without what all its votes have in common.
//!
//! A precommit takes some 280 bytes, of which only the signature and the author differ from the others.

use serde::{Deserialize, Serialize};

use crate::base::digest::NodeId;
use crate::base::rejection::Rejection;
use crate::members::sealers::Sealers;
use crate::statement::record::{Body, Proof, Record, Seal, Statement, VoteKind};
use crate::statement::seal::SealCertificate;

/// The precommits that fix a seal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Precommits {
    /// The round of all of them.
    pub round: u32,
    /// Those for the seal: the author's place among the sealers in the order of their keys, and the proof of its record.
    pub votes: Vec<(u32, Proof)>,
    /// Pairs of different precommits, each of which counts for any seal.
    pub pairs: Vec<Record>,
}

fn record_of(seal: &Seal, round: u32, by: NodeId, proof: Proof) -> Record {
    Record {
        body: Body {
            v: 1,
            by,
            net: seal.net,
            what: Statement::SealVote {
                height: seal.height,
                round,
                kind: VoteKind::Precommit,
                seal: Some(seal.id()),
            },
        },
        proof,
    }
}

impl Precommits {
    /// The short form of a seal's certificate; `sealers` are those of its height in the order of their keys.
    pub fn of(certificate: &SealCertificate, seal: &Seal, sealers: &[NodeId]) -> Self {
        let first = certificate.votes.first();
        let round = first.map_or(0, |vote| match vote.body.what {
            Statement::SealVote { round, .. } => round,
            _ => 0,
        });
        let (mut votes, mut pairs) = (Vec::new(), Vec::new());
        for vote in &certificate.votes {
            let same = certificate.votes.iter();
            let same = same.filter(|other| other.body.by == vote.body.by).count();
            let place = sealers.binary_search(&vote.body.by).ok();
            let place = place.and_then(|place| u32::try_from(place).ok());
            let short = place.filter(|_| same == 1).filter(|_| {
                let whole = record_of(seal, round, vote.body.by, vote.proof.clone());
                whole == *vote
            });
            match short {
                Some(place) => votes.push((place, vote.proof.clone())),
                None => pairs.push(vote.clone()),
            }
        }
        votes.sort_by_key(|(place, _)| *place);
        Self {
            round,
            votes,
            pairs,
        }
    }

    /// The certificate that this is the short form of.
    ///
    /// # Errors
    ///
    /// [`Rejection::BadCertificate`] if a vote is by none of the sealers, or the votes are not in order.
    pub fn certificate(
        &self,
        seal: &Seal,
        sealers: &Sealers,
    ) -> Result<SealCertificate, Rejection> {
        let sorted = sealers.sorted();
        if !self.votes.is_sorted_by(|(a, _), (b, _)| a < b) {
            let reason = "its votes are not in the order of the sealers";
            return Err(Rejection::BadCertificate(reason));
        }
        let votes = self.votes.iter().map(|(place, proof)| {
            let by = usize::try_from(*place).ok().and_then(|at| sorted.get(at));
            let by = by.ok_or(Rejection::BadCertificate(
                "a vote is by none of the sealers",
            ))?;
            Ok(record_of(seal, self.round, *by, proof.clone()))
        });
        let mut votes = votes.collect::<Result<Vec<_>, Rejection>>()?;
        votes.extend(self.pairs.iter().cloned());
        votes.sort_by_cached_key(|vote| vote.body.id());
        Ok(SealCertificate { votes })
    }
}
