//! Promises kept across crashes (C2): what leaves a node was journalled before, and a slot is signed once.
//!
//! [`crate::net::Net`] watches every output of every core of this binary for both; here nodes crash on purpose.

use std::collections::BTreeSet;

use mycnet_consensus::core::{
    Admission, Answer, Event, Input, JournalEntry, Output, PeerId, Refusal, Write,
};
use mycnet_consensus::internals::ledger::Mode;
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::record::{Statement, Verified, VoteKind, sign};
use mycnet_consensus::{Ballot, OperationId, Priority};
use serde_bytes::ByteBuf;

use crate::net::{
    APPROVED, Net, Promises, commit_of, config, deployment, genesis, identity, nil_vote, node,
    proposal_of, vote_for,
};

#[test]
fn the_watch_fires_when_a_promise_is_broken() {
    let net = genesis(1).network_id();
    let vote = |approve| {
        let operation = OperationId::from_bytes([1; 32]);
        let statement = Statement::Directive { operation, approve };
        sign(&identity(0), net, statement).unwrap()
    };
    let send = |record: &Verified| Output::Send {
        to: PeerId(1),
        message: Message::Records(vec![ByteBuf::from(record.encode())]),
    };
    let persist = |record: &Verified| {
        let record = record.record().clone();
        let opening = None;
        Output::Persist(Write::Journal(JournalEntry { record, opening }))
    };
    let (one, two) = (vote(true), vote(false));
    let watch = |outputs: &[Output], me: usize, forged: &BTreeSet<_>| {
        let mut promises = Promises::default();
        outputs
            .iter()
            .all(|output| promises.watch(node(me), output, forged).is_ok())
    };
    let none = BTreeSet::new();
    assert!(watch(&[persist(&one), send(&one), send(&one)], 0, &none));
    assert!(!watch(&[send(&one), persist(&one)], 0, &none));
    let both = [persist(&one), send(&one), persist(&two), send(&two)];
    assert!(!watch(&both, 0, &none), "two bodies of a slot");
    assert!(watch(&both, 1, &none), "the others only pass them on");
}

/// Node 2 proposes, all vote; `crash` names a node and the number of its outputs before it stops.
fn scenario(crash: Option<(usize, usize)>) -> Net {
    let mut net = Net::new(&genesis(4), 4);
    net.crash = crash;
    let id = net.propose(2, config(b"x"), Some(Ballot::Approve));
    net.approve(&[0, 1, 3], id);
    for _ in 0..40 {
        if (0..4).all(|n| net.phase(n, &id) == "closed") {
            break;
        }
        // A host repeats its user's request until it is done.
        for n in [0, 1, 3] {
            let ballot = Ballot::Approve;
            let operation = id;
            let again = net.input(n, Input::Vote { operation, ballot });
            assert_ne!(again, Err(Refusal::AlreadySigned), "it is the same ballot");
        }
        net.pump();
        net.nudge(1);
        for n in 0..4 {
            let next = PeerId(((n + 1) % 4) as u64);
            net.input(n, Input::Sync(next)).unwrap();
        }
        net.pump();
    }
    let seal = net.state(0).seal();
    for n in 0..4 {
        let outcome = net.outcome(n, &id);
        let expected = APPROVED;
        assert_eq!(outcome, expected, "node {n}, crash {crash:?}");
        assert_eq!(net.state(n).seal(), seal, "crash {crash:?}");
        assert_eq!(
            net.trust(n, n),
            510_000,
            "nobody lost anything, crash {crash:?}"
        );
        let lost = |event: &Event| matches!(event, Event::JournalLost);
        assert!(!net.events[n].iter().any(lost), "node {n}, crash {crash:?}");
    }
    net
}

/// Stops nodes 0 (the Primary) and 1 after every `stride`th output of theirs.
fn crash_everywhere(stride: usize) {
    let calm = scenario(None);
    for n in [0, 1] {
        assert!(calm.done[n] > 30, "there is something to crash in");
        for at in (1 + n..calm.done[n]).step_by(stride) {
            scenario(Some((n, at)));
        }
    }
}

#[test]
fn a_crash_at_any_output_breaks_no_promise_and_loses_nothing() {
    crash_everywhere(4);
}

#[test]
#[ignore = "the long form of the test above: half a minute"]
fn a_crash_at_any_output_breaks_no_promise_and_loses_nothing_in_full() {
    crash_everywhere(1);
}

