//! What bad input gets: each fault its own `Rejection` with a stable code, and the state unchanged.

mod agreement;
mod mutations;
mod orphans;

use mycnet_consensus::Signer as _;
use mycnet_consensus::core::{Admission, Input, Refusal};
use mycnet_consensus::internals::digest::{Commitment, SignatureBytes};
use mycnet_consensus::internals::limits::{
    MEMBERS_MAX, OPEN_PROPOSALS_MAX, PAYLOAD_BYTES_MAX, SET_RECORD_BYTES_MAX, TEXT_BYTES_MAX,
};
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::record::{
    Body, Proof, Record, Statement, Verified, VoteKind, sign,
};
use mycnet_consensus::{
    Ballot, ClaimRule, ConsensusOperation, Consent, Digest, Genesis, MemberName, NetworkId, NodeId,
    OperationId, Priority, Spore,
};
use serde_bytes::ByteBuf;

use crate::net::{
    APPROVED, Net, claim, commit_of, config, deployment, genesis, identity, nil_vote, node,
    proposal_of, reveal_of,
};

/// A network in which every phase can be met, looked at by node 1. Nothing is sealed any more: nodes 0 and 2 are cut off.
///
/// Node 0 is the Primary, 1 to 3 are Seeds, 4 and 5 Latents; node 5 is banned.
struct World {
    net: Net,
    /// Critical, closed.
    closed: OperationId,
    /// Critical, frozen with the commits of 0 to 3; node 2 has not revealed.
    revealing: OperationId,
    /// Critical, with the commit of node 1.
    committing: OperationId,
    /// A claim whose panel is 0, 1 and 3.
    panel: OperationId,
    /// Standard, waiting for a directive.
    standard: OperationId,
    /// Critical, not sealed.
    pooled: OperationId,
    /// Standard, not sealed.
    pooled_standard: OperationId,
}

impl World {
    fn new() -> Self {
        let mut net = Net::new(&genesis(6), 6);
        net.down[5] = true;
        let closed = net.propose(1, config(b"closed"), Some(Ballot::Approve));
        for ballot in [Ballot::Approve, Ballot::Reject] {
            let commit = net.forge(5, commit_of(net.network_id(), closed, 5, &ballot));
            net.import(1, &commit).unwrap();
        }
        net.approve(&[0, 2, 3, 4], closed);
        let revealing = net.propose(1, config(b"revealing"), Some(Ballot::Approve));
        net.approve(&[0, 2, 3], revealing);
        net.down[2] = true;
        net.advance(net.genesis.params.critical_grace_ms + 100);
        net.settle();
        let committing = net.propose(1, config(b"committing"), Some(Ballot::Approve));
        let panel = net.propose(0, claim(Some(&[0, 1, 3])), None);
        let standard = net.propose(1, deployment(), None);
        net.settle();
        net.down[0] = true;
        let pooled = net.propose(1, config(b"pooled"), None);
        let pooled_standard = net.propose(1, deployment(), None);
        let world = Self {
            net,
            closed,
            revealing,
            committing,
            panel,
            standard,
            pooled,
            pooled_standard,
        };
        world.check();
        world
    }

    fn check(&self) {
        let phases = [
            (self.closed, "closed"),
            (self.revealing, "revealing"),
            (self.committing, "committing"),
            (self.panel, "committing"),
            (self.standard, "authority"),
            (self.pooled, "proposed"),
            (self.pooled_standard, "proposed"),
        ];
        for (id, phase) in phases {
            assert_eq!(self.net.phase(1, &id), phase);
        }
        let roster = self.net.state(1).roster();
        assert!(roster.get(&node(5)).unwrap().is_banned());
    }

    fn signed(&self, n: usize, statement: Statement) -> Vec<u8> {
        sign(&identity(n), self.net.network_id(), statement)
            .unwrap()
            .encode()
    }

    fn propose(&self, operation: ConsensusOperation, priority: Priority) -> Statement {
        Statement::Propose {
            operation,
            priority,
            last: self.net.state(1).seal(),
            nonce: 99,
        }
    }

