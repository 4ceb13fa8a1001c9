//! Twins: two machines that run with one key.
//!
//! Each has a journal of its own, so each could sign in a slot that the other has signed, and the member would be banned. The
//! host finds out (`net/twins.rs`), and from then on this node signs nothing. That outlasts a restart: it is written before
//! anything else is done. It ends when the twin has been silent for [`TWIN_SILENCE_MS`] and a person says that this one of the
//! two lives. As the twin may have signed what this node does not know, its journal counts as lost then: it signs a `Rejoin`,
//! and takes part again above the seal that lists it.
//!
//! A peer's bare word that there may be a twin is no proof, but a reason to wait for a second ([`Core::hold`]): a copy that
//! was just started has signed nothing yet.

use super::{Answer, Core, Event, Output, Refusal, Signing, Write};
use crate::base::limits::TWIN_SILENCE_MS;

/// What is known of a twin.
#[derive(Debug, Default)]
pub(super) struct Twin {
    /// The host's time of its last answer; after a restart, that of the start. `None`: there is no twin, or this one lives.
    answered_ms: Option<u64>,
    /// Whether the disk says that there is a twin.
    is_noted: bool,
    /// Whether a peer asks, and no answer came yet.
    is_asked: bool,
}

impl Twin {
    /// After a start, as the disk says.
    pub(super) fn restored(is_noted: bool, now_ms: u64) -> Self {
        Self {
            answered_ms: is_noted.then_some(now_ms),
            is_noted,
            is_asked: false,
        }
    }
}

impl Core {
    /// Another machine has proved that it runs with this node's key.
    pub(super) fn meet_twin(&mut self) {
        let before = self.twin.answered_ms.replace(self.now_ms);
        if !self.twin.is_noted {
            self.twin.is_noted = true;
            self.out.push(Output::Persist(Write::Twin(true)));
        }
        if before.is_none() {
            self.event(Event::TwinMet);
        }
    }

    /// A person says that this one lives.
    pub(super) fn outlive_twin(&mut self) -> Result<Answer, Refusal> {
        let answered_ms = self.twin.answered_ms.ok_or(Refusal::NoTwin)?;
        let silent_ms = self.now_ms.saturating_sub(answered_ms);
        if silent_ms < TWIN_SILENCE_MS {
            return Err(Refusal::TwinAnswers(silent_ms));
        }
        if self.shown_by.is_empty() && self.other_members().next().is_some() {
            return Err(Refusal::NobodyMet);
        }
        self.twin.answered_ms = None;
        self.signing = Signing::Lost;
        self.shown_by.clear();
        self.event(Event::JournalLost);
        Ok(Answer::Done)
    }

    /// The `Rejoin` is journalled, which protects the slots from now on.
    pub(super) fn forget_twin(&mut self) {
        if std::mem::take(&mut self.twin.is_noted) {
            self.out.push(Output::Persist(Write::Twin(false)));
        }
    }

    /// Begins or ends a pause.
    pub(super) fn hold(&mut self, is_asked: bool) {
        self.twin.is_asked = is_asked;
        if !is_asked {
            self.keep_promises();
        }
    }

    pub(super) fn has_twin(&self) -> bool {
        self.twin.answered_ms.is_some()
    }

    /// Refuses as long as another machine may sign with the same key.
    pub(super) fn is_the_only_one(&self) -> Result<(), Refusal> {
        match (self.has_twin(), self.twin.is_asked) {
            (true, _) => Err(Refusal::Twin),
            (false, true) => Err(Refusal::OnHold),
            (false, false) => Ok(()),
        }
    }
}
