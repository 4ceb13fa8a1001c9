//! Slots, pairs and bans.

use super::*;
use crate::base::digest::Digest;
use crate::statement::record::VoteKind;
use Ballot::{Approve, Reject};
use Spore::{Latent, Primary, Seed};

fn vote(world: &World, who: usize, height: u64, byte: u8) -> Verified {
    let statement = Statement::SealVote {
        height,
        round: 0,
        kind: VoteKind::Prevote,
        seal: Some(crate::base::digest::SealId::from_bytes([byte; 32])),
    };
    world.says(who, statement)
}

#[test]
fn who_commits_twice_is_banned_and_has_no_commit() {
    let mut world = latents(5);
    let id = world.open(10, 0, config("k", "v"), &[4], &Approve);
    assert_eq!(world.standing(4), "active");
    let mut records: Vec<Verified> = (0..4).map(|who| world.commit(who, id, &Approve)).collect();
    records.push(world.commit(4, id, &Reject));
    world.seal(20, &records);
    // The network does not wait for the equivocator: the others froze without it.
    assert_eq!(
        (world.standing(4), world.trust(4), world.skill(4)),
        ("banned", 0, 0)
    );
    assert_eq!(world.operation(id).frozen.len(), 4);
    assert!(!world.operation(id).frozen.contains(&world.id(4)));
    assert!(!world.oracle.view().sealers.contains(&world.id(4)));
    let third = world.commit(4, id, &Ballot::Abstain);
    world.refuses(30, &[third], "the third record of a slot");
    // It has no vote any more, but its place in the roster is taken for ever.
    world.refuses(30, &[world.propose(4, config("k", "v"))], "banned");
    let reveals: Vec<Verified> = (0..4).map(|who| world.reveal(who, id, &Approve)).collect();
    world.seal(30, &reveals);
    assert_eq!(world.outcome(id), Some(decided(Approve)));
    assert_eq!(world.reasons(id, 4), [""; 0]);
}

#[test]
fn both_commits_may_be_listed_with_the_proposal() {
    let mut world = latents(5);
    let proposal = world.propose(0, config("k", "v"));
    let id = OperationId::from(proposal.id());
    let pair = [world.commit(4, id, &Approve), world.commit(4, id, &Reject)];
    let third = world.commit(4, id, &Ballot::Abstain);
    let [a, b] = pair;
    world.refuses(
        10,
        &[proposal.clone(), a.clone(), b.clone(), third],
        "third",
    );
    world.seal(10, &[proposal, a, b]);
    assert_eq!(world.standing(4), "banned");
    // The electorate is the roster before the seal, which still holds it.
    assert!(world.operation(id).electors[&world.id(4)].vote);
}

#[test]
fn a_frozen_commit_stays_when_its_author_is_banned() {
    let mut world = latents(4);
    let id = world.open(10, 0, config("k", "v"), &[0, 1, 2, 3], &Approve);
    world.seal(20, &[world.commit(3, id, &Reject)]);
    assert_eq!(world.standing(3), "banned");
    assert!(world.operation(id).frozen.contains(&world.id(3)));
    world.reveal_all(30, id, &[0, 1, 3], &Approve);
    assert_eq!(world.outcome(id), Some(decided(Approve)));
}

#[test]
fn a_banned_elector_votes_where_it_was_an_elector_before() {
    let mut world = latents(4);
    let [first, second] =
        [0, 1].map(|n| world.propose_as(0, config("k", "v"), Priority::Normal, n));
    let (a, b) = (
        OperationId::from(first.id()),
        OperationId::from(second.id()),
    );
    let pair = [world.commit(3, a, &Approve), world.commit(3, a, &Reject)];
    world.seal(10, &[&[first, second], &pair[..]].concat());
    let mut commits: Vec<Verified> = (0..4).map(|who| world.commit(who, b, &Approve)).collect();
    let late = commits.pop().unwrap();
    world.seal(20, &commits[..2]);
    // The vote does not wait for the Banned elector, but its commit counts for the quorum.
    assert_eq!(world.phase(b), "committing");
    world.seal(30, &[late]);
    assert_eq!(world.phase(b), "committing");
    world.seal(40, &commits[2..]);
    assert_eq!(world.operation(b).frozen.len(), 4);
    // The electorate of a new operation does not hold it.
    let c = world.open(50, 0, config("k", "w"), &[], &Approve);
    assert!(!world.operation(c).electors.contains_key(&world.id(3)));
    world.refuses(60, &[world.commit(3, c, &Approve)], "no elector");
}