    /// A record whose content is judged before its signature would be.
    fn unsigned(&self, what: Statement) -> Vec<u8> {
        record_with(self.net.network_id(), what, 1).encode()
    }
}

fn record_with(net: NetworkId, what: Statement, v: u8) -> Record {
    let by = node(4);
    Record {
        body: Body { v, by, net, what },
        proof: Proof {
            sig: SignatureBytes::from_bytes([0; 64]),
            size: 1,
            index: 0,
            path: Vec::new(),
        },
    }
}

/// The point under which anyone can sign.
fn weak_key() -> NodeId {
    let mut bytes = [0; 32];
    bytes[0] = 1;
    NodeId::from_bytes(bytes)
}

/// Description, bytes, and the code that they are refused with.
type Case = (&'static str, Vec<u8>, &'static str);

/// Cases that are refused with one code.
fn with_code(code: &'static str, cases: Vec<(&'static str, Vec<u8>)>) -> Vec<Case> {
    let cases = cases.into_iter();
    cases.map(|(desc, bytes)| (desc, bytes, code)).collect()
}

fn directive(operation: OperationId) -> Statement {
    let approve = true;
    Statement::Directive { operation, approve }
}

fn resolution(operation: OperationId) -> Statement {
    let approve = true;
    Statement::Resolution { operation, approve }
}

fn objection(operation: OperationId) -> Statement {
    let reason = "no".into();
    Statement::Objection { operation, reason }
}

/// Faults of bytes, signatures and limits.
fn malformed(world: &World) -> Vec<Case> {
    let net = world.net.network_id();
    let good = world.signed(4, world.propose(config(b"good"), Priority::Normal));
    let mut trailing = good.clone();
    trailing.push(0);
    let mut changed: Record = serde_ipld_dagcbor::from_slice(&good).unwrap();
    changed.body.by = node(3);
    let mut beside: Record = serde_ipld_dagcbor::from_slice(&good).unwrap();
    beside.proof.size = 2;
    let mut batch: Record = serde_ipld_dagcbor::from_slice(&good).unwrap();
    batch.proof.size = 65_537;
    let elsewhere = NetworkId::from_bytes([9; 32]);
    let foreign = sign(&identity(4), elsewhere, directive(world.standard)).unwrap();
    let stranger = sign(&identity(99), net, directive(world.standard)).unwrap();
    let vote_at_0 = nil_vote(0, 0, VoteKind::Prevote);
    vec![
        ("for another network", foreign.encode(), "wrong-network"),
        ("of a stranger", stranger.encode(), "unknown-author"),
        ("of another author", changed.encode(), "bad-signature"),
        ("of another batch", beside.encode(), "bad-signature"),
        ("of too large a batch", batch.encode(), "over-limit"),
        ("with a byte more", trailing, "non-canonical"),
        ("cut off", good[..good.len() - 1].to_vec(), "non-canonical"),
        ("nothing", Vec::new(), "non-canonical"),
        (
            "a record too long",
            vec![0; SET_RECORD_BYTES_MAX + 1],
            "over-limit",
        ),
        ("a float", vec![0xf9, 0x47, 0x00], "non-canonical"),
        (
            "of version 2",
            record_with(net, directive(world.standard), 2).encode(),
            "malformed",
        ),
        (
            "a vote on the genesis",
            world.unsigned(vote_at_0),
            "impossible-seal",
        ),
    ]
}

