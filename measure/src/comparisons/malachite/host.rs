//! What Malachite asks of its host: signatures, their checks, and what to do with messages and decisions.

use async_trait::async_trait;
use futures::FutureExt as _;
use malachitebft_core_consensus::{
    ConsensusMsg, Effect, Resumable as _, Resume, SignedConsensusMsg,
};
use malachitebft_core_types::{Round, SignedMessage, ValidatorProof, VoteExtensionScope};
use malachitebft_signing::{Error, VerificationResult, Verifier, VerifierExt as _};
use malachitebft_signing_ed25519::{PrivateKey, PublicKey, Signature};

use super::context::{Context, Height, Proposal, Value, Vote};

/// Checks signatures with the scheme that Malachite ships.
struct Checks;

/// One node's host. It has no disk, and no clock: without delays no timeout elapses.
pub(super) struct Host {
    key: PrivateKey,
    /// What the node published.
    pub(super) sent: Vec<SignedConsensusMsg<Context>>,
    /// Where it is asked for a value.
    pub(super) asked: Option<(Height, Round)>,
    /// What it decided, once its height is final.
    pub(super) decided: Option<Value>,
}

impl Host {
    pub(super) fn new(key: PrivateKey) -> Self {
        Self {
            key,
            sent: Vec::new(),
            asked: None,
            decided: None,
        }
    }

    pub(super) fn perform(&mut self, effect: Effect<Context>) -> Resume<Context> {
        match effect {
            Effect::SignVote(vote, resume) => {
                let signature = self.key.sign(&vote.message());
                resume.resume_with(SignedMessage::new(vote, signature))
            }
            Effect::SignProposal(proposal, resume) => {
                let signature = self.key.sign(&proposal.message());
                resume.resume_with(SignedMessage::new(proposal, signature))
            }
            Effect::VerifySignature(signed, key, resume) => {
                resume.resume_with(is_good(&signed, &key))
            }
            Effect::VerifyCommitCertificate(certificate, validators, thresholds, resume) => {
                let check = Checks.verify_commit_certificate(
                    &Context,
                    &certificate,
                    &validators,
                    thresholds,
                );
                resume.resume_with(ready(check))
            }
            Effect::PublishConsensusMsg(message, resume) => {
                self.sent.push(message);
                resume.resume_with(())
            }
            Effect::GetValue(height, round, _, resume) => {
                self.asked = Some((height, round));
                resume.resume_with(())
            }
            Effect::Finalize(certificate, _, _, resume) => {
                self.decided = Some(certificate.value_id);
                resume.resume_with(())
            }
            // Timeouts, the write-ahead log, and notices.
            _ => Resume::Continue,
        }
    }
}

fn is_good(signed: &SignedMessage<Context, ConsensusMsg<Context>>, key: &PublicKey) -> bool {
    let signature = &signed.signature;
    let checked = match &signed.message {
        ConsensusMsg::Vote(vote) => ready(Checks.verify_signed_vote(vote, signature, key)),
        ConsensusMsg::Proposal(proposal) => {
            ready(Checks.verify_signed_proposal(proposal, signature, key))
        }
    };
    checked.is_ok_and(|result| result.is_valid())
}

fn ready<T>(check: impl Future<Output = T>) -> T {
    check.now_or_never().expect("checks do not wait")
}

fn checked(key: &PublicKey, message: &[u8], signature: &Signature) -> VerificationResult {
    VerificationResult::from_bool(key.verify(message, signature).is_ok())
}

#[async_trait]
impl Verifier<Context> for Checks {
    async fn verify_signed_vote(
        &self,
        vote: &Vote,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(checked(key, &vote.message(), signature))
    }

    async fn verify_signed_proposal(
        &self,
        proposal: &Proposal,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        Ok(checked(key, &proposal.message(), signature))
    }

    async fn verify_signed_vote_extension(
        &self,
        _: &VoteExtensionScope<Context>,
        (): &(),
        _: &Signature,
        _: &PublicKey,
    ) -> Result<VerificationResult, Error> {
        // Votes have no extensions here.
        Ok(VerificationResult::Invalid)
    }

    async fn verify_validator_proof(
        &self,
        _: &ValidatorProof<Context>,
    ) -> Result<VerificationResult, Error> {
        // Nobody joins here.
        Ok(VerificationResult::Invalid)
    }
}