fn say(net: &mut Net, n: usize, operation: OperationId, ballot: Ballot) -> Result<Answer, Refusal> {
    net.input(n, Input::Vote { operation, ballot })
}

#[test]
fn a_restarted_node_signs_nothing_different() {
    let mut net = Net::new(&genesis(4), 4);
    // Without nodes 2 and 3 nothing is sealed.
    (net.down[2], net.down[3]) = (true, true);
    let id = net.propose(1, config(b"x"), Some(Ballot::Approve));
    net.vote(0, id, Ballot::Reject);
    let standard = net.propose(0, deployment(), Some(Ballot::Approve));
    for n in [0, 1] {
        net.restart(n);
        net.pump();
    }
    let (ok, refused) = (Ok(Answer::Done), Err(Refusal::AlreadySigned));
    assert_eq!(say(&mut net, 1, id, Ballot::Approve), ok, "the same again");
    assert_eq!(say(&mut net, 1, id, Ballot::Reject), refused);
    assert_eq!(say(&mut net, 0, id, Ballot::Approve), refused);
    let direct = |approve| Input::Direct {
        operation: standard,
        approve,
    };
    assert_eq!(net.input(0, direct(true)), ok);
    assert_eq!(net.input(0, direct(false)), refused);
    assert_eq!(net.phase(1, &id), "proposed");
    net.pump();
}

fn own_votes(net: &Net, n: usize, kind: VoteKind) -> Vec<Statement> {
    let votes = net.journals[n].iter().map(|entry| &entry.record.body.what);
    votes
        .filter(|what| matches!(what, Statement::SealVote { kind: of, .. } if *of == kind))
        .cloned()
        .collect()
}

/// The Primary's key proposes two seals in one round; the node restarts between them.
#[test]
fn votes_on_seals_are_not_contradicted_after_a_restart() {
    let mut net = Net::new(&genesis(4), 4);
    net.down = vec![true, false, true, true];
    net.propose(1, config(b"x"), None);
    let records: Vec<Verified> = net.cores[1]
        .pool()
        .iter()
        .map(|held| held.record.clone())
        .collect();
    let propose = |net: &mut Net, time_ms: u64| {
        let draft = net.draft(1, time_ms, records.clone());
        let statement = Statement::SealProposal {
            round: 0,
            lock: None,
            seal: draft.seal.clone(),
        };
        let record = net.forge(0, statement);
        let message = Message::Proposal {
            record: ByteBuf::from(record.encode()),
            list: draft.records.iter().map(Verified::id).collect(),
        };
        net.tell(1, 0, message);
        draft.seal
    };
    let first = propose(&mut net, 1_000_001);
    let prevotes = own_votes(&net, 1, VoteKind::Prevote);
    assert_eq!(prevotes.len(), 1);
    net.restart(1);
    let second = propose(&mut net, 1_000_002);
    assert_ne!(first, second);
    assert_eq!(own_votes(&net, 1, VoteKind::Prevote), prevotes);

    // A quorum of prevotes for the first: it precommits and is locked, and stays so.
    for n in [2, 3] {
        let vote = crate::net::vote_for(1, 0, VoteKind::Prevote, &first);
        let vote = net.forge(n, vote);
        let _ = net.import(1, &vote);
    }
    propose(&mut net, 1_000_001);
    let precommits = own_votes(&net, 1, VoteKind::Precommit);
    assert_eq!(precommits.len(), 1, "{:?}", net.cores[1].seal_status());
    net.restart(1);
    assert_eq!(net.cores[1].seal_status().locked, Some(first.id()));
    for _ in 0..3 {
        net.advance(2000);
        net.input(1, Input::Nudge).unwrap();
    }
    assert_eq!(own_votes(&net, 1, VoteKind::Precommit), precommits);
}

#[test]
fn a_frozen_commit_is_revealed_after_a_restart() {
    let mut net = Net::new(&genesis(4), 4);
    let id = frozen_without(&mut net, 3);
    // The last thing that node 3 did before it stopped was to store the freezing block.
    let blocks = net.blocks[0].clone();
    net.blocks[3] = blocks;
    net.down[3] = false;
    net.restart(3);
    net.pump();
    assert_eq!(net.phase(0, &id), "closed");
    assert_eq!(net.trust(0, 3), 510_000);
}

