//! Known limits of the rules, each as it stands: "What is not solved" in the specification names them. A change that moves one of
//! them shows here, and belongs there too.

use mycnet_consensus::core::Input;
use mycnet_consensus::internals::commitment::vote;
use mycnet_consensus::internals::ledger::Mode;
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::record::Statement;
use mycnet_consensus::{
    Ballot, ClaimRule, ConsensusOperation, Genesis, OperationId, Outcome, Params, Spore, Standing,
    Verified,
};
use serde_bytes::ByteBuf;

use super::log::Log;
use crate::net::{Net, commit_of, config, genesis, identity, node, proposal_of};

#[allow(clippy::unnecessary_wraps, reason = "a ballot or none")]
fn result(text: &str) -> Option<Ballot> {
    Some(Ballot::Result(text.into()))
}

fn claim(subject: &str, rule: ClaimRule) -> ConsensusOperation {
    ConsensusOperation::Claim {
        subject: subject.to_owned(),
        input: Vec::new(),
        panel: None,
        rule,
    }
}

/// A proposal by a member, and its operation.
fn proposal(
    log: &Log,
    by: usize,
    operation: ConsensusOperation,
    nonce: u64,
) -> (Verified, OperationId) {
    let last = log.ledger.state().seal();
    let proposal = log.sign(by, proposal_of(operation, last, nonce));
    let id = proposal.id().into();
    (proposal, id)
}

/// The commit and the reveal of a member.
fn ballot(log: &Log, n: usize, id: OperationId, ballot: Ballot) -> [Verified; 2] {
    let net = log.ledger.genesis_seal().net;
    let statements = vote(&identity(n), net, id, ballot).unwrap();
    statements.map(|statement| log.sign(n, statement))
}

fn is_refused(log: &Log, record: &Verified) -> bool {
    let time_ms = log.ledger.state().time_ms() + 1;
    let records = vec![record.clone()];
    log.ledger.draft(0, time_ms, records, Mode::Strict).is_err()
}

/// Three of four commit, and the last of them lies. The freeze is at a bare quorum, in which each one has a veto.
/// Rules: P3, P5.
#[test]
fn known_limit_a_liar_that_commits_last_makes_a_bare_quorum_fail() {
    let mut log = Log::new(&genesis(4));
    let (asked, id) = proposal(&log, 0, config(b"x"), 1);
    let [one, first] = ballot(&log, 0, id, Ballot::Approve);
    let [two, second] = ballot(&log, 1, id, Ballot::Approve);
    let [asleep, _] = ballot(&log, 2, id, Ballot::Approve);
    let [late, lie] = ballot(&log, 3, id, Ballot::Reject);
    log.seal(1, vec![asked, one, two]);
    let grace_ms = log.ledger.state().params().critical_grace_ms;
    log.seal(grace_ms, vec![late]);
    let frozen = log.ledger.state().operation(&id).unwrap().frozen();
    assert_eq!(frozen.map(|frozen| frozen.commits.len()), Some(3));
    assert!(
        is_refused(&log, &asleep),
        "the commit window is not over, but the commits are frozen"
    );
    log.seal(1, vec![first, second, lie]);
    let closed = log.ledger.past().closed(&id).unwrap();
    assert_eq!(closed.outcome(), Some(&Outcome::NoQuorum));
}

/// Two of seven have more skill than three honest members at the floor together. If only these five commit in time, the two decide.
/// Rules: P5, T6.
#[test]
fn known_limit_of_five_that_commit_in_time_two_with_skill_decide_a_claim() {
    let mut log = Log::new(&genesis(7));
    // Members 0 and 1, who will lie, answer with 5 and 6; the others are wrong and sink to the floor.
    for k in 0..40 {
        let question = claim(&format!("question {k}"), ClaimRule::MAJORITY);
        let outcome = log.ask(5, question, |n| {
            result(if (2..5).contains(&n) { "no" } else { "yes" })
        });
        assert_eq!(outcome, Some(Outcome::Decided(result("yes").unwrap())));
    }
    let skills = |log: &Log| -> Vec<u32> { (0..7).map(|n| log.skill(n)).collect() };
    let before = skills(&log);
    assert!(before[0] > 750_000 && before[2] < 500_000, "{before:?}");
    let outcome = log.ask(0, claim("now", ClaimRule::MAJORITY), |n| match n {
        0 | 1 => result("lie"),
        2..5 => result("truth"),
        _ => None,
    });
    assert_eq!(outcome, Some(Outcome::Decided(result("lie").unwrap())));
    assert_eq!(
        skills(&log),
        before,
        "nobody gains by it: it is not carried"
    );
    // The mend that a network can choose: more than a third of the members must agree.
    let rule = ClaimRule {
        electors: 3,
        ..ClaimRule::MAJORITY
    };
    let outcome = log.ask(0, claim("then", rule), |n| match n {
        0 | 1 => result("lie"),
        2..5 => result("truth"),
        _ => None,
    });
    assert_eq!(outcome, Some(Outcome::NoQuorum));
}

