//! Operations from end to end: the spore hierarchy and its fallback, what decisions do to the roster and the parameters,
//! windows on an idle network, and a proposer that leaves records out.

use std::borrow::Cow;

use mycnet_consensus::Signer as _;
use mycnet_consensus::core::{Input, Pending, Refusal};
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::record::{Seal, Statement, Verified, VoteKind};
use mycnet_consensus::{
    Ballot, ConsensusOperation, Consent, Digest, MemberName, OperationId, Outcome, Priority, Spore,
    Standing,
};
use serde_bytes::ByteBuf;

use crate::net::{
    APPROVED, Net, commit_of, config, deployment, genesis, genesis_of, node, proposal_of,
};

const REJECTED: Option<Outcome> = Some(Outcome::Decided(Ballot::Reject));

fn direct(net: &mut Net, n: usize, operation: OperationId, approve: bool) {
    net.input(n, Input::Direct { operation, approve }).unwrap();
    net.pump();
}

fn object(net: &mut Net, n: usize, operation: OperationId) {
    let reason = "it is down".into();
    net.input(n, Input::Object { operation, reason }).unwrap();
    net.pump();
}

fn resolve(net: &mut Net, n: usize, operation: OperationId, approve: bool) {
    net.input(n, Input::Resolve { operation, approve }).unwrap();
    net.pump();
}

/// Lets a window that ends after `ms` pass in its two steps.
fn pass(net: &mut Net, ms: u64) {
    net.advance(ms + 100);
    net.settle();
    net.advance(
        net.genesis
            .params
            .claim_grace_ms
            .max(net.genesis.params.critical_grace_ms)
            + 100,
    );
    net.settle();
}

fn service(net: &Net, n: usize) -> Option<&Vec<u8>> {
    net.state(n).config().get("service.mail")
}

fn then(net: &Net, id: &OperationId) -> Cow<'static, str> {
    let status = net.cores[1].status(id).unwrap();
    status.window.map_or("closed".into(), |window| window.then)
}

/// Rules: A1, A4.
#[test]
fn a_directive_takes_effect_after_the_objection_window() {
    for approve in [true, false] {
        let mut net = Net::new(&genesis(5), 5);
        let id = net.propose(4, deployment(), None);
        let waits_for = net.cores[1].status(&id).unwrap().waits_for;
        assert_eq!(waits_for, Pending::Directive(vec![node(0)]));
        direct(&mut net, 0, id, approve);
        assert_eq!(then(&net, &id), "the directive takes effect");
        net.advance(net.genesis.params.objection_window_ms - 100);
        assert_eq!(net.outcome(1, &id), None, "the window runs");
        let window_ms = 200;
        pass(&mut net, window_ms);
        for n in 0..5 {
            assert_eq!(
                net.outcome(n, &id),
                if approve { APPROVED } else { REJECTED }
            );
            assert_eq!(service(&net, n).is_some(), approve);
            assert_eq!(net.trust(n, n), 500_000, "authority scores nobody");
        }
    }
}

#[test]
fn routine_takes_effect_at_once() {
    let mut net = Net::new(&genesis(4), 4);
    let operation = ConsensusOperation::RoutineMaintenance {
        task: "backup".into(),
        details: b"nightly".to_vec(),
    };
    let id = net.propose(0, operation, Some(Ballot::Approve));
    assert_eq!(net.outcome(3, &id), APPROVED);
    assert_eq!(net.now_ms, net.genesis.time_ms, "no time passed");
    let config = net.state(3).config();
    assert_eq!(config.get("maintenance.backup"), Some(&b"nightly".to_vec()));
}

/// Rules: A2.
#[test]
fn an_objection_leaves_it_to_the_seeds() {
    let mut net = Net::new(&genesis(5), 5);
    let id = net.propose(0, deployment(), Some(Ballot::Approve));
    object(&mut net, 2, id);
    assert_eq!(then(&net, &id), "it becomes a vote of all members");
    resolve(&mut net, 1, id, false);
    let status = net.cores[4].status(&id).unwrap();
    let Pending::Resolutions(waits_for) = status.waits_for else {
        panic!("{status:?}");
    };
    assert_eq!(waits_for.len(), 3, "sealed resolutions are held by no pool");
    assert_eq!(net.outcome(1, &id), None, "one of three is no majority");
    resolve(&mut net, 3, id, false);
    assert_eq!(net.outcome(4, &id), REJECTED);
    assert_eq!(service(&net, 4), None);
    // Nobody may decide any more.
    let late = net.input(
        2,
        Input::Resolve {
            operation: id,
            approve: true,
        },
    );
    let Err(Refusal::Rejected(rejection)) = late else {
        panic!("{late:?}");
    };
    assert_eq!(rejection.code(), "wrong-phase");
}

