//! Applies the next seal, decided here or elsewhere, and updates the records held.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::seal_judge::is_list_of;
use super::{Core, Decided, Event, Output, Signing, Write};
use crate::base::digest::{NodeId, RecordId, SealId};
use crate::base::limits::EVIDENCE_HEIGHTS;
use crate::base::rejection::Rejection;
use crate::core::orphans::Awaits;
use crate::finality::{Agreement, verify_certificate};
use crate::ledger::{Applied, Draft};
use crate::statement::record::{Signed, Statement, Verified};
use crate::statement::seal::{SealCertificate, SealedBlock, SignedBlock};

impl Core {
    /// Applies a block from a peer, a bundle or this node's own store.
    ///
    /// # Errors
    ///
    /// [`Rejection`] if it does not follow the last seal, a record or the certificate does not verify, or the records do not
    /// give the stated digests.
    pub(super) fn apply_block(
        &mut self,
        block: SignedBlock,
        is_own: bool,
    ) -> Result<(), Rejection> {
        let at = self.ledger.state().height();
        let SignedBlock {
            seal,
            certificate,
            records: signed,
        } = block;
        if seal.height <= at {
            return self.compare_past(&seal, &certificate);
        }
        if seal.height > at + 1 {
            return Err(Rejection::UnknownSeal);
        }
        // Before the signatures, because it is cheap.
        let ids: Vec<RecordId> = signed.iter().map(Signed::id).collect();
        if !is_list_of(&ids, &seal) {
            return Err(Rejection::ImpossibleSeal("its list is not the stated one"));
        }
        let votes = if is_own {
            trusted(certificate.votes.iter().cloned().map(Signed::try_from))?
        } else {
            let sealers = self.agreement.sealers();
            verify_certificate(&certificate, &seal, sealers, &mut self.verifier)?
        };
        let records: Vec<Verified> = if is_own {
            trusted(signed.into_iter().map(Ok))?
        } else {
            self.verifier.verify_until_bad(signed)?
        };
        let draft = self.ledger.check(&seal, records)?;
        if !is_own {
            for record in votes.iter().chain(&draft.records) {
                self.notice_own(record, &draft.records);
            }
        }
        // Kept with the height: if another seal of that height ever appears, these votes tell which nodes signed both. Other
        // votes of these slots may be here already (S10).
        let mut pairs = Vec::new();
        for vote in votes {
            self.agreement.add_exempt(vote.clone())?;
            pairs.extend(self.agreement.equivocation(&vote));
        }
        self.commit(draft, certificate, is_own);
        for pair in pairs {
            self.keep_evidence(Some(pair), false);
        }
        Ok(())
    }

    /// Moves to the next height.
    pub(super) fn commit(
        &mut self,
        draft: Draft,
        certificate: SealCertificate,
        is_restoring: bool,
    ) {
        let seal = draft.seal.clone();
        let records = draft.records.clone();
        let applied = Arc::new(self.ledger.commit(draft));
        if !is_restoring {
            let block = Arc::new(SealedBlock {
                seal: seal.clone(),
                certificate,
                records: records
                    .iter()
                    .map(|record| record.record().clone())
                    .collect(),
            });
            let applied = applied.clone();
            self.out
                .push(Output::Persist(Write::Block { block, applied }));
        }
        self.next_agreement(seal.id());
        self.last_sealed = records.iter().map(Verified::id).collect();
        for id in &self.last_sealed {
            self.pool.remove(id);
            self.relaying.arrived(id);
        }
        let was_ready = matches!(self.signing, Signing::Above(_));
        self.learn(&applied, &records);
        self.event(Event::Sealed {
            height: seal.height,
            seal: seal.id(),
            applied: applied.clone(),
        });
        self.review(&applied);
        if !is_restoring {
            self.follow_up(&applied);
            self.drop_settled_offers();
            if !was_ready {
                // The commits that were frozen in the meantime are revealed at once (C3).
                self.keep_promises();
            }
        }
    }

