//! A store answers as the sealed log in memory does, and starts as the node that stopped.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use mycnet_consensus::core::{DecidedAt, Declared, Input, Prover, Write};
use mycnet_consensus::document::{LedgerChange, LedgerDocument, OperationDocument};
use mycnet_consensus::internals::archive::{Archive, ArchiveError, visit_states, what_if};
use mycnet_consensus::internals::codec;
use mycnet_consensus::internals::commitment::commitment;
use mycnet_consensus::internals::digest::Salt;
use mycnet_consensus::internals::history::History;
use mycnet_consensus::internals::ledger::{Ledger, Mode, State};
use mycnet_consensus::internals::record::{Signed, Statement, Verified, Verifier, sign};
use mycnet_consensus::store::{ClosedSummary, SealSummary, Store};
use mycnet_consensus::{
    Ballot, Certificate, Genesis, OperationId, Outcome, Params, RecordId, TrustEntry,
};

use super::disk::{Disk, Survives};
use super::host::{CHECKPOINT_HEIGHTS, Net, claim, open};
use crate::net::{config, genesis, identity, node, proposal_of};

fn certificate(
    archive: &dyn Archive,
    genesis: &Genesis,
    id: &OperationId,
) -> Result<Option<Certificate>, ArchiveError> {
    let prover = Prover::new(archive, genesis)?.expect("something is sealed");
    prover.certificate(id, None)
}

/// Three waves of decisions by four nodes; in the last one node 3 equivocates and the others show it.
pub fn lived() -> Net {
    let mut net = Net::new(4);
    for wave in 0..3_u8 {
        let mut ids = Vec::new();
        for by in 0..4 {
            let operation = match by % 2 {
                0 => config(&[wave]),
                _ => claim(&format!("6 * 7, asked by {by}")),
            };
            let nonce = u64::from(wave) * 4 + by as u64;
            ids.extend(net.propose(by, operation, None, nonce).unwrap());
        }
        net.pump().unwrap();
        if wave == 2 {
            equivocate(&mut net, ids[0]);
        }
        for (k, id) in ids.iter().enumerate() {
            for n in 0..4 {
                let ballot = match (k % 2, n) {
                    (0, _) => Ballot::Approve,
                    (_, 2) => Ballot::Result(b"41".to_vec()),
                    // Longer than the part that is stored beside its document.
                    (_, _) if k == 3 => Ballot::Result(vec![b'4'; 1000]),
                    _ => Ballot::Result(b"42".to_vec()),
                };
                let operation = *id;
                let _ = net.input(n, Input::Vote { operation, ballot }).unwrap();
            }
        }
        net.pump().unwrap();
        for _ in 0..12 {
            net.pass(500).unwrap();
        }
    }
    net
}

fn equivocate(net: &mut Net, operation: OperationId) {
    let network = net.genesis.network_id();
    let records = [1, 2].map(|salt| {
        let salt = Salt::from_bytes([salt; 32]);
        let commitment = commitment(network, operation, node(3), &Ballot::Approve, &salt);
        let statement = Statement::Commit {
            operation,
            commitment,
        };
        let record = sign(&identity(3), network, statement).unwrap();
        net.hosts[3].promises.forged.insert(record.id());
        record.encode()
    });
    for n in 0..3 {
        let records = records.to_vec();
        let _ = net.input(n, Input::Import { records }).unwrap();
    }
    net.pump().unwrap();
}

fn compare_records(store: &Store, history: &History) {
    for (block, at) in history.blocks_from(1).zip(1..) {
        let records = store.records_at(at).unwrap().unwrap();
        let records: Vec<_> = records.iter().map(Verified::record).collect();
        assert_eq!(records, block.records.iter().collect::<Vec<_>>());
    }
    for none in [0, history.height() + 1] {
        assert!(store.records_at(none).unwrap().is_none());
    }
}