#[test]
fn two_directives_leave_it_to_the_seeds_and_ban_the_primary() {
    let mut net = Net::new(&genesis(5), 5);
    let id = net.propose(1, deployment(), None);
    net.down[0] = true;
    for approve in [true, false] {
        let directive = Statement::Directive {
            operation: id,
            approve,
        };
        let directive = net.forge(0, directive);
        net.import(1, &directive).unwrap();
    }
    net.nudge(4);
    let roster = net.state(1).roster();
    assert!(roster.get(&node(0)).unwrap().is_banned());
    assert_eq!(then(&net, &id), "it becomes a vote of all members");
    resolve(&mut net, 1, id, true);
    resolve(&mut net, 2, id, true);
    net.nudge(2);
    assert_eq!(net.outcome(4, &id), APPROVED);
    assert!(service(&net, 4).is_some());
}

#[test]
fn without_a_primary_the_seeds_decide() {
    let mut net = Net::new(
        &genesis_of([Spore::Seed, Spore::Seed, Spore::Seed, Spore::Latent]),
        4,
    );
    let id = net.propose(3, deployment(), None);
    assert_eq!(then(&net, &id), "it becomes a vote of all members");
    resolve(&mut net, 0, id, true);
    resolve(&mut net, 1, id, true);
    assert_eq!(net.outcome(3, &id), APPROVED);
}

/// A Primary that says nothing: its window passes, then that of the Seeds, and the ballots given early become commits.
/// Rules: A3.
#[test]
fn what_nobody_decides_becomes_a_vote_of_all_with_the_ballots_given_before() {
    let mut net = Net::new(&genesis(5), 5);
    let id = net.propose(4, deployment(), Some(Ballot::Approve));
    net.approve(&[0, 2], id);
    let params = net.genesis.params.clone();
    pass(&mut net, params.primary_window_ms);
    assert_eq!(then(&net, &id), "it becomes a vote of all members");
    assert_eq!(net.phase(1, &id), "authority");
    pass(&mut net, params.resolution_window_ms);
    assert_eq!(net.phase(1, &id), "committing");
    let status = net.cores[1].status(&id).unwrap();
    assert_eq!(status.committed, 3, "the ballots given before");
    let Pending::Commits(waits_for) = status.waits_for else {
        panic!("{status:?}");
    };
    assert_eq!(waits_for.len(), 2);
    net.approve(&[1, 3], id);
    for n in 0..5 {
        assert_eq!(net.outcome(n, &id), APPROVED);
        assert_eq!(net.trust(n, n), 510_000, "a vote of all is scored");
        assert!(service(&net, n).is_some());
    }
}

/// Without Seeds and Primary the network waits for nobody.
/// Rules: A3.
#[test]
fn without_authorities_all_vote_at_once() {
    let mut net = Net::new(&genesis_of([Spore::Latent; 4]), 4);
    let id = net.propose(0, deployment(), Some(Ballot::Approve));
    assert_eq!(net.phase(0, &id), "committing");
    net.approve(&[1, 2, 3], id);
    assert_eq!(net.outcome(0, &id), APPROVED);
}

pub(crate) fn admission(net: &Net, candidate: usize, role: Spore) -> ConsensusOperation {
    let signer = crate::net::identity(candidate);
    ConsensusOperation::NodeAdmission {
        candidate: node(candidate),
        role,
        consent: Consent::sign(
            &signer,
            net.network_id(),
            role,
            MemberName::of_key(&signer.node_id()),
            None,
        )
        .unwrap(),
    }
}