/// Faults of operations and ballots.
fn operations(world: &World) -> Vec<Case> {
    let net = world.net.network_id();
    let propose = |operation| world.propose(operation, Priority::Normal);
    let consent = Consent::sign(
        &identity(9),
        net,
        Spore::Latent,
        MemberName::of_key(&identity(9).node_id()),
        None,
    )
    .unwrap();
    let admission = |candidate, role| ConsensusOperation::NodeAdmission {
        candidate,
        role,
        consent: consent.clone(),
    };
    let large_panel = (0..=MEMBERS_MAX)
        .map(|n| NodeId::from_bytes(*blake3_of(n).as_bytes()))
        .collect::<std::collections::BTreeSet<_>>();
    let large_claim = ConsensusOperation::Claim {
        subject: "large".into(),
        input: Vec::new(),
        panel: Some(large_panel.into_iter().collect()),
        rule: ClaimRule::MAJORITY,
    };
    let long_ballot = Ballot::Result(vec![0; PAYLOAD_BYTES_MAX + 1]);
    let long_reason = Statement::Objection {
        operation: world.standard,
        reason: "x".repeat(TEXT_BYTES_MAX + 1),
    };
    let long = propose(config(&[0; PAYLOAD_BYTES_MAX + 1]));
    let result = reveal_of(world.revealing, long_ballot);
    let outside = propose(admission(node(9), Spore::Primary));
    let weak = propose(admission(weak_key(), Spore::Latent));
    let other_role = propose(admission(node(9), Spore::Seed));
    let panel = |members| world.signed(3, propose(claim(Some(members))));
    let mut cases = with_code(
        "over-limit",
        vec![
            ("a payload too long", world.unsigned(long)),
            ("a panel too large", world.unsigned(propose(large_claim))),
            ("a result too long", world.unsigned(result)),
            ("a reason too long", world.unsigned(long_reason)),
        ],
    );
    cases.extend(with_code(
        "inapplicable",
        vec![
            ("a panel of two", panel(&[0, 1])),
            ("a panel with a banned member", panel(&[0, 1, 5])),
            ("a panel with a stranger", panel(&[0, 1, 3, 9])),
        ],
    ));
    cases.extend([
        ("a weak candidate", world.signed(4, weak), "weak-key"),
        ("another role", world.signed(4, other_role), "bad-signature"),
        (
            "a Primary from outside",
            world.unsigned(outside),
            "malformed",
        ),
    ]);
    cases
}

fn blake3_of(n: usize) -> Digest {
    mycnet_consensus::internals::merkle::leaf(&n.to_le_bytes())
}

/// Statements whose author has not the right to make them.
fn roles(world: &World) -> Vec<Case> {
    let net = world.net.network_id();
    let (standard, pooled) = (world.standard, world.pooled_standard);
    let high = world.propose(config(b"urgent"), Priority::High);
    let panel = world.propose(claim(Some(&[0, 1, 3])), Priority::Normal);
    let rejoin = Statement::Rejoin {
        nonce: Digest::from_bytes([1; 32]),
    };
    let commit = |n, id| commit_of(net, id, n, &Ballot::Approve);
    let reveal = reveal_of(world.revealing, Ballot::Approve);
    let normal = world.propose(config(b"x"), Priority::Normal);
    let by = |n, statement| world.signed(n, statement);
    [
        with_code(
            "wrong-role",
            vec![
                ("a Seed directs", by(3, directive(standard))),
                ("a Latent objects", by(4, objection(standard))),
                ("the Primary resolves", by(0, resolution(standard))),
                ("a Seed directs too early", by(3, directive(pooled))),
                ("a Latent objects too early", by(4, objection(pooled))),
                ("a Latent is in a hurry", by(4, high)),
                ("a Latent names a panel", by(4, panel)),
            ],
        ),
        with_code(
            "not-an-elector",
            vec![
                ("no elector", by(4, commit(4, world.panel))),
                ("a banned elector", by(5, commit(5, world.pooled))),
                ("a reveal of nothing", by(4, reveal)),
            ],
        ),
        with_code(
            "banned-author",
            vec![
                ("a banned proposer", by(5, normal)),
                ("a banned member is back", by(5, rejoin)),
            ],
        ),
    ]
    .concat()
}

