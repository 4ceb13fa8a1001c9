//! The rules of succession on a ledger alone. Each is taken back in turn, by changing the state that it reads, to show that
//! its test notices.

mod owner;
mod votes;

use super::*;
use crate::base::digest::{NetworkId, OperationId, SealId};
use crate::base::identity::{Identity, Signer as _};
use crate::decision::open::OpenOperation;
use crate::ledger::{Applied, Checkpoint, Dropped, Ledger, Mode, StoredPast};
use crate::members::roster::{FormerKey, Member, Roster};
use crate::members::trust::{ParticipationRecord, Standing, Support, TrustState};
use crate::statement::commitment::commitment;
use crate::statement::genesis::{Founder, Genesis};
use crate::statement::operation::{Ballot, ConsensusOperation, Priority, Spore};
use crate::statement::params::Params;
use crate::statement::record::{VoteKind, sign};

/// The key of a member: `generation` 0 is the first one, 1 that of its successor, and so on.
fn key(member: usize, generation: usize) -> Identity {
    Identity::from_seed_label(&format!("member {member}, key {generation}"))
}

fn id(member: usize, generation: usize) -> NodeId {
    key(member, generation).node_id()
}

#[allow(clippy::unnecessary_wraps, reason = "as the field has it")]
fn named(member: usize, generation: usize) -> Option<Digest> {
    Some(Digest::of_successor(&id(member, generation)))
}

const SALT: crate::base::digest::Salt = crate::base::digest::Salt::from_bytes([7; 32]);

fn at_height_one(event: Participation) -> ParticipationRecord {
    ParticipationRecord {
        height: 1,
        time_ms: 1,
        operation: None,
        support: Support::FULL,
        event,
    }
}

/// A critical operation.
fn motd(value: &[u8]) -> ConsensusOperation {
    ConsensusOperation::NetworkConfiguration {
        config_type: "motd".into(),
        proposed_change: value.to_vec(),
    }
}

/// Five members; 0 is the Primary, 1 to 3 are Seeds. Member 4 names the same successor as member 1.
struct World {
    genesis: Genesis,
    ledger: Ledger,
    /// Every sealed record, to restore the ledger from its checkpoint.
    sealed: Vec<Verified>,
    seals: Vec<SealId>,
    time_ms: u64,
    nonce: u64,
}

impl World {
    fn new() -> Self {
        let mut genesis = Genesis::builder("succession")
            .params(Params::dev())
            .time_ms(1_000_000);
        for member in 0..5 {
            let role = match member {
                0 => Spore::Primary,
                1..=3 => Spore::Seed,
                _ => Spore::Latent,
            };
            let successor = match member {
                4 => named(1, 1),
                _ => named(member, 1),
            };
            genesis = genesis.founder(Founder {
                successor,
                ..Founder::new(id(member, 0), role)
            });
        }
        let genesis = genesis.build().unwrap();
        Self {
            ledger: Ledger::new(&genesis),
            sealed: Vec::new(),
            seals: Vec::new(),
            time_ms: genesis.time_ms,
            nonce: 0,
            genesis,
        }
    }

    fn net(&self) -> NetworkId {
        self.genesis.network_id()
    }

    fn window_ms(&self) -> u64 {
        self.genesis.params.commit_window_ms
    }

    fn says(&self, by: &Identity, statement: Statement) -> Verified {
        sign(by, self.net(), statement).unwrap()
    }

    /// The `Succeed` by which a member moves from this generation to the next.
    fn succeed(&self, member: usize, generation: usize) -> Verified {
        let statement = Statement::Succeed {
            old: id(member, generation),
            next: named(member, generation + 2),
        };
        self.says(&key(member, generation + 1), statement)
    }

    /// Two precommits of one slot.
    fn pair(&self, by: &Identity, round: u32) -> [Verified; 2] {
        [None, Some(SealId::from_bytes([9; 32]))].map(|seal| {
            let statement = Statement::SealVote {
                height: self.ledger.state().height().max(1),
                round,
                kind: VoteKind::Precommit,
                seal,
            };
            self.says(by, statement)
        })
    }

    fn propose(&mut self, by: &Identity, operation: ConsensusOperation) -> Verified {
        self.nonce += 1;
        let statement = Statement::Propose {
            operation,
            priority: Priority::Normal,
            last: self.ledger.state().seal(),
            nonce: self.nonce,
        };
        self.says(by, statement)
    }

    fn commit(&self, by: &Identity, operation: OperationId, ballot: &Ballot) -> Verified {
        let commitment = commitment(self.net(), operation, by.node_id(), ballot, &SALT);
        self.says(
            by,
            Statement::Commit {
                operation,
                commitment,
            },
        )
    }

