//! Comparing what two nodes hold: what it costs, that both end up with everything, whatever is lost, and that nothing a peer
//! says about it does harm. Rules: N3.

mod hostile;
mod windows;

use std::collections::{BTreeSet, VecDeque};
use std::sync::{Arc, LazyLock};

use mycnet_consensus::core::{Admission, Answer, Core, Event, Input, Output, PeerId};
use mycnet_consensus::internals::limits::OPEN_PROPOSALS_MAX;
use mycnet_consensus::internals::message::Message;
use mycnet_consensus::internals::record::{Statement, Verified, sign_batch};
use mycnet_consensus::{
    Ballot, ClaimRule, ConsensusOperation, Genesis, OperationId, Priority, RecordId, Spore,
};
use serde_bytes::ByteBuf;

use crate::net::{commit_of, identity, node};

const MEMBERS: usize = 120;

/// A network of many, of which the two nodes that are compared only read: so nothing is sealed.
static GENESIS: LazyLock<Genesis> = LazyLock::new(|| {
    (0..MEMBERS)
        .fold(Genesis::builder("many"), |builder, n| {
            builder.member(node(n), Spore::Latent)
        })
        .build()
        .unwrap()
});

/// 42 proposals of each member, and commits of each to 42 of them: 10,080 records, proposals first.
static RECORDS: LazyLock<Vec<Verified>> = LazyLock::new(|| {
    let proposals = propose(42, 0);
    let commits = (0..MEMBERS).flat_map(|n| {
        let operations = proposals.iter().cycle().skip(n * 41).take(42);
        let statements = operations.map(|proposal| {
            let id = OperationId::from(proposal.id());
            commit_of(GENESIS.network_id(), id, n, &Ballot::Approve)
        });
        sign_batch(&identity(n), GENESIS.network_id(), statements.collect()).unwrap()
    });
    let commits: Vec<Verified> = commits.collect();
    proposals.iter().cloned().chain(commits).collect()
});

/// Proposals of each member, with an input of `bytes` bytes.
fn propose(each: u64, bytes: usize) -> Vec<Verified> {
    assert!(each <= OPEN_PROPOSALS_MAX as u64);
    let last = Core::new(&GENESIS, Arc::new(identity(0))).unwrap();
    let last = last.ledger().state().seal();
    let all = (0..MEMBERS).flat_map(|n| {
        let statements = (0..each).map(|nonce| Statement::Propose {
            operation: ConsensusOperation::Claim {
                subject: "build".into(),
                input: vec![7; bytes],
                panel: None,
                rule: ClaimRule::MAJORITY,
            },
            priority: Priority::Normal,
            last,
            nonce,
        });
        sign_batch(&identity(n), GENESIS.network_id(), statements.collect()).unwrap()
    });
    all.collect()
}

/// A node that only reads and holds these records.
fn reader(n: usize, records: &[Verified]) -> Core {
    let mut core = Core::new(&GENESIS, Arc::new(identity(MEMBERS + n))).unwrap();
    import(&mut core, records);
    core
}

fn import(core: &mut Core, records: &[Verified]) {
    let records: Vec<Vec<u8>> = records.iter().map(Verified::encode).collect();
    let Ok(Answer::Imported(admissions)) = core.handle(Input::Import { records }, 0).answer else {
        panic!("an import is answered record by record");
    };
    assert!(admissions.iter().all(|it| *it == Ok(Admission::New)));
}

fn ids(core: &Core) -> BTreeSet<RecordId> {
    core.pool().iter().map(|held| held.record.id()).collect()
}

/// The bytes that records take in a message, and their number.
fn content(message: &Message) -> (usize, usize) {
    match message {
        Message::Records(records) => (
            records.iter().map(|record| record.len()).sum(),
            records.len(),
        ),
        _ => (0, 0),
    }
}