    fn next_agreement(&mut self, seal: SealId) {
        let height = self.ledger.state().height() + 1;
        let sealers = self.ledger.state().sealers().clone();
        self.verifier.set_sealers(sealers.iter());
        let next = Agreement::new(height, sealers, Some(self.me));
        let agreement = std::mem::replace(&mut self.agreement, next);
        self.pace.sealed(self.now_ms, agreement.round() == 0);
        self.recent.push_back(Decided {
            seal,
            agreement,
            reported: false,
        });
        if self.recent.len() as u64 > EVIDENCE_HEIGHTS {
            self.recent.pop_front();
        }
        self.recover_agreement();
        self.waits_since_ms = None;
        self.lists = BTreeMap::new();
        self.saved_lists = BTreeSet::new();
        self.drafts = BTreeMap::new();
        self.refused = BTreeSet::new();
        self.exempt_votes = BTreeSet::new();
        let oldest = height.saturating_sub(EVIDENCE_HEIGHTS);
        let forgotten = self.journal.forget_below(oldest);
        self.unjournal(forgotten);
    }

    /// Takes up the journal's records of the current height; needed after a start, harmless otherwise.
    pub(super) fn recover_agreement(&mut self) {
        let own = self.journal.of_height(self.agreement.height());
        if !own.is_empty() {
            self.agreement.recover(&own);
        }
        self.enter_free_round();
    }

    fn unjournal(&mut self, ids: Vec<RecordId>) {
        if !ids.is_empty() {
            self.out.push(Output::Persist(Write::Unjournal(ids)));
        }
    }

    /// Learns new authors, and this node's return after a lost journal; drops votes that can no longer be evidence.
    fn learn(&mut self, applied: &Applied, records: &[Verified]) {
        for change in &applied.members {
            if !self.verifier.knows(&change.node) {
                // An admitted key was checked with its consent.
                let _ = self.verifier.add_author(change.node);
            }
        }
        if !applied.members.is_empty() {
            let successors = self.ledger.state().roster().successors();
            self.verifier.set_successors(successors);
        }
        self.drop_spent_votes();
        let own_rejoin = records.iter().any(|record| {
            record.author() == self.me && matches!(record.statement(), Statement::Rejoin { .. })
        });
        if own_rejoin && let Signing::Rejoining(_) = self.signing {
            let height = applied.height;
            if let Some(id) = self.unsealed_rejoin() {
                self.signing = Signing::Rejoining(id);
            } else {
                self.signing = Signing::Above(height);
                self.event(Event::Rejoined { height });
            }
        } else if own_rejoin && let Signing::Above(above) = self.signing {
            self.signing = Signing::Above(above.max(applied.height));
        }
    }

    /// Removes votes on seals from the pool that cannot be evidence: single votes that a proposal listed without their
    /// pair, old votes, and votes of authors that are banned or gone.
    fn drop_spent_votes(&mut self) {
        let votes: Vec<Verified> = self
            .pool
            .iter()
            .map(|pooled| &pooled.record)
            .filter(|record| record.statement().is_about_seals())
            .cloned()
            .collect();
        let spent = self.ledger.state().spent_votes(&votes);
        for id in &spent {
            self.pool.remove(id);
        }
        self.forget(spent);
    }

    /// Checks again the records that the seal may affect: records about operations that changed, proposals if the roster
    /// changed, and records that waited for the seal.
    fn review(&mut self, applied: &Applied) {
        for operation in &applied.closed {
            let late = self.pool.close(&operation.id());
            self.forget(late);
            let own = self.journal.close(&operation.id());
            self.unjournal(own);
            self.intend(operation.id(), None);
        }
        let mut doubtful: Vec<RecordId> = Vec::new();
        for operation in &applied.touched {
            doubtful.extend(
                self.pool
                    .about(&operation.id())
                    .map(|pooled| pooled.record.id()),
            );
        }
        if !applied.members.is_empty() {
            doubtful.extend(self.pool.proposals());
            // A member's rights depend on its role and standing.
            let changed: BTreeSet<NodeId> =
                applied.members.iter().map(|change| change.node).collect();
            let theirs = self.pool.iter().map(|pooled| &pooled.record);
            let theirs = theirs.filter(|record| match record.statement() {
                Statement::Propose { .. } => false,
                Statement::Succeed { .. } => true,
                statement => !statement.is_about_seals() && changed.contains(&record.author()),
            });
            doubtful.extend(theirs.map(Verified::id));
        }
        for id in doubtful {
            self.rejudge(&id);
        }
        self.drop_surplus_proposals();
        for operation in &applied.touched {
            self.recount(&operation.id());
            self.retry(Awaits::Operation(operation.id()));
        }
        self.retry(Awaits::Seal);
    }
}

/// Records of this node's store: they were verified before they were stored.
fn trusted(
    records: impl Iterator<Item = Result<Signed, Rejection>>,
) -> Result<Vec<Verified>, Rejection> {
    records.map(|signed| signed.map(Signed::trusted)).collect()
}
