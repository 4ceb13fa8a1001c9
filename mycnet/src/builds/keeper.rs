//! A node's book and index, for as long as the node lives.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use mycnet_builds::book::{Answer, Book, BookError, Entry, Index, Refused, Taken, item_key};
use mycnet_consensus::core::Refusal;
use mycnet_consensus::engine::{Clock as _, EngineError, OperationFilter, SystemClock};
use mycnet_consensus::node::Node;
use mycnet_consensus::{
    BFTConsensusEngine, ClaimItem, ConsensusOperation, Digest, OperationId, Priority, Rejection,
};
use serde_json::Value;
use tokio::sync::{Mutex as AsyncMutex, broadcast};

use super::ask::{Ask, OpenSet, Overview, Proposed, SetItem, SetItems, Submitted, findings};
use super::check::damaged_book;
use super::find::Finder;
use super::said::said;
use super::voter::commit_at_ms;
use super::{index, report};
use crate::failure::Failure;
use crate::home::Home;

/// Submissions that the voter may be behind: it then looks at everything again.
const NEWS_MAX: usize = 64;

/// Opens the book and the index when they are needed first, and answers what a node is asked about builds.
#[derive(Debug)]
pub(crate) struct Keeper {
    directory: PathBuf,
    /// The `--dir` option, for messages.
    option: String,
    is_past: bool,
    book: Mutex<Option<Arc<Book>>>,
    index: Mutex<Option<Arc<Index>>>,
    /// Held from the look at what was asked until the proposal is made.
    asking: AsyncMutex<()>,
    /// Items of which the book has a new result.
    news: broadcast::Sender<Arc<[ClaimItem]>>,
}

impl Keeper {
    pub(crate) fn new(home: &Home) -> Self {
        Self {
            directory: home.path().to_path_buf(),
            option: home.option(),
            is_past: home.is_past(),
            book: Mutex::default(),
            index: Mutex::default(),
            asking: AsyncMutex::default(),
            news: broadcast::channel(NEWS_MAX).0,
        }
    }

    /// Whether somebody has asked this node about builds. If not, it keeps no index.
    pub(super) fn has_index(&self) -> bool {
        Index::file(&self.directory).exists()
    }

    /// Whether somebody has given this node results.
    pub(super) fn has_book(&self) -> Result<bool, Failure> {
        let exists = Book::exists(&self.directory);
        exists.map_err(|error| self.failure(&error))
    }

    pub(super) fn news(&self) -> broadcast::Receiver<Arc<[ClaimItem]>> {
        self.news.subscribe()
    }

    /// Does something with the book, which is made if there is none.
    pub(super) fn with_book<T>(
        &self,
        act: impl FnOnce(&Book) -> Result<T, BookError>,
    ) -> Result<T, Failure> {
        let book = {
            let mut kept = lock(&self.book);
            if let Some(book) = &*kept {
                book.clone()
            } else {
                let opened = Book::open(&self.directory);
                let opened = opened.map_err(|error| self.failure(&error))?;
                kept.insert(Arc::new(opened)).clone()
            }
        };
        act(&book).map_err(|error| {
            if matches!(error, BookError::Disk { .. }) {
                // redb refuses everything after an error of the disk, until it is opened again.
                *lock(&self.book) = None;
            }
            self.failure(&error)
        })
    }

    /// The index, as far as the node's ledger goes.
    pub(super) fn index(&self, node: &Node) -> Result<Arc<Index>, Failure> {
        // Held while it follows: two at once would do the work twice.
        let mut kept = lock(&self.index);
        let index = if let Some(index) = &*kept {
            index.clone()
        } else {
            let opened = Index::open(&self.directory, node.engine().network_id());
            let opened = opened.map_err(|error| self.failure(&error))?;
            kept.insert(Arc::new(opened)).clone()
        };
        match index.follow(|height| node.store().records_at(height)) {
            Ok(_) => Ok(index),
            Err(error) => {
                // It is opened again, and made anew if it is damaged.
                *kept = None;
                Err(self.failure(&error))
            }
        }
    }

    pub(super) fn failure(&self, error: &BookError) -> Failure {
        match error {
            error if error.is_damage() => {
                Failure::bad_data(damaged_book(&error.to_string(), &self.option))
            }
            error => Failure::failed(error),
        }
    }