/// Everybody commits to an operation; this node misses the freezing seal.
fn frozen_without(net: &mut Net, absent: usize) -> OperationId {
    let id = net.propose(1, config(b"x"), Some(Ballot::Approve));
    net.vote(absent, id, Ballot::Approve);
    net.down[absent] = true;
    for n in 0..4 {
        if n != absent && n != 1 {
            net.vote(n, id, Ballot::Approve);
        }
    }
    net.settle();
    assert_eq!(
        net.phase(0, &id),
        "decided",
        "frozen, and decided by the others"
    );
    id
}

/// A network of one has no peer whose arrival could remind it.
#[test]
fn a_network_of_one_reveals_after_a_restart() {
    let genesis = genesis(1);
    let calm = {
        let mut net = Net::new(&genesis, 1);
        net.propose(0, config(b"x"), Some(Ballot::Approve));
        net.done[0]
    };
    for at in 1..calm {
        let mut net = Net::new(&genesis, 1);
        net.crash = Some((0, at));
        let id = net.propose(0, config(b"x"), None);
        let _ = say(&mut net, 0, id, Ballot::Approve);
        net.advance(1);
        let _ = say(&mut net, 0, id, Ballot::Approve);
        net.advance(1);
        assert_eq!(net.phase(0, &id), "closed", "crash after output {at}");
        assert_eq!(net.trust(0, 0), 510_000, "crash after output {at}");
    }
}

fn has_lost(net: &Net, n: usize) -> bool {
    let lost = |event: &Event| matches!(event, Event::JournalLost);
    net.events[n].iter().any(lost)
}

fn signing(net: &Net, n: usize) -> std::borrow::Cow<'static, str> {
    net.cores[n].seal_status().signing
}

fn rejoin(net: &mut Net, n: usize) {
    let nonce = [9; 32];
    assert_eq!(net.input(n, Input::Rejoin { nonce }), Ok(Answer::Done));
    assert_eq!(signing(net, n), "rejoining");
    net.pump();
}

/// Node 3 proposed and committed, and lost its journal; everybody else has its records.
#[test]
fn a_lost_journal_is_noticed_and_a_rejoin_ends_it() {
    let mut net = Net::new(&genesis(4), 4);
    net.down[0] = true;
    let old = net.propose(3, config(b"old"), Some(Ballot::Approve));
    net.restart_without_journal(3);
    net.pump();
    assert!(has_lost(&net, 3));
    assert_eq!(signing(&net, 3), "journal_lost");

    // It signs nothing.
    let refused = Err(Refusal::JournalLost);
    assert_eq!(say(&mut net, 3, old, Ballot::Reject), refused);
    let propose = Input::Propose {
        operation: config(b"new"),
        priority: Priority::Normal,
        ballot: None,
        nonce: 7,
    };
    assert_eq!(net.input(3, propose), refused);
    net.nudge(2);
    assert!(net.journals[3].is_empty());

    // But a Rejoin, once.
    rejoin(&mut net, 3);
    let nonce = [8; 32];
    assert_eq!(net.input(3, Input::Rejoin { nonce }), Err(Refusal::NotLost));
    assert_eq!(net.journals[3].len(), 1);
    net.down[0] = false;
    net.meet(0);
    net.nudge(4);
    assert_eq!(signing(&net, 3), "ready");
    let rejoined = net.events[3].iter().find_map(|event| match event {
        Event::Rejoined { height } => Some(*height),
        _ => None,
    });
    let height = net.state(0).roster().get(&node(3)).unwrap().rejoined;
    let height = height.map(|(height, _)| height);
    assert_eq!(rejoined, height);
    let height = height.expect("the Rejoin is sealed");
    let votes = own_votes(&net, 3, VoteKind::Prevote);
    let is_later = |vote: &Statement| {
        vote.slot()
            .and_then(|slot| slot.height())
            .is_some_and(|at| at > height)
    };
    assert!(
        votes.iter().all(is_later),
        "it votes above the height of its return only"
    );

    // It commits to no operation older than its return, but to newer ones.
    let fresh = net.propose(1, config(b"fresh"), Some(Ballot::Approve));
    let before_rejoin = Err(Refusal::BeforeRejoin);
    let another = say(&mut net, 3, old, Ballot::Reject);
    assert!(
        another == before_rejoin || matches!(another, Err(Refusal::Rejected(_))),
        "{another:?}"
    );
    net.approve(&[0, 2, 3], fresh);
    assert_eq!(net.outcome(3, &fresh), APPROVED);
}

