//! Opening, commits, freezes, reveals and critical outcomes (P1 to P8).

use super::*;
use Ballot::{Approve, Reject};
use Spore::{Latent, Primary, Seed};

#[test]
fn everybody_approves() {
    let mut world = latents(4);
    let id = world.open(10, 0, config("motd", "hello"), &[0], &Approve);
    assert_eq!(world.phase(id), "committing");
    let commits = [1, 2, 3].map(|who| world.commit(who, id, &Approve));
    world.seal(20, &commits);
    assert_eq!(world.phase(id), "revealing");
    assert_eq!(world.operation(id).frozen.len(), 4);
    // Two thirds of four equal weights are reached by the third reveal; the fourth closes it.
    let reveals = [0, 1, 2].map(|who| world.reveal(who, id, &Approve));
    world.seal(30, &reveals[..2]);
    assert_eq!(world.phase(id), "revealing");
    world.seal(40, &reveals[2..]);
    assert_eq!(world.phase(id), "decided");
    assert_eq!(world.outcome(id), Some(decided(Approve)));
    assert_eq!(world.oracle.view().config["motd"], b"hello");
    assert_eq!(world.trust(0), 500_000, "trust is settled at the close");
    world.seal(50, &[world.reveal(3, id, &Approve)]);
    assert_eq!(world.phase(id), "closed");
    // 2 % of the missing half.
    for who in 0..4 {
        assert_eq!(world.trust(who), 510_000);
    }
}

/// Rules: V2.
#[test]
fn two_thirds_exactly_are_no_quorum() {
    let mut world = latents(3);
    let id = world.decide(
        10,
        config("k", "v"),
        &[(0, Approve), (1, Approve), (2, Reject)],
    );
    assert_eq!(world.outcome(id), Some(Outcome::NoQuorum));
    assert_eq!(world.phase(id), "closed");
    for who in 0..3 {
        assert_eq!(world.trust(who), 500_000);
        assert_eq!(world.reasons(id, who), ["neutral"]);
    }
}

#[test]
fn the_grace_freezes_without_the_absent() {
    let mut world = latents(4);
    let id = world.open(10, 0, config("k", "v"), &[0, 1, 2], &Approve);
    assert_eq!(world.phase(id), "committing");
    assert_eq!(world.oracle.next_due_ms(), Some(START_MS + 110));
    world.seal(109, &[]);
    assert_eq!(world.phase(id), "committing");
    world.seal(110, &[]);
    assert_eq!(world.phase(id), "revealing");
    // Late: a commit after the freeze is not sealable, and its author has missed a chance.
    world.refuses(
        120,
        &[world.commit(3, id, &Approve)],
        "no elector in the commit phase",
    );
    world.reveal_all(130, id, &[0, 1, 2], &Approve);
    assert_eq!(world.phase(id), "closed");
    assert_eq!(world.reasons(id, 3), ["missed"]);
    assert_eq!((world.member(3).missed, world.trust(3)), (1, 500_000));
}

#[test]
fn the_commit_that_arrives_with_the_grace_is_frozen_with_the_others() {
    let mut world = latents(4);
    let id = world.open(10, 0, config("k", "v"), &[0, 1, 2], &Approve);
    world.seal(500, &[world.commit(3, id, &Reject)]);
    assert_eq!(world.operation(id).frozen.len(), 4);
}

#[test]
fn without_a_quorum_the_commit_window_ends_in_two_steps() {
    let mut world = latents(4);
    let id = world.open(10, 0, config("k", "v"), &[0], &Approve);
    world.seal(1009, &[]);
    assert_eq!(world.oracle.next_due_ms(), Some(START_MS + 1010));
    // The chain stands still for long: the first seal after that only marks.
    world.seal(50_000, &[]);
    assert_eq!(world.phase(id), "committing");
    assert_eq!(world.oracle.next_due_ms(), Some(START_MS + 50_100));
    world.seal(50_099, &[world.commit(1, id, &Approve)]);
    assert_eq!(world.phase(id), "committing");
    world.seal(50_100, &[]);
    assert_eq!(world.phase(id), "closed");
    assert_eq!(world.outcome(id), Some(Outcome::NoQuorum));
    assert_eq!(world.reasons(id, 3), [""; 0], "it never froze");
}

#[test]
fn whoever_was_ready_freezes_at_the_expiry() {
    let mut world = latents(4);
    let id = world.open(10, 0, config("k", "v"), &[], &Approve);
    world.seal(1010, &[]);
    let commits = [0, 1, 2].map(|who| world.commit(who, id, &Approve));
    world.seal(1110, &commits);
    assert_eq!(world.phase(id), "revealing");
}

#[test]
fn what_is_withheld_is_forfeited() {
    let mut world = latents(4);
    let id = world.open(10, 0, config("k", "v"), &[0, 1, 2, 3], &Approve);
    assert_eq!(world.phase(id), "revealing");
    world.reveal_all(20, id, &[0, 1], &Approve);
    world.seal(1010, &[]);
    assert_eq!(world.phase(id), "revealing");
    // Two of four are not more than two thirds, whatever the ballots of the rest.
    world.seal(1110, &[]);
    assert_eq!(world.phase(id), "closed");
    assert_eq!(world.outcome(id), Some(Outcome::NoQuorum));
    assert_eq!((world.trust(0), world.trust(2)), (500_000, 460_000));
    assert_eq!(world.reasons(id, 2), ["withheld"]);
}

