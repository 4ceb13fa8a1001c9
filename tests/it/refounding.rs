//! Founding a network anew: the plan, the genesis that follows, endorsing, taking effect. Rules: F1, F2, F3, F4, F5, F6. Properties:
//! R-same, R-guard.

use std::collections::BTreeSet;

use mycnet_consensus::core::{
    Admission, Event, Founding, Input, KnownSuccession, Plan, Refusal, Saved, Write,
};
use mycnet_consensus::internals::codec;
use mycnet_consensus::internals::ledger::{Ledger, Mode, refounded};
use mycnet_consensus::internals::record::{Statement, Verified, Verifier, VoteKind, sign};
use mycnet_consensus::{
    Ballot, ConsensusOperation, Digest, Founder, Genesis, Identity, MemberName, NodeId, Params,
    Rejection, Signer as _, Spore, Standing,
};

use crate::net::{Net, config, genesis, identity, nil_vote, node};

/// The plan to go on from node `n`'s last seal without these.
fn plan_of(net: &Net, n: usize, without: &[usize]) -> Plan {
    let state = net.state(n);
    let mut plan = Plan {
        without: without.iter().map(|n| node(*n)).collect(),
        ..Plan::new(state.height(), state.seal())
    };
    plan.sort();
    plan
}

fn founding_of(net: &Net, n: usize, plan: &Plan) -> Founding {
    refounded(&net.genesis, net.state(n), plan).unwrap()
}

fn endorse(net: &mut Net, n: usize, plan: &Plan, is_sure: bool) -> Result<(), Refusal> {
    let founding = founding_of(net, n, plan);
    endorse_as(net, n, plan, founding, is_sure)
}

fn endorse_as(
    net: &mut Net,
    n: usize,
    plan: &Plan,
    founding: Founding,
    is_sure: bool,
) -> Result<(), Refusal> {
    let input = Input::Endorse {
        plan: plan.clone(),
        founding: Box::new(founding),
        is_sure,
    };
    let answer = net.input(n, input).map(drop);
    net.pump();
    answer
}

/// The genesis of the network for which a node left.
fn left_for(net: &Net, n: usize) -> Option<Genesis> {
    let refounded = net.events[n].iter().rev().find_map(|event| match event {
        Event::Refounded { endorsed } => Some(endorsed.founding.genesis().clone()),
        _ => None,
    });
    assert_eq!(
        refounded.as_ref().map(Genesis::network_id),
        net.cores[n].left_for()
    );
    refounded
}

/// A network of four of which nodes 2 and 3 are gone for ever.
fn half_gone() -> Net {
    let mut net = Net::new(&genesis(4), 4);
    net.decide(0, config(b"one"), &[0, 1, 2, 3]);
    net.down = vec![false, false, true, true];
    let id = net.propose(0, config(b"never"), Some(Ballot::Approve));
    net.advance(100_000);
    assert_eq!(net.outcome(0, &id), None);
    net
}

#[test]
fn two_of_four_go_on_without_the_two_that_are_gone() {
    let mut net = half_gone();
    let plan = plan_of(&net, 0, &[2, 3]);
    endorse(&mut net, 0, &plan, false).unwrap();
    assert_eq!(left_for(&net, 0), None, "one of two is no quorum");
    assert_eq!(net.cores[1].endorsed_plans().len(), 1, "it spreads");
    assert_eq!(left_for(&net, 1), None, "nobody is forced");
    endorse(&mut net, 1, &plan, false).unwrap();
    let genesis = left_for(&net, 0).unwrap();
    assert_eq!(left_for(&net, 1), Some(genesis.clone()), "R-same");
    let follows = genesis.follows.as_ref().unwrap();
    assert_eq!(follows.net, net.network_id());
    assert_eq!((follows.height, follows.seal), (plan.height, plan.seal));
    assert_eq!(genesis.time_ms, net.state(0).time_ms());
    let config: Vec<_> = follows.config.keys().collect();
    assert_eq!(config, ["motd"]);
    for member in &genesis.members {
        let line = member.line.as_ref().unwrap();
        let before = net.state(0).roster().get(&member.node).unwrap();
        assert_eq!(line.trust, before.trust, "scores go along");
        assert_eq!(member.name, before.name);
    }
    assert_eq!(Genesis::decode(&genesis.encode()).as_ref(), Ok(&genesis));

    // Life goes on in the new network.
    let mut anew = Net::new(&genesis, 2);
    assert_eq!(anew.state(0).config(), net.state(0).config());
    anew.decide(0, crate::net::config(b"two"), &[0, 1]);
    assert_eq!(anew.state(1).config()["motd"], b"two");
}

