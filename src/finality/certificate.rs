//! Certificates of seals ([H3]): making one from the votes held, and checking one.

use std::collections::{BTreeMap, BTreeSet};

use super::votes::Votes;
use crate::base::digest::{NodeId, SealId};
use crate::base::rejection::Rejection;
use crate::members::sealers::Sealers;
use crate::statement::record::{Seal, Signed, Statement, Verified, Verifier, VoteKind};
use crate::statement::seal::SealCertificate;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Makes a certificate of as few records as possible: first authors with a precommit for the seal, then equivocators with two
/// precommits for other seals.
pub(super) fn assemble(votes: &Votes, seal: SealId, round: u32) -> Option<SealCertificate> {
    let counts = votes.counts(round, VoteKind::Precommit)?;
    let mut witnesses: Vec<_> = counts
        .iter()
        .filter_map(|(author, bodies)| {
            let own = bodies.iter().find(|(_, value)| *value == Some(seal));
            let bodies = match own {
                Some(body) => std::slice::from_ref(body),
                None => bodies.get(..2)?,
            };
            Some((bodies.len(), *author, bodies))
        })
        .collect();
    witnesses.sort_unstable();
    let mut chosen = BTreeMap::new();
    for (count, (_, _, bodies)) in (1..).zip(witnesses) {
        for (id, _) in bodies {
            chosen.insert(*id, votes.records().get(id)?.record().clone());
        }
        if votes.sealers().is_quorum(count) {
            return Some(SealCertificate {
                votes: chosen.into_values().collect(),
            });
        }
    }
    None
}

/// Checks that `certificate` proves that `sealers`, those of the seal's height, decided `seal`. The caller checks that
/// the seal follows its predecessor. Returns the votes.
///
/// # Errors
///
/// [`Rejection::BadCertificate`] with the reason, or the verifier's rejection of a vote.
pub fn verify_certificate(
    certificate: &SealCertificate,
    seal: &Seal,
    sealers: &Sealers,
    verifier: &mut Verifier,
) -> Result<Vec<Verified>, Rejection> {
    // At most two votes of each sealer can count.
    if certificate.votes.len() > 2 * sealers.len() {
        return Err(Rejection::BadCertificate(
            "it has more votes than can count",
        ));
    }
    let seal_id = seal.id();
    let mut last = None;
    let mut the_round = None;
    let mut signed_votes = Vec::with_capacity(certificate.votes.len());
    let mut values: BTreeMap<NodeId, BTreeSet<Option<SealId>>> = BTreeMap::new();
    for record in &certificate.votes {
        let author = record.body.by;
        if !sealers.contains(&author) {
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
            return Err(Rejection::BadCertificate(
                "one of its records is not a precommit",
            ));
        };
        if *height != seal.height || *the_round.get_or_insert(*round) != *round {
            return Err(Rejection::BadCertificate(
                "its votes are of different heights or rounds",
            ));
        }
        values.entry(author).or_default().insert(*value);
        signed_votes.push(signed);
    }
    let votes = verifier.verify_until_bad(signed_votes)?;
    let counts = |values: &BTreeSet<_>| values.len() >= 2 || values.contains(&Some(seal_id));
    if !values.values().all(counts) {
        return Err(Rejection::BadCertificate(
            "one of its votes does not count for the seal",
        ));
    }
    if sealers.is_quorum(values.len()) {
        Ok(votes)
    } else {
        Err(Rejection::BadCertificate("its votes are not a quorum"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::Agreement;
    use super::super::fixture::{
        HEIGHT, net, node, precommit, precommits, prevotes, seal, sealers,
    };
    use super::*;
    use crate::statement::record::Verified;

    fn verifier() -> Verifier {
        let mut verifier = Verifier::new(net());
        for member in 0..5 {
            verifier.add_author(node(member)).unwrap();
        }
        verifier
    }

    fn certificate(mut votes: Vec<Verified>) -> SealCertificate {
        votes.sort_by_key(Verified::id);
        let votes = votes.iter().map(|vote| vote.record().clone()).collect();
        SealCertificate { votes }
    }

    fn judged(certificate: &SealCertificate) -> Result<(), Rejection> {
        verify_certificate(certificate, &seal(1), &sealers(), &mut verifier()).map(drop)
    }

    #[test]
    fn a_decision_has_a_certificate() {
        let equivocation = [precommit(0, 2, Some(2)), precommit(0, 2, Some(3))];
        let direct = [precommit(0, 2, Some(1)), precommit(0, 2, Some(3))];
        for (desc, votes, records) in [
            ("no more than a quorum", precommits(0..4, 2, Some(1)), 3),
            (
                "two of an equivocator",
                [precommits(1..3, 2, Some(1)), equivocation.to_vec()].concat(),
                4,
            ),
            (
                "one, if it is for the seal",
                [precommits(1..3, 2, Some(1)), direct.to_vec()].concat(),
                3,
            ),
        ] {
            let mut agreement = Agreement::new(HEIGHT, sealers(), None);
            assert_eq!(agreement.certificate(), None);
            for vote in votes {
                agreement.add(vote).unwrap();
            }
            assert_eq!(agreement.decided(), Some((seal(1).id(), 2)), "{desc}");
            let certificate = agreement.certificate().unwrap();
            assert_eq!(certificate.votes.len(), records, "{desc}");
            assert_eq!(judged(&certificate), Ok(()), "{desc}");
        }
    }

    #[test]
    fn what_proves_nothing_is_rejected() {
        let good = || precommits(0..3, 0, Some(1));
        let plus = |more: Vec<Verified>| certificate([good(), more].concat());
        let mut unsorted = certificate(good());
        unsorted.votes.swap(0, 1);
        let mut repeated = certificate(good());
        repeated.votes[1] = repeated.votes[0].clone();
        let mut forged = certificate(good());
        forged.votes[0].proof.sig = forged.votes[1].proof.sig;
        let many = precommits(0..4, 0, Some(1))
            .into_iter()
            .cycle()
            .take(9)
            .collect();
        for (desc, certificate, code) in [
            ("nothing", certificate(vec![]), "bad-certificate"),
            (
                "no quorum",
                certificate(precommits(0..2, 0, Some(1))),
                "bad-certificate",
            ),
            ("out of order", unsorted, "bad-certificate"),
            ("one vote twice", repeated, "bad-certificate"),
            ("too many", certificate(many), "bad-certificate"),
            (
                "two rounds",
                plus(vec![precommit(3, 1, Some(1))]),
                "bad-certificate",
            ),
            (
                "a prevote",
                plus(prevotes([3], 0, Some(1))),
                "bad-certificate",
            ),
            (
                "a vote for another",
                plus(vec![precommit(3, 0, Some(2))]),
                "bad-certificate",
            ),
            (
                "an outsider",
                plus(vec![precommit(4, 0, Some(1))]),
                "not-a-sealer",
            ),
            (
                "another seal",
                certificate(precommits(0..3, 0, Some(2))),
                "bad-certificate",
            ),
            ("a forged vote", forged, "bad-signature"),
        ] {
            assert_eq!(judged(&certificate).unwrap_err().code(), code, "{desc}");
        }
        assert_eq!(judged(&certificate(good())), Ok(()));
        let nobody = Sealers::default();
        let empty = certificate(vec![]);
        assert!(verify_certificate(&empty, &seal(1), &nobody, &mut verifier()).is_err());
    }
}
