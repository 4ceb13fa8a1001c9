//! The queue of the proposers (S5).

use super::*;
use crate::base::digest::Digest;
use Spore::{Latent, Primary, Seed};

/// The places of the queue as numbers of people. Of two Seeds, the one with the smaller key is called 1 here, the other 2.
struct Queue {
    world: World,
    people: [usize; 4],
}

impl Queue {
    fn new() -> Self {
        let world = World::new(&[Primary, Seed, Seed, Latent], params());
        let in_order = world.id(1) < world.id(2);
        let people = if in_order { [0, 1, 2, 3] } else { [0, 2, 1, 3] };
        Self { world, people }
    }

    fn order(&self) -> Vec<usize> {
        let place = |node: &NodeId| {
            let is = |it: &usize| self.world.id(self.people[*it]) == *node;
            (0..4).find(is).unwrap_or(9)
        };
        self.world.oracle.view().queue.iter().map(place).collect()
    }

    #[track_caller]
    fn seal(&mut self, round: u32, after_ms: u64, records: &[Verified]) {
        self.world.try_seal_in(round, after_ms, records).unwrap();
    }

    /// A record of the Primary.
    fn word(&self, nonce: u64) -> Verified {
        let operation = config("k", "v");
        self.world.propose_as(0, operation, Priority::Normal, nonce)
    }
}

#[test]
fn the_primary_comes_first_then_seeds_then_latents() {
    assert_eq!(Queue::new().order(), [0, 1, 2, 3]);
}

#[test]
fn who_was_passed_over_goes_to_the_end() {
    let mut queue = Queue::new();
    queue.seal(2, 10, &[]);
    assert_eq!(queue.order(), [2, 3, 0, 1]);
    // Round 5 of four is led by place 1.
    queue.seal(5, 20, &[]);
    assert_eq!(queue.order(), [3, 0, 1, 2]);
    // Round 4 of four is led by the front.
    queue.seal(4, 30, &[]);
    assert_eq!(queue.order(), [3, 0, 1, 2]);
    assert_eq!(queue.world.oracle.view().tenure, 1);
}

#[test]
fn the_front_leads_for_as_many_seals_as_there_are_sealers() {
    let mut queue = Queue::new();
    for time in 1..=3 {
        queue.seal(0, time, &[]);
        assert_eq!(queue.order(), [0, 1, 2, 3]);
    }
    queue.seal(0, 4, &[]);
    assert_eq!(queue.order(), [1, 2, 3, 0]);
    let moved = queue.world.member(0).times_ms["moved"];
    assert_eq!(moved, Some(START_MS + 4));
    assert_eq!(queue.world.oracle.view().tenure, 0);
    // It speaks again, but was moved within the last 1000.
    let word = queue.word(1);
    queue.seal(0, 1003, &[word]);
    assert_eq!(queue.order(), [1, 2, 3, 0]);
    let word = queue.word(2);
    queue.seal(0, 1004, &[word]);
    assert_eq!(queue.order(), [0, 1, 2, 3]);
}

#[test]
fn tenure_counts_seals_in_a_row() {
    let mut queue = Queue::new();
    for time in 1..=3 {
        queue.seal(0, time, &[]);
    }
    // Somebody else leads, and then the Primary is the front again.
    queue.seal(1, 4, &[]);
    let word = queue.word(1);
    queue.seal(0, 5, &[word]);
    assert_eq!(queue.order(), [0, 1, 2, 3]);
    for time in 6..=8 {
        queue.seal(0, time, &[]);
    }
    assert_eq!(queue.order(), [0, 1, 2, 3]);
    queue.seal(0, 9, &[]);
    assert_eq!(queue.order(), [1, 2, 3, 0]);
}

#[test]
fn the_primary_returns_with_a_record_of_its_own_in_round_0() {
    let mut queue = Queue::new();
    let nonce = Digest::from_bytes([1; 32]);
    let rejoin = queue.world.says(0, Statement::Rejoin { nonce });
    queue.seal(1, 10, &[]);
    queue.seal(0, 20, &[rejoin]);
    assert_eq!(queue.order(), [1, 2, 3, 0], "a Rejoin does not count");
    let word = queue.word(1);
    queue.seal(1, 30, &[word]);
    assert_eq!(queue.order(), [2, 3, 0, 1], "round 1 does not count");
    let word = queue.word(2);
    queue.seal(0, 40, &[word]);
    assert_eq!(queue.order(), [0, 2, 3, 1]);
}

#[test]
fn a_leader_that_was_moved_lately_moves_only_the_front() {
    let mut queue = Queue::new();
    for time in 1..=4 {
        queue.seal(0, time, &[]);
    }
    assert_eq!(queue.order(), [1, 2, 3, 0]);
    queue.seal(3, 1003, &[]);
    assert_eq!(queue.order(), [2, 3, 0, 1]);
    // A commit window after it was moved it is as good as any.
    queue.seal(2, 1004, &[]);
    assert_eq!(queue.order(), [0, 1, 2, 3]);
}

#[test]
fn who_no_longer_seals_leaves_and_a_new_primary_leads_at_once() {
    let mut queue = Queue::new();
    let all = |voters: &[usize]| voters.iter().map(|who| (*who, Ballot::Approve)).collect();
    let votes: Vec<(usize, Ballot)> = all(&[0, 1, 2, 3]);
    let latent = queue.world.id(3);
    let appoint = ConsensusOperation::SporeAssignment {
        node: latent,
        role: Primary,
    };
    queue.world.decide(10, appoint, &votes);
    assert_eq!(queue.order(), [3, 0, 1, 2]);
    let exclude = ConsensusOperation::NodeExclusion {
        node: queue.world.id(0),
        reason: String::new(),
    };
    queue.world.decide(20, exclude, &votes);
    assert_eq!(queue.order(), [3, 1, 2]);
}