#[test]
fn what_was_proposed_before_the_return_takes_no_new_statement() {
    let mut net = Net::new(&genesis(4), 4);
    let critical = net.propose(1, config(b"old"), None);
    let standard = net.propose(1, deployment(), None);
    for lost in [0, 3] {
        net.input(lost, Input::JournalLost).unwrap();
        rejoin(&mut net, lost);
        net.nudge(4);
        assert_eq!(signing(&net, lost), "ready");
    }
    let refused = Err(Refusal::BeforeRejoin);
    let approve = true;
    assert_eq!(say(&mut net, 3, critical, Ballot::Approve), refused);
    // A directive, an objection or a resolution of before is forgotten just as a commit is.
    let operation = standard;
    assert_eq!(net.input(0, Input::Direct { operation, approve }), refused);
    let reason = String::new();
    assert_eq!(net.input(3, Input::Object { operation, reason }), refused);
    assert_eq!(net.input(3, Input::Resolve { operation, approve }), refused);
    // Operations that are proposed from now on are safe.
    let id = net.propose(0, deployment(), Some(Ballot::Approve));
    net.nudge(1);
    let status = net.cores[1].status(&id).unwrap();
    assert_eq!(status.phase, "authority");
    assert_eq!(status.window.unwrap().then, "the directive takes effect");
}

/// The salt follows from the key, so that a frozen commit can be revealed without the journal, but not before the Rejoin is
/// sealed: until then the node signs nothing else.
#[test]
fn a_frozen_commit_is_revealed_without_the_journal() {
    for ballot in [Ballot::Approve, Ballot::Reject, Ballot::Abstain] {
        let mut net = Net::new(&genesis(4), 4);
        let id = net.propose(1, config(b"x"), Some(Ballot::Approve));
        net.vote(3, id, ballot.clone());
        net.down[3] = true;
        net.approve(&[0, 2], id);
        net.settle();
        assert_eq!(net.phase(0, &id), "decided");
        net.down[3] = false;
        net.restart_without_journal(3);
        net.pump();
        assert_eq!(net.state(3).height(), net.state(0).height());
        assert!(has_lost(&net, 3), "its own commit came back");
        assert!(net.journals[3].is_empty());
        rejoin(&mut net, 3);
        net.nudge(3);
        assert_eq!(signing(&net, 3), "ready");
        assert_eq!(net.phase(0, &id), "closed", "{ballot}");
        let is_reveal = |entry: &JournalEntry| matches!(&entry.record.body.what, Statement::Reveal { ballot: shown, .. } if *shown == ballot);
        assert!(net.journals[3].iter().any(is_reveal));
    }
}

/// The store has blocks with commits that the journal does not know: the node notices this without its peers.
#[test]
fn a_journal_lost_beside_an_intact_store_is_noticed_at_the_start() {
    let mut net = Net::new(&genesis(4), 4);
    let id = net.propose(1, config(b"x"), Some(Ballot::Approve));
    assert_eq!(net.phase(1, &id), "committing");
    net.down = vec![true, false, true, true];
    net.restart_without_journal(1);
    net.input(1, Input::Tick).unwrap();
    assert!(has_lost(&net, 1));
    assert_eq!(
        say(&mut net, 1, id, Ballot::Reject),
        Err(Refusal::JournalLost)
    );
}

/// The journal that a node has after it lost one begins with the `Rejoin`; a restart must not take it for a complete one.
#[test]
fn a_restart_does_not_end_the_wait_for_a_rejoin() {
    let mut net = Net::new(&genesis(4), 4);
    net.input(3, Input::JournalLost).unwrap();
    (net.down[0], net.down[2]) = (true, true);
    rejoin(&mut net, 3);
    let id = net.propose(1, config(b"x"), None);
    net.restart(3);
    net.pump();
    assert_eq!(signing(&net, 3), "rejoining");
    assert_eq!(
        say(&mut net, 3, id, Ballot::Approve),
        Err(Refusal::JournalLost)
    );
    (net.down[0], net.down[2]) = (false, false);
    net.meet(3);
    net.nudge(4);
    assert_eq!(signing(&net, 3), "ready");
    // And once it is sealed, a restart does not ask for another.
    net.restart(3);
    net.pump();
    assert_eq!(signing(&net, 3), "ready");
    assert_eq!(
        say(&mut net, 3, id, Ballot::Approve),
        Err(Refusal::BeforeRejoin)
    );
}

