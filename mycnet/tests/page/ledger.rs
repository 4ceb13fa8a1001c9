//! A long ledger, written into a node's directory as a node writes it.

use std::path::Path;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use mycnet_consensus::core::Write;
use mycnet_consensus::internals::commitment::vote;
use mycnet_consensus::internals::ledger::{Ledger, Mode};
use mycnet_consensus::internals::record::{Statement, Verified, VoteKind, sign, sign_batch};
use mycnet_consensus::internals::seal::{SealCertificate, SealedBlock};
use mycnet_consensus::store::Store;
use mycnet_consensus::{
    Ballot, ClaimRule, ConsensusOperation, Founder, Genesis, Identity, MemberName, Priority,
    Signer as _, Spore,
};

/// Claims that are asked and answered together, with two seals.
const TOGETHER: usize = 20;

const NAMES: [&str; 4] = ["ada", "bob", "eve", "dan"];

/// Writes the databases of a node in a network of four with so many closed operations: claims, about every fifth of which eve is wrong.
/// The last of its seals is of now.
pub fn write(directory: &Path, ada: Identity, operations: usize) {
    let others = NAMES[1..]
        .iter()
        .map(|name| Identity::from_seed_label(name));
    let members: Vec<Identity> = std::iter::once(ada).chain(others).collect();
    let rounds = operations.div_ceil(TOGETHER);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let step_ms = 1000;
    let began = u64::try_from(now.as_millis()).unwrap() - 2 * rounds as u64 * step_ms;
    let roles = [Spore::Primary, Spore::Seed, Spore::Latent, Spore::Latent];
    let mut genesis = Genesis::builder("village").time_ms(began);
    for ((member, role), name) in members.iter().zip(roles).zip(NAMES) {
        let mut founder = Founder::new(member.node_id(), role);
        founder.name = MemberName::new(name).unwrap();
        genesis = genesis.founder(founder);
    }
    let genesis = genesis.build().unwrap();
    let store = Store::create(directory, &genesis, members[0].node_id()).unwrap();
    let mut ledger = Ledger::new(&genesis);
    for round in 0..rounds {
        let first = round * TOGETHER;
        let numbers = first..operations.min(first + TOGETHER);
        for list in records(&members, &ledger, numbers) {
            let write = seal(&mut ledger, &members, step_ms, list);
            store.write(&[write]).unwrap();
            if store.checkpoint_if_due(&ledger).unwrap() {
                store.pack().unwrap();
            }
        }
    }
    assert_eq!(ledger.past().all_closed().count(), operations);
    store.checkpoint(&ledger).unwrap();
    store.give_back().unwrap();
}

/// The proposals of these claims with all commits, and all reveals.
fn records(
    members: &[Identity],
    ledger: &Ledger,
    numbers: std::ops::Range<usize>,
) -> [Vec<Verified>; 2] {
    let net = ledger.genesis_seal().net;
    let proposals: Vec<(usize, Verified)> = numbers
        .map(|number| {
            let statement = Statement::Propose {
                operation: ConsensusOperation::Claim {
                    subject: format!("sha256 of package {number}"),
                    input: number.to_le_bytes().to_vec(),
                    panel: None,
                    rule: ClaimRule::MAJORITY,
                },
                priority: Priority::Normal,
                last: ledger.state().seal(),
                nonce: number as u64,
            };
            let by = &members[number % members.len()];
            (number, sign(by, net, statement).unwrap())
        })
        .collect();
    let mut opening: Vec<Verified> = proposals.iter().map(|(_, it)| it.clone()).collect();
    let mut closing = Vec::new();
    for (n, by) in members.iter().enumerate() {
        let votes = proposals.iter().map(|(number, proposal)| {
            let is_wrong = n == 2 && number % 5 == 0;
            let result = if is_wrong { "other" } else { "the same" };
            let ballot = Ballot::Result(result.into());
            vote(by, net, proposal.id().into(), ballot).unwrap()
        });
        let (commits, reveals) = votes.map(|[commit, reveal]| (commit, reveal)).unzip();
        opening.extend(sign_batch(by, net, commits).unwrap());
        closing.extend(sign_batch(by, net, reveals).unwrap());
    }
    [opening, closing]
}

/// Seals records with the votes of all but the first member: its node has no journal of such votes.
fn seal(ledger: &mut Ledger, members: &[Identity], step_ms: u64, records: Vec<Verified>) -> Write {
    let time_ms = ledger.state().time_ms() + step_ms;
    let drafted = ledger.draft(0, time_ms, records, Mode::Strict);
    let (draft, _) = drafted.unwrap_or_else(|_| panic!("the records apply"));
    let statement = Statement::SealVote {
        height: draft.seal.height,
        round: 0,
        kind: VoteKind::Precommit,
        seal: Some(draft.seal.id()),
    };
    let others = members[1..].iter();
    let signed = others.map(|by| sign(by, draft.seal.net, statement.clone()).unwrap());
    let mut votes: Vec<Verified> = signed.collect();
    votes.sort_by_key(Verified::id);
    let wire = |records: &[Verified]| records.iter().map(|it| it.record().clone()).collect();
    let block = SealedBlock {
        seal: draft.seal.clone(),
        certificate: SealCertificate {
            votes: wire(&votes),
        },
        records: wire(&draft.records),
    };
    let applied = Arc::new(ledger.commit(draft));
    let block = Arc::new(block);
    Write::Block { block, applied }
}