#[test]
fn after_an_early_decision_the_reveal_window_still_closes() {
    let mut world = latents(4);
    let id = world.open(10, 0, config("k", "v"), &[0, 1, 2, 3], &Approve);
    world.reveal_all(20, id, &[0, 1, 2], &Approve);
    assert_eq!(world.phase(id), "decided");
    world.seal(1010, &[]);
    world.seal(1109, &[]);
    assert_eq!(world.phase(id), "decided");
    world.seal(1110, &[]);
    assert_eq!(world.phase(id), "closed");
    assert_eq!(world.reasons(id, 3), ["withheld"]);
    world.refuses(1120, &[world.reveal(3, id, &Approve)], "closed");
}

#[test]
fn a_reveal_must_open_its_authors_frozen_commit() {
    let mut world = latents(4);
    let proposal = world.propose(0, config("k", "v"));
    let id = OperationId::from(proposal.id());
    let mut records = vec![proposal];
    records.extend([0, 1, 2].map(|who| world.commit(who, id, &Approve)));
    let early = world.reveal(0, id, &Approve);
    records.push(early.clone());
    world.refuses(10, &records, "no such operation");
    records.pop();
    world.seal(10, &records);
    world.refuses(20, std::slice::from_ref(&early), "nothing is frozen");
    world.seal(110, &[]);
    world.refuses(120, &[world.reveal(0, id, &Reject)], "does not open");
    world.refuses(120, &[world.reveal(3, id, &Approve)], "no frozen commit");
    world.seal(120, std::slice::from_ref(&early));
    world.refuses(130, &[early], "already sealed");
}

/// P3: three of four commit at once; the fourth joined at 0, a commit window of 1000 before.
#[test]
fn who_is_not_seen_is_waited_for_a_quarter_of_the_grace_only() {
    let mut world = latents(4);
    let id = world.open(1000, 0, config("k", "v"), &[0, 1, 2], &Approve);
    assert_eq!(world.oracle.next_due_ms(), Some(START_MS + 1025));
    world.seal(1024, &[]);
    assert_eq!(world.phase(id), "committing");
    world.seal(1025, &[]);
    assert_eq!(world.phase(id), "revealing");
}

#[test]
fn who_was_seen_lately_is_waited_for_until_the_grace() {
    let mut world = latents(4);
    let nonce = crate::base::digest::Digest::from_bytes([1; 32]);
    let sign_of_life = world.says(3, Statement::Rejoin { nonce });
    world.seal(500, &[sign_of_life]);
    let id = world.open(1000, 0, config("k", "v"), &[0, 1, 2], &Approve);
    world.seal(1025, &[]);
    assert_eq!(world.phase(id), "committing");
    assert_eq!(world.oracle.next_due_ms(), Some(START_MS + 1100));
    world.seal(1100, &[]);
    assert_eq!(world.phase(id), "revealing");
}

#[test]
fn proposals_are_judged() {
    let mut world = World::new(&[Primary, Seed, Latent], params());
    let high = world.propose_as(2, config("k", "v"), Priority::High, 0);
    world.refuses(10, &[high], "high priority");
    world.refuses(10, &[world.propose(3, config("k", "v"))], "not a member");
    let ancestor = world.chain.last();
    world.seal(10, &[]);
    let unknown = world.says(
        0,
        Statement::Propose {
            operation: config("k", "v"),
            priority: Priority::Normal,
            last: crate::base::digest::SealId::from_bytes([9; 32]),
            nonce: 0,
        },
    );
    world.refuses(20, &[unknown], "no sealed ancestor");
    let old = world.says(
        0,
        Statement::Propose {
            operation: config("k", "v"),
            priority: Priority::High,
            last: ancestor,
            nonce: 0,
        },
    );
    world.seal(20, &[old]);
    let many: Vec<Verified> = (0..65)
        .map(|nonce| world.propose_as(1, config("k", "v"), Priority::Normal, nonce))
        .collect();
    world.refuses(30, &many, "cap");
    world.seal(30, &many[1..]);
}

#[test]
fn high_priority_takes_effect_first() {
    let mut world = World::new(&[Primary, Latent], params());
    let mut records = Vec::new();
    let mut ids = Vec::new();
    for nonce in 0..4_u64 {
        let high = nonce == 2;
        let priority = if high {
            Priority::High
        } else {
            Priority::Normal
        };
        let operation = config("k", &format!("{nonce}"));
        let proposal = world.propose_as(0, operation, priority, nonce);
        ids.push(OperationId::from(proposal.id()));
        records.push(proposal);
    }
    for id in &ids {
        records.extend([0, 1].map(|who| world.commit(who, *id, &Approve)));
    }
    world.seal(10, &records);
    let both = ids
        .iter()
        .flat_map(|id| [0, 1].map(|who| world.reveal(who, *id, &Approve)));
    let reveals: Vec<Verified> = both.collect();
    world.seal(20, &reveals);
    // The last writer wins: of the normal operations the one with the largest id.
    let last = [0, 1, 3]
        .into_iter()
        .max_by_key(|nonce| ids[*nonce])
        .unwrap();
    assert_eq!(
        world.oracle.view().config["k"],
        last.to_string().into_bytes()
    );
}