/// What a node signed before its return comes back late, alone and in a block: that is no new loss. A vote above the return is one.
/// Rules: C3.
#[test]
fn an_own_record_of_before_the_return_is_no_new_loss() {
    let mut net = Net::new(&genesis(4), 4);
    let last = net.state(3).seal();
    let id = net.propose(1, config(b"old"), None);
    assert_eq!(net.phase(3, &id), "committing");
    net.restart_without_journal(3);
    net.input(3, Input::JournalLost).unwrap();
    rejoin(&mut net, 3);
    net.nudge(4);
    assert_eq!(signing(&net, 3), "ready");
    let rejoined = net.state(0).roster().get(&node(3)).unwrap().rejoined;
    let (height, _) = rejoined.expect("the Rejoin is sealed");
    let commit = commit_of(net.network_id(), id, 3, &Ballot::Reject);
    for statement in [
        commit,
        proposal_of(config(b"mine"), last, 5),
        nil_vote(height, 9, VoteKind::Prevote),
    ] {
        let old = net.forge(3, statement.clone());
        let admitted = net.import(3, &old);
        assert_eq!(admitted, Ok(Admission::New), "{statement:?}");
        assert_eq!(signing(&net, 3), "ready", "{statement:?}");
    }
    net.down[3] = true;
    net.nudge(4);
    let is_sealed = |net: &Net| net.state(0).operation(&id).unwrap().commits().len() == 1;
    assert!(is_sealed(&net), "a block lists the old commit");
    net.down[3] = false;
    for _ in 0..2 {
        net.restart(3);
        net.pump();
        assert_eq!(net.state(3).height(), net.state(0).height());
        assert_eq!(signing(&net, 3), "ready");
    }

    let next = net.state(3).height() + 1;
    let new = net.forge(3, nil_vote(next, 9, VoteKind::Prevote));
    net.import(3, &new).unwrap();
    assert_eq!(signing(&net, 3), "journal_lost");
}

/// Compares the records of a node with all that it can reach: what the first comparison brought does not count as shown.
fn compare(net: &mut Net, n: usize) {
    for _ in 0..2 {
        net.meet_known(n);
        net.pump();
    }
}

/// The members that a refused declaration names.
fn missing(net: &mut Net, n: usize) -> Vec<usize> {
    match net.input(n, Input::DeclareJournal) {
        Err(Refusal::NotMet(missing)) => (0..net.cores.len())
            .filter(|other| missing.contains(&node(*other)))
            .collect(),
        other => panic!("{other:?}"),
    }
}

/// The rounds of a height in which a node has signed since it lost its journal.
fn signed_rounds(net: &Net, n: usize, height: u64) -> BTreeSet<u32> {
    let slots = net.journals[n].iter().filter_map(|entry| {
        let slot = entry.record.body.what.slot()?;
        let is_it = slot.height() == Some(height);
        match &entry.record.body.what {
            Statement::SealProposal { round, .. } | Statement::SealVote { round, .. } if is_it => {
                Some(*round)
            }
            _ => None,
        }
    });
    slots.collect()
}