/// Operations are found by the first digits of their ids.
fn compare_digits(store: &Store, listed: &[OperationId]) {
    let all = store.operations_with("").unwrap();
    assert!(all.is_sorted() && listed.iter().all(|operation| all.contains(operation)));
    for id in &all {
        let text = id.to_string();
        for length in [1, 2, 7, 64] {
            let with = |id: &&OperationId| id.to_string().starts_with(&text[..length]);
            let expected: Vec<OperationId> = all.iter().filter(with).copied().collect();
            assert_eq!(store.operations_with(&text[..length]).unwrap(), expected);
        }
    }
    let in_capitals = all[0].to_string().to_uppercase();
    assert_eq!(store.operations_with(&in_capitals).unwrap(), all[..1]);
    for digits in ["xy", "ü", &"0".repeat(65)] {
        assert_eq!(store.operations_with(digits).unwrap(), [], "{digits}");
    }
}

fn compare(store: &Store, history: &History, net: &Net) {
    let genesis = &net.genesis;
    let height = history.height();
    assert_eq!(store.height().unwrap(), height);
    for (block, at) in history.blocks_from(1).zip(1..) {
        assert_eq!(store.block(at).unwrap().as_ref(), Some(block.as_ref()));
        assert_eq!(store.seal_at(at).unwrap(), Some(block.seal.id()));
        assert_eq!(store.header(at).unwrap().as_ref(), Some(&block.seal));
        let sorted = |mut closed: Vec<DecidedAt>| {
            closed.sort_by_key(|it| it.operation);
            closed
        };
        let expected = sorted(history.closed_since(at).unwrap());
        assert_eq!(sorted(store.closed_since(at).unwrap()), expected);
    }
    for at in [0, height + 1] {
        assert_eq!(store.header(at).unwrap(), None);
        assert_eq!(history.header(at).unwrap(), None);
    }
    assert_eq!(store.closed_since(height + 1).unwrap(), []);
    compare_records(store, history);
    assert_eq!(store.block(0).unwrap(), None);
    assert_eq!(store.block(height + 1).unwrap(), None);
    let all: Vec<Vec<u8>> = history
        .blocks_from(2)
        .map(|block| codec::encode(block.as_ref()))
        .collect();
    assert_eq!(store.blocks_from(2, usize::MAX).unwrap(), all);
    assert_eq!(store.blocks_from(2, 0).unwrap(), all[..1], "at least one");
    let two = all[0].len() + all[1].len();
    assert_eq!(store.blocks_from(2, two).unwrap(), all[..2]);
    for n in 0..5 {
        let node = node(n);
        assert_eq!(
            store.explain(&node).unwrap(),
            history.explain(&node).unwrap()
        );
        for at in 0..=height + 1 {
            let expected = history.trust_at(&node, at).unwrap();
            assert_eq!(store.trust_at(&node, at).unwrap(), expected);
        }
    }
    assert_eq!(store.evidence().unwrap(), history.evidence().unwrap());
    let past = net.hosts[0].core.ledger().past();
    let listed = store.all_closed().unwrap();
    let mut long_results = 0;
    assert_eq!(listed.len(), past.all_closed().count());
    for (summary, (id, closed)) in listed.iter().zip(past.all_closed()) {
        let expected = history.closed(&id).unwrap().unwrap();
        let outcome = &expected.decision().unwrap().outcome;
        assert_eq!((summary.operation, &summary.closed.outcome), (id, outcome));
        let is_long =
            matches!(outcome, Outcome::Decided(Ballot::Result(result)) if result.len() > 32);
        assert_eq!(closed.outcome(), (!is_long).then_some(outcome));
        long_results += usize::from(is_long);
        assert_eq!(summary.kind, expected.operation().kind());
        assert_eq!(summary.class, expected.class());
        assert_eq!(summary.proposer, expected.proposal().author());
        let stored = store.closed(&id).unwrap().unwrap();
        assert_eq!(stored.snapshot(), expected.snapshot());
        let decided = history.decided(&id).unwrap();
        assert_eq!(store.decided(&id).unwrap(), decided);
        let proved = certificate(store, genesis, &id).unwrap();
        assert_eq!(proved, certificate(history, genesis, &id).unwrap());
        let proved = proved.unwrap().verify(genesis).unwrap();
        assert_eq!(proved.outcome.as_ref(), Some(outcome));
        let effect = store.effect(&id).unwrap();
        let refused = effect.and_then(Result::err);
        assert_eq!(refused, history.refused_effect(&id).unwrap());
        let records: Vec<Verified> = expected.records().cloned().collect();
        let built = OperationDocument::build(&records).unwrap();
        let document = store.operation_document(&id).unwrap().unwrap();
        assert_eq!(document.heads(), built.heads());
    }
    assert!(long_results > 0);
    newest_first(store, listed.clone());
    newest_seals(store, history, genesis);
    newest_changes(store, height);
    let listed: Vec<_> = listed.iter().map(|summary| summary.operation).collect();
    compare_digits(store, &listed);
    let nobody = OperationId::from_bytes([9; 32]);
    assert!(store.closed(&nobody).unwrap().is_none());
    assert_eq!(certificate(store, genesis, &nobody), Ok(None));
    assert!(store.operation_document(&nobody).unwrap().is_none());
    let params = Params {
        claim_dissent_ppm: 500_000,
        ..Params::dev()
    };
    let expected = what_if(history, genesis, params.clone()).unwrap();
    assert_eq!(what_if(store, genesis, params).unwrap(), expected);
    let wrong = Params {
        claim_dissent_ppm: u32::MAX,
        ..Params::dev()
    };
    assert!(what_if(store, genesis, wrong).unwrap().is_err());
    let document = store.ledger_document().unwrap();
    assert_eq!(document.heads(), ledger_document(history, net).heads());
}

