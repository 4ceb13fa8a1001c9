//! What a banned member says moves nothing on its line, also in the seal that bans it. Rules: W2.

use mycnet_consensus::internals::record::Statement;
use mycnet_consensus::{Ballot, Digest, OperationId, Standing};

use super::log::Log;
use crate::net::{commit_of, config, genesis, node, proposal_of};

/// Seals a member's `Rejoin`, alone or with the two commits that ban it. Gives its standing and the time noted.
fn sealed(is_banned: bool) -> (Standing, Option<u64>) {
    let mut log = Log::new(&genesis(4));
    let (net, last) = (log.ledger.genesis_seal().net, log.ledger.state().seal());
    let proposal = log.sign(0, proposal_of(config(b"x"), last, 1));
    let id = OperationId::from(proposal.id());
    log.seal(1, vec![proposal]);
    let nonce = Digest::from_bytes([3; 32]);
    let mut records = vec![log.sign(2, Statement::Rejoin { nonce })];
    if is_banned {
        for ballot in [Ballot::Approve, Ballot::Reject] {
            records.push(log.sign(2, commit_of(net, id, 2, &ballot)));
        }
    }
    log.seal(1, records);
    let member = log.ledger.state().roster().get(&node(2)).unwrap();
    (
        member.trust.standing(),
        member.rejoined.map(|(_, time_ms)| time_ms),
    )
}

#[test]
fn a_rejoin_beside_the_proof_against_its_author_is_not_noted() {
    let (standing, noted) = sealed(false);
    assert!(standing == Standing::Active && noted.is_some());
    assert_eq!(sealed(true), (Standing::Banned, None));
}
