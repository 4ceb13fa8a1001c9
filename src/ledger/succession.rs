//! Changes of keys: a member's line moves to the key that it names as successor ([K1], [K2]), and answers for all its keys
//! ([K3], [K4]).
//!
//! Who stole the author key cannot do that: the next key was never used and lies elsewhere. What the thief can do is to spend
//! what the key had left: before the `Succeed` is sealed, everything that the member could; after it, only reveal what the key
//! had committed to, and prove equivocations by it, which cost the member its standing once but never its place.

use super::State;
use super::work::{Succession, Work};
use crate::base::digest::{Digest, NodeId};
use crate::base::limits::FORMER_KEYS_MAX;
use crate::base::rejection::Rejection;
use crate::decision::open::Context;
use crate::members::trust::Participation;
use crate::statement::record::{Statement, Verified};

#[cfg(doc)]
use crate::protocol::Rule::*;

#[cfg(test)]
mod tests;

impl State {
    /// Checks a `Succeed` ([K2]): its author's key replaces that of the line that names it, which is not banned and has not changed
    /// its key within a commit window. The key was never a member's, or its old statements would become another member's.
    pub(super) fn judge_succeed(&self, record: &Verified, time_ms: u64) -> Result<(), Rejection> {
        let author = record.author();
        let Statement::Succeed { old, .. } = record.statement() else {
            unreachable!("only `Succeed`s are asked");
        };
        if self.roster.get(&author).is_some_and(|line| line.had(old)) {
            return Err(Rejection::AlreadySealed(record.id()));
        }
        let member = self.author(*old)?;
        let refused = |reason| Err(Rejection::NotASuccessor { author, reason });
        if member.successor != Some(Digest::of_successor(&author)) {
            return refused("the member names another successor, or none");
        }
        if self.roster.ever_had(&author) {
            return refused("it is or was a member's key");
        }
        if member.former.len() >= FORMER_KEYS_MAX {
            return Err(Rejection::OverLimit {
                what: "former keys of a member",
                limit: FORMER_KEYS_MAX,
            });
        }
        if self
            .sealable_from_ms(record)
            .is_some_and(|due_ms| time_ms < due_ms)
        {
            return Err(Rejection::TooSoon("a commit window"));
        }
        Ok(())
    }

    /// Whether a pair of votes proves something new about its author: it is not banned, and if the key was replaced, nothing
    /// of the kind was proved of it yet.
    pub(super) fn may_convict(&self, author: NodeId) -> Result<(), Rejection> {
        match self.author(author) {
            Err(Rejection::FormerKey(_)) => {
                let line = self.roster.line(&author);
                let mut former = line.into_iter().flat_map(|member| &member.former);
                let is_new = former.any(|it| it.node == author && !it.has_equivocated);
                is_new.then_some(()).ok_or(Rejection::FormerKey(author))
            }
            verdict => verdict.map(|_| ()),
        }
    }
}

/// Files a `Succeed`. A seal that lists two of a line, or of a key, is invalid: chance would choose between them.
pub(super) fn file(
    work: &mut Work<'_>,
    record: &Verified,
    context: &Context<'_>,
) -> Result<(), Rejection> {
    work.before.judge_statement(work.past, record, context)?;
    let Statement::Succeed { old, next } = record.statement() else {
        unreachable!("only `Succeed`s are filed here");
    };
    let (old, new, next) = (*old, record.author(), *next);
    let mut listed = work.successions.iter();
    if listed.any(|it| it.old == old || it.new == new) {
        return Err(Rejection::SlotFull(new));
    }
    work.successions.push(Succession { old, new, next });
    Ok(())
}

/// Charges proved equivocations ([K4]): each bans the member or, if the key was replaced before, costs it its standing, once for each
/// key.
pub(super) fn convict(work: &mut Work<'_>) {
    let authors: Vec<NodeId> = work.evidence.iter().map(|it| it.author).collect();
    for key in authors {
        let line = work.state.roster.line_mut(&key);
        let former =
            line.and_then(|(_, member)| member.former.iter_mut().find(|it| it.node == key));
        let event = match former {
            None => Participation::Equivocation,
            Some(former) if former.has_equivocated => continue,
            Some(former) => {
                former.has_equivocated = true;
                Participation::FormerKeyEquivocation
            }
        };
        work.note(key, event);
    }
}

/// Moves lines to their next keys. A line that this seal bans keeps its key: evidence comes first.
pub(super) fn succeed(work: &mut Work<'_>) {
    let time_ms = work.state.time_ms;
    for Succession { old, new, next } in std::mem::take(&mut work.successions) {
        let member = work.state.roster.get(&old);
        if member.is_some_and(|member| !member.is_banned()) {
            work.state.roster.succeed(old, new, next, time_ms);
            work.applied.successions.push((old, new));
        }
    }
}
