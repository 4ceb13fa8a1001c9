//! K2 and K3: a line in operations that were opened while it had another key.

use super::*;
use crate::statement::claim_rule::ClaimRule;
use crate::statement::operation::Outcome;

const APPROVE: Ballot = Ballot::Approve;

/// Opens an operation, and seals the commits of these members under their first keys.
fn open(world: &mut World, value: &[u8], voters: &[usize]) -> OperationId {
    let proposal = world.propose(&key(2, 0), motd(value));
    let operation = OperationId::from(proposal.id());
    let commits = voters
        .iter()
        .map(|n| world.commit(&key(*n, 0), operation, &APPROVE));
    let records: Vec<Verified> = commits.chain([proposal]).collect();
    world.seal(10, &records).unwrap();
    operation
}

fn phase(world: &World, operation: &OperationId) -> &'static str {
    let open = world.ledger.state().operation(operation);
    open.map_or("closed", OpenOperation::phase_name)
}

/// The reveals of all members, member 1 with the key of this generation.
fn reveals(world: &World, operation: OperationId, generation: usize) -> Vec<Verified> {
    let keys = [(0, 0), (1, generation), (2, 0), (3, 0), (4, 0)];
    keys.map(|(n, generation)| world.reveal(&key(n, generation), operation, APPROVE))
        .into()
}

#[test]
fn a_line_has_one_commit_and_reveals_with_the_key_that_made_it() {
    let mut world = World::new();
    let voted = open(&mut world, b"a", &[0, 1]);
    let unvoted = open(&mut world, b"b", &[0]);
    let record = world.succeed(1, 0);
    // In the seal of the `Succeed` the new key has no commit yet.
    let both = [world.commit(&key(1, 1), unvoted, &APPROVE), record.clone()];
    assert_eq!(code(world.seal(10, &both)), "not-an-elector");
    world.seal(10, &[record]).unwrap();
    let again = world.commit(&key(1, 1), voted, &APPROVE);
    assert_eq!(code(world.seal(10, &[again])), "said-by-former-key");
    let old = world.commit(&key(1, 0), unvoted, &APPROVE);
    assert_eq!(code(world.seal(10, &[old])), "former-key");
    let new = world.commit(&key(1, 1), unvoted, &APPROVE);
    world.seal(10, &[new]).unwrap();
    let committed = |world: &World| {
        world
            .ledger
            .state()
            .operation(&unvoted)
            .unwrap()
            .committed()
    };
    assert_eq!(committed(&world), 2);
    world.check_checkpoint();
    let commits: Vec<Verified> = [voted, unvoted]
        .into_iter()
        .flat_map(|it| [2, 3, 4].map(|n| world.commit(&key(n, 0), it, &APPROVE)))
        .collect();
    world.seal(world.window_ms() / 2, &commits).unwrap();
    assert_eq!(phase(&world, &voted), "revealing");
    assert_eq!(phase(&world, &unvoted), "revealing");
    world.check_checkpoint();
    let wrong = world.reveal(&key(1, 1), voted, APPROVE);
    assert_eq!(
        code(world.seal(10, &[wrong])),
        "not-an-elector",
        "it committed with its old key"
    );
    let all = [reveals(&world, voted, 0), reveals(&world, unvoted, 1)].concat();
    let applied = world.seal(10, &all).unwrap();
    assert_eq!(applied.closed.len(), 2);
    for closed in &applied.closed {
        let outcome = &closed.decision().unwrap().outcome;
        assert_eq!(*outcome, Outcome::Decided(APPROVE));
    }
    let gains = applied.trust.iter().filter(|(node, _)| *node == id(1, 1));
    assert_eq!(gains.count(), 2, "both count for the line");
}

#[test]
fn a_third_key_of_a_line_has_no_second_commit() {
    let mut world = World::new();
    world.change(1, |member| member.succeeded_ms = None);
    let operation = open(&mut world, b"a", &[0]);
    let first = world.succeed(1, 0);
    world.seal(10, &[first]).unwrap();
    let commit = world.commit(&key(1, 1), operation, &APPROVE);
    world.seal(10, &[commit]).unwrap();
    world.change(1, |member| member.succeeded_ms = None);
    let second = world.succeed(1, 1);
    world.seal(10, &[second]).unwrap();
    let again = world.commit(&key(1, 2), operation, &APPROVE);
    assert_eq!(code(world.seal(10, &[again])), "said-by-former-key");
}

#[test]
fn a_line_is_charged_for_what_its_old_key_withholds() {
    let mut world = World::new();
    let operation = open(&mut world, b"a", &[0, 1, 2, 3, 4]);
    assert_eq!(phase(&world, &operation), "revealing");
    let mut records = reveals(&world, operation, 0);
    records.retain(|record| record.author() != id(1, 0));
    records.push(world.succeed(1, 0));
    world.seal(10, &records).unwrap();
    let before = world.line(1).unwrap().trust.trust_ppm();
    let params = world.genesis.params.clone();
    world.seal(params.reveal_window_ms, &[]).unwrap();
    let closing = world.seal(params.critical_grace_ms, &[]);
    // Decided by four of five, it closes when the window has passed.
    assert_eq!(phase(&world, &operation), "closed", "{closing:?}");
    let after = world.line(1).unwrap().trust.trust_ppm();
    assert_eq!(after, before - before * 8 / 100);
}