/// The ledger document of the sealed log, applied again.
fn ledger_document(history: &History, net: &Net) -> LedgerDocument {
    let mut document = LedgerDocument::new(&net.genesis);
    let mut ledger = Ledger::new(&net.genesis);
    let mut verifier = Verifier::new(net.genesis.network_id());
    for n in 0..4 {
        verifier.add_author(node(n)).unwrap();
    }
    for block in history.blocks_from(1) {
        let records = block.records.iter().cloned();
        let records = records.map(|record| {
            let signed = Signed::try_from(record).unwrap();
            verifier.verify(signed).unwrap()
        });
        let draft = ledger.draft(
            block.seal.round,
            block.seal.time_ms,
            records.collect(),
            Mode::Strict,
        );
        let (draft, _) = draft.unwrap();
        let seal = draft.seal.clone();
        let applied = ledger.commit(draft);
        document
            .append(&LedgerChange::from_applied(&seal, &applied))
            .unwrap();
    }
    document
}

#[test]
fn a_store_answers_as_the_log_in_memory_does() {
    let mut net = lived();
    let history = net.hosts[0].history.clone();
    assert!(history.height() > 8);
    assert_eq!(history.evidence().unwrap().len(), 1, "there is evidence");
    let check = |net: &mut Net| {
        compare(net.store(0), &history, net);
        let mut store = net.hosts[0].store.take().unwrap();
        let mut steps = 0;
        let report = store.check(|_| steps += 1).unwrap();
        assert_eq!(report.faults, Vec::<String>::new());
        assert_eq!(report.heights, history.height());
        assert!(steps > report.heights);
        net.hosts[0].store = Some(store);
        report
    };
    let report = check(&mut net);
    assert_eq!(report.operations, 12);
    net.store(0).checkpoint(net.hosts[0].core.ledger()).unwrap();
    check(&mut net);
}

