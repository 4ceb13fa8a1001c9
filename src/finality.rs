//! Agreement on one height's seal: Tendermint (arXiv 1807.04938), evaluated over the set of records held.
//!
//! [`Agreement`] is a state machine without clock, I/O or signatures. It takes the [`Verified`] proposals and votes of one
//! height in any order and tells what this node has to sign next. The rules stand in `agreement/rules.rs`, where comments such
//! as `L28` name lines of the paper's Algorithm 1. The lock of a node is `Agreement::locked`: [`Agreement::advance`] sets it
//! with the node's own precommit for a seal, and [`Agreement::recover`] restores it from the journal.
//!
//! The caller's loop:
//!
//! 1. after a start, give [`Agreement::recover`] the journal's own records of the height;
//! 2. [`Agreement::add`] every record that arrives, and call [`Agreement::advance`] afterwards;
//! 3. sign the [`Action`], journal the record durably, `add` it, send it, and `advance` again until there is none;
//! 4. when the host gives up waiting, call [`Agreement::nudge`], and when it lets this node lead, [`Agreement::lead`]; then
//!    as in 3;
//! 5. once [`Agreement::decided`] gives a seal, fetch it if [`Agreement::proposal`] lacks it, apply it, and make the agreement
//!    of the next height.
//!
//! # Where it differs from the paper
//!
//! - *Sets.* A quorum for a value is every author that signed it plus every author with two bodies in that slot. Such an author
//!   could have signed any value, and two replicas may hold different pairs of its bodies. So whether a seal is decided is a
//!   monotone function of the set, and safety is that of the paper: equivocators are Byzantine, and the paper's proof lets
//!   Byzantine nodes vote for everything.
//! - *Quorums of any round count.* The valid value (L42) is that of the highest round with a proof of lock in the set,
//!   seen while in that round or later.
//! - *Bodies.* A node learns a seal from a proposal of any round. A quorum of prevotes includes an honest author that had the
//!   proposal of that round.
//! - *Nudges* replace the timers (L21, L35, L48), with the paper's guards. A quorum of precommits for nil starts the next round
//!   without a nudge, because that round cannot decide any more.
//! - *Higher rounds* ([S8]). For these guards and for L55, who signed in a higher round counts in every lower one, for no value.
//!   If a guard is met only so, a nudge leads to a round in which one of those others signed.
//! - *Leading out of turn* ([S11]). A node may enter its own round without the rounds between, and join another's round whose
//!   proposal it would prevote. The paper allows a node to enter any higher round.
//! - *Silence after the decision.* A node that decided signs nothing more at that height; its certificate is what others need.
//!
//! # What is kept
//!
//! All answers are functions of the records kept, and these do not depend on the order of arrival: per slot the two bodies with
//! the smallest ids, and per author its four lowest rounds and the sixty highest ([S8]). Records in a quorum for a seal stay beyond
//! these limits, and so does a vote whose slot already holds another body of its author, as that is evidence ([S10]). If an author
//! signed in more rounds than the limit, its vote of a round between may be dropped before the rest of a quorum arrives;
//! [`Agreement::add_exempt`] admits it with the certificate. No decision is ever undone by this. (If the equivocators of one slot are a quorum
//! by themselves, every seal they voted for counts as decided, and the order of arrival determines which of them a node sees.
//! Nothing can be agreed on then.)

mod agreement;
mod blame;
mod certificate;
mod counts;
#[cfg(test)]
mod fixture;
mod votes;

pub use crate::members::sealers::Sealers;
pub use agreement::Agreement;
pub use blame::{Blame, blame};
pub use certificate::verify_certificate;

use crate::base::digest::SealId;
use crate::statement::record::{Seal, VoteKind};

#[cfg(doc)]
use crate::statement::record::Verified;

#[cfg(doc)]
use crate::protocol::Rule::*;

/// The ledger's answer about a proposed seal ([S6]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It applies, with the stated digests.
    Accept,
    /// It can never apply.
    Refuse,
    /// Records are missing: the next [`Agreement::advance`] asks again.
    Wait,
}

/// Answers an [`Agreement`]'s questions about proposed seals.
pub trait Judge {
    /// Whether this node accepts `proposal` in `round`. A `fresh` proposal comes without a valid proof of lock and must
    /// also obey the rules about time and censorship. The answer about other proposals depends neither on the clock nor on the
    /// round; unless it is [`Verdict::Wait`], it is remembered and not asked for again.
    fn judge(&mut self, proposal: &Seal, round: u32, fresh: bool) -> Verdict;

    /// Whether an accepted fresh proposal is worth leaving a round for ([S11]).
    fn is_worth_it(&mut self, proposal: &Seal) -> bool;
}

/// A statement that this node has to sign next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A `SealProposal` of this round (L19). A caller without anything to seal signs none and calls
    /// [`Agreement::defer_proposal`].
    Propose {
        /// The round.
        round: u32,
        /// The seal to propose again and the round of its proof of lock (L16); `None` asks for a new seal without proof of lock
        /// (L18).
        value: Option<(SealId, u32)>,
    },
    /// A `SealVote`.
    Vote {
        /// The round.
        round: u32,
        /// Prevote or precommit.
        kind: VoteKind,
        /// The seal, or nil.
        seal: Option<SealId>,
    },
}

/// A node's step in its round (L4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// It waits for an acceptable proposal.
    Propose,
    /// It has prevoted and waits for a quorum of prevotes.
    Prevote,
    /// It has precommitted and waits for a quorum of precommits.
    Precommit,
}

impl Step {
    /// The step that begins with a vote of this kind.
    fn after(kind: VoteKind) -> Self {
        match kind {
            VoteKind::Prevote => Self::Prevote,
            VoteKind::Precommit => Self::Precommit,
        }
    }
}
