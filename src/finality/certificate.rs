//! Certificates of seals: made from the votes held, checked without any.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use super::votes::Votes;
use crate::digest::{NodeId, SealId};
use crate::record::{Seal, Signed, Statement, Verifier, VoteKind};
use crate::rejection::Rejection;
use crate::seal::{SealCertificate, is_quorum};
use crate::sealers::Sealers;

/// Puts a certificate together from the fewest records: authors with a precommit for the seal first, the heaviest of them
/// first, then equivocators with two for others.
pub(super) fn assemble(votes: &Votes, seal: SealId, round: u32) -> Option<SealCertificate> {
    let tally = votes.tally(round, VoteKind::Precommit)?;
    let mut witnesses: Vec<_> = tally
        .iter()
        .filter_map(|(author, bodies)| {
            let own = bodies.iter().find(|(_, value)| *value == Some(seal));
            let bodies = match own {
                Some(body) => std::slice::from_ref(body),
                None => bodies.get(..2)?,
            };
            Some((
                bodies.len(),
                Reverse(votes.sealers().weight(author)),
                *author,
                bodies,
            ))
        })
        .collect();
    witnesses.sort_by_key(|(records, weight, author, _)| (*records, *weight, *author));
    let mut weight = 0;
    let mut chosen = BTreeMap::new();
    for (_, Reverse(author_weight), _, bodies) in witnesses {
        for (id, _) in bodies {
            chosen.insert(*id, votes.records().get(id)?.record().clone());
        }
        weight += author_weight;
        if is_quorum(weight, votes.sealers().total()) {
            return Some(SealCertificate {
                votes: chosen.into_values().collect(),
            });
        }
    }
    None
}

/// Checks that `certificate` proves that `sealers`, those of the seal's height, decided `seal`. Whether the seal itself
/// fits its place in the chain is not asked here.
///
/// # Errors
///
/// [`Rejection::BadCertificate`] says what is missing; or what the verifier says about one of the votes.
pub fn verify_certificate(
    certificate: &SealCertificate,
    seal: &Seal,
    sealers: &Sealers,
    verifier: &mut Verifier,
) -> Result<(), Rejection> {
    // Two votes of each sealer are all that can count.
    if certificate.votes.len() > 2 * sealers.len() {
        return Err(Rejection::BadCertificate("more votes than can count"));
    }
    let seal_id = seal.id();
    let mut last = None;
    let mut the_round = None;
    let mut values: BTreeMap<NodeId, BTreeSet<Option<SealId>>> = BTreeMap::new();
    for record in &certificate.votes {
        let author = record.body.by;
        if sealers.weight(&author) == 0 {
            return Err(Rejection::NotASealer(author));
        }
        let signed = Signed::try_from(record.clone())?;
        if last.is_some_and(|last| last >= signed.id()) {
            return Err(Rejection::BadCertificate("its votes are not in order"));
        }
        last = Some(signed.id());
        let Statement::SealVote {
            height,
            round,
            kind: VoteKind::Precommit,
            seal: value,
        } = &record.body.what
        else {
            return Err(Rejection::BadCertificate("a record in it is no precommit"));
        };
        if *height != seal.height || *the_round.get_or_insert(*round) != *round {
            return Err(Rejection::BadCertificate(
                "its votes are of different heights or rounds",
            ));
        }
        values.entry(author).or_default().insert(*value);
        verifier.verify(signed)?;
    }
    let mut weight = 0;
    for (author, values) in &values {
        if values.len() < 2 && !values.contains(&Some(seal_id)) {
            return Err(Rejection::BadCertificate("a vote in it counts for nothing"));
        }
        weight += sealers.weight(author);
    }
    if is_quorum(weight, sealers.total()) {
        Ok(())
    } else {
        Err(Rejection::BadCertificate("its votes are no quorum"))
    }
}
