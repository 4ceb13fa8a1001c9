//! [`BFTConsensusEngine`]: the asynchronous handle that programs use.
//!
//! A handle is cheap to clone and speaks to one node. In memory, the nodes of a network live in one [`Hub`] and exchange the
//! same messages as over a network, whenever one of them is used. Nothing is spawned: futures that wait drive the hub
//! themselves, on any runtime. A program that does not wait calls [`BFTConsensusEngine::tick`] now and then, so that windows
//! end.

mod bundle;
pub(crate) mod host;
mod hub;
mod query;
mod refound;
mod subscription;
mod wait;

use std::sync::Arc;

pub use crate::members::roster::{Elector, MemberLine};
pub use bundle::{BundleError, BundleImport, BundleReader, BundleReport, ImportError, Refusals};
use host::Host;
pub use hub::{Clock, Hub, ManualClock, SystemClock};
pub use query::{MemberView, OperationFilter, OperationView, Proposal, Succession};
pub use refound::{Losses, PlanView, PlanWish, Planned, Refounding};
pub use subscription::{Notice, Subscription};

pub use crate::exchange::bundle::{End, Fault, Header, Part, Position};

use crate::base::digest::{Digest, NetworkId, NodeId, OperationId};
use crate::base::identity::{Identity, Signer};
use crate::base::rejection::Rejection;
use crate::core::{Admission, Answer, Core, Input, Refusal};
use crate::past::archive::{Archive, ArchiveError};
use crate::statement::genesis::Genesis;
use crate::statement::operation::{
    Ballot, BallotForm, Class, ConsensusOperation, Outcome, Priority, Spore,
};

#[cfg(doc)]
use crate::protocol::Rule::*;

/// Why the engine refused a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// This node refuses to sign the record, or the others would refuse it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// This node knows no such operation.
    #[error("operation {0} is not known to this node")]
    UnknownOperation(OperationId),
    /// A result for an operation that is not a claim.
    #[error("only a claim takes one result: propose a {0} with `propose_operation`")]
    NotAClaim(&'static str),
    /// Results for an operation that is not a claim set, or not of as many items.
    #[error("{count} results do not fit a {kind}: a claim set takes one for each of its items")]
    NotOfTheSet {
        /// The kind of the operation.
        kind: &'static str,
        /// The number of results.
        count: usize,
    },
    /// The platform gave no randomness.
    #[error("the platform gives no randomness: {0}")]
    NoRandomness(String),
    /// The archive cannot be read.
    #[error(transparent)]
    Archive(#[from] ArchiveError),
    /// The node has stopped.
    #[error("the node has stopped: {0}")]
    Stopped(String),
}

impl From<Rejection> for EngineError {
    fn from(rejection: Rejection) -> Self {
        Self::Refused(Refusal::Rejected(rejection))
    }
}

/// 32 bytes from the operating system.
pub(crate) fn random_bytes<const N: usize>() -> Result<[u8; N], EngineError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| EngineError::NoRandomness(error.to_string()))?;
    Ok(bytes)
}

/// A new key pair from the operating system's randomness.
///
/// # Errors
///
/// [`EngineError::NoRandomness`].
pub fn new_identity() -> Result<Identity, EngineError> {
    Ok(Identity::from_secret(&random_bytes()?))
}