#[test]
fn a_node_that_left_signs_nothing_more_in_the_old_network() {
    let mut net = half_gone();
    let plan = plan_of(&net, 0, &[2, 3]);
    for n in [0, 1] {
        endorse(&mut net, n, &plan, false).unwrap();
    }
    // The two that were gone come back after all.
    net.down = vec![false; 4];
    for restarts in [false, true] {
        if restarts {
            net.restart(0);
        }
        net.meet(0);
        net.meet(1);
        net.pump();
        let journalled = net.journals[0].len();
        let said = net.input(
            0,
            Input::Propose {
                operation: config(b"three"),
                priority: mycnet_consensus::Priority::Normal,
                ballot: None,
                nonce: 3,
            },
        );
        assert!(matches!(said, Err(Refusal::Refounded(_))), "{said:?}");
        assert!(matches!(
            endorse(&mut net, 0, &plan, true),
            Err(Refusal::Refounded(_))
        ));
        assert!(matches!(
            net.input(0, Input::Abandon),
            Err(Refusal::Refounded(_))
        ));
        net.advance(100_000);
        net.nudge(3);
        assert_eq!(net.journals[0].len(), journalled);
        assert!(left_for(&net, 0).is_some());
        assert_eq!(net.cores[0].seal_status().signing, "refounded");
    }
    // Those who did not endorse keep the old network, and know of the plan.
    assert_eq!(net.cores[2].left_for(), None);
    assert_eq!(net.cores[2].endorsed_plans()[0].by.len(), 2);
}

/// R-guard.
#[test]
fn nobody_endorses_two_plans_unawares() {
    let mut net = half_gone();
    let first = plan_of(&net, 0, &[2, 3]);
    let second = plan_of(&net, 0, &[3]);
    endorse(&mut net, 0, &first, false).unwrap();
    for restarts in [false, true] {
        if restarts {
            net.restart(0);
        }
        let refused = endorse(&mut net, 0, &second, false);
        assert_eq!(refused, Err(Refusal::EndorsedAnother));
        // The same plan again is no second endorsement.
        let journalled = net.journals[0].len();
        endorse(&mut net, 0, &first, false).unwrap();
        assert_eq!(net.journals[0].len(), journalled);
    }
    endorse(&mut net, 0, &second, true).unwrap();
    let plans = net.cores[1].endorsed_plans();
    assert_eq!(plans.len(), 1, "only the highest attempt counts");
    assert_eq!(plans[0].plan, second);
    // The first one does not take effect any more.
    endorse(&mut net, 1, &first, false).unwrap();
    assert_eq!((left_for(&net, 0), left_for(&net, 1)), (None, None));
}

/// R-guard, where the journal does not know: what others show counts, and a person has to be sure.
#[test]
fn a_node_without_journal_endorses_above_all_that_it_was_shown() {
    let mut net = half_gone();
    let first = plan_of(&net, 0, &[2, 3]);
    let second = plan_of(&net, 0, &[3]);
    endorse(&mut net, 0, &first, false).unwrap();
    endorse(&mut net, 0, &second, true).unwrap();
    net.saved[0] = Saved::default();
    net.restart_without_journal(0);
    net.input(0, Input::JournalLost).unwrap();
    assert_eq!(
        endorse(&mut net, 0, &first, true),
        Err(Refusal::JournalLost),
        "before its `Rejoin` is journalled, nothing else is"
    );
    net.input(0, Input::Rejoin { nonce: [9; 32] }).unwrap();
    net.pump();
    assert_eq!(
        endorse(&mut net, 0, &first, false),
        Err(Refusal::EndorsedAnother),
        "node 1 has shown it"
    );
    endorse(&mut net, 0, &first, true).unwrap();
    let plans = net.cores[1].endorsed_plans();
    assert_eq!(plans.len(), 1);
    assert_eq!(plans[0].plan, first, "above the second attempt");

    // Nobody shows anything.
    let mut net = half_gone();
    net.down[1] = true;
    net.restart_without_journal(0);
    net.input(0, Input::JournalLost).unwrap();
    net.input(0, Input::Rejoin { nonce: [9; 32] }).unwrap();
    assert_eq!(
        endorse(&mut net, 0, &first, false),
        Err(Refusal::MayHaveEndorsed)
    );
    endorse(&mut net, 0, &first, true).unwrap();
}