/// Two of four lose their journals: nobody can seal any more. A person's word leads out, once everybody was met.
/// Rules: C4.
#[test]
fn two_of_four_declare_what_all_hold_to_be_their_journals() {
    let mut net = Net::new(&genesis(4), 4);
    let id = net.propose(2, config(b"x"), Some(Ballot::Approve));
    assert_eq!(net.phase(2, &id), "committing");
    assert_eq!(net.input(2, Input::DeclareJournal), Err(Refusal::NotLost));
    net.down = vec![false, false, true, true];
    let height = net.state(0).height() + 1;
    net.approve(&[0, 1], id);
    net.down = vec![true; 4];
    for n in [2, 3] {
        net.restart_without_journal(n);
        net.input(n, Input::JournalLost).unwrap();
        assert!(has_lost(&net, n));
        assert_eq!(
            net.input(n, Input::DeclareJournal),
            Err(Refusal::JournalLost)
        );
        rejoin(&mut net, n);
    }
    assert_eq!(missing(&mut net, 2), [0, 1, 3], "nobody was met");
    // Each of the others, the one that lost its journal too, must be met; and be known by its key.
    for (met, lacks) in [(3, vec![0, 1]), (1, vec![0])] {
        (net.down[2], net.down[met]) = (false, false);
        compare(&mut net, 2);
        assert_eq!(missing(&mut net, 2), lacks);
        net.down = vec![true; 4];
    }
    net.down = vec![false; 4];
    net.meet(2);
    net.pump();
    assert_eq!(
        missing(&mut net, 2),
        [0],
        "whoever is not known does not count"
    );
    compare(&mut net, 2);
    net.nudge(2);
    assert_eq!(net.phase(0, &id), "committing", "two of four are no quorum");
    assert_eq!(net.input(2, Input::DeclareJournal), Ok(Answer::Done));
    net.restart(2);
    net.pump();
    assert_eq!(
        signing(&net, 2),
        "ready",
        "a restart forgets no declaration"
    );
    net.saved[2].journal_lost = true;
    net.restart(2);
    assert_eq!(signing(&net, 2), "journal_lost", "it answers no later loss");
    net.saved[2].journal_lost = false;
    net.restart(2);
    compare(&mut net, 3);
    assert_eq!(net.input(3, Input::DeclareJournal), Ok(Answer::Done));
    net.pump();
    net.nudge(8);
    assert_eq!(
        (signing(&net, 2), signing(&net, 3)),
        ("ready".into(), "ready".into())
    );
    // Its old commit counts, and so does the reveal that it can still make.
    assert_eq!(net.outcome(0, &id), APPROVED);
    let rejoined = net.state(0).roster().get(&node(2));
    assert!(
        rejoined.unwrap().rejoined.is_some(),
        "its Rejoin is sealed all the same"
    );
    assert!(
        !signed_rounds(&net, 2, height).contains(&0),
        "node 0 proposed in round 0"
    );
    assert!((0..4).all(|n| net.trust(0, n) > 0), "nobody is banned");
}

/// Who declares without having met everybody may contradict a vote that only the missing one holds: the check matters.
#[test]
fn a_vote_that_only_one_member_holds_is_shown_before_anything_is_declared() {
    let mut net = Net::new(&genesis(4), 4);
    net.down = vec![false, true, true, false];
    // Only node 0 has the commit of node 3.
    let id = net.propose(0, config(b"x"), None);
    net.vote(3, id, Ballot::Reject);
    net.down = vec![true, false, false, false];
    net.saved[3].records.clear();
    net.restart_without_journal(3);
    net.input(3, Input::JournalLost).unwrap();
    rejoin(&mut net, 3);
    compare(&mut net, 3);
    assert_eq!(missing(&mut net, 3), [0]);
    assert_eq!(
        net.phase(3, &id),
        "unknown",
        "without it, it would commit again"
    );
    net.down = vec![false; 4];
    compare(&mut net, 3);
    if signing(&net, 3) != "ready" {
        assert_eq!(net.input(3, Input::DeclareJournal), Ok(Answer::Done));
    }
    net.pump();
    let again = say(&mut net, 3, id, Ballot::Approve);
    let is_refused = matches!(again, Err(Refusal::AlreadySigned | Refusal::BeforeRejoin));
    assert!(is_refused, "{again:?}");
}

/// Declares at a height at which these nodes signed in these rounds, and returns the first round of node 3 afterwards.
fn declared_after(signed: &[(usize, u32)]) -> u32 {
    let mut net = Net::new(&genesis(4), 4);
    net.restart_without_journal(3);
    net.input(3, Input::JournalLost).unwrap();
    net.down = vec![true, true, true, false];
    rejoin(&mut net, 3);
    for (n, round) in signed {
        let vote = nil_vote(1, *round, VoteKind::Prevote);
        let vote = net.forge(*n, vote);
        net.import(3, &vote).unwrap();
    }
    net.shown_all(3);
    assert_eq!(net.input(3, Input::DeclareJournal), Ok(Answer::Done));
    net.saved[3].declared.round
}

#[test]
fn whoever_declares_votes_only_above_what_it_was_shown() {
    let last = u32::MAX / 2;
    let cases: [(&[(usize, u32)], u32); 7] = [
        (&[], 0),
        (&[(0, 0)], 1),
        (&[(0, 0), (1, 3)], 4),
        // A round that one of four names alone counts only below the number of sealers.
        (&[(0, 1), (1, last)], 2),
        (&[(0, 1), (1, last), (2, 9)], 10),
        // Its own ones always do.
        (&[(3, 6), (0, 1)], 7),
        (&[(3, 6), (0, 70), (1, 60)], 61),
    ];
    for (signed, round) in cases {
        assert_eq!(declared_after(signed), round, "{signed:?}");
    }
}