/// Faults of time.
fn phases(world: &World) -> Vec<Case> {
    let net = world.net.network_id();
    let commit = |n, id| world.signed(n, commit_of(net, id, n, &Ballot::Approve));
    let reveal = |n, id| world.signed(n, reveal_of(id, Ballot::Approve));
    let by = |n, statement| world.signed(n, statement);
    let other = reveal_of(world.revealing, Ballot::Reject);
    let mut cases = with_code(
        "wrong-phase",
        vec![
            ("a late commit", commit(4, world.revealing)),
            ("a commit after the close", commit(4, world.closed)),
            ("a reveal after the close", reveal(4, world.closed)),
            ("a directive on a vote", by(0, directive(world.committing))),
            ("an objection to a vote", by(3, objection(world.revealing))),
            ("a resolution of a vote", by(3, resolution(world.pooled))),
            ("a closed resolution", by(3, resolution(world.closed))),
        ],
    );
    cases.push(("a reveal of another ballot", by(2, other), "does-not-open"));
    cases
}

#[test]
fn each_fault_has_its_code_and_changes_nothing() {
    let mut world = World::new();
    let cases = [
        malformed(&world),
        operations(&world),
        roles(&world),
        phases(&world),
    ];
    let before = world.net.fingerprint(1);
    for (desc, bytes, code) in cases.concat() {
        let said = world.net.said;
        let refused = world.net.import_bytes(1, bytes.clone());
        assert_eq!(refused.map_err(|r| r.code()), Err(code), "{desc}, imported");
        let message = Message::Records(vec![ByteBuf::from(bytes)]);
        world.net.tell(1, 4, message);
        assert_eq!(world.net.refusals(1)[0].code(), code, "{desc}, from a peer");
        assert_eq!(world.net.fingerprint(1), before, "{desc}");
        assert_eq!(world.net.said, said, "{desc}: nothing is passed on");
    }
}

#[test]
fn what_this_node_should_not_say_is_refused_and_not_signed() {
    let mut world = World::new();
    let (standard, closed) = (world.standard, world.closed);
    let unknown = OperationId::from_bytes([1; 32]);
    let ballot = Ballot::Approve;
    let vote = |operation| Input::Vote {
        operation,
        ballot: ballot.clone(),
    };
    let propose = |operation, priority| Input::Propose {
        operation,
        priority,
        ballot: None,
        nonce: 1,
    };
    let direct = Input::Direct {
        operation: standard,
        approve: true,
    };
    let high = propose(config(b"x"), Priority::High);
    let panel = propose(claim(Some(&[0, 1, 3])), Priority::Normal);
    let long = propose(config(&[0; PAYLOAD_BYTES_MAX + 1]), Priority::Normal);
    for (desc, n, input, code) in [
        (
            "an unknown operation",
            1,
            vote(unknown),
            "unknown-operation",
        ),
        ("a closed one", 1, vote(closed), "wrong-phase"),
        ("a frozen one", 4, vote(world.revealing), "wrong-phase"),
        ("another panel", 4, vote(world.panel), "not-an-elector"),
        ("a Seed directs", 1, direct, "wrong-role"),
        ("a Latent is in a hurry", 4, high, "wrong-role"),
        ("a Latent names a panel", 4, panel, "wrong-role"),
        ("too long", 4, long, "over-limit"),
    ] {
        let before = world.net.fingerprint(n);
        let journalled = world.net.journals[n].len();
        let answer = world.net.input(n, input);
        let Err(Refusal::Rejected(rejection)) = answer else {
            panic!("{desc}: {answer:?}");
        };
        assert_eq!(rejection.code(), code, "{desc}");
        assert_eq!(world.net.fingerprint(n), before, "{desc}");
        assert_eq!(world.net.journals[n].len(), journalled, "{desc}");
    }
}

#[test]
fn an_author_may_have_so_many_open_proposals() {
    let mut net = Net::new(&genesis(4), 4);
    // Nothing is sealed, so that the pool has to count.
    net.down = vec![false, true, true, true];
    let last = net.state(0).seal();
    for nonce in 0..=OPEN_PROPOSALS_MAX {
        let proposal = net.forge(3, proposal_of(config(b"x"), last, nonce as u64));
        let admitted = net.import(0, &proposal).map_err(|r| r.code());
        let expected = if nonce < OPEN_PROPOSALS_MAX {
            Ok(Admission::New)
        } else {
            Err("over-cap")
        };
        assert_eq!(admitted, expected, "proposal {nonce}");
    }
}