/// An endorsement that others keep back for long gives no effect without a fresh word.
#[test]
fn a_plan_takes_effect_by_itself_only_without_a_seal_since() {
    let mut net = Net::new(&genesis(4), 4);
    net.decide(0, config(b"one"), &[0, 1, 2, 3]);
    let plan = plan_of(&net, 0, &[3]);
    for n in [0, 1] {
        endorse(&mut net, n, &plan, false).unwrap();
    }
    net.decide(0, config(b"two"), &[0, 1, 2, 3]);
    assert!(net.cores[0].asks_again());
    // The state at the plan's height; a host has it from its blocks.
    let founding = {
        let mut verifier = Verifier::new(net.network_id());
        for n in 0..4 {
            verifier.add_author(node(n)).unwrap();
        }
        let mut ledger = Ledger::new(&net.genesis);
        for block in net.blocks[0]
            .iter()
            .take(usize::try_from(plan.height).unwrap())
        {
            let records = block.records.iter();
            let records = records.map(|it| verifier.admit(&it.encode()).unwrap());
            let draft = ledger.check(&block.seal, records.collect()).unwrap();
            ledger.commit(draft);
        }
        refounded(&net.genesis, ledger.state(), &plan).unwrap()
    };
    endorse_as(&mut net, 2, &plan, founding.clone(), false).unwrap();
    for n in 0..4 {
        let left = net.cores[n].left_for().is_some();
        assert_eq!(left, n == 2, "node {n}: three of three endorse it");
    }
    // Asked again, the two others go on too.
    for n in [0, 1] {
        endorse_as(&mut net, n, &plan, founding.clone(), false).unwrap();
        assert_eq!(left_for(&net, n), left_for(&net, 2), "node {n}");
    }
}

#[test]
fn proved_equivocators_are_left_out() {
    let mut net = Net::new(&genesis(4), 4);
    net.decide(0, config(b"one"), &[0, 1, 2, 3]);
    let height = net.state(0).height() + 1;
    net.down = vec![false, false, false, true];
    let votes = [
        nil_vote(height, 0, VoteKind::Prevote),
        Statement::SealVote {
            height,
            round: 0,
            kind: VoteKind::Prevote,
            seal: Some(mycnet_consensus::SealId::from_bytes([5; 32])),
        },
    ];
    for vote in votes {
        let vote = net.forge(3, vote);
        let _ = net.import(0, &vote);
    }
    assert!(net.cores[0].proved_equivocators().contains(&node(3)));
    let everybody = plan_of(&net, 0, &[]);
    let refused = endorse(&mut net, 0, &everybody, true);
    assert_eq!(refused, Err(Refusal::KeepsEquivocators(vec![node(3)])));
    let without = plan_of(&net, 0, &[3]);
    endorse(&mut net, 0, &without, false).unwrap();
}