/// A liar hides the precommit that this node made. A proof of lock that an honest member shows binds the node all the same: else
/// one liar of four gets two certificates for one height.
/// Rules: C4.
#[test]
fn whoever_declares_is_bound_by_the_highest_proof_of_lock_that_it_is_shown() {
    let mut net = Net::new(&genesis(4), 4);
    let sealers: Vec<usize> = (0..4)
        .map(|round| {
            let proposer = net.state(3).sealers().proposer(round).unwrap();
            (0..4).find(|n| node(*n) == proposer).unwrap()
        })
        .collect();
    let [honest, liar, other, me] = sealers[..] else {
        unreachable!()
    };
    net.down = vec![true; 4];
    net.restart_without_journal(me);
    net.input(me, Input::JournalLost).unwrap();
    rejoin(&mut net, me);
    net.now_ms += 300;
    let last = net.state(me).seal();
    let asked = proposal_of(config(b"x"), last, 1);
    let asked = net.forge(honest, asked);
    net.import(me, &asked).unwrap();
    // Round 0: this node, one honest member and the liar prevoted a seal. The honest one is locked on it.
    let locked = net.draft(me, net.now_ms, vec![asked.clone()]).seal;
    let mut shown = vec![(
        honest,
        Statement::SealProposal {
            round: 0,
            lock: None,
            seal: locked.clone(),
        },
    )];
    for n in [honest, liar, me] {
        shown.push((n, vote_for(1, 0, VoteKind::Prevote, &locked)));
    }
    shown.push((honest, vote_for(1, 0, VoteKind::Precommit, &locked)));
    shown.push((other, nil_vote(1, 0, VoteKind::Precommit)));
    for (n, statement) in shown {
        let record = net.forge(n, statement);
        net.import(me, &record).unwrap();
    }
    net.shown_all(me);
    assert_eq!(net.input(me, Input::DeclareJournal), Ok(Answer::Done));
    assert_eq!(net.saved[me].declared.round, 1);
    net.restart(me);

    // Round 1: the liar proposes another seal, without a proof of lock.
    let ledger = net.cores[me].ledger();
    let (another, _) = ledger
        .draft(1, net.now_ms + 1, vec![asked.clone()], Mode::Lenient)
        .unwrap();
    let fresh = Statement::SealProposal {
        round: 1,
        lock: None,
        seal: another.seal.clone(),
    };
    let record = ByteBuf::from(net.forge(liar, fresh).encode());
    let list = vec![asked.id()];
    net.tell(me, liar, Message::Proposal { record, list });
    let prevotes = own_votes(&net, me, VoteKind::Prevote);
    assert!(
        prevotes.contains(&nil_vote(1, 1, VoteKind::Prevote)),
        "{prevotes:?}"
    );
    assert_eq!(signed_rounds(&net, me, 1), BTreeSet::from([0, 1]));
}