/// Two connected nodes, with a count of their messages.
struct Pair {
    cores: [Core; 2],
    now_ms: u64,
    queue: VecDeque<(usize, usize, Message)>,
    /// Messages that get lost, by number.
    lost: BTreeSet<usize>,
    is_doubled: bool,
    /// Messages, bytes and records said, and how many legs the longest chain of answers had.
    messages: usize,
    bytes: usize,
    record_bytes: usize,
    records: usize,
    legs: usize,
    largest: usize,
    refused: Vec<&'static str>,
}

impl Pair {
    fn new(left: &[Verified], right: &[Verified]) -> Self {
        let mut pair = Self {
            cores: [reader(0, &[]), reader(1, &[])],
            now_ms: 0,
            queue: VecDeque::new(),
            lost: BTreeSet::new(),
            is_doubled: false,
            messages: 0,
            bytes: 0,
            record_bytes: 0,
            records: 0,
            legs: 0,
            largest: 0,
            refused: Vec::new(),
        };
        for n in 0..2 {
            pair.input(n, Input::PeerUp(PeerId(1 - n as u64)), 0);
        }
        pair.pump();
        // Their records are not pushed: they got them while they were not connected.
        import(&mut pair.cores[0], left);
        import(&mut pair.cores[1], right);
        pair.reset();
        pair
    }

    fn reset(&mut self) {
        (self.messages, self.bytes, self.records, self.legs) = (0, 0, 0, 0);
        (self.record_bytes, self.largest) = (0, 0);
    }

    fn input(&mut self, n: usize, input: Input, leg: usize) {
        for output in self.cores[n].handle(input, self.now_ms).list {
            match output {
                Output::Send { to, message } => {
                    assert_eq!(to, PeerId(1 - n as u64));
                    let frame = message.encode();
                    let (bytes, records) = content(&message);
                    self.messages += 1;
                    self.bytes += frame.len();
                    self.record_bytes += bytes;
                    self.records += records;
                    self.legs = self.legs.max(leg + 1);
                    self.largest = self.largest.max(frame.len());
                    if self.lost.contains(&self.messages) {
                        continue;
                    }
                    let message = Message::decode(&frame).unwrap();
                    for _ in 0..=usize::from(self.is_doubled) {
                        self.queue.push_back((1 - n, leg + 1, message.clone()));
                    }
                }
                Output::Event(Event::Refused { rejection, .. }) => {
                    self.refused.push(rejection.code());
                }
                _ => {}
            }
        }
    }

    fn pump(&mut self) {
        while let Some((to, leg, message)) = self.queue.pop_front() {
            let from = PeerId(1 - to as u64);
            self.input(to, Input::Message { from, message }, leg);
        }
    }

    fn sync(&mut self, n: usize) {
        self.now_ms += 5000;
        self.input(n, Input::Sync(PeerId(1 - n as u64)), 0);
        self.pump();
    }

    /// Bytes in addition to the records.
    fn overhead(&self) -> usize {
        self.bytes - self.record_bytes
    }

    fn round_trips(&self) -> usize {
        self.legs.div_ceil(2)
    }

    fn assert_level(&self) {
        let (left, right) = (ids(&self.cores[0]), ids(&self.cores[1]));
        assert!(left == right, "{} and {}", left.len(), right.len());
        assert!(self.refused.is_empty(), "{:?}", self.refused);
    }

    fn report(&self, what: &str) {
        println!(
            "{what}: {} round trips, {} messages, {} bytes beside {} of {} records",
            self.round_trips(),
            self.messages,
            self.overhead(),
            self.record_bytes,
            self.records,
        );
    }
}

/// All records but ten, spread over all kinds and ids; `shift` says which.
fn all_but_ten(shift: usize) -> Vec<Verified> {
    let records = RECORDS.iter().enumerate();
    records
        // The last proposals have no commits here that would wait for them.
        .filter(|(n, _)| !(*n >= MEMBERS * 42 && n % 504 == shift))
        .map(|(_, record)| record.clone())
        .collect()
}