#[test]
fn plans_that_make_no_sense_are_refused() {
    let net = Net::new(&genesis(4), 4);
    let made = |change: &dyn Fn(&mut Plan)| {
        let mut plan = plan_of(&net, 0, &[]);
        change(&mut plan);
        refounded(&net.genesis, net.state(0), &plan)
    };
    let code = |change: &dyn Fn(&mut Plan)| made(change).map(drop).map_err(|it| it.code());
    assert_eq!(code(&|_| {}), Ok(()));
    assert_eq!(code(&|plan| plan.height += 1), Err("unknown-seal"));
    assert_eq!(
        code(&|plan| plan.without = vec![identity(9).node_id()]),
        Err("inapplicable"),
        "no member"
    );
    assert_eq!(
        code(&|plan| plan.without = vec![node(1), node(1)]),
        Err("malformed"),
        "twice"
    );
    assert_eq!(
        code(&|plan| {
            plan.without = (0..4).map(node).collect();
            plan.sort();
        }),
        Err("malformed"),
        "nobody is left"
    );
    assert_eq!(
        code(&|plan| plan.roles = vec![(node(1), Spore::Primary)]),
        Err("malformed"),
        "two Primaries"
    );
    assert_eq!(
        code(&|plan| {
            plan.roles = vec![(node(1), Spore::Primary), (node(0), Spore::Seed)];
            plan.sort();
        }),
        Ok(())
    );
}

#[test]
fn endorsing_and_abandoning() {
    let mut net = half_gone();
    assert_eq!(
        net.input(0, Input::Abandon).map(drop),
        Err(Refusal::NothingEndorsed)
    );
    let left_out = plan_of(&net, 0, &[0, 3]);
    assert_eq!(
        endorse(&mut net, 0, &left_out, false),
        Err(Refusal::LeftOut)
    );
    let plan = plan_of(&net, 0, &[2, 3]);
    let mut other = plan.clone();
    other.without.pop();
    let founding = founding_of(&net, 0, &other);
    let wrong = endorse_as(&mut net, 0, &plan, founding, false);
    assert!(matches!(
        wrong,
        Err(Refusal::Rejected(Rejection::Malformed(_)))
    ));
    endorse(&mut net, 0, &plan, false).unwrap();
    net.input(0, Input::Abandon).unwrap();
    net.pump();
    assert!(net.cores[1].endorsed_plans().is_empty(), "it is taken back");
    endorse(&mut net, 1, &plan, false).unwrap();
    assert_eq!(left_for(&net, 1), None);
    // Another plan after a withdrawal is no second endorsement.
    endorse(&mut net, 0, &other, false).unwrap();
    endorse(&mut net, 0, &plan, true).unwrap();
    assert!(left_for(&net, 1).is_some());
}

/// Of each author only the highest attempt is kept, and of one attempt the smallest id, in whatever order they come.
#[test]
fn of_each_author_one_endorsement_is_kept_whatever_the_order() {
    let net = half_gone();
    let id = net.network_id();
    let plans = [
        plan_of(&net, 0, &[2, 3]),
        plan_of(&net, 0, &[3]),
        plan_of(&net, 0, &[2]),
    ];
    let records: Vec<_> = [(0, 0), (1, 0), (1, 1), (2, 1), (2, 0)]
        .into_iter()
        .map(|(plan, attempt)| {
            let plan = Some(Plan::clone(&plans[plan]));
            sign(&identity(2), id, Statement::Refound { plan, attempt }).unwrap()
        })
        .collect();
    let highest = records
        .iter()
        .filter(|it| matches!(it.statement(), Statement::Refound { attempt: 1, .. }));
    let expected = highest.map(Verified::id).min().unwrap();
    let mut order: Vec<usize> = (0..records.len()).collect();
    for turn in 0..records.len() {
        order.rotate_left(1);
        if turn % 2 == 1 {
            order.swap(0, 3);
        }
        let mut net = half_gone();
        for index in &order {
            let admitted = net.import(0, &records[*index]);
            assert!(matches!(admitted, Ok(Admission::New | Admission::Known)));
        }
        let held = net.saved[0].records.keys();
        let held: BTreeSet<_> = held
            .filter(|id| records.iter().any(|it| it.id() == **id))
            .collect();
        assert_eq!(held, BTreeSet::from([&expected]), "order {order:?}");
        net.restart(0);
        assert_eq!(net.cores[0].endorsed_plans().len(), 1);
        assert!(
            net.cores[0].record(&expected).is_some(),
            "it survives a restart"
        );
    }
}