    /// Answers a question about builds.
    pub(crate) async fn answer(self: Arc<Self>, node: &Node, ask: Ask) -> Result<Value, Failure> {
        let is_order = matches!(ask, Ask::Submit { .. } | Ask::Propose { .. });
        if self.is_past && is_order {
            return Err(Failure::usage(
                "this node has left the network that --past names: leave the option out",
            ));
        }
        if let Ask::Propose {
            subject,
            items,
            panel,
            rule,
        } = ask
        {
            let set = ConsensusOperation::ClaimSet {
                subject,
                items,
                panel,
                rule,
            };
            return to_value(self.propose(node, set).await?);
        }
        // The disk takes its time, and must not block the answers to others.
        let (keeper, node) = (self.clone(), node.clone());
        let answered = tokio::task::spawn_blocking(move || match ask {
            Ask::Submit {
                findings: told,
                originals,
                replace,
            } => {
                let findings = findings(told, &originals)?;
                let done = keeper.with_book(|book| book.submit(&findings, replace))?;
                // Without a running node nobody listens.
                let _ = keeper.news.send(done.news.into());
                to_value(submitted(&done.taken))
            }
            Ask::Asked { items } => to_value(keeper.asked(&node, &items)?),
            Ask::Status => to_value(keeper.overview(&node)?),
            Ask::Set { operation } => to_value(keeper.items(&node, operation)?),
            Ask::Said(about) => to_value(said(&keeper, &node, &about)?),
            Ask::Original { item, result } => {
                let original = keeper.original(&item, result.as_bytes())?;
                to_value(original.map(hex::encode))
            }
            Ask::Find { questions } => {
                let index = keeper.index(&node)?;
                let mut finder = Finder::new(&node, &index);
                let found = questions.iter().map(|question| finder.find(question));
                to_value(found.collect::<Result<Vec<_>, Failure>>()?)
            }
            Ask::Report { since } => to_value(report::report(&node, since)?),
            Ask::Index { file, since } => to_value(index::write(&node, &file, since)?),
            Ask::Propose { .. } => unreachable!("it is answered before"),
        });
        let answered = answered.await;
        answered.unwrap_or_else(|error| Err(Failure::failed(error)))
    }

    /// The signed original of a result in the book, if there is one.
    fn original(&self, item: &ClaimItem, result: &[u8; 32]) -> Result<Option<Arc<[u8]>>, Failure> {
        if !self.has_book()? {
            return Ok(None);
        }
        self.with_book(|book| {
            // An item without input is answered by a result of any.
            let fits = |entry: &Entry| {
                let input = &entry.item.input;
                entry.result == *result && (item.input.is_empty() || *input == item.input)
            };
            let entries = book.entries(&item.subject)?.into_iter();
            let mut hashes = entries.filter(fits).filter_map(|entry| entry.original);
            hashes.next().map_or(Ok(None), |hash| book.original(&hash))
        })
    }

    /// Which of these items a set has asked, sealed or not.
    fn asked(&self, node: &Node, items: &[ClaimItem]) -> Result<Vec<bool>, Failure> {
        // First what is not sealed: if it is sealed meanwhile, the index has it.
        let unsealed = unsealed_items(node.engine())?;
        let index = self.index(node)?;
        let asked = items.iter().map(|item| {
            let is_unsealed = unsealed.binary_search(&item_key(item)).is_ok();
            let asks = index.asks(item).map_err(|error| self.failure(&error))?;
            Ok(is_unsealed || asks.is_some())
        });
        asked.collect()
    }

    /// Proposes a set, unless one of its items was asked: nobody asks twice, also if two people plan at once.
    async fn propose(
        self: &Arc<Self>,
        node: &Node,
        set: ConsensusOperation,
    ) -> Result<Proposed, Failure> {
        let engine = node.engine();
        set.check().map_err(EngineError::from)?;
        let _asking = self.asking.lock().await;
        let (keeper, looked, asked_of) = (self.clone(), node.clone(), set.clone());
        let asked = tokio::task::spawn_blocking(move || match &asked_of {
            ConsensusOperation::ClaimSet { items, .. } => keeper.asked(&looked, items),
            _ => unreachable!("a plan proposes sets"),
        });
        let asked = asked.await.map_err(Failure::failed)??;
        if asked.contains(&true) {
            return Err(Failure::failed(
                "an item of the set was asked meanwhile: plan again, and what is left is asked",
            ));
        }
        match engine.propose_with(set, Priority::Normal, None).await {
            Ok(operation) => Ok(Proposed::Operation(operation)),
            Err(EngineError::Refused(Refusal::Rejected(Rejection::OverCap { limit, .. }))) => {
                Ok(Proposed::Full { open: limit })
            }
            Err(error) => Err(error.into()),
        }
    }