    fn reveal(&self, by: &Identity, operation: OperationId, ballot: Ballot) -> Verified {
        let salt = SALT;
        let statement = Statement::Reveal {
            operation,
            ballot,
            salt,
        };
        self.says(by, statement)
    }

    /// Seals these records after this time.
    fn seal(&mut self, ms: u64, records: &[Verified]) -> Result<Applied, Rejection> {
        let time_ms = self.time_ms + ms;
        let draft = self
            .ledger
            .draft(0, time_ms, records.to_vec(), Mode::Strict);
        let (draft, _) = draft.map_err(|Dropped { reason, .. }| reason)?;
        self.time_ms = time_ms;
        self.seals.push(draft.seal.id());
        self.sealed.extend(draft.records.clone());
        Ok(self.ledger.commit(draft))
    }

    fn line(&self, member: usize) -> Option<&Member> {
        self.ledger.state().roster().line(&id(member, 0))
    }

    fn standing(&self, member: usize) -> Standing {
        self.line(member).unwrap().trust.standing()
    }

    fn change(&mut self, member: usize, change: impl FnOnce(&mut Member)) {
        let line = self.ledger.state.roster.line_mut(&id(member, 0));
        change(line.unwrap().1);
    }

    /// Restores the ledger from its checkpoint and compares.
    fn check_checkpoint(&self) {
        let checkpoint: Checkpoint = self.ledger.checkpoint();
        let past = StoredPast {
            seals: self.seals.clone(),
            closed: self
                .ledger
                .past()
                .all_closed()
                .map(|(id, it)| (id, it.clone()))
                .collect(),
            rejoins: Vec::new(),
        };
        let mut find = |id: &_| {
            self.sealed
                .iter()
                .find(|record| record.id() == *id)
                .cloned()
        };
        let restored = Ledger::restore(&self.genesis, &checkpoint, &mut find, &past).unwrap();
        assert_eq!(restored.state().roster(), self.ledger.state().roster());
        assert_eq!(restored.checkpoint(), checkpoint);
    }
}

#[test]
fn a_line_moves_with_all_that_it_has() {
    let mut world = World::new();
    world.change(1, |member| {
        member.moved_ms = Some(5);
        member.chance_ms = Some(6);
        member.rejoined = Some((1, 7));
    });
    let mut expected = world.line(1).unwrap().clone();
    let place = |world: &World, key: NodeId| {
        let mut queue = world.ledger.state().sealers().iter();
        queue.position(|node| node == key)
    };
    let before = place(&world, id(1, 0));
    let record = world.succeed(1, 0);
    let applied = world.seal(10, &[record]).unwrap();
    assert_eq!(applied.successions, [(id(1, 0), id(1, 1))]);
    assert!(applied.sealers.is_some());
    expected.successor = named(1, 2);
    expected.succeeded_ms = Some(world.time_ms);
    expected.former = vec![FormerKey {
        node: id(1, 0),
        has_equivocated: false,
    }];
    // Its own record was sealed.
    expected.trust = {
        let mut trust = expected.trust;
        let mut record = at_height_one(Participation::Seen);
        record.time_ms = world.time_ms;
        let _ = trust.apply(&Params::dev(), &record);
        trust
    };
    let roster = world.ledger.state().roster();
    assert_eq!(roster.get(&id(1, 1)), Some(&expected));
    assert_eq!(roster.get(&id(1, 0)), None);
    assert_eq!(roster.len(), 5);
    assert_eq!(place(&world, id(1, 1)), before);
    assert_eq!(place(&world, id(1, 0)), None);
    world.check_checkpoint();
    let window_ms = world.window_ms();
    let next = world.succeed(1, 1);
    world.seal(window_ms, &[next]).unwrap();
    let keys: Vec<NodeId> = world.ledger.state().roster().keys_of(&id(1, 1)).collect();
    assert_eq!(keys, [id(1, 0), id(1, 1), id(1, 2)]);
    world.check_checkpoint();
}

#[test]
fn the_primary_stays_the_primary() {
    let mut world = World::new();
    let record = world.succeed(0, 0);
    world.seal(10, &[record]).unwrap();
    assert_eq!(
        world.ledger.state().roster().active_primary(),
        Some(id(0, 1))
    );
    let front = world.ledger.state().sealers().iter().next();
    assert_eq!(front, Some(id(0, 1)));
    assert_eq!(world.ledger.state().tenure, 1, "the same member leads");
}

fn code(result: Result<Applied, Rejection>) -> &'static str {
    result.map_or_else(|rejection| rejection.code(), |_| "sealed")
}