#[test]
fn a_newcomer_votes_along_without_weight_and_is_scored() {
    let mut net = Net::new(&genesis(4), 5);
    let stranger = Input::Propose {
        operation: config(b"x"),
        priority: Priority::Normal,
        ballot: None,
        nonce: 1,
    };
    let Err(Refusal::Rejected(rejection)) = net.input(4, stranger) else {
        panic!("a stranger proposed");
    };
    assert_eq!(rejection.code(), "unknown-author");

    let operation = admission(&net, 4, Spore::Seed);
    net.decide(1, operation, &[0, 2, 3]);
    let params = net.genesis.params.clone();
    for n in 0..5 {
        let state = net.state(n);
        let member = state.roster().get(&node(4)).unwrap();
        assert_eq!(member.role, Spore::Seed);
        assert_eq!(member.trust.standing(), Standing::Probation);
        assert_eq!(member.trust.trust_ppm(), params.admitted_trust_ppm);
        assert!(!member.trust.has_vote());
        assert_eq!(member.trust.claim_weight(&params), 0);
        assert!(!state.sealers().contains(&node(4)));
    }

    // It reveals the ballot of the others, and once another.
    let mut expected = params.admitted_trust_ppm;
    for (ballot, is_coherent) in [(Ballot::Approve, true), (Ballot::Reject, false)] {
        net.advance(10);
        let id = net.propose(1, config(b"x"), Some(Ballot::Approve));
        net.vote(4, id, ballot);
        net.approve(&[0, 2, 3], id);
        assert_eq!(net.phase(1, &id), "closed");
        expected = if is_coherent {
            expected + (1_000_000 - expected) / 50
        } else {
            expected - expected.div_ceil(100)
        };
        assert_eq!(net.trust(1, 4), expected);
    }
    // A long enough row is not enough: the trust has to be there too.
    for round in 0..14 {
        net.advance(params.commit_window_ms);
        let id = net.propose(1, config(b"x"), Some(Ballot::Approve));
        net.approve(&[4, 0, 2, 3], id);
        let state = net.state(4);
        let trust = &state.roster().get(&node(4)).unwrap().trust;
        let is_active = trust.row() >= params.activate_row && trust.trust_ppm() >= 400_000;
        let expected = if is_active {
            Standing::Active
        } else {
            Standing::Probation
        };
        assert_eq!(
            trust.standing(),
            expected,
            "round {round}, {}",
            trust.trust_ppm()
        );
        assert_eq!(state.sealers().contains(&node(4)), is_active);
    }
    let roster = net.state(0).roster();
    assert!(
        roster.get(&node(4)).unwrap().is_active(Spore::Seed),
        "it has earned it"
    );
}

/// Else its key could be admitted again with a clean line. Rules: P7, T3.
#[test]
fn a_banned_member_is_neither_excluded_nor_admitted_again() {
    let mut net = Net::new(&genesis(5), 5);
    net.down[4] = true;
    let id = net.propose(1, config(b"one"), Some(Ballot::Approve));
    for ballot in [Ballot::Approve, Ballot::Reject] {
        let commit = net.forge(4, commit_of(net.network_id(), id, 4, &ballot));
        net.import(1, &commit).unwrap();
    }
    net.approve(&[0, 2, 3], id);
    let exclusion = ConsensusOperation::NodeExclusion {
        node: node(4),
        reason: "it lied".into(),
    };
    let assignment = ConsensusOperation::SporeAssignment {
        node: node(4),
        role: Spore::Seed,
    };
    for operation in [exclusion, assignment, admission(&net, 4, Spore::Latent)] {
        net.advance(10);
        net.decide(1, operation, &[0, 2, 3]);
        let member = net.state(0).roster().get(&node(4)).expect("it stays");
        assert!(member.is_banned());
        assert_eq!((member.role, net.trust(0, 4)), (Spore::Latent, 0));
    }
}

/// Rules: P1, P9.
#[test]
fn an_elector_that_is_excluded_keeps_its_vote() {
    let mut net = Net::new(&genesis(5), 5);
    let id = net.propose(1, config(b"x"), Some(Ballot::Approve));
    let exclusion = ConsensusOperation::NodeExclusion {
        node: node(4),
        reason: "it left".into(),
    };
    let excluded = net.propose(1, exclusion, Some(Ballot::Approve));
    net.approve(&[0, 2, 3], excluded);
    // Node 4 does not vote on itself: the grace passes.
    net.advance(net.genesis.params.critical_grace_ms + 100);
    assert_eq!(net.outcome(0, &excluded), APPROVED);
    assert!(net.state(4).roster().get(&node(4)).is_none());

    // Without its vote there is no quorum: three of five.
    net.approve(&[0, 2], id);
    net.advance(net.genesis.params.critical_grace_ms + 100);
    assert_eq!(net.phase(0, &id), "committing");
    net.vote(4, id, Ballot::Approve);
    net.advance(1);
    assert_eq!(net.outcome(0, &id), APPROVED);
    assert_eq!(net.phase(0, &id), "closed", "it also revealed");
    // It has no vote on what opens now.
    let next = net.propose(1, config(b"y"), Some(Ballot::Approve));
    let ballot = Ballot::Approve;
    let Err(Refusal::Rejected(rejection)) = net.input(
        4,
        Input::Vote {
            operation: next,
            ballot,
        },
    ) else {
        panic!("a stranger voted");
    };
    assert_eq!(rejection.code(), "not-an-elector");
}