#[test]
fn a_start_from_a_checkpoint_gives_the_same_node() {
    let mut net = lived();
    // Something is left open, and something unsealed.
    let open_id = net.propose(1, config(b"open"), None, 90).unwrap().unwrap();
    net.pump().unwrap();
    for _ in 0..4 {
        net.pass(300).unwrap();
    }
    let _ = net.propose(1, config(b"unsealed"), None, 91).unwrap();
    assert!(
        net.hosts[1]
            .core
            .ledger()
            .state()
            .operation(&open_id)
            .is_some()
    );
    let shown = |net: &Net| {
        let core = &net.hosts[1].core;
        let state = core.ledger().state();
        let pool: Vec<_> = core.pool().iter().map(|held| held.record.id()).collect();
        let closed: Vec<_> = core
            .ledger()
            .past()
            .all_closed()
            .map(|(id, _)| id)
            .collect();
        (
            core.ledger().last_seal().clone(),
            state.roster().full_digest(),
            pool,
            closed,
        )
    };
    let before = shown(&net);
    let height = before.0.height;
    for checkpoint in [false, true] {
        if checkpoint {
            let ledger = net.hosts[1].core.ledger();
            net.store(1).checkpoint(ledger).unwrap();
        }
        net.restart(1, Survives::Nothing, 0).unwrap();
        let found = net.hosts[1].found.clone().unwrap();
        let last = height - height % CHECKPOINT_HEIGHTS;
        let from = if checkpoint { height } else { last };
        assert_eq!((found.height, found.checkpoint), (height, from), "{found}");
        assert_eq!(shown(&net), before);
    }
    // An operation that was open in the checkpoint closes; the next start reads both.
    for n in 0..3 {
        let (operation, ballot) = (open_id, Ballot::Approve);
        let _ = net.input(n, Input::Vote { operation, ballot }).unwrap();
    }
    net.pump().unwrap();
    for _ in 0..12 {
        net.pass(500).unwrap();
    }
    assert!(net.is_closed(1, &open_id));
    let before = shown(&net);
    net.restart(1, Survives::Nothing, 0).unwrap();
    assert_eq!(net.hosts[1].found.as_ref().unwrap().checkpoint, height);
    assert_eq!(shown(&net), before);
    let store = net.store(1);
    let proved = certificate(store, store.genesis(), &open_id).unwrap();
    proved.expect("it is closed");
}

#[test]
fn writes_mean_what_saved_says_they_mean() {
    let net = lived();
    let (genesis, disk) = (genesis(4), Disk::default());
    let store = open(&disk, &genesis, 0).unwrap();
    let mut expected = mycnet_consensus::core::Saved::default();
    let (network, last) = (
        genesis.network_id(),
        net.hosts[0].core.ledger().state().seal(),
    );
    let record = |nonce| {
        let statement = proposal_of(config(b"x"), last, nonce);
        sign(&identity(0), network, statement).unwrap()
    };
    let journal = |nonce| {
        Write::Journal(mycnet_consensus::core::JournalEntry {
            record: record(nonce).record().clone(),
            opening: Some((Ballot::Approve, Salt::from_bytes([1; 32]))),
        })
    };
    let declared = |rejoins: &[RecordId]| {
        Write::Declared(Declared {
            rejoins: rejoins.iter().copied().collect(),
            height: 2,
            round: 3,
        })
    };
    let operation = OperationId::from_bytes([5; 32]);
    let intent = |ballot| Write::Intent { operation, ballot };
    let writes = [
        vec![journal(1), Write::Record(record(1)), Write::Vote(record(2))],
        vec![
            Write::List {
                seal: last,
                list: vec![record(1).id()],
            },
            intent(Some(Ballot::Approve)),
        ],
        vec![
            Write::Record(record(3)),
            Write::Forget(vec![record(1).id()]),
        ],
        vec![journal(4), Write::Unjournal(vec![record(1).id()])],
        vec![intent(None), Write::Compromised],
        vec![
            declared(&[record(1).id(), record(2).id()]),
            Write::Twin(true),
        ],
        vec![declared(&[record(3).id()])],
        // A record that was dropped and is sent again stays.
        vec![
            Write::Unjournal(vec![record(4).id()]),
            journal(4),
            journal(5),
        ],
        vec![journal(6)],
    ];
    for group in writes {
        store.write(&group).unwrap();
        for write in &group {
            expected.write(write);
        }
    }
    // With this, the journal loses what no rule needs.
    store.checkpoint(&Ledger::new(&genesis)).unwrap();
    let saved = store.saved().unwrap();
    assert_eq!(saved.journal, expected.journal);
    assert_eq!(
        (saved.records, saved.votes),
        (expected.records, expected.votes)
    );
    assert_eq!(
        (saved.lists, saved.intents),
        (expected.lists, expected.intents)
    );
    assert_eq!(
        (saved.compromised, saved.twin, saved.declared),
        (expected.compromised, true, expected.declared)
    );
}