/// The handle of one node: proposes, votes, and answers queries from the node's data.
///
/// ```
/// use mycnet_consensus::{BFTConsensusEngine, ConsensusOperation, Outcome, Ballot};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let node_id = mycnet_consensus::engine::new_identity()?;
/// let mut engine = BFTConsensusEngine::new(node_id); // in memory, a network of one
/// let operation = ConsensusOperation::NetworkConfiguration {
///     config_type: "motd".into(),
///     proposed_change: b"welcome".to_vec(),
/// };
/// let operation_id = engine.propose_operation(operation).await?;
/// let result = engine.execute_reveal_phase(operation_id).await?;
/// assert_eq!(result, Outcome::Decided(Ballot::Approve));
/// assert_eq!(engine.config().get("motd"), Some(&b"welcome".to_vec()));
/// # Ok(())
/// # }
/// # // No runtime is needed; a test's smallest executor will do.
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run()).unwrap();
/// ```
///
/// Several engines of one network are linked through their [`Hub`]:
///
/// ```
/// use std::sync::Arc;
/// use mycnet_consensus::{Ballot, BFTConsensusEngine, ClaimRule, ConsensusOperation, Genesis, Outcome, Signer, Spore};
/// use mycnet_consensus::engine::{Hub, new_identity};
///
/// # async fn run() -> Result<(), Box<dyn std::error::Error>> {
/// let (ada, bob, eve) = (new_identity()?, new_identity()?, new_identity()?);
/// let genesis = Genesis::builder("village")
///     .member(ada.node_id(), Spore::Primary)
///     .member(bob.node_id(), Spore::Seed)
///     .member(eve.node_id(), Spore::Latent)
///     .build()?;
/// let hub = Hub::new(genesis)?;
/// let (ada, bob, eve) = (hub.join(ada)?, hub.join(bob)?, hub.join(eve)?);
///
/// let claim = ConsensusOperation::Claim {
///     subject: "6 * 7".into(),
///     input: vec![],
///     panel: None,
///     rule: ClaimRule::MAJORITY,
/// };
/// let id = ada.propose_claim(claim, b"42".to_vec()).await?;
/// bob.vote(id, Ballot::Result(b"42".to_vec())).await?;
/// eve.vote(id, Ballot::Result(b"41".to_vec())).await?;
/// assert_eq!(bob.execute_reveal_phase(id).await?, Outcome::Decided(Ballot::Result(b"42".to_vec())));
/// assert!(eve.trust(&eve.node_id()) < bob.trust(&bob.node_id()));
/// # Ok(())
/// # }
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run()).unwrap();
/// ```
#[derive(Clone)]
pub struct BFTConsensusEngine {
    host: Arc<dyn Host>,
    node: NodeId,
}

impl std::fmt::Debug for BFTConsensusEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BFTConsensusEngine")
            .field("node", &self.node)
            .field("height", &self.height())
            .finish_non_exhaustive()
    }
}

impl BFTConsensusEngine {
    /// A network of one node, in memory, with default parameters and the system's clock.
    ///
    /// # Panics
    ///
    /// If the platform gives no randomness, or the signer's key is weak. [`Hub::new`] and [`Hub::join`] return errors instead.
    #[must_use]
    pub fn new(signer: impl Signer + 'static) -> Self {
        let nonce = random_bytes().expect("the platform gives randomness");
        let clock = SystemClock;
        let genesis = Genesis::builder("alone")
            .member(signer.node_id(), Spore::Primary)
            .nonce(nonce)
            .time_ms(clock.now_ms())
            .build()
            .expect("a network of one usable key is valid");
        Hub::new(genesis)
            .and_then(|hub| hub.join(signer))
            .expect("the only member of a valid genesis can join")
    }

    pub(crate) fn from_host(host: Arc<dyn Host>, node: NodeId) -> Self {
        Self { host, node }
    }

    /// The node's author key.
    pub fn node_id(&self) -> NodeId {
        self.node
    }

    /// The network.
    pub fn network_id(&self) -> NetworkId {
        self.host.genesis().network_id()
    }

    /// The genesis of the network.
    pub fn genesis(&self) -> &Genesis {
        self.host.genesis()
    }

    /// Gives access to the node and its past.
    fn look<T>(&self, read: impl FnOnce(&Core, &dyn Archive) -> T) -> T {
        let (mut read, mut seen) = (Some(read), None);
        self.host.look(&mut |core, archive| {
            seen = read.take().map(|read| read(core, archive));
        });
        seen.expect("a host shows its node once")
    }