#[test]
fn a_parameter_is_changed_for_what_is_opened_later() {
    let mut net = Net::new(&genesis(4), 4);
    let before = net.propose(1, config(b"before"), Some(Ballot::Approve));
    let change = |name: &str, value: &[u8]| ConsensusOperation::NetworkConfiguration {
        config_type: format!("param.{name}"),
        proposed_change: value.to_vec(),
    };
    net.decide(1, change("coherent_gain_ppm", b"100000"), &[0, 2, 3]);
    assert_eq!(net.state(3).params().coherent_gain_ppm, 100_000);
    let mut expected = 500_000 + 500_000 / 50;
    assert_eq!(net.trust(0, 0), expected);
    net.approve(&[0, 2, 3], before);
    expected += (1_000_000 - expected) / 50;
    assert_eq!(net.trust(0, 0), expected, "opened under the old value");
    net.decide(1, config(b"after"), &[0, 2, 3]);
    expected += (1_000_000 - expected) / 10;
    assert_eq!(net.trust(0, 0), expected, "opened under the new one");
    // A change that makes no sense as a whole is refused when it is proposed.
    let input = Input::Propose {
        operation: change("drift_ms", b"1000000"),
        priority: Priority::Normal,
        ballot: None,
        nonce: 1,
    };
    let Err(Refusal::Rejected(rejection)) = net.input(1, input) else {
        panic!("it was proposed");
    };
    assert_eq!(rejection.code(), "malformed");
}

/// Rules: S7.
#[test]
fn an_idle_network_is_silent_until_a_window_is_due() {
    let mut net = Net::new(&genesis(4), 4);
    let id = net.propose(1, config(b"x"), Some(Ballot::Approve));
    let silent = |net: &mut Net, ms: u64| {
        let said = net.said;
        net.advance(ms);
        net.all(&Input::Nudge);
        net.all(&Input::Nudge);
        assert_eq!(net.said, said, "nobody has anything to say");
    };
    for _ in 0..5 {
        silent(&mut net, 1000);
    }
    let due_ms = net.cores[1].next_due_ms().unwrap();
    assert_eq!(
        Some(due_ms),
        net.cores[1]
            .status(&id)
            .unwrap()
            .window
            .map(|window| window.due_ms)
    );
    let wait_ms = due_ms - net.now_ms;
    silent(&mut net, wait_ms - 1);
    let height = net.state(1).height();

    // The first step marks the window, the second, one grace later, lets it pass.
    net.advance(1);
    assert_eq!(net.state(1).height(), height + 1);
    let window = net.cores[1].status(&id).unwrap().window.unwrap();
    assert!(window.is_marked);
    let wait_ms = window.due_ms - net.now_ms;
    silent(&mut net, wait_ms - 1);
    net.advance(1);
    for n in 0..4 {
        assert_eq!(net.state(n).height(), height + 2);
        assert_eq!(net.outcome(n, &id), Some(Outcome::NoQuorum));
        assert_eq!(net.trust(n, n), 500_000, "what never froze scores nobody");
        assert!(!net.cores[n].wants_to_seal());
        assert_eq!(net.cores[n].next_due_ms(), None);
    }
    silent(&mut net, 1_000_000);
}

/// The chain stood still for days before the mark: members that were ready can still reveal.
/// Rules: W1.
#[test]
fn a_chain_that_stood_still_punishes_nobody_who_was_ready() {
    let mut net = Net::new(&genesis(4), 4);
    let id = net.propose(1, config(b"x"), Some(Ballot::Approve));
    net.vote(3, id, Ballot::Approve);
    net.down[3] = true;
    net.approve(&[0, 2], id);
    net.settle();
    assert_eq!(net.phase(0, &id), "decided");
    net.advance(10 * net.genesis.params.reveal_window_ms);
    net.settle();
    assert_eq!(net.phase(0, &id), "decided", "marked, not passed");
    net.down[3] = false;
    net.meet(3);
    net.pump();
    net.advance(1);
    net.settle();
    assert_eq!(net.phase(0, &id), "closed");
    assert_eq!(net.trust(0, 3), 510_000);
}