#[test]
fn peers_are_kept() {
    let (genesis, disk) = (genesis(4), Disk::default());
    let store = open(&disk, &genesis, 0).unwrap();
    store.put_peer(&node(1), b"here").unwrap();
    store.put_peer(&node(2), b"there").unwrap();
    store.put_peer(&node(1), b"elsewhere").unwrap();
    store.remove_peer(&node(2)).unwrap();
    store.remove_peer(&node(3)).unwrap();
    drop(store);
    let store = open(&disk, &genesis, 0).unwrap();
    assert_eq!(store.peer(&node(1)).unwrap(), Some(b"elsewhere".to_vec()));
    assert_eq!(store.peer(&node(2)).unwrap(), None);
    assert_eq!(store.peers().unwrap().len(), 1);
}

/// Who proposed and who signed each seal, from the newest on, however many are taken at a time.
fn newest_seals(store: &Store, history: &History, genesis: &Genesis) {
    let mut sealers = Vec::new();
    let heights = (0..history.height()).collect();
    let mut visit = |state: &State| sealers.push(state.sealers().clone());
    visit_states(history, genesis, &heights, &mut visit).unwrap();
    let blocks = history.blocks_from(1).zip(sealers);
    let expected = blocks.map(|(block, sealers)| {
        let votes = block.certificate.votes.iter();
        let signed: BTreeSet<_> = votes.map(|vote| vote.body.by).collect();
        let sorted = sealers.sorted().into_iter();
        let (signed, missing) = sorted.partition(|sealer| signed.contains(sealer));
        SealSummary {
            seal: block.seal.clone(),
            proposer: sealers.proposer(block.seal.round),
            round: block.seal.round,
            signed,
            missing,
        }
    });
    let mut expected: Vec<SealSummary> = expected.collect();
    expected.reverse();
    let proposers: BTreeSet<_> = expected.iter().map(|it| it.proposer).collect();
    assert!(proposers.len() > 1 && !proposers.contains(&None));
    for together in [1, 3, usize::MAX] {
        let mut found: Vec<SealSummary> = Vec::new();
        let mut before = u64::MAX;
        loop {
            let some = store.newest_seals(before, together).unwrap();
            let Some(last) = some.last() else { break };
            before = last.seal.height;
            found.extend(some);
        }
        assert_eq!(found, expected, "{together} at a time");
    }
    for none in [0, 1] {
        assert_eq!(store.newest_seals(none, 9).unwrap(), []);
    }
    assert_eq!(store.newest_seals(9, 0).unwrap(), []);
}

/// The changes of scores from the newest on are those from the oldest on.
fn newest_changes(store: &Store, height: u64) {
    for member in 0..5 {
        let mut all = store.explain(&node(member)).unwrap();
        all.reverse();
        for at in 0..=height + 1 {
            let expected = all.iter().filter(|it| it.height <= at);
            let expected: Vec<TrustEntry> = expected.copied().collect();
            for enough in [1, 2, usize::MAX] {
                let mut found = Vec::new();
                let mut take = |entry| {
                    found.push(entry);
                    found.len() < enough
                };
                store.newest_changes(&node(member), at, &mut take).unwrap();
                assert_eq!(found, expected[..enough.min(expected.len())], "up to {at}");
            }
        }
    }
}

/// From the newest on, however many are taken at a time.
fn newest_first(store: &Store, mut listed: Vec<ClosedSummary>) {
    listed.sort_by_key(|it| (Reverse(it.closed.closed_height), it.operation));
    for together in [1, 3, usize::MAX] {
        let mut found: Vec<ClosedSummary> = Vec::new();
        loop {
            let (mut some, last) = (Vec::new(), found.last().map(|it| it.operation));
            let mut take = |closed| {
                some.push(closed);
                some.len() < together
            };
            store.newest_closed(last.as_ref(), &mut take).unwrap();
            if some.is_empty() {
                break;
            }
            found.extend(some);
        }
        assert_eq!(found, listed, "{together} at a time");
    }
    // The seals say the same from any height on.
    let height = store.height().unwrap();
    let all = store.changes_from(0, usize::MAX).unwrap();
    assert_eq!(all.len() as u64, height);
    for from in 1..=height {
        let rest = store.changes_from(from, 2).unwrap();
        let at = usize::try_from(from - 1).unwrap();
        assert_eq!(rest, all[at..(at + 2).min(all.len())], "from {from}");
    }
}
