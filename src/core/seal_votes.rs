//! Admits proposals of seals and votes on them, and keeps the evidence that they give.

use super::{Admission, Core, Output, PeerId, Write};
use crate::base::rejection::Rejection;
use crate::statement::record::Verified;

impl Core {
    /// Admits a proposal or vote on a seal.
    pub(super) fn admit_vote(
        &mut self,
        from: Option<PeerId>,
        record: &Verified,
    ) -> Result<Admission, Rejection> {
        let height = record
            .statement()
            .slot()
            .and_then(|slot| slot.height())
            .unwrap_or(0);
        let at = self.ledger.state().height();
        if height > at + 1 {
            return Ok(Admission::Waiting(Rejection::UnknownSeal));
        }
        self.refuse_overfull(record);
        let is_listed = self.is_listed(&record.id());
        // Votes that the agreement asked for are exempt too, but are no evidence: in the pool they would stay for ever.
        let is_exempt = is_listed || self.exempt_votes.contains(&record.id());
        if is_listed {
            // A proposal lists it as evidence: the pool needs it, even if its slot in the agreement is full.
            self.keep(record.clone(), true);
        }
        let is_next = height == at + 1;
        let agreement = if is_next {
            &mut self.agreement
        } else {
            let index = self
                .recent_index(height)
                .ok_or(Rejection::StaleSeal { height, at })?;
            &mut self.recent[index].agreement
        };
        let added = if is_exempt {
            agreement.add_exempt(record.clone())?
        } else {
            agreement.add(record.clone())?
        };
        if !added {
            return Ok(Admission::Known);
        }
        let pair = agreement.equivocation(record);
        let dropped = agreement.take_dropped();
        self.notice_own(record, &[]);
        if is_next {
            if !self.journal.knows(&record.id()) {
                self.out.push(Output::Persist(Write::Vote(record.clone())));
            }
            self.forget(dropped);
            self.relay.push((from, record.clone()));
        }
        self.keep_evidence(pair, is_exempt);
        if !is_next {
            self.notice_forks();
        }
        Ok(Admission::New)
    }

    /// Pools two votes of one slot, to be sealed as evidence. `is_exempt` says that a proposal lists one of them.
    pub(super) fn keep_evidence(&mut self, pair: Option<(Verified, Verified)>, is_exempt: bool) {
        let Some((first, second)) = pair else { return };
        let is_member = self
            .ledger
            .state()
            .roster()
            .get(&first.author())
            .is_some_and(|member| !member.is_banned());
        // One pair is enough, as an author could make any number of them.
        if !is_member || (!is_exempt && self.pool.has_evidence(&first.author())) {
            return;
        }
        for record in [first, second] {
            if self.pool.get(&record.id()).is_none() {
                self.keep(record.clone(), is_exempt);
                // Votes of past heights are not relayed, so the others must be sent this proof.
                let height = record.statement().slot().and_then(|slot| slot.height());
                if height.is_some_and(|height| height <= self.ledger.state().height()) {
                    self.relay.push((None, record));
                }
            }
        }
    }
}
