//! Certificates of heights that are sealed already: a second one is a fork.

use super::{Core, Event, Output, Write};
use crate::base::rejection::Rejection;
use crate::finality::{blame, verify_certificate};
use crate::statement::record::Seal;
use crate::statement::seal::{SealCertificate, is_over_third};

impl Core {
    /// A certificate for a height that is sealed: the same seal says nothing new, another is a fork.
    pub(super) fn compare_past(
        &mut self,
        seal: &Seal,
        certificate: &SealCertificate,
    ) -> Result<(), Rejection> {
        let at = self.ledger.state().height();
        let stale = Rejection::StaleSeal {
            height: seal.height,
            at,
        };
        if self.ledger.past().height_of(&seal.id()) == Some(seal.height) {
            return Ok(());
        }
        let back = usize::try_from(at - seal.height).map_err(|_| stale.clone())?;
        let place = self.recent.len().checked_sub(back + 1).ok_or(stale)?;
        let sealers = self.recent[place].agreement.sealers();
        let votes = verify_certificate(certificate, seal, sealers, &mut self.verifier)?;
        for vote in votes {
            self.notice_own(&vote, &[]);
            let agreement = &mut self.recent[place].agreement;
            agreement.add_exempt(vote.clone())?;
            let pair = agreement.equivocation(&vote);
            self.keep_evidence(pair, false);
        }
        self.notice_forks();
        Ok(())
    }

    /// Two decided seals at one height: report who can be shown to have signed both ways, and stop sealing.
    pub(super) fn notice_forks(&mut self) {
        let at = self.ledger.state().height();
        let mut forks = Vec::new();
        for (back, decided) in self.recent.iter_mut().rev().enumerate() {
            let is_fork = decided
                .agreement
                .decisions()
                .any(|(seal, _)| seal != decided.seal);
            if is_fork && !decided.reported {
                decided.reported = true;
                let height = at - back as u64;
                let agreement = &decided.agreement;
                let sealers = agreement.sealers();
                let mut blame = blame(height, sealers, agreement.records());
                // Certificates bring precommits only, so that what rests on the absence of prevotes would name honest
                // nodes too. Where double signing explains the fork, nothing else is said.
                let signers = blame.double_signers.keys();
                let proved = signers.map(|node| sealers.weight(node)).sum();
                if is_over_third(proved, sealers.total()) {
                    blame.amnesiacs.clear();
                    blame.unfounded.clear();
                }
                forks.push((height, blame));
            }
        }
        for (height, blame) in forks {
            self.compromised = true;
            self.out.push(Output::Persist(Write::Compromised));
            self.event(Event::Forked {
                height,
                blame,
                compromised: true,
            });
        }
    }
}
