//! Exchange by files that people carry: the same blocks, proposals, votes and records, but no peer can be asked for missing
//! ones.

use super::super::{Admission, Answer, Core};
use super::place;
use crate::base::digest::RecordId;
use crate::base::rejection::Rejection;
use crate::exchange::bundle::{Proposal, Unsealed};
use crate::statement::record::{Statement, Verified};

#[cfg(doc)]
use crate::protocol::Rule::*;

impl Core {
    /// All unsealed records that this node holds, in the best order for another node: votes on the next seal, which decide
    /// whose lists are of use; its proposals, each with its list (empty if only the proposal is here, and for all other
    /// records); then the other records, each after those it refers to, and votes on the last seals that can still be evidence ([S10]).
    pub fn unsealed(&self) -> Vec<(&Verified, &[RecordId])> {
        let (mut votes, mut proposals) = (Vec::new(), Vec::new());
        for record in self.agreement.offered() {
            match record.statement() {
                Statement::SealProposal { seal, .. } => {
                    let list = self.lists.get(&seal.id());
                    proposals.push((record, list.map_or(&[][..], Vec::as_slice)));
                }
                _ => votes.push((record, &[][..])),
            }
        }
        let pooled = self.pool.iter().map(|pooled| &pooled.record);
        // Evidence about the next seal is in both the pool and the agreement.
        let pooled = pooled.filter(|record| self.agreement.record(&record.id()).is_none());
        let mut pooled: Vec<_> = pooled.map(|record| (record, &[][..])).collect();
        pooled.sort_by_key(|(record, _)| place(record));
        let evidence = self.evidence_votes();
        let evidence = evidence
            .filter(|record| matches!(record.statement(), Statement::SealVote { .. }))
            .map(|record| (record, &[][..]));
        votes
            .into_iter()
            .chain(proposals)
            .chain(pooled)
            .chain(evidence)
            .chain(self.refounding.iter().map(|record| (record, &[][..])))
            .collect()
    }

    /// Applies blocks, and tells the peers this node's height if it grew.
    pub(in crate::core) fn import_blocks(&mut self, blocks: &[Vec<u8>]) -> Answer {
        let before = self.ledger.state().height();
        let taken = self.take_blocks(blocks.iter().map(Vec::as_slice));
        let applied = self.ledger.state().height() - before;
        if applied > 0 {
            for peer in self.peers.clone() {
                self.say_status(peer);
            }
        }
        Answer::Blocks {
            taken: taken.count,
            applied,
            refused: taken.refused,
        }
    }

    pub(in crate::core) fn import_unsealed(
        &mut self,
        part: Unsealed,
    ) -> Result<Admission, Rejection> {
        match part {
            Unsealed::Record(record) => self.admit_bytes(None, &record),
            Unsealed::Proposal(Proposal { record, list }) => {
                let (admission, listed) = self
                    .verify_bytes(&record)
                    .and_then(|record| self.take_proposal(None, record, list))?;
                Ok(match (admission, listed) {
                    // Its list is new.
                    (Admission::Known, Some(_)) => Admission::New,
                    (admission, _) => admission,
                })
            }
        }
    }
}
