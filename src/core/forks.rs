//! Detects forks: a second certificate for a sealed height ([H5]).

use super::{Core, Event, Output, Write};
use crate::base::rejection::Rejection;
use crate::finality::{blame, verify_certificate};
use crate::statement::record::Seal;
use crate::statement::seal::SealCertificate;

#[cfg(doc)]
use crate::protocol::Rule::*;

impl Core {
    /// Compares a certificate for a sealed height: the same seal is nothing new, another one is a fork.
    pub(super) fn compare_past(
        &mut self,
        seal: &Seal,
        certificate: &SealCertificate,
    ) -> Result<(), Rejection> {
        if self.ledger.past().height_of(&seal.id()) == Some(seal.height) {
            return Ok(());
        }
        let index = self.recent_index(seal.height).ok_or(Rejection::StaleSeal {
            height: seal.height,
            at: self.ledger.state().height(),
        })?;
        let sealers = self.recent[index].agreement.sealers();
        let votes = verify_certificate(certificate, seal, sealers, &mut self.verifier)?;
        for vote in votes {
            self.notice_own(&vote, &[]);
            let agreement = &mut self.recent[index].agreement;
            agreement.add_exempt(vote.clone())?;
            let pair = agreement.equivocation(&vote);
            self.keep_evidence(pair, false);
        }
        self.notice_forks();
        Ok(())
    }

    /// Notices two decided seals at one height: reports the nodes that can be shown to have signed both, and stops sealing.
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
                // Certificates contain only precommits, so blame for missing prevotes would hit honest nodes too. If double
                // signing explains the fork, only that is reported.
                let signers = blame.double_signers.keys();
                let proved = signers.filter(|node| sealers.contains(node)).count();
                if sealers.is_over_third(proved) {
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
