//! Commits what is asked and known, by itself, while a node runs.
//!
//! For each open claim set in which the node votes, the voter remembers which items the book has a result of. It looks up the items of a
//! set once, when the set is opened; after that only those of which a result came. A seal costs it nothing but the sets that the seal
//! opened.
//!
//! # When it commits
//!
//! - Once the book knows every item.
//! - Else at the latest safe moment, whatever is known by then. The library says until which seal time a commit is in time whatever
//!   others do (the end of the commit grace, or a quarter of it for a member that nobody waits for). The safe moment is earlier by a
//!   *margin*: two drifts, because a seal may be ahead of this node's clock by one and this clock behind by another, and a sixteenth
//!   of the grace, in which the commit travels. It is never more than half of the time that there is.
//! - After that, as long as the commits are not frozen, two seconds after the last result came: results come one request after the
//!   other, and the vote that a set takes is the only one.
//! - Never if nothing is known.
//!
//! # What a stop at any moment leaves
//!
//! The book notes what is about to be committed before the vote is signed. After a stop it is not known here whether that was done; the
//! engine knows, and is asked at the start. It refuses a second commit in any case.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use mycnet_builds::book::{Answer, Book, item_key};
use mycnet_consensus::core::{Event, SigningState};
use mycnet_consensus::engine::{Clock as _, EngineError, Notice, SystemClock};
use mycnet_consensus::node::Node;
use mycnet_consensus::{
    Applied, BFTConsensusEngine, Ballot, ClaimItem, ConsensusOperation, OperationId, Params,
    Statement,
};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{block_in_place, spawn_blocking};

use super::keeper::{Keeper, open_sets};
use crate::failure::Failure;

/// How long after the last result a set is committed late.
const QUIET_MS: u64 = 2000;

/// After this time a commit that was refused is tried again.
const RETRY_MS: u64 = 30_000;

/// What is told to the node's owner.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// The node committed to a set: of so many items it knew so many.
    Committed {
        operation: OperationId,
        subject: String,
        known: usize,
        items: usize,
    },
    /// The book cannot be read or written; nothing is committed until that is mended.
    Failed(Failure),
}

/// Votes and keeps the index up to date until the future is dropped. Ends only when the node has stopped.
pub(crate) async fn attend(node: &Node, keeper: &Arc<Keeper>, told: UnboundedSender<Told>) {
    tokio::join!(keep_index(node, keeper), vote(node, keeper, told));
}

/// Follows the ledger at each seal, so that a question finds the index up to date.
async fn keep_index(node: &Node, keeper: &Arc<Keeper>) {
    let mut events = node.engine().subscribe();
    loop {
        if keeper.has_index() || keeper.has_book().is_ok_and(|has_book| has_book) {
            let (keeper, node) = (keeper.clone(), node.clone());
            let followed = spawn_blocking(move || keeper.index(&node).map(drop)).await;
            if let Ok(Err(error)) = followed {
                tracing::warn!(%error, "the index of builds");
            }
        }
        loop {
            match events.next().await {
                Some(Notice::Event(Event::Sealed { .. }) | Notice::Lagged(_)) => break,
                Some(Notice::Event(_)) => {}
                None => return,
            }
        }
    }
}

/// Keeps the open sets, and commits those that are due.
async fn vote(node: &Node, keeper: &Arc<Keeper>, told: UnboundedSender<Told>) {
    let mut events = node.engine().subscribe();
    let mut news = keeper.news();
    let mut voter = Voter {
        engine: node.engine().clone(),
        keeper: keeper.clone(),
        told,
        open: BTreeMap::new(),
        asked: BTreeMap::new(),
        has_failed: false,
    };
    voter.settle();
    voter.look_at_all();
    loop {
        voter.commit_due().await;
        let wait = voter.next_due_ms().map(|due_ms| {
            let wait_ms = due_ms.saturating_sub(SystemClock.now_ms()).max(1);
            Duration::from_millis(wait_ms)
        });
        let due = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            notice = events.next() => match notice {
                Some(Notice::Event(Event::Sealed { applied, .. })) => voter.sealed(&applied),
                Some(Notice::Event(_)) => {}
                Some(Notice::Lagged(_)) => voter.look_at_all(),
                None => return,
            },
            items = news.recv() => match items {
                Ok(items) => voter.learned(&items),
                Err(RecvError::Lagged(_)) => voter.look_at_all(),
                Err(RecvError::Closed) => return,
            },
            () = due => {}
        }
    }
}