/// Rules of [`State::judge_succeed`] that a test takes back.
#[allow(clippy::items_after_statements, reason = "beside the table")]
#[test]
fn only_the_named_key_succeeds() {
    type Flaw = fn(&mut World);
    let thief = Identity::from_seed_label("thief");
    let by_thief = |world: &World| {
        let old = id(1, 0);
        world.says(&thief, Statement::Succeed { old, next: None })
    };
    let with_own_key = |world: &World| {
        let old = id(1, 0);
        world.says(&key(1, 0), Statement::Succeed { old, next: None })
    };
    let member_key = |world: &World| {
        let old = id(1, 0);
        world.says(&key(2, 0), Statement::Succeed { old, next: None })
    };
    type Case<'a> = (&'a str, &'a dyn Fn(&World) -> Verified, &'static str, Flaw);
    let cases: [Case<'_>; 5] = [
        (
            "a key that nobody names",
            &by_thief,
            "not-a-successor",
            |world| {
                let thief = Identity::from_seed_label("thief").node_id();
                world.change(1, |member| {
                    member.successor = Some(Digest::of_successor(&thief));
                });
            },
        ),
        (
            "the author key itself",
            &with_own_key,
            "not-a-successor",
            |_| {},
        ),
        (
            "another member's key",
            &member_key,
            "not-a-successor",
            |_| {},
        ),
        (
            "of a banned line",
            &|world| world.succeed(2, 0),
            "banned-author",
            |world| {
                let trust = TrustState::founder(&Params::dev(), 0);
                world.change(2, |member| member.trust = trust);
            },
        ),
        (
            "a second one within a window",
            &|world| world.succeed(3, 1),
            "too-soon",
            |world| {
                world.change(3, |member| member.succeeded_ms = None);
            },
        ),
    ];
    for (what, record, refusal, flaw) in cases {
        let mut world = World::new();
        let pair = world.pair(&key(2, 0), 0);
        let third = world.succeed(3, 0);
        world.seal(10, &[&pair[..], &[third]].concat()).unwrap();
        let record = record(&world);
        assert_eq!(
            code(world.seal(10, std::slice::from_ref(&record))),
            refusal,
            "{what}"
        );
        flaw(&mut world);
        let is_sealed = code(world.seal(10, &[record])) == "sealed";
        let has_flaw = !matches!(what, "the author key itself" | "another member's key");
        assert_eq!(is_sealed, has_flaw, "{what}, with the rule taken back");
    }
}

#[test]
fn a_seal_takes_one_succession_of_a_line_and_of_a_key() {
    let mut world = World::new();
    let old = id(1, 0);
    let two =
        [None, named(1, 2)].map(|next| world.says(&key(1, 1), Statement::Succeed { old, next }));
    assert_eq!(code(world.seal(10, &two)), "slot-full");
    // Member 4 names the same key.
    let old = id(4, 0);
    let other = world.says(&key(1, 1), Statement::Succeed { old, next: None });
    assert_eq!(
        code(world.seal(10, &[two[0].clone(), other.clone()])),
        "slot-full"
    );
    world.seal(10, &two[..1]).unwrap();
    assert_eq!(
        code(world.seal(10, &two[1..])),
        "already-sealed",
        "the first holds"
    );
    assert_eq!(
        code(world.seal(10, &[other])),
        "not-a-successor",
        "it is a member's key"
    );
}

#[test]
fn no_key_that_was_a_members_comes_back_by_succession() {
    for is_forgotten in [false, true] {
        let mut world = World::new();
        let record = world.succeed(1, 0);
        world.seal(10, &[record]).unwrap();
        // Member 1 leaves, with both its keys; member 4 names the second one.
        world.ledger.state.roster.remove(&id(1, 1));
        for key in [id(1, 0), id(1, 1)] {
            assert!(world.ledger.state().roster().ever_had(&key));
            assert_eq!(world.ledger.state().roster().line(&key), None);
        }
        if is_forgotten {
            let members: Vec<_> = world.ledger.state().roster().iter().collect();
            let members: Vec<_> = members
                .into_iter()
                .map(|(node, it)| (node, it.clone()))
                .collect();
            let none = std::collections::BTreeSet::new();
            world.ledger.state.roster = Roster::restore(&members, &none);
        }
        let old = id(4, 0);
        let record = world.says(&key(1, 1), Statement::Succeed { old, next: None });
        let expected = if is_forgotten {
            "sealed"
        } else {
            "not-a-successor"
        };
        assert_eq!(code(world.seal(10, &[record])), expected);
    }
}

#[test]
fn a_line_keeps_a_bounded_number_of_keys() {
    let mut world = World::new();
    world.change(1, |member| {
        member.former = (0..FORMER_KEYS_MAX)
            .map(|n| FormerKey {
                node: id(77, n),
                has_equivocated: false,
            })
            .collect();
    });
    let record = world.succeed(1, 0);
    assert_eq!(
        code(world.seal(10, std::slice::from_ref(&record))),
        "over-limit"
    );
    world.change(1, |member| assert!(member.former.pop().is_some()));
    world.seal(10, &[record]).unwrap();
}
