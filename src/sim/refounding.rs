//! Founding the network anew in a schedule (F1 to F6): why and under which disorder people do it, and the watch over what their hosts
//! say meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use rand::RngExt as _;
use rand_chacha::ChaCha8Rng;

use crate::base::digest::{Digest, NetworkId, NodeId, RecordId};
use crate::core::Endorsed;
use crate::statement::genesis::Genesis;
use crate::statement::record::{Plan, Record, Statement};

/// Why people found the network anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// The chain forked.
    Fork,
    /// A third or more of the hosts are gone for ever.
    Gone,
    /// For a while, more than two thirds did what somebody else wanted.
    Captured,
}

/// A host that comes late to the founding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// It is switched off.
    Off,
    /// It is on, and cut off from all that come in time. After a fork, the twins of its side are with it.
    Apart,
}

/// What one host loses in the middle of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loss {
    /// Its journal.
    Journal,
    /// Everything on its disk.
    Disk,
}

/// What a host does wrong, so that a test sees that somebody notices. A core cannot help it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flaw {
    /// A host loses its journal, tells its core nothing, and endorses another plan.
    SilentLoss,
    /// A host does not keep that it left, and its person goes on in the old network.
    ForgetsLeaving,
    /// A host makes another genesis of the plan than it says.
    FoundsOtherwise,
}

/// How a network is founded anew in a schedule.
#[derive(Debug, Clone)]
pub struct Refounding {
    /// Why.
    pub cause: Cause,
    /// Whether people carry bundles, and no host can reach another one.
    pub by_bundle: bool,
    /// Percent of the messages that get lost at first.
    pub loss_percent: u32,
    /// Mean time between crashes at first; `None`: no crashes.
    pub crash_ms: Option<u64>,
    /// What one honest host loses.
    pub loses: Option<Loss>,
    /// Whether and how one honest host comes late.
    pub late: Option<Late>,
    /// What a host does wrong.
    pub flaw: Option<Flaw>,
}

impl Refounding {
    /// In a good network.
    #[must_use]
    pub fn quiet(cause: Cause) -> Self {
        Self {
            cause,
            by_bundle: false,
            loss_percent: 0,
            crash_ms: None,
            loses: None,
            late: None,
            flaw: None,
        }
    }

    /// With any disorder.
    #[must_use]
    pub fn random(rng: &mut ChaCha8Rng, cause: Cause) -> Self {
        Self {
            by_bundle: rng.random_ratio(1, 3),
            loss_percent: [0, 10, 40][rng.random_range(0..3)],
            crash_ms: [None, Some(300), Some(1200)][rng.random_range(0..3)],
            loses: [None, None, Some(Loss::Journal), Some(Loss::Disk)][rng.random_range(0..4)],
            late: [None, Some(Late::Off), Some(Late::Apart)][rng.random_range(0..3)],
            ..Self::quiet(cause)
        }
    }
}

/// The word that a person gives its host: a plan, or none any more, and whether it knows that this replaces another.
#[derive(Debug, Clone)]
pub(super) struct Word {
    pub(super) plan: Option<Plan>,
    pub(super) is_sure: bool,
}

/// An endorsement that a host journalled.
#[derive(Debug, Clone)]
struct Said {
    id: RecordId,
    attempt: u32,
    plan: Option<Digest>,
}

/// Watches the honest hosts: R-guard (nobody endorses two plans unawares, and who left a network says nothing more in it) and R-same
/// (one plan, one network).
#[derive(Debug, Default)]
pub(super) struct Guard {
    said: BTreeMap<NodeId, Vec<Said>>,
    lost: BTreeSet<NodeId>,
    left: BTreeMap<NodeId, NetworkId>,
    founded: BTreeMap<Digest, Genesis>,
    replaced: u64,
}

impl Guard {
    /// How often an endorsement replaced one of another plan.
    pub(super) fn replaced(&self) -> u64 {
        self.replaced
    }

    /// A host lost its journal, and its person knows.
    pub(super) fn lost(&mut self, node: NodeId) {
        self.lost.insert(node);
    }

    /// A host journals a record of its own, while its person gives this word, or none.
    pub(super) fn journalled(
        &mut self,
        record: &Record,
        word: Option<&Word>,
    ) -> Result<(), String> {
        let node = record.body.by;
        if let Some(network) = self.left.get(&node) {
            let kind = record.body.what.kind();
            return Err(format!("{node} signs a {kind}, and has left for {network}"));
        }
        let Statement::Refound { plan, attempt } = &record.body.what else {
            return Ok(());
        };
        let said = self.said.entry(node).or_default();
        let new = Said {
            id: record.body.id(),
            attempt: *attempt,
            plan: plan.as_ref().map(Plan::digest),
        };
        if said.iter().any(|earlier| earlier.id == new.id) {
            return Ok(());
        }
        let Some(word) = word.filter(|word| word.plan == *plan) else {
            return Err(format!("{node} endorses what its person did not ask for"));
        };
        let last = said.last();
        // The last one counts; but while the journal is lost, nobody can know which one that is.
        let has_lost = self.lost.contains(&node);
        let others = said
            .iter()
            .rev()
            .take(if has_lost { usize::MAX } else { 1 });
        let is_another = |earlier: &Said| {
            earlier.plan.is_some() && new.plan.is_some() && earlier.plan != new.plan
        };
        let replaces = others.into_iter().any(is_another);
        if replaces && !word.is_sure {
            return Err(format!(
                "{node} endorses two plans, and its person does not know it"
            ));
        }
        let is_higher = last.is_none_or(|last| last.attempt < new.attempt);
        if !is_higher && !has_lost {
            return Err(format!("{node} endorses twice in attempt {}", new.attempt));
        }
        self.replaced += u64::from(replaces);
        said.push(new);
        Ok(())
    }

    /// A host keeps that it left.
    pub(super) fn left(&mut self, node: NodeId, endorsed: &Endorsed) {
        let network = endorsed.founding.genesis().network_id();
        self.left.insert(node, network);
    }

    /// A host goes on in this network.
    pub(super) fn founded(&mut self, node: NodeId, endorsed: &Endorsed) -> Result<(), String> {
        let (plan, genesis) = (endorsed.founding.plan(), endorsed.founding.genesis());
        let first = self.founded.entry(plan).or_insert_with(|| genesis.clone());
        if first != genesis {
            return Err(format!("{node} makes another genesis of plan {plan}"));
        }
        Ok(())
    }
}
