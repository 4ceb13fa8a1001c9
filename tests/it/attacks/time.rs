//! Leaders that hold seal time back, stay silent, or keep the lead.
//! Rules: S5, S6. Property: L-time.

use mycnet_consensus::core::{Input, Message};
use mycnet_consensus::internals::record::Statement;
use mycnet_consensus::{Ballot, ConsensusOperation, Priority};
use serde_bytes::ByteBuf;

use crate::net::{APPROVED, Net, config, genesis, node};

/// The Primary's clock stands still, it makes records all the time, and the others want to exclude it. On the first edition seal
/// time went on by a millisecond per seal, so the grace never passed, and the Primary could not be excluded.
#[test]
fn a_primary_whose_clock_stands_still_does_not_stop_seal_time() {
    for members in [4, 7] {
        let mut net = Net::new(&genesis(members), members);
        net.stuck.insert(0, net.now_ms);
        let exclusion = ConsensusOperation::NodeExclusion {
            node: node(0),
            reason: "it holds time back".into(),
        };
        let id = net.propose(1, exclusion, Some(Ballot::Approve));
        for n in 2..members {
            net.vote(n, id, Ballot::Approve);
        }
        let begun_ms = net.now_ms;
        for second in 0..30_u64 {
            let chatter = Input::Propose {
                operation: config(&[u8::try_from(second).unwrap()]),
                priority: Priority::High,
                ballot: None,
                nonce: second,
            };
            let _ = net.input(0, chatter);
            net.pump();
            net.advance(1000);
            net.all(&Input::Nudge);
            if net.outcome(1, &id).is_some() {
                break;
            }
        }
        let params = &net.genesis.params;
        let most_ms = params.critical_grace_ms + params.drift_ms + 3 * params.step_patience_ms;
        let took_ms = net.now_ms - begun_ms;
        assert_eq!(net.outcome(1, &id), APPROVED, "{members} members");
        assert!(took_ms <= most_ms + 4000, "{members} members: {took_ms} ms");
        assert!(net.state(1).roster().get(&node(0)).is_none());
        let behind_ms = net.now_ms.saturating_sub(net.state(1).time_ms());
        assert!(behind_ms <= most_ms, "{members} members: {behind_ms} ms");
    }
}

/// On the first edition a silent Primary cost every height a timeout.
#[test]
fn a_silent_leader_costs_one_height_a_timeout() {
    let mut net = Net::new(&genesis(7), 7);
    net.down[0] = true;
    net.propose(1, config(b"first"), None);
    assert_eq!(net.state(1).height(), 0, "its round has to be given up");
    net.settle();
    assert_eq!(net.state(1).height(), 1);
    for k in 0..6_u8 {
        net.advance(1);
        let height = net.state(1).height();
        net.propose(1, config(&[k]), None);
        assert_eq!(net.state(1).height(), height + 1, "nobody gives up");
    }
}

/// The Primary leads again once it is heard.
#[test]
fn the_primary_comes_back_to_the_front() {
    let mut net = Net::new(&genesis(4), 4);
    net.down[0] = true;
    net.propose(1, config(b"without it"), None);
    net.settle();
    let front = |net: &Net| net.state(1).sealers().proposer(0);
    assert_ne!(front(&net), Some(node(0)));
    net.down[0] = false;
    net.meet(0);
    net.pump();
    net.advance(1);
    net.propose(0, config(b"with it"), None);
    assert_eq!(front(&net), Some(node(0)));
}

/// After an idle night a leader states the time of the last seal and a millisecond for the seal that opens an operation: with the
/// next seal, by the clock, all its windows would be over. On the first edition that was a good seal.
#[test]
fn after_an_idle_night_no_window_is_over_when_it_begins() {
    for is_honest in [false, true] {
        let mut net = Net::new(&genesis(4), 4);
        net.decide(0, config(b"evening"), &[0, 1, 2, 3]);
        // The leader of the next height lies, and says nothing by itself.
        let leader = (0..4).find(|n| net.state(1).sealers().proposer(0) == Some(node(*n)));
        let leader = leader.unwrap();
        let reader = (leader + 1) % 4;
        net.down[leader] = true;
        net.advance(8 * 3600 * 1000);
        let id = net.propose(reader, config(b"morning"), None);
        assert_eq!(net.phase(reader, &id), "proposed");
        let stated_ms = if is_honest {
            net.now_ms
        } else {
            net.state(reader).time_ms() + 1
        };
        let pool = net.cores[reader].pool().iter();
        let records = pool.map(|held| held.record.clone()).collect();
        let draft = net.draft(reader, stated_ms, records);
        let list: Vec<_> = draft
            .records
            .iter()
            .map(mycnet_consensus::Verified::id)
            .collect();
        let statement = Statement::SealProposal {
            round: 0,
            lock: None,
            seal: draft.seal,
        };
        let record = ByteBuf::from(net.forge(leader, statement).encode());
        for n in (0..4).filter(|n| *n != leader) {
            let (record, list) = (record.clone(), list.clone());
            net.tell(n, leader, Message::Proposal { record, list });
        }
        // The bad time is refused, and the next round opens it by the clock.
        let round = net.blocks[reader].last().unwrap().seal.round;
        assert_eq!(round, u32::from(!is_honest));
        assert_eq!(net.phase(reader, &id), "committing");
        assert_eq!(net.state(reader).time_ms(), net.now_ms);
    }
}

/// A leader that is late at every height without ever failing leads for as many heights as there are sealers, then the next one.
#[test]
fn who_leads_without_end_is_moved() {
    let mut net = Net::new(&genesis(4), 4);
    let mut leaders = Vec::new();
    for k in 0..9_u8 {
        let height = net.state(0).height();
        let leader = net.state(0).sealers().proposer(0).unwrap();
        net.propose(1, config(&[k]), None);
        net.settle();
        assert!(net.state(0).height() > height);
        leaders.extend((height..net.state(0).height()).map(|_| leader));
    }
    let most = leaders.chunk_by(|a, b| a == b).map(<[_]>::len).max();
    assert!(most <= Some(4), "{leaders:?}");
    assert!(leaders.iter().any(|leader| *leader != leaders[0]));
}