#[test]
fn ten_missing_among_ten_thousand_cost_little_and_none_next_to_nothing() {
    let (all, most) = (RECORDS.as_slice(), all_but_ten(7));
    assert!(all.len() > 10_000 && most.len() == all.len() - 10);
    let other = all_but_ten(300);
    for (what, left, right, missing) in [
        ("ten missing at the one that asks", most.as_slice(), all, 10),
        ("ten missing at the other", all, &most, 10),
        ("ten missing at each", &most, &other, 20),
    ] {
        let mut pair = Pair::new(left, right);
        pair.sync(0);
        pair.report(what);
        pair.assert_level();
        assert_eq!(pair.records, missing, "{what}");
        assert!(pair.round_trips() <= 4, "{what}");
        assert!(pair.overhead() <= 16 * 1024, "{what}");
        pair.reset();
        pair.sync(1);
        pair.report("none missing");
        assert!(pair.bytes <= 1024 && pair.round_trips() == 1);
    }
}

#[test]
fn sets_that_differ_wholly_become_one() {
    let proposals = &RECORDS[..MEMBERS * 42];
    let (left, right) = proposals.split_at(proposals.len() / 2);
    for (what, left, right) in [
        ("wholly different", left, right),
        ("all of ten thousand missing here", &[], RECORDS.as_slice()),
        ("all of ten thousand missing there", RECORDS.as_slice(), &[]),
    ] {
        let mut pair = Pair::new(left, right);
        pair.sync(0);
        pair.report(what);
        pair.assert_level();
        let missing = RECORDS.len().min(left.len() + right.len());
        assert_eq!(pair.records, missing, "{what}: each record is sent once");
        // A third of what the records take, at most.
        assert!(pair.overhead() < pair.record_bytes / 3, "{what}");
    }
}

/// Both begin at once: comparing once is enough.
#[test]
fn two_that_begin_at_once_send_each_record_once() {
    let records = &RECORDS[..600];
    let mut pair = Pair::new(&records[..400], &records[200..]);
    for n in 0..2 {
        pair.input(n, Input::Sync(PeerId(1 - n as u64)), 0);
    }
    pair.pump();
    pair.report("both at once");
    pair.assert_level();
    assert_eq!(pair.records, 400);
}

/// Whichever message is lost, also an opening that took precedence: two comparisons later all is well.
#[test]
fn a_lost_message_costs_no_more_than_the_next_comparison() {
    let records = &RECORDS[..300];
    for lost in 1..12 {
        let mut pair = Pair::new(&records[..200], &records[100..]);
        pair.lost.insert(lost);
        for n in 0..2 {
            pair.input(n, Input::Sync(PeerId(1 - n as u64)), 0);
        }
        pair.pump();
        pair.lost.clear();
        // Only one of both ever begins again.
        pair.sync(1);
        pair.sync(1);
        pair.assert_level();
    }
}

#[test]
fn doubled_messages_do_not_breed() {
    let records = &RECORDS[..300];
    let mut pair = Pair::new(&records[..200], &records[100..]);
    pair.sync(0);
    let once = pair.messages;
    let mut pair = Pair::new(&records[..200], &records[100..]);
    pair.is_doubled = true;
    pair.sync(0);
    pair.assert_level();
    assert!(pair.messages <= 3 * once, "{} for {once}", pair.messages);
}

/// Bytes of one message that asks for these.
fn want(core: &mut Core, ids: Vec<RecordId>) -> Vec<Output> {
    let (from, message) = (PeerId(0), Message::Want(ids));
    core.handle(Input::Message { from, message }, 0).list
}

fn reconcile(height: u64, core: &Core, round: u32, ranges: Vec<u8>) -> Message {
    Message::Reconcile {
        height,
        seal: core.ledger().state().seal(),
        session: 1,
        round,
        ranges: ByteBuf::from(ranges),
    }
}