#[test]
fn no_freeze_waits_for_a_replaced_key() {
    for moves in [false, true] {
        let mut world = World::new();
        let operation = open(&mut world, b"a", &[0, 2, 3, 4]);
        let quarter_ms = world.genesis.params.critical_grace_ms.div_ceil(4);
        let records: Vec<Verified> = moves.then(|| world.succeed(1, 0)).into_iter().collect();
        world.seal(quarter_ms, &records).unwrap();
        let expected = if moves { "revealing" } else { "committing" };
        assert_eq!(phase(&world, &operation), expected, "moves: {moves}");
    }
}

#[test]
fn a_commit_that_the_old_key_contradicts_later_is_none() {
    let mut world = World::new();
    let operation = open(&mut world, b"a", &[0, 1]);
    let record = world.succeed(1, 0);
    world.seal(10, &[record]).unwrap();
    let second = world.commit(&key(1, 0), operation, &Ballot::Reject);
    let applied = world.seal(10, &[second]).unwrap();
    assert_eq!(applied.evidence.len(), 1);
    assert_eq!(world.standing(1), Standing::Probation, "and not banned");
    let open = world.ledger.state().operation(&operation).unwrap();
    assert_eq!(open.committed(), 1);
    let instead = world.commit(&key(1, 1), operation, &APPROVE);
    assert_eq!(code(world.seal(10, &[instead])), "said-by-former-key");
}

fn claim(keys: &[NodeId]) -> ConsensusOperation {
    let mut panel = keys.to_vec();
    panel.sort_unstable();
    ConsensusOperation::Claim {
        subject: "6 * 7".into(),
        input: Vec::new(),
        panel: Some(panel),
        rule: ClaimRule::MAJORITY,
    }
}

#[test]
fn a_panel_that_names_an_old_key_means_the_line() {
    let mut world = World::new();
    let record = world.succeed(1, 0);
    world.seal(10, &[record]).unwrap();
    let asked = world.propose(&key(2, 0), claim(&[id(1, 0), id(2, 0), id(3, 0)]));
    let operation = OperationId::from(asked.id());
    world.seal(10, &[asked]).unwrap();
    let open = world.ledger.state().operation(&operation).unwrap();
    assert!(open.electorate().get(&id(1, 1)).is_some());
    let vote = world.commit(&key(1, 1), operation, &Ballot::Result(vec![42]));
    world.seal(10, &[vote]).unwrap();
    let keys = [id(1, 0), id(1, 1), id(2, 0), id(3, 0)];
    let twice = world.propose(&key(2, 0), claim(&keys));
    assert_eq!(code(world.seal(10, &[twice])), "inapplicable");
}

#[test]
fn an_exclusion_by_an_old_key_takes_the_line_out() {
    let mut world = World::new();
    let record = world.succeed(1, 0);
    world.seal(10, &[record]).unwrap();
    let exclusion = ConsensusOperation::NodeExclusion {
        node: id(1, 0),
        reason: String::new(),
    };
    let proposal = world.propose(&key(2, 0), exclusion);
    let operation = OperationId::from(proposal.id());
    let voters = [key(0, 0), key(2, 0), key(3, 0), key(4, 0)];
    let commits = voters
        .iter()
        .map(|it| world.commit(it, operation, &APPROVE));
    let records: Vec<Verified> = commits.chain([proposal]).collect();
    world.seal(10, &records).unwrap();
    world
        .seal(world.genesis.params.critical_grace_ms, &[])
        .unwrap();
    let reveals = voters.iter().map(|it| world.reveal(it, operation, APPROVE));
    let reveals: Vec<Verified> = reveals.collect();
    world.seal(10, &reveals).unwrap();
    assert!(world.line(1).is_none());
    assert_eq!(world.ledger.state().roster().len(), 4);
    world.check_checkpoint();
}

#[test]
fn an_authority_speaks_once_with_all_its_keys() {
    let mut world = World::new();
    let deployment = ConsensusOperation::ServiceDeployment {
        service: "mail".into(),
        manifest: Vec::new(),
    };
    let proposal = world.propose(&key(2, 0), deployment);
    let operation = OperationId::from(proposal.id());
    let directive = |approve| Statement::Directive { operation, approve };
    let said = world.says(&key(0, 0), directive(true));
    world.seal(10, &[proposal, said]).unwrap();
    let record = world.succeed(0, 0);
    world.seal(10, &[record]).unwrap();
    let other = world.says(&key(0, 1), directive(false));
    assert_eq!(code(world.seal(10, &[other])), "said-by-former-key");
    // The directive stands although its author has another key now.
    let params = world.genesis.params.clone();
    world.seal(params.objection_window_ms, &[]).unwrap();
    let applied = world.seal(params.claim_grace_ms, &[]).unwrap();
    assert_eq!(applied.closed.len(), 1);
    let outcome = &applied.closed[0].decision().unwrap().outcome;
    assert_eq!(*outcome, Outcome::Decided(APPROVE));
}