/// Two parts of a fork have no seal in common, and endorsements reach both.
#[test]
fn endorsements_cross_branches_and_come_to_who_was_away() {
    let mut net = half_gone();
    let plan = plan_of(&net, 0, &[2, 3]);
    endorse(&mut net, 0, &plan, false).unwrap();
    // Node 2 comes back, on a height of its own.
    net.down[2] = false;
    net.blocks[2].clear();
    net.saved[2] = Saved::default();
    net.restart(2);
    net.pump();
    assert_eq!(net.cores[2].endorsed_plans().len(), 1);
}

/// A seal that lists a `Refound` is refused, not a panic.
#[test]
fn a_refound_is_never_sealed() {
    let mut net = half_gone();
    let plan = Some(plan_of(&net, 0, &[2]));
    let record = net.forge(3, Statement::Refound { plan, attempt: 0 });
    let state = net.state(0);
    let time_ms = state.time_ms() + 9;
    let ledger = net.cores[0].ledger();
    let (draft, dropped) = ledger
        .draft(0, time_ms, vec![record], Mode::Lenient)
        .unwrap();
    assert!(draft.records.is_empty());
    assert_eq!(dropped[0].reason.code(), "inapplicable");
}

/// Keys that follow one another go along, and a change of key that no seal lists yet applies.
#[test]
fn known_changes_of_keys_apply() {
    let next = Identity::from_seed_label("next key of 1");
    let mut builder = Genesis::builder("keys")
        .params(Params::dev())
        .time_ms(1_000);
    for n in 0..4 {
        builder = builder.founder(Founder {
            name: MemberName::new(format!("m{n}")).unwrap(),
            successor: (n == 1).then(|| Digest::of_successor(&next.node_id())),
            ..Founder::new(node(n), if n == 0 { Spore::Primary } else { Spore::Seed })
        });
    }
    let genesis = builder.build().unwrap();
    let net = Net::new(&genesis, 4);
    let third = Digest::from_bytes([4; 32]);
    let succeed = sign(
        &next,
        net.network_id(),
        Statement::Succeed {
            old: node(1),
            next: Some(third),
        },
    )
    .unwrap();
    let mut plan = plan_of(&net, 0, &[]);
    plan.succeeded = vec![KnownSuccession::of(succeed.record()).unwrap()];
    let founding = founding_of(&net, 0, &plan);
    let members = &founding.genesis().members;
    assert!(members.iter().all(|member| member.node != node(1)));
    let moved = members.iter().find(|it| it.node == next.node_id()).unwrap();
    assert_eq!((moved.name.as_str(), moved.successor), ("m1", Some(third)));
    let former = &moved.line.as_ref().unwrap().former;
    assert_eq!(former[0].node, node(1));

    // Not by a thief: its `Succeed` has no valid signature of the key that the line names, or names another key.
    let thief = Identity::from_seed_label("thief");
    let forged = sign(
        &thief,
        net.network_id(),
        Statement::Succeed {
            old: node(1),
            next: None,
        },
    )
    .unwrap();
    plan.succeeded = vec![KnownSuccession::of(forged.record()).unwrap()];
    let refused = refounded(&net.genesis, net.state(0), &plan);
    assert_eq!(
        refused.map(drop).map_err(|it| it.code()),
        Err("inapplicable")
    );
    let mut stolen = KnownSuccession::of(succeed.record()).unwrap();
    stolen.next = None;
    plan.succeeded = vec![stolen];
    let refused = refounded(&net.genesis, net.state(0), &plan);
    assert_eq!(
        refused.map(drop).map_err(|it| it.code()),
        Err("bad-signature")
    );
}

/// What a member brings along is checked like everything else that a peer may send.
#[test]
fn a_genesis_that_follows_is_judged() {
    type Change = fn(&mut Genesis);
    let net = half_gone();
    let plan = plan_of(&net, 0, &[2, 3]);
    let genesis = founding_of(&net, 0, &plan).genesis().clone();
    let changes: [(&str, Change); 6] = [
        ("no line", |genesis| genesis.members[0].line = None),
        ("no network", |genesis| genesis.follows = None),
        ("another plan", |genesis| {
            genesis.nonce = Digest::from_bytes([1; 32]);
        }),
        ("the future", |genesis| {
            genesis.members[0].line.as_mut().unwrap().moved_ms = Some(u64::MAX / 4);
        }),
        ("a key twice", |genesis| {
            let node = genesis.members[1].node;
            let line = genesis.members[0].line.as_mut().unwrap();
            line.former.push(mycnet_consensus::FormerKey {
                node,
                has_equivocated: false,
            });
        }),
        ("a key that left", |genesis| {
            let node: NodeId = genesis.members[0].node;
            genesis.follows.as_mut().unwrap().gone.insert(node);
        }),
    ];
    for (name, change) in changes {
        let mut changed = genesis.clone();
        change(&mut changed);
        assert!(Genesis::decode(&codec::encode(&changed)).is_err(), "{name}");
    }
}