    /// Gives access to the past, without stopping the node.
    fn archive<T>(&self, read: impl FnOnce(&dyn Archive) -> T) -> T {
        let (mut read, mut seen) = (Some(read), None);
        self.host.archive(&mut |archive| {
            seen = read.take().map(|read| read(archive));
        });
        seen.expect("a host shows its past once")
    }

    /// Proposes an operation and commits `Approve`. For a standard operation, the Primary's proposal carries its
    /// directive; the approval of others counts if the operation becomes a full BFT vote.
    ///
    /// # Errors
    ///
    /// [`EngineError::Refused`] with the reason. Then nothing is signed.
    pub async fn propose_operation(
        &self,
        operation: ConsensusOperation,
    ) -> Result<OperationId, EngineError> {
        let ballot = match operation.class() {
            Class::Claim => None,
            Class::Critical | Class::Standard => Some(Ballot::Approve),
        };
        self.propose_with(operation, Priority::Normal, ballot).await
    }

    /// Proposes a claim and commits the caller's own result, if the caller is an elector.
    ///
    /// # Errors
    ///
    /// [`EngineError::NotAClaim`], or [`EngineError::Refused`] with the reason.
    pub async fn propose_claim(
        &self,
        claim: ConsensusOperation,
        result: Vec<u8>,
    ) -> Result<OperationId, EngineError> {
        if claim.ballot_form() != BallotForm::Result {
            return Err(EngineError::NotAClaim(claim.kind()));
        }
        let ballot = Some(Ballot::Result(result));
        self.propose_with(claim, Priority::Normal, ballot).await
    }

    /// Proposes a claim set and commits the caller's own results, if the caller is an elector: one for each item, `None` for those that
    /// it does not know.
    ///
    /// # Errors
    ///
    /// [`EngineError::NotOfTheSet`], or [`EngineError::Refused`] with the reason.
    pub async fn propose_claim_set(
        &self,
        set: ConsensusOperation,
        results: Vec<Option<Vec<u8>>>,
    ) -> Result<OperationId, EngineError> {
        if set.ballot_form() != BallotForm::Results(results.len()) {
            return Err(EngineError::NotOfTheSet {
                kind: set.kind(),
                count: results.len(),
            });
        }
        let ballot = Some(Ballot::Results(results));
        self.propose_with(set, Priority::Normal, ballot).await
    }

    /// Proposes an operation with a priority (`High` is for the Primary and Seeds) and optionally the caller's ballot.
    ///
    /// # Errors
    ///
    /// [`EngineError::Refused`] with the reason.
    pub async fn propose_with(
        &self,
        operation: ConsensusOperation,
        priority: Priority,
        ballot: Option<Ballot>,
    ) -> Result<OperationId, EngineError> {
        let nonce = u64::from_le_bytes(random_bytes()?);
        let input = Input::Propose {
            operation,
            priority,
            ballot,
            nonce,
        };
        match self.host.input(input).await? {
            Answer::Proposed(id) => Ok(id),
            _ => unreachable!("a proposal is answered with its operation"),
        }
    }

    /// Votes: commits now, and reveals without a further call once the commit is frozen. On a standard operation the
    /// ballot counts if the operation becomes a full BFT vote.
    ///
    /// # Errors
    ///
    /// [`EngineError::Refused`]; [`Refusal::AlreadySigned`] if this node committed to another ballot.
    pub async fn vote(&self, operation: OperationId, ballot: Ballot) -> Result<(), EngineError> {
        let input = Input::Vote { operation, ballot };
        self.host.input(input).await.map(drop)
    }

    /// The Primary's decision on a standard operation.
    ///
    /// # Errors
    ///
    /// [`EngineError::Refused`] with the reason.
    pub async fn direct(&self, operation: OperationId, approve: bool) -> Result<(), EngineError> {
        let input = Input::Direct { operation, approve };
        self.host.input(input).await.map(drop)
    }