/// The last elector stays away: its frozen commit is forfeited, and it loses trust.
/// Rules: P8.
#[test]
fn who_never_reveals_is_charged_when_the_window_has_passed() {
    let mut net = Net::new(&genesis(4), 4);
    let id = net.propose(1, config(b"x"), Some(Ballot::Approve));
    net.vote(3, id, Ballot::Approve);
    net.down[3] = true;
    net.approve(&[0, 2], id);
    net.settle();
    let Pending::Reveals(waits_for) = net.cores[0].status(&id).unwrap().waits_for else {
        panic!("a reveal is missing");
    };
    assert_eq!(waits_for, [node(3)]);
    let window_ms = net.genesis.params.reveal_window_ms;
    pass(&mut net, window_ms);
    assert_eq!(net.phase(0, &id), "closed");
    assert_eq!(net.trust(0, 3), 460_000, "8 % of 500,000");
    assert_eq!(net.trust(0, 0), 510_000);
}

/// The Primary's key proposes a seal over one record only, while node 1 has long held another.
/// Rules: S6.
#[test]
fn a_proposal_that_leaves_out_an_old_record_is_refused() {
    for (held_ms, expected) in [(100, true), (3_100, false)] {
        let mut net = Net::new(&genesis(4), 4);
        net.down = vec![true, false, true, true];
        let old = net.propose(1, config(b"old"), None);
        net.now_ms += held_ms;
        let fresh = net.forge(2, proposal_of(config(b"fresh"), net.state(1).seal(), 1));
        net.import(1, &fresh).unwrap();
        assert_eq!(net.phase(1, &old), "proposed");
        let draft = net.draft(1, net.now_ms, vec![fresh]);
        propose_seal(&mut net, &draft.seal, &draft.records);
        assert_eq!(prevote(&net), Some(expected), "held for {held_ms} ms");
    }
}

/// With it the seal would not be valid: then leaving it out is no censorship.
#[test]
fn what_cannot_be_sealed_may_be_left_out() {
    let mut net = Net::new(&genesis(4), 4);
    net.down = vec![true, false, true, true];
    // A seal takes one `Rejoin` of a member.
    for nonce in 0..2 {
        let nonce = Digest::from_bytes([nonce; 32]);
        let rejoin = net.forge(3, Statement::Rejoin { nonce });
        net.import(1, &rejoin).unwrap();
    }
    net.now_ms += 10_000;
    let pool = net.cores[1].pool().iter();
    let both: Vec<Verified> = pool.map(|held| held.record.clone()).collect();
    assert_eq!(both.len(), 2);
    let draft = net.draft(1, net.now_ms, both);
    assert_eq!(draft.records.len(), 1);
    propose_seal(&mut net, &draft.seal, &draft.records);
    assert_eq!(prevote(&net), Some(true));
}

fn propose_seal(net: &mut Net, seal: &Seal, records: &[Verified]) {
    let proposal = Statement::SealProposal {
        round: 0,
        lock: None,
        seal: seal.clone(),
    };
    let proposal = net.forge(0, proposal);
    let message = Message::Proposal {
        record: ByteBuf::from(proposal.encode()),
        list: records.iter().map(Verified::id).collect(),
    };
    net.tell(1, 0, message);
}

/// Whether node 1 prevoted for a seal, in round 0 of height 1.
fn prevote(net: &Net) -> Option<bool> {
    net.journals[1]
        .iter()
        .find_map(|entry| match &entry.record.body.what {
            Statement::SealVote {
                kind: VoteKind::Prevote,
                seal,
                ..
            } => Some(seal.is_some()),
            _ => None,
        })
}

/// The Primary seals urgent operations before earlier ones.
/// Rules: A5, P7.
#[test]
fn high_priority_takes_effect_first() {
    let mut net = Net::new(&genesis(4), 4);
    let set = |value: &[u8], priority, nonce| Input::Propose {
        operation: config(value),
        priority,
        ballot: Some(Ballot::Approve),
        nonce,
    };
    // Proposed while the Primary is away, so that one seal opens, and one decides, all of them.
    net.down[0] = true;
    for nonce in 0..3 {
        let input = set(b"normal", Priority::Normal, nonce);
        net.input(1, input).unwrap();
    }
    net.input(1, set(b"urgent", Priority::High, 9)).unwrap();
    net.pump();
    let ids: Vec<OperationId> = net.cores[1]
        .pool()
        .proposals()
        .map(OperationId::from)
        .collect();
    assert_eq!(ids.len(), 4);
    for n in [2, 3] {
        for id in &ids {
            net.vote(n, *id, Ballot::Approve);
        }
    }
    net.down[0] = false;
    net.meet(0);
    net.pump();
    net.advance(net.genesis.params.critical_grace_ms + 100);
    for id in &ids {
        assert_eq!(net.outcome(0, id), APPROVED);
    }
    let config = net.state(0).config();
    assert_eq!(
        config.get("motd"),
        Some(&b"normal".to_vec()),
        "the last one stays"
    );
}