/// A captured majority has excluded an honest member; the plan goes on from before, and the excluded one endorses it.
#[test]
fn who_was_excluded_since_endorses_a_plan_from_before() {
    let mut net = Net::new(&genesis(4), 4);
    net.decide(0, config(b"one"), &[0, 1, 2, 3]);
    let plan = plan_of(&net, 3, &[0, 1]);
    let founding = founding_of(&net, 3, &plan);
    let exclusion = ConsensusOperation::NodeExclusion {
        node: node(3),
        reason: "in the way".into(),
    };
    net.propose(0, exclusion, Some(Ballot::Approve));
    let id = net.state(0).operations().next().unwrap().id();
    net.approve(&[1, 2], id);
    net.nudge(20);
    assert!(net.state(2).roster().get(&node(3)).is_none());
    endorse_as(&mut net, 3, &plan, founding.clone(), false).unwrap();
    endorse_as(&mut net, 2, &plan, founding, false).unwrap();
    assert_eq!(left_for(&net, 2), left_for(&net, 3));
    let genesis = left_for(&net, 2).unwrap();
    assert_eq!(genesis.members.len(), 2);
    let is_active = |founder: &Founder| {
        let line = founder.line.as_ref().unwrap();
        line.trust.standing() == Standing::Active
    };
    assert!(genesis.members.iter().all(is_active));
    // Two of four old votes: those who go are called a secession.
    let own = net.cores[2].endorsed().unwrap();
    let backing = net.cores[2].backing(&own.founding);
    assert!(backing.is_enough() && backing.is_secession());
}

/// C2: the endorsement is durable before it leaves, and so is the fact that the node has left.
#[test]
fn a_crash_at_any_output_loses_no_promise() {
    let outputs = {
        let mut net = half_gone();
        let before = net.done[0];
        let plan = plan_of(&net, 0, &[2, 3]);
        endorse(&mut net, 1, &plan, false).unwrap();
        endorse(&mut net, 0, &plan, false).unwrap();
        assert!(left_for(&net, 0).is_some());
        net.done[0] - before
    };
    for at in 1..=outputs {
        let mut net = half_gone();
        let plan = plan_of(&net, 0, &[2, 3]);
        endorse(&mut net, 1, &plan, false).unwrap();
        let other = plan_of(&net, 0, &[3]);
        net.crash = Some((0, net.done[0] + at));
        let _ = endorse(&mut net, 0, &plan, false);
        net.pump();
        let shown = net.cores[1].endorsed_plans();
        let is_shown = shown.iter().any(|it| it.by.contains(&node(0)));
        let refused = endorse(&mut net, 0, &other, false);
        if is_shown {
            assert!(
                matches!(
                    refused,
                    Err(Refusal::EndorsedAnother | Refusal::Refounded(_))
                ),
                "stop after output {at}: {refused:?}"
            );
        }
    }
}

/// A broken guard shows in the same test: without the journal's entry, a second plan would be endorsed.
#[test]
fn r_guard_fires_when_the_journal_forgets() {
    let mut net = Net::new(&genesis(4), 4);
    net.down = vec![false, true, true, true];
    let first = plan_of(&net, 0, &[2, 3]);
    let second = plan_of(&net, 0, &[3]);
    endorse(&mut net, 0, &first, false).unwrap();
    net.saved[0].journal.clear();
    net.saved[0].records.clear();
    net.saved[0].write(&Write::Endorsed(None));
    net.restart(0);
    assert_eq!(endorse(&mut net, 0, &second, false), Ok(()));
}