    /// A Seed's objection to a standard operation.
    ///
    /// # Errors
    ///
    /// [`EngineError::Refused`] with the reason.
    pub async fn object(
        &self,
        operation: OperationId,
        reason: impl Into<String>,
    ) -> Result<(), EngineError> {
        let reason = reason.into();
        let input = Input::Object { operation, reason };
        self.host.input(input).await.map(drop)
    }

    /// A Seed's vote on a standard operation with an objection.
    ///
    /// # Errors
    ///
    /// [`EngineError::Refused`] with the reason.
    pub async fn resolve(&self, operation: OperationId, approve: bool) -> Result<(), EngineError> {
        let input = Input::Resolve { operation, approve };
        self.host.input(input).await.map(drop)
    }

    /// Declares, after this node lost its journal, that the union of what all others hold is its journal. Where too few
    /// others can seal its `Rejoin`, nothing else ends its wait.
    ///
    /// # Errors
    ///
    /// [`Refusal::NotLost`]; [`Refusal::NotMet`] with the members that have not shown what they hold since this node's
    /// start; [`Refusal::JournalLost`] if it has not signed a `Rejoin` yet.
    pub async fn declare_journal(&self) -> Result<(), EngineError> {
        self.host.input(Input::DeclareJournal).await.map(drop)
    }

    /// Says that of two machines that run with this node's key this one lives. Its journal counts as lost afterwards, so
    /// it takes part again once its `Rejoin` is sealed, or after [`Self::declare_journal`].
    ///
    /// # Errors
    ///
    /// [`Refusal::NoTwin`]; [`Refusal::TwinAnswers`] if the other one was heard in the last minute, or this node runs for less
    /// than that; [`Refusal::NobodyMet`] if no other member could tell of it.
    pub async fn outlive_twin(&self) -> Result<(), EngineError> {
        self.host.input(Input::OutliveTwin).await.map(drop)
    }

    /// Signs that this node's key replaces that of the member which names it as successor. `next` is the digest of the key that
    /// may replace this one in turn ([`Digest::of_successor`]).
    ///
    /// # Errors
    ///
    /// [`Refusal::NoSuccessor`] if no member names this key.
    pub async fn succeed(&self, next: Option<Digest>) -> Result<(), EngineError> {
        self.host.input(Input::Succeed { next }).await.map(drop)
    }

    /// Waits for the freeze, reveals this node's ballot, and waits for the seal that makes the outcome final ([P6]). Returns the
    /// outcome, which may be `NoQuorum`. The operation closes, and its scores are settled, at that seal or a later one.
    /// Cancelling loses nothing: the reveal follows by itself once the commit is frozen.
    ///
    /// # Errors
    ///
    /// [`EngineError::UnknownOperation`], or [`EngineError::Stopped`] if the node stops before the outcome is final.
    pub async fn execute_reveal_phase(
        &self,
        operation: OperationId,
    ) -> Result<Outcome, EngineError> {
        self.wait_until_final(operation).await
    }

    /// Takes records from outside, each in canonical bytes. Returns the admission of each.
    ///
    /// # Errors
    ///
    /// [`EngineError::Stopped`] if the node has stopped.
    pub async fn import(
        &self,
        records: Vec<Vec<u8>>,
    ) -> Result<Vec<Result<Admission, Rejection>>, EngineError> {
        match self.host.input(Input::Import { records }).await? {
            Answer::Imported(results) => Ok(results),
            _ => unreachable!("an import is answered record by record"),
        }
    }

    /// All unsealed records of this node in canonical bytes, for a transport of the caller's own. Sealing them needs more,
    /// which a bundle contains ([`Self::export_bundle`]).
    pub fn export(&self) -> Vec<Vec<u8>> {
        self.look(|core, _| {
            let pool = core.pool().iter();
            pool.map(|pooled| pooled.record.encode()).collect()
        })
    }

    /// Ends windows and steps that are due, in a hub. A node with a disk and peers keeps time by itself.
    pub fn tick(&self) {
        self.host.tick();
    }

    /// Events from now on.
    pub fn subscribe(&self) -> Subscription {
        Subscription::new(self.host.events())
    }
}
