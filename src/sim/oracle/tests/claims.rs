//! Claims and panels (P5, P9).

use super::*;
use Ballot::{Abstain, Approve};
use Spore::{Latent, Primary, Seed};

#[test]
fn a_claim_is_decided_by_what_is_heaviest() {
    let mut world = latents(5);
    let proposal = world.propose(0, claim(None));
    let id = OperationId::from(proposal.id());
    let ballots = [result("a"), result("a"), result("b"), result("c"), Approve];
    let mut records = vec![proposal];
    records.extend((0..5).map(|who| world.commit(who, id, &ballots[who])));
    world.seal(10, &records);
    let reveals: Vec<Verified> = (0..5)
        .map(|who| world.reveal(who, id, &ballots[who]))
        .collect();
    world.seal(20, &reveals[..3]);
    // a: 2, b: 1, unrevealed 2: b could still win.
    assert_eq!(world.phase(id), "revealing");
    world.seal(30, &reveals[3..4]);
    // a: 2, b: 1, c: 1, unrevealed 1: b could still draw level.
    assert_eq!(world.phase(id), "revealing");
    world.seal(40, &reveals[4..]);
    assert_eq!(world.outcome(id), Some(decided(result("a"))));
    // `Approve` does not fit a claim: an abstention.
    let trusts: Vec<u32> = (0..5).map(|who| world.trust(who)).collect();
    assert_eq!(trusts, [510_000, 510_000, 475_000, 475_000, 500_000]);
    assert_eq!(world.operation(id).effect, None);
}

#[test]
fn a_claim_needs_more_than_half_of_the_weight_revealed() {
    let mut world = latents(4);
    let id = world.open(10, 0, claim(None), &[0, 1, 2], &result("a"));
    world.seal(110, &[]);
    world.reveal_all(120, id, &[0, 1], &result("a"));
    // a weighs 2, unrevealed 1: a stays the heaviest, but two of four are not more than half.
    assert_eq!(world.phase(id), "revealing");
    world.seal(1110, &[]);
    world.seal(1210, &[]);
    assert_eq!(world.outcome(id), Some(Outcome::NoQuorum));
}

#[test]
fn an_even_claim_has_no_result_and_abstentions_count_as_revealed() {
    let mut world = latents(3);
    let tie = world.decide(
        10,
        claim(None),
        &[(0, result("a")), (1, result("b")), (2, Abstain)],
    );
    assert_eq!(world.outcome(tie), Some(Outcome::NoQuorum));
    let one = world.decide(
        20,
        claim(None),
        &[(0, result("a")), (1, Abstain), (2, Abstain)],
    );
    assert_eq!(world.outcome(one), Some(decided(result("a"))));
}

#[test]
fn a_small_panel_scores_only_withholding() {
    let roles = [Primary, Latent, Latent, Latent, Latent, Latent];
    let mut world = World::new(&roles, params());
    let panel = [1, 2, 3].map(|who| world.id(who)).to_vec();
    let proposal = world.propose(0, claim(Some(panel)));
    let id = OperationId::from(proposal.id());
    let mut records = vec![proposal];
    world.refuses(
        10,
        &[records[0].clone(), world.commit(4, id, &result("a"))],
        "no elector",
    );
    records.extend([1, 2, 3].map(|who| world.commit(who, id, &result("a"))));
    world.seal(10, &records);
    assert_eq!(world.operation(id).electors.len(), 3);
    world.reveal_all(20, id, &[1, 2], &result("a"));
    assert_eq!(world.outcome(id), Some(decided(result("a"))));
    world.seal(1010, &[]);
    world.seal(1110, &[]);
    let trusts = [1, 2, 3].map(|who| world.trust(who));
    assert_eq!(trusts, [500_000, 500_000, 460_000]);
}

#[test]
fn a_trusted_task_giver_scores_small_panels() {
    let roles = [Primary, Latent, Latent, Latent, Latent, Latent];
    let mut world = World::with(
        &roles,
        params(),
        Sealing::Members,
        PanelScoring::Authorities,
    );
    let panel = [1, 2, 3].map(|who| world.id(who)).to_vec();
    let id = world.open(10, 0, claim(Some(panel)), &[1, 2, 3], &result("a"));
    world.reveal_all(20, id, &[1, 2, 3], &result("a"));
    assert_eq!(world.trust(1), 510_000);
}

#[test]
fn who_may_name_which_panel() {
    let roles = [Primary, Seed, Latent, Latent];
    let mut world = World::new(&roles, params());
    let ids = |world: &World, who: &[usize]| -> Vec<NodeId> {
        who.iter().map(|who| world.id(*who)).collect()
    };
    let cases: [(usize, &[usize], &str); 3] = [
        (2, &[0, 1, 2, 3], "a panel from a Latent"),
        (1, &[0, 1], "less than three"),
        (1, &[0, 1, 2, 4], "a stranger"),
    ];
    for (author, panel, why) in cases {
        let proposal = world.propose(author, claim(Some(ids(&world, panel))));
        world.refuses(10, &[proposal], why);
    }
    let proposal = world.propose(1, claim(Some(ids(&world, &[0, 1, 2]))));
    world.seal(10, &[proposal]);
}