    fn overview(&self, node: &Node) -> Result<Overview, Failure> {
        let engine = node.engine();
        let mut open = Vec::new();
        let (waiting, committed) = if self.has_book()? {
            self.with_book(Book::counts)?
        } else {
            (0, 0)
        };
        for operation in open_sets(engine)? {
            open.extend(self.open_set(engine, operation)?);
        }
        Ok(Overview {
            waiting,
            committed,
            now_ms: SystemClock.now_ms(),
            open,
        })
    }

    /// What the book has for these items.
    fn answers(&self, items: &[ClaimItem]) -> Result<Vec<Option<Answer>>, Failure> {
        if !self.has_book()? {
            return Ok(vec![None; items.len()]);
        }
        self.with_book(|book| book.answers(items))
    }

    /// What a set asks, and what the book has of it.
    fn items(&self, node: &Node, operation: OperationId) -> Result<SetItems, Failure> {
        let proposal = node.engine().proposal(&operation)?;
        let proposal = proposal.ok_or(EngineError::UnknownOperation(operation))?;
        let ConsensusOperation::ClaimSet { subject, items, .. } = proposal.what else {
            let what = format!("operation {operation} is no claim set");
            return Err(Failure::usage(what));
        };
        let answers = self.answers(&items)?;
        let items = items.into_iter().zip(answers);
        let items = items.map(|(item, answer)| SetItem {
            subject: item.subject,
            input: hex::encode(item.input),
            result: answer.map(|answer| Digest::from_bytes(answer.result)),
        });
        Ok(SetItems {
            operation,
            subject,
            items: items.collect(),
        })
    }

    /// An open set; `None` if this node does not vote in it, or it was closed meanwhile.
    fn open_set(
        &self,
        engine: &BFTConsensusEngine,
        operation: OperationId,
    ) -> Result<Option<OpenSet>, Failure> {
        let time_ms = engine.time_to_commit_ms(&operation);
        let is_committed = engine.own_ballot(&operation).is_some();
        let (Some(status), Some(proposal)) =
            (engine.status(&operation), engine.proposal(&operation)?)
        else {
            return Ok(None);
        };
        let me = engine.node_id();
        let electors = engine.electors(&operation)?.unwrap_or_default();
        let is_elector = electors.iter().any(|elector| elector.node == me);
        let ConsensusOperation::ClaimSet { subject, items, .. } = proposal.what else {
            return Ok(None);
        };
        if !is_elector && !is_committed && time_ms.is_none() {
            return Ok(None);
        }
        let answers = self.answers(&items)?;
        Ok(Some(OpenSet {
            operation,
            subject,
            phase: status.phase.to_owned(),
            items: items.len(),
            known: answers.iter().flatten().count(),
            is_committed,
            commit_ms: time_ms.map(|time_ms| commit_at_ms(engine, &time_ms)),
        }))
    }
}

/// The open claim sets.
pub(super) fn open_sets(engine: &BFTConsensusEngine) -> Result<Vec<OperationId>, Failure> {
    let open = engine.operations(&OperationFilter {
        is_open: Some(true),
        kind: Some("claim_set".to_owned()),
        ..OperationFilter::default()
    })?;
    Ok(open.into_iter().map(|view| view.operation).collect())
}

/// What stands for the items of proposals that no seal lists yet, sorted.
fn unsealed_items(engine: &BFTConsensusEngine) -> Result<Vec<[u8; 32]>, Failure> {
    let mut keys = Vec::new();
    for operation in engine.unsealed_proposals() {
        let what = engine.proposal(&operation)?.map(|proposal| proposal.what);
        if let Some(ConsensusOperation::ClaimSet { items, .. }) = what {
            keys.extend(items.iter().map(item_key));
        }
    }
    keys.sort_unstable();
    Ok(keys)
}

fn submitted(taken: &[Taken]) -> Submitted {
    let mut done = Submitted::default();
    for (place, taken) in taken.iter().enumerate() {
        match taken {
            Taken::New => done.new += 1,
            Taken::Known => done.known += 1,
            Taken::Replaced => done.replaced += 1,
            Taken::Refused(why) => done.refused.push((place, Refused::to_string(why))),
        }
    }
    done
}

fn to_value(answer: impl serde::Serialize) -> Result<Value, Failure> {
    serde_json::to_value(answer).map_err(Failure::failed)
}

/// Each change under the lock is a single step, so a panicked thread cannot have left a half change.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