/// From the proof of a twin on nothing is signed, whatever a person or a peer asks for.
/// Rules: C1.
#[test]
fn a_node_with_a_twin_signs_nothing_until_a_person_says_that_it_lives() {
    let mut net = Net::new(&genesis(4), 4);
    let id = net.propose(0, config(b"x"), Some(Ballot::Approve));
    net.vote(3, id, Ballot::Approve);
    assert_eq!(net.input(3, Input::OutliveTwin), Err(Refusal::NoTwin));
    net.input(3, Input::TwinMet).unwrap();
    assert!(net.saved[3].twin, "before anything else is done");
    let told = |net: &Net| {
        let told = net.events[3].iter();
        told.filter(|it| matches!(it, Event::TwinMet)).count()
    };
    net.input(3, Input::TwinMet).unwrap();
    assert_eq!((told(&net), signing(&net, 3)), (1, "twin".into()));
    let before = net.journals[3].len();
    let nonce = [9; 32];
    for input in [
        Input::Vote {
            operation: id,
            ballot: Ballot::Approve,
        },
        Input::Propose {
            operation: config(b"y"),
            priority: Priority::Normal,
            ballot: None,
            nonce: 1,
        },
    ] {
        assert_eq!(net.input(3, input), Err(Refusal::Twin));
    }
    // The others freeze and reveal; this node has promised a reveal, and does not make it.
    net.approve(&[1, 2], id);
    net.nudge(8);
    for _ in 0..2 {
        net.restart(3);
        net.pump();
        net.nudge(2);
        assert_eq!(signing(&net, 3), "twin", "a restart does not end it");
    }
    assert_eq!(net.journals[3].len(), before, "nothing was signed");

    assert_eq!(
        net.input(3, Input::OutliveTwin),
        Err(Refusal::TwinAnswers(600))
    );
    net.advance(60_000);
    assert_eq!(net.input(3, Input::OutliveTwin), Err(Refusal::NobodyMet));
    compare(&mut net, 3);
    assert_eq!(net.input(3, Input::OutliveTwin), Ok(Answer::Done));
    assert_eq!(signing(&net, 3), "journal_lost");
    assert!(
        net.saved[3].twin,
        "a stop now would leave the twin on the disk"
    );
    net.events[3].clear();
    assert_eq!(net.input(3, Input::Rejoin { nonce }), Ok(Answer::Done));
    assert!(!net.saved[3].twin, "now the Rejoin protects the slots");
    net.pump();
    net.nudge(8);
    assert_eq!(signing(&net, 3), "ready");
    assert!(net.trust(0, 3) > 0);
}

/// What one machine signs in a slot, a twin that knows nothing of it signs differently: the check above matters.
#[test]
fn twins_that_do_not_know_of_each_other_are_banned() {
    let mut net = Net::new(&genesis(4), 4);
    let id = net.propose(0, config(b"x"), None);
    let statement = commit_of(net.network_id(), id, 3, &Ballot::Reject);
    let of_twin = net.forge(3, statement);
    net.vote(3, id, Ballot::Approve);
    net.import(0, &of_twin).unwrap();
    net.nudge(8);
    assert_eq!(net.trust(0, 3), 0);
}

/// A peer's question makes a node wait, and no longer than its host says.
#[test]
fn a_node_that_is_asked_waits_and_then_goes_on() {
    let mut net = Net::new(&genesis(4), 4);
    let id = net.propose(0, config(b"x"), Some(Ballot::Approve));
    net.input(3, Input::Hold(true)).unwrap();
    let before = net.journals[3].len();
    let held = say(&mut net, 3, id, Ballot::Approve);
    assert_eq!(held, Err(Refusal::OnHold));
    net.approve(&[1, 2], id);
    net.nudge(2);
    assert_eq!(net.journals[3].len(), before);
    assert_eq!(signing(&net, 3), "ready", "it is no state to be told of");
    net.input(3, Input::Hold(false)).unwrap();
    net.vote(3, id, Ballot::Approve);
    net.nudge(8);
    assert!(net.journals[3].len() > before);
    assert_eq!(net.phase(3, &id), "closed");
}

/// After a loss a store takes nothing but a `Rejoin`, and a host stores the loss that the core reports.
#[test]
fn a_rejoin_that_waits_is_not_followed_by_another_loss() {
    let mut net = Net::new(&genesis(4), 4);
    net.propose(1, config(b"x"), Some(Ballot::Approve));
    net.down = vec![true, false, true, true];
    net.restart_without_journal(1);
    net.input(1, Input::Tick).unwrap();
    assert!(has_lost(&net, 1));
    rejoin(&mut net, 1);
    net.events[1].clear();
    net.restart(1);
    net.input(1, Input::Tick).unwrap();
    assert_eq!(signing(&net, 1), "rejoining");
    assert!(!has_lost(&net, 1), "the blocks show what the Rejoin is for");
}

#[test]
fn what_was_intended_is_not_signed_at_a_start_without_the_journal() {
    for is_lost in [false, true] {
        let mut net = Net::new(&genesis(4), 4);
        let id = net.propose(0, config(b"x"), None);
        assert_eq!(net.phase(1, &id), "committing");
        net.saved[1].intents.insert(id, Ballot::Approve);
        net.saved[1].journal_lost = is_lost;
        net.restart(1);
        net.input(1, Input::Tick).unwrap();
        let is_commit =
            |entry: &JournalEntry| matches!(entry.record.body.what, Statement::Commit { .. });
        let has_committed = net.journals[1].iter().any(is_commit);
        assert_eq!((has_committed, has_lost(&net, 1)), (!is_lost, is_lost));
    }
}