/// An open set in which this node votes and has not committed.
#[derive(Debug)]
struct Open {
    subject: String,
    items: Vec<ClaimItem>,
    known: Vec<bool>,
    known_count: usize,
    /// The safe moment.
    commit_at_ms: u64,
    /// When the last result came.
    news_ms: u64,
    /// It was refused, and is not tried before this.
    not_before_ms: u64,
}

impl Open {
    /// When it is to be committed; `None` as long as nothing is known.
    fn due_ms(&self) -> Option<u64> {
        let due_ms = match self.known_count {
            0 => return None,
            all if all == self.items.len() => 0,
            _ => self.commit_at_ms.max(self.news_ms + QUIET_MS),
        };
        Some(due_ms.max(self.not_before_ms))
    }

    fn set(&mut self, place: usize, is_known: bool) {
        let before = std::mem::replace(&mut self.known[place], is_known);
        self.known_count += usize::from(is_known);
        self.known_count -= usize::from(before);
    }
}

struct Voter {
    engine: BFTConsensusEngine,
    keeper: Arc<Keeper>,
    told: UnboundedSender<Told>,
    open: BTreeMap<OperationId, Open>,
    /// By what stands for a subject: the items about it in `open`.
    asked: BTreeMap<[u8; 16], Vec<(OperationId, usize)>>,
    /// The book could not be read, and that was told.
    has_failed: bool,
}

impl Voter {
    /// Tells a failure of the book once. What it concerns is tried again with the next news.
    fn unless_failed<T>(&mut self, done: Result<T, Failure>) -> Option<T> {
        match done {
            Ok(done) => {
                self.has_failed = false;
                Some(done)
            }
            Err(failure) => {
                if !std::mem::replace(&mut self.has_failed, true) {
                    // Nobody listens any more when the node stops.
                    let _ = self.told.send(Told::Failed(failure));
                }
                None
            }
        }
    }

    /// Whether there is a book. A node that has nothing to do with builds has none, and asks for nothing.
    fn has_book(&mut self) -> bool {
        let has_book = self.keeper.has_book();
        self.unless_failed(has_book).unwrap_or(false)
    }

    /// Finds out what became of the commits that were about to be made when the node stopped.
    fn settle(&mut self) {
        if !self.has_book() {
            return;
        }
        let pending = block_in_place(|| self.keeper.with_book(Book::pending));
        for operation in self.unless_failed(pending).unwrap_or_default() {
            let done = match self.has_committed(&operation) {
                Ok(true) => {
                    block_in_place(|| self.keeper.with_book(|book| book.confirm(operation)))
                }
                // It is still asked, and committed below.
                Ok(false) if self.engine.time_to_commit_ms(&operation).is_some() => Ok(()),
                Ok(false) => {
                    block_in_place(|| self.keeper.with_book(|book| book.release(operation)))
                }
                Err(error) => Err(error.into()),
            };
            self.unless_failed(done);
        }
    }

    /// Whether the node has signed a commit to an operation, open or closed.
    fn has_committed(&self, operation: &OperationId) -> Result<bool, EngineError> {
        if self.engine.own_ballot(operation).is_some() {
            return Ok(true);
        }
        let me = self.engine.node_id();
        let records = match self.engine.status(operation) {
            Some(_) => self.engine.records_about(operation)?,
            // Of a network that the node has left.
            None => Vec::new(),
        };
        let is_own = |statement: &Statement| matches!(statement, Statement::Commit { .. });
        let mut own = records.iter().filter(|record| record.author() == me);
        Ok(own.any(|record| is_own(record.statement())))
    }

    /// Looks at all open sets, as at the start: notices were missed.
    fn look_at_all(&mut self) {
        if !self.has_book() {
            return;
        }
        let open = open_sets(&self.engine);
        let Some(open) = self.unless_failed(open) else {
            return;
        };
        let gone = self.open.keys().filter(|known| !open.contains(known));
        for operation in gone.copied().collect::<Vec<_>>() {
            self.forget(&operation);
        }
        for operation in open {
            self.forget(&operation);
            self.consider(operation);
        }
    }

    /// A seal opened sets, or froze their commits.
    fn sealed(&mut self, applied: &Applied) {
        if !applied.opened.is_empty() && self.has_book() {
            for operation in &applied.opened {
                self.consider(*operation);
            }
        }
        let closed = applied.closed.iter().map(|closed| closed.id());
        for operation in applied.frozen.iter().copied().chain(closed) {
            self.forget(&operation);
        }
    }