/// One of four is always slower than a quarter of the grace, and says nothing else. After a commit window no freeze waits for it.
/// Rules: P3, T4.
#[test]
fn known_limit_who_always_commits_late_is_not_waited_for_and_misses_every_chance() {
    let mut log = Log::new(&genesis(4));
    let params = log.ledger.state().params().clone();
    for k in 0..60 {
        let (asked, id) = proposal(&log, 0, config(b"x"), k);
        let votes: Vec<_> = (0..3)
            .map(|n| ballot(&log, n, id, Ballot::Approve))
            .collect();
        let [late, _] = ballot(&log, 3, id, Ballot::Approve);
        let commits = votes.iter().map(|[commit, _]| commit.clone());
        let after_ms = if k == 0 { 1 } else { params.commit_window_ms };
        log.seal(after_ms, std::iter::once(asked).chain(commits).collect());
        let opened_ms = log.ledger.state().time_ms();
        let due_ms = log.ledger.state().due_ms().unwrap();
        log.seal(due_ms - opened_ms, Vec::new());
        let operation = log.ledger.state().operation(&id).unwrap();
        assert!(operation.frozen().is_some());
        let grace_ms = params.critical_grace_ms;
        let waited_ms = if k == 0 { grace_ms } else { grace_ms / 4 };
        assert_eq!(due_ms - opened_ms, waited_ms, "operation {k}");
        assert!(is_refused(&log, &late), "so nothing of it is sealed");
        log.seal(1, votes.into_iter().map(|[_, reveal]| reveal).collect());
    }
    let member = log.ledger.state().roster().get(&node(3)).unwrap();
    assert_eq!(member.trust.missed_chances(), 60);
    assert!(log.trust(3) < 500_000 && log.trust(2) > 500_000);
    assert_eq!(log.standing(3), Standing::Active);
}

/// The reveals of one claim answer the next one that asks the same. Only claims that are open at the same time and have one rule are
/// told apart from new ones.
/// Rules: P1.
#[test]
fn known_limit_a_claim_asked_again_is_answered_from_the_first_ones_reveals() {
    for again in [ClaimRule::MAJORITY, ClaimRule::PLURALITY] {
        let mut log = Log::new(&genesis(4));
        let honest = |n: usize| (n != 3).then(|| result("42")).flatten();
        let first = log.ask(0, claim("6 * 7", ClaimRule::MAJORITY), honest);
        let Some(Outcome::Decided(seen)) = first else {
            panic!("{first:?}");
        };
        let before = log.skill(3);
        log.ask(0, claim("6 * 7", again), |n| match n {
            3 => Some(seen.clone()),
            _ => result("42"),
        });
        assert!(log.skill(3) > before, "it has computed nothing");
    }
}

/// Four members; the Primary lies, and the windows leave room for what the attack takes from a grace.
fn roomy() -> Genesis {
    let params = Params {
        critical_grace_ms: 10_000,
        commit_window_ms: 60_000,
        reveal_window_ms: 60_000,
        ..Params::dev()
    };
    let mut builder = Genesis::builder("roomy").params(params).time_ms(1_000_000);
    for n in 0..4 {
        let role = if n == 0 { Spore::Primary } else { Spore::Seed };
        builder = builder.member(node(n), role);
    }
    builder.build().unwrap()
}

/// The Primary's key proposes a seal of this time over these records to all others.
fn propose_seal(net: &mut Net, time_ms: u64, records: Vec<Verified>) {
    let draft = net.draft(1, time_ms, records);
    let mut list: Vec<_> = draft.records.iter().map(Verified::id).collect();
    list.sort();
    let statement = Statement::SealProposal {
        round: 0,
        lock: None,
        seal: draft.seal,
    };
    let record = ByteBuf::from(net.forge(0, statement).encode());
    for n in 1..4 {
        let (record, list) = (record.clone(), list.clone());
        net.tell(n, 0, Message::Proposal { record, list });
    }
}

/// The opening seal states the earliest time that honest sealers take, the freezing one the latest.
/// Rules: S6, P3.
#[test]
fn known_limit_a_grace_is_shorter_by_two_drifts_and_a_censorship_patience() {
    for too_early_ms in [1, 0] {
        let mut net = Net::new(&roomy(), 4);
        let params = net.genesis.params.clone();
        let behind_ms = params.drift_ms + 3 * params.step_patience_ms;
        net.down[0] = true;
        net.advance(20_000);
        let id = net.propose(1, config(b"x"), Some(Ballot::Approve));
        net.vote(2, id, Ballot::Approve);
        let commit = commit_of(net.network_id(), id, 0, &Ballot::Approve);
        let commit = net.forge(0, commit);
        net.import(1, &commit).unwrap();
        let pool = net.cores[1].pool().iter();
        let records = pool.map(|held| held.record.clone()).collect();
        let opened_ms = net.now_ms;
        let stated_ms = opened_ms - behind_ms - too_early_ms;
        propose_seal(&mut net, stated_ms, records);
        let is_taken = net.state(1).time_ms() == stated_ms;
        assert_eq!(is_taken, too_early_ms == 0);
        if !is_taken {
            continue;
        }
        assert_eq!(net.phase(1, &id), "committing");
        let left_ms = params.critical_grace_ms - behind_ms - params.drift_ms;
        net.advance(left_ms);
        let latest_ms = net.now_ms + params.drift_ms;
        propose_seal(&mut net, latest_ms, Vec::new());
        assert_eq!(net.phase(1, &id), "revealing");
        assert_eq!(net.now_ms - opened_ms, left_ms);
        let (operation, ballot) = (id, Ballot::Approve);
        let vote = Input::Vote { operation, ballot };
        assert!(net.input(3, vote).is_err(), "the fourth comes too late");
    }
}