#[test]
fn a_newcomer_may_have_four_open_proposals() {
    let mut net = Net::new(&genesis(4), 5);
    let admission = ConsensusOperation::NodeAdmission {
        candidate: node(4),
        role: Spore::Latent,
        consent: Consent::sign(
            &identity(4),
            net.network_id(),
            Spore::Latent,
            MemberName::of_key(&identity(4).node_id()),
            None,
        )
        .unwrap(),
    };
    net.decide(1, admission, &[0, 2, 3]);
    let before = net.now_ms;
    for nonce in 0..4 {
        net.now_ms = before + nonce;
        net.propose(4, config(b"x"), None);
    }
    let fifth = Input::Propose {
        operation: config(b"x"),
        priority: Priority::Normal,
        ballot: None,
        nonce: 5,
    };
    let Err(Refusal::Rejected(rejection)) = net.input(4, fifth) else {
        panic!("the fifth was taken");
    };
    assert_eq!(rejection.code(), "over-cap");
}

#[test]
fn a_slot_holds_two_bodies() {
    let mut net = Net::new(&genesis(4), 4);
    // Node 0 alone cannot seal.
    net.down = vec![false, true, true, true];
    let id = net.propose(0, config(b"x"), None);
    let mut commits: Vec<Verified> = (0..3)
        .map(|value| {
            let commitment = Commitment::from_bytes([value; 32]);
            let commit = Statement::Commit {
                operation: id,
                commitment,
            };
            net.forge(3, commit)
        })
        .collect();
    commits.sort_by_key(Verified::id);
    for commit in &commits[..2] {
        assert_eq!(net.import(0, commit), Ok(Admission::New));
    }
    let before = net.fingerprint(0);
    let third = net.import(0, &commits[2]).map_err(|r| r.code());
    assert_eq!(third, Err("slot-full"));
    assert_eq!(net.import(0, &commits[0]), Ok(Admission::Known));
    assert_eq!(net.fingerprint(0), before);
}

#[test]
fn a_genesis_with_a_weak_or_doubled_key_is_refused() {
    let weak = Genesis::builder("weak").member(weak_key(), Spore::Seed);
    assert_eq!(weak.build().unwrap_err().code(), "weak-key");
    let mut genesis = genesis(1);
    genesis.members[0].node = weak_key();
    let signer = std::sync::Arc::new(identity(0));
    let core = mycnet_consensus::core::Core::new(&genesis, signer);
    assert_eq!(core.unwrap_err().code(), "weak-key");
    let twice = Genesis::builder("twice")
        .member(node(0), Spore::Seed)
        .member(node(0), Spore::Latent);
    assert_eq!(twice.build().unwrap_err().code(), "malformed");
}

#[test]
fn a_banned_elector_keeps_the_vote_that_was_fixed_before() {
    let mut net = Net::new(&genesis(6), 6);
    net.down[5] = true;
    let first = net.propose(1, config(b"first"), Some(Ballot::Approve));
    let second = net.propose(1, config(b"second"), Some(Ballot::Approve));
    let vote = net.forge(5, commit_of(net.network_id(), first, 5, &Ballot::Approve));
    net.import(1, &vote).unwrap();
    net.approve(&[0, 2, 3, 4], first);
    for ballot in [Ballot::Approve, Ballot::Reject] {
        let commit = net.forge(5, commit_of(net.network_id(), second, 5, &ballot));
        net.import(1, &commit).unwrap();
    }
    let roster = net.state(1).roster();
    assert!(roster.get(&node(5)).unwrap().is_banned());
    assert_eq!(net.outcome(1, &first), APPROVED);
    assert_eq!(
        net.phase(1, &first),
        "decided",
        "the banned elector is waited for"
    );
    let reveal = net.forge(5, reveal_of(first, Ballot::Approve));
    assert_eq!(net.import(1, &reveal), Ok(Admission::New));
    assert_eq!(net.phase(1, &first), "closed");
}