    /// Takes up an operation, if it is a set to which this node can commit.
    fn consider(&mut self, operation: OperationId) {
        let Some(time_ms) = self.engine.time_to_commit_ms(&operation) else {
            return;
        };
        let proposal = self.engine.proposal(&operation).map_err(Failure::from);
        let proposal = self.unless_failed(proposal).flatten();
        let Some(ConsensusOperation::ClaimSet { subject, items, .. }) = proposal.map(|it| it.what)
        else {
            return;
        };
        let answers = block_in_place(|| self.keeper.with_book(|book| book.answers(&items)));
        let known = self.unless_failed(answers).unwrap_or_default();
        let mut open = Open {
            subject,
            known: vec![false; items.len()],
            known_count: 0,
            commit_at_ms: commit_at_ms(&self.engine, &time_ms),
            news_ms: 0,
            not_before_ms: 0,
            items,
        };
        for (place, answer) in known.iter().enumerate() {
            open.set(place, answer.is_some());
        }
        for (place, item) in open.items.iter().enumerate() {
            let asked = self.asked.entry(subject_of(item)).or_default();
            asked.push((operation, place));
        }
        self.open.insert(operation, open);
    }

    fn forget(&mut self, operation: &OperationId) {
        let Some(open) = self.open.remove(operation) else {
            return;
        };
        for item in &open.items {
            let subject = subject_of(item);
            if let Some(asked) = self.asked.get_mut(&subject) {
                asked.retain(|(of, _)| of != operation);
                if asked.is_empty() {
                    self.asked.remove(&subject);
                }
            }
        }
    }

    /// The book has new results of these items.
    fn learned(&mut self, items: &[ClaimItem]) {
        if self.has_failed || self.open.is_empty() {
            // The first results of this node, or the first after a failure: sets may be open that were passed over.
            self.look_at_all();
        }
        let mut touched: Vec<(OperationId, usize)> = Vec::new();
        for item in items {
            touched.extend(self.asked.get(&subject_of(item)).into_iter().flatten());
        }
        touched.sort_unstable();
        touched.dedup();
        let items = touched.iter().filter_map(|(operation, place)| {
            let open = self.open.get(operation)?;
            open.items.get(*place).cloned()
        });
        let items: Vec<ClaimItem> = items.collect();
        let answers = block_in_place(|| self.keeper.with_book(|book| book.answers(&items)));
        let answers = self.unless_failed(answers).unwrap_or_default();
        let now_ms = SystemClock.now_ms();
        for ((operation, place), answer) in touched.iter().zip(answers) {
            if let Some(open) = self.open.get_mut(operation) {
                open.set(*place, answer.is_some());
                open.news_ms = now_ms;
            }
        }
    }

    fn next_due_ms(&self) -> Option<u64> {
        self.open.values().filter_map(Open::due_ms).min()
    }

    /// Commits to all sets that are due.
    async fn commit_due(&mut self) {
        let now_ms = SystemClock.now_ms();
        let due = self.open.iter();
        let due = due.filter(|(_, open)| open.due_ms().is_some_and(|due_ms| due_ms <= now_ms));
        for operation in due.map(|(id, _)| *id).collect::<Vec<_>>() {
            let is_done = self.commit(operation, now_ms).await;
            if is_done {
                self.forget(&operation);
            } else if let Some(open) = self.open.get_mut(&operation) {
                open.not_before_ms = open.not_before_ms.max(now_ms + 1);
            }
        }
    }

