//! Agreement on one height's seal: Tendermint (arXiv 1807.04938) evaluated over the set of records held.
//!
//! [`Agreement`] is a state machine without clock, I/O or signatures of its own. It takes the [`Verified`] proposals and
//! votes of one height in any order and says what this node has to sign next. Comments such as `L28` name the lines of
//! the paper's Algorithm 1.
//!
//! The caller's loop:
//!
//! 1. after a start, give [`Agreement::recover`] the journal's own records of the height;
//! 2. [`Agreement::add`] whatever arrives, and call [`Agreement::advance`] afterwards;
//! 3. sign each [`Action`] in the order given, journal the record durably, `add` it, send it, and `advance` again until
//!    there are no actions;
//! 4. when the host gives up waiting, call [`Agreement::nudge`], then as in 3;
//! 5. once [`Agreement::decided`] answers, fetch the seal if [`Agreement::proposal`] lacks it, apply it, and make the
//!    agreement of the next height.
//!
//! # Where it differs from the paper
//!
//! - *Sets.* A quorum for a value is every author that signed it plus every author with two bodies in that slot: it could
//!   have signed any value, and no two replicas need hold the same two of its bodies. So whether a seal is decided is a
//!   monotone function of the set, and safety is the paper's: equivocators are Byzantine, and the proof lets the
//!   Byzantine vote for everything anyway.
//! - *Quorums of any round count.* The valid value (L42) is that of the highest round with a proof of lock in the set,
//!   seen while in that round or later.
//! - *Bodies.* A seal is known from a proposal of any round. A quorum of prevotes includes an honest author that had the
//!   round's own proposal.
//! - *Nudges* take the place of the timers (L21, L35, L48), with the paper's guards. A quorum of precommits for nil starts
//!   the next round without one, because nothing else can come of that round.
//! - *Silence after the decision.* Who decided says no more at that height; its certificate is what others need.
//!
//! # What is kept
//!
//! All answers are functions of the records kept, and these do not depend on the order of arrival: per slot the two bodies
//! with the smallest ids, and per author the [`crate::base::limits::VOTE_ROUNDS_MAX`] highest rounds. Records in a quorum for a
//! seal stay beyond these limits. An author that signed in more rounds than the limit may have its vote of a low round
//! dropped before the rest of a quorum arrives; such a quorum is learnt from whoever saw it complete, whose certificate or
//! proof of lock is admitted by [`Agreement::add_exempt`]. Nothing that was decided becomes undecided by this.
//! (If the equivocators of one slot are a quorum by themselves, every seal they name counts as decided, and which of them
//! are seen depends on what arrives. Nothing can be agreed on then.)

mod agreement;
mod blame;
mod certificate;
#[cfg(test)]
mod fixture;
mod weights;
mod votes;

pub use crate::members::sealers::Sealers;
pub use agreement::Agreement;
pub use blame::{Blame, blame};
pub use certificate::verify_certificate;

use crate::base::digest::SealId;
use crate::statement::record::{Seal, VoteKind};

#[cfg(doc)]
use crate::statement::record::Verified;

/// What the ledger says about a proposed seal (S6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It applies, with the digests that it states.
    Accept,
    /// It does not, whatever else arrives.
    Refuse,
    /// Records are missing: the question is asked again at the next [`Agreement::advance`].
    Wait,
}

/// Judges proposed seals for an [`Agreement`].
pub trait Judge {
    /// Whether this node finds `proposal` acceptable in `round`, its own. A `fresh` one comes without a valid proof of lock,
    /// and is subject to the rules about time and censorship as well; the answer about others depends on neither clock
    /// nor round, and unless it is [`Verdict::Wait`] it is remembered and not asked for again.
    fn judge(&mut self, proposal: &Seal, round: u32, fresh: bool) -> Verdict;
}

/// What this node has to sign next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A `SealProposal` of this round (L19). A caller that has nothing to seal signs none and calls
    /// [`Agreement::defer_proposal`].
    Propose {
        /// The round.
        round: u32,
        /// The seal to propose again and the round of its proof of lock (L16); `None`: a new seal, without proof of
        /// lock (L18).
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

/// How far a node is in its round (L4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    /// It waits for an acceptable proposal.
    Propose,
    /// It has prevoted and waits for a quorum of prevotes.
    Prevote,
    /// It has precommitted and waits for a quorum of precommits.
    Precommit,
}
