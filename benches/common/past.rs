//! A sealed past in which all members voted on claims, as the writes that a core gives its host.

use std::sync::Arc;

use mycnet_consensus::core::Write;
use mycnet_consensus::internals::ledger::Ledger;
use mycnet_consensus::internals::record::{Verified, sign, sign_batch};
use mycnet_consensus::{Genesis, Identity, Sealing};

use crate::network::{self, ballot, claim, genesis, member, vote};

pub(crate) const MEMBERS: usize = 50;

/// How members sign their records of one round.
#[derive(Clone, Copy, PartialEq, Eq)]
#[allow(dead_code, reason = "each bench takes what it needs")]
pub(crate) enum Signed {
    Alone,
    InBatches,
}

pub(crate) struct Past {
    pub(crate) genesis: Genesis,
    pub(crate) ledger: Ledger,
    pub(crate) writes: Vec<Write>,
    pub(crate) records: Vec<Verified>,
}

/// Rounds of claims, two seals each: proposals with a commit of each member, then the reveals.
pub(crate) fn past(rounds: usize, claims: usize, signed: Signed) -> Past {
    let members: Vec<Identity> = (0..MEMBERS).map(member).collect();
    let genesis = genesis(MEMBERS, Sealing::Authorities);
    let mut ledger = Ledger::new(&genesis);
    let (mut writes, mut records) = (Vec::new(), Vec::new());
    for n in 0..rounds {
        for list in round(&members, &ledger, n, claims, signed) {
            records.extend(list.iter().cloned());
            writes.push(seal(&mut ledger, list));
        }
    }
    assert_eq!(ledger.past().all_closed().count(), rounds * claims);
    Past {
        genesis,
        ledger,
        writes,
        records,
    }
}

/// The records of one round: proposals with all commits, and all reveals.
pub(crate) fn round(
    members: &[Identity],
    ledger: &Ledger,
    round: usize,
    claims: usize,
    signed: Signed,
) -> [Vec<Verified>; 2] {
    let net = ledger.genesis_seal().net;
    let last = ledger.state().seal();
    let proposals: Vec<Verified> = (0..claims)
        .map(|k| {
            let nonce = (round * claims + k) as u64;
            claim(&members[k % members.len()], net, last, nonce, None)
        })
        .collect();
    let (mut opening, mut closing) = (proposals.clone(), Vec::new());
    for (n, by) in members.iter().enumerate() {
        let votes = proposals
            .iter()
            .map(|proposal| vote(by, net, proposal.id().into(), ballot(n)));
        let (commits, reveals): (Vec<_>, Vec<_>) =
            votes.map(|[commit, reveal]| (commit, reveal)).unzip();
        for (list, statements) in [(&mut opening, commits), (&mut closing, reveals)] {
            match signed {
                Signed::InBatches => {
                    list.extend(sign_batch(by, net, statements).expect("they are valid"));
                }
                Signed::Alone => list.extend(
                    statements
                        .into_iter()
                        .map(|statement| sign(by, net, statement).expect("it is valid")),
                ),
            }
        }
    }
    [opening, closing]
}

/// Seals records and returns the write for the host.
pub(crate) fn seal(ledger: &mut Ledger, records: Vec<Verified>) -> Write {
    let (block, applied) = network::seal(ledger, records);
    Write::Block {
        block: Arc::new(block),
        applied: Arc::new(applied),
    }
}

/// The number of rounds that the environment asks for; few with `--test`, which only runs the bench once.
#[allow(dead_code, reason = "each bench takes what it needs")]
pub(crate) fn rounds(variable: &str, few: usize, usual: usize) -> usize {
    let is_test = std::env::args().any(|arg| arg == "--test");
    let asked = std::env::var(variable).ok();
    let asked = asked.and_then(|rounds| rounds.parse().ok());
    asked.unwrap_or(if is_test { few } else { usual })
}