    /// Commits to a set. Returns whether there is nothing more to do about it.
    async fn commit(&mut self, operation: OperationId, now_ms: u64) -> bool {
        let Some(time_ms) = self.engine.time_to_commit_ms(&operation) else {
            return true;
        };
        let is_ready = self.engine.seal_status().signing == SigningState::Ready.name();
        let commit_at_ms = commit_at_ms(&self.engine, &time_ms);
        let Some(open) = self.open.get_mut(&operation) else {
            return true;
        };
        // A record of this node that was sealed meanwhile gives it more time.
        open.commit_at_ms = commit_at_ms;
        if open.due_ms().is_none_or(|due_ms| due_ms > now_ms) {
            return false;
        }
        if !is_ready {
            open.not_before_ms = now_ms + RETRY_MS;
            return false;
        }
        let (subject, items) = (open.subject.clone(), open.items.clone());
        let noted = block_in_place(|| {
            self.keeper.with_book(|book| {
                let answers = book.answers(&items)?;
                book.note_commit(operation, &answers)?;
                Ok(answers)
            })
        });
        let Some(answers) = self.unless_failed(noted) else {
            self.put_off(&operation, now_ms);
            return false;
        };
        let result = |answer: &Option<Answer>| Some(answer.as_ref()?.result.to_vec());
        let results: Vec<_> = answers.iter().map(result).collect();
        let known = results.iter().flatten().count();
        let voted = self.engine.vote(operation, Ballot::Results(results)).await;
        let has_committed = match &voted {
            Ok(()) => true,
            // What became of it is found out at the next start.
            Err(EngineError::Stopped(_)) => return true,
            Err(_) => self.has_committed(&operation).unwrap_or(false),
        };
        let settled = block_in_place(|| {
            self.keeper.with_book(|book| {
                if has_committed {
                    book.confirm(operation)
                } else {
                    book.release(operation)
                }
            })
        });
        self.unless_failed(settled);
        if voted.is_err() && self.engine.time_to_commit_ms(&operation).is_none() {
            // The commits were frozen just before.
            return true;
        }
        if let Err(error) = voted {
            tracing::warn!(%operation, %error, "a commit to a claim set is refused");
            self.put_off(&operation, now_ms);
            return false;
        }
        let items = items.len();
        let _ = self.told.send(Told::Committed {
            operation,
            subject,
            known,
            items,
        });
        true
    }

    fn put_off(&mut self, operation: &OperationId, now_ms: u64) {
        if let Some(open) = self.open.get_mut(operation) {
            open.not_before_ms = now_ms + RETRY_MS;
        }
    }
}

/// The first half of what stands for an item: the same for all items of a subject.
fn subject_of(item: &ClaimItem) -> [u8; 16] {
    let key = item_key(item);
    *key.first_chunk().expect("it is longer")
}

/// The latest safe moment to commit, if a commit is in time at these seal times.
pub(super) fn commit_at_ms(engine: &BFTConsensusEngine, time_ms: &Range<u64>) -> u64 {
    safe_ms(time_ms, &engine.params())
}

fn safe_ms(time_ms: &Range<u64>, params: &Params) -> u64 {
    let margin_ms = 2 * params.drift_ms + params.claim_grace_ms / 16;
    let all_ms = time_ms.end.saturating_sub(time_ms.start);
    time_ms.end - margin_ms.min(all_ms / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_safe_moment_leaves_a_margin_before_the_grace_ends() {
        for (profile, params, expected_ms) in [
            ("default", Params::default(), 36_250),
            ("dev", Params::dev(), 1000),
            ("field", Params::field(), 2_175_000),
            ("builds", Params::builds(), 242_980_000),
        ] {
            let grace_ms = params.claim_grace_ms;
            let safe = safe_ms(&(7..7 + grace_ms), &params) - 7;
            assert_eq!(safe, expected_ms, "{profile}");
            // A member that nobody waits for has a quarter of the time.
            let safe = safe_ms(&(0..grace_ms / 4), &params);
            assert!(safe >= grace_ms / 8, "{profile}");
        }
    }

    fn open(items: usize) -> Open {
        let item = |n| ClaimItem {
            subject: format!("{n}"),
            input: Vec::new(),
        };
        Open {
            subject: "night".into(),
            items: (0..items).map(item).collect(),
            known: vec![false; items],
            known_count: 0,
            commit_at_ms: 100_000,
            news_ms: 0,
            not_before_ms: 0,
        }
    }

    #[test]
    fn a_set_is_due_when_all_is_known_or_at_the_safe_moment() {
        let mut set = open(2);
        assert_eq!(set.due_ms(), None);
        set.set(1, true);
        set.set(1, true);
        set.news_ms = 50_000;
        assert_eq!(set.due_ms(), Some(100_000));
        set.news_ms = 99_000;
        assert_eq!(set.due_ms(), Some(101_000), "more may follow");
        set.set(0, true);
        assert_eq!(set.due_ms(), Some(0));
        set.not_before_ms = 7;
        assert_eq!(set.due_ms(), Some(7));
        // Two results that differ answer an item without input no more.
        set.set(0, false);
        set.set(1, false);
        assert_eq!(set.due_ms(), None);
    }
}