#[test]
fn votes_on_seals_are_listed_in_pairs_only() {
    let mut world = latents(4);
    let (one, two) = (vote(&world, 1, 1, 1), vote(&world, 1, 1, 2));
    world.refuses(10, std::slice::from_ref(&one), "no pair");
    world.refuses(10, &[one.clone(), vote(&world, 2, 1, 2)], "no pair");
    let ahead = [vote(&world, 1, 2, 1), vote(&world, 1, 2, 2)];
    world.refuses(10, &ahead, "not recent");
    world.refuses(
        10,
        &[one.clone(), two.clone(), vote(&world, 1, 1, 3)],
        "no pair",
    );
    world.seal(10, &[one, two]);
    assert_eq!((world.standing(1), world.trust(1)), ("banned", 0));
    world.refuses(20, &ahead, "banned");
}

#[test]
fn evidence_about_seals_ages_after_a_hundred_heights() {
    let mut world = latents(4);
    for height in 1..=100 {
        world.seal(height, &[]);
    }
    // The next seal is 101: 1 is a hundred below, 2 is not.
    let old = [vote(&world, 1, 1, 1), vote(&world, 1, 1, 2)];
    world.refuses(101, &old, "not recent");
    let recent = [vote(&world, 1, 2, 1), vote(&world, 1, 2, 2)];
    world.seal(101, &recent);
    assert_eq!(world.standing(1), "banned");
}

#[test]
fn two_proposals_of_one_round_are_a_pair() {
    let mut world = latents(4);
    let seal = world.chain.next(START_MS + 1, &[]);
    let [one, two] = [5, 6].map(|time_ms| {
        let seal = crate::statement::record::Seal {
            time_ms,
            ..seal.clone()
        };
        let lock = None;
        world.says(
            2,
            Statement::SealProposal {
                round: 0,
                lock,
                seal,
            },
        )
    });
    world.seal(10, &[one, two]);
    assert_eq!(world.standing(2), "banned");
}

#[test]
fn two_directives_of_the_primary_ban_it_and_leave_it_to_the_seeds() {
    let mut world = World::new(&[Primary, Seed, Seed, Latent], params());
    let proposal = world.propose(3, service("a"));
    let id = OperationId::from(proposal.id());
    world.seal(10, &[proposal, world.direct(0, id, true)]);
    world.seal(20, &[world.direct(0, id, false)]);
    assert_eq!(world.standing(0), "banned");
    world.seal(30, &[1, 2].map(|who| world.resolve(who, id, false)));
    assert_eq!(world.outcome(id), Some(decided(Reject)));
}

#[test]
fn rejoins_are_for_members_and_not_for_every_seal() {
    let mut world = World::new(&[Latent; 3], params());
    let rejoin = |world: &World, who, byte| {
        let nonce = Digest::from_bytes([byte; 32]);
        world.says(who, Statement::Rejoin { nonce })
    };
    let stranger = rejoin(&world, 4, 1);
    world.refuses(10, &[stranger], "not a member");
    let two = [rejoin(&world, 0, 1), rejoin(&world, 0, 2)];
    world.refuses(10, &two, "too early");
    world.seal(10, &[two[0].clone(), rejoin(&world, 1, 1)]);
    world.refuses(20, &two[..1], "already sealed");
    // The grace of critical operations is 100 ms.
    world.refuses(109, &two[1..], "too early");
    world.seal(110, &two[1..]);
}

fn service(name: &str) -> ConsensusOperation {
    ConsensusOperation::ServiceDeployment {
        service: name.to_owned(),
        manifest: b"m".to_vec(),
    }
}
