//! Founding anew across crashes, lost journals and returns: what the word of a person must survive. Rules: F1, F2, F4, F5. Property:
//! R-guard.

use mycnet_consensus::core::{Event, Founding, Input, Plan, Refusal};
use mycnet_consensus::internals::ledger::refounded;
use mycnet_consensus::internals::record::{Statement, Verified};
use mycnet_consensus::{Ballot, ConsensusOperation, Consent, MemberName, Rejection, SealId, Spore};

use crate::net::{Net, block, blocks_message, config, genesis, identity, node, proposal_of};

/// The plan to go on from the genesis without these.
fn plan_from_genesis(net: &Net, without: &[usize]) -> (Plan, Founding) {
    let ledger = mycnet_consensus::internals::ledger::Ledger::new(&net.genesis);
    let mut plan = Plan {
        without: without.iter().map(|n| node(*n)).collect(),
        ..Plan::new(0, ledger.state().seal())
    };
    plan.sort();
    let founding = refounded(&net.genesis, ledger.state(), &plan).unwrap();
    (plan, founding)
}

fn endorse(
    net: &mut Net,
    n: usize,
    (plan, founding): &(Plan, Founding),
    is_sure: bool,
) -> Result<(), Refusal> {
    let input = Input::Endorse {
        plan: plan.clone(),
        founding: Box::new(founding.clone()),
        is_sure,
    };
    let answer = net.input(n, input).map(drop);
    net.pump();
    answer
}

fn says(net: &mut Net, n: usize, plan: Option<&Plan>, attempt: u32) -> Verified {
    let plan = plan.cloned();
    net.forge(n, Statement::Refound { plan, attempt })
}

/// A plan takes effect at a start, because the node stopped between the last endorsement and the note that it left. That note must
/// be written then: endorsements that change later must not lead the node back.
#[test]
fn a_plan_that_takes_effect_at_a_start_is_in_force_for_good() {
    let mut net = Net::new(&genesis(4), 4);
    let both = plan_from_genesis(&net, &[3]);
    net.down = vec![false, true, true, true];
    endorse(&mut net, 0, &both, false).unwrap();
    let one = says(&mut net, 1, Some(&both.0), 0);
    net.import(0, &one).unwrap();
    // The next output keeps the last endorsement; then the node stops.
    net.crash = Some((0, net.done[0] + 1));
    let two = says(&mut net, 2, Some(&both.0), 0);
    let _ = net.import(0, &two);
    assert_eq!(net.crash, None, "it stopped");
    net.advance(1);
    let left = net.cores[0].left_for();
    assert_eq!(left, Some(both.1.genesis().network_id()));
    // Two endorsers think again.
    for n in [1, 2] {
        let back = says(&mut net, n, None, 1);
        net.import(0, &back).unwrap();
    }
    net.restart(0);
    assert_eq!(net.cores[0].left_for(), left);
}

/// A sealed `Rejoin` lets a node sign again. It does not bring back what the node endorsed before it lost its journal.
#[test]
fn after_a_return_a_person_is_asked_whether_another_plan_was_endorsed() {
    let mut net = Net::new(&genesis(4), 4);
    let (one, other) = (plan_from_genesis(&net, &[0]), plan_from_genesis(&net, &[1]));
    net.down[3] = true;
    endorse(&mut net, 3, &one, false).unwrap();
    net.saved[3].endorsed = None;
    net.restart_without_journal(3);
    net.input(3, Input::JournalLost).unwrap();
    net.down[3] = false;
    net.meet(3);
    net.input(3, Input::Rejoin { nonce: [1; 32] }).unwrap();
    net.pump();
    net.nudge(3);
    assert_eq!(net.cores[3].seal_status().signing, "ready");
    for _ in 0..2 {
        let unsure = endorse(&mut net, 3, &other, false);
        assert_eq!(unsure, Err(Refusal::MayHaveEndorsed));
        net.restart(3);
    }
    endorse(&mut net, 3, &other, true).unwrap();
    let plans = net.cores[0].endorsed_plans();
    assert_eq!(plans.len(), 1);
    assert_eq!(plans[0].plan, other.0);
}

/// An endorsement of this node that its journal does not know shows that the journal is lost, as any own record does.
#[test]
fn an_own_endorsement_that_the_journal_lacks_shows_the_loss() {
    let mut net = Net::new(&genesis(4), 4);
    let one = plan_from_genesis(&net, &[0]);
    endorse(&mut net, 3, &one, false).unwrap();
    net.saved[3].endorsed = None;
    net.events[3].clear();
    net.restart_without_journal(3);
    net.pump();
    let lost = |event: &Event| matches!(event, Event::JournalLost);
    assert!(net.events[3].iter().any(lost));
    // Once: what it said before the loss stays in other hands.
    net.input(3, Input::Rejoin { nonce: [1; 32] }).unwrap();
    net.pump();
    net.nudge(3);
    assert_eq!(net.cores[3].seal_status().signing, "ready");
    net.restart(3);
    net.pump();
    assert_eq!(net.cores[3].seal_status().signing, "ready");
}

/// Two nodes on two branches know the height at which these part. After a restart they learn it again from each other: it is where
/// a plan goes on from.
#[test]
fn the_height_of_a_fork_is_found_again_after_a_restart() {
    let mut net = Net::new(&genesis(4), 4);
    let proposal = net.forge(3, proposal_of(config(b"other"), net.state(3).seal(), 1));
    let draft = net.draft(3, net.now_ms + 3, vec![proposal]);
    let id = net.network_id();
    let other = block(id, &draft.seal, &draft.records, 0, &[0, 1, 3]);
    net.down[3] = true;
    net.propose(2, config(b"one"), Some(Ballot::Approve));
    net.down = vec![true, true, false, false];
    net.tell(3, 0, blocks_message([&other]));
    for _ in 0..2 {
        for n in [2, 3] {
            net.restart(n);
        }
        net.pump();
        for n in [2, 3] {
            assert_eq!(net.cores[n].forked_height(), Some(1), "node {n}");
            let convicted = net.cores[n].proved_equivocators();
            assert_eq!(convicted, [node(0), node(1)].into(), "node {n}");
        }
    }
}

/// A member that was excluded and admitted again by the same key is a member, and no longer one that left.
#[test]
fn a_network_whose_member_came_back_can_be_founded_anew() {
    let mut net = Net::new(&genesis(5), 5);
    let exclusion = ConsensusOperation::NodeExclusion {
        node: node(4),
        reason: String::new(),
    };
    net.decide(0, exclusion, &[1, 2, 3, 4]);
    let (role, name) = (Spore::Latent, MemberName::of_key(&node(4)));
    let consent = Consent::sign(&identity(4), net.network_id(), role, name, None).unwrap();
    let admission = ConsensusOperation::NodeAdmission {
        candidate: node(4),
        role,
        consent,
    };
    net.decide(0, admission, &[1, 2, 3]);
    let state = net.state(0);
    assert!(state.roster().get(&node(4)).is_some());
    assert!(!state.roster().gone().contains(&node(4)));
    let plan = Plan::new(state.height(), state.seal());
    let founding = refounded(&net.genesis, state, &plan).unwrap();
    assert_eq!(founding.genesis().members.len(), 5);
    let elsewhere = Plan::new(state.height(), SealId::default());
    let refused = refounded(&net.genesis, state, &elsewhere);
    assert_eq!(refused.map(drop), Err(Rejection::UnknownSeal));
}
